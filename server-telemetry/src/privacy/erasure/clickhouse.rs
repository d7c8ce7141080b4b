//! What ClickHouse holds on a person, under a pseudonym of its own in each organization.
//!
//! Rows go by a mutation (`alter table … delete`), not by a lightweight delete, which would hide them
//! and leave them on disk until some merge: `mutations_sync = 2` answers when every part of every
//! replica has been rewritten without them. The rewritten parts' files go some eight minutes later
//! (`old_parts_lifetime`). Counting is without `final`, so that copies that are not merged yet count.

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

/// Pseudonyms in one statement: well below the engine's limit on a statement's length.
const CHUNK: usize = 500;
/// How long a mutation that somebody else began is waited for, and how often it is looked at. One that
/// takes longer is waited for again when the job is taken up again.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(200);

/// Under which name the person is in an organization: its id, and the pseudonym in hexadecimal.
type Alias = (i64, String);

/// Counts, erases and reads rows of a person.
#[derive(Clone)]
pub(crate) struct EventHoldings {
    pub client: Client,
    pub compliance: Arc<Compliance>,
    /// `CLICKHOUSE_CLUSTER`.
    pub cluster: Option<String>,
}

impl EventHoldings {
    /// How many rows there are, those included that replace each other.
    pub(super) async fn count(&self, holding: &Holding, subject: &DataSubject) -> Result<u64, Error> {
        let mut count = 0;
        for aliases in self.aliases(holding, subject).await? {
            count += self.count_of(holding, &aliases).await?;
        }
        Ok(count)
    }

    /// Deletes or anonymizes; returns when that is done in every part, or with an error when another's
    /// mutation that does the same takes too long.
    pub(super) async fn erase(&self, holding: &Holding, fate: Fate, subject: &DataSubject) -> Result<(), Interruption> {
        let (verb, change) = match fate {
            Fate::Delete => ("DELETE", "delete".to_owned()),
            Fate::Anonymize(assignments) => ("UPDATE", format!("update {assignments}")),
            Fate::Retain { .. } => return Ok(()),
        };
        for aliases in self.aliases(holding, subject).await? {
            if self.count_of(holding, &aliases).await? == 0 {
                // A mutation reads the table, whether it finds anything or not.
                continue;
            }
            if self.mutation_underway(holding, verb, &aliases).await? {
                // Of an attempt that did not see its end. One more would read the table once more.
                tracing::info!(table = holding.table, "a mutation that does the same is waited for");
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

    /// Writes the rows as they are read.
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
        // Binary is no text, and JSON has nothing else.
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

    /// Under which names the person may be in the table, in portions. For every organization it is
    /// asked which there are: a pseudonym can be made, not found.
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

    /// Whether a mutation that was begun before does what this one would.
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

/// Which rows are the person's. The organizations by themselves are what the primary key finds.
fn condition(holding: &Holding) -> String {
    match holding.found {
        Found::Pseudonym(column) => {
            format!("organization_id in ? and (organization_id, hex({column})) in ?")
        }
        // People are in ClickHouse under pseudonyms alone.
        Found::User(_) | Found::AuditEntry(_) | Found::Entity | Found::Erasure | Found::DryRun => {
            "0 and organization_id in ? and (organization_id, '') in ?".to_owned()
        }
    }
}

fn bound(query: Query, aliases: &[Alias]) -> Query {
    let organizations: Vec<i64> = aliases.iter().map(|(organization_id, _)| *organization_id).collect();
    query.bind(organizations).bind(aliases)
}
