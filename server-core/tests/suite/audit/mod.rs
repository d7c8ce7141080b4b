//! The audit trail: a row for each mutation and for each record of protected health information read, written in the
//! transaction of the change and never changed again. `matrix` checks the rows of every operation.

mod mutations;
mod people;
mod reads;
mod refusals;
mod values;

use std::collections::BTreeSet;

use sqlx::{FromRow, PgConnection};
use test_support::{Actor, CoreApp};
use uuid::Uuid;

/// Entry of the trail, together with its personal data, which is stored separately.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Row {
    id: Uuid,
    pub(crate) organization_id: i64,
    pub(crate) actor_kind: String,
    pub(crate) actor_user_id: Option<i64>,
    pub(crate) action: String,
    pub(crate) entity_type: String,
    pub(crate) entity_id: Option<String>,
    pub(crate) changed_fields: Vec<String>,
    pub(crate) operation_id: String,
    pub(crate) outcome: String,
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
}

async fn rows(database: &mut PgConnection) -> Vec<Row> {
    sqlx::query_as(
        "select l.id, l.organization_id, l.actor_kind, l.actor_user_id, l.action, l.entity_type, l.entity_id,
                l.changed_fields, l.operation_id, l.outcome, host(p.ip) as ip, p.user_agent
         from audit_log l left join audit_personal p on p.audit_id = l.id order by l.id",
    )
    .fetch_all(database)
    .await
    .unwrap()
}

/// Reader of the trail that returns the rows added since its last call.
pub(crate) struct Trail {
    database: PgConnection,
    /// Ids of the rows seen. The service itself appends rows too, and the order of two ids does not tell which row came
    /// first.
    seen: BTreeSet<Uuid>,
}

impl Trail {
    pub(crate) async fn new(app: &CoreApp) -> Self {
        Self { database: app.owner().await, seen: BTreeSet::new() }
    }

    /// Returns the rows added since the last call.
    pub(crate) async fn next(&mut self) -> Vec<Row> {
        let mut new = rows(&mut self.database).await;
        new.retain(|row| self.seen.insert(row.id));
        new
    }

    /// Asserts that exactly one row was added, with these values.
    async fn one(
        &mut self,
        actor: &Actor,
        organization: i64,
        operation: &str,
        what: (&str, &str, String),
        changed: &[&str],
    ) {
        let new = self.next().await;
        let [row] = &new[..] else { panic!("{operation} leaves one row, not {new:#?}") };
        let (action, entity_type, entity_id) = what;
        let said = (row.action.as_str(), row.entity_type.as_str(), row.entity_id.as_deref());
        assert_eq!(said, (action, entity_type, Some(entity_id.as_str())), "{operation}");
        assert_eq!(
            (row.organization_id, row.actor_user_id),
            (organization, Some(actor.person().user_id)),
            "{operation}"
        );
        assert_eq!((row.actor_kind.as_str(), row.outcome.as_str()), ("user", "succeeded"), "{operation}");
        assert_eq!(row.operation_id, operation);
        assert_eq!(row.changed_fields, changed, "{operation}");
        assert_eq!(row.ip.as_deref(), Some("127.0.0.1"), "{operation}");
        assert!(row.user_agent.as_deref().is_some_and(|agent| agent.starts_with("restartix-sdk-rust/")), "{row:?}");
    }

    /// Asserts that these rows were added, in this order, all in this organization.
    async fn several(&mut self, operation: &str, organization: i64, expected: &[(&str, &str, i64)]) {
        let new = self.next().await;
        let said: Vec<_> = new
            .iter()
            .map(|row| (&*row.action, &*row.entity_type, row.entity_id.clone().unwrap_or_default()))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(action, entity, id)| (*action, *entity, id.to_string())).collect();
        assert_eq!(said, expected, "{operation}");
        for row in &new {
            let of = (row.operation_id.as_str(), row.organization_id, row.outcome.as_str());
            assert_eq!(of, (operation, organization, "succeeded"), "{row:#?}");
        }
    }
}
