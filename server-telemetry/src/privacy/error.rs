//! What can go wrong with decisions on consent.

use std::borrow::Cow;

use server_shared::{
    error::{Fault, FaultKind},
    errors,
};

use crate::storage::StoreError;

/// An erasure of the person is under way, which ends with nothing being held.
#[derive(Debug, thiserror::Error)]
#[error("The data of this person is being erased; try again once that is finished.")]
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
    /// Why there was no answer.
    pub(crate) enum ConsentError {}
    and those of {
        /// The person is being erased.
        Erasure(#[from] ErasureInProgress),
        /// A store is down or in disorder.
        Store(#[from] StoreError),
    }
}

impl From<sqlx::Error> for ConsentError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
