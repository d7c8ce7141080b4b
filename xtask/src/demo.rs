//! `cargo xtask demo`: a clinic's morning through the SDKs, checked step by step.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::stack::{house, paths, servers, wait};
use crate::{dev, test};

/// Plays it on the running development stack, or on a fresh one that goes away afterwards.
///
/// # Errors
/// Fails if a check of a step fails; the table that `xtask-demo` prints says which.
pub(crate) fn run() -> Result<()> {
    wait::watch_signals()?;
    let running = dev::state().join("stack.json");
    if running.exists() {
        servers::build(&["--bin", "xtask-demo"])?;
        return play(&running);
    }
    eprintln!("==> no development stack is running: starting one for this");
    test::with_stack(&paths::checkout().join("target/demo"), play)
}

fn play(stack: &Path) -> Result<()> {
    house::phase("a clinic's morning");
    let status = Command::new(paths::binary("xtask-demo")?)
        .args(["run", "--stack"])
        .arg(stack)
        .current_dir(paths::checkout())
        .stdin(Stdio::null())
        .status()
        .context("cannot run xtask-demo")?;
    wait::check_stop()?;
    if !status.success() {
        bail!("not everything held: see the table above");
    }
    Ok(())
}
