//! Denied and failed attempts: they have no transaction to join, so a queue writes them on the
//! owner's pool.
//!
//! The queue is bounded and nobody waits for it. When attempts come faster than they can be written,
//! what doesn't fit is counted per caller, operation and outcome, and each count becomes one row a
//! minute.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    entry::{Actor, Attempt, Origin, Refusal},
    repository,
};
use crate::{
    database::DatabaseError,
    ids::{OrganizationId, UserId},
    wake::Wake,
};

/// Attempts that wait at most; some 5 MB.
const QUEUE: usize = 10_000;
/// Attempts written in one statement at most.
const BATCH: usize = 500;
/// Distinct counts that are kept when the queue is full; beyond them only the metric counts.
const COUNTS: usize = 10_000;
/// What the column can hold.
const MOST_COUNTED: u32 = i32::MAX.unsigned_abs();
/// How often counts become rows.
const COUNT_EVERY: Duration = Duration::from_mins(1);
/// Pause after a failure to write.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whose attempts at what are counted together.
type Kind = (Actor, Option<UserId>, Option<OrganizationId>, &'static str, Refusal, String);

/// Takes attempts, at once and always.
#[derive(Debug, Clone)]
pub(crate) struct Attempts {
    queue: mpsc::Sender<Attempt>,
    counts: Counts,
}

type Counts = Arc<Mutex<HashMap<Kind, Attempt>>>;

/// The job that writes what [`Attempts`] took.
pub(crate) struct AttemptWriter {
    admin: PgPool,
    queue: mpsc::Receiver<Attempt>,
    counts: Counts,
    wake: Wake,
}

impl Attempts {
    /// `admin` is the owner's pool, which may append for every organization.
    pub(crate) fn new(admin: PgPool, wake: Wake) -> (Self, AttemptWriter) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counts = Counts::default();
        let writer = AttemptWriter { admin, queue: receiver, counts: Arc::clone(&counts), wake };
        (Self { queue: sender, counts }, writer)
    }

    /// Records an attempt.
    pub(crate) fn record(&self, attempt: Attempt) {
        let Err(refused) = self.queue.try_send(attempt) else { return };
        metrics::counter!("audit_attempts_collapsed_total").increment(1);
        let attempt = refused.into_inner();
        let Attempt { origin, refusal, entity_type, error_code, .. } = attempt;
        let kind =
            (origin.actor, origin.impersonator, origin.organization, origin.operation_id, refusal, error_code.clone());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = counts.get_mut(&kind) {
            counted.occurrences = counted.occurrences.saturating_add(1).min(MOST_COUNTED);
        } else if counts.len() < COUNTS {
            // What differs within the count is not said of any of it.
            let origin = Origin { ip: None, user_agent: None, request_id: String::new(), ..origin };
            counts.insert(kind, Attempt { origin, refusal, entity_type, entity_id: None, error_code, occurrences: 1 });
        } else {
            metrics::counter!("audit_attempts_lost_total").increment(1);
        }
    }
}

impl AttemptWriter {
    /// Writes until `stop`, then what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut minute = tokio::time::interval(COUNT_EVERY);
        minute.tick().await;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = minute.tick() => batch.extend(self.counted()),
                _ = self.queue.recv_many(&mut batch, BATCH) => {}
            }
            while !batch.is_empty() {
                let next = batch.len().min(BATCH);
                if self.write(&batch[..next]).await.is_ok() {
                    batch.drain(..next);
                    continue;
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(RETRY_AFTER) => {}
                }
            }
        }
        self.queue.close();
        while let Ok(attempt) = self.queue.try_recv() {
            batch.push(attempt);
        }
        batch.extend(self.counted());
        for batch in batch.chunks(BATCH) {
            if self.write(batch).await.is_err() {
                tracing::error!("attempts were not recorded before the service ended");
                return;
            }
        }
    }

    fn counted(&self) -> Vec<Attempt> {
        let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        counts.into_values().collect()
    }

    /// Writes attempts; fails while the database can't be had. One that it will not take holds up no
    /// other.
    async fn write(&self, batch: &[Attempt]) -> Result<(), DatabaseError> {
        match repository::attempts_append(&self.admin, batch).await {
            Err(error @ DatabaseError::Unavailable(_)) => {
                tracing::warn!(%error, waiting = batch.len(), "attempts can't be recorded yet");
                return Err(error);
            }
            Err(_) => {
                for attempt in batch.chunks(1) {
                    if let Err(error) = repository::attempts_append(&self.admin, attempt).await {
                        metrics::counter!("audit_attempts_lost_total").increment(1);
                        tracing::error!(%error, "an attempt can't be recorded");
                    }
                }
            }
            Ok(()) => {}
        }
        self.wake.wake();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(user: i64) -> Attempt {
        let origin = Origin {
            actor: Actor::User(UserId(user)),
            impersonator: None,
            organization: Some(OrganizationId(1)),
            operation_id: "patient_get",
            request_id: "request".to_owned(),
            ip: None,
            user_agent: None,
        };
        Attempt {
            origin,
            refusal: Refusal::Denied,
            entity_type: Some("patient"),
            entity_id: Some("7".to_owned()),
            error_code: "permission_denied".to_owned(),
            occurrences: 1,
        }
    }

    #[tokio::test]
    async fn what_the_queue_can_not_hold_is_counted_per_caller() {
        let pool = PgPool::connect_lazy("postgres://nobody@localhost/none").unwrap();
        let (attempts, writer) = Attempts::new(pool, Wake::default());
        for _ in 0..QUEUE {
            attempts.record(attempt(1));
        }
        assert!(writer.counted().is_empty());
        for user in [1, 2, 1, 1] {
            attempts.record(attempt(user));
        }
        let mut counted: Vec<_> = writer.counted().into_iter().map(|a| (a.origin.actor, a.occurrences)).collect();
        counted.sort_by_key(|(_, occurrences)| *occurrences);
        assert_eq!(counted, [(Actor::User(UserId(2)), 1), (Actor::User(UserId(1)), 3)]);
        assert!(writer.counted().is_empty(), "a count is written once");
    }
}
