//! Tools that are not Rust: installed from lock files with hashes, once for each state of a lock file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::stack::paths;

/// A command that runs a Node program (`redocly`, `spectral`, `openapi-ts`, `tsc`) from `xtask/tools`.
pub(crate) fn node(program: &str) -> Result<Command> {
    let dir = paths::checkout().join("xtask/tools");
    npm_install(&dir)?;
    let mut command = Command::new("node");
    command
        .arg(dir.join("node_modules/.bin").join(program))
        .env("REDOCLY_TELEMETRY", "off")
        .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")
        .env("NODE_NO_WARNINGS", "1");
    Ok(command)
}

/// Installs the packages of `package-lock.json` in `dir`, unless that has been done.
pub(crate) fn npm_install(dir: &Path) -> Result<()> {
    let lock = dir.join("package-lock.json");
    let stamp = dir.join("node_modules/.installed-from");
    once(&lock, &stamp, || {
        let mut command = Command::new("npm");
        // Install scripts of dependencies may fetch and send what they like; none of ours needs one.
        command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(dir);
        // npm's own chatter is not the command's result.
        command.stdout(std::process::Stdio::null());
        run(&mut command, "npm ci").with_context(|| format!("in {}", dir.display()))
    })
}

/// A command that runs schemathesis from a virtual environment under `target/tools`.
pub(crate) fn schemathesis() -> Result<Command> {
    let dir = python("schemathesis", "xtask/tools/requirements-schemathesis.txt")?;
    let program: PathBuf = dir.join("bin/schemathesis");
    Ok(Command::new(program))
}

/// The virtual environment `name` under `target/tools`, with the packages of the file `requirements` installed in it.
pub(crate) fn python(name: &str, requirements: &str) -> Result<PathBuf> {
    let requirements = paths::checkout().join(requirements);
    let dir = paths::checkout().join("target/tools").join(name);
    once(&requirements, &dir.join(".installed-from"), || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir), "python3 -m venv")?;
        run(
            Command::new(dir.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(["--only-binary=:all:", "--require-hashes", "-r"])
                .arg(&requirements),
            "pip install",
        )
    })?;
    Ok(dir)
}

/// Runs `install` unless `stamp` says that it was done for the present content of `lock`.
fn once(lock: &Path, stamp: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let content = fs::read(lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let wanted = hex::encode(Sha256::digest(&content));
    let done = || fs::read_to_string(stamp).is_ok_and(|done| done == wanted);
    if done() {
        return Ok(());
    }
    // Tests are processes that run at the same time: one installs, the others wait until it has.
    let file = fs::File::open(lock).with_context(|| format!("cannot open {}", lock.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", lock.display()))?;
    if done() {
        return Ok(());
    }
    eprintln!("    installing the packages of {}", lock.display());
    install()?;
    fs::write(stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Runs a command to its end; its failure is an error that names it.
pub(crate) fn run(command: &mut Command, name: &str) -> Result<()> {
    let program = command.get_program().to_os_string();
    let status =
        command.status().with_context(|| format!("{name}: cannot start {}; is it installed?", program.display()))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// Runs a command to its end and returns what it wrote to stdout; stderr goes to the terminal.
pub(crate) fn capture(command: &mut Command, name: &str) -> Result<Vec<u8>> {
    let program = command.get_program().to_os_string();
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("{name}: cannot start {}; is it installed?", program.display()))?;
    if !output.status.success() {
        bail!("{name} failed ({})", output.status);
    }
    Ok(output.stdout)
}

/// Cargo, as the one that runs this program, in the checkout.
///
/// `cargo run` sets variables about the package of this program in the environment. A build script that reads the same
/// variables (ring's does) would run again, and all its dependents would be compiled again, at every change between a
/// build from here and one from the shell.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::checkout());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}
