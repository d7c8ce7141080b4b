//! The server that is measured.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::http::Connection;
use crate::setup::{Setup, TelemetrySetup};

/// Time limit for a start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) pid: u32,
    /// `host:port`
    pub(crate) address: String,
    /// From its execution to the first positive answer of `/ready`.
    pub(crate) start: Duration,
}

impl Server {
    /// Starts the build of this checkout, its log in a file, and waits until it and all it needs is ready.
    pub(crate) async fn start(setup: &Setup, telemetry_url: &str) -> Result<Self> {
        Self::start_program(setup, &setup.server, "server-core", telemetry_url).await
    }

    /// Starts `program`, a build of Core, in the same way; its files are named after `name`.
    pub(crate) async fn start_program(setup: &Setup, program: &Path, name: &str, telemetry_url: &str) -> Result<Self> {
        let variables = [("PORT", "0"), ("TELEMETRY_INTERNAL_URL", telemetry_url)];
        Self::launch(setup, program, name, &setup.environment, &variables).await
    }

    /// Starts Telemetry likewise.
    pub(crate) async fn start_telemetry(setup: &Setup, telemetry: &TelemetrySetup, core: &str) -> Result<Self> {
        let port = telemetry.port.to_string();
        let keys = format!("http://{core}/.well-known/jwks.json");
        let variables = [("PORT", port.as_str()), ("CORE_JWKS_URL", &keys)];
        Self::launch(setup, &telemetry.server, "server-telemetry", &telemetry.environment, &variables).await
    }

    async fn launch(
        setup: &Setup,
        program: &Path,
        name: &str,
        environment: &BTreeMap<String, String>,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let port_file = setup.state.join(format!("{name}.port"));
        match std::fs::remove_file(&port_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let log_path = setup.state.join(format!("{name}.log"));
        let log = File::create(&log_path).with_context(|| format!("cannot write {}", log_path.display()))?;
        let mut command = Command::new(program);
        command
            .arg("serve")
            .current_dir(&setup.state)
            .env_clear()
            .envs(environment)
            .env("PORT_FILE", &port_file)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        let started = Instant::now();
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let pid = process.id().context("the server has ended at once")?;
        loop {
            if let Some(address) = std::fs::read_to_string(&port_file).ok().filter(|address| !address.is_empty())
                && ready(address.trim()).await
            {
                let start = started.elapsed();
                return Ok(Self { process, pid, address: address.trim().to_owned(), start });
            }
            if let Some(status) = process.try_wait()? {
                bail!("the server ended while starting ({status}): see {}", log_path.display());
            }
            if started.elapsed() > PATIENCE {
                bail!("the server is not ready after {} s: see {}", PATIENCE.as_secs(), log_path.display());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends it at once.
    pub(crate) async fn stop(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

async fn ready(address: &str) -> bool {
    let Ok(mut connection) = Connection::connect(address).await else { return false };
    let request = format!("GET /ready HTTP/1.1\r\nHost: {address}\r\n\r\n");
    matches!(connection.call(request.as_bytes()).await, Ok(200))
}
