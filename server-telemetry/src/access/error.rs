//! Errors of revocations.

use server_shared::{ApiError, error::FieldFault};
use thiserror::Error;

use crate::storage::StoreError;

/// Why there was no answer.
#[derive(Debug, Error)]
pub(crate) enum AccessError {
    /// It would keep the user out for longer than clocks may differ.
    #[error("the moment is too far ahead")]
    TooFarAhead,
    /// A store is down or in disorder.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::TooFarAhead => Self::validation(&[FieldFault::new(
                "/not_before",
                "range",
                "must not be more than five minutes ahead of this service's clock",
            )]),
            AccessError::Store(error) => error.into(),
        }
    }
}
