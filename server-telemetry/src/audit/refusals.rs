//! Audit entries about requests that this service refused, stored in the same trail as Core's.

use std::{net::IpAddr, sync::Arc};

use chrono::Utc;
use ipnet::IpNet;
use server_shared::{
    address::{common, neighbourhood},
    attempts::{self, Store, Unstored},
    causes,
    shutdown::Shutdown,
    value::Moment,
};
use uuid::Uuid;

use super::{
    error::AuditError,
    model::{ActorKind, AuditOutcome, NewAuditEvent},
    service::AuditService,
};
use crate::{
    identity::{Person, Trace},
    storage::{StoreError, postgres},
    text::{Address, HeaderValue, Identifier, Word},
};

/// Most entries that wait to be stored; they take some 5 MB.
const QUEUE: usize = 5_000;
/// Entity type and action of an entry that represents unauthenticated requests to several operations.
const STRANGERS: (&str, &str) = ("authentication", "failed");
/// Maximum number of requests that an entry can represent.
const MOST_COUNTED: i64 = i32::MAX as i64;
/// Length at which user agents are cut, in characters.
const USER_AGENT_LENGTH: usize = 300;

/// Request that was refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefusedRequest<'a> {
    /// Person who sent it; `None` if the caller is not authenticated.
    pub person: Option<Person>,
    /// Operation that was called, and the address that the request came from.
    pub trace: &'a Trace,
    /// Stable code of the error with which it was answered.
    pub error_code: &'a str,
}

impl RefusedRequest<'_> {
    fn event(&self) -> NewAuditEvent {
        // In `audit_log_list` the noun is the entity type and the verb the action.
        let operation = self.trace.operation_id;
        let (noun, verb) = operation.rsplit_once('_').unwrap_or((operation, "called"));
        let word = |text: &str| Word::new(text.to_owned());
        let agent = self.trace.user_agent.as_deref();
        NewAuditEvent {
            id: Uuid::now_v7(),
            occurred_at: Moment::nearest(Utc::now()),
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
            ip: None,
            user_agent: agent.and_then(|agent| HeaderValue::new(agent.chars().take(USER_AGENT_LENGTH).collect())),
            client_request_id: self.trace.client_request_id,
        }
    }
}

/// Audit entry about a refused request, before it is stored.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Event without the address.
    event: NewAuditEvent,
    ip: Option<IpAddr>,
}

/// Queues refused requests for the trail. Never waits and never fails.
#[derive(Debug, Clone)]
pub(crate) struct RefusalRecorder(attempts::Attempts<Entry>);

impl RefusalRecorder {
    /// Queues a refused request.
    pub(crate) fn record(&self, refused: &RefusedRequest<'_>) {
        self.0.record(Entry { event: refused.event(), ip: refused.trace.ip });
    }
}

impl attempts::Attempt for Entry {
    /// User, organization, operation, error code, network.
    type Kind = (Option<i64>, i64, Option<String>, Option<String>, Option<IpNet>);

    fn kind(&self) -> Self::Kind {
        let text = |word: &Option<Word>| word.as_ref().map(|word| word.as_ref().to_owned());
        let event = &self.event;
        let (operation, network) =
            if self.is_strangers() { (None, self.ip.map(neighbourhood)) } else { (text(&event.operation_id), None) };
        (event.actor_user_id, event.organization_id, operation, text(&event.error_code), network)
    }

    fn is_strangers(&self) -> bool {
        self.event.actor_user_id.is_none()
    }

    fn forget_address(&mut self) {
        self.ip = None;
    }

    fn merge(&mut self, other: Self) {
        let (own, its) = (&mut self.event, other.event);
        self.ip = common(self.ip, other.ip);
        if own.operation_id != its.operation_id {
            let (noun, verb) = STRANGERS;
            (own.entity_type, own.action) = (Word::literal(noun), Word::literal(verb));
            own.operation_id = Word::new(format!("{noun}_{verb}"));
        }
        if own.request_id != its.request_id {
            own.request_id = None;
        }
        if own.client_request_id != its.client_request_id {
            own.client_request_id = None;
        }
        if own.user_agent != its.user_agent {
            own.user_agent = None;
        }
        own.occurrences = own.occurrences.saturating_add(its.occurrences).min(MOST_COUNTED);
    }
}

impl Entry {
    /// Returns the event with its address.
    fn stored(&self) -> NewAuditEvent {
        NewAuditEvent { ip: self.ip.and_then(|ip| Address::new(ip.to_string())), ..self.event.clone() }
    }
}

/// Job that stores the entries queued by [`RefusalRecorder`].
pub(crate) struct RefusalWriter(attempts::AttemptWriter<Entry>);

/// Audit trail, as the store of the queued entries.
struct Trail(Arc<AuditService>);

impl Store<Entry> for Trail {
    type Error = String;

    async fn store(&self, entries: &[Entry]) -> Result<(), Unstored<String>> {
        let events: Vec<NewAuditEvent> = entries.iter().map(Entry::stored).collect();
        self.0.store(&events).await.map(drop).map_err(|error| {
            let unstored = if is_down(&error) { Unstored::Unavailable } else { Unstored::Refused };
            unstored(causes(&error))
        })
    }
}

impl RefusalWriter {
    /// Makes a queue, and the job that empties it.
    pub(crate) fn new() -> (RefusalRecorder, Self) {
        let (queue, writer) = attempts::queue(QUEUE);
        (RefusalRecorder(queue), Self(writer))
    }

    /// Stores entries with `audit` until shutdown, and then those that are left.
    pub(crate) fn start(self, audit: Arc<AuditService>, shutdown: &Shutdown) {
        shutdown.spawn("audit-refusals", |stop| self.0.run(Trail(audit), stop));
    }
}

fn is_down(error: &AuditError) -> bool {
    matches!(error, AuditError::Store(StoreError::Postgres(error)) if postgres::is_down(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Role;

    #[test]
    fn an_attempt_says_what_was_meant() {
        let trace = Trace {
            operation_id: "audit_log_list",
            request_id: "request-1".to_owned(),
            client_request_id: None,
            ip: "203.0.113.7".parse().ok(),
            user_agent: Some("a".repeat(2_000)),
        };
        let person = Some(Person { user_id: 7, organization_id: Some(1), role: Role::Staff });
        let event = RefusedRequest { person, trace: &trace, error_code: "permission_denied" }.event();
        assert_eq!((event.entity_type.as_ref(), event.action.as_ref()), ("audit_log", "list"));
        assert_eq!((event.actor_user_id, event.organization_id), (Some(7), 1));
        assert_eq!(event.error_code.as_ref().map(AsRef::as_ref), Some("permission_denied"));
        assert_eq!(event.user_agent.map(|agent| agent.as_ref().len()), Some(USER_AGENT_LENGTH));
    }
}
