//! The way to PostgreSQL: three doors for callers, one for the service itself, and no fifth.
//!
//! [`Database::read`] for what is no protected health information, [`Database::disclose`] for what is,
//! [`Database::write`] for changes, [`Database::across`] for what no caller asks for. The first three set the caller's
//! context before anything else runs, in the round trip that opens the transaction; rows behind row-level security are not
//! there without it. Superadmins and the service's own jobs use the owner's pool, everybody else the restricted
//! role's.

mod across;
mod archive;
mod audience;
mod claim;
mod context;
mod disclose;
mod error;
mod list;
mod pool;
mod read;
mod sealed;
mod session;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use sqlx::{PgConnection, PgPool};

pub(crate) use across::Across;
pub(crate) use archive::Archived;
pub(crate) use claim::{Claim, ClaimState, Claimed, RequestHash, SealedAnswer};
pub(crate) use context::{Context, Lock};
pub(crate) use disclose::{DiscloseTx, PageTx, Pages};
pub(crate) use error::{DatabaseError, broken_constraint, one_row};
pub(crate) use list::Listed;
pub(crate) use pool::{AppProbe, PoolProbe, UNRESTRICTED, connect, is_restricted};
pub(crate) use read::{OpenReader, Reader};
pub(crate) use sealed::{Disclosed, Sealed};
pub(crate) use write::WriteTx;

use audience::Audiences;
use claim::Claims;
use context::PoolKind;
use write::Reacting;

use crate::{
    event::Reactions,
    identity::{Caller, Listeners},
    wake::Wake,
};

/// A transaction that has the caller's context; what repositories take.
pub(crate) trait Tx: Send {
    /// The connection to run a query on.
    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError>;
}

/// The two pools.
#[derive(Clone)]
pub(crate) struct Database {
    across: Across,
    app: PgPool,
    /// Tells the forwarder that there is something to forward.
    wake: Wake,
    /// Tells the runner that there is a job.
    jobs: Wake,
    /// Hear of changes to callers.
    listeners: Listeners,
    /// React to what a write leaves.
    reactions: Arc<Reactions>,
    /// The audience of each organization.
    audiences: Audiences,
    /// The keys of requests under way.
    claims: Claims,
}

impl Database {
    /// `across` is the owner's pool, `app` the restricted role's; every commit leaves audit rows to
    /// forward and says so to `wake`, those that enqueue work say so to `jobs`, and those that change
    /// callers to `listeners`. `reactions` say which jobs an event leaves.
    pub(crate) fn new(
        across: Across,
        app: PgPool,
        (wake, jobs): (Wake, Wake),
        listeners: Listeners,
        reactions: Reactions,
    ) -> Self {
        let reactions = Arc::new(reactions);
        let audiences = Audiences::new(across.clone(), &listeners);
        Self { across, app, wake, jobs, listeners, reactions, audiences, claims: Claims::default() }
    }

    /// The owner's pool, for what no caller asks for.
    pub(crate) fn across(&self) -> &Across {
        &self.across
    }

    /// Lets the transactions of a request find its `Idempotency-Key`, until the answer is dropped.
    pub(crate) fn claim(&self, request_id: &str, claim: Claim) -> Claimed {
        self.claims.enter(request_id, claim)
    }

    /// Reads what is no protected health information. Nothing is sent before the first query.
    pub(crate) fn read(&self, caller: &Caller) -> Reader {
        let context = Context::of(caller);
        Reader::new(self.pool(&context).clone(), context)
    }

    /// Reads protected health information: what comes out is audited in the same transaction.
    pub(crate) async fn disclose(&self, caller: &Caller) -> Result<DiscloseTx, DatabaseError> {
        let context = Context::of(caller);
        DiscloseTx::begin(self.pool(&context), &context, caller.request.clone(), self.wake.clone()).await
    }

    /// Changes rows; commits only with an audit entry.
    pub(crate) async fn write(&self, caller: &Caller) -> Result<WriteTx, DatabaseError> {
        self.write_locked(caller, Vec::new()).await
    }

    /// Like [`Database::write`], holding `locks` from the start to the end of the transaction; they
    /// are taken in the same round trip, in one order for everybody.
    pub(crate) async fn write_locked(&self, caller: &Caller, locks: Vec<Lock>) -> Result<WriteTx, DatabaseError> {
        self.begin(caller, locks, self.claims.of(&caller.request.request_id)).await
    }

    /// Like [`Database::write_locked`], for what stays although its request is refused: it is committed
    /// by itself, whether the request has an `Idempotency-Key` or not.
    pub(crate) async fn write_apart(&self, caller: &Caller, locks: Vec<Lock>) -> Result<WriteTx, DatabaseError> {
        self.begin(caller, locks, None).await
    }

    async fn begin(&self, caller: &Caller, locks: Vec<Lock>, claim: Option<Claim>) -> Result<WriteTx, DatabaseError> {
        let context = Context::of(caller);
        let (wake, jobs, listeners) = (self.wake.clone(), self.jobs.clone(), self.listeners.clone());
        self.audiences.find(caller.organization).await?;
        let reactions = Reacting { audiences: self.audiences.clone(), reactions: Arc::clone(&self.reactions) };
        let surroundings = (caller.request.clone(), wake, jobs, listeners, reactions);
        WriteTx::begin(self.pool(&context), &context, locks, claim.as_ref(), surroundings).await
    }

    fn pool(&self, context: &Context) -> &PgPool {
        match context.pool() {
            PoolKind::Owner => self.across.pool(),
            PoolKind::App => &self.app,
        }
    }
}
