//! Audit events as Core sends them and as they are listed.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::{http::Paging, value::Moment};
use uuid::{Uuid, uuid};

use crate::text::{Address, HeaderValue, Identifier, Word};

const EXAMPLE_ID: Uuid = uuid!("019a6b1c-5d7e-7c3a-9b52-3f1e0d6c8a41");

/// Kind of actor.
///
/// - `user`: a person
/// - `api_key`: a program with an API key of an organization
/// - `system`: Core itself
/// - `anonymous`: a caller that is not authenticated
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ActorKind {
    User,
    ApiKey,
    System,
    Anonymous,
}

impl ActorKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ApiKey => "api_key",
            Self::System => "system",
            Self::Anonymous => "anonymous",
        }
    }

    /// Parses a column that a check constraint restricts to these values.
    pub(crate) fn from_column(text: &str) -> Self {
        match text {
            "user" => Self::User,
            "api_key" => Self::ApiKey,
            "anonymous" => Self::Anonymous,
            _ => Self::System,
        }
    }
}

/// Outcome of an action.
///
/// - `succeeded`: the action was done
/// - `denied`: the actor was not allowed to do it
/// - `failed`: the actor was allowed to do it, but it was not possible
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum AuditOutcome {
    Succeeded,
    Denied,
    Failed,
}

impl AuditOutcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    /// Parses a column that a check constraint restricts to these values.
    pub(crate) fn from_column(text: &str) -> Self {
        match text {
            "succeeded" => Self::Succeeded,
            "denied" => Self::Denied,
            _ => Self::Failed,
        }
    }
}

/// Batch of audit events.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct AuditBatch {
    /// Events, in the order in which they occurred.
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub events: Vec<NewAuditEvent>,
}

impl Example for AuditBatch {
    fn example() -> Self {
        Self { events: vec![NewAuditEvent::example()] }
    }
}

/// Action that succeeded, was denied or failed. It names the affected entity and never contains values of its fields.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct NewAuditEvent {
    /// Id of the event, a UUIDv7 made when the event occurred. An event with an id that is already stored is not
    /// stored again.
    pub id: Uuid,
    /// Time at which the event occurred.
    pub occurred_at: Moment,
    /// Organization to which the event belongs; 0 if it belongs to none.
    #[oai(validator(minimum(value = "0")))]
    pub organization_id: i64,
    /// Id of the user who acted, if `actor_kind` is `user`.
    #[oai(validator(minimum(value = "1")))]
    pub actor_user_id: Option<i64>,
    /// Kind of actor.
    pub actor_kind: ActorKind,
    /// Id of the API key that acted, if `actor_kind` is `api_key`.
    #[oai(validator(minimum(value = "1")))]
    pub actor_api_key_id: Option<i64>,
    /// Id of the administrator who acts as the user, during an impersonation.
    #[oai(validator(minimum(value = "1")))]
    pub impersonator_user_id: Option<i64>,
    /// Action, e.g. `created`, `updated`, `deleted`, `read`.
    pub action: Word,
    /// Type of the affected entity, e.g. `appointment`.
    pub entity_type: Word,
    /// Id of the affected entity, if there is exactly one.
    pub entity_id: Option<Identifier>,
    /// Ids of the affected entities, if there are several, e.g. the results of a search.
    #[oai(default, validator(max_items = 1000))]
    pub entity_ids: Vec<Identifier>,
    /// Names of the changed fields, never their values.
    #[oai(default, validator(max_items = 200))]
    pub changed_fields: Vec<Identifier>,
    /// Id of the request in which the event occurred.
    pub request_id: Option<Identifier>,
    /// Outcome of the action.
    pub outcome: AuditOutcome,
    /// `operation_id` of the request.
    pub operation_id: Option<Word>,
    /// Code of the error with which the attempt was answered; absent if there was none.
    pub error_code: Option<Word>,
    /// Number of attempts that this entry represents: attempts in quick succession are counted in one entry.
    #[oai(default = "once", validator(minimum(value = "1"), maximum(value = "2147483647")))]
    pub occurrences: i64,
    /// IP address of the actor; stored apart from the event, so that erasure can remove it.
    pub ip: Option<Address>,
    /// User agent of the actor, cut to 1,024 characters; stored apart from the event, so that erasure can remove
    /// it.
    pub user_agent: Option<HeaderValue>,
    /// Id that the client gave the request in `X-Request-Id`; stored apart from the event, so that erasure can
    /// remove it.
    pub client_request_id: Option<Uuid>,
}

impl Example for NewAuditEvent {
    fn example() -> Self {
        Self {
            id: EXAMPLE_ID,
            occurred_at: Moment::nearest(DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default()),
            organization_id: 1,
            actor_user_id: Some(42),
            actor_kind: ActorKind::User,
            actor_api_key_id: None,
            impersonator_user_id: None,
            action: Word::literal("updated"),
            entity_type: Word::literal("appointment"),
            entity_id: Some(Identifier::literal("1041")),
            entity_ids: Vec::new(),
            changed_fields: vec![Identifier::literal("started_at"), Identifier::literal("ended_at")],
            request_id: Some(Identifier::literal("019a6b1c-5d70-7aa1-8c11-0d2b6d1f3c11")),
            outcome: AuditOutcome::Succeeded,
            operation_id: Some(Word::literal("appointment_update")),
            error_code: None,
            occurrences: once(),
            ip: Some(Address::literal("203.0.113.77")),
            user_agent: Some(HeaderValue::literal(
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            )),
            client_request_id: Some(uuid!("5f0c7d3e-4a0b-4c6f-9a55-0d2b6d1f3c11")),
        }
    }
}

