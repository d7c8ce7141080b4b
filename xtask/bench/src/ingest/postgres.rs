//! PostgreSQL's insert of the audit trail without Telemetry.

use anyhow::Result;

use crate::naive::Script;
use crate::psql;
use crate::setup::{Setup, TelemetrySetup};

/// Copies of the tables with their indexes and checks, but without triggers, and the rows of one batch.
const COPIES: &str = "
create schema bench;
create table bench.audit_logs (like audit.audit_logs including all);
create table bench.audit_personal (like audit.audit_personal including all);
create table bench.batch as
    select log.*, personal.ip, personal.user_agent, personal.client_request_id
    from audit.audit_logs log join audit.audit_personal personal on personal.audit_id = log.id
    where log.operation_id = 'appointment_create' limit :rows;
";

/// Inserts of one client.
pub(super) struct Trail {
    script: Script,
    rows: u64,
}

impl Trail {
    pub(super) async fn new(setup: &Setup, telemetry: &TelemetrySetup, rows: u64) -> Result<Self> {
        let variables = [("rows", u32::try_from(rows)?)];
        psql::run(setup, &telemetry.database_url, &variables, COPIES).await?;
        let text = include_str!("../../sql/engine-audit.sql");
        let script = Script::new(setup, "audit", text, telemetry.organization, Vec::new())?.on(&telemetry.database_url);
        Ok(Self { script, rows })
    }

    /// Inserts batches for so many seconds; returns the number of events.
    pub(super) async fn run(&mut self, seconds: u32) -> Result<u64> {
        Ok(self.script.run(seconds, 1).await?.transactions * self.rows)
    }
}
