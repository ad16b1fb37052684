//! Processes that a command has left behind and that left its group, as a daemon does. On Linux they are known by the
//! folder for temporary files that they were started with.

use memchr::memmem;
use rustix::process::{Pid, Signal, getpid, kill_process};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A process that is ended may just have started another one.
const ROUNDS: usize = 5;

/// Ends, when it is dropped, whoever has its folder in the environment.
#[derive(Debug)]
pub struct Leftovers {
    folder: PathBuf,
}

impl Leftovers {
    /// Of whoever was started with this folder.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        for _ in 0..ROUNDS {
            let found = with_folder(&self.folder);
            if found.is_empty() {
                return;
            }
            for pid in found {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Processes that have this folder in their environment, as `TMPDIR` or in `HOME`, by `/proc` (proc_pid_environ(5)).
/// Whose environment cannot be read is not ours.
fn with_folder(folder: &Path) -> Vec<Pid> {
    let finder = memmem::Finder::new(folder.as_os_str().as_bytes());
    let is_marked = |pid: Pid| {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_pid())).unwrap_or_default();
        finder.find(&environment).is_some()
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter(|pid| *pid != getpid() && is_marked(*pid)).collect()
}
