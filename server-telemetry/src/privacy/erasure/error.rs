//! What can go wrong with erasures.

use server_shared::errors;
use thiserror::Error;

use crate::storage::StoreError;

errors! {
    /// Why there was no answer.
    pub(crate) enum ErasureError {
        /// No such job.
        NotFound => NotFound "privacy_job_not_found" "There is no such job.",
        /// The id of the request was used for another one.
        RequestReused => Conflict "request_id_reused"
            "This request_id belongs to a request for something else; use a new one.",
    }
    and those of {
        /// A store is down or in disorder.
        Store(#[from] StoreError),
    }
}

impl From<sqlx::Error> for ErasureError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
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
