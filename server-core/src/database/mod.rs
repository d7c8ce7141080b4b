//! The way to PostgreSQL: three doors and no fourth.
//!
//! [`Database::read`] for what is no protected health information, [`Database::disclose`] for what
//! is, [`Database::write`] for changes. Each sets the caller's context before anything else runs, in
//! the round trip that opens the transaction; rows behind row-level security are not there without
//! it. Superadmins and the service's own jobs use the owner's pool, everybody else the restricted
//! role's.

mod claim;
mod context;
mod disclose;
mod error;
mod list;
mod pool;
mod read;
mod sealed;
mod session;
mod write;

use sqlx::{PgConnection, PgPool};

pub(crate) use claim::{Claim, ClaimState, SealedAnswer};
pub(crate) use context::{Context, Lock};
pub(crate) use disclose::{DiscloseTx, Disclosed, DisclosedTx};
pub(crate) use error::{DatabaseError, broken_constraint, one_row};
pub(crate) use list::Listed;
pub(crate) use pool::{AppProbe, PoolProbe, UNRESTRICTED, connect, is_restricted};
pub(crate) use read::{OpenReader, Reader};
pub(crate) use sealed::Sealed;
pub(crate) use write::WriteTx;

use context::PoolKind;

use crate::{http::Caller, wake::Wake};

/// A transaction that has the caller's context; what repositories take.
pub(crate) trait Tx: Send {
    /// The connection to run a query on.
    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError>;
}

/// The two pools.
#[derive(Clone)]
pub(crate) struct Database {
    admin: PgPool,
    app: PgPool,
    /// Tells the forwarder that there is something to forward.
    wake: Wake,
    /// Tells the runner that there is a job.
    jobs: Wake,
}

impl Database {
    /// `admin` is the owner's pool, `app` the restricted role's; every commit leaves audit rows to
    /// forward and says so to `wake`, and those that enqueue work say so to `jobs`.
    pub(crate) fn new(admin: PgPool, app: PgPool, wake: Wake, jobs: Wake) -> Self {
        Self { admin, app, wake, jobs }
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
        let context = Context::of(caller);
        WriteTx::begin(
            self.pool(&context),
            &context,
            locks,
            caller.request.clone(),
            caller.claim.as_ref(),
            self.wake.clone(),
            self.jobs.clone(),
        )
        .await
    }

    fn pool(&self, context: &Context) -> &PgPool {
        match context.pool() {
            PoolKind::Owner => &self.admin,
            PoolKind::App => &self.app,
        }
    }
}
