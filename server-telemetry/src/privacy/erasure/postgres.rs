//! Personal data in PostgreSQL. Statements are built from the registry's own words; values of requests are
//! bound: `$1` kind, `$2` id, `$3` organization or null.

use futures_util::StreamExt;
use server_shared::http::streamed::Outlet;
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use super::{export::ExportFault, model::DataSubject};
use crate::{
    privacy::registry::{Fate, Found, Holding},
    storage::{StoreError, postgres::Database},
};

/// Counts, erases and exports the rows of a person.
#[derive(Clone)]
pub(crate) struct RowHoldings {
    database: Database,
}

impl RowHoldings {
    /// Makes holdings in this database.
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Returns the number of rows.
    pub(super) async fn count(&self, holding: &Holding, subject: &DataSubject) -> Result<u64, sqlx::Error> {
        let sql = format!("select count(*) from {} t where {}", holding.table, condition(holding.found));
        let mut tx = self.database.work().await?;
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(subject.kind.as_str())
            .bind(subject.id)
            .bind(subject.organization_id)
            .fetch_one(&mut *tx)
            .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Deletes or anonymizes the rows; returns their number.
    pub(super) async fn erase(
        &self,
        tx: &mut Transaction<'static, Postgres>,
        holding: &Holding,
        fate: Fate,
        subject: &DataSubject,
    ) -> Result<u64, sqlx::Error> {
        let (table, condition) = (holding.table, condition(holding.found));
        let sql = match fate {
            Fate::Delete => format!("delete from {table} t where {condition}"),
            Fate::Anonymize(assignments) => format!("update {table} t set {assignments} where {condition}"),
            Fate::Retain { .. } => return Ok(0),
        };
        // An erasure is the only reason to delete personal values of the audit trail; the trigger of their table
        // checks this setting.
        sqlx::query("select set_config('audit.erasing', 'on', true)").execute(&mut **tx).await?;
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(subject.kind.as_str())
            .bind(subject.id)
            .bind(subject.organization_id)
            .execute(&mut **tx)
            .await?;
        Ok(done.rows_affected())
    }

    /// Writes the rows while it reads them, without columns about other people.
    pub(super) async fn export(
        &self,
        holding: &Holding,
        subject: &DataSubject,
        outlet: &mut Outlet,
    ) -> Result<(), ExportFault> {
        let (table, condition) = (holding.table, condition(holding.found));
        let sql = format!("select ({} - $4::text[])::text from {table} t where {condition}", shown(holding.found));
        let mut tx = self.database.work().await.map_err(StoreError::from)?;
        let mut rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql))
            .bind(subject.kind.as_str())
            .bind(subject.id)
            .bind(subject.organization_id)
            .bind(holding.columns_of_others())
            .fetch(&mut *tx);
        while let Some(row) = rows.next().await {
            outlet.entry(&row.map_err(StoreError::from)?).await?;
        }
        Ok(())
    }
}

/// Returns the expression that an export selects from a row `t`. Of an event that affected many people, it
/// shows this person only.
fn shown(found: Found) -> &'static str {
    match found {
        Found::Entity => {
            "jsonb_set(to_jsonb(t), '{entity_ids}',
                 to_jsonb(array(select id from unnest(t.entity_ids) id where id = $2::bigint::text)))"
        }
        Found::User(_)
        | Found::Patient(_)
        | Found::AuditEntry(_)
        | Found::Erasure
        | Found::DryRun
        | Found::Pseudonym(_) => "to_jsonb(t)",
    }
}

/// Returns the condition on `t` for the person's rows.
fn condition(found: Found) -> String {
    let found = match found {
        Found::User(column) => format!("$1::text = 'user' and t.{column} = $2::bigint"),
        Found::Patient(column) => format!("$1::text = 'patient' and t.{column} = $2::bigint"),
        Found::AuditEntry(column) => format!(
            "$1::text = 'user' and t.{column} in (
                 select log.id from audit.audit_logs log
                 where ($3::bigint is null or log.organization_id = $3)
                   and (log.impersonator_user_id = $2::bigint
                       or log.actor_user_id = $2 and log.impersonator_user_id is null))"
        ),
        Found::Entity => "t.entity_type = $1::text
                 and (t.entity_id = $2::bigint::text or $2::bigint::text = any (t.entity_ids))"
            .to_owned(),
        Found::Erasure => {
            "t.subject_kind = $1::text and t.subject_id = $2::bigint and not t.dry_run and t.finished_at is not null"
                .to_owned()
        }
        Found::DryRun => {
            "t.subject_kind = $1::text and t.subject_id = $2::bigint and t.dry_run and t.finished_at is not null"
                .to_owned()
        }
        // Only ClickHouse has pseudonyms.
        Found::Pseudonym(_) => "false and $1::text is null and $2::bigint is null".to_owned(),
    };
    format!("{found} and ($3::bigint is null or t.organization_id = $3)")
}
