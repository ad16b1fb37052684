use std::io;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, getsid, kill_process, waitid};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// The signals that reach us while the child runs.
///
/// The child is in our process group, so what the terminal sends (interrupt, quit, stop, continue, window size) reaches it without us;
/// we only must not die of it. Handlers are not inherited over exec, so the child starts with the defaults. A signal that was ignored when we were
/// started (`nohup`, a background job of a script) stays ignored in us and in the child: for it no handler is set up.
pub(super) struct Signals {
    interrupt: Option<Stream>,
    quit: Option<Stream>,
    terminate: Option<Stream>,
    hangup: Option<Stream>,
    resume: Option<Stream>,
    child: Option<Stream>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Interrupt or quit.
    FromKeyboard(Signal),
    /// Terminate or hang-up.
    ToEnd(Signal),
    /// We were continued.
    Resumed,
    /// A child has changed its state.
    ChildChanged,
}

impl Signals {
    pub(super) fn install() -> io::Result<Self> {
        let ignored = ignored_signals();
        let stream = |kind: Signal| {
            let number = kind.as_raw();
            if is_ignored(&ignored, number) { Ok(None) } else { signal(SignalKind::from_raw(number)).map(Some) }
        };
        Ok(Self {
            interrupt: stream(Signal::INT)?,
            quit: stream(Signal::QUIT)?,
            terminate: stream(Signal::TERM)?,
            hangup: stream(Signal::HUP)?,
            resume: stream(Signal::CONT)?,
            child: stream(Signal::CHILD)?,
        })
    }

    /// The next one. May be dropped and asked again without a loss.
    pub(super) async fn next(&mut self) -> Arrival {
        tokio::select! {
            () = recv(&mut self.interrupt) => Arrival::FromKeyboard(Signal::INT),
            () = recv(&mut self.quit) => Arrival::FromKeyboard(Signal::QUIT),
            () = recv(&mut self.terminate) => Arrival::ToEnd(Signal::TERM),
            () = recv(&mut self.hangup) => Arrival::ToEnd(Signal::HUP),
            () = recv(&mut self.resume) => Arrival::Resumed,
            () = recv(&mut self.child) => Arrival::ChildChanged,
        }
    }
}

async fn recv(stream: &mut Option<Stream>) {
    if let Some(stream) = stream
        && stream.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// Whether we have a terminal whose keys send signals to our process group.
#[must_use]
pub fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether the child is stopped. Takes no notice away from those who wait for its end.
pub(super) fn is_stopped(child: Pid) -> bool {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(child), options), Ok(Some(status)) if status.stopped())
}

/// Stops ourselves, as the terminal's stop key would: the shell sees its job stopped and comes forward, and `fg` continues child and
/// us. Without a shell above (we lead the session, or our group is orphaned) nothing happens.
pub(super) fn stop_ourselves() {
    if getsid(None).is_ok_and(|leader| leader != getpid()) {
        let _ = kill_process(getpid(), Signal::TSTP);
    }
}

/// Whether a signal was ignored when we were started (`nohup`), so that it is to stay so. Known on Linux only.
#[must_use]
pub fn ignores(number: i32) -> bool {
    is_ignored(&ignored_signals(), number)
}

/// The mask of signals that are ignored in this process: bit n−1 for signal n (proc_pid_status(5), `SigIgn`). Nothing elsewhere
/// than on Linux.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_ignored(mask: &u64, number: i32) -> bool {
    u32::try_from(number - 1).ok().and_then(|bit| mask.checked_shr(bit)).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read_by_bit() {
        assert!(is_ignored(&0x1001, 1) && is_ignored(&0x1001, 13));
        assert!(!is_ignored(&0x1001, 2) && !is_ignored(&0x1001, 0) && !is_ignored(&u64::MAX, 65));
        // Rust's runtime ignores SIGPIPE (13) in every program.
        #[cfg(target_os = "linux")]
        assert!(is_ignored(&ignored_signals(), 13));
    }
}
