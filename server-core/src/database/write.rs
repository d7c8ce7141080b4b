//! Transactions that change rows.

use std::{fmt, sync::Arc};

use sqlx::{Executor as _, FromRow, PgConnection, postgres::PgRow};
use uuid::Uuid;

use super::{
    Connections, Context, DatabaseError, Disclosed, Sealed, Tx,
    audience::Audiences,
    claim::{Beginning, Claim, ClaimGuard},
    context::{Opening, PoolKind, UNDO_ATTEMPT},
    session::{FirstRows, Session},
};
use crate::{
    event::{Events, Reactions},
    identity::{Changed, Listeners, Origin},
    jobs::{NewJob, Work, jobs_enqueue},
    wake::Wake,
};

/// Transaction that changes rows. Dropping it rolls back; committing it leaves an audit entry.
///
/// A request with an `Idempotency-Key` has one transaction, however many writes it makes: each write is a part that can
/// be rolled back by itself, and all committed parts become durable together with the answer.
#[derive(Debug)]
pub(crate) struct WriteTx {
    /// `None` once the transaction has ended.
    held: Option<PendingCommit>,
    /// Present if the request has an `Idempotency-Key`: the commit then waits for the answer.
    guard: Option<ClaimGuard>,
    origin: Origin,
    /// Wakes the job runner.
    jobs: Wake,
    /// Caches that are told of changes to callers.
    listeners: Listeners,
    reacting: Reacting,
    /// Result of the statement that was executed with the begin.
    first: Option<FirstRows>,
}

/// Reactions to the events of a write, and the audiences that they are given.
#[derive(Debug)]
pub(super) struct Reacting {
    /// The audiences of organizations.
    pub(super) audiences: Audiences,
    /// The reactions of the service.
    pub(super) reactions: Arc<Reactions>,
}

/// Result of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// The change is durable.
    Durable,
    /// The change becomes durable together with the answer of its request, which has an `Idempotency-Key`. A request
    /// that fails afterwards undoes it.
    WithAnswer,
}

/// Action that runs after the commit, and only if it succeeds.
type Effect = Box<dyn FnOnce() + Send>;

/// Open transaction together with everything that its commit includes.
pub(super) struct PendingCommit {
    session: Session,
    pool: PoolKind,
    wake: Wake,
    effects: Vec<Effect>,
    /// Statements that append audit rows and jobs.
    leaves: String,
    /// Number of effects of the parts before the last one; `None` while there is one part.
    before: Option<usize>,
    /// `true` if the last part was dropped: its changes must be undone before any other statement runs.
    undo: bool,
}

/// Begins the last part of a transaction that has several, so that it can be undone by itself.
const PART: &str = " savepoint part;";
/// Undoes the last part.
const UNDO: &str = " rollback to savepoint part;";

impl PendingCommit {
    fn new(session: Session, pool: PoolKind, wake: Wake) -> Self {
        Self { session, pool, wake, effects: Vec::new(), leaves: String::new(), before: None, undo: false }
    }

    /// Runs `last` and commits in one round trip, then runs the effects.
    pub(super) async fn commit(self, last: &str) -> Result<(), DatabaseError> {
        let undo = if self.undo { UNDO } else { "" };
        self.session.commit(&format!("{undo}{last}{}", self.leaves)).await?;
        self.wake.wake();
        self.effects.into_iter().for_each(|effect| effect());
        Ok(())
    }

    /// Begins another part in its own context: one round trip. The audit rows of the parts before are written before
    /// the context changes.
    async fn join(&mut self, context: &Context, opening: &Opening) -> Result<(), DatabaseError> {
        if context.pool() != self.pool {
            return Err(DatabaseError::Damaged("two writes of one request need two roles".to_owned()));
        }
        let undo = if self.undo { UNDO } else { "" };
        self.session.run(&format!("{undo}{}{PART}{}", self.leaves, context.enter(opening))).await?;
        self.leaves.clear();
        self.before = Some(self.effects.len());
        self.undo = false;
        Ok(())
    }

    /// Drops the last part; `None` if it is the only one.
    fn give_up_part(mut self) -> Option<Self> {
        self.effects.truncate(self.before?);
        self.leaves.clear();
        self.undo = true;
        Some(self)
    }
}

impl fmt::Debug for PendingCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingCommit").field("effects", &self.effects.len()).finish_non_exhaustive()
    }
}

