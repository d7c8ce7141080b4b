//! All stores of a stack, embedded, in containers or external.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::clickhouse::ClickHouse;
use super::compose::{self, Published};
use super::keys::Keys;
use super::overrides::{Overrides, S3};
use super::postgres::{self, Postgres};
use super::process::Child;
use super::record::Record;
use super::services::{Preferred, Services};
use super::valkey::Valkey;
use super::{fetch, paths, pins, ports, wait};

/// Purpose of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A developer's: durable, on remembered ports, with whatever stores the environment names.
    Dev,
    /// A test run's: thrown away, fast, always our own stores, so that no test reaches data that somebody wants.
    Test,
}

/// Addresses of the stores.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) database_url: String,
    pub(crate) database_app_url: String,
    pub(crate) telemetry_database_url: String,
    pub(crate) telemetry_database_app_url: String,
    pub(crate) clickhouse_url: String,
    pub(crate) redis_url: String,
    pub(crate) s3: S3,
    pub(crate) issuer_url: String,
    pub(crate) daily_url: String,
}

/// Addresses of the stores that the stack starts. Those that the environment overrides may be empty.
struct Own {
    postgres_port: u16,
    clickhouse_url: String,
    redis_url: String,
    s3: S3,
    issuer_url: String,
    daily_url: String,
}

impl Endpoints {
    fn new(overrides: &Overrides, own: Own) -> Self {
        let postgres = |given: &Option<String>, role: &str, database: &str| {
            given.clone().unwrap_or_else(|| postgres::url(own.postgres_port, role, database))
        };
        Self {
            database_url: postgres(&overrides.database_url, "restartix", "restartix"),
            database_app_url: postgres(&overrides.database_app_url, "restartix_app", "restartix"),
            telemetry_database_url: postgres(
                &overrides.telemetry_database_url,
                "restartix_telemetry",
                "restartix_telemetry",
            ),
            telemetry_database_app_url: postgres(
                &overrides.telemetry_database_app_url,
                "restartix_telemetry_app",
                "restartix_telemetry",
            ),
            clickhouse_url: overrides.clickhouse_url.clone().unwrap_or(own.clickhouse_url),
            redis_url: overrides.redis_url.clone().unwrap_or(own.redis_url),
            s3: overrides.s3.clone().unwrap_or(own.s3),
            issuer_url: own.issuer_url,
            daily_url: own.daily_url,
        }
    }
}

/// The unpacked wheels of the embedded stores.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) postgres: PathBuf,
    pub(crate) valkey: PathBuf,
    pub(crate) clickhouse: PathBuf,
}

/// The running stores of a stack. Dropped, they stop: those that others depend on last.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) endpoints: Endpoints,
    /// Our own PostgreSQL, if it is one.
    pub(crate) postgres: Option<Postgres>,
    /// Paths of the embedded programs, if they were needed.
    pub(crate) programs: Option<Programs>,
    others: Vec<Child>,
    containers: Option<Published>,
    purpose: Purpose,
}

/// Ports by name, remembered from start to start so that a developer's tools find the stores where they were.
type Ports = BTreeMap<String, u16>;

