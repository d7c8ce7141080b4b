//! `stack.json`, by which scripts, tests and tools find a running stack.
//!
//! `target/dev/stack.json` is there while `cargo xtask dev` is ready; `target/test/stack.json` while `cargo xtask test`
//! runs, which passes its absolute path in `RESTARTIX_TEST_STACK`. Both have this shape:
//!
//! ```json
//! {
//!   "core": "http://127.0.0.1:9000",
//!   "telemetry": "http://127.0.0.1:4000",
//!   "database_url": "postgres://restartix:restartix@127.0.0.1:5432/restartix",
//!   "database_app_url": "postgres://restartix_app:…/restartix",
//!   "telemetry_database_url": "postgres://restartix_telemetry:…/restartix_telemetry",
//!   "telemetry_database_app_url": "postgres://restartix_telemetry_app:…/restartix_telemetry",
//!   "clickhouse_url": "http://default@127.0.0.1:8123/restartix",
//!   "redis_url": "redis://127.0.0.1:6379/0",
//!   "s3_endpoint": "http://127.0.0.1:8014",
//!   "telemetry_internal_token": "…",
//!   "superadmin": "…",
//!   "superadmin_person": {"telemetry_token": "…", "clerk_id": "user_…", "user_id": 1},
//!   "organizations": [{
//!     "id": 1, "slug": "…",
//!     "tokens": {"admin": "…", "specialist": "…", "staff": "…", "patient": "…"},
//!     "telemetry_tokens": {"admin": "…", …},
//!     "people": {"admin": {"clerk_id": "user_…", "user_id": 2}, "patient": {"clerk_id": "…", "user_id": 5, "patient_id": 1}, …}
//!   }],
//!   "pids": {"core": 4711, "telemetry": 4712},
//!
//!   "store_pids": {"postgres": 1, "valkey": 2, "clickhouse": 3, "dev-services": 4},
//!   "supervisor": 4700,
//!   "issuer_url": "http://127.0.0.1:…",
//!   "daily_url": "http://127.0.0.1:…",
//!   "jwks_url": "http://127.0.0.1:…/.well-known/jwks.json",
//!   "issuer_key_pem_path": "/…/keys/issuer.pem", "issuer_kid": "…", "authorized_party": "http://localhost:3000",
//!   "telemetry_key_pem_path": "/…/keys/telemetry.pem", "telemetry_kid": "…",
//!   "s3_access_key": "…", "s3_secret_key": "…", "s3_bucket": "restartix",
//!   "postgres_superuser_url": "postgres://postgres@127.0.0.1:…/postgres",
//!   "pg_bin": "/…/pginstall/bin",
//!   "bin_dir": "/…/target/debug",
//!   "env": {"core": {"DATABASE_URL": "…", …}, "telemetry": {…}},
//!   "redis_databases": 1024,
//!   "template_core": "template_core", "template_telemetry": "template_telemetry",
//!   "launch": {
//!     "account": {"uid": 65534, "gid": 65534},
//!     "valkey": {"program": "/…/valkey-server", "args": ["--port", "{port}", "--dir", "{data}", …], "account": true},
//!     "clickhouse": {"program": "/usr/bin/python3", "args": ["-I", "-c", "…", "/…", "{data}", "{port}"], "account": true}
//!   }
//! }
//! ```
//!
//! - `env` holds the complete environment of each server: a test starts `bin_dir`/`server-core` with `env.core`,
//!   `PORT=0`, a `PORT_FILE` and the addresses of its own database, ClickHouse database, Redis database and bucket.
//! - `template_*` and `launch` are there in a test run only; `postgres_superuser_url` and `pg_bin` wherever PostgreSQL
//!   is our own. A template accepts no connections: it is for `create database … template …`. A copy has the template's
//!   tables and grants, but belongs to whoever makes it: say `owner restartix` (or `restartix_telemetry`).
//! - `launch` starts throwaway servers: replace `{data}` and `{port}` in `args`, and where `account` is true and
//!   `launch.account` is not null, run the program as that user and give it the data directory. ClickHouse stops when
//!   its stdin ends, so it needs a pipe there, and answers `GET /ping` when it is ready; `SIGKILL` is fine for both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::Account;
use super::environment::Environment;
use super::keys::Keys;
use super::seed::{Organization, Superadmin};
use super::servers::Server;
use super::stores::{Endpoints, Stores};
use super::{clickhouse, paths, tokens, valkey};

