//! Reads of any number of rows in one snapshot, by a cursor.
//!
//! An export of a table has to be of one moment, and must not take more memory the longer it is. So its transaction
//! stays open until the last row, and rows are fetched a few hundred at a time. Unlike [`Pages`](super::Pages) it holds
//! a connection meanwhile, and keeps vacuum from removing rows that have changed since, so its users limit their number
//! and time.

use async_trait::async_trait;
use server_shared::http::csv::Cell;
use sqlx::{AssertSqlSafe, PgConnection, postgres::PgRow};

use super::{Connections, Context, Database, DatabaseError, List, Rows, Tx, context::PoolKind, session::Session};
use crate::identity::Caller;

/// Settings of the transaction. Statements are not compiled, which takes longer than the first rows; one whose client
/// has gone ends within a second; and a receiver that has stopped reading does not hold a snapshot for ever.
const SETTINGS: &str = " set local jit = off; set local client_connection_check_interval = '1s'; \
                        set local idle_in_transaction_session_timeout = '5min';";
/// Name of the cursor. A transaction has one at most.
const CURSOR: &str = "rows_of_snapshot";

/// Transaction that reads rows of one moment. If it is dropped before [`Snapshot::end`], the statement under way ends.
pub(crate) struct Snapshot {
    session: Session,
    organization: Option<i64>,
    /// `true` if the policies of the connection's role show rows of at most one organization.
    confined: bool,
}

impl Database {
    /// Opens a snapshot of everything that the caller sees. Rows with protected health information are let out only
    /// once an audit entry is committed: seal the snapshot ([`Sealed::new`](super::Sealed::new)) and open it by
    /// [`WriteTx::commit_sealed`](super::WriteTx::commit_sealed).
    pub(crate) async fn snapshot(&self, caller: &Caller) -> Result<Snapshot, DatabaseError> {
        let context = Context::of(caller);
        Snapshot::begin(self.connections(&context), &context).await
    }
}

impl Snapshot {
    async fn begin(connections: &Connections, context: &Context) -> Result<Self, DatabaseError> {
        let mut session = Session::begin(connections, &context.begin_snapshot(SETTINGS)).await?;
        session.sever_when_dropped();
        let (organization, confined) = (context.organization(), context.pool() == PoolKind::App);
        Ok(Self { session, organization, confined })
    }

    /// Begins a read of the rows of a table.
    pub(crate) fn list(&mut self) -> Result<List<'_>, DatabaseError> {
        Ok(List::entered(self.session.connection()?, self.organization, self.confined))
    }

    /// Reads the next rows of the cursor, at most `rows`; fewer, also none, at its end.
    pub(crate) async fn fetch(&mut self, rows: usize) -> Result<Vec<PgRow>, DatabaseError> {
        let sql = AssertSqlSafe(format!("fetch forward {rows} from {CURSOR}"));
        // A statement that is kept would expect the columns of the first cursor that it was used with.
        Ok(sqlx::query(sql).persistent(false).fetch_all(self.session.connection()?).await?)
    }

    /// Ends the transaction and gives its connection back.
    pub(crate) async fn end(self) -> Result<(), DatabaseError> {
        self.session.commit("").await
    }
}

impl Tx for Snapshot {
    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.session.connection()
    }
}

impl List<'_> {
    /// Counts the rows that meet the conditions, for a snapshot.
    pub(crate) async fn count(self, rows: Rows) -> Result<i64, DatabaseError> {
        let (connection, rows, arguments) = self.into_parts(rows);
        let sql = AssertSqlSafe(format!("select count(*) {rows}"));
        let arguments = arguments.map_err(sqlx::Error::Encode)?;
        Ok(sqlx::query_scalar_with(sql, arguments).fetch_one(connection).await?)
    }

    /// Declares the cursor of a snapshot: these columns of the rows that meet the conditions, in this order, for which
    /// there must be an index.
    pub(crate) async fn declare(
        self,
        rows: Rows,
        columns: &[&'static str],
        order: &'static str,
    ) -> Result<(), DatabaseError> {
        let (connection, rows, arguments) = self.into_parts(rows);
        let columns = columns.join(", ");
        let sql = format!("declare {CURSOR} no scroll cursor for select {columns} {rows} order by {order}");
        let arguments = arguments.map_err(sqlx::Error::Encode)?;
        sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false).execute(connection).await?;
        Ok(())
    }
}

/// Table whose rows are read from a snapshot.
#[async_trait]
pub(crate) trait Tabular: Send + Sync + 'static {
    /// Returns the names of the columns.
    fn header(&self) -> Vec<Cell>;

    /// Returns the number of rows that are in memory together; few for a table whose rows may be large.
    fn batch(&self) -> usize;

    /// Counts the rows.
    async fn count(&self, snapshot: &mut Snapshot) -> Result<i64, DatabaseError>;

    /// Declares the cursor of the rows.
    async fn declare(&self, snapshot: &mut Snapshot) -> Result<(), DatabaseError>;

    /// Makes a row of the table of a row of the cursor: as many cells as the header has. May take some time, because it
    /// decrypts.
    fn row(&self, row: &PgRow) -> Result<Vec<Cell>, DatabaseError>;
}
