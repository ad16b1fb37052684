//! A command under this very program, as a child: `authtrace run --scenario S --out TRACE -- CMD`.
//!
//! In come a scenario, a command and a name for the trace; out come how it ended, how long it took and what was printed.
//! The child has a process group and a folder for temporary files of its own and no standard input. Whatever the user has
//! set for authtrace elsewhere does not reach it, so that it does the same on every machine. It has an end: after the
//! timeout, or when the caller wants no more, all of it is told to end, and killed if it does not. Nothing of it is left
//! behind but the trace: no process, not even one that went into the background, and no file; if this process is killed, only
//! files are.

mod output;
#[cfg(test)]
mod tests;

use super::input;
use anyhow::{Context, Result};
use authtrace::launch::{self, Group, Leftovers, ParentEnvironment, TempDir};
use output::Capture;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::runtime::Runtime;
use tokio::signal::unix::SignalKind;
use tokio_util::sync::CancellationToken;

/// How long a command may take to end once it is told to; and authtrace itself, once the command has been killed.
const GRACE: Duration = Duration::from_secs(3);

/// What is to be tried.
pub(crate) struct Trial<'a> {
    /// A name of `authtrace scenario list`, or a file.
    pub(crate) scenario: &'a OsStr,
    /// The command and its arguments.
    pub(crate) command: &'a [OsString],
    /// Where the trace goes; nothing is there yet.
    pub(crate) trace: &'a Path,
    /// Where the command runs; none: where we do. With one, the other paths are absolute.
    pub(crate) folder: Option<&'a Path>,
    /// When it is ended; none: never.
    pub(crate) timeout: Option<Duration>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) end: End,
    pub(crate) took: Duration,
    /// What the command printed, and authtrace if it failed: fit to be shown, shortened in the middle.
    pub(crate) output: String,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The command ran, and ended with this code, or 128 and the number of the signal; there is a trace.
    Ended(u8),
    /// The command could not be started (126, 127), or authtrace failed: the output says why.
    Failed(u8),
    /// It was ended after the timeout. The trace may be there, and lack its end.
    TimedOut,
    /// It was ended since the caller wanted no more.
    Stopped,
}

impl Trial<'_> {
    /// Runs it, unless `stop` comes first.
    ///
    /// # Errors
    /// No folder, no pipe, or this program cannot be started again.
    pub(crate) async fn run(&self, stop: &CancellationToken) -> Result<Tried> {
        let parent: ParentEnvironment = std::env::vars_os().collect();
        let folder = TempDir::create(&parent)?;
        let (capture, writer) = Capture::new().context("cannot make a pipe for what a command prints")?;
        let begun = Instant::now();
        // Behind the folder, so that they go before it, also if nobody waits any more.
        let leftovers = Leftovers::of(folder.path());
        let mut group = Group::new();
        let mut child = self.start(&parent, folder.path(), writer, &group)?;
        group.is_joined_by(&child);
        let status = tokio::select! {
            status = child.wait() => Some(status.context("cannot wait for a command")?),
            () = stop.cancelled() => None,
            () = after(self.timeout) => None,
        };
        if status.is_none() {
            end(&mut child, &group).await;
        }
        let took = begun.elapsed();
        drop(group);
        drop(leftovers);
        let output = capture.finish().await;
        let end = match status {
            Some(status) => self.end_of(status),
            None if stop.is_cancelled() => End::Stopped,
            None => End::TimedOut,
        };
        Ok(Tried { end, took, output })
    }

    /// The same for a caller that does one after the other.
    ///
    /// # Errors
    /// As [`Self::run`]; [`Interrupted`] if Ctrl-C came first.
    pub(crate) fn run_alone(&self, runtime: &Runtime, interrupt: &Interrupt) -> Result<Tried> {
        let tried = runtime.block_on(self.run(&interrupt.token))?;
        interrupt.check()?;
        Ok(tried)
    }

    fn start(
        &self,
        parent: &ParentEnvironment,
        temporary: &Path,
        writer: std::io::PipeWriter,
        group: &Group,
    ) -> Result<Child> {
        let own = std::env::current_exe().context("cannot find this program to run it again")?;
        let mut command = Command::new(own);
        command.args(["run", "--quiet", "--listen", "127.0.0.1:0", "--scenario"]).arg(self.scenario);
        command.arg("--out").arg(self.trace).arg("--").args(self.command);
        for name in parent.keys().filter(|name| is_setting(name)) {
            command.env_remove(name);
        }
        // Also what marks the processes that belong to it.
        command.env("TMPDIR", temporary).env_remove("XDG_RUNTIME_DIR");
        if !parent.contains_key(OsStr::new(CONFIG)) {
            command.env("XDG_CONFIG_HOME", temporary);
        }
        if let Some(folder) = self.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null()).stdout(writer.try_clone().context("cannot share a pipe")?).stderr(writer);
        command.process_group(group.number()).kill_on_drop(true).spawn().context("cannot run this program again")
    }

    /// 125 to 127 are codes of authtrace's own unless the trace says that the command ended so.
    fn end_of(&self, status: ExitStatus) -> End {
        let signalled = || status.signal().and_then(|number| u8::try_from(number).ok()).unwrap_or_default();
        let Some(code) = status.code().and_then(|code| u8::try_from(code).ok()) else {
            return End::Failed(signalled().saturating_add(128));
        };
        let of_command = || {
            let end = input::own_trace(self.trace).ok().and_then(|survey| survey.end().and_then(|end| end.exit_code));
            end == Some(i32::from(code))
        };
        if (125..=127).contains(&code) && !of_command() { End::Failed(code) } else { End::Ended(code) }
    }
}

