//! Migrations of ClickHouse: embedded, applied in order, each once; and the retention of rows.

use chrono::{DateTime, Utc};
use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::client;
use crate::config::{ClickHouseConfig, RetentionConfig};

/// Number, name and text of each migration. Statements end with `;` at the end of a line.
const MIGRATIONS: [(u32, &str, &str); 3] = [
    (1, "analytics", include_str!("../../../../migrations/telemetry-ch/0001_analytics.sql")),
    (2, "media", include_str!("../../../../migrations/telemetry-ch/0002_media.sql")),
    (3, "pose", include_str!("../../../../migrations/telemetry-ch/0003_pose.sql")),
];

/// Retention of the rows of a table.
#[derive(Debug, Clone, Copy)]
struct Retention {
    table: &'static str,
    /// Column with the time from which the age of a row is counted.
    column: &'static str,
    /// Number of days after which a row is deleted.
    days: u32,
}

impl Retention {
    /// Returns the retention of every table.
    fn all(config: RetentionConfig) -> [Self; 4] {
        let kept = |table, column, days| Self { table, column, days };
        [
            kept("analytics_events", "occurred_at", config.events),
            kept("media_sessions", "day", config.sessions),
            kept("media_bandwidth_samples", "received_at", config.samples),
            kept("pose_frames", "received_at", config.frames),
        ]
    }
}

/// Error of the migrations.
#[derive(Debug, Error)]
pub(crate) enum MigrateFault {
    /// ClickHouse refused or did not answer.
    #[error("ClickHouse: {0}")]
    ClickHouse(#[from] clickhouse::error::Error),
    /// A migration failed.
    #[error("migration {number:04}_{name}: {source}")]
    Migration {
        /// Number of the migration.
        number: u32,
        /// Name of the migration.
        name: &'static str,
        /// Error of ClickHouse.
        source: clickhouse::error::Error,
    },
}

#[derive(Row, Serialize, Deserialize)]
struct Migration {
    version: u32,
    name: String,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis")]
    applied_at: DateTime<Utc>,
}

/// Creates the database if it does not exist, applies the missing migrations and sets the retention of rows.
///
/// Two processes may do this at once: every statement can be repeated.
pub(crate) async fn migrate(config: &ClickHouseConfig, retention: RetentionConfig) -> Result<(), MigrateFault> {
    let on_cluster = on_cluster(config.cluster.as_deref());
    let client = client(config);
    // Connects to ClickHouse's own default database, because the other one may not exist yet.
    let outside = client.clone().with_database("default");
    run(&outside, &format!("create database if not exists {} {on_cluster}", quoted(&config.database))).await?;
    run(
        &client,
        &rendered(
            "create table if not exists schema_migrations {on_cluster} \
             (version UInt32, name String, applied_at DateTime64(3, 'UTC')) \
             engine = {replicated}MergeTree order by version",
            config.cluster.as_deref(),
        ),
    )
    .await?;
    let done: Vec<u32> = client.query("select distinct version from schema_migrations").fetch_all().await?;
    for (number, name, text) in MIGRATIONS {
        if done.contains(&number) {
            continue;
        }
        for statement in statements(text) {
            let statement = rendered(statement, config.cluster.as_deref());
            run(&client, &statement).await.map_err(|source| MigrateFault::Migration { number, name, source })?;
        }
        let mut insert = client.insert::<Migration>("schema_migrations").await?;
        insert.write(&Migration { version: number, name: name.to_owned(), applied_at: Utc::now() }).await?;
        insert.end().await?;
        tracing::info!(number, name, "ClickHouse migration applied");
    }
    for retention in Retention::all(retention) {
        retain(&client, retention, &on_cluster).await?;
    }
    Ok(())
}

/// Sets the TTL of a table, unless the table has it: setting it again would rewrite the table.
async fn retain(client: &Client, retention: Retention, on_cluster: &str) -> Result<(), MigrateFault> {
    let Retention { table, column, days } = retention;
    let engine: Option<String> = client
        .query("select engine_full from system.tables where database = currentDatabase() and name = ?")
        .bind(table)
        .fetch_optional()
        .await?;
    if engine.is_some_and(|engine| engine.contains(&format!("toIntervalDay({days})"))) {
        return Ok(());
    }
    let (table, column) = (quoted(table), quoted(column));
    run(client, &format!("alter table {table} {on_cluster} modify ttl toDate({column}) + interval {days} day")).await?;
    Ok(())
}

/// Runs one statement as it is; a `?` in it is not a parameter.
async fn run(client: &Client, statement: &str) -> Result<(), clickhouse::error::Error> {
    client.query_raw(statement).execute().await
}

fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n").map(str::trim).filter(|statement| !is_comment(statement))
}

fn is_comment(statement: &str) -> bool {
    statement.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with("--"))
}

/// Fills in the parts that differ between one server and a cluster.
fn rendered(statement: &str, cluster: Option<&str>) -> String {
    statement
        .replace("{on_cluster}", &on_cluster(cluster))
        .replace("{replicated}", if cluster.is_some() { "Replicated" } else { "" })
}

/// Returns the clause that makes a statement run on every server of the cluster, if there is one.
pub(crate) fn on_cluster(cluster: Option<&str>) -> String {
    cluster.map(|name| format!("on cluster {}", quoted(name))).unwrap_or_default()
}

/// Quotes an identifier with backticks.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_changes_engines_and_adds_its_name() {
        let text = "create table a {on_cluster} (b Int8) engine = {replicated}ReplacingMergeTree order by b";
        assert_eq!(rendered(text, None), "create table a  (b Int8) engine = ReplacingMergeTree order by b");
        let clustered = rendered(text, Some("eu"));
        assert!(
            clustered.contains("on cluster `eu`") && clustered.contains("= ReplicatedReplacingMergeTree"),
            "{clustered}"
        );
    }

    #[test]
    fn every_migration_has_statements_and_creates_on_the_cluster() {
        for (place, (number, name, text)) in MIGRATIONS.into_iter().enumerate() {
            assert_eq!(number as usize, place + 1, "{name} is out of order");
            let statements: Vec<&str> = statements(text).collect();
            assert!(!statements.is_empty(), "{name} is empty");
            assert!(
                statements.iter().all(|s| s.contains("{on_cluster}")),
                "{name} has a statement for one server only"
            );
        }
    }

    #[test]
    fn identifiers_cannot_end_their_quotes() {
        assert_eq!(quoted("a`b\\"), "`a\\`b\\\\`");
    }
}
