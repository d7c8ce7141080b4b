//! The audit entry that `commit` and `disclose` require.

use std::borrow::Cow;

use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    identity::Origin,
    ids::{Entity, OrganizationId},
};

/// Outcome of a request that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// The caller lacks the permission or is not authenticated.
    Denied,
    /// The caller was allowed to do it, but it failed.
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

/// Audit entry: an action on entities, without the value of any field.
#[derive(Debug)]
#[must_use]
pub(crate) struct Audit {
    action: &'static str,
    entity_type: &'static str,
    entity_ids: Vec<String>,
    changed_fields: Vec<Cow<'static, str>>,
    /// Organization of the entry, if it is not the organization of the request.
    organization: Option<OrganizationId>,
    /// Code of the reason, if the entry says that something has failed.
    failure: Option<String>,
    /// Further entries of the same transaction.
    also: Vec<Self>,
}

impl Audit {
    /// Describes the creation of `entity`.
    pub(crate) fn created<E: Entity>(entity: &E) -> Self {
        Self::action("created", entity)
    }

    /// Describes a named action on `entity`, e.g. `cancelled`.
    pub(crate) fn action<E: Entity>(action: &'static str, entity: &E) -> Self {
        Self {
            action,
            entity_type: E::TYPE,
            entity_ids: vec![entity.entity_id()],
            changed_fields: Vec::new(),
            organization: None,
            failure: None,
            also: Vec::new(),
        }
    }

    /// Describes a read of these records, with one row for each. A search without results leaves one row too.
    pub(crate) fn read<'a, E: Entity + 'a>(entities: impl IntoIterator<Item = &'a E>) -> Self {
        let entity_ids = entities.into_iter().map(Entity::entity_id).collect();
        Self {
            action: "read",
            entity_type: E::TYPE,
            entity_ids,
            changed_fields: Vec::new(),
            organization: None,
            failure: None,
            also: Vec::new(),
        }
    }

    /// Adds the names of the changed fields.
    pub(crate) fn changing(mut self, changed_fields: Vec<&'static str>) -> Self {
        self.changed_fields.extend(changed_fields.into_iter().map(Cow::Borrowed));
        self
    }

    /// Adds the names of changed fields that a clinic has defined.
    pub(crate) fn naming(mut self, changed_keys: Vec<String>) -> Self {
        self.changed_fields.extend(changed_keys.into_iter().map(Cow::Owned));
        self
    }

    /// States that what the entry describes has failed, with the code of the reason. Only the owner of the tables
    /// appends such an entry.
    pub(crate) fn failing(self, failure: Option<String>) -> Self {
        Self { failure, ..self }
    }

    /// Sets the organization of the entry, if it is another one than the request's: one message may concern several.
    pub(crate) fn in_organization(self, organization: OrganizationId) -> Self {
        Self { organization: Some(organization), ..self }
    }

    /// Adds further entries caused by the same change.
    pub(crate) fn and(mut self, others: impl IntoIterator<Item = Self>) -> Self {
        self.also.extend(others);
        self
    }

    /// Returns the statement that appends the rows.
    pub(crate) fn statement(&self, origin: &Origin) -> String {
        format!(" select audit_append('{}');", self.payload(origin))
    }

    /// Returns the rows as the hexadecimal text that `audit_append` takes: whatever they contain, the text consists of
    /// `[0-9a-f]` alone.
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
        if let Some(code) = &self.failure {
            row["outcome"] = Refusal::Failed.as_str().into();
            row["error_code"] = code.as_str().into();
        }
        if let Some(organization) = self.organization {
            row["organization_id"] = organization.0.into();
        }
        row
    }
}

impl Origin {
    /// Returns the fields that every row of the request has in common.
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

/// Request that was refused or failed. There is no transaction that its audit entry could be a part of.
#[derive(Debug, Clone)]
pub(crate) struct RefusedRequest {
    /// Actor and origin of the request.
    pub(crate) origin: Origin,
    /// Outcome of the request.
    pub(crate) refusal: Refusal,
    /// Type of the entity, if the path of the request names it; otherwise it is taken from the operation id.
    pub(crate) entity_type: Option<&'static str>,
    /// Id of the entity in the path of the request, if there is one.
    pub(crate) entity_id: Option<String>,
    /// Stable error code of the answer.
    pub(crate) error_code: String,
    /// Number of requests that this entry stands for.
    pub(crate) occurrences: u32,
}

impl RefusedRequest {
    fn row(&self) -> Value {
        // `appointment_cancel`: the noun is the entity, the verb the action. For `appointment_no_show`, only the entity
        // type from the path tells where the noun ends.
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

    /// Returns the rows as hexadecimal text, like [`Audit::payload`].
    pub(super) fn payload(requests: &[Self]) -> String {
        encode(requests.iter().map(Self::row).collect())
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
