//! Telemetry on stores of its own.

use std::collections::BTreeMap;

use restartix_sdk::{ClientBuilder, Retries, telemetry};
use serde_json::Value;

use crate::{
    ClickHouseDatabase, CoreApp, Database, Issuer, Kind, Place, Server, Stack, answer, eventually,
    sandbox::{RedisDatabase, Sandbox},
    tokens::telemetry_claims,
};

/// A Telemetry process with its own database, ClickHouse database and Redis database.
#[derive(Debug)]
pub struct TelemetryApp {
    /// The process.
    pub server: Server,
    /// Its PostgreSQL database.
    pub database: Database,
    /// Its ClickHouse database.
    pub clickhouse: ClickHouseDatabase,
    redis: RedisDatabase,
    // Last: it tells where the logs are.
    sandbox: Sandbox,
}

/// Builds a Telemetry for a test, with the given deviations from the default.
#[derive(Debug, Default)]
pub struct TelemetryBuilder {
    environment: BTreeMap<String, String>,
    clickhouse: Option<String>,
}

/// Person that a telemetry token is issued for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelemetryPerson {
    /// The user's id in Core.
    pub user: i64,
    /// The organization; a superadmin may have none.
    pub organization: Option<i64>,
    /// The role, as tokens write it.
    pub role: &'static str,
    /// The patient record of a patient.
    pub patient: Option<i64>,
}

impl TelemetryPerson {
    /// Its claims, free to be changed before `Issuer::sign_telemetry` signs them.
    pub fn claims(&self) -> Value {
        telemetry_claims(self.user, self.organization, self.role, self.patient)
    }

    /// A token, as Core makes it.
    pub fn token(&self) -> String {
        Issuer::sign_telemetry(&self.claims())
    }
}

impl TelemetryBuilder {
    /// Sets a variable of Telemetry's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Stores events on another ClickHouse server than the stack's, e.g. a [`crate::Throwaway`]'s.
    #[must_use]
    pub fn clickhouse(mut self, url: impl Into<String>) -> Self {
        self.clickhouse = Some(url.into());
        self
    }

    /// Starts it, its tables made by its own `migrate`.
    pub async fn start(self) -> TelemetryApp {
        let stack = Stack::get();
        let sandbox = Sandbox::new("telemetry");
        let database = Database::create(Kind::Telemetry, &sandbox.name).await;
        let clickhouse_server = self.clickhouse.as_ref().unwrap_or(&stack.clickhouse_url);
        let clickhouse = ClickHouseDatabase::create(clickhouse_server, &sandbox.name).await;
        let redis = RedisDatabase::take();
        let mut environment = stack.env.telemetry.clone();
        for (name, value) in [
            ("TELEMETRY_DATABASE_URL", database.owner_url()),
            ("TELEMETRY_DATABASE_APP_URL", database.app_url()),
            ("CLICKHOUSE_URL", clickhouse.url()),
            ("REDIS_URL", redis.url.clone()),
            ("DB_POOL_MIN", "1".to_owned()),
            ("DB_POOL_MAX", "8".to_owned()),
            // Races make more requests than there are connections, on machines of any speed. Tests of outages set
            // their own.
            ("DB_ACQUIRE_TIMEOUT", "30s".to_owned()),
            // Every Core of the stack signs with the same key; the stack's own one always runs.
            ("CORE_JWKS_URL", format!("{}/.well-known/jwks.json", stack.core)),
        ] {
            environment.insert(name.to_owned(), value);
        }
        environment.extend(self.environment);
        let mut server = Server::new("server-telemetry", "telemetry", environment, &sandbox.dir);
        server.run("migrate");
        server.start().await;
        TelemetryApp { server, database, clickhouse, redis, sandbox }
    }
}

impl TelemetryApp {
    /// Telemetry with its own stores.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Telemetry with something special about it.
    pub fn builder() -> TelemetryBuilder {
        TelemetryBuilder::default()
    }

    /// Another Telemetry process on the same stores, as behind a load balancer.
    pub async fn second(&self) -> Server {
        let mut server =
            Server::new("server-telemetry", "telemetry-2", self.server.environment().clone(), &self.sandbox.dir);
        server.start().await;
        server
    }

    /// The base URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// A client with any token.
    pub fn client(&self, token: &str) -> telemetry::Client {
        Self::client_at(&self.url(), token)
    }

    /// The same for the Telemetry at another base URL.
    pub fn client_at(base: &str, token: &str) -> telemetry::Client {
        let builder = ClientBuilder::new(base).token(token).retries(Retries::none());
        builder.telemetry().expect("a client can be made")
    }

    /// A client for a person.
    pub fn person(&self, person: &TelemetryPerson) -> telemetry::Client {
        self.client(&person.token())
    }

    /// A client for an admin of an organization, with a user id of its own.
    pub fn admin(&self, organization: i64) -> telemetry::Client {
        let user = 900_000 + organization;
        self.person(&TelemetryPerson { user, organization: Some(organization), role: "admin", patient: None })
    }

    /// A client for somebody who runs the platform.
    pub fn superadmin(&self) -> telemetry::Client {
        self.person(&TelemetryPerson { user: 900_000, organization: None, role: "superadmin", patient: None })
    }

    /// The client that Core has.
    pub fn service(&self) -> telemetry::Client {
        self.client(&Stack::get().telemetry_internal_token)
    }

    /// Waits until each audit event has its link. Asks the database: to verify a chain is an event too.
    pub async fn sealed(&self) {
        let pending = "select count(*) from audit.audit_pending";
        eventually("events are sealed", CoreApp::PATIENCE, || async { self.database.count(pending).await == 0 }).await;
    }

    /// Everywhere in this Telemetry's PostgreSQL, ClickHouse and Redis that `needle` stands.
    pub async fn search(&self, needle: &str) -> Vec<Place> {
        self.search_each(&[needle.to_owned()]).await.remove(0)
    }

    /// The same for each of many values.
    pub async fn search_each(&self, needles: &[String]) -> Vec<Vec<Place>> {
        let forms: Vec<_> = needles.iter().map(|needle| vec![needle.clone()]).collect();
        let mut found = self.database.search_each(&forms).await;
        for (needle, places) in needles.iter().zip(&mut found) {
            places.extend(self.clickhouse.search(needle).await);
            places.extend(self.redis.search(needle));
        }
        found
    }

    /// A request that the SDK can't make; without credentials. `path` begins with `/`.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        answer::http().request(method, format!("{}{path}", self.url()))
    }
}
