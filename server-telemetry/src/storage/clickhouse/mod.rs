//! ClickHouse: large amounts of events. Each table has a writer that commits in groups; queries read with
//! `FINAL`.

mod migrate;
mod table;
mod writer;

pub(crate) use migrate::{MigrateFault, migrate, on_cluster};
pub(crate) use table::Table;
pub(crate) use writer::{Pace, WriteError, Writer};

use async_trait::async_trait;
use clickhouse::{Client, error::Error};
use secrecy::ExposeSecret;
use server_shared::http::health::Probe;

use crate::config::ClickHouseConfig;

/// Makes a client for the configured database. Connects when it is first used.
pub(crate) fn client(config: &ClickHouseConfig) -> Client {
    let client = Client::default()
        .with_url(config.url.as_str())
        .with_database(&config.database)
        // Batches are formed in this service, where answers can wait for them; ClickHouse must not delay them.
        .with_setting("async_insert", "0")
        // A retry may group rows differently, so ClickHouse cannot recognize its block: rows are deduplicated by
        // key.
        .with_setting("insert_deduplicate", "0");
    let client = match &config.user {
        Some(user) => client.with_user(user),
        None => client,
    };
    match &config.password {
        Some(password) => client.with_password(password.expose_secret()),
        None => client,
    }
}

/// Returns `true` if a retry may help: ClickHouse, or the network to it, is down or overloaded.
pub(crate) fn is_down(error: &Error) -> bool {
    /// Too many queries, memory limit, too many parts, read only, not enough space, and similar errors.
    const CODES: [&str; 9] = [
        "Code: 159.",
        "Code: 164.",
        "Code: 202.",
        "Code: 209.",
        "Code: 210.",
        "Code: 241.",
        "Code: 242.",
        "Code: 243.",
        "Code: 252.",
    ];
    match error {
        Error::Network(_) | Error::TimedOut => true,
        Error::BadResponse(text) => CODES.iter().any(|code| text.contains(code)) || !text.contains("Code:"),
        _ => false,
    }
}

/// Probes ClickHouse.
pub(crate) struct ClickHouseProbe(pub Client);

#[async_trait]
impl Probe for ClickHouseProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.query("select 1").fetch_one::<u8>().await?;
        Ok(())
    }
}
