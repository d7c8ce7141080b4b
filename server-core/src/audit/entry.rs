//! The audit entry that `commit` and `disclose` demand.

use std::net::IpAddr;

use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ids::{OrganizationId, UserId};

/// Longest user agent that is kept, in characters.
const USER_AGENT_LENGTH: usize = 300;

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// A person.
    User(UserId),
}

/// Where an audited request came from; the same for every row of the request.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Who acts.
    pub(crate) actor: Actor,
    /// In which organization; `None` is written as 0.
    pub(crate) organization: Option<OrganizationId>,
    /// The operation called.
    pub(crate) operation_id: &'static str,
    /// Id of the request.
    pub(crate) request_id: String,
    /// The caller's address.
    pub(crate) ip: Option<IpAddr>,
    /// The caller's program, as it calls itself.
    pub(crate) user_agent: Option<String>,
}

/// Something that audit rows name.
pub(crate) trait Entity {
    /// The noun, e.g. `appointment`.
    const TYPE: &'static str;

    /// Its id, as text.
    fn entity_id(&self) -> String;
}

/// What happened to what; never a value of a field.
#[derive(Debug)]
#[must_use]
pub(crate) struct Audit {
    action: &'static str,
    entity_type: &'static str,
    entity_ids: Vec<String>,
    changed_fields: Vec<&'static str>,
}

impl Audit {
    /// `entity` came to be.
    pub(crate) fn created<E: Entity>(entity: &E) -> Self {
        Self::action("created", entity)
    }

    /// `entity` changed in the named fields.
    pub(crate) fn updated<E: Entity>(entity: &E, changed_fields: Vec<&'static str>) -> Self {
        Self { changed_fields, ..Self::action("updated", entity) }
    }

    /// `entity` was deleted (or archived).
    pub(crate) fn deleted<E: Entity>(entity: &E) -> Self {
        Self::action("deleted", entity)
    }

    /// Something with a name of its own happened to `entity`, e.g. `cancelled`.
    pub(crate) fn action<E: Entity>(action: &'static str, entity: &E) -> Self {
        Self { action, entity_type: E::TYPE, entity_ids: vec![entity.entity_id()], changed_fields: Vec::new() }
    }

    /// These records were read: one row each. A search that found nothing leaves one row too.
    pub(crate) fn read<'a, E: Entity + 'a>(entities: impl IntoIterator<Item = &'a E>) -> Self {
        let entity_ids = entities.into_iter().map(Entity::entity_id).collect();
        Self { action: "read", entity_type: E::TYPE, entity_ids, changed_fields: Vec::new() }
    }

    /// The rows as the hexadecimal text that `audit_append` takes: whatever they hold, the text is
    /// of `[0-9a-f]` alone.
    pub(crate) fn payload(&self, origin: &Origin) -> String {
        let ids: Vec<Option<&str>> = if self.entity_ids.is_empty() {
            vec![None]
        } else {
            self.entity_ids.iter().map(|id| Some(id.as_str())).collect()
        };
        let rows: Vec<Value> = ids.into_iter().map(|id| self.row(origin, id)).collect();
        hex::encode(Value::Array(rows).to_string())
    }

    fn row(&self, origin: &Origin, entity_id: Option<&str>) -> Value {
        let Actor::User(user) = origin.actor;
        json!({
            "id": Uuid::now_v7(),
            "occurred_at": Utc::now(),
            "organization_id": origin.organization.map_or(0, |id| id.0),
            "actor_kind": "user",
            "actor_user_id": user.0,
            "action": self.action,
            "entity_type": self.entity_type,
            "entity_id": entity_id,
            "changed_fields": self.changed_fields,
            "operation_id": origin.operation_id,
            "request_id": origin.request_id,
            "outcome": "succeeded",
            "ip": origin.ip,
            // PostgreSQL's text has no NUL, and nobody needs the rest of a long one.
            "user_agent": origin.user_agent.as_deref().map(|agent| {
                agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_LENGTH).collect::<String>()
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            organization: None,
            operation_id: "thing_get",
            request_id: "'; drop table audit_log; --".to_owned(),
            ip: None,
            user_agent: Some("agent\0 of\n chaos".to_owned()),
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
    fn control_characters_of_a_user_agent_are_dropped() {
        assert_eq!(rows(&Audit::created(&Thing("a")))[0]["user_agent"], "agent of chaos");
    }
}
