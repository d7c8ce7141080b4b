//! Resource usage of processes, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// A tick of the times in `/proc/<pid>/stat`: Linux counts them in hundredths of a second on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// Processor time, of user and system together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Used {
    /// Of the process itself.
    own: Duration,
    /// Of its children that have ended and been waited for.
    ended: Duration,
    parent: u32,
}

/// The processor time of a process.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    Ok(used(&stat(pid)?)?.own)
}

/// The processor time of a process and all its children, living and ended.
pub(crate) fn cpu_with_children(pid: u32) -> Result<Duration> {
    let parent = used(&stat(pid)?)?;
    let mut total = parent.own + parent.ended;
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ends meanwhile is counted with its parent the next time.
        let Some(child) = stat(child).ok().and_then(|text| used(&text).ok()) else { continue };
        if child.parent == pid {
            total += child.own;
        }
    }
    Ok(total)
}

/// The processor time of this process, and of the children it has waited for.
pub(crate) fn cpu_of_client() -> Result<Duration> {
    let own = used(&stat(std::process::id())?)?;
    Ok(own.own + own.ended)
}

/// The resident memory of a process, in bytes.
pub(crate) fn memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("cannot read a process's memory")?;
    field_bytes(&status, "VmRSS:").context("the process has no resident memory")
}

/// A field of `/proc` that is given in kB.
pub(crate) fn field_bytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn stat(pid: u32) -> Result<String> {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("cannot read /proc/{pid}/stat (processor time is known on Linux only)"))
}

fn used(stat: &str) -> Result<Used> {
    // The second field is the program's name in parentheses and may hold anything: count after the last one.
    let (_, rest) = stat.rsplit_once(')').context("a stat file names its program")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| -> Result<u32> {
        let field = fields.get(index).context("a stat file has 52 fields")?;
        field.parse().with_context(|| format!("{field} is no number"))
    };
    // proc_pid_stat(5): 4 is the parent, 14 and 15 the own times, 16 and 17 the waited-for children's; here from 3 on.
    Ok(Used { own: TICK * (number(11)? + number(12)?), ended: TICK * (number(13)? + number(14)?), parent: number(1)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194304 100 0 0 0 150 25 300 4 20 0 1 0 5000 1000 200";
        let expected = Used { own: Duration::from_millis(1750), ended: Duration::from_millis(3040), parent: 7 };
        assert_eq!(used(text).unwrap(), expected);
        assert!(used("42 (short) S 7").is_err());
    }

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(field_bytes("VmPeak:\t  9 kB\nVmRSS:\t   20 kB\n", "VmRSS:"), Some(20_480));
        assert_eq!(field_bytes("VmRSS:\t20 MB\n", "VmRSS:"), None);
    }
}
