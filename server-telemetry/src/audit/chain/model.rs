//! Results of the verification of a chain.

use chrono::{DateTime, NaiveDate, Utc};
use poem_openapi::{Enum, Object, types::Example};
use uuid::{Uuid, uuid};

/// Kind of fault in a chain.
///
/// - `altered_event`: the event differs from the sealed one
/// - `altered_personal`: the address, user agent or client's request id was changed or added after sealing
/// - `missing_event`: the event was removed
/// - `missing_link`: the link was removed
/// - `broken_link`: the link does not follow its predecessor
/// - `head_mismatch`: the chain differs from the one whose head was signed, so it was rewritten
/// - `forged_head`: the signature of a head is not Telemetry's
/// - `truncated`: the end of the chain is missing, because a later head was signed
/// - `unsealed_event`: the event was stored without entering the chain
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum AuditFaultKind {
    AlteredEvent,
    AlteredPersonal,
    MissingEvent,
    MissingLink,
    BrokenLink,
    HeadMismatch,
    ForgedHead,
    Truncated,
    UnsealedEvent,
}

impl AuditFaultKind {
    fn describe(self) -> &'static str {
        match self {
            Self::AlteredEvent => "The event differs from the one that was sealed.",
            Self::AlteredPersonal => {
                "The address, user agent or client's request id differs from the one that was sealed, or was added later."
            }
            Self::MissingEvent => "The event was removed.",
            Self::MissingLink => "The link was removed.",
            Self::BrokenLink => "The link does not follow its predecessor.",
            Self::HeadMismatch => {
                "The chain differs from the one whose head was signed at this position: it was rewritten."
            }
            Self::ForgedHead => "The signature of the head at this position is not Telemetry's.",
            Self::Truncated => "The end of the chain is missing: a head was signed at a later position.",
            Self::UnsealedEvent => {
                "The event was stored without entering the chain: it has no link and waits for none."
            }
        }
    }
}

/// First fault of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct AuditFault {
    /// Kind of fault.
    pub kind: AuditFaultKind,
    /// Position in the chain, from 1; absent for an event that has none.
    pub position: Option<i64>,
    /// Id of the event, if it is known.
    pub audit_id: Option<Uuid>,
    /// Description of the fault for people. The text may change.
    pub message: String,
}

impl AuditFault {
    /// Makes a fault at a position.
    pub(super) fn at(kind: AuditFaultKind, position: i64, audit_id: Option<Uuid>) -> Self {
        Self { kind, position: Some(position), audit_id, message: kind.describe().to_owned() }
    }

    /// Makes a fault of an event that has no link.
    pub(super) fn of(kind: AuditFaultKind, audit_id: Uuid) -> Self {
        Self { kind, position: None, audit_id: Some(audit_id), message: kind.describe().to_owned() }
    }
}

/// Last link of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
pub(crate) struct AuditSealed {
    /// Position of the link, from 1.
    pub position: i64,
    /// Id of the event that the link seals.
    pub audit_id: Uuid,
    /// Time at which the link was added.
    pub at: DateTime<Utc>,
}

/// Last signed head of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
pub(crate) struct AuditSigned {
    /// Day (UTC) whose last link is signed.
    pub day: NaiveDate,
    /// Position of that link.
    pub position: i64,
}

/// Result of the verification of an organization's chain.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AuditVerification {
    /// Organization of the chain; 0 for the chain of events that belong to none.
    pub organization_id: i64,
    /// `true` if the checked part of the chain has no fault.
    pub intact: bool,
    /// `true` if the check reached the end of the chain. Otherwise continue with `verified_to` as `after_position`.
    pub complete: bool,
    /// Position after which the check began: 0 for a whole chain, more if months were dropped.
    pub verified_from: i64,
    /// Position of the last link that was checked and is valid.
    pub verified_to: i64,
    /// Last link; absent if the chain has none.
    pub sealed: Option<AuditSealed>,
    /// Number of stored events that wait for their link.
    pub waiting: i64,
    /// Last signed head; absent if the chain has none.
    pub signed: Option<AuditSigned>,
    /// First fault; absent if there is none.
    pub fault: Option<AuditFault>,
}

impl Example for AuditVerification {
    fn example() -> Self {
        let at = DateTime::from_timestamp(1_762_765_201, 0).unwrap_or_default();
        let audit_id = uuid!("019a6b1c-5d7e-7c3a-9b52-3f1e0d6c8a41");
        Self {
            organization_id: 1,
            intact: true,
            complete: true,
            verified_from: 0,
            verified_to: 20_417,
            sealed: Some(AuditSealed { position: 20_417, audit_id, at }),
            waiting: 2,
            signed: Some(AuditSigned {
                day: NaiveDate::from_ymd_opt(2025, 11, 9).unwrap_or_default(),
                position: 20_388,
            }),
            fault: None,
        }
    }
}
