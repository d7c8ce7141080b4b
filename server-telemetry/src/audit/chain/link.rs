//! Parts of a chain.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::canonical::{BEGINNING, Digests, Event, Hash, link_hash};

/// Event that waits for its link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub arrival: i64,
    pub audit_id: Uuid,
}

/// End of a chain, or its beginning if it has no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    pub position: i64,
    pub hash: Hash,
    /// Time of the last link; `None` at the beginning of the chain.
    pub sealed_at: Option<DateTime<Utc>>,
    pub audit_id: Option<Uuid>,
}

impl Tip {
    /// Position before the first link.
    pub(super) const BEGINNING: Self = Self { position: 0, hash: BEGINNING, sealed_at: None, audit_id: None };
}

/// Link of a chain.
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
    /// Makes the link that appends `event` after `tip`.
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

    /// Returns the end of the chain after this link.
    pub(super) fn tip(&self) -> Tip {
        Tip { position: self.position, hash: self.hash, sealed_at: None, audit_id: Some(self.audit_id) }
    }

    /// Returns the digests of the personal values that the link seals.
    pub(super) fn digests(&self) -> Digests {
        Digests {
            ip: self.ip_digest,
            user_agent: self.user_agent_digest,
            client_request_id: self.client_request_id_digest,
        }
    }
}

/// Signed head of a day.
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
