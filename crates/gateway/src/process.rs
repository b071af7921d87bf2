//! What the process takes of the machine, where the system tells it.

use std::fs;

/// What it takes at the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) resident_bytes: u64,
    pub(crate) open_files: u64,
}

impl Process {
    /// Asks the system; none where it does not tell (proc(5) of Linux).
    pub(crate) fn look() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        let open_files = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        Some(Self { resident_bytes: kib * 1024, open_files })
    }
}
