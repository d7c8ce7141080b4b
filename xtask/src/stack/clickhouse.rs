//! The ClickHouse engine with its own HTTP handler, started by a small launcher: `assets/clickhouse.py`.
//!
//! Always a process of its own: the engine ends the whole process it lives in when it stops while clients are
//! connected.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use super::account::{self, Account};
use super::process::{Child, log_tail};
use super::{fetch, ports, wait};

/// Given to Python as text: the account it runs as need not be able to read this checkout.
const LAUNCHER: &str = include_str!("../../assets/clickhouse.py");

/// A running server.
#[derive(Debug)]
pub(crate) struct ClickHouse {
    pub(crate) child: Child,
    pub(crate) port: u16,
}

/// Command that starts the launcher.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) python: PathBuf,
    /// The account it runs as; none for our own.
    pub(crate) account: Option<Account>,
}

/// Finds a Python for the launcher: one that the unprivileged account can run, if we are root.
pub(crate) fn launcher() -> Result<Launcher> {
    let account = account::unprivileged();
    let found = fetch::on_path("python3");
    if let Some(python) = found.iter().find(|path| account.is_none() || account::runnable_by_others(path)) {
        return Ok(Launcher { python: python.clone(), account });
    }
    // A Python in root's own home, and no other. The engine runs as root then, unlike PostgreSQL it can.
    match found.first() {
        Some(python) => Ok(Launcher { python: python.clone(), account: None }),
        None => bail!("python3 was not found, and ClickHouse runs in it: install it (`apt-get install python3`)"),
    }
}

/// The launcher's arguments. `{data}` and `{port}` stand for themselves in the arguments that tests fill in.
pub(crate) fn arguments(programs: &Path, data: &str, port: &str) -> Vec<String> {
    // -I: neither the user's own packages nor variables like PYTHONPATH change what is imported.
    vec!["-I".into(), "-c".into(), LAUNCHER.into(), programs.to_string_lossy().into_owned(), data.into(), port.into()]
}

impl ClickHouse {
    /// Starts a server, waits until it answers and makes sure that `database` exists.
    pub(crate) fn start(programs: &Path, data: &Path, log: &Path, port: u16, database: &str) -> Result<Self> {
        let launcher = launcher()?;
        account::private_dir(data, launcher.account)?;
        let port = ports::free(port)?;
        let mut command = Command::new(&launcher.python);
        command.args(arguments(programs, &data.to_string_lossy(), &port.to_string()));
        // The pipe to its stdin closes when we go, however we go: then it stops in order.
        command.stdin(Stdio::piped()).current_dir(data);
        account::apply(&mut command, launcher.account);
        let mut child = Child::start("clickhouse", command, log, Signal::SIGTERM)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait::until(
            Duration::from_secs(90),
            || format!("ClickHouse does not answer on port {port} within 90 s:\n{}", log_tail(log, 20)),
            || {
                child.check_running()?;
                let ping = wait::http("GET", address, "/ping", "");
                Ok(ping.is_ok_and(|(status, _)| status == 200).then_some(()))
            },
        )?;
        // Not `default`: in this engine that one is an overlay with rules of its own.
        let (status, answer) = wait::http("POST", address, "/", &format!("create database if not exists {database}"))?;
        if status != 200 {
            bail!("cannot create the ClickHouse database {database} ({status}): {}", answer.trim());
        }
        Ok(Self { child, port })
    }

    /// The URL of `database`.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("http://default@127.0.0.1:{}/{database}", self.port)
    }
}
