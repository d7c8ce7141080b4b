//! Attempts that this service refused: they are entries of the trail as Core's are.
//!
//! The queue is bounded and nobody waits for it. When attempts come faster than they can be stored, what
//! doesn't fit is counted per caller, operation and code, and each count becomes one entry a minute.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::Utc;
use server_shared::{causes, shutdown::Shutdown};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    error::AuditError,
    model::{ActorKind, AuditOutcome, NewAuditEvent},
    service::AuditService,
};
use crate::{
    http::{Person, Trace},
    ingest::storable,
    storage::{StoreError, postgres},
    text::{Address, HeaderValue, Identifier, Word},
};

/// Attempts that wait at most; some 5 MB.
const QUEUE: usize = 5_000;
/// Attempts stored in one transaction at most.
const BATCH: usize = 500;
/// Distinct counts that are kept when the queue is full; beyond them only the metric counts.
const COUNTS: usize = 10_000;
/// What an entry can stand for.
const MOST_COUNTED: i64 = i32::MAX as i64;
/// How often counts become entries.
const COUNT_EVERY: Duration = Duration::from_mins(1);
/// Pause after a failure to store.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Longest user agent that is kept, in characters.
const USER_AGENT_LENGTH: usize = 300;

/// Something that was tried and refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    /// Who tried; none for somebody who is not known.
    pub person: Option<Person>,
    /// At what, and from where.
    pub trace: &'a Trace,
    /// The stable code of the answer.
    pub error_code: &'a str,
}

impl Attempt<'_> {
    fn event(&self) -> NewAuditEvent {
        // `audit_log_list`: the noun is what was meant, the verb what was to be done to it.
        let operation = self.trace.operation_id;
        let (noun, verb) = operation.rsplit_once('_').unwrap_or((operation, "called"));
        let word = |text: &str| Word::new(text.to_owned());
        let agent = self.trace.user_agent.as_deref();
        NewAuditEvent {
            id: Uuid::now_v7(),
            occurred_at: storable(Utc::now()),
            organization_id: self.person.and_then(|person| person.organization_id).unwrap_or(0),
            actor_user_id: self.person.map(|person| person.user_id),
            actor_kind: if self.person.is_some() { ActorKind::User } else { ActorKind::Anonymous },
            actor_api_key_id: None,
            impersonator_user_id: None,
            action: word(verb).unwrap_or_else(|| Word::literal("called")),
            entity_type: word(noun).unwrap_or_else(|| Word::literal("operation")),
            entity_id: None,
            entity_ids: Vec::new(),
            changed_fields: Vec::new(),
            request_id: Identifier::new(self.trace.request_id.clone()),
            outcome: AuditOutcome::Denied,
            operation_id: word(operation),
            error_code: word(self.error_code),
            occurrences: 1,
            ip: self.trace.ip.and_then(|ip| Address::new(ip.to_string())),
            user_agent: agent.and_then(|agent| HeaderValue::new(agent.chars().take(USER_AGENT_LENGTH).collect())),
        }
    }
}

/// Whose attempts at what are counted together: user, organization, operation, code.
type Kind = (Option<i64>, i64, Option<String>, Option<String>);

/// Takes attempts, at once and always.
#[derive(Debug, Clone)]
pub(crate) struct Attempts {
    queue: mpsc::Sender<NewAuditEvent>,
    counts: Counts,
}

type Counts = Arc<Mutex<HashMap<Kind, NewAuditEvent>>>;

/// The job that stores what [`Attempts`] took.
pub(crate) struct AttemptWriter {
    queue: mpsc::Receiver<NewAuditEvent>,
    counts: Counts,
}

impl Attempts {
    /// A queue, and who empties it.
    pub(crate) fn new() -> (Self, AttemptWriter) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counts = Counts::default();
        let writer = AttemptWriter { queue: receiver, counts: Arc::clone(&counts) };
        (Self { queue: sender, counts }, writer)
    }

    /// Records an attempt.
    pub(crate) fn record(&self, attempt: &Attempt<'_>) {
        let Err(refused) = self.queue.try_send(attempt.event()) else { return };
        metrics::counter!("audit_attempts_collapsed_total").increment(1);
        let event = refused.into_inner();
        let text = |word: &Option<Word>| word.as_ref().map(|word| word.as_ref().to_owned());
        let kind = (event.actor_user_id, event.organization_id, text(&event.operation_id), text(&event.error_code));
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = counts.get_mut(&kind) {
            counted.occurrences = counted.occurrences.saturating_add(1).min(MOST_COUNTED);
        } else if counts.len() < COUNTS {
            // What differs within the count is not said of any of it.
            counts.insert(kind, NewAuditEvent { ip: None, user_agent: None, request_id: None, ..event });
        } else {
            metrics::counter!("audit_attempts_lost_total").increment(1);
        }
    }
}

