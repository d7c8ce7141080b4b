//! Connection with an open transaction. Dropping it rolls back.

use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

use super::{Connections, DatabaseError, connection::Connection};

/// Open transaction. sqlx's `Transaction` commits in a round trip of its own; this type sends the audit rows and the
/// COMMIT in one message.
#[derive(Debug)]
pub(super) struct Session(Connection);

impl Session {
    /// Opens a transaction with these statements, of which `begin` is the first: one round trip.
    pub(super) async fn begin(connections: &Connections, statements: &str) -> Result<Self, DatabaseError> {
        // The session exists before BEGIN is sent: a request that is cancelled while it waits must not give back a
        // connection with an open transaction.
        let mut session = Self(connections.acquire().await?);
        session.run(statements).await?;
        Ok(session)
    }

    /// Returns the connection on which queries run.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.0.in_transaction()
    }

    /// Runs statements written by this crate: one round trip.
    pub(super) async fn run(&mut self, statements: &str) -> Result<(), DatabaseError> {
        let sql = AssertSqlSafe(statements.to_owned());
        self.connection()?.execute(sqlx::raw_sql(sql)).await?;
        Ok(())
    }

    /// Runs these statements, which append the audit rows, and commits: one round trip.
    pub(super) async fn commit(mut self, statements: &str) -> Result<(), DatabaseError> {
        self.run(&format!("{statements} commit;")).await.map_err(DatabaseError::of_commit)?;
        self.0.transaction_ended();
        Ok(())
    }
}
