//! `cargo xtask migrate`: applies both servers' migrations.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::stack::stack_file::StackFile;
use crate::stack::{paths, servers};

/// Builds both servers and runs their `migrate`: on the running development stack if there is one, else on the
/// databases that the environment of this process names, as in production.
pub(crate) fn run() -> Result<()> {
    servers::build(&["--bin", "server-core", "--bin", "server-telemetry"])?;
    let path = crate::dev::state().join("stack.json");
    let (core, telemetry) = if path.exists() {
        let file = StackFile::read(&path)?;
        eprintln!("==> migrating the development stack");
        (file.env.core, file.env.telemetry)
    } else {
        eprintln!("==> migrating the databases that the environment names (no development stack is running)");
        (BTreeMap::new(), BTreeMap::new())
    };
    migrate(paths::binary("server-core")?, core)?;
    migrate(paths::binary("server-telemetry")?, telemetry)
}

fn migrate(program: PathBuf, environment: BTreeMap<String, String>) -> Result<()> {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let status = Command::new(program)
        .arg("migrate")
        .current_dir(paths::checkout())
        .envs(environment)
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        bail!("`{name} migrate` failed ({status}): see above");
    }
    eprintln!("    {name}: done");
    Ok(())
}
