//! What can go wrong between the service and PostgreSQL, and what it means.

use std::borrow::Cow;

use server_shared::error::{Fault, FaultKind};

/// A fault of the database or of the way to it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// PostgreSQL can't be reached, is stopping, or every connection is taken.
    #[error("The database can't be reached; nothing was changed. Try again.")]
    Unavailable(#[source] sqlx::Error),
    /// Anything else: a bug.
    #[error("a query failed")]
    Failed(#[source] sqlx::Error),
    /// What was read can't be what was written, e.g. a ciphertext that does not open.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
}

impl DatabaseError {
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
            Self::Unavailable(_) => FaultKind::Unavailable,
            Self::Failed(_) | Self::Damaged(_) => FaultKind::Internal,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed("database_unavailable")
    }
}

/// The constraint that a query broke, to be matched by name where the query stands.
pub(crate) fn broken_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(|database| database.constraint())
}
