//! A command, run to its end: what it writes is kept, and nothing of it is left.

use super::HarnessError;
use crate::launch::{Group, LaunchError, Outcome};
use crate::proxy::Peers;
use rustix::process::Signal;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a command that is ended on purpose may take, until it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// How long its output may take once all of it has been killed. What has left its process group may hold it open for ever.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a command ended, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub outcome: Outcome,
    /// What it wrote to standard output; what is no UTF-8 is replaced.
    pub stdout: String,
    /// The same, to standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Ran {
    /// Whether it ended with 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.outcome == Outcome::Exited(0)
    }

    /// The code that shells report: its own, or 128 and the signal's number.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.outcome.exit_code()
    }
}

/// Runs it. `peers` is told who is going to connect.
pub(super) async fn run(command: &mut Command, time_limit: Duration, peers: &Peers) -> Result<Ran, HarnessError> {
    let program = command.as_std().get_program().to_owned();
    let mut group = Group::new();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(group.number());
    let begun = Instant::now();
    let mut child = command.spawn().map_err(|error| LaunchError::not_started(&program, error))?;
    group.is_joined_by(&child);
    if let Some(pid) = child.id() {
        peers.expect(pid);
    }
    let (stdout, stderr) = (Output::of(child.stdout.take()), Output::of(child.stderr.take()));
    let ended = timeout(time_limit, child.wait()).await;
    if ended.is_err() {
        group.send(Signal::TERM);
        let _ = timeout(GRACE, child.wait()).await;
    }
    let took = begun.elapsed();
    drop(group);
    let (stdout, stderr) = (stdout.text().await, stderr.text().await);
    match ended {
        Ok(status) => {
            let outcome = status.map_err(LaunchError::Supervise)?.into();
            Ok(Ran { outcome, stdout, stderr, took })
        }
        Err(_) => {
            let program = program.to_string_lossy().into_owned();
            Err(HarnessError::TimedOut { program, after: time_limit, stdout, stderr })
        }
    }
}

/// What comes through a pipe, read as it comes.
struct Output {
    reading: JoinHandle<()>,
    read: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
}

impl Output {
    fn of(pipe: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let read = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let into = std::sync::Arc::clone(&read);
        let reading = tokio::spawn(async move {
            let Some(mut pipe) = pipe else { return };
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
                let piece = buffer.get(..length).unwrap_or_default();
                into.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend_from_slice(piece);
            }
        });
        Self { reading, read }
    }

    async fn text(mut self) -> String {
        let _ = timeout(LAST_WORDS, &mut self.reading).await;
        let read = self.read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        String::from_utf8_lossy(&read).into_owned()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
