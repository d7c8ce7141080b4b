//! Protected health information on its way out.

use server_shared::mark::{self, Door};

/// A value that holds protected health information. It opens only where an audit entry is written
/// in the same transaction: [`super::DiscloseTx::disclose`] and [`super::WriteTx::commit_sealed`].
#[must_use]
pub(crate) struct Sealed<T>(T);

/// Proof that an audit entry was committed for what comes out; only [`Sealed::open`] makes one.
pub(crate) struct Audited(());

impl Door for Audited {}

/// A value whose audit entry is committed; it ends in the answer of a handler.
pub(crate) type Disclosed<T> = mark::Disclosed<T, Audited>;

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

    /// Opens the value, whose audit entry has been committed.
    pub(super) fn open(self) -> Disclosed<T> {
        Disclosed::new(self.0, &Audited(()))
    }
}
