//! No file descriptor is left: a limit of authtrace's own, or of the machine, and nothing that a server or the network did.

use crate::redact::Redacted;
use crate::trace::{EventSink, Note, NoteKind, Record, Timestamp};
use rustix::io::Errno;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

/// The least time between two notes about it.
const TELL_AGAIN: Duration = Duration::from_secs(1);
/// Where the limits are set.
const OF_PROCESS: &str = "ulimit -n";
const OF_MACHINE: &str = "fs.file-max";

/// Whose limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortage {
    /// That of this process.
    Process,
    /// That of the machine.
    Machine,
}

impl Shortage {
    /// Whether an error says so.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        match Errno::from_io_error(error)? {
            Errno::MFILE => Some(Self::Process),
            Errno::NFILE => Some(Self::Machine),
            _ => None,
        }
    }

    /// Whether it is so at this moment: names are looked up in files and over sockets, and what comes of that does not
    /// say that none could be opened.
    pub(super) fn now() -> Option<Self> {
        Self::of(&TcpSocket::new_v4().err()?)
    }

    /// What happened, for the record.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Process => "no file descriptor is left for authtrace",
            Self::Machine => "no file descriptor is left on this machine",
        }
    }

    /// What happened and what to do, for the client.
    pub(super) fn told(self) -> String {
        let next = match self {
            Self::Process => {
                format!("raise its limit of open files ({OF_PROCESS}) where it is started, and start it again")
            }
            Self::Machine => format!("end programs that hold many files open, or raise the limit ({OF_MACHINE})"),
        };
        format!("{}: neither the server nor the network is at fault; {next}", self.detail())
    }
}

/// Notes about it, one for all clients.
#[derive(Default)]
pub(super) struct Notes {
    last: Mutex<Option<Instant>>,
}

impl Notes {
    /// Writes one into the trace, unless that was done a moment ago.
    pub(super) fn tell(&self, sink: &dyn EventSink, shortage: Shortage) {
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.is_some_and(|at| at.elapsed() < TELL_AGAIN) {
                return;
            }
            *last = Some(Instant::now());
        }
        let text = match shortage {
            Shortage::Process => "no file descriptor is left for authtrace: connections wait, or are refused with 503",
            Shortage::Machine => {
                "no file descriptor is left on this machine: connections wait, or are refused with 503"
            }
        };
        sink.emit(Record::Note(Note { at: Timestamp::now(), kind: NoteKind::Limit, text: Redacted::literal(text) }));
    }
}
