//! Processes that a command has left behind: those of its group; and on Linux those that left the group, as a daemon does,
//! known by the folder for temporary files that they were started with.

use memchr::memmem;
use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A process that is ended may just have started another one.
const ROUNDS: usize = 5;

/// Ends, when it is dropped, what is left of a group, and whoever has its folder in the environment.
#[derive(Debug)]
pub struct Leftovers {
    group: Option<Pid>,
    folder: PathBuf,
}

impl Leftovers {
    /// Of a child of this number that leads a group of its own, or of no group at all.
    #[must_use]
    pub fn of(child: Option<u32>, folder: &Path) -> Self {
        let group = child.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { group, folder: folder.to_owned() }
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, Signal::KILL);
        }
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
