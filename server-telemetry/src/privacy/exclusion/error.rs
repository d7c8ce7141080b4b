//! What can go wrong with exclusions.

use server_shared::errors;

use crate::{privacy::error::ErasureInProgress, storage::StoreError};

errors! {
    /// Why there was no answer.
    pub(crate) enum ExclusionError {
        /// No such exclusion, or none that the caller can lift.
        NotFound => NotFound "exclusion_not_found" "There is no such exclusion, or none that you can lift.",
    }
    and those of {
        /// The person is being erased.
        Erasure(#[from] ErasureInProgress),
        /// A store is down or in disorder.
        Store(#[from] StoreError),
    }
}

impl From<sqlx::Error> for ExclusionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
