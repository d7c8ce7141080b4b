//! Audit events as Core sends them and as they are read.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::http::Paging;
use uuid::{Uuid, uuid};

use crate::text::{Address, HeaderValue, Identifier, Word};

const EXAMPLE_ID: Uuid = uuid!("019a6b1c-5d7e-7c3a-9b52-3f1e0d6c8a41");

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ActorKind {
    /// A person.
    User,
    /// A program with an organization's API key.
    ApiKey,
    /// Core itself.
    System,
    /// Somebody who is not known.
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

    /// Reads a column that a check constraint holds to these values.
    pub(crate) fn from_column(text: &str) -> Self {
        match text {
            "user" => Self::User,
            "api_key" => Self::ApiKey,
            "anonymous" => Self::Anonymous,
            _ => Self::System,
        }
    }
}

/// How the attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum AuditOutcome {
    /// It was done.
    Succeeded,
    /// The actor was not allowed to.
    Denied,
    /// It was allowed, but not possible.
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

    /// Reads a column that a check constraint holds to these values.
    pub(crate) fn from_column(text: &str) -> Self {
        match text {
            "succeeded" => Self::Succeeded,
            "denied" => Self::Denied,
            _ => Self::Failed,
        }
    }
}

/// A batch of audit events, each with an id of its own.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct AuditBatch {
    /// The events, in the order in which they happened.
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub events: Vec<NewAuditEvent>,
}

impl Example for AuditBatch {
    fn example() -> Self {
        Self { events: vec![NewAuditEvent::example()] }
    }
}

/// One thing that was done or tried. It names what was touched and never holds a value of it.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct NewAuditEvent {
    /// UUIDv7, made when the event happened; an id seen before is not stored twice.
    pub id: Uuid,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The organization it belongs to; 0 for what belongs to none.
    #[oai(validator(minimum(value = "0")))]
    pub organization_id: i64,
    /// The user who acted, for the kind `user`.
    #[oai(validator(minimum(value = "1")))]
    pub actor_user_id: Option<i64>,
    /// What kind of actor it was.
    pub actor_kind: ActorKind,
    /// The API key that acted, for the kind `api_key`.
    #[oai(validator(minimum(value = "1")))]
    pub actor_api_key_id: Option<i64>,
    /// The administrator behind the actor while impersonating.
    #[oai(validator(minimum(value = "1")))]
    pub impersonator_user_id: Option<i64>,
    /// What was done, e.g. `created`, `updated`, `deleted`, `read`.
    pub action: Word,
    /// Kind of thing it was done to, e.g. `appointment`.
    pub entity_type: Word,
    /// Id of that thing, where there is one.
    pub entity_id: Option<Identifier>,
    /// Ids of those things, where there were many, such as the results of a search.
    #[oai(default, validator(max_items = 1000))]
    pub entity_ids: Vec<Identifier>,
    /// Names of the fields that changed, never their values.
    #[oai(default, validator(max_items = 200))]
    pub changed_fields: Vec<Identifier>,
    /// Id of the request in which it happened.
    pub request_id: Option<Identifier>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// The operation of Core's API.
    pub operation_id: Option<Word>,
    /// The stable code of the error that an attempt was answered with.
    pub error_code: Option<Word>,
    /// How many such attempts this stands for: those that come too fast are counted, not listed.
    #[oai(default = "once", validator(minimum(value = "1"), maximum(value = "2147483647")))]
    pub occurrences: i64,
    /// The actor's address; kept apart from the event, so that erasure can remove it.
    pub ip: Option<Address>,
    /// The actor's user agent, of which 1,024 characters are kept; kept apart like the address.
    pub user_agent: Option<HeaderValue>,
    /// Id that the actor's program gave the request; kept apart like the address.
    pub client_request_id: Option<Uuid>,
}

impl Example for NewAuditEvent {
    fn example() -> Self {
        Self {
            id: EXAMPLE_ID,
            occurred_at: DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default(),
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

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum AuditResultKind {
    /// It is stored now.
    Accepted,
    /// An event of this id was stored before; nothing was changed.
    Duplicate,
    /// It can't be stored as it is, now or later; see `reason`.
    Rejected,
}

/// What became of one event of the batch.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct AuditResult {
    /// Id of the event.
    pub id: Uuid,
    /// What became of it.
    pub result: AuditResultKind,
    /// Why it was rejected.
    pub reason: Option<String>,
}

/// What became of the batch. Once this is answered, what is `accepted` is durable.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct AuditReceipt {
    /// One entry an event, in the order of the batch.
    pub results: Vec<AuditResult>,
}

impl Example for AuditReceipt {
    fn example() -> Self {
        Self { results: vec![AuditResult { id: EXAMPLE_ID, result: AuditResultKind::Accepted, reason: None }] }
    }
}

/// One thing that was done or tried, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AuditLog {
    /// Id of the event, a UUIDv7.
    pub id: Uuid,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// When it was stored here.
    pub received_at: DateTime<Utc>,
    /// The organization it belongs to; 0 for what belongs to none.
    pub organization_id: i64,
    /// The user who acted.
    pub actor_user_id: Option<i64>,
    /// What kind of actor it was.
    pub actor_kind: ActorKind,
    /// The API key that acted.
    pub actor_api_key_id: Option<i64>,
    /// The administrator behind the actor while impersonating.
    pub impersonator_user_id: Option<i64>,
    /// What was done.
    pub action: String,
    /// Kind of thing it was done to.
    pub entity_type: String,
    /// Id of that thing.
    pub entity_id: Option<String>,
    /// Ids of those things, where there were many, such as the results of a search.
    pub entity_ids: Vec<String>,
    /// Names of the fields that changed.
    pub changed_fields: Vec<String>,
    /// Id of the request in which it happened.
    pub request_id: Option<String>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// The operation of Core's API.
    pub operation_id: Option<String>,
    /// The stable code of the error that an attempt was answered with.
    pub error_code: Option<String>,
    /// How many such attempts this stands for.
    pub occurrences: i64,
    /// The actor's address, unless it was erased.
    pub ip: Option<String>,
    /// The actor's user agent, unless it was erased.
    pub user_agent: Option<String>,
    /// Id that the actor's program gave the request, unless it was erased.
    pub client_request_id: Option<Uuid>,
}

impl Example for AuditLog {
    fn example() -> Self {
        let event = NewAuditEvent::example();
        Self {
            id: event.id,
            occurred_at: event.occurred_at,
            received_at: event.occurred_at + chrono::TimeDelta::milliseconds(180),
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

/// A stretch of the audit trail, newest first.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct AuditLogList {
    /// The entries.
    pub data: Vec<AuditLog>,
    /// Where to go on.
    pub meta: CursorMeta,
}

impl Example for AuditLogList {
    fn example() -> Self {
        Self { data: vec![AuditLog::example()], meta: CursorMeta { next_cursor: Some(EXAMPLE_ID.to_string()) } }
    }
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct CursorMeta {
    /// To be sent as `cursor` for the entries that follow; left out after the last.
    pub next_cursor: Option<String>,
}

/// Which part of the trail is asked for.
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
    /// Only entries before this one.
    pub cursor: Option<Uuid>,
    pub paging: Paging,
}
