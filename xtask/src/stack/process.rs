//! Child processes with a name, a log and a time limit for their end, and the record by which a later run finds those
//! that a killed run left behind.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// Time limit for a child to end in order before it is killed.
const GRACE: Duration = Duration::from_secs(12);

/// A running process that this one started.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) name: &'static str,
    pub(crate) log: PathBuf,
    process: std::process::Child,
    /// The signal that asks it to end in order.
    ask: Signal,
}

impl Child {
    /// Starts `command` with its output appended to `log`, in a process group of its own: a Ctrl-C in the terminal
    /// reaches us, and we end the children in order.
    pub(crate) fn start(name: &'static str, mut command: Command, log: &Path, ask: Signal) -> Result<Self> {
        let file = log_open(log)?;
        let program = command.get_program().to_os_string();
        command.stdout(file.try_clone()?).stderr(file).process_group(0);
        let process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { name, log: log.to_path_buf(), process, ask })
    }

    /// Starts `command` like [`Child::start`], with its stdout left to the caller to read.
    pub(crate) fn start_piped(
        name: &'static str,
        mut command: Command,
        log: &Path,
        ask: Signal,
    ) -> Result<(Self, std::process::ChildStdout)> {
        let program = command.get_program().to_os_string();
        command.stdout(Stdio::piped()).stderr(log_open(log)?).process_group(0);
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = process.stdout.take().context("stdout is not piped")?;
        Ok((Self { name, log: log.to_path_buf(), process, ask }, stdout))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Returns the exit status, if the process has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }

    /// Returns an error with the end of its log if it has ended; for callers that wait until it is ready.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} ended while starting ({status}):\n{}", self.name, log_tail(&self.log, 30));
        }
        Ok(())
    }

    /// Asks it to end, waits, kills it if it does not.
    pub(crate) fn stop(&mut self) -> Result<()> {
        // Those that read stdin end when it closes, which also works for a child we may not signal.
        drop(self.process.stdin.take());
        if self.ended()?.is_some() {
            return Ok(());
        }
        let pid = pid_of(self.pid());
        let _ = kill(pid, self.ask);
        let end = Instant::now() + GRACE;
        while Instant::now() < end {
            if self.ended()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("    {} does not end within {} s: killing it", self.name, GRACE.as_secs());
        self.kill()
    }

    /// Kills it at once; for stores whose data is not needed any more.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if self.ended()?.is_none() {
            self.process.kill()?;
            self.process.wait()?;
        }
        Ok(())
    }
}

impl Drop for Child {
    /// The last resort when an error leaves a start half way.
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("    cannot stop {}: {error}", self.name);
        }
    }
}

fn log_open(log: &Path) -> Result<File> {
    if let Some(dir) = log.parent() {
        fs::create_dir_all(dir)?;
    }
    OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("cannot write {}", log.display()))
}

/// The last lines of a log.
pub(crate) fn log_tail(log: &Path, lines: usize) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    let tail = all[all.len().saturating_sub(lines)..].join("\n");
    format!("--- {} ---\n{tail}", log.display())
}

/// Says how a process ended, for people.
pub(crate) fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown reason".into(),
    }
}

/// A process, by its number and its start time, which distinguishes it from a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// Start time, in the system's own notation.
    started: String,
    /// The number of the signal that asks it to end in order.
    ask: i32,
}

impl Identity {
    /// The identity of a running child.
    pub(crate) fn of(child: &Child) -> Self {
        let started = start_time(child.pid()).unwrap_or_default();
        Self { name: child.name.to_owned(), pid: child.pid(), started, ask: child.ask as i32 }
    }

    /// The identity of this process.
    pub(crate) fn own(name: &str) -> Self {
        let pid = std::process::id();
        let started = start_time(pid).unwrap_or_default();
        Self { name: name.to_owned(), pid, started, ask: Signal::SIGTERM as i32 }
    }

    /// Returns `true` if that very process still runs.
    pub(crate) fn alive(&self) -> bool {
        start_time(self.pid).is_some_and(|started| started == self.started)
    }

    /// Waits a little until the process's number is gone: an ended process stays visible until its parent has reaped
    /// it.
    pub(crate) fn reaped(&self) {
        let end = Instant::now() + Duration::from_secs(3);
        while kill(pid_of(self.pid), None).is_ok() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the process, which need not be our child: asks, waits, kills.
    pub(crate) fn end(&self) -> Result<()> {
        self.end_within(GRACE)
    }

    /// Ends the process like [`Identity::end`], with so much time for an orderly end.
    pub(crate) fn end_within(&self, grace: Duration) -> Result<()> {
        let ask = Signal::try_from(self.ask).unwrap_or(Signal::SIGTERM);
        for (signal, limit) in [(ask, grace), (Signal::SIGKILL, Duration::from_secs(5))] {
            if !self.alive() {
                return Ok(());
            }
            match kill(pid_of(self.pid), signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => bail!("cannot end {} (pid {}): {error}", self.name, self.pid),
            }
            let end = Instant::now() + limit;
            while self.alive() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        if self.alive() {
            bail!("{} (pid {}) does not even end on SIGKILL", self.name, self.pid);
        }
        Ok(())
    }
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

/// Returns the start time of a running process; `None` if there is no such process or it is a zombie.
#[cfg(target_os = "linux")]
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything: count after the last one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    fields.get(19).map(|ticks| (*ticks).to_owned())
}

/// Returns the start time of a running process; `None` if there is no such process or it is a zombie.
#[cfg(not(target_os = "linux"))]
fn start_time(pid: u32) -> Option<String> {
    let output = Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output().ok()?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (state, started) = line.split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(dir: &Path) -> Child {
        let mut command = Command::new("sleep");
        command.arg("600").stdin(Stdio::null());
        Child::start("sleeper", command, &dir.join("log"), Signal::SIGTERM).unwrap()
    }

    #[test]
    fn a_stopped_child_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(dir.path());
        let identity = Identity::of(&child);
        assert!(identity.alive());
        child.stop().unwrap();
        assert!(!identity.alive());
        assert_eq!(child.ended().unwrap().unwrap().signal(), Some(15));
    }

    #[test]
    fn a_process_is_ended_by_its_record_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(dir.path());
        let identity = Identity::of(&child);
        let other = Identity { started: "at another time".into(), ..identity.clone() };
        other.end().unwrap();
        assert!(identity.alive(), "a number used again is another process");
        identity.end().unwrap();
        assert!(child.ended().unwrap().is_some());
    }

    #[test]
    fn a_child_that_fails_shows_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such thing >&2; exit 3"]).stdin(Stdio::null());
        let mut child = Child::start("failing", command, &dir.path().join("log"), Signal::SIGTERM).unwrap();
        child.process.wait().unwrap();
        let error = child.check_running().unwrap_err().to_string();
        assert!(error.contains("failing ended") && error.contains("no such thing"), "{error}");
    }
}
