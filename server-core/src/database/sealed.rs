//! Types that keep protected health information sealed until its audit entry is committed.

use server_shared::mark::{self, Door};

/// Value that holds protected health information. It is released only by functions that write an audit entry in the
/// same transaction: [`super::DiscloseTx::disclose`] and [`super::WriteTx::commit_sealed`].
#[must_use]
pub(crate) struct Sealed<T>(T);

/// Proof that an audit entry has been committed for a released value; only [`Sealed::open`] creates one.
pub(crate) struct Audited(());

impl Door for Audited {}

/// Value whose audit entry has been committed; handlers return it as their answer.
pub(crate) type Disclosed<T> = mark::Disclosed<T, Audited>;

impl<T> Sealed<T> {
    /// Seals a value that a repository has read.
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// Transforms the value without releasing it.
    pub(crate) fn try_map<U, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<Sealed<U>, E> {
        map(self.0).map(Sealed)
    }
}

impl<T> Sealed<T> {
    pub(super) fn peek(&self) -> &T {
        &self.0
    }

    /// Releases the value after its audit entry has been committed.
    pub(super) fn open(self) -> Disclosed<T> {
        Disclosed::new(self.0, &Audited(()))
    }
}
