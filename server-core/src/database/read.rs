//! Reads of data that is not protected health information.
//!
//! A read of one query needs no transaction block: `context_enter` sets the context in the statement that reads, which
//! is a transaction of its own.
//!
//! ```sql
//! select a.* from context_enter($1, $2, $3, $4, $5) ctx
//! cross join lateral (select … from appointments where id = $6 and ctx offset 0) a
//! ```
//!
//! The lateral query needs the function's result, and `offset 0` keeps the planner from merging the two, so the context
//! is set before the first row is read. If a plan ever reversed the order, the policies would find no context and show
//! no row: it fails closed.

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};

use super::{
    Context, DatabaseError,
    context::{ContextParameters, PoolKind},
    list::List,
};

/// A caller's read before its first statement.
pub(crate) struct Reader {
    pool: PgPool,
    context: Context,
}

impl Reader {
    pub(super) fn new(pool: PgPool, context: Context) -> Self {
        Self { pool, context }
    }

    /// Acquires a connection, for statements that enter the context themselves.
    pub(crate) async fn open(self) -> Result<OpenReader, DatabaseError> {
        #[allow(clippy::disallowed_methods, reason = "the one place that reads outside of a transaction block")]
        let connection = self.pool.acquire().await?;
        Ok(OpenReader { connection, context: self.context })
    }
}

/// Connection together with the context that each statement on it has to enter.
pub(crate) struct OpenReader {
    connection: PoolConnection<Postgres>,
    context: Context,
}

impl OpenReader {
    /// Returns the connection and the five parameters of `context_enter`.
    pub(crate) fn parts(&mut self) -> (&mut PgConnection, ContextParameters) {
        (&mut self.connection, self.context.parameters())
    }

    /// Begins a read of the rows of a table.
    pub(crate) fn list(&mut self) -> List<'_> {
        let (parameters, confined) = (self.context.parameters(), self.context.pool() == PoolKind::App);
        List::entering(&mut self.connection, parameters, confined)
    }
}
