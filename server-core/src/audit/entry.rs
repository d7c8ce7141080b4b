//! The audit entry that `commit` and `disclose` demand.

use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    identity::Origin,
    ids::{Entity, OrganizationId},
};

/// How an attempt that did not succeed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// The caller was not allowed to, or not known.
    Denied,
    /// It was allowed, but not possible.
    Failed,
}

impl Refusal {
    fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// What happened to what; never a value of a field.
#[derive(Debug)]
#[must_use]
pub(crate) struct Audit {
    action: &'static str,
    entity_type: &'static str,
    entity_ids: Vec<String>,
    changed_fields: Vec<&'static str>,
    /// Where it happened, if not in the organization of the request.
    organization: Option<OrganizationId>,
    /// What else happened in the same transaction.
    also: Vec<Self>,
}

impl Audit {
    /// `entity` came to be.
    pub(crate) fn created<E: Entity>(entity: &E) -> Self {
        Self::action("created", entity)
    }

    /// Something with a name of its own happened to `entity`, e.g. `cancelled`.
    pub(crate) fn action<E: Entity>(action: &'static str, entity: &E) -> Self {
        Self {
            action,
            entity_type: E::TYPE,
            entity_ids: vec![entity.entity_id()],
            changed_fields: Vec::new(),
            organization: None,
            also: Vec::new(),
        }
    }

    /// These records were read: one row each. A search that found nothing leaves one row too.
    pub(crate) fn read<'a, E: Entity + 'a>(entities: impl IntoIterator<Item = &'a E>) -> Self {
        let entity_ids = entities.into_iter().map(Entity::entity_id).collect();
        Self {
            action: "read",
            entity_type: E::TYPE,
            entity_ids,
            changed_fields: Vec::new(),
            organization: None,
            also: Vec::new(),
        }
    }

    /// The named fields changed.
    pub(crate) fn changing(self, changed_fields: Vec<&'static str>) -> Self {
        Self { changed_fields, ..self }
    }

    /// It happened in this organization, whatever the request's is: one message may concern several.
    pub(crate) fn in_organization(self, organization: OrganizationId) -> Self {
        Self { organization: Some(organization), ..self }
    }

    /// Together with these, which the same change brought about.
    pub(crate) fn and(mut self, others: impl IntoIterator<Item = Self>) -> Self {
        self.also.extend(others);
        self
    }

    /// The statement that appends the rows.
    pub(crate) fn statement(&self, origin: &Origin) -> String {
        format!(" select audit_append('{}');", self.payload(origin))
    }

    /// The rows as the hexadecimal text that `audit_append` takes: whatever they hold, the text is
    /// of `[0-9a-f]` alone.
    fn payload(&self, origin: &Origin) -> String {
        encode(self.rows(origin))
    }

    fn rows(&self, origin: &Origin) -> Vec<Value> {
        let ids: Vec<Option<&str>> = if self.entity_ids.is_empty() {
            vec![None]
        } else {
            self.entity_ids.iter().map(|id| Some(id.as_str())).collect()
        };
        let own = ids.into_iter().map(|id| self.row(origin, id));
        own.chain(self.also.iter().flat_map(|audit| audit.rows(origin))).collect()
    }