fn once() -> i64 {
    1
}

/// Result for one event.
///
/// - `accepted`: the event is stored
/// - `duplicate`: an event with this id was stored before; nothing was changed
/// - `rejected`: the event cannot be stored as it is, now or later; see `reason`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum AuditResultKind {
    Accepted,
    Duplicate,
    Rejected,
}

/// Result for one event of the batch.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct AuditResult {
    /// Id of the event.
    pub id: Uuid,
    /// Result for the event.
    pub result: AuditResultKind,
    /// Reason for the rejection.
    pub reason: Option<String>,
}

/// Result of the batch. Every event with the result `accepted` is durable.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct AuditReceipt {
    /// Results, one for each event, in the order of the batch.
    pub results: Vec<AuditResult>,
}

impl Example for AuditReceipt {
    fn example() -> Self {
        Self { results: vec![AuditResult { id: EXAMPLE_ID, result: AuditResultKind::Accepted, reason: None }] }
    }
}

/// Stored entry of the audit trail: an action that succeeded, was denied or failed.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AuditLog {
    /// Id of the event, a UUIDv7.
    pub id: Uuid,
    /// Time at which the event occurred.
    pub occurred_at: DateTime<Utc>,
    /// Time at which Telemetry stored the event.
    pub received_at: DateTime<Utc>,
    /// Organization to which the event belongs; 0 if it belongs to none.
    pub organization_id: i64,
    /// Id of the user who acted; absent if the actor is not a user.
    pub actor_user_id: Option<i64>,
    /// Kind of actor.
    pub actor_kind: ActorKind,
    /// Id of the API key that acted; absent if the actor is not an API key.
    pub actor_api_key_id: Option<i64>,
    /// Id of the administrator who acted as the user; absent without an impersonation.
    pub impersonator_user_id: Option<i64>,
    /// Action, e.g. `created`, `updated`, `deleted`, `read`.
    pub action: String,
    /// Type of the affected entity.
    pub entity_type: String,
    /// Id of the affected entity, if there is exactly one.
    pub entity_id: Option<String>,
    /// Ids of the affected entities, if there are several, e.g. the results of a search.
    pub entity_ids: Vec<String>,
    /// Names of the changed fields.
    pub changed_fields: Vec<String>,
    /// Id of the request in which the event occurred.
    pub request_id: Option<String>,
    /// Outcome of the action.
    pub outcome: AuditOutcome,
    /// `operation_id` of the request.
    pub operation_id: Option<String>,
    /// Code of the error with which the attempt was answered; absent if there was none.
    pub error_code: Option<String>,
    /// Number of attempts that this entry represents.
    pub occurrences: i64,
    /// IP address of the actor, unless it was erased.
    pub ip: Option<String>,
    /// User agent of the actor, unless it was erased.
    pub user_agent: Option<String>,
    /// Id that the client gave the request in `X-Request-Id`, unless it was erased.
    pub client_request_id: Option<Uuid>,
}

impl Example for AuditLog {
    fn example() -> Self {
        let event = NewAuditEvent::example();
        Self {
            id: event.id,
            occurred_at: event.occurred_at.get(),
            received_at: event.occurred_at.get() + chrono::TimeDelta::milliseconds(180),
            organization_id: event.organization_id,
            actor_user_id: event.actor_user_id,
            actor_kind: event.actor_kind,
            actor_api_key_id: event.actor_api_key_id,
            impersonator_user_id: event.impersonator_user_id,
            action: event.action.into_inner(),
            entity_type: event.entity_type.into_inner(),
            entity_id: event.entity_id.map(Identifier::into_inner),
            entity_ids: event.entity_ids.into_iter().map(Identifier::into_inner).collect(),
            changed_fields: event.changed_fields.into_iter().map(Identifier::into_inner).collect(),
            request_id: event.request_id.map(Identifier::into_inner),
            outcome: event.outcome,
            operation_id: event.operation_id.map(Word::into_inner),
            error_code: event.error_code.map(Word::into_inner),
            occurrences: event.occurrences,
            ip: event.ip.map(Address::into_inner),
            user_agent: event.user_agent.map(HeaderValue::into_inner),
            client_request_id: event.client_request_id,
        }
    }
}

/// Page of the audit trail, newest entries first.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct AuditLogList {
    /// Entries of the page.
    pub data: Vec<AuditLog>,
    /// Position of the next page.
    pub meta: CursorMeta,
}

impl Example for AuditLogList {
    fn example() -> Self {
        Self { data: vec![AuditLog::example()], meta: CursorMeta { next_cursor: Some(EXAMPLE_ID.to_string()) } }
    }
}

/// Position of the next page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct CursorMeta {
    /// Value of `cursor` for the next page; absent on the last page.
    pub next_cursor: Option<String>,
}

/// Filter of the audit trail.
#[derive(Debug, Clone)]
pub(crate) struct AuditFilter {
    pub organization_id: Option<i64>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    pub actor_user_id: Option<i64>,
    pub action: Option<String>,
    pub entity_type: Option<String>,
    pub entity_id: Option<String>,
    pub request_id: Option<String>,
    pub client_request_id: Option<Uuid>,
    /// Selects entries before this one.
    pub cursor: Option<Uuid>,
    pub paging: Paging,
}