impl WriteTx {
    pub(super) async fn begin(
        connections: &Connections,
        context: &Context,
        opening: Opening,
        claim: Option<&Claim>,
        (origin, wake, jobs, listeners, reacting): (Origin, Wake, Wake, Listeners, Reacting),
    ) -> Result<Self, DatabaseError> {
        let fresh = |session| PendingCommit::new(session, context.pool(), wake);
        let begin = async |statements: String| match &opening.attempt {
            Some(first) => Session::begin_with(connections, &statements, first).await,
            None => Ok((Session::begin(connections, &statements).await?, None)),
        };
        let (pending, guard, first) = match claim.map_or(Beginning::Without, Claim::begin) {
            Beginning::Without => {
                let (session, first) = begin(context.begin(&opening)).await?;
                (fresh(session), None, first)
            }
            Beginning::Insert(guard, insert) => match begin(context.begin_with(&insert, &opening)).await {
                Ok((session, first)) => (fresh(session), Some(guard), first),
                Err(DatabaseError::Failed(error) | DatabaseError::Unavailable(error)) => {
                    guard.refused(&error);
                    return Err(error.into());
                }
                Err(error) => return Err(error),
            },
            Beginning::Join(guard, mut before) => {
                if let Err(error) = before.join(context, &opening).await {
                    guard.lost();
                    return Err(error);
                }
                (*before, Some(guard), None)
            }
        };
        Ok(Self { held: Some(pending), guard, origin, jobs, listeners, reacting, first })
    }

    /// Runs `effect` after the commit, before the request is answered. It must be quick; work that takes time or can
    /// fail is a job.
    fn after_commit(&mut self, effect: impl FnOnce() + Send + 'static) {
        if let Some(held) = &mut self.held {
            held.effects.push(Box::new(effect));
        }
    }

    /// Takes the row of the statement that [`Database::write_attempt`](super::Database::write_attempt) was given, or
    /// its error. Returns `None` if it was not executed with the begin, and is yet to be: superadmins' connections
    /// prepare no statements, and a later write of a request joins the transaction of the first.
    pub(crate) fn first<R>(&mut self) -> Option<Result<Option<R>, sqlx::Error>>
    where
        R: for<'r> FromRow<'r, PgRow>,
    {
        Some(self.first.take()?.and_then(|rows| rows.first().map(R::from_row).transpose()))
    }

    /// Undoes everything since the begin of a transaction that
    /// [`Database::write_attempt`](super::Database::write_attempt) has opened, also after a statement has failed. The
    /// transaction keeps its locks.
    pub(crate) async fn undo_attempt(&mut self) -> Result<(), DatabaseError> {
        self.connection()?.execute(UNDO_ATTEMPT).await?;
        Ok(())
    }

    /// Tells the caches of this process of a change to callers after the commit, before the request is answered. Other
    /// processes are notified by the database.
    pub(crate) fn changed(&mut self, changed: Changed) {
        let listeners = self.listeners.clone();
        self.after_commit(move || listeners.tell(&changed));
    }

    /// Enqueues a job in the caller's organization that starts after the commit, and returns its id; `None` if a job
    /// with the same key is open. For work that the caller asked for: work that follows from an event is a reaction.
    pub(crate) async fn enqueue<W: Work>(&mut self, work: &W) -> Result<Option<Uuid>, DatabaseError> {
        let job = NewJob::of(work, self.origin.organization, self.origin.actor.person())?;
        let id = job.id;
        if jobs_enqueue(self.connection()?, &[job]).await? == 0 {
            return Ok(None);
        }
        self.wake_after_commit();
        Ok(Some(id))
    }

    fn wake_after_commit(&mut self) {
        let wake = self.jobs.clone();
        self.after_commit(move || wake.wake());
    }

    /// Commits the changes together with their events: the audit entry and the jobs of the reactions are sent with the
    /// COMMIT in one message. For a request with an `Idempotency-Key`, the commit waits for the answer.
    pub(crate) async fn commit(mut self, events: impl Into<Events>) -> Result<Committed, DatabaseError> {
        let (audit, facts) = events.into().into_parts();
        let audience = self.reacting.audiences.remembered(self.origin.organization);
        let jobs = self.reacting.reactions.jobs(&facts, audience, &self.origin)?;
        if !jobs.is_empty() {
            self.wake_after_commit();
        }
        let mut pending = self.held.take().ok_or_else(DatabaseError::ended)?;
        pending.leaves.push_str(&audit.statement(&self.origin));
        pending.leaves.push_str(&NewJob::statement(&jobs));
        match self.guard.take() {
            Some(guard) => {
                guard.keep(pending);
                Ok(Committed::WithAnswer)
            }
            None => pending.commit("").await.map(|()| Committed::Durable),
        }
    }

    /// Commits and releases `sealed`, the protected health information that the change has produced.
    pub(crate) async fn commit_sealed<T, E: Into<Events>>(
        self,
        sealed: Sealed<T>,
        events: impl FnOnce(&T) -> E,
    ) -> Result<Disclosed<T>, DatabaseError> {
        let events = events(sealed.peek());
        self.commit(events).await?;
        Ok(sealed.open())
    }
}

impl Tx for WriteTx {
    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.held.as_mut().ok_or_else(DatabaseError::ended)?.session.connection()
    }
}

impl Drop for WriteTx {
    fn drop(&mut self) {
        // Not committed: the earlier writes of the request return to the claim; a transaction of one part rolls back.
        if let (Some(held), Some(guard)) = (self.held.take().and_then(PendingCommit::give_up_part), self.guard.take()) {
            guard.keep(held);
        }
    }
}