impl Stores {
    /// Starts the stores that the environment does not name. Progress goes to stderr.
    pub(crate) fn start(
        purpose: Purpose,
        state: &Path,
        sockets: &Path,
        keys: &Keys,
        embedded: bool,
        record: &mut Record,
    ) -> Result<Self> {
        let overrides = match purpose {
            Purpose::Dev => Overrides::from_environment(),
            Purpose::Test => Overrides::default(),
        };
        let ports = Starter::ports(purpose, state);
        let data = paths::data(state)?;
        let mut starter = Starter { purpose, state, data: &data, sockets, ports, record };
        // Only a developer's stack uses containers: tests need the programs themselves (pg_dump, throwaway servers).
        let containers = purpose == Purpose::Dev && !embedded && overrides.incomplete() && compose::available();
        let stores =
            if containers { starter.containers(&overrides, keys)? } else { starter.embedded(&overrides, keys)? };
        let remembered = starter.ports;
        if purpose == Purpose::Dev {
            fs::write(state.join("ports.json"), serde_json::to_string_pretty(&remembered)?)?;
        }
        Ok(stores)
    }

    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The stores that run as children of ours, by name, with their process numbers.
    pub(crate) fn pids(&self) -> BTreeMap<&'static str, u32> {
        self.postgres.iter().map(|server| &server.child).chain(&self.others).map(|c| (c.name, c.pid())).collect()
    }

    /// The children that have ended by themselves, with the reason.
    pub(crate) fn ended(&mut self) -> Result<Vec<String>> {
        let mut ended = Vec::new();
        for child in self.postgres.iter_mut().map(|server| &mut server.child).chain(&mut self.others) {
            if let Some(status) = child.ended()? {
                ended.push(format!("{} ended by itself ({})", child.name, super::process::ending(status)));
            }
        }
        Ok(ended)
    }

    /// Stops everything that was started. A test's stores are killed: nobody wants their data.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let mut children: Vec<&mut Child> = self.others.iter_mut().rev().collect();
        children.extend(self.postgres.iter_mut().map(|server| &mut server.child));
        for child in children {
            // PostgreSQL stops in order in both cases: killed, it would leave shared memory to the system.
            if self.purpose == Purpose::Test && child.name != "postgres" { child.kill() } else { child.stop() }
                .with_context(|| format!("cannot stop {}", child.name))?;
        }
        if let Some(published) = self.containers.take() {
            compose::down(published)?;
        }
        Ok(())
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("    {error:#}");
        }
    }
}

struct Starter<'a> {
    purpose: Purpose,
    state: &'a Path,
    data: &'a Path,
    sockets: &'a Path,
    ports: Ports,
    record: &'a mut Record,
}

