//! What can go wrong in analytics.

use server_shared::{ApiError, error::FieldFault};
use thiserror::Error;

use crate::storage::StoreError;

/// Why a summary can't be made or events not be stored.
#[derive(Debug, Error)]
pub(crate) enum AnalyticsError {
    /// `from` is not before `to`, or too long before.
    #[error("the stretch of time is not valid")]
    InvalidRange,
    /// A store is down or in disorder.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AnalyticsError> for ApiError {
    fn from(error: AnalyticsError) -> Self {
        match error {
            AnalyticsError::InvalidRange => {
                Self::bad_request("invalid_range", "`from` must be before `to`, by at most 366 days.")
                    .with_fields(&[FieldFault::new("from", "range", "must be before `to`, by at most 366 days")])
            }
            AnalyticsError::Store(error) => error.into(),
        }
    }
}
