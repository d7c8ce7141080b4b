//! A connection with an open transaction that ends, whatever happens.

use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool, Postgres, pool::PoolConnection};

use super::DatabaseError;

/// An open transaction. sqlx's own `Transaction` commits in a round trip of its own; here the audit
/// rows and the COMMIT travel together.
#[derive(Debug)]
pub(super) struct Session {
    /// `None` once the transaction has ended.
    connection: Option<PoolConnection<Postgres>>,
}

impl Session {
    /// Opens a transaction by these statements, `begin` first: one round trip.
    pub(super) async fn begin(pool: &PgPool, statements: &str) -> Result<Self, DatabaseError> {
        #[allow(clippy::disallowed_methods, reason = "the one place that opens transactions")]
        let connection = pool.acquire().await?;
        // The session exists before BEGIN is sent: a request that is given up while it waits must
        // not hand an open transaction back to the pool.
        let mut session = Self { connection: Some(connection) };
        session.run(statements).await?;
        Ok(session)
    }

    /// The connection to run queries on.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.connection.as_deref_mut().ok_or_else(DatabaseError::ended)
    }

    /// Runs statements that this crate has written: one round trip.
    pub(super) async fn run(&mut self, statements: &str) -> Result<(), DatabaseError> {
        let sql = AssertSqlSafe(statements.to_owned());
        self.connection()?.execute(sqlx::raw_sql(sql)).await?;
        Ok(())
    }

    /// Runs these statements, which append the audit rows, and commits: one round trip.
    pub(super) async fn commit(mut self, statements: &str) -> Result<(), DatabaseError> {
        self.run(&format!("{statements} commit;")).await.map_err(DatabaseError::of_commit)?;
        // Ended: the connection goes back to the pool as it is.
        self.connection.take();
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // Dropped before its commit: roll back in the background, then the pool has it again.
        tokio::spawn(async move {
            if connection.execute(sqlx::raw_sql("rollback")).await.is_err() {
                connection.close_on_drop();
            }
        });
    }
}
