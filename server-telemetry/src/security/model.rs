//! Security events as they are listed.

use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use server_shared::http::Paging;
use uuid::{Uuid, uuid};

use crate::audit::CursorMeta;

const EXAMPLE_ID: Uuid = uuid!("019a6b1c-6b02-7d11-8e0c-5a9e1f7b2c10");
const EXAMPLE_AUDIT_ID: Uuid = uuid!("019a6b1c-5d7e-7c3a-9b52-3f1e0d6c8a41");

/// Severity of a security event, if the suspicion is right.
///
/// - `low`: for information
/// - `medium`: needs a review
/// - `high`: needs a review soon
/// - `critical`: needs a review at once
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SecuritySeverity {
    Low,
    Medium,
    High,
    Critical,
}

impl SecuritySeverity {
    /// Returns the name that rows and answers use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Pattern that a rule observed in the audit trail as often as its limit states. While the pattern continues, it
/// remains one event.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SecurityEvent {
    /// Id of the event, a UUIDv7 with the time of its detection.
    pub id: Uuid,
    /// Organization to which the event belongs; 0 if it belongs to none.
    pub organization_id: i64,
    /// Rule that detected the event. More rules may be added.
    ///
    /// - `attack_path`: a scanner requested paths that only attackers request
    /// - `denied_access`: a known actor repeatedly attempted actions that it is not allowed
    /// - `failed_authentication`: many wrong credentials came from one address
    /// - `impersonation`: an administrator acted as a patient
    /// - `mass_export`: an actor exported large amounts of data
    /// - `patient_access`: an actor read the data of many patients
    /// - `privilege_change`: an actor granted or revoked privileges
    pub kind: String,
    /// Severity, if the suspicion is right: `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// Id of the user who acted, if known; during an impersonation, of the impersonator.
    pub actor_user_id: Option<i64>,
    /// Id of the API key that acted; absent if the actor is not an API key.
    pub actor_api_key_id: Option<i64>,
    /// Time of the first observation.
    pub first_seen_at: DateTime<Utc>,
    /// Time of the latest observation.
    pub last_seen_at: DateTime<Utc>,
    /// Total number of observations. For `patient_access`, each patient counts once in a window.
    pub occurrences: i64,
    /// Limit of the rule at the time of detection.
    pub details: SecurityEventDetails,
    /// Ids of audit entries with observations, the newest first; at most 20.
    pub audit_ids: Vec<Uuid>,
}

/// Limit of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
pub(crate) struct SecurityEventDetails {
    /// Number of observations that make an event.
    pub threshold: i64,
    /// Length of the window in seconds.
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

/// Page of security events, the latest detected first.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SecurityEventList {
    /// Events of the page.
    pub data: Vec<SecurityEvent>,
    /// Position of the next page.
    pub meta: CursorMeta,
}

impl Example for SecurityEventList {
    fn example() -> Self {
        Self { data: vec![SecurityEvent::example()], meta: CursorMeta { next_cursor: Some(EXAMPLE_ID.to_string()) } }
    }
}

/// Filter of security events.
#[derive(Debug, Clone)]
pub(crate) struct SecurityFilter {
    pub organization_id: Option<i64>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    pub kind: Option<String>,
    pub severity: Option<SecuritySeverity>,
    /// Selects events before this one.
    pub cursor: Option<Uuid>,
    pub paging: Paging,
}
