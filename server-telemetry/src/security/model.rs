//! Security events as they are read.

use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::http::Paging;
use uuid::{Uuid, uuid};

use crate::audit::CursorMeta;

const EXAMPLE_ID: Uuid = uuid!("019a6b1c-6b02-7d11-8e0c-5a9e1f7b2c10");
const EXAMPLE_AUDIT_ID: Uuid = uuid!("019a6b1c-5d7e-7c3a-9b52-3f1e0d6c8a41");

/// How bad it is, if it is what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SecuritySeverity {
    /// To be known of.
    Low,
    /// To be looked at.
    Medium,
    /// To be looked at soon.
    High,
    /// To be looked at now.
    Critical,
}

impl SecuritySeverity {
    /// As rows and answers write it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Something that a rule saw often enough in the audit trail. While it goes on, it is the same event.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SecurityEvent {
    /// Id of the event, a UUIDv7 of when it was noticed.
    pub id: Uuid,
    /// The organization it belongs to; 0 for what belongs to none.
    pub organization_id: i64,
    /// The rule: `attack_path` (a scanner), `denied_access` (somebody known tried what it may not),
    /// `failed_authentication` (wrong credentials from one address), `impersonation` (an administrator
    /// acted as a patient), `mass_export` (much was exported), `patient_access` (data of many patients
    /// was read), `privilege_change` (rights were given or taken). More may come.
    pub kind: String,
    /// How bad it is, if it is what it looks like: `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// The user whose doing it is, where one is known. While impersonating it is the impersonator.
    pub actor_user_id: Option<i64>,
    /// The API key whose doing it is.
    pub actor_api_key_id: Option<i64>,
    /// When it was first seen.
    pub first_seen_at: DateTime<Utc>,
    /// When it was last seen.
    pub last_seen_at: DateTime<Utc>,
    /// How often it was seen in all; each patient counts once in a window.
    pub occurrences: i64,
    /// What the rule was set to when it was noticed.
    pub details: SecurityEventDetails,
    /// Ids of entries of the audit trail in which it was seen, the newest first; 20 at most.
    pub audit_ids: Vec<Uuid>,
}

/// What a rule was set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
pub(crate) struct SecurityEventDetails {
    /// How often it had to be seen.
    pub threshold: i64,
    /// Within how many seconds.
    pub window_seconds: i64,
}

impl Example for SecurityEvent {
    fn example() -> Self {
        let seen = DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default();
        Self {
            id: EXAMPLE_ID,
            organization_id: 1,
            kind: "denied_access".to_owned(),
            severity: SecuritySeverity::Medium.as_str().to_owned(),
            actor_user_id: Some(42),
            actor_api_key_id: None,
            first_seen_at: seen,
            last_seen_at: seen + TimeDelta::seconds(95),
            occurrences: 12,
            details: SecurityEventDetails { threshold: 10, window_seconds: 600 },
            audit_ids: vec![EXAMPLE_AUDIT_ID],
        }
    }
}

/// Security events, those that were noticed last first.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SecurityEventList {
    /// The events.
    pub data: Vec<SecurityEvent>,
    /// Where to go on.
    pub meta: CursorMeta,
}

impl Example for SecurityEventList {
    fn example() -> Self {
        Self { data: vec![SecurityEvent::example()], meta: CursorMeta { next_cursor: Some(EXAMPLE_ID.to_string()) } }
    }
}

/// Which security events are asked for.
#[derive(Debug, Clone)]
pub(crate) struct SecurityFilter {
    pub organization_id: Option<i64>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    pub kind: Option<String>,
    pub severity: Option<SecuritySeverity>,
    /// Only events before this one.
    pub cursor: Option<Uuid>,
    pub paging: Paging,
}
