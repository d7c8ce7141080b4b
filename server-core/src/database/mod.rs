//! Access to PostgreSQL through four entry points for callers and one for the service itself.
//!
//! - [`Database::read`] reads data that is not protected health information.
//! - [`Database::disclose`] reads protected health information.
//! - [`Database::snapshot`] reads any number of rows of one moment, for tables that are exported.
//! - [`Database::write`] changes data.
//! - [`Database::across`] returns the owner's pool, for work that no caller asks for.
//!
//! All but the last set the caller's context before any other statement, in the round trip that opens the transaction;
//! without a context, row-level security shows no row. Statements of superadmins and of the service's own jobs run on
//! the owner's pool, everybody else's on the pool of the restricted role.

mod across;
mod archive;
mod audience;
mod claim;
mod columns;
mod connection;
mod context;
mod disclose;
mod error;
mod first;
mod list;
mod pool;
mod read;
mod sealed;
mod session;
mod snapshot;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use sqlx::PgConnection;

pub(crate) use across::Across;
pub(crate) use archive::Archived;
pub(crate) use claim::{Claim, ClaimState, Claimed, RequestHash, SealedAnswer};
pub(crate) use columns::{Columns, columns};
pub(crate) use connection::Connections;
pub(crate) use context::{Context, Lock};
pub(crate) use disclose::{DiscloseTx, PageTx, Pages};
pub(crate) use error::{DatabaseError, broken_constraint, one_row, unless_taken};
pub(crate) use first::{First, Literal, Prepared};
pub(crate) use list::{List, Listed, Rows};
pub(crate) use pool::{AppProbe, PoolProbe, UNRESTRICTED, connect, is_restricted};
pub(crate) use read::{OpenReader, Reader};
pub(crate) use sealed::{Disclosed, Sealed};
pub(crate) use snapshot::{Snapshot, Tabular};
pub(crate) use write::WriteTx;

use audience::Audiences;
use claim::Claims;
use context::{Opening, PoolKind};
use write::Reacting;

use crate::{
    event::Reactions,
    identity::{Caller, Listeners},
    wake::Wake,
};

/// A transaction in the caller's context. Repositories take it as their parameter.
pub(crate) trait Tx: Send {
    /// Returns the connection on which queries run.
    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError>;
}

/// The two connection pools, and everything that a write needs besides.
#[derive(Clone)]
pub(crate) struct Database {
    across: Across,
    /// Connections of the restricted role.
    app: Connections,
    /// Connections of the owner, for requests of superadmins.
    owner: Connections,
    /// Wakes the audit forwarder.
    wake: Wake,
    /// Wakes the job runner.
    jobs: Wake,
    /// Caches that are told of changes to callers.
    listeners: Listeners,
    /// Functions that turn the events of a write into jobs.
    reactions: Arc<Reactions>,
    /// Cached audience of each organization.
    audiences: Audiences,
    /// Idempotency claims of requests in progress.
    claims: Claims,
}

impl Database {
    /// Builds the database access from the owner's pool (`across`) and the connections of the restricted role (`app`).
    ///
    /// Every commit wakes the forwarder (the first `Wake`), a commit that enqueues jobs wakes the runner (the second),
    /// and a commit that changes callers tells `listeners`. `reactions` turn events into jobs.
    pub(crate) fn new(
        across: Across,
        app: Connections,
        (wake, jobs): (Wake, Wake),
        listeners: Listeners,
        reactions: Reactions,
    ) -> Self {
        let reactions = Arc::new(reactions);
        let audiences = Audiences::new(across.clone(), &listeners);
        let owner = Connections::Owner(across.pool().clone());
        Self { across, app, owner, wake, jobs, listeners, reactions, audiences, claims: Claims::default() }
    }

    /// Returns the owner's pool, for work that no caller asks for.
    pub(crate) fn across(&self) -> &Across {
        &self.across
    }

    /// Registers the `Idempotency-Key` of a request, so that the transactions of the request find it until the returned
    /// value is dropped.
    pub(crate) fn claim(&self, request_id: &str, claim: Claim) -> Claimed {
        self.claims.enter(request_id, claim)
    }

    /// Opens a read of data that is not protected health information. Sends nothing before the first query.
    pub(crate) fn read(&self, caller: &Caller) -> Reader {
        let context = Context::of(caller);
        Reader::new(self.connections(&context).clone(), context)
    }

    /// Opens a read of protected health information; the values are released only once their audit entry is committed.
    pub(crate) async fn disclose(&self, caller: &Caller) -> Result<DiscloseTx, DatabaseError> {
        let context = Context::of(caller);
        DiscloseTx::begin(self.connections(&context), &context, caller.request.clone(), self.wake.clone()).await
    }

    /// Opens a transaction that changes rows; it commits only together with an audit entry.
    pub(crate) async fn write(&self, caller: &Caller) -> Result<WriteTx, DatabaseError> {
        self.write_locked(caller, Vec::new()).await
    }

    /// Opens a transaction like [`Database::write`] that takes `locks` at its start and holds them to its end. The
    /// locks are taken in the same round trip, in the same order by every transaction.
    pub(crate) async fn write_locked(&self, caller: &Caller, locks: Vec<Lock>) -> Result<WriteTx, DatabaseError> {
        self.opened(caller, Opening { locks, attempt: None }).await
    }

    /// Opens a transaction like [`Database::write_locked`] and executes `first` in the same round trip, for a statement
    /// that seldom fails: [`WriteTx::first`] has its result, and [`WriteTx::undo_attempt`] undoes it, even if it has
    /// failed.
    pub(crate) async fn write_attempt(
        &self,
        caller: &Caller,
        locks: Vec<Lock>,
        first: First,
    ) -> Result<WriteTx, DatabaseError> {
        self.opened(caller, Opening { locks, attempt: Some(first) }).await
    }

    /// Opens a transaction like [`Database::write_locked`] for changes that must be kept although the request is
    /// refused: it commits independently of the answer, even if the request has an `Idempotency-Key`.
    pub(crate) async fn write_apart(&self, caller: &Caller, locks: Vec<Lock>) -> Result<WriteTx, DatabaseError> {
        self.begin(caller, Opening { locks, attempt: None }, None).await
    }

    async fn opened(&self, caller: &Caller, opening: Opening) -> Result<WriteTx, DatabaseError> {
        self.begin(caller, opening, self.claims.of(&caller.request.request_id)).await
    }

    async fn begin(&self, caller: &Caller, opening: Opening, claim: Option<Claim>) -> Result<WriteTx, DatabaseError> {
        let context = Context::of(caller);
        let (wake, jobs, listeners) = (self.wake.clone(), self.jobs.clone(), self.listeners.clone());
        self.audiences.find(caller.organization).await?;
        let reactions = Reacting { audiences: self.audiences.clone(), reactions: Arc::clone(&self.reactions) };
        let surroundings = (caller.request.clone(), wake, jobs, listeners, reactions);
        WriteTx::begin(self.connections(&context), &context, opening, claim.as_ref(), surroundings).await
    }

    fn connections(&self, context: &Context) -> &Connections {
        match context.pool() {
            PoolKind::Owner => &self.owner,
            PoolKind::App => &self.app,
        }
    }
}
