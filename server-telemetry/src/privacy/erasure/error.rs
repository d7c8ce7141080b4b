//! What can go wrong with erasures.

use std::{error::Error as StdError, fmt::Write as _};

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

/// An error and what led to it, for the log of a job, which has no answer to say it in.
pub(super) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
