//! The parts of a chain.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::canonical::{BEGINNING, Digests, Event, Hash, link_hash};

/// An event that waits for its link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub arrival: i64,
    pub audit_id: Uuid,
}

/// The end of a chain, or its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    pub position: i64,
    pub hash: Hash,
    /// None where the chain begins.
    pub sealed_at: Option<DateTime<Utc>>,
    pub audit_id: Option<Uuid>,
}

impl Tip {
    /// Before the first link.
    pub(super) const BEGINNING: Self = Self { position: 0, hash: BEGINNING, sealed_at: None, audit_id: None };
}

/// A link of a chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub position: i64,
    pub audit_id: Uuid,
    pub previous: Hash,
    pub hash: Hash,
    pub ip_digest: Option<Hash>,
    pub user_agent_digest: Option<Hash>,
    pub client_request_id_digest: Option<Hash>,
    pub encoding: i16,
}

impl Link {
    /// The link that puts `event` after `tip`.
    pub(super) fn after(tip: &Tip, event: &Event) -> Self {
        let digests = Digests::of(event);
        Self {
            position: tip.position + 1,
            audit_id: event.id,
            previous: tip.hash,
            hash: link_hash(&tip.hash, event, &digests),
            ip_digest: digests.ip,
            user_agent_digest: digests.user_agent,
            client_request_id_digest: digests.client_request_id,
            encoding: event.encoding(&digests),
        }
    }

    /// The chain's end once this is its last link.
    pub(super) fn tip(&self) -> Tip {
        Tip { position: self.position, hash: self.hash, sealed_at: None, audit_id: Some(self.audit_id) }
    }

    /// What of the personal values it has sealed.
    pub(super) fn digests(&self) -> Digests {
        Digests {
            ip: self.ip_digest,
            user_agent: self.user_agent_digest,
            client_request_id: self.client_request_id_digest,
        }
    }
}

/// The signed head of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub organization_id: i64,
    pub day: NaiveDate,
    pub position: i64,
    pub audit_id: Uuid,
    pub hash: Hash,
    pub signed_at: DateTime<Utc>,
    pub kid: String,
    pub statement: String,
}
