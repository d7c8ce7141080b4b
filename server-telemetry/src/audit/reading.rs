//! Audit entries about readings of the audit trail: the reader, the time, the address, and the entries that
//! were returned.

use chrono::Utc;
use server_shared::value::Moment;
use uuid::Uuid;

use super::{
    error::AuditError,
    model::{ActorKind, AuditOutcome, NewAuditEvent},
};
use crate::{
    identity::{Person, Role, Trace},
    text::{Address, HeaderValue, Identifier, Word},
};

/// Person who reads the trail, and the request with which it does.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// Person who reads.
    pub person: Person,
    /// Request, with the address that it comes from.
    pub trace: Trace,
}

impl Reader {
    /// Returns the organization whose trail is read: the reader's own or, for a superadmin, the one that it names.
    /// `None` stands for all organizations.
    pub(crate) fn organization(&self, named: Option<i64>) -> Result<Option<i64>, AuditError> {
        match self.person.role {
            Role::Superadmin => Ok(named),
            _ if named.is_none_or(|named| Some(named) == self.person.organization_id) => {
                Ok(self.person.organization_id)
            }
            _ => Err(AuditError::OrganizationNotFound),
        }
    }

    /// Returns the audit entry about the reading, for the trail of `organization_id`.
    pub(super) fn event(&self, organization_id: i64) -> NewAuditEvent {
        NewAuditEvent {
            id: Uuid::now_v7(),
            occurred_at: Moment::nearest(Utc::now()),
            organization_id,
            actor_user_id: Some(self.person.user_id),
            actor_kind: ActorKind::User,
            actor_api_key_id: None,
            impersonator_user_id: None,
            action: Word::literal("read"),
            entity_type: Word::literal("audit_log"),
            entity_id: None,
            entity_ids: Vec::new(),
            changed_fields: Vec::new(),
            request_id: Identifier::new(self.trace.request_id.clone()),
            outcome: AuditOutcome::Succeeded,
            operation_id: Word::new(self.trace.operation_id.to_owned()),
            error_code: None,
            occurrences: 1,
            ip: self.trace.ip.and_then(|ip| Address::new(ip.to_string())),
            user_agent: self.trace.user_agent.clone().and_then(HeaderValue::new),
            client_request_id: self.trace.client_request_id,
        }
    }

    /// Returns the audit entry about the reading of one entry; `found` is `true` if the entry exists.
    pub(super) fn event_of_one(&self, organization_id: i64, id: Uuid, found: bool) -> NewAuditEvent {
        let outcome = if found { AuditOutcome::Succeeded } else { AuditOutcome::Failed };
        NewAuditEvent { entity_id: identifier(id), outcome, ..self.event(organization_id) }
    }

    /// Returns the audit entry about a search that returned these entries.
    pub(crate) fn event_of_search(&self, organization_id: i64, ids: impl Iterator<Item = Uuid>) -> NewAuditEvent {
        NewAuditEvent { entity_ids: ids.filter_map(identifier).collect(), ..self.event(organization_id) }
    }
}

fn identifier(id: Uuid) -> Option<Identifier> {
    Identifier::new(id.to_string())
}
