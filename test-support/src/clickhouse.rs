//! A ClickHouse database of one test's own.

use url::Url;

use crate::{answer, sandbox};

/// A database, dropped with this value. Its tables are made by `server-telemetry migrate`.
#[derive(Debug)]
pub struct ClickHouseDatabase {
    server: Url,
    name: String,
}

impl ClickHouseDatabase {
    /// Creates the database on the server that `url` names (whatever its path says).
    pub async fn create(url: &str, name: &str) -> Self {
        let mut server = Url::parse(url).expect("a ClickHouse URL");
        server.set_path("");
        let database = Self { server, name: name.to_owned() };
        database.execute(&format!("create database {name}")).await.expect("ClickHouse makes a database");
        database
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Value of `CLICKHOUSE_URL`.
    pub fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// Runs a statement in the database; its answer as tab-separated text.
    pub async fn query(&self, sql: &str) -> String {
        match self.send(Some(&self.name), sql).await {
            Ok(text) => text,
            Err(error) => panic!("ClickHouse refuses `{sql}`: {error}"),
        }
    }

    /// Runs a query that gives one number.
    pub async fn count(&self, sql: &str) -> u64 {
        let text = self.query(sql).await;
        text.trim().parse().unwrap_or_else(|_| panic!("`{sql}` gives {text:?}, no number"))
    }

    async fn execute(&self, sql: &str) -> Result<String, String> {
        self.send(None, sql).await
    }

    async fn send(&self, database: Option<&str>, sql: &str) -> Result<String, String> {
        let mut url = self.server.clone();
        if let Some(database) = database {
            url.query_pairs_mut().append_pair("database", database);
        }
        let response = answer::http().post(url).body(sql.to_owned()).send().await.map_err(|error| error.to_string())?;
        let status = response.status();
        let text = response.text().await.map_err(|error| error.to_string())?;
        if status.is_success() { Ok(text) } else { Err(format!("{status}: {text}")) }
    }
}

impl Drop for ClickHouseDatabase {
    fn drop(&mut self) {
        sandbox::block_on(async {
            // Best effort: a test may have killed the server.
            let _ = self.execute(&format!("drop database if exists {}", self.name)).await;
        });
    }
}