impl Starter<'_> {
    fn ports(purpose: Purpose, state: &Path) -> Ports {
        let file = fs::read_to_string(state.join("ports.json")).ok().filter(|_| purpose == Purpose::Dev);
        file.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    fn port(&self, name: &str) -> u16 {
        self.ports.get(name).copied().unwrap_or(0)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.state.join(format!("logs/{name}.log"))
    }

    fn embedded(&mut self, overrides: &Overrides, keys: &Keys) -> Result<Stores> {
        let programs = if !overrides.postgres() || overrides.redis_url.is_none() || overrides.clickhouse_url.is_none() {
            let [postgres, valkey, clickhouse] = fetch::programs([&pins::POSTGRES, &pins::VALKEY, &pins::CLICKHOUSE])?;
            Some(Programs { postgres, valkey, clickhouse })
        } else {
            None
        };
        let durable = self.purpose == Purpose::Dev;
        let mut others = Vec::new();

        // Started first because it reports faults of the checkout quickly, and everything depends on its issuer.
        let s3_root = self.data.join("s3");
        let root = overrides.s3.is_none().then_some(s3_root.as_path());
        let services = self.services(keys, root)?;
        if let Some(url) = &services.addresses.s3 {
            self.remember_url("s3", url);
        }
        others.push(services.child);
        wait::check_stop()?;

        let postgres = match &programs {
            Some(programs) if !overrides.postgres() => Some(self.postgres(programs, durable)?),
            _ => None,
        };
        let redis_url = match (&overrides.redis_url, &programs) {
            (Some(url), _) => url.clone(),
            (None, Some(programs)) => {
                let (data, log) = (self.data.join("valkey"), self.log("valkey"));
                let server = Valkey::start(&programs.valkey, &data, &log, self.port("valkey"), durable)?;
                self.started("valkey", server.port, &server.child)?;
                others.push(server.child);
                format!("redis://127.0.0.1:{}/0", server.port)
            }
            (None, None) => String::new(),
        };
        let clickhouse_url = match (&overrides.clickhouse_url, &programs) {
            (Some(url), _) => url.clone(),
            (None, Some(programs)) => {
                let (data, log) = (self.data.join("clickhouse"), self.log("clickhouse"));
                let port = self.port("clickhouse");
                let server = ClickHouse::start(&programs.clickhouse, &data, &log, port, "restartix")?;
                self.started("clickhouse", server.port, &server.child)?;
                let url = server.url("restartix");
                others.push(server.child);
                url
            }
            (None, None) => String::new(),
        };
        let own = Own {
            postgres_port: postgres.as_ref().map_or(0, |server| server.port),
            clickhouse_url,
            redis_url,
            s3: S3 {
                endpoint: services.addresses.s3.unwrap_or_default(),
                access_key: keys.secrets.s3_access_key.clone(),
                secret_key: keys.secrets.s3_secret_key.clone(),
                bucket: super::overrides::BUCKET.to_owned(),
            },
            issuer_url: services.addresses.issuer,
            daily_url: services.addresses.daily,
        };
        let endpoints = Endpoints::new(overrides, own);
        Ok(Stores { endpoints, postgres, programs, others, containers: None, purpose: self.purpose })
    }

    fn postgres(&mut self, programs: &Programs, durable: bool) -> Result<Postgres> {
        let server = Postgres::start(&postgres::Options {
            programs: &programs.postgres,
            data: &self.data.join("postgres"),
            sockets: self.sockets,
            log: &self.log("postgres"),
            port: self.port("postgres"),
            durable,
            max_connections: if durable { 200 } else { 400 },
            settings: &[],
        })?;
        self.started("postgres", server.port, &server.child)?;
        Ok(server)
    }

    fn containers(&mut self, overrides: &Overrides, keys: &Keys) -> Result<Stores> {
        let mut chosen = |name: &str| -> Result<u16> {
            let port = ports::free(self.ports.get(name).copied().unwrap_or(0))?;
            self.ports.insert(name.to_owned(), port);
            Ok(port)
        };
        let published = Published {
            postgres: chosen("postgres")?,
            valkey: chosen("valkey")?,
            clickhouse: chosen("clickhouse")?,
            s3: chosen("s3")?,
        };
        compose::up(published)?;
        let services = self.services(keys, None)?;
        let own = Own {
            postgres_port: published.postgres,
            clickhouse_url: format!(
                "http://restartix:{}@127.0.0.1:{}/restartix",
                compose::CLICKHOUSE_PASSWORD,
                published.clickhouse
            ),
            redis_url: format!("redis://127.0.0.1:{}/0", published.valkey),
            s3: S3 {
                endpoint: format!("http://127.0.0.1:{}", published.s3),
                access_key: compose::S3_ACCESS_KEY.to_owned(),
                secret_key: compose::S3_SECRET_KEY.to_owned(),
                bucket: super::overrides::BUCKET.to_owned(),
            },
            issuer_url: services.addresses.issuer,
            daily_url: services.addresses.daily,
        };
        let endpoints = Endpoints::new(overrides, own);
        Ok(Stores {
            endpoints,
            postgres: None,
            programs: None,
            others: vec![services.child],
            containers: Some(published),
            purpose: self.purpose,
        })
    }

    fn services(&mut self, keys: &Keys, s3_root: Option<&Path>) -> Result<Services> {
        let s3 = if s3_root.is_some() { self.port("s3") } else { 0 };
        let ports = Preferred { issuer: self.port("issuer"), daily: self.port("daily"), s3 };
        let services = Services::start(keys, s3_root, &self.log("dev-services"), ports)?;
        self.record.add(&services.child)?;
        self.remember_url("issuer", &services.addresses.issuer);
        self.remember_url("daily", &services.addresses.daily);
        Ok(services)
    }

    fn started(&mut self, name: &str, port: u16, child: &Child) -> Result<()> {
        self.ports.insert(name.to_owned(), port);
        self.record.add(child)?;
        wait::check_stop()
    }

    fn remember_url(&mut self, name: &str, url: &str) {
        if let Some(port) = url.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok()) {
            self.ports.insert(name.to_owned(), port);
        }
    }
}
