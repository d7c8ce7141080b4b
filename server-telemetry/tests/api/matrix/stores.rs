//! Contents of the stores that must not change when a request is refused.

use test_support::{Checksums, Contents, LeftOut, TelemetryApp, eventually};

use super::fixture::SOON;

const LEFT_OUT: [LeftOut; 8] = [
    // The audit entry about a refusal is a change that is allowed.
    LeftOut::Rows("audit.audit_logs", "t.outcome <> 'succeeded'"),
    LeftOut::Rows(
        "audit.audit_personal",
        "exists (select from audit.audit_logs a where a.id = t.audit_id and a.outcome <> 'succeeded')",
    ),
    // Rows derived from the trail follow it, refusals included.
    LeftOut::Rows("audit.audit_pending", "true"),
    LeftOut::Rows("audit.audit_chain", "true"),
    LeftOut::Rows("audit.audit_heads", "true"),
    LeftOut::Rows("audit.audit_starts", "true"),
    LeftOut::Rows("security.sightings", "true"),
    LeftOut::Rows("security.security_events", "true"),
];

/// Checksums of a Telemetry's PostgreSQL, and the rows of its ClickHouse.
pub(super) struct Stores<'a> {
    app: &'a TelemetryApp,
    checksums: Checksums,
    tables: Vec<String>,
}

impl<'a> Stores<'a> {
    pub(super) async fn of(app: &'a TelemetryApp) -> Self {
        let sql = "select table from system.columns
                   where database = currentDatabase() and name = 'organization_id' order by table format TSV";
        let tables: Vec<String> = app.clickhouse.query(sql).await.lines().map(str::to_owned).collect();
        assert!(tables.len() >= 4, "the tables of ClickHouse are not found: {tables:?}");
        Self { app, checksums: Checksums::of(&app.database, &LEFT_OUT).await, tables }
    }

    /// Returns the contents, once no erasure is in progress.
    pub(super) async fn take(&mut self) -> Contents {
        let mut owner = self.app.database.owner().await;
        let owner = tokio::sync::Mutex::new(&mut owner);
        eventually("every erasure has ended", SOON, || async {
            let open = "select count(*) from privacy.erasures where finished_at is null";
            let open: i64 =
                sqlx::query_scalar(open).fetch_one(&mut **owner.lock().await).await.expect("the owner may count");
            open == 0
        })
        .await;
        let mut contents = self.checksums.take().await;
        for table in &self.tables {
            // Rows that were sent twice count once, merged or not.
            let sql = format!("select organization_id, * from {table} order by all settings final = 1 format TSV");
            for row in self.app.clickhouse.query(&sql).await.lines() {
                let (organization, row) = row.split_once('\t').expect("a row has columns");
                let organization = organization.parse().expect("an organization is a number");
                let rows = contents.entry((format!("clickhouse {table}"), organization)).or_default();
                rows.push_str(row);
                rows.push('\n');
            }
        }
        contents
    }
}
