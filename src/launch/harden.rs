use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Keeps other processes of the same user from attaching to this one and reading its memory, and the system from dumping it.
/// To be called first. The child is not affected: the kernel sets the flag anew when a program is executed (prctl(2),
/// `PR_SET_DUMPABLE`). Does nothing on systems without it.
///
/// # Errors
/// What the operating system said.
pub fn deny_tracing() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Sets this process's soft limit for core dumps to zero. To be called after the child was started: the child inherits the limits of
/// the moment and so keeps the user's own, which could otherwise be given back to it only between fork and exec.
///
/// # Errors
/// What the operating system said.
pub fn forbid_core_dumps() -> io::Result<()> {
    let limit = getrlimit(Resource::Core);
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: limit.maximum })?)
}
