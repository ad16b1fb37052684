//! Why a harness cannot be had, or a command not be run behind it.

use super::scene::SceneError;
use crate::ca::CaError;
use crate::check::ExpectationError;
use crate::config::ConfigError;
use crate::fake::FakeError;
use crate::launch::LaunchError;
use crate::proxy::ProxyError;
use crate::record::RecordError;
use crate::redact::RedactError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a harness cannot be had, or a command not be run behind it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HarnessError {
    /// The scenario is not known, or has a mistake.
    #[error(transparent)]
    Scene(#[from] SceneError),
    /// What was asked of the builder cannot be done.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The fake could not start, or its client could not finish.
    #[error(transparent)]
    Fake(#[from] FakeError),
    /// The proxy cannot be started.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The trace cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A command cannot be started, or a file for it not be written.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The certificate authority cannot be made.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// What may be shown was refused.
    #[error(transparent)]
    Redact(#[from] RedactError),
    /// The thread that makes the certificate authority has failed.
    #[error("cannot make the certificate authority")]
    Authority,
    /// The system gives no random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// A home cannot be made.
    #[error("cannot make the home {}: {source}. Set TMPDIR to a folder that you may write to", path.display())]
    Home {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An address of the builder is not `HOST:PORT`, or not a URL.
    #[error("{given:?} cannot be used: {why}")]
    Address {
        /// As it was given.
        given: String,
        /// What was expected.
        why: &'static str,
    },
    /// A scenario has no client of this number.
    #[error("there is no client {number} in this scenario; it has {clients}, counted from 0")]
    NoSuchClient {
        /// Which was asked for.
        number: usize,
        /// How many there are.
        clients: usize,
    },
    /// No port for clients that take a base URL.
    #[error("cannot listen on a free port of 127.0.0.1: {0}")]
    Listen(#[source] io::Error),
    /// A command did not end in time, and was ended with all that it had started.
    #[error("{program} was still running after {after:?} and was ended; {}", what_it_said(stdout, stderr))]
    TimedOut {
        /// The command.
        program: String,
        /// The time that it had.
        after: Duration,
        /// What it had written by then.
        stdout: String,
        /// The same, to standard error.
        stderr: String,
    },
    /// What was waited for did not come.
    #[error("waited {0:?} in vain")]
    WaitedInVain(Duration),
    /// A file of expectations cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A mistake in expectations, with its place.
    #[error("{name}: {source}")]
    Expectations {
        /// Where they stand.
        name: String,
        /// What is wrong.
        source: ExpectationError,
    },
    /// The thread of a blocking harness cannot be started, or has ended.
    #[error("the thread of the harness is not there{}", .0.as_ref().map(|source| format!(": {source}")).unwrap_or_default())]
    Thread(Option<io::Error>),
}

/// The end of what a command wrote, which mostly says what it waits for.
fn what_it_said(stdout: &str, stderr: &str) -> String {
    const LINES: usize = 5;
    let said: Vec<&str> = stdout.lines().chain(stderr.lines()).filter(|line| !line.trim().is_empty()).collect();
    if said.is_empty() {
        return "it had written nothing".to_owned();
    }
    let last = said.get(said.len().saturating_sub(LINES)..).unwrap_or_default();
    format!("it had written at the end: {}", last.join(" / "))
}
