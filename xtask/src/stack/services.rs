//! `xtask-dev-services`: the S3 server, the local issuer and the stand-in for Daily, in one process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde::Deserialize;

use super::keys::Keys;
use super::overrides::BUCKET;
use super::process::{Child, log_tail};
use super::{account, paths, ports, wait};

/// Line that the process prints when it is ready.
#[derive(Debug, Deserialize)]
pub(crate) struct Addresses {
    /// The local issuer; its keys are at `/.well-known/jwks.json`.
    pub(crate) issuer: String,
    /// The stand-in for Daily; its API is at `/v1`.
    pub(crate) daily: String,
    /// The S3 server, if one was asked for.
    pub(crate) s3: Option<String>,
}

/// The ports to listen on if they are free; 0 for any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Preferred {
    pub(crate) issuer: u16,
    pub(crate) daily: u16,
    pub(crate) s3: u16,
}

/// A running process.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) child: Child,
    pub(crate) addresses: Addresses,
}

impl Services {
    /// Starts it, with an S3 server that keeps its objects in `s3_root` if there is one, and waits until it is ready.
    pub(crate) fn start(keys: &Keys, s3_root: Option<&Path>, log: &Path, ports: Preferred) -> Result<Self> {
        let mut command = Command::new(paths::binary("xtask-dev-services")?);
        command.arg("--jwks").arg(keys.jwks());
        command.arg("--issuer-port").arg(ports::free(ports.issuer)?.to_string());
        command.arg("--daily-port").arg(ports::free(ports.daily)?.to_string());
        if let Some(root) = s3_root {
            account::private_dir(root, None)?;
            account::private_dir(&root.join(BUCKET), None)?;
            command.arg("--s3-root").arg(root).arg("--s3-port").arg(ports::free(ports.s3)?.to_string());
        }
        // By the environment, not by arguments: those are for everybody to see.
        command.env("AWS_ACCESS_KEY_ID", &keys.secrets.s3_access_key);
        command.env("AWS_SECRET_ACCESS_KEY", &keys.secrets.s3_secret_key);
        command.env("DAILY_API_KEY", &keys.secrets.daily_api_key);
        command.stdin(Stdio::piped());
        let (mut child, stdout) = Child::start_piped("dev-services", command, log, Signal::SIGTERM)?;

        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // The end of the output without a line is an empty one, which is no JSON.
            let read = BufReader::new(stdout).read_line(&mut line).map(|_| line);
            let _ = sender.send(read);
        });
        let line = wait::until(
            Duration::from_secs(30),
            || format!("xtask-dev-services is not ready within 30 s:\n{}", log_tail(log, 20)),
            || {
                child.check_running()?;
                Ok(receiver.try_recv().ok())
            },
        )??;
        let addresses = serde_json::from_str(&line).with_context(|| {
            format!("xtask-dev-services printed {line:?} instead of its addresses:\n{}", log_tail(log, 20))
        })?;
        Ok(Self { child, addresses })
    }
}
