//! The stores: PostgreSQL for what must be exact, ClickHouse for what is much, Redis for what
//! instances tell each other.

pub(crate) mod clickhouse;
pub(crate) mod postgres;
pub(crate) mod redis;

use server_shared::{ApiError, token::SignError};
use thiserror::Error;

use self::clickhouse::WriteError;

/// A store that could not do what was asked of it.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// PostgreSQL.
    #[error("PostgreSQL")]
    Postgres(#[from] sqlx::Error),
    /// A head of the audit trail could not be signed.
    #[error("the signature of an audit head")]
    Sign(#[source] SignError),
    /// ClickHouse, when reading.
    #[error("ClickHouse")]
    ClickHouse(#[from] ::clickhouse::error::Error),
    /// ClickHouse, when writing.
    #[error("a ClickHouse writer")]
    Write(#[from] WriteError),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let down = match &error {
            StoreError::Postgres(error) => postgres::is_down(error),
            StoreError::ClickHouse(error) => clickhouse::is_down(error),
            StoreError::Write(_) => true,
            StoreError::Sign(_) => false,
        };
        if !down {
            return Self::internal(error);
        }
        let (code, message) = match &error {
            StoreError::Postgres(_) => ("database_unavailable", "The database does not answer; try again."),
            StoreError::Write(WriteError::Full) => ("overloaded", "Too much is waiting to be stored; try again."),
            StoreError::ClickHouse(_) | StoreError::Write(_) | StoreError::Sign(_) => {
                ("storage_unavailable", "The event store does not answer; nothing was stored, try again.")
            }
        };
        Self::unavailable(code, message, error)
    }
}
