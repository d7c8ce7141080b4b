//! What can go wrong with exclusions.

use server_shared::ApiError;
use thiserror::Error;

use crate::{privacy::error::erasure_in_progress, storage::StoreError};

/// Why there was no answer.
#[derive(Debug, Error)]
pub(crate) enum ExclusionError {
    /// No such exclusion, or none that the caller can lift.
    #[error("no such exclusion")]
    NotFound,
    /// The person is being erased.
    #[error("an erasure of the person is under way")]
    ErasureInProgress,
    /// A store is down or in disorder.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ExclusionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ExclusionError> for ApiError {
    fn from(error: ExclusionError) -> Self {
        match error {
            ExclusionError::NotFound => {
                Self::not_found("exclusion_not_found", "There is no such exclusion, or none that you can lift.")
            }
            ExclusionError::ErasureInProgress => erasure_in_progress(),
            ExclusionError::Store(error) => error.into(),
        }
    }
}
