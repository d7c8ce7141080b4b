//! Scripts through psql.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::setup::Setup;

/// Runs a script, stopping at its first error, and returns what it printed: a line a row, fields apart by `|`.
pub(crate) async fn run(setup: &Setup, url: &str, variables: &[(&str, u32)], script: &str) -> Result<String> {
    let mut command = Command::new(setup.pg_bin.join("psql"));
    command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password", "--set=ON_ERROR_STOP=1"]);
    for (name, value) in variables {
        command.arg(format!("--set={name}={value}"));
    }
    command.arg(url).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut psql = command.spawn().context("cannot run psql")?;
    let mut stdin = psql.stdin.take().context("psql has no stdin")?;
    // A broken pipe means that psql has already said why.
    let written = stdin.write_all(script.as_bytes()).await;
    drop(stdin);
    let output = psql.wait_with_output().await?;
    if !output.status.success() {
        bail!("psql ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    written.context("psql did not read the whole script")?;
    Ok(String::from_utf8(output.stdout)?)
}
