//! Errors of exclusions.

use server_shared::errors;

use crate::{privacy::error::ErasureInProgress, storage::StoreError};

errors! {
    /// Errors of exclusions.
    pub(crate) enum ExclusionError {
        /// No such exclusion, or none that the caller may lift.
        NotFound => NotFound "exclusion_not_found" "There is no such exclusion, or none that you can lift.",
    }
    and those of {
        /// The person's data is being erased.
        Erasure(#[from] ErasureInProgress),
        /// A store is unavailable or failed.
        Store(#[from] StoreError),
    }
}

impl From<sqlx::Error> for ExclusionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
