//! Whether a chain holds, as it is answered.

use chrono::{DateTime, NaiveDate, Utc};
use poem_openapi::{Enum, Object, types::Example};
use uuid::{Uuid, uuid};

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum AuditFaultKind {
    /// The event is not the one that was sealed.
    AlteredEvent,
    /// The address or user agent is not the one that was sealed, or was added later.
    AlteredPersonal,
    /// The event was removed.
    MissingEvent,
    /// The link was removed.
    MissingLink,
    /// The link does not follow the one before it.
    BrokenLink,
    /// The chain is not the one whose head was signed: it was written anew.
    HeadMismatch,
    /// The signature of a head is not ours.
    ForgedHead,
    /// The end is missing: a head was signed further on.
    Truncated,
    /// The event was added past the chain.
    UnsealedEvent,
}

impl AuditFaultKind {
    fn describe(self) -> &'static str {
        match self {
            Self::AlteredEvent => "The event is not the one that was sealed.",
            Self::AlteredPersonal => "The address or user agent is not the one that was sealed, or was added later.",
            Self::MissingEvent => "The event was removed.",
            Self::MissingLink => "The link was removed.",
            Self::BrokenLink => "The link does not follow the one before it.",
            Self::HeadMismatch => "The chain is not the one whose head was signed here: it was written anew.",
            Self::ForgedHead => "The signature of the head here is not ours.",
            Self::Truncated => "The end of the chain is missing: a head was signed further on.",
            Self::UnsealedEvent => "The event was added past the chain: it has no link and waits for none.",
        }
    }
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct AuditFault {
    /// What is wrong.
    pub kind: AuditFaultKind,
    /// The place in the chain, from 1; left out for an event that has none.
    pub position: Option<i64>,
    /// The event, where one is known.
    pub audit_id: Option<Uuid>,
    /// The same for people.
    pub message: String,
}

impl AuditFault {
    /// A fault at a position.
    pub(super) fn at(kind: AuditFaultKind, position: i64, audit_id: Option<Uuid>) -> Self {
        Self { kind, position: Some(position), audit_id, message: kind.describe().to_owned() }
    }

    /// A fault of an event that has no link.
    pub(super) fn of(kind: AuditFaultKind, audit_id: Uuid) -> Self {
        Self { kind, position: None, audit_id: Some(audit_id), message: kind.describe().to_owned() }
    }
}

/// The last link of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
pub(crate) struct AuditSealed {
    /// Its place, from 1.
    pub position: i64,
    /// The event that it seals.
    pub audit_id: Uuid,
    /// When it was added.
    pub at: DateTime<Utc>,
}

/// The last signed head of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
pub(crate) struct AuditSigned {
    /// The day (UTC) whose last link it is.
    pub day: NaiveDate,
    /// The place of that link.
    pub position: i64,
}

/// Whether an organization's chain holds.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AuditVerification {
    /// Whose chain it is; 0 for what belongs to no organization.
    pub organization_id: i64,
    /// Whether nothing is wrong with what was walked over.
    pub intact: bool,
    /// Whether the walk went to the end. If not, go on with `verified_to` as `after_position`.
    pub complete: bool,
    /// After which position the walk began: 0 for a whole chain, more where months were dropped.
    pub verified_from: i64,
    /// The position of the last link that was walked over and is good.
    pub verified_to: i64,
    /// The last link; left out while there is none.
    pub sealed: Option<AuditSealed>,
    /// How many events have been stored and wait for their link.
    pub waiting: i64,
    /// The last signed head; left out while there is none.
    pub signed: Option<AuditSigned>,
    /// The first thing that is wrong.
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