/// The variable that names a configuration file: that is said on purpose, and reaches a trial.
const CONFIG: &str = "AUTHTRACE_CONFIG";

fn is_setting(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("AUTHTRACE_") && name != CONFIG)
}

async fn after(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

/// Tells all of it to end; then has authtrace kill the command, so that the trace gets its end; then kills authtrace.
async fn end(child: &mut Child, group: &Group) {
    let own = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    group.send(Signal::TERM);
    // What is stopped hears nothing.
    group.send(Signal::CONT);
    if tokio::time::timeout(GRACE, child.wait()).await.is_ok() {
        return;
    }
    if let Some(own) = own {
        let _ = kill_process(own, Signal::TERM);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        group.send(Signal::KILL);
        let _ = child.wait().await;
    }
}

/// Ctrl-C, SIGTERM and SIGHUP, which are to end what is tried first.
#[derive(Clone)]
pub(crate) struct Interrupt {
    pub(crate) token: CancellationToken,
    signal: Arc<AtomicU8>,
}

impl Interrupt {
    /// Watches from here on, for as long as the runtime lasts. A signal that is ignored (`nohup`) stays so.
    ///
    /// # Errors
    /// The operating system lets us watch none.
    pub(crate) fn watch(runtime: &Runtime) -> Result<Self> {
        let watched = Self { token: CancellationToken::new(), signal: Arc::default() };
        let _inside = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            if launch::ignores(kind.as_raw_value()) {
                continue;
            }
            let mut arrivals = tokio::signal::unix::signal(kind).context("cannot watch for Ctrl-C")?;
            let watched = watched.clone();
            tokio::spawn(async move {
                arrivals.recv().await;
                watched.signal.store(u8::try_from(kind.as_raw_value()).unwrap_or_default(), Ordering::Release);
                watched.token.cancel();
            });
        }
        Ok(watched)
    }

    /// # Errors
    /// [`Interrupted`] once a signal has arrived.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        match self.signal.load(Ordering::Acquire) {
            0 => Ok(()),
            number => Err(Interrupted { code: number.saturating_add(128) }),
        }
    }
}

/// Ended by a signal before it was done.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("ended before it was done")]
pub(crate) struct Interrupted {
    /// The exit code that stands for the signal.
    pub(crate) code: u8,
}
