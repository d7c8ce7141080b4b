//! The two servers of a stack: built by cargo, migrated, started, awaited.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::environment::{self, Environment};
use super::process::{Child, log_tail};
use super::{paths, wait};
use crate::tools;

/// One of the two servers, not necessarily running.
#[derive(Debug)]
pub(crate) struct Server {
    /// `server-core` or `server-telemetry`: the name of its package and program.
    pub(crate) package: &'static str,
    pub(crate) port: u16,
    pub(crate) environment: Environment,
    /// Working directory; a `restartix.toml` in it is read.
    pub(crate) directory: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) child: Option<Child>,
}

impl Server {
    /// The URL that clients use.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts the server without waiting for it.
    pub(crate) fn start(&mut self) -> Result<&Child> {
        let mut command = self.command("serve")?;
        command.stdin(Stdio::null());
        Ok(self.child.insert(Child::start(self.package, command, &self.log, Signal::SIGTERM)?))
    }

    /// Waits until the server and everything it needs is ready.
    pub(crate) fn wait_ready(&mut self) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let Some(child) = &mut self.child else { bail!("{} has not been started", self.package) };
        let (package, port, log) = (self.package, self.port, &self.log);
        let mut last = String::from("no answer");
        let late = wait::until(Duration::from_mins(1), String::new, || {
            child.check_running()?;
            match wait::http("GET", address, "/ready", "") {
                Ok((200, _)) => return Ok(Some(())),
                Ok((status, body)) => last = format!("{status} {body}"),
                Err(error) => last = error.to_string(),
            }
            Ok(None)
        });
        late.map_err(|error| {
            if error.to_string().is_empty() {
                anyhow::anyhow!(
                    "{package} is not ready on port {port} after 60 s; /ready says: {last}\n{}",
                    log_tail(log, 20)
                )
            } else {
                error
            }
        })
    }

    /// Stops the server if it runs.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.stop()?;
        }
        Ok(())
    }

    /// Applies the server's migrations, as its own command does in production.
    pub(crate) fn migrate(&self) -> Result<()> {
        let output = self.command("migrate")?.stdin(Stdio::null()).output().context("cannot run the migrations")?;
        if !output.status.success() {
            bail!(
                "`{} migrate` failed ({}):\n{}{}",
                self.package,
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    fn command(&self, action: &str) -> Result<Command> {
        let mut command = Command::new(paths::binary(self.package)?);
        command.arg(action).current_dir(&self.directory);
        environment::apply(&mut command, &self.environment);
        Ok(command)
    }

    /// Writes its environment to a file by which it can be started by hand.
    pub(crate) fn environment_write(&self, path: &Path) -> Result<()> {
        paths::write_private(path, &environment::file(&self.environment))
    }
}

/// Runs `cargo build` with these arguments, its progress on stderr. Name binaries, not packages: cargo then takes the
/// features of the whole workspace, and every command shares one build of each dependency.
pub(crate) fn build(arguments: &[&str]) -> Result<()> {
    let started = Instant::now();
    eprintln!("==> building ({})", arguments.join(" "));
    let status = tools::cargo()
        .arg("build")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .context("cannot run cargo")?;
    wait::check_stop()?;
    if !status.success() {
        bail!("`cargo build {}` failed: see above", arguments.join(" "));
    }
    eprintln!("    built in {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}