/// Content of `stack.json`; the documentation of the module explains it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StackFile {
    pub(crate) core: String,
    pub(crate) telemetry: String,
    pub(crate) database_url: String,
    pub(crate) database_app_url: String,
    pub(crate) telemetry_database_url: String,
    pub(crate) telemetry_database_app_url: String,
    pub(crate) clickhouse_url: String,
    pub(crate) redis_url: String,
    pub(crate) s3_endpoint: String,
    pub(crate) telemetry_internal_token: String,
    /// The session token, as scripts send it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) superadmin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) superadmin_person: Option<Superadmin>,
    pub(crate) organizations: Vec<Organization>,
    pub(crate) pids: Pids,

    pub(crate) store_pids: BTreeMap<String, u32>,
    pub(crate) supervisor: u32,
    pub(crate) issuer_url: String,
    pub(crate) daily_url: String,
    pub(crate) jwks_url: String,
    pub(crate) issuer_key_pem_path: PathBuf,
    pub(crate) issuer_kid: String,
    pub(crate) authorized_party: String,
    pub(crate) telemetry_key_pem_path: PathBuf,
    pub(crate) telemetry_kid: String,
    pub(crate) s3_access_key: String,
    pub(crate) s3_secret_key: String,
    pub(crate) s3_bucket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) postgres_superuser_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pg_bin: Option<PathBuf>,
    pub(crate) bin_dir: PathBuf,
    pub(crate) env: Environments,
    pub(crate) redis_databases: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template_core: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template_telemetry: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) launch: Option<Value>,
}

/// The servers' process numbers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pids {
    pub(crate) core: u32,
    pub(crate) telemetry: u32,
}

/// The servers' environments.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Environments {
    pub(crate) core: BTreeMap<String, String>,
    pub(crate) telemetry: BTreeMap<String, String>,
}

impl StackFile {
    /// Describes a running stack. People and the parts for tests are added later.
    pub(crate) fn of(stores: &Stores, keys: &Keys, core: &Server, telemetry: &Server) -> Result<Self> {
        let Endpoints { s3, issuer_url, .. } = &stores.endpoints;
        let endpoints = stores.endpoints.clone();
        let pid = |server: &Server| server.child.as_ref().map_or(0, super::process::Child::pid);
        Ok(Self {
            core: core.url(),
            telemetry: telemetry.url(),
            database_url: endpoints.database_url,
            database_app_url: endpoints.database_app_url,
            telemetry_database_url: endpoints.telemetry_database_url,
            telemetry_database_app_url: endpoints.telemetry_database_app_url,
            clickhouse_url: endpoints.clickhouse_url,
            redis_url: endpoints.redis_url,
            s3_endpoint: s3.endpoint.clone(),
            telemetry_internal_token: keys.secrets.telemetry_internal_token.clone(),
            superadmin: None,
            superadmin_person: None,
            organizations: Vec::new(),
            pids: Pids { core: pid(core), telemetry: pid(telemetry) },
            store_pids: stores.pids().into_iter().map(|(name, pid)| (name.to_owned(), pid)).collect(),
            supervisor: std::process::id(),
            issuer_url: issuer_url.clone(),
            daily_url: endpoints.daily_url,
            jwks_url: format!("{issuer_url}/.well-known/jwks.json"),
            issuer_key_pem_path: keys.dir.join("issuer.pem"),
            issuer_kid: keys.issuer_kid.clone(),
            authorized_party: tokens::AUTHORIZED_PARTY.to_owned(),
            telemetry_key_pem_path: keys.dir.join("telemetry.pem"),
            telemetry_kid: keys.telemetry_kid.clone(),
            s3_access_key: s3.access_key.clone(),
            s3_secret_key: s3.secret_key.clone(),
            s3_bucket: s3.bucket.clone(),
            postgres_superuser_url: stores.postgres.as_ref().map(super::postgres::Postgres::superuser_url),
            pg_bin: stores.postgres.as_ref().map(|server| server.bin.clone()),
            bin_dir: paths::binaries()?,
            env: Environments { core: owned(&core.environment), telemetry: owned(&telemetry.environment) },
            redis_databases: valkey::DATABASES,
            template_core: None,
            template_telemetry: None,
            launch: None,
        })
    }

    /// Adds the commands that start throwaway servers.
    pub(crate) fn launch_add(&mut self, stores: &Stores, account: Option<Account>) -> Result<()> {
        let Some(programs) = &stores.programs else { return Ok(()) };
        let launcher = clickhouse::launcher()?;
        self.launch = Some(json!({
            "account": account.map(|account| json!({"uid": account.uid, "gid": account.gid})),
            "valkey": {
                "program": valkey::program(&programs.valkey)?,
                "args": valkey::arguments("{data}", "{port}", false),
                "account": true,
            },
            "clickhouse": {
                "program": launcher.python,
                "args": clickhouse::arguments(&programs.clickhouse, "{data}", "{port}"),
                "account": launcher.account.is_some() || account.is_none(),
            },
        }));
        Ok(())
    }

    /// Writes the file in one step, for its owner only: it holds tokens.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        paths::write_private(path, &(serde_json::to_string_pretty(self)? + "\n"))
    }

    /// Reads the file of a running stack.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is of another version", path.display()))
    }
}

fn owned(environment: &Environment) -> BTreeMap<String, String> {
    environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}