impl AttemptWriter {
    /// Stores with `audit` until shutdown, then what is left.
    pub(crate) fn start(self, audit: Arc<AuditService>, shutdown: &Shutdown) {
        shutdown.spawn("audit-attempts", |stop| self.run(audit, stop));
    }

    async fn run(mut self, audit: Arc<AuditService>, stop: CancellationToken) {
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
                if write(&audit, &batch[..next]).await.is_ok() {
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
        while let Ok(event) = self.queue.try_recv() {
            batch.push(event);
        }
        batch.extend(self.counted());
        for batch in batch.chunks(BATCH) {
            if write(&audit, batch).await.is_err() {
                tracing::error!("attempts were not recorded before the service ended");
                return;
            }
        }
    }

    fn counted(&self) -> Vec<NewAuditEvent> {
        let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        counts.into_values().collect()
    }
}

/// Stores attempts; fails while the database can't be had. One that it will not take holds up no other.
async fn write(audit: &AuditService, batch: &[NewAuditEvent]) -> Result<(), AuditError> {
    match audit.store(batch).await {
        Ok(_) => {}
        Err(error) if is_down(&error) => {
            tracing::warn!(error = causes(&error), waiting = batch.len(), "attempts can't be recorded yet");
            return Err(error);
        }
        Err(_) => {
            for attempt in batch.chunks(1) {
                if let Err(error) = audit.store(attempt).await {
                    metrics::counter!("audit_attempts_lost_total").increment(1);
                    tracing::error!(error = causes(&error), "an attempt can't be recorded");
                }
            }
        }
    }
    Ok(())
}

fn is_down(error: &AuditError) -> bool {
    matches!(error, AuditError::Store(StoreError::Postgres(error)) if postgres::is_down(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Role;

    fn record(attempts: &Attempts, user: i64) {
        let trace = Trace {
            operation_id: "audit_log_list",
            request_id: "request-1".to_owned(),
            ip: "203.0.113.7".parse().ok(),
            user_agent: Some("a".repeat(2_000)),
        };
        let person = Person { user_id: user, organization_id: Some(1), role: Role::Staff };
        attempts.record(&Attempt { person: Some(person), trace: &trace, error_code: "permission_denied" });
    }

    #[tokio::test]
    async fn an_attempt_says_what_was_meant() {
        let (attempts, mut writer) = Attempts::new();
        record(&attempts, 7);
        let event = writer.queue.recv().await.unwrap();
        assert_eq!((event.entity_type.as_ref(), event.action.as_ref()), ("audit_log", "list"));
        assert_eq!((event.actor_user_id, event.organization_id), (Some(7), 1));
        assert_eq!(event.error_code.as_ref().map(AsRef::as_ref), Some("permission_denied"));
        assert_eq!(event.user_agent.map(|agent| agent.as_ref().len()), Some(USER_AGENT_LENGTH));
    }

    #[test]
    fn what_the_queue_can_not_hold_is_counted_per_caller() {
        let (attempts, writer) = Attempts::new();
        for _ in 0..QUEUE {
            record(&attempts, 1);
        }
        assert!(writer.counted().is_empty());
        for user in [1, 2, 1, 1] {
            record(&attempts, user);
        }
        let counted = writer.counted();
        assert!(counted.iter().all(|event| event.ip.is_none() && event.request_id.is_none()));
        let mut counts: Vec<_> = counted.into_iter().map(|event| (event.actor_user_id, event.occurrences)).collect();
        counts.sort_unstable();
        assert_eq!(counts, [(Some(1), 3), (Some(2), 1)]);
        assert!(writer.counted().is_empty(), "a count is stored once");
    }
}
