//! Connection with an open transaction. Dropping it rolls back.

use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool, Postgres, pool::PoolConnection};

use super::DatabaseError;

/// Open transaction. sqlx's `Transaction` commits in a round trip of its own; this type sends the audit rows and the
/// COMMIT in one message.
#[derive(Debug)]
pub(super) struct Session {
    /// `None` once the transaction has ended.
    connection: Option<PoolConnection<Postgres>>,
}

impl Session {
    /// Opens a transaction with these statements, of which `begin` is the first: one round trip.
    pub(super) async fn begin(pool: &PgPool, statements: &str) -> Result<Self, DatabaseError> {
        #[allow(clippy::disallowed_methods, reason = "the one place that opens transactions")]
        let connection = pool.acquire().await?;
        // The session exists before BEGIN is sent: a request that is cancelled while it waits must not return an open
        // transaction to the pool.
        let mut session = Self { connection: Some(connection) };
        session.run(statements).await?;
        Ok(session)
    }

    /// Returns the connection on which queries run.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.connection.as_deref_mut().ok_or_else(DatabaseError::ended)
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
        // The transaction has ended: the connection returns to the pool unchanged.
        self.connection.take();
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // Dropped before its commit: rolls back in the background, then returns the connection to the pool.
        tokio::spawn(async move {
            if connection.execute(sqlx::raw_sql("rollback")).await.is_err() {
                connection.close_on_drop();
            }
        });
    }
}
