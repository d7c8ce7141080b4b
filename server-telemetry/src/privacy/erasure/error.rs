//! Errors of erasures.

use server_shared::errors;
use thiserror::Error;

use crate::storage::StoreError;

errors! {
    /// Errors of erasures.
    pub(crate) enum ErasureError {
        /// No such job.
        NotFound => NotFound "privacy_job_not_found" "There is no such job.",
        /// The id of the request belongs to a different request.
        RequestReused => Conflict "request_id_reused"
            "This request_id belongs to a different request; use a new one.",
    }
    and those of {
        /// A store is unavailable or failed.
        Store(#[from] StoreError),
    }
}

impl From<sqlx::Error> for ErasureError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Reason for which a job was interrupted.
#[derive(Debug, Error)]
pub(super) enum Interruption {
    /// A store is unavailable or failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Rows arrived while they were erased.
    #[error("rows of {0} were still there after they were erased")]
    StillThere(&'static str),
    /// An equal mutation is still running.
    #[error("an earlier mutation of {0} has not ended")]
    Underway(&'static str),
    /// The lease expired, so another runner may work on the job.
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
