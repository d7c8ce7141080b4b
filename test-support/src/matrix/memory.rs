//! Memory of a process.

use std::fs;

/// Anonymous memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    process: u32,
}

impl Memory {
    /// Opens the memory statistics of this process.
    pub fn of(process: u32) -> Self {
        Self { process }
    }

    /// Returns the bytes that are resident now, and resets the mark that `most` reads.
    pub fn mark(self) -> usize {
        // "5" forgets the high-water mark; see proc_pid_clear_refs(5).
        fs::write(format!("/proc/{}/clear_refs", self.process), "5").expect("the mark of one's own child can be reset");
        self.read("VmRSS:")
    }

    /// Returns the highest resident memory since the last mark.
    pub fn most(self) -> usize {
        self.read("VmHWM:")
    }

    fn read(self, name: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel counts memory");
        let kilobytes = line.trim().trim_end_matches("kB").trim().parse::<usize>().expect("memory is a number");
        kilobytes * 1024
    }
}
