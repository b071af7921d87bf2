//! Core dumps hold every key that the process has, so they are switched off before a key is read.

use std::io;

/// Switches core dumps of this process off: by its limit, and for handlers that ignore the limit
/// (`kernel.core_pattern` with a pipe), by making it not dumpable.
///
/// # Errors
/// The system's reason.
#[cfg(unix)]
pub(crate) fn switch_off() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// There are none by this name.
#[cfg(not(unix))]
pub(crate) fn switch_off() -> io::Result<()> {
    Ok(())
}
