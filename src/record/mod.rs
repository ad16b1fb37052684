//! The recorder: takes records from the traffic's tasks and puts them on disk and before whoever reads along.
//!
//! Comes in: finished [`Record`]s through [`EventSink::emit`], which never waits. Goes out: lines in one trace file
//! (0600, one writer per file, held by a lock), of a bounded trace in two, and the same records to observers. Never here:
//! raw bytes of a message.
//!
//! A writer thread collects records for at most [`BATCH_DELAY`] and writes whole lines in one call; an auth failure
//! is written at once. A record that cannot be kept (full queue, full disk) is counted, and the count becomes a
//! [`Gap`](crate::trace::Gap) as soon as something can be written again.
//!
//! The [`FlightRecorder`] writes no trace until something has failed: it keeps the last records in a private file of fixed
//! size, asks a [`Judge`] when a record looks like a failure, and then cuts a whole trace out of that file.

mod file;
mod flight;
mod line;
mod parts;
mod queue;
mod ring;
mod spool;
mod vigil;
mod writer;

pub use file::{default_path, newest_trace, trace_folder};
pub use flight::{FlightClosed, FlightConfig, FlightNews, FlightRecorder, Judge, Retry, SMALLEST_RING};
pub use parts::earlier_part;
pub use vigil::{Found, Times};

use crate::redact::Redactor;
use crate::trace::{EventSink, Record, TraceEnd, TraceHead};
use queue::Queue;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest time between a record and its line on disk.
pub const BATCH_DELAY: Duration = Duration::from_millis(100);

/// Reads along: called on the writer's thread with the records of every write, in the order of the file, and once with
/// none when no more have come for a moment.
pub type Observer = Box<dyn FnMut(&[Record]) + Send>;

/// Why a trace cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The folder or file could not be made.
    #[error("cannot write the trace {}: {source}; choose another file with --out, or another folder for traces with XDG_STATE_HOME", path.display())]
    Create {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another authtrace writes into the same file.
    #[error("another authtrace is writing {}; choose another file with --out, or use --join to share its trace", path.display())]
    Locked {
        /// Which file.
        path: PathBuf,
    },
    /// The file is there and holds something.
    #[error("{} exists and is not empty; a trace is never overwritten: choose another file with --out", path.display())]
    NotEmpty {
        /// Which file.
        path: PathBuf,
    },
    /// No home folder to put traces in.
    #[error("no folder for traces: neither XDG_STATE_HOME nor HOME is set; name a file with --out FILE")]
    NoHome,
    /// The writer's thread could not be started.
    #[error("cannot start the recorder: {0}")]
    Thread(io::Error),
}

impl RecordError {
    /// What the operating system said, or would have.
    fn into_io(self) -> io::Error {
        match self {
            Self::Create { source, .. } | Self::Thread(source) => source,
            Self::Locked { .. } | Self::NotEmpty { .. } => io::ErrorKind::AlreadyExists.into(),
            Self::NoHome => io::ErrorKind::NotFound.into(),
        }
    }
}

/// The least that a trace can be bounded to: some hundred exchanges.
pub const SMALLEST_TRACE: u64 = 1_000_000;
/// Room for the line that tells of lost records, in each file of a bounded trace.
const RESERVE: u64 = 1_024;

/// Where a trace is written, and how much of it is kept.
pub struct RecorderConfig {
    /// The file.
    pub path: PathBuf,
    /// How large the trace may be on disk, in bytes, at least [`SMALLEST_TRACE`]. It is then kept in two files of half that
    /// size: what is full becomes [`earlier_part`], in the place of what was there before. None: as large as it becomes.
    pub max_size: Option<u64>,
    /// Called on the recorder's thread.
    pub tell: Tell,
}

/// Hears what a recorder has to tell while it runs.
pub type Tell = Box<dyn FnMut(TraceNews) + Send>;

/// What a recorder has to tell while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceNews {
    /// Records cannot be written; they are counted.
    Degraded {
        /// Why.
        why: String,
    },
    /// They can be again.
    Resumed {
        /// How many were lost.
        lost: u64,
    },
    /// The file was removed by somebody, and begun anew.
    Removed {
        /// How many records went with it.
        records: u64,
    },
    /// Somebody has emptied the file, or cut a piece off, and it was begun anew.
    Truncated {
        /// How many records went with it.
        records: u64,
    },
    /// The oldest records make way for new ones from now on.
    Dropped,
}

/// Where the file is that a recorder has written last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Under the name of the trace.
    #[default]
    AsNamed,
    /// Somebody has given it another name: this one, if that is known.
    Renamed(Option<PathBuf>),
    /// Somebody has removed it, and it could not be begun anew.
    Gone,
}

/// What is said of a recorder that broke off.
const FAILED: &str = "the recorder broke off because of an internal error; please report it";

/// A running recorder.
pub struct Recorder {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<Closed>>>,
    path: PathBuf,
}

