//! The part of the stack that only the measurements of Telemetry need.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use serde_json::{Value, json};

use super::{Stack, optimized};
use crate::stack::clickhouse::ClickHouse;
use crate::stack::environment::{self, Environment};
use crate::stack::pins;
use crate::stack::record::Record;
use crate::stack::tokens::{self, Person};
use crate::stack::{fetch, ports};

/// Organization whose events are measured; the one that Core books in has another.
const ORGANIZATION: i64 = 1;
/// Name of the database in ClickHouse.
const DATABASE: &str = "restartix";

/// ClickHouse, and the settings of Telemetry. ClickHouse stops when this value is dropped.
pub(super) struct Telemetry {
    clickhouse: ClickHouse,
    port: u16,
    /// Complete but for the address of Core's keys.
    environment: Environment,
}

impl Telemetry {
    /// Starts ClickHouse beside the stores of `stack`.
    pub(super) fn start(stack: &Stack, state: &Path, data: &Path, record: &mut Record) -> Result<Self> {
        let [programs] = fetch::programs([&pins::CLICKHOUSE])?;
        let log = state.join("clickhouse.log");
        let clickhouse = ClickHouse::start(&programs, &data.join("clickhouse"), &log, 0, DATABASE)?;
        record.add(&clickhouse.child)?;
        let port = ports::free(0)?;
        let mut endpoints = stack.endpoints.clone();
        endpoints.clickhouse_url = clickhouse.url(DATABASE);
        let mut environment = environment::telemetry(&endpoints, &stack.keys, port, 0);
        environment.insert("HSTS_MAX_AGE", "730d".to_owned());
        environment.insert("LOG_LEVEL", "info".to_owned());
        Ok(Self { clickhouse, port, environment })
    }

    /// Applies Telemetry's migrations by its own command.
    pub(super) fn migrate(&self) -> Result<()> {
        let mut command = Command::new(optimized("server-telemetry")?);
        command.arg("migrate").stdin(Stdio::null());
        environment::apply(&mut command, &self.environment);
        crate::tools::run(&mut command, "server-telemetry migrate")
    }

    /// Describes it for `xtask-bench`.
    pub(super) fn setup(&self, stack: &Stack) -> Result<Value> {
        let person = Person { clerk_id: String::new(), user_id: 1, patient_id: None };
        let keys = &stack.keys;
        let token =
            tokens::telemetry(&keys.telemetry_pem, &keys.telemetry_kid, &person, Some(ORGANIZATION), "patient")?;
        Ok(json!({
            "server": optimized("server-telemetry")?,
            "environment": self.environment,
            "port": self.port,
            "token": token,
            "organization": ORGANIZATION,
            "service_token": keys.secrets.telemetry_internal_token,
            "database_url": stack.endpoints.telemetry_database_url,
            "clickhouse_address": format!("127.0.0.1:{}", self.clickhouse.port),
            "clickhouse_database": DATABASE,
            "clickhouse_pid": self.clickhouse.child.pid(),
        }))
    }
}
