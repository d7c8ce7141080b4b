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

use super::{
    Connections, Context, DatabaseError,
    connection::{Connection, Statement},
    context::{ContextParameters, PoolKind},
    list::List,
};

/// A caller's read before its first statement.
pub(crate) struct Reader {
    connections: Connections,
    context: Context,
}

impl Reader {
    pub(super) fn new(connections: Connections, context: Context) -> Self {
        Self { connections, context }
    }

    /// Acquires a connection, for statements that enter the context themselves.
    pub(crate) async fn open(self) -> Result<OpenReader, DatabaseError> {
        Ok(OpenReader { connection: self.connections.acquire().await?, context: self.context })
    }
}

/// Connection together with the context that each statement on it has to enter.
pub(crate) struct OpenReader {
    connection: Connection,
    context: Context,
}

impl OpenReader {
    /// Returns the connection and the five parameters of `context_enter`.
    pub(crate) fn parts(&mut self) -> (Statement<'_>, ContextParameters) {
        (self.connection.statement(), self.context.parameters())
    }

    /// Returns the patient and the specialist whose rows alone the caller sees, each `None` for other callers.
    pub(crate) fn own_records(&self) -> (Option<i64>, Option<i64>) {
        let (_, _, _, patient, specialist) = self.context.parameters();
        (patient, specialist)
    }

    /// Begins a read of the rows of a table.
    pub(crate) fn list(&mut self) -> List<'_> {
        let (parameters, confined) = (self.context.parameters(), self.context.pool() == PoolKind::App);
        List::entering(self.connection.statement(), parameters, confined)
    }
}
