//! Errors of decisions on consent.

use std::borrow::Cow;

use server_shared::{
    error::{Fault, FaultKind},
    errors,
};

use crate::storage::StoreError;

/// An erasure of the person's data is in progress, after which nothing may be stored.
#[derive(Debug, thiserror::Error)]
#[error("The data of this person is being erased; try again when the erasure is finished.")]
pub(crate) struct ErasureInProgress;

impl Fault for ErasureInProgress {
    fn kind(&self) -> FaultKind {
        FaultKind::Conflict
    }

    fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed("erasure_in_progress")
    }
}

errors! {
    /// Errors of decisions on consent.
    pub(crate) enum ConsentError {}
    and those of {
        /// The person's data is being erased.
        Erasure(#[from] ErasureInProgress),
        /// A store is unavailable or failed.
        Store(#[from] StoreError),
    }
}

impl From<sqlx::Error> for ConsentError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
