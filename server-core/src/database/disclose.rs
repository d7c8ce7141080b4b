//! Reads of protected health information.

use sqlx::PgConnection;

use super::{
    Connections, Context, DatabaseError, Disclosed, Sealed, Tx,
    context::{Opening, PoolKind},
    list::{List, SealedList},
    session::Session,
};
use crate::{audit::Audit, identity::Origin, wake::Wake};

/// Allows sequential scans and bitmaps in a transaction, which connections of the service avoid: what is read page by
/// page may have no index, and reading all rows of a table in the order of another one takes far more pages.
/// Transactions that write go without: their triggers and foreign keys keep the plans that they make for every later
/// transaction of the connection.
const WHOLE_TABLES: &str = " set local enable_seqscan = on; set local enable_bitmapscan = on;";

/// Transaction that reads rows and releases them only together with an audit entry.
pub(crate) struct DiscloseTx {
    session: Session,
    origin: Origin,
    wake: Wake,
    connections: Connections,
    context: Context,
}

/// Reader of data whose audit entry has been committed, page by page. Between pages it holds no connection, because the
/// recipient may be slow.
pub(crate) struct Pages {
    connections: Connections,
    context: Context,
}

/// Transaction that reads one page of disclosed data.
pub(crate) struct PageTx(Session);

impl DiscloseTx {
    pub(super) async fn begin(
        connections: &Connections,
        context: &Context,
        origin: Origin,
        wake: Wake,
    ) -> Result<Self, DatabaseError> {
        let session = Session::begin(connections, &context.begin(&Opening::default())).await?;
        Ok(Self { session, origin, wake, connections: connections.clone(), context: context.clone() })
    }

    /// Begins a read of the rows of a table.
    pub(crate) fn list(&mut self) -> Result<SealedList<'_>, DatabaseError> {
        let (organization, confined) = (self.context.organization(), self.context.pool() == PoolKind::App);
        Ok(SealedList::new(List::entered(self.session.connection()?, organization, confined)))
    }

    /// Writes the audit entry that `audit` builds from the value, commits, and releases the value.
    pub(crate) async fn disclose<T>(
        self,
        sealed: Sealed<T>,
        audit: impl FnOnce(&T) -> Audit,
    ) -> Result<Disclosed<T>, DatabaseError> {
        let audit = audit(sealed.peek());
        self.session.commit(&audit.statement(&self.origin)).await?;
        self.wake.wake();
        Ok(sealed.open())
    }

    /// Discloses data that is too large to be held in memory: first writes the audit entry of all the data that is
    /// going to be read and commits, then returns the reader of its pages.
    pub(crate) async fn disclose_in_pages(self, audit: Audit) -> Result<Disclosed<Pages>, DatabaseError> {
        let Self { session, origin, wake, connections, context } = self;
        session.commit(&audit.statement(&origin)).await?;
        wake.wake();
        Ok(Sealed::new(Pages { connections, context }).open())
    }
}

impl Pages {
    /// Opens a transaction that reads a page.
    pub(crate) async fn page(&self) -> Result<PageTx, DatabaseError> {
        let begin = format!("{}{WHOLE_TABLES}", self.context.begin(&Opening::default()));
        Ok(PageTx(Session::begin(&self.connections, &begin).await?))
    }
}

impl Tx for PageTx {
    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.0.connection()
    }
}

impl Tx for DiscloseTx {
    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.session.connection()
    }
}
