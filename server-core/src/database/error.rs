//! What can go wrong between the service and PostgreSQL, and what it means.

use std::{borrow::Cow, error::Error as _, fmt, sync::Arc};

use server_shared::error::{Fault, FaultKind};
use sqlx::postgres::PgQueryResult;

/// A fault of the database or of the way to it.
#[derive(thiserror::Error)]
pub(crate) enum DatabaseError {
    /// PostgreSQL can't be reached, is stopping, or every connection is taken.
    #[error("The database can't be reached; nothing was changed. Try again.")]
    Unavailable(#[source] sqlx::Error),
    /// The connection was lost while the commit was under way.
    #[error("The database's answer was lost: look whether it was done, or repeat it with its Idempotency-Key.")]
    Unsure(#[source] sqlx::Error),
    /// Anything else: a bug.
    #[error("a query failed")]
    Failed(#[source] sqlx::Error),
    /// What was read can't be what was written, e.g. a ciphertext that does not open.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The fault of a lookup that several callers waited for.
    #[error(transparent)]
    Shared(Arc<DatabaseError>),
}

/// The messages alone, down to the cause: what sqlx's `Debug` shows besides are details that quote rows
/// ("Failing row contains …"), and what shows itself by `{:?}` is what gets logged.
impl fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl DatabaseError {
    /// What a failed commit means: without the database's word it may have been done.
    pub(super) fn of_commit(self) -> Self {
        match self {
            Self::Unavailable(
                error @ (sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed),
            ) => Self::Unsure(error),
            other => other,
        }
    }

    /// A transaction was used after its end; the types make that impossible, so it is a bug.
    pub(super) fn ended() -> Self {
        Self::Damaged("the transaction has ended".to_owned())
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        let unavailable = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            // 08: connection lost; 53: out of connections, memory or disk; 57P: shutting down; 40001
            // and 40P01: lost a race, which may go right the next time.
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or(Cow::Borrowed(""));
                ["08", "53", "57P", "40001", "40P01"].iter().any(|class| code.starts_with(class))
            }
            _ => false,
        };
        if unavailable { Self::Unavailable(error) } else { Self::Failed(error) }
    }
}

impl Fault for DatabaseError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Unavailable(_) | Self::Unsure(_) => FaultKind::Unavailable,
            Self::Failed(_) | Self::Damaged(_) => FaultKind::Internal,
            Self::Shared(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed("database_unavailable")
    }
}

/// Fails unless a statement changed the one row that it was for. For a row that the transaction holds
/// locked, so that only a policy can be in the way; where it may be gone, the domain has its own error.
/// Nothing is committed, and no audit row says that it was done.
pub(crate) fn one_row(done: &PgQueryResult) -> Result<(), DatabaseError> {
    match done.rows_affected() {
        1 => Ok(()),
        rows => Err(DatabaseError::Damaged(format!("a statement for one row changed {rows}"))),
    }
}

/// The constraint that a query broke, to be matched by name where the query stands.
pub(crate) fn broken_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(|database| database.constraint())
}
