//! Entries of the audit trail as rows of a table.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use server_shared::{
    http::csv::Cell,
    value::{Key, Line, Moment},
};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::input::AuditExport;
use crate::{
    database::{Columns, DatabaseError, List, Rows, Snapshot, Tabular},
    domain::table::table_columns,
};

/// Number of entries that are in memory together.
const BATCH: usize = 1000;
/// Rows of the trail.
const ENTRIES: Rows = Rows { table: "audit_log", present: "true" };
/// Largest difference between the time of an entry and the time in its id.
const SKEW: TimeDelta = TimeDelta::seconds(1);

table_columns! {
    /// Column of a table of entries of the audit trail.
    ///
    /// - `id`: id of the entry
    /// - `occurred_at`: time
    /// - `actor_kind`: kind of the actor
    /// - `actor_user_id`: id of the user who acted
    /// - `actor_api_key_id`: id of the API key that acted
    /// - `impersonator_user_id`: id of the administrator who acted as the user
    /// - `action`: action
    /// - `entity_type`: type of the entity
    /// - `entity_id`: id of the entity
    /// - `changed_fields`: names of the changed fields, separated by `|`
    /// - `operation_id`: operation of the request
    /// - `request_id`: id of the request
    /// - `outcome`: outcome
    /// - `error_code`: code of the error
    /// - `occurrences`: number of requests that the entry stands for
    /// - `ip`: network address of the actor
    /// - `user_agent`: user agent of the actor
    /// - `client_request_id`: id that the client gave the request
    pub(crate) enum AuditColumn {
        Id "id" = "id",
        OccurredAt "occurred_at" = "occurred_at",
        ActorKind "actor_kind" = "actor_kind",
        ActorUserId "actor_user_id" = "actor_user_id",
        ActorApiKeyId "actor_api_key_id" = "actor_api_key_id",
        ImpersonatorUserId "impersonator_user_id" = "impersonator_user_id",
        Action "action" = "action",
        EntityType "entity_type" = "entity_type",
        EntityId "entity_id" = "entity_id",
        ChangedFields "changed_fields" = "array_to_string(changed_fields, '|') as changed_fields",
        OperationId "operation_id" = "operation_id",
        RequestId "request_id" = "request_id",
        Outcome "outcome" = "outcome",
        ErrorCode "error_code" = "error_code",
        Occurrences "occurrences" = "occurrences::bigint as occurrences",
        Ip "ip" = "(select host(p.ip) from audit_personal p where p.audit_id = audit_log.id) as ip",
        UserAgent "user_agent"
            = "(select p.user_agent from audit_personal p where p.audit_id = audit_log.id) as user_agent",
        ClientRequestId "client_request_id"
            = "(select p.client_request_id from audit_personal p where p.audit_id = audit_log.id) as client_request_id",
    }
}

/// Table of the entries that meet a filter.
pub(super) struct AuditTable(pub(super) AuditExport);

impl AuditTable {
    fn list<'c>(&self, snapshot: &'c mut Snapshot) -> Result<List<'c>, DatabaseError> {
        let filter = &self.0;
        let (from, to) = (filter.from.get(), filter.to.map(Moment::get));
        // Ids begin with their time, so that the key finds the entries of a period: an index by organization and time
        // would cost each request a write.
        let list = snapshot.list()?.filter("id >=", Some(least_id(from - SKEW)));
        Ok(list
            .filter("id <", to.map(|to| least_id(to + SKEW)))
            .filter("occurred_at >=", Some(from))
            .filter("occurred_at <", to)
            .filter("actor_user_id =", filter.actor_user_id)
            .filter("action =", filter.action.as_ref().map(Key::as_str))
            .filter("entity_type =", filter.entity_type.as_ref().map(Key::as_str))
            .filter("entity_id =", filter.entity_id.as_ref().map(Line::as_str))
            .filter("request_id =", filter.request_id.map(|id| id.to_string())))
    }
}

#[async_trait]
impl Tabular for AuditTable {
    fn header(&self) -> Vec<Cell> {
        self.0.columns.iter().map(|column| Cell::name(column.header())).collect()
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn count(&self, snapshot: &mut Snapshot) -> Result<i64, DatabaseError> {
        self.list(snapshot)?.count(ENTRIES).await
    }

    async fn declare(&self, snapshot: &mut Snapshot) -> Result<(), DatabaseError> {
        let columns: Vec<&'static str> = self.0.columns.iter().map(|column| column.sql()).collect();
        self.list(snapshot)?.declare(ENTRIES, &columns, "id").await
    }

    fn row(&self, row: &PgRow) -> Result<Vec<Cell>, DatabaseError> {
        let mut columns = Columns::of(row);
        let mut cells = Vec::with_capacity(self.0.columns.len());
        for column in &self.0.columns {
            cells.push(match column {
                AuditColumn::Id | AuditColumn::ClientRequestId => columns.read::<Option<Uuid>>()?.into(),
                AuditColumn::OccurredAt => columns.read::<DateTime<Utc>>()?.into(),
                AuditColumn::ActorUserId
                | AuditColumn::ActorApiKeyId
                | AuditColumn::ImpersonatorUserId
                | AuditColumn::Occurrences => columns.read::<Option<i64>>()?.into(),
                AuditColumn::ActorKind
                | AuditColumn::Action
                | AuditColumn::EntityType
                | AuditColumn::EntityId
                | AuditColumn::ChangedFields
                | AuditColumn::OperationId
                | AuditColumn::RequestId
                | AuditColumn::Outcome
                | AuditColumn::ErrorCode
                | AuditColumn::Ip
                | AuditColumn::UserAgent => columns.read::<Option<String>>()?.map_or(Cell::EMPTY, Cell::text),
            });
        }
        Ok(cells)
    }
}

/// Returns the least UUIDv7 of a moment. There is none before 1970.
fn least_id(moment: DateTime<Utc>) -> Uuid {
    const TIME: u32 = 80;
    let millis = u128::from(u64::try_from(moment.timestamp_millis()).unwrap_or_default());
    // The years after 10889 don't fit into the 48 bits of a time.
    Uuid::from_u128(millis.min((1 << 48) - 1) << TIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_moment_are_not_less_than_its_least() {
        let before = Utc::now();
        let id = Uuid::now_v7();
        let after = Utc::now();
        assert!(least_id(before) <= id && id < least_id(after + TimeDelta::milliseconds(2)), "{id}");
        assert_eq!(least_id(DateTime::UNIX_EPOCH - TimeDelta::days(1)), Uuid::nil());
        assert!(least_id(DateTime::<Utc>::MAX_UTC) > id);
    }
}
