//! The record of a stack's processes, kept on disk while they run.
//!
//! A supervisor that is killed cannot end its children. Two others do: a guard, which waits beside the supervisor for
//! its end, and the next start, should the guard have been killed as well. Both go by this record.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::paths;
use super::process::{Child, Identity};

/// Running processes, in the order in which they were started.
#[derive(Debug)]
pub(crate) struct Record {
    path: PathBuf,
    entries: Vec<Identity>,
    /// Its stdin is a pipe that nobody writes to and that ends when we do.
    guard: Option<std::process::Child>,
}

impl Record {
    /// Begins a record in `state` with a guard beside it, after ending processes that an earlier stack left behind
    /// there.
    pub(crate) fn begin(state: &Path) -> Result<Self> {
        fs::create_dir_all(state)?;
        let path = state.join("children.json");
        let left = leftovers_end(&path)?;
        if left > 0 {
            eprintln!("    ended {left} processes that an earlier stack had left behind");
        }
        let own = std::env::current_exe().context("cannot find the path of this program")?;
        let mut command = Command::new(own);
        command.arg("guard").arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Out of reach of the terminal's Ctrl-C: it has to outlive us.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let guard = command.spawn().context("cannot start the guard")?;
        let mut record = Self { path, entries: Vec::new(), guard: Some(guard) };
        record.write()?;
        Ok(record)
    }

    /// Adds a child that has just been started.
    pub(crate) fn add(&mut self, child: &Child) -> Result<()> {
        self.entries.retain(|entry| entry.name != child.name);
        self.entries.push(Identity::of(child));
        self.write()
    }

    /// Ends the record: everything in it has been stopped.
    pub(crate) fn end(mut self) -> Result<()> {
        self.finish()
    }

    fn finish(&mut self) -> Result<()> {
        let Some(mut guard) = self.guard.take() else { return Ok(()) };
        fs::remove_file(&self.path).or_else(ignore_missing)?;
        drop(guard.stdin.take());
        guard.wait()?;
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        paths::write_private(&self.path, &serde_json::to_string_pretty(&self.entries)?)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // On the way out of an error the children have been dropped, and thereby stopped, before us.
        if let Err(error) = self.finish() {
            eprintln!("    cannot end the record of processes: {error}");
        }
    }
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Ends every process in the record at `path` that still runs, the last started first, and removes the record.
/// Returns how many there were.
pub(crate) fn leftovers_end(path: &Path) -> Result<usize> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(0) };
    let entries: Vec<Identity> = serde_json::from_str(&text).unwrap_or_default();
    let mut ended = 0;
    for entry in entries.iter().rev().filter(|entry| entry.alive()) {
        entry.end()?;
        ended += 1;
    }
    fs::remove_file(path).or_else(ignore_missing)?;
    Ok(ended)
}

/// `xtask guard RECORD`: waits for the end of its parent process, then ends the processes that the record still names.
pub(crate) fn guard(path: &Path) -> Result<()> {
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;
    leftovers_end(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;

    #[test]
    fn leftovers_are_ended_by_the_record() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("600").stdin(Stdio::null());
        let mut child = Child::start("sleeper", command, &dir.path().join("log"), Signal::SIGTERM).unwrap();
        let path = dir.path().join("children.json");
        fs::write(&path, serde_json::to_string(&[Identity::of(&child)]).unwrap()).unwrap();
        assert_eq!(leftovers_end(&path).unwrap(), 1);
        assert!(child.ended().unwrap().is_some());
        assert!(!path.exists());
        assert_eq!(leftovers_end(&path).unwrap(), 0);
    }
}
