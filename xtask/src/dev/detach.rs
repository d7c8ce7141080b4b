//! `cargo xtask dev --detach`: leaves a supervisor behind and returns when it is ready.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::state;
use crate::stack::process::{ending, log_tail};
use crate::stack::supervisor::Supervisor;
use crate::stack::wait;

/// Long enough for a first build on a small machine.
const LIMIT: Duration = Duration::from_mins(45);

/// Starts a supervisor in a session of its own and shows its progress until the stack is ready.
pub(crate) fn run(embedded: bool) -> Result<()> {
    wait::watch_signals()?;
    let state = state();
    if let Some(supervisor) = Supervisor::find(&state) {
        bail!(
            "a stack of this checkout is running (supervisor {}): `cargo xtask dev status` shows it, \
             `cargo xtask dev stop` ends it",
            supervisor.identity.pid
        );
    }
    let stack = state.join("stack.json");
    crate::stack::house::remove(&stack)?;
    fs::create_dir_all(state.join("logs"))?;
    let log = state.join("logs/dev.log");
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;

    let mut command = Command::new(std::env::current_exe().context("cannot find the path of this program")?);
    command.args(["dev", "--supervised"]);
    if embedded {
        command.arg("--embedded");
    }
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let mut child = command.spawn().context("cannot start the supervisor")?;

    let mut shown = 0;
    let ready = wait::until(
        LIMIT,
        || format!("the stack is not ready after {} minutes", LIMIT.as_secs() / 60),
        || {
            shown = show(&log, shown)?;
            if let Some(status) = child.try_wait()? {
                bail!(
                    "the stack did not start ({}); its logs are in {}",
                    ending(status),
                    log.with_file_name("").display()
                );
            }
            Ok(stack.exists().then_some(()))
        },
    );
    let _ = show(&log, shown);
    if let Err(error) = ready {
        if child.try_wait()?.is_none() {
            // Interrupted or too late: the supervisor ends its children, and we wait until it has.
            let _ = Supervisor::find(&state).map(|supervisor| supervisor.identity.end_within(super::STOP_LIMIT));
            let _ = child.kill();
            child.wait()?;
            eprintln!("{}", log_tail(&log, 15));
        }
        return Err(error);
    }
    Ok(())
}

/// Copies the log from `from` on to stderr. Returns its current end.
fn show(log: &Path, from: u64) -> Result<u64> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    let read = file.read_to_end(&mut text)?;
    std::io::stderr().write_all(&text)?;
    Ok(from + read as u64)
}
