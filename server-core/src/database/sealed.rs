//! Protected health information on its way out.

/// A value that holds protected health information. It opens only where an audit entry is written
/// in the same transaction: [`super::DiscloseTx::disclose`] and [`super::WriteTx::commit_sealed`].
#[must_use]
pub(crate) struct Sealed<T>(T);

impl<T> Sealed<T> {
    /// Seals what a repository read.
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// Works on the value without letting it out.
    pub(crate) fn try_map<U, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<Sealed<U>, E> {
        map(self.0).map(Sealed)
    }
}

impl<T> Sealed<T> {
    pub(super) fn peek(&self) -> &T {
        &self.0
    }

    pub(super) fn open(self) -> T {
        self.0
    }
}
