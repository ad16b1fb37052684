//! The process group of a command that is not to outlive who started it.

use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// A process group, before there is a command in it. It is killed when this is dropped, and also when this process is
/// killed and can do nothing more.
#[derive(Debug)]
pub struct Group {
    leader: Option<Pid>,
    /// Leads the group, and kills all of it should this process die before the command does.
    _guard: Option<Child>,
}

impl Group {
    /// A new one. Inside a runtime of tokio.
    #[must_use]
    pub fn new() -> Self {
        let guard = guard();
        Self { leader: guard.as_ref().and_then(number_of), _guard: guard }
    }

    /// For `setpgid`; 0: the command leads a group of its own.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.leader.map_or(0, |leader| leader.as_raw_nonzero().get())
    }

    /// To be told of the command that was started with [`Self::number`].
    pub fn is_joined_by(&mut self, child: &Child) {
        self.leader = self.leader.or_else(|| number_of(child));
    }

    /// Sends a signal to all of it.
    pub fn send(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // Nobody may be left in it.
            let _ = kill_process_group(leader, signal);
        }
    }
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

fn number_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

/// It reads from a pipe to which nobody but this process can write, and which the system closes with it. Where it cannot be
/// had, a command may outlive a process that is killed, and nothing else is lost.
fn guard() -> Option<Child> {
    let mut guard = Command::new("/bin/sh");
    guard.args(["-c", "trap '' HUP INT QUIT TERM; read -r never; kill -KILL 0"]).env_clear();
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    guard.process_group(0).kill_on_drop(true).spawn().ok()
}