/// What a closed recorder has to say.
#[derive(Clone, Debug, Default)]
pub struct Closed {
    /// Totals, as the last line of the trace has them.
    pub totals: TraceEnd,
    /// The last failure to write, if any record was lost.
    pub degraded: Option<String>,
    /// Whether the oldest records had to make way, to keep within the largest size.
    pub dropped: bool,
    /// Where the trace is.
    pub place: Place,
}

impl Recorder {
    /// Creates the file, writes its head and starts the writer.
    ///
    /// # Errors
    /// When the file cannot be made or written, is locked by another writer, or holds something already.
    pub fn start(
        path: &Path,
        head: TraceHead,
        redactor: Arc<Redactor>,
        observers: Vec<Observer>,
    ) -> Result<Self, RecordError> {
        let config = RecorderConfig { path: path.to_owned(), max_size: None, tell: Box::new(drop) };
        Self::start_with(config, head, redactor, observers)
    }

    /// The same for a trace that is bounded, or for somebody who listens.
    ///
    /// # Errors
    /// When the file cannot be made or written, is locked by another writer, or holds something already.
    pub fn start_with(
        config: RecorderConfig,
        head: TraceHead,
        redactor: Arc<Redactor>,
        observers: Vec<Observer>,
    ) -> Result<Self, RecordError> {
        let limit = config.max_size.map(|size| (size / 2).saturating_sub(RESERVE));
        let store = parts::TraceFile::create(&config.path, limit.is_some())?;
        let writer = writer::Writer::new(store, limit, redactor, observers, config.tell);
        Self::on(writer, &config.path, head)
    }

    /// The same without a file: the records go to those who read along, masked as they would be in a file.
    ///
    /// # Errors
    /// When the writer's thread cannot be started.
    pub fn without_file(
        head: TraceHead,
        redactor: Arc<Redactor>,
        observers: Vec<Observer>,
    ) -> Result<Self, RecordError> {
        let writer = writer::Writer::new(writer::Nowhere, None, redactor, observers, Box::new(drop));
        Self::on(writer, Path::new(""), head)
    }

    fn on(
        mut writer: writer::Writer<impl writer::Store + 'static>,
        path: &Path,
        head: TraceHead,
    ) -> Result<Self, RecordError> {
        let queue = Arc::new(Queue::default());
        // Before anything else happens: from here on, whoever finds the file finds a trace.
        writer.begin(head).map_err(|source| RecordError::Create { path: path.to_owned(), source })?;
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn({
                let queue = Arc::clone(&queue);
                move || writer.run(&queue)
            })
            .map_err(RecordError::Thread)?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)), path: path.to_owned() })
    }

    /// Where the trace is; empty without a file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on in a new file if somebody has given the present one another name, as programs do that rotate logs.
    pub fn reopen(&self) {
        self.queue.nudge();
    }

    /// Writes what is left and the last line, and closes the file. A second call returns nothing new.
    pub fn close(&self, exit_code: Option<i32>) -> Closed {
        self.queue.close(exit_code);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let failed = || Closed { degraded: Some(FAILED.to_owned()), ..Closed::default() };
        thread.map_or_else(Closed::default, |thread| thread.join().unwrap_or_else(|_| failed()))
    }
}

impl EventSink for Recorder {
    fn emit(&self, record: Record) {
        self.queue.push(record);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redacted;
    use crate::trace::{FormatVersion, Gap, Timestamp};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::mpsc;

    fn head() -> TraceHead {
        TraceHead {
            format: FormatVersion::CURRENT,
            tool: Redacted::literal("authtrace"),
            os: Redacted::literal("authtrace"),
            started: Timestamp::now(),
            intercept: Vec::new(),
            variables: Vec::new(),
            shared_fingerprints: false,
            imported: None,
            played: None,
            part: None,
        }
    }

    fn start(path: &Path, observers: Vec<Observer>) -> Result<Recorder, RecordError> {
        Recorder::start(path, head(), Arc::new(Redactor::plain()), observers)
    }

    #[test]
    fn the_file_is_private_and_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("trace.jsonl");
        let recorder = start(&path, Vec::new()).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(matches!(start(&path, Vec::new()), Err(RecordError::Locked { .. })));
        recorder.close(None);
        assert!(matches!(start(&path, Vec::new()), Err(RecordError::Locked { .. } | RecordError::NotEmpty { .. })));
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(matches!(start(&link, Vec::new()), Err(RecordError::Create { .. })));
    }

    #[test]
    fn observers_see_the_records_in_the_order_of_the_file_and_the_end_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.jsonl");
        let (sender, seen) = mpsc::channel();
        let recorder = start(
            &path,
            vec![Box::new(move |records: &[Record]| {
                records.iter().for_each(|record| drop(sender.send(record.clone())))
            })],
        )
        .unwrap();
        recorder.emit(Record::Gap(Gap { at: Timestamp::now(), lost: 1, cause: Redacted::literal("test") }));
        let closed = recorder.close(Some(3));
        drop(recorder);
        let seen: Vec<Record> = seen.iter().collect();
        assert!(matches!(seen.as_slice(), [Record::Trace(_), Record::Gap(_), Record::End(_)]), "{seen:?}");
        assert_eq!(closed.totals.exit_code, Some(3));
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert_eq!(lines, 3);
    }
}
