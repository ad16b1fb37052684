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

/// Lets this process open as many files as it may: a connection that is read takes two, and the usual soft limit of 1,024 is
/// meant for programs that `select`. To be called after the child was started, which inherits the limits of the moment.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS);
    if limit.current.is_some_and(|current| current < wanted) {
        // With what it has it serves as well, but fewer at once.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    }
}

/// More than a proxy for one person needs, and what macOS grants.
const MOST_DESCRIPTORS: u64 = 10_240;

/// Sets this process's soft limit for core dumps to zero. To be called after the child was started: the child inherits the limits of
/// the moment and so keeps the user's own, which could otherwise be given back to it only between fork and exec.
///
/// # Errors
/// What the operating system said.
pub fn forbid_core_dumps() -> io::Result<()> {
    let limit = getrlimit(Resource::Core);
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: limit.maximum })?)
}