    fn row(&self, origin: &Origin, entity_id: Option<&str>) -> Value {
        let mut row = origin.row();
        row["action"] = self.action.into();
        row["entity_type"] = self.entity_type.into();
        row["entity_id"] = entity_id.into();
        row["changed_fields"] = self.changed_fields.as_slice().into();
        row["outcome"] = "succeeded".into();
        if let Some(organization) = self.organization {
            row["organization_id"] = organization.0.into();
        }
        row
    }
}

impl Origin {
    /// What every row of the request says.
    fn row(&self) -> Value {
        json!({
            "id": Uuid::now_v7(),
            "occurred_at": Utc::now(),
            "organization_id": self.organization.map_or(0, |id| id.0),
            "actor_kind": self.actor.kind(),
            "actor_user_id": self.actor.user(),
            "actor_api_key_id": self.actor.api_key(),
            "impersonator_user_id": self.impersonator.map(|id| id.0),
            "operation_id": self.operation_id,
            "request_id": self.request_id,
            "client_request_id": self.client_request_id,
            "ip": self.ip,
            "user_agent": self.user_agent,
        })
    }
}

/// Something that was tried and not done: there is no transaction it could be part of.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// Who tried, and from where.
    pub(crate) origin: Origin,
    /// How it ended.
    pub(crate) refusal: Refusal,
    /// What was meant, where the path of the request says it; else the operation's name does.
    pub(crate) entity_type: Option<&'static str>,
    /// Id in the path of the request, if there is one.
    pub(crate) entity_id: Option<String>,
    /// The stable code of the answer.
    pub(crate) error_code: String,
    /// How many such attempts this stands for.
    pub(crate) occurrences: u32,
}

impl Attempt {
    fn row(&self) -> Value {
        // `appointment_cancel`: the noun is what was meant, the verb what was to be done to it. In
        // `appointment_no_show` only the path tells where the one ends.
        let operation = self.origin.operation_id;
        let named = self.entity_type.and_then(|noun| Some((noun, operation.strip_prefix(noun)?.strip_prefix('_')?)));
        let (noun, verb) = named.or_else(|| operation.rsplit_once('_')).unwrap_or((operation, "called"));
        let mut row = self.origin.row();
        row["action"] = verb.into();
        row["entity_type"] = noun.into();
        row["entity_id"] = self.entity_id.as_deref().into();
        row["outcome"] = self.refusal.as_str().into();
        row["error_code"] = self.error_code.as_str().into();
        row["occurrences"] = self.occurrences.into();
        row
    }

    /// As [`Audit::payload`].
    pub(super) fn payload(attempts: &[Self]) -> String {
        encode(attempts.iter().map(Self::row).collect())
    }
}

fn encode(rows: Vec<Value>) -> String {
    hex::encode(Value::Array(rows).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identity::Actor, ids::UserId};

    struct Thing(&'static str);

    impl Entity for Thing {
        const TYPE: &'static str = "thing";

        fn entity_id(&self) -> String {
            self.0.to_owned()
        }
    }

    fn origin() -> Origin {
        Origin {
            actor: Actor::User(UserId(1)),
            impersonator: None,
            organization: None,
            operation_id: "thing_get",
            request_id: "'; drop table audit_log; --".to_owned(),
            client_request_id: None,
            ip: None,
            user_agent: Some("agent of chaos".to_owned()),
        }
    }

    fn rows(audit: &Audit) -> Vec<Value> {
        let payload = audit.payload(&origin());
        assert!(payload.bytes().all(|b| b.is_ascii_hexdigit()), "nothing in a payload needs quoting");
        serde_json::from_slice(&hex::decode(payload).unwrap()).unwrap()
    }

    #[test]
    fn each_record_read_has_a_row_and_an_empty_search_has_one() {
        let read = rows(&Audit::read(&[Thing("a"), Thing("b")]));
        let ids: Vec<_> = read.iter().map(|row| row["entity_id"].as_str()).collect();
        assert_eq!(ids, [Some("a"), Some("b")]);
        let nothing = rows(&Audit::read::<Thing>(&[]));
        assert_eq!(nothing.len(), 1);
        assert!(nothing[0]["entity_id"].is_null());
    }

    #[test]
    fn what_happened_elsewhere_says_so() {
        let left = |id| Audit::action("deleted", &Thing("b")).in_organization(OrganizationId(id));
        let all = rows(&Audit::action("deleted", &Thing("a")).and([left(7), left(8)]));
        let organizations: Vec<_> = all.iter().map(|row| row["organization_id"].as_i64()).collect();
        assert_eq!(organizations, [Some(0), Some(7), Some(8)]);
    }
}
