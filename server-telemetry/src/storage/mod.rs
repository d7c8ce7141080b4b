//! Stores: PostgreSQL for data that must be exact, ClickHouse for large amounts of events, Redis for messages
//! between instances.

pub(crate) mod clickhouse;
pub(crate) mod postgres;
pub(crate) mod redis;

use std::borrow::Cow;

use server_shared::{
    error::{Fault, FaultKind},
    token::SignError,
};
use thiserror::Error;

use self::clickhouse::WriteError;

/// Error of a store.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// PostgreSQL failed.
    #[error("PostgreSQL failed")]
    Postgres(#[from] sqlx::Error),
    /// A head of the audit trail could not be signed.
    #[error("an audit head could not be signed")]
    Sign(#[source] SignError),
    /// A query of ClickHouse failed.
    #[error("ClickHouse failed")]
    ClickHouse(#[from] ::clickhouse::error::Error),
    /// A write to ClickHouse failed.
    #[error("a ClickHouse writer failed")]
    Write(#[from] WriteError),
}

impl Fault for StoreError {
    fn kind(&self) -> FaultKind {
        let down = match self {
            Self::Postgres(error) => postgres::is_down(error),
            Self::ClickHouse(error) => clickhouse::is_down(error),
            Self::Write(_) => true,
            Self::Sign(_) => false,
        };
        if down { FaultKind::Unavailable } else { FaultKind::Internal }
    }

    fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Postgres(_) => "database_unavailable",
            Self::Write(WriteError::Full) => "overloaded",
            Self::ClickHouse(_) | Self::Write(_) | Self::Sign(_) => "storage_unavailable",
        })
    }

    fn message(&self) -> String {
        match self {
            Self::Postgres(_) => "The database does not answer; try again.",
            Self::Write(WriteError::Full) => "Too many rows are waiting to be stored; try again.",
            Self::ClickHouse(_) | Self::Write(_) | Self::Sign(_) => "The event store does not answer; try again.",
        }
        .to_owned()
    }
}
