//! What can go wrong with decisions on consent.

use server_shared::ApiError;
use thiserror::Error;

use crate::storage::StoreError;

/// Why there was no answer.
#[derive(Debug, Error)]
pub(crate) enum ConsentError {
    /// The person is being erased.
    #[error("an erasure of the person is under way")]
    ErasureInProgress,
    /// A store is down or in disorder.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ConsentError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ConsentError> for ApiError {
    fn from(error: ConsentError) -> Self {
        match error {
            ConsentError::ErasureInProgress => erasure_in_progress(),
            ConsentError::Store(error) => error.into(),
        }
    }
}

/// What is refused while a person is being erased, as it is answered.
pub(super) fn erasure_in_progress() -> ApiError {
    ApiError::conflict(
        "erasure_in_progress",
        "The data of this person is being erased; try again once that is finished.",
    )
}
