//! Personal data in ClickHouse, stored under a different pseudonym in each organization.
//!
//! Rows are deleted by a mutation (`alter table … delete`). A lightweight delete would only hide them, and
//! leave them on disk until some merge. `mutations_sync = 2` answers when every part of every replica has been
//! rewritten without them. The files of the old parts are removed some eight minutes later
//! (`old_parts_lifetime`). Rows are counted without `final`, so that copies that are not merged yet count.

use std::{sync::Arc, time::Duration};

use clickhouse::{Client, error::Error, query::Query};
use server_shared::http::streamed::Outlet;
use tokio::{
    io::AsyncBufReadExt,
    time::{Instant, sleep},
};

use super::{error::Interruption, export::ExportFault, model::DataSubject};
use crate::{
    compliance::Compliance,
    privacy::registry::{Fate, Found, Holding},
    storage::{StoreError, clickhouse::on_cluster},
};

/// Number of pseudonyms in one statement, well below ClickHouse's limit on the length of statements.
const CHUNK: usize = 500;
/// Longest wait for a mutation that another process began, and the interval at which its state is queried. If
/// it takes longer, the job waits for it again when it is resumed.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(200);

/// Identity of the person in an organization: the organization's id, and the pseudonym in hexadecimal.
type Alias = (i64, String);

/// Counts, erases and exports the rows of a person.
#[derive(Clone)]
pub(crate) struct EventHoldings {
    pub client: Client,
    pub compliance: Arc<Compliance>,
    /// Cluster of the tables (`CLICKHOUSE_CLUSTER`).
    pub cluster: Option<String>,
}

impl EventHoldings {
    /// Returns the number of rows, including those that replace each other.
    pub(super) async fn count(&self, holding: &Holding, subject: &DataSubject) -> Result<u64, Error> {
        let mut count = 0;
        for aliases in self.aliases(holding, subject).await? {
            count += self.count_of(holding, &aliases).await?;
        }
        Ok(count)
    }

    /// Deletes or anonymizes the rows. Returns when every part is rewritten, or with an error if an equal mutation
    /// of another process takes too long.
    pub(super) async fn erase(&self, holding: &Holding, fate: Fate, subject: &DataSubject) -> Result<(), Interruption> {
        let (verb, change) = match fate {
            Fate::Delete => ("DELETE", "delete".to_owned()),
            Fate::Anonymize(assignments) => ("UPDATE", format!("update {assignments}")),
            Fate::Retain { .. } => return Ok(()),
        };
        for aliases in self.aliases(holding, subject).await? {
            if self.count_of(holding, &aliases).await? == 0 {
                // A mutation reads the whole table even if it finds no row.
                continue;
            }
            if self.mutation_underway(holding, verb, &aliases).await? {
                // Left by an attempt that ended early. A second mutation would only read the table again.
                tracing::info!(table = holding.table, "waiting for an equal mutation");
                self.mutation_end(holding, verb, &aliases).await?;
                continue;
            }
            let (table, on_cluster) = (holding.table, on_cluster(self.cluster.as_deref()));
            let sql = format!(
                "alter table {table} {on_cluster} {change} where {} settings mutations_sync = 2",
                condition(holding)
            );
            bound(self.client.query(&sql), &aliases).execute().await?;
        }
        Ok(())
    }

    /// Writes the rows while it reads them.
    pub(super) async fn export(
        &self,
        holding: &Holding,
        subject: &DataSubject,
        outlet: &mut Outlet,
    ) -> Result<(), ExportFault> {
        let table = holding.table;
        let binary: Vec<String> = self
            .client
            .query(
                "select name from system.columns
                 where database = currentDatabase() and table = ? and type like 'FixedString%'",
            )
            .bind(table)
            .fetch_all()
            .await
            .map_err(StoreError::from)?;
        // JSON has no binary values.
        let shown: Vec<String> = binary.iter().map(|column| format!("hex({column}) as {column}")).collect();
        let sql = format!(
            "select * replace ({}) from (select * from {table} final where {})",
            shown.join(", "),
            condition(holding)
        );
        for aliases in self.aliases(holding, subject).await.map_err(StoreError::from)? {
            let query = self
                .client
                .query(&sql)
                .with_setting("output_format_json_quote_64bit_integers", "0")
                .with_setting("output_format_json_escape_forward_slashes", "0");
            let cursor = bound(query, &aliases).fetch_bytes("JSONEachRow").map_err(StoreError::from)?;
            let mut rows = cursor.lines();
            while let Some(row) = rows.next_line().await.map_err(|error| StoreError::ClickHouse(error.into()))? {
                outlet.entry(&row).await?;
            }
        }
        Ok(())
    }

    /// Returns the identities under which the person may be in the table, in chunks. If the organization is not
    /// given, queries which organizations the table has, because a pseudonym can be computed but not searched for.
    async fn aliases(&self, holding: &Holding, subject: &DataSubject) -> Result<Vec<Vec<Alias>>, Error> {
        let organizations: Vec<i64> = if let Some(organization_id) = subject.organization_id {
            vec![organization_id]
        } else {
            self.client.query(&format!("select distinct organization_id from {}", holding.table)).fetch_all().await?
        };
        let alias = |organization_id: &i64| {
            (*organization_id, hex::encode_upper(self.compliance.actor(*organization_id, subject.id)))
        };
        Ok(organizations.chunks(CHUNK).map(|chunk| chunk.iter().map(alias).collect()).collect())
    }

    /// Returns `true` if a mutation that began earlier does the same as this one would.
    async fn mutation_underway(&self, holding: &Holding, verb: &str, aliases: &[Alias]) -> Result<bool, Error> {
        let names: Vec<&str> = aliases.iter().map(|(_, name)| name.as_str()).collect();
        let sql = "select count() from system.mutations
                   where database = currentDatabase() and table = ? and not is_done and position(command, ?) > 0
                     and arrayAll(name -> position(command, name) > 0, ?)";
        let underway: u64 = self.client.query(sql).bind(holding.table).bind(verb).bind(names).fetch_one().await?;
        Ok(underway > 0)
    }

    async fn mutation_end(&self, holding: &Holding, verb: &str, aliases: &[Alias]) -> Result<(), Interruption> {
        let end = Instant::now() + PATIENCE;
        while self.mutation_underway(holding, verb, aliases).await? {
            if Instant::now() >= end {
                return Err(Interruption::Underway(holding.table));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn count_of(&self, holding: &Holding, aliases: &[Alias]) -> Result<u64, Error> {
        let sql = format!("select count() from {} where {}", holding.table, condition(holding));
        bound(self.client.query(&sql), aliases).fetch_one().await
    }
}

/// Returns the condition for the person's rows. It lists the organizations separately, because the primary key
/// begins with them.
fn condition(holding: &Holding) -> String {
    match holding.found {
        Found::Pseudonym(column) => {
            format!("organization_id in ? and (organization_id, hex({column})) in ?")
        }
        // ClickHouse knows people by pseudonyms only.
        Found::User(_) | Found::Patient(_) | Found::AuditEntry(_) | Found::Entity | Found::Erasure | Found::DryRun => {
            "0 and organization_id in ? and (organization_id, '') in ?".to_owned()
        }
    }
}

fn bound(query: Query, aliases: &[Alias]) -> Query {
    let organizations: Vec<i64> = aliases.iter().map(|(organization_id, _)| *organization_id).collect();
    query.bind(organizations).bind(aliases)
}
