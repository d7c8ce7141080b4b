//! Database errors and their meaning for callers.

use std::{borrow::Cow, error::Error as _, fmt, sync::Arc};

use server_shared::error::{Fault, FaultKind};
use sqlx::postgres::PgQueryResult;

/// Failure of the database or of the connection to it.
#[derive(thiserror::Error)]
pub(crate) enum DatabaseError {
    /// PostgreSQL can't be reached or is shutting down, or every connection is in use.
    #[error("The database can't be reached; nothing was changed. Try again.")]
    Unavailable(#[source] sqlx::Error),
    /// The connection was lost while the commit was under way.
    #[error(
        "The database's answer was lost: check whether the change was made, or repeat the request with its \
         Idempotency-Key."
    )]
    Unsure(#[source] sqlx::Error),
    /// Any other error of a query: a bug.
    #[error("a query failed")]
    Failed(#[source] sqlx::Error),
    /// Stored data is not as the service wrote it, e.g. a ciphertext that can't be decrypted.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The master key that wrapped a stored data key is not configured.
    #[error("stored data can't be opened: {0}")]
    KeyMissing(String),
    /// Error of a lookup that several callers waited for together.
    #[error(transparent)]
    Shared(Arc<DatabaseError>),
}

/// Formats the messages alone, from the error down to its first cause. sqlx's own `Debug` also prints details that
/// quote rows ("Failing row contains …"), and whatever is formatted with `{:?}` may be logged.
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
    /// Classifies the error of a commit: if the connection broke before the database answered, the commit may have been
    /// done.
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

    /// Returns `true` if the transaction was undone because of a concurrent one, so that repeating it may succeed.
    pub(crate) fn is_conflict(&self) -> bool {
        let Self::Unavailable(error) = self else { return false };
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.is_some_and(|code| code == "40001" || code == "40P01")
    }

    /// Returns `true` if the statement was stopped because it took longer than its transaction allows.
    pub(crate) fn is_timeout(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "57014")
    }

    /// Returns the error for a transaction used after its end. The types make that impossible, so it is a bug.
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
            // 08: connection lost; 53: out of connections, memory or disk; 57P: shutting down; 40001 and 40P01:
            // serialization failure or deadlock, after which a retry may succeed.
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
            Self::Failed(_) | Self::Damaged(_) | Self::KeyMissing(_) => FaultKind::Internal,
            Self::Shared(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed("database_unavailable")
    }
}

/// Returns the number of rows that a statement changed; `None` if it was refused because a value that must be unique is
/// taken, so that it changed nothing.
pub(crate) fn unless_taken(done: Result<PgQueryResult, sqlx::Error>) -> Result<Option<u64>, DatabaseError> {
    match done {
        Ok(done) => Ok(Some(done.rows_affected())),
        Err(error) if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Fails unless a statement changed exactly one row, so that the transaction is not committed with an audit entry of a
/// change that did not happen.
///
/// Use it for a row that the transaction has locked, where only a policy can keep the statement from changing it. Where
/// the row may have been deleted, the domain returns its own error instead.
pub(crate) fn one_row(done: &PgQueryResult) -> Result<(), DatabaseError> {
    match done.rows_affected() {
        1 => Ok(()),
        rows => Err(DatabaseError::Damaged(format!("a statement for one row changed {rows}"))),
    }
}

/// Returns the name of the constraint that a query violated; callers match it next to the query.
pub(crate) fn broken_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(|database| database.constraint())
}
