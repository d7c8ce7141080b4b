//! What can go wrong with erasures.

use server_shared::ApiError;
use thiserror::Error;

use crate::storage::StoreError;

/// Why there was no answer.
#[derive(Debug, Error)]
pub(crate) enum ErasureError {
    /// No such job.
    #[error("no such job")]
    NotFound,
    /// The id of the request was used for another one.
    #[error("the id was used for another request")]
    RequestReused,
    /// A store is down or in disorder.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ErasureError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ErasureError> for ApiError {
    fn from(error: ErasureError) -> Self {
        match error {
            ErasureError::NotFound => Self::not_found("privacy_job_not_found", "There is no such job."),
            ErasureError::RequestReused => Self::conflict(
                "request_id_reused",
                "This request_id belongs to a request for something else; use a new one.",
            ),
            ErasureError::Store(error) => error.into(),
        }
    }
}

/// Why a job did not get to its end this time.
#[derive(Debug, Error)]
pub(super) enum Interruption {
    /// A store is down or in disorder.
    #[error("{0} failed")]
    Store(#[from] StoreError),
    /// Rows came in while they were erased.
    #[error("rows of {0} were still there after they were erased")]
    StillThere(&'static str),
    /// A mutation that does the same has not ended.
    #[error("a mutation of {0} that was begun before has not ended")]
    Underway(&'static str),
    /// The lease ran out and somebody else may work on the job.
    #[error("the lease was lost")]
    LeaseLost,
}

impl From<sqlx::Error> for Interruption {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<clickhouse::error::Error> for Interruption {
    fn from(error: clickhouse::error::Error) -> Self {
        Self::Store(error.into())
    }
}
