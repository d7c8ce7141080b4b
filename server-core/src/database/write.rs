//! The door for changes.

use std::fmt;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    Context, DatabaseError, Lock, Sealed, Tx,
    claim::{Beginning, Claim, Hold},
    session::Session,
};
use crate::{
    audit::{Actor, Audit, Origin},
    jobs::{self, Work},
    wake::Wake,
};

/// Changes rows. Dropped, it rolls back; committed, it leaves an audit entry.
pub(crate) struct WriteTx {
    held: Held,
    /// The request has an `Idempotency-Key`: what is committed waits for its answer.
    hold: Option<Hold>,
    origin: Origin,
    /// Wakes the job runner.
    jobs: Wake,
}

/// Something to be done once the change is committed, and not otherwise.
type Effect = Box<dyn FnOnce() + Send>;

/// An open transaction and what goes with its commit.
pub(super) struct Held {
    session: Session,
    wake: Wake,
    effects: Vec<Effect>,
    /// The statements that append the audit rows.
    audit: String,
}

impl Held {
    /// Runs `last` and commits: one round trip. Then come the effects.
    pub(super) async fn commit(self, last: &str) -> Result<(), DatabaseError> {
        self.session.commit(&format!("{last}{}", self.audit)).await?;
        self.wake.wake();
        self.effects.into_iter().for_each(|effect| effect());
        Ok(())
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("effects", &self.effects.len()).finish_non_exhaustive()
    }
}

impl WriteTx {
    pub(super) async fn begin(
        pool: &PgPool,
        context: &Context,
        locks: Vec<Lock>,
        origin: Origin,
        claim: Option<&Claim>,
        wake: Wake,
        jobs: Wake,
    ) -> Result<Self, DatabaseError> {
        let fresh = |session| Held { session, wake, effects: Vec::new(), audit: String::new() };
        let (pending, hold) = match claim.map_or(Beginning::Without, Claim::begin) {
            Beginning::Without => (fresh(Session::begin(pool, &context.begin(locks)).await?), None),
            Beginning::Insert(hold, insert) => match Session::begin(pool, &context.begin_with(&insert, locks)).await {
                Ok(session) => (fresh(session), Some(hold)),
                Err(DatabaseError::Failed(error) | DatabaseError::Unavailable(error)) => {
                    hold.refused(&error);
                    return Err(error.into());
                }
                Err(error) => return Err(error),
            },
            Beginning::Refused => return Err(DatabaseError::ended()),
        };
        Ok(Self { held: pending, hold, origin, jobs })
    }

    /// Has `effect` run when the change is committed, before anybody is answered: caches are told so.
    /// It must be quick; what takes time or can fail is a job.
    pub(crate) fn after_commit(&mut self, effect: impl FnOnce() + Send + 'static) {
        self.held.effects.push(Box::new(effect));
    }

    /// Leaves work for after the commit, in the organization of the caller: its job's id, or nothing
    /// when a job with the work's key is open.
    pub(crate) async fn enqueue<W: Work>(&mut self, work: &W) -> Result<Option<Uuid>, DatabaseError> {
        let job = self.job(work)?;
        let id = job.id;
        Ok((self.enqueue_jobs(&[job]).await? == 1).then_some(id))
    }

    /// The same for several, in one statement; for none, nothing is sent.
    pub(crate) async fn enqueue_all<W: Work>(&mut self, works: &[W]) -> Result<(), DatabaseError> {
        let jobs = works.iter().map(|work| self.job(work)).collect::<Result<Vec<_>, _>>()?;
        self.enqueue_jobs(&jobs).await.map(drop)
    }

    fn job<W: Work>(&self, work: &W) -> Result<jobs::NewJob, DatabaseError> {
        let user = if let Actor::User(user) = self.origin.actor { Some(user) } else { None };
        jobs::NewJob::of(work, self.origin.organization, user)
    }

    async fn enqueue_jobs(&mut self, jobs: &[jobs::NewJob]) -> Result<u64, DatabaseError> {
        let written = if jobs.is_empty() { 0 } else { jobs::jobs_enqueue(self.connection()?, jobs).await? };
        if written > 0 {
            let wake = self.jobs.clone();
            self.after_commit(move || wake.wake());
        }
        Ok(written)
    }

    /// Commits the changes together with their audit entry; for a request with an `Idempotency-Key`,
    /// when its answer is known.
    pub(crate) async fn commit(mut self, audit: Audit) -> Result<(), DatabaseError> {
        self.held.audit.push_str(&audit.statement(&self.origin));
        match self.hold {
            Some(hold) => {
                hold.keep(self.held);
                Ok(())
            }
            None => self.held.commit("").await,
        }
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
        self.held.session.connection()
    }
}
