//! A connection with an open transaction that ends, whatever happens.

use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool, Postgres, pool::PoolConnection};

use super::{Context, DatabaseError, Lock};
use crate::audit::{Audit, Origin};

/// An open transaction. sqlx's own `Transaction` commits in a round trip of its own; here the audit
/// rows and the COMMIT travel together.
pub(super) struct Session {
    /// `None` once the transaction has ended.
    connection: Option<PoolConnection<Postgres>>,
}

impl Session {
    /// Opens a transaction, enters the context and takes the locks: one round trip.
    pub(super) async fn begin(pool: &PgPool, context: &Context, locks: Vec<Lock>) -> Result<Self, DatabaseError> {
        #[allow(clippy::disallowed_methods, reason = "the one place that opens transactions")]
        let connection = pool.acquire().await?;
        // The session exists before BEGIN is sent: a request that is given up while it waits must
        // not hand an open transaction back to the pool.
        let mut session = Self { connection: Some(connection) };
        let sql = context.begin(locks);
        session.connection()?.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
        Ok(session)
    }

    /// The connection to run queries on.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.connection.as_deref_mut().ok_or_else(DatabaseError::ended)
    }

    /// Appends the audit rows and commits: one round trip.
    pub(super) async fn commit(mut self, audit: &Audit, origin: &Origin) -> Result<(), DatabaseError> {
        let payload = audit.payload(origin);
        let sql = format!("select audit_append('{payload}'); commit;");
        self.connection()?.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
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
