//! Sends commands to the supervisor: one line in each direction over a socket that only its owner may open.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::stack::house::House;

/// A restart waits for the server's orderly end and for its readiness.
const PATIENCE: Duration = Duration::from_mins(2);

/// The supervisor's end.
#[derive(Debug)]
pub(crate) struct Listener(UnixListener);

impl Listener {
    pub(crate) fn bind(path: &Path) -> Result<Self> {
        let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Answers the requests that wait, if any.
    pub(crate) fn serve(&self, house: &mut House) -> Result<()> {
        loop {
            let stream = match self.0.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("cannot accept a request"),
            };
            // The client may have disconnected meanwhile; that is no reason to end the stack.
            if let Err(error) = answer(&stream, house) {
                eprintln!("    a request went unanswered: {error}");
            }
        }
    }
}

fn answer(mut stream: &UnixStream, house: &mut House) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let result = match line.trim().split_once(' ') {
        Some(("restart", server)) => house.server_restart(server),
        _ => Err(anyhow::anyhow!("no such request: {line}")),
    };
    match result {
        Ok(pid) => writeln!(stream, "ok {pid}")?,
        // One line is one answer: the error's own lines follow on it.
        Err(error) => writeln!(stream, "error {}", format!("{error:#}").replace('\n', "\u{1f}"))?,
    }
    Ok(())
}

/// Sends a request to the supervisor and waits for its answer.
pub(crate) fn request(socket: &Path, request: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket)
        .context("the supervisor does not answer: it may still be starting, see `cargo xtask dev status`")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(stream, "{request}")?;
    let mut line = String::new();
    BufReader::new(&stream)
        .read_line(&mut line)
        .with_context(|| format!("the supervisor gave no answer within {} s", PATIENCE.as_secs()))?;
    match line.trim_end().split_once(' ') {
        Some(("ok", answer)) => Ok(answer.to_owned()),
        Some(("error", message)) => bail!("{}", message.replace('\u{1f}', "\n")),
        _ => bail!("the supervisor ended before it answered: see target/dev/logs"),
    }
}
