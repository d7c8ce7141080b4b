//! Environment that `cargo xtask bench` has prepared.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// The stack to measure on; `xtask/src/bench.rs` writes it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Setup {
    /// The optimized `server-core`, its migrations applied.
    pub(crate) server: PathBuf,
    /// The server's environment, complete but for its port and for Telemetry's address.
    pub(crate) environment: BTreeMap<String, String>,
    /// Directory of logs and scripts.
    pub(crate) state: PathBuf,
    /// The directory of psql and, where it was packaged, pgbench.
    pub(crate) pg_bin: PathBuf,
    /// The process that all of PostgreSQL's others are children of.
    pub(crate) postgres_pid: u32,
    /// Log of PostgreSQL.
    pub(crate) postgres_log: PathBuf,
    /// Core's database as the superuser.
    pub(crate) superuser_url: String,
    /// Core's database as its owner.
    pub(crate) database_url: String,
    /// Core's database as the role that row-level security binds.
    pub(crate) database_app_url: String,
    /// Session tokens by Clerk id, one for the front desk of each bench organization.
    pub(crate) tokens: BTreeMap<String, String>,
    /// The checkout that is measured.
    pub(crate) checkout: PathBuf,
    /// Telemetry and its engine, if they are measured.
    pub(crate) telemetry: Option<TelemetrySetup>,
}

/// Telemetry with its stores.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TelemetrySetup {
    /// The optimized `server-telemetry`, its migrations applied.
    pub(crate) server: PathBuf,
    /// The server's environment, complete but for the address of Core's keys.
    pub(crate) environment: BTreeMap<String, String>,
    /// The port it listens on; Core has to know it before Telemetry can start.
    pub(crate) port: u16,
    /// Token of a patient.
    pub(crate) token: String,
    /// The patient's organization.
    pub(crate) organization: u32,
    /// Core's token.
    pub(crate) service_token: String,
    /// Telemetry's PostgreSQL database as its owner.
    pub(crate) database_url: String,
    /// `host:port` of ClickHouse's HTTP interface.
    pub(crate) clickhouse_address: String,
    pub(crate) clickhouse_database: String,
    pub(crate) clickhouse_pid: u32,
}

impl Setup {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is of another version", path.display()))
    }

    /// Returns the same with another database in place of Core's, and with a directory of its own.
    pub(crate) fn of_database(&self, name: &str) -> Result<Self> {
        let mut setup = self.clone();
        setup.state = self.state.join(name);
        fs::create_dir_all(&setup.state).with_context(|| format!("cannot create {}", setup.state.display()))?;
        let urls = [&mut setup.superuser_url, &mut setup.database_url, &mut setup.database_app_url];
        for url in urls {
            let (server, _) = url.rsplit_once('/').context("the URL of a database ends with its name")?;
            *url = format!("{server}/{name}");
        }
        setup.environment.insert("DATABASE_URL".to_owned(), setup.database_url.clone());
        setup.environment.insert("DATABASE_APP_URL".to_owned(), setup.database_app_url.clone());
        Ok(setup)
    }

    /// Returns the number of bench organizations.
    pub(crate) fn organizations(&self) -> Result<u32> {
        Ok(u32::try_from(self.tokens.len())?)
    }

    /// The token of the front desk of bench organization `organization`.
    pub(crate) fn token(&self, organization: u32) -> Result<&str> {
        let person = clerk_id(organization);
        let token = self.tokens.get(&person).with_context(|| format!("there is no token for {person}"))?;
        Ok(token)
    }
}

/// The Clerk id of the front desk of a bench organization, as `sql/seed.sql` writes it.
pub(crate) fn clerk_id(organization: u32) -> String {
    format!("user_bench_{organization}")
}
