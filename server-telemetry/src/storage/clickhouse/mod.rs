//! ClickHouse: much data of one shape. Written by a group-commit writer a table, read with `FINAL`.

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

/// A client for the configured database. Connections are made when they are needed.
pub(crate) fn client(config: &ClickHouseConfig) -> Client {
    let client = Client::default()
        .with_url(config.url.as_str())
        .with_database(&config.database)
        // Batches are made here, where an answer can wait for them; the engine must not hold them back.
        .with_setting("async_insert", "0")
        // What regroups between tries can't be recognized by block: rows are deduplicated by key.
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

/// Whether trying again later may help: the engine, or the way to it, is down or full.
pub(crate) fn is_down(error: &Error) -> bool {
    /// Too many queries, memory limit, too many parts, read only, not enough space and their like.
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

/// Asks whether ClickHouse is there.
pub(crate) struct ClickHouseProbe(pub Client);

#[async_trait]
impl Probe for ClickHouseProbe {
    async fn probe(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.query("select 1").fetch_one::<u8>().await?;
        Ok(())
    }
}
