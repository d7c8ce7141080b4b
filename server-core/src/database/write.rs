//! The door for changes.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{Context, DatabaseError, Lock, Sealed, Tx, session::Session};
use crate::{
    audit::{Actor, Audit, Origin},
    jobs::{self, Work},
    wake::Wake,
};

/// Changes rows. Dropped, it rolls back; committed, it leaves an audit entry.
pub(crate) struct WriteTx {
    session: Session,
    origin: Origin,
    wake: Wake,
    jobs: Wake,
    effects: Vec<Effect>,
}

/// Something to be done once the change is committed, and not otherwise.
type Effect = Box<dyn FnOnce() + Send>;

impl WriteTx {
    pub(super) async fn begin(
        pool: &PgPool,
        context: &Context,
        locks: Vec<Lock>,
        origin: Origin,
        wake: Wake,
        jobs: Wake,
    ) -> Result<Self, DatabaseError> {
        let session = Session::begin(pool, context, locks).await?;
        Ok(Self { session, origin, wake, jobs, effects: Vec::new() })
    }

    /// Has `effect` run when the change is committed, before anybody is answered: caches are told so.
    /// It must be quick; what takes time or can fail is a job.
    pub(crate) fn after_commit(&mut self, effect: impl FnOnce() + Send + 'static) {
        self.effects.push(Box::new(effect));
    }

    /// Leaves work for after the commit, in the organization of the caller: its job's id, or nothing
    /// when a job with the work's key is open.
    #[allow(dead_code, reason = "the first work that is enqueued comes with the next change")]
    pub(crate) async fn enqueue<W: Work>(&mut self, work: &W) -> Result<Option<Uuid>, DatabaseError> {
        let user = if let Actor::User(user) = self.origin.actor { Some(user) } else { None };
        let job = jobs::NewJob::of(work, self.origin.organization, user)?;
        if !jobs::job_enqueue(self, &job).await? {
            return Ok(None);
        }
        let wake = self.jobs.clone();
        self.after_commit(move || wake.wake());
        Ok(Some(job.id))
    }

    /// Commits the changes together with their audit entry.
    pub(crate) async fn commit(self, audit: Audit) -> Result<(), DatabaseError> {
        self.session.commit(&audit, &self.origin).await?;
        self.wake.wake();
        self.effects.into_iter().for_each(|effect| effect());
        Ok(())
    }

    /// Commits, and hands out what the change left, which is protected health information.
    pub(crate) async fn commit_sealed<T>(
        self,
        sealed: Sealed<T>,
        audit: impl FnOnce(&T) -> Audit,
    ) -> Result<T, DatabaseError> {
        let audit = audit(sealed.peek());
        self.commit(audit).await?;
        Ok(sealed.open())
    }
}

impl Tx for WriteTx {
    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.session.connection()
    }
}
