//! The door for changes.

use std::{fmt, sync::Arc};

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    Context, DatabaseError, Disclosed, Lock, Sealed, Tx,
    audience::Audiences,
    claim::{Beginning, Claim, Hold},
    context::PoolKind,
    session::Session,
};
use crate::{
    event::{Events, Reactions},
    identity::{Changed, Listeners, Origin},
    jobs::{NewJob, Work, jobs_enqueue},
    wake::Wake,
};

/// Changes rows. Dropped, it rolls back; committed, it leaves an audit entry.
///
/// A request with an `Idempotency-Key` has one transaction, however many writes it makes: each is a part that
/// rolls back by itself, and all that were committed become durable together with the answer.
#[derive(Debug)]
pub(crate) struct WriteTx {
    /// `None` once it has ended.
    held: Option<Held>,
    /// The request has an `Idempotency-Key`: what is committed waits for its answer.
    hold: Option<Hold>,
    origin: Origin,
    /// Wakes the job runner.
    jobs: Wake,
    /// Hear of changes to callers.
    listeners: Listeners,
    reacting: Reacting,
}

/// Reactions to the events of a write, with the audience that they see.
#[derive(Debug)]
pub(super) struct Reacting {
    /// The audiences of organizations.
    pub(super) audiences: Audiences,
    /// The reactions of the service.
    pub(super) reactions: Arc<Reactions>,
}

/// How far a commit has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// The change is durable.
    Durable,
    /// The change becomes durable together with the answer of its request, which has an `Idempotency-Key`;
    /// a request that fails after this undoes it.
    WithAnswer,
}

/// Something to be done once the change is committed, and not otherwise.
type Effect = Box<dyn FnOnce() + Send>;

/// An open transaction and what goes with its commit.
pub(super) struct Held {
    session: Session,
    pool: PoolKind,
    wake: Wake,
    effects: Vec<Effect>,
    /// The statements that append what the write leaves: audit rows, jobs.
    leaves: String,
    /// Effects of the parts before the last one; `None` while there is one part.
    before: Option<usize>,
    /// The last part has been given up: its changes are to be undone before anything else is run.
    undo: bool,
}

/// Begins the last part of a transaction that has several, so that it can be undone by itself.
const PART: &str = " savepoint part;";
/// Undoes the last part.
const UNDO: &str = " rollback to savepoint part;";

impl Held {
    fn new(session: Session, pool: PoolKind, wake: Wake) -> Self {
        Self { session, pool, wake, effects: Vec::new(), leaves: String::new(), before: None, undo: false }
    }

    /// Runs `last` and commits: one round trip. Then come the effects.
    pub(super) async fn commit(self, last: &str) -> Result<(), DatabaseError> {
        let undo = if self.undo { UNDO } else { "" };
        self.session.commit(&format!("{undo}{last}{}", self.leaves)).await?;
        self.wake.wake();
        self.effects.into_iter().for_each(|effect| effect());
        Ok(())
    }

    /// Begins another part, in a context of its own: one round trip. The audit rows of the parts before are
    /// written under theirs.
    async fn join(&mut self, context: &Context, locks: Vec<Lock>) -> Result<(), DatabaseError> {
        if context.pool() != self.pool {
            return Err(DatabaseError::Damaged("two writes of one request need two roles".to_owned()));
        }
        let undo = if self.undo { UNDO } else { "" };
        self.session.run(&format!("{undo}{}{PART}{}", self.leaves, context.enter(locks))).await?;
        self.leaves.clear();
        self.before = Some(self.effects.len());
        self.undo = false;
        Ok(())
    }

    /// Gives up the last part; `None` if there is no other.
    fn give_up_part(mut self) -> Option<Self> {
        self.effects.truncate(self.before?);
        self.leaves.clear();
        self.undo = true;
        Some(self)
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
        claim: Option<&Claim>,
        (origin, wake, jobs, listeners, reacting): (Origin, Wake, Wake, Listeners, Reacting),
    ) -> Result<Self, DatabaseError> {
        let fresh = |session| Held::new(session, context.pool(), wake);
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
            Beginning::Join(hold, mut before) => {
                if let Err(error) = before.join(context, locks).await {
                    hold.lost();
                    return Err(error);
                }
                (*before, Some(hold))
            }
        };
        Ok(Self { held: Some(pending), hold, origin, jobs, listeners, reacting })
    }

    /// Runs `effect` when the change is committed, before anybody is answered.
    /// It must be quick; what takes time or can fail is a job.
    fn after_commit(&mut self, effect: impl FnOnce() + Send + 'static) {
        if let Some(held) = &mut self.held {
            held.effects.push(Box::new(effect));
        }
    }

    /// Tells this process of a change to callers when it is committed, before anybody is answered; the others
    /// hear of it from the database.
    pub(crate) fn changed(&mut self, changed: Changed) {
        let listeners = self.listeners.clone();
        self.after_commit(move || listeners.tell(&changed));
    }

    /// Leaves work that the caller has asked for, for after the commit, in the caller's organization: its job's id,
    /// or nothing when a job with the work's key is open. What follows from an event is a reaction instead.
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

    /// Commits the changes together with what happened: the audit entry and the jobs of whoever reacts go with
    /// the COMMIT, in one message. For a request with an `Idempotency-Key` that is when its answer is known.
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
        match self.hold.take() {
            Some(hold) => {
                hold.keep(pending);
                Ok(Committed::WithAnswer)
            }
            None => pending.commit("").await.map(|()| Committed::Durable),
        }
    }

    /// Commits, and hands out what the change left, which is protected health information.
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
        // Not committed: what earlier writes of the request have left goes back to the claim; a transaction of
        // one part rolls back.
        if let (Some(held), Some(hold)) = (self.held.take().and_then(Held::give_up_part), self.hold.take()) {
            hold.keep(held);
        }
    }
}
