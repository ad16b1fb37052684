//! The flight recorder: keeps the last records, and writes a trace when something has failed.

use super::queue::{Batch, Queue};
use super::ring::{Ring, Selection};
use super::spool::{self, Spool};
use super::vigil::{Decision, Found, Now, Times, Vigil};
use super::{FAILED, Observer, RecordError, file, line};
use crate::redact::{self, Redactor};
use crate::trace::{EventSink, Gap, Record, Timestamp, TraceEnd, TraceHead};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// The least that a ring can be: some hundred exchanges.
pub const SMALLEST_RING: u64 = 1_000_000;
/// How much of the ring is judged at most. Some 20 MB of memory while it lasts; the ring itself may be as large as one likes.
const JUDGED: u64 = 12 * 1024 * 1024;
/// Traces that are kept, and their size together in rings. The oldest go first.
const KEPT_TRACES: usize = 16;
const KEPT_RINGS: u64 = 4;

/// Says what a trace shows.
pub trait Judge: Send {
    /// Sees every record once. True: it may be a failure, or the end of one.
    fn take(&mut self, record: &Record) -> bool;

    /// What the trace shows of what is looked for; fresh is what rests on records taken since the last look.
    fn look(&mut self, trace: &mut dyn BufRead) -> Vec<Found>;
}

/// What a flight recorder has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlightNews {
    /// A trace was written.
    Frozen {
        /// Where.
        path: PathBuf,
        /// Because of what; none: somebody asked for it.
        found: Option<Found>,
        /// How many exchanges are in it.
        exchanges: u64,
    },
    /// A trace should have been written, and could not be.
    NotFrozen {
        /// Because of what.
        found: Option<Found>,
        /// Why.
        why: String,
        /// When it is tried again.
        retry: Retry,
    },
    /// An older trace was removed to keep within bounds.
    Removed(PathBuf),
    /// A trace was made of what a killed recorder had left.
    Recovered(PathBuf),
}

/// When a trace that could not be written is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// From time to time, which is not told each time.
    Soon,
    /// By the next recorder: this one ends, and leaves what it held.
    NextStart,
    /// It was asked for, and can be again.
    Never,
}

/// How a flight recorder is set up.
pub struct FlightConfig {
    /// Where the ring and the traces are: a folder of this user's.
    pub folder: PathBuf,
    /// How large the ring is on disk, in bytes; at least [`SMALLEST_RING`].
    pub bytes: u64,
    /// How long it waits.
    pub times: Times,
    /// What it looks for.
    pub judge: Box<dyn Judge>,
    /// Called on the recorder's thread.
    pub tell: Box<dyn FnMut(FlightNews) + Send>,
}

/// A running flight recorder.
///
/// The ring is a file and not memory: a proxy that runs for days stays as small as one without it, and what a killed
/// process held is still there, to be found by the next one. Nothing is synced to the disk but finished traces.
pub struct FlightRecorder {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<FlightClosed>>>,
    folder: PathBuf,
}

/// What a closed flight recorder has to say.
#[derive(Clone, Debug, Default)]
pub struct FlightClosed {
    /// Traces that were written.
    pub frozen: u64,
    /// Everything that passed, whether it was kept or not.
    pub totals: TraceEnd,
    /// The last failure to write, if any record was lost.
    pub degraded: Option<String>,
}

impl FlightRecorder {
    /// Makes the ring, and starts to keep what comes. What a killed recorder has left in the folder becomes a trace.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn start(
        mut config: FlightConfig,
        head: TraceHead,
        redactor: Arc<Redactor>,
        observers: Vec<Observer>,
    ) -> Result<Self, RecordError> {
        let folder = config.folder.clone();
        for path in spool::recover(&folder) {
            (config.tell)(FlightNews::Recovered(path));
        }
        remove_old(&mut config);
        let mut first_line = Vec::new();
        let head = Record::Trace(Box::new(head));
        if line::push(&redactor, &mut first_line, &head).is_none() {
            return Err(RecordError::Create { path: folder, source: std::io::Error::other(line::NO_LINE) });
        }
        let spool = Spool::create(&config.folder, first_line)?;
        let queue = Arc::new(Queue::default());
        let mut thread = Thread::new(config, spool, redactor, observers);
        thread.show(std::slice::from_ref(&head));
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn({
                let queue = Arc::clone(&queue);
                move || thread.run(&queue)
            })
            .map_err(RecordError::Thread)?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)), folder })
    }

    /// Where traces are written.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a trace of what is there, whatever it shows.
    pub fn freeze(&self) {
        self.queue.nudge();
    }

    /// Writes a trace if one is due or may be, and removes the ring. A second call returns nothing new.
    pub fn close(&self) -> FlightClosed {
        self.queue.close(None);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.map_or_else(FlightClosed::default, |thread| thread.join().unwrap_or_else(|_| FlightClosed::failed()))
    }
}

impl FlightClosed {
    fn failed() -> Self {
        Self { degraded: Some(FAILED.to_owned()), ..Self::default() }
    }
}

impl EventSink for FlightRecorder {
    fn emit(&self, record: Record) {
        self.queue.push(record);
    }
}

impl Drop for FlightRecorder {
    fn drop(&mut self) {
        self.close();
    }
}

struct Thread {
    config: FlightConfig,
    spool: Spool,
    ring: Ring,
    vigil: Vigil,
    redactor: Arc<Redactor>,
    observers: Vec<Observer>,
    begun: Instant,
    /// How many records had been taken when the last trace was written.
    written: u64,
    closed: FlightClosed,
    /// Records lost since the last gap was kept.
    missing: u64,
    /// Whether it was told that the present trace could not be written.
    told: bool,
    /// Bytes kept since the first sign of what is waited for.
    since_sign: u64,
    /// After so many the waiting ends: what gave the sign would make way for what comes, and look healed.
    patience: u64,
}

impl Thread {
    fn new(config: FlightConfig, spool: Spool, redactor: Arc<Redactor>, observers: Vec<Observer>) -> Self {
        let room = config.bytes.max(SMALLEST_RING).saturating_sub(spool.taken());
        let vigil = Vigil::new(config.times);
        Self {
            config,
            spool,
            ring: Ring::new(room),
            vigil,
            redactor,
            observers,
            begun: Instant::now(),
            written: 0,
            closed: FlightClosed::default(),
            missing: 0,
            told: false,
            since_sign: 0,
            patience: room.min(JUDGED) / 2,
        }
    }

    fn run(mut self, queue: &Queue) -> FlightClosed {
        let mut room = Vec::new();
        loop {
            let until = self.vigil.due().map(|due| self.begun + due);
            let mut batch = queue.take(room, until);
            self.keep(&mut batch);
            if batch.closing.is_some() {
                return self.finish();
            }
            if batch.nudged {
                self.write(None, Retry::Never);
            } else if self.vigil.is_due(self.now()) {
                self.look(false, Retry::Soon);
            }
            room = batch.records;
            room.clear();
            room.shrink_to(line::KEPT);
        }
    }

    fn now(&self) -> Now {
        Now { awake: self.begun.elapsed(), wall: Timestamp::now() }
    }

    fn keep(&mut self, batch: &mut Batch) {
        if batch.overflowed > 0 {
            self.lose(batch.overflowed, "the queue was full");
        }
        for record in &mut batch.records {
            self.keep_gap();
            self.count(record);
            self.keep_one(record);
        }
        let records = std::mem::take(&mut batch.records);
        self.show(&records);
        batch.records = records;
    }

    fn keep_one(&mut self, record: &mut Record) {
        let mut text = Vec::new();
        match line::push(&self.redactor, &mut text, record) {
            Some(line::Pushed::Whole) => {}
            Some(line::Pushed::Masked(shown)) => {
                self.closed.totals.masked += 1;
                if let Some(shown) = shown {
                    *record = *shown;
                }
            }
            None => {
                *record = line::dropped();
                return self.lose(u64::from(record.is_counted()), line::NO_LINE);
            }
        }
        // A new story: what has been written already is no part of it.
        if self.config.judge.take(record) && self.vigil.sign(self.now()) {
            self.ring.told_until(self.written);
        }
        self.put(record, &text);
        self.since_sign += text.len() as u64;
        if self.vigil.due().is_none() {
            self.since_sign = 0;
        } else if self.since_sign > self.patience {
            self.look(true, Retry::Soon);
        }
    }

    fn put(&mut self, record: &Record, text: &[u8]) {
        if let Err(error) = self.place(record, text) {
            self.lose(u64::from(record.is_counted()), &line::describe(&error));
        }
    }

    fn place(&mut self, record: &Record, text: &[u8]) -> io::Result<()> {
        let Some(placed) = self.ring.push(record, text.len() as u64) else { return Ok(()) };
        self.spool.put(&placed, text).inspect_err(|_| self.ring.take_back(&placed))
    }

    /// What was lost stays to be told until a gap that tells it has been kept.
    fn keep_gap(&mut self) {
        if self.missing == 0 {
            return;
        }
        let cause = self.closed.degraded.as_deref().unwrap_or("unknown");
        let gap = Record::Gap(Gap { at: Timestamp::now(), lost: self.missing, cause: self.redactor.message(cause) });
        let mut text = Vec::new();
        if line::push(&self.redactor, &mut text, &gap).is_some() && self.place(&gap, &text).is_ok() {
            self.missing = 0;
        }
    }

    fn lose(&mut self, records: u64, cause: &str) {
        self.missing += records;
        self.closed.totals.lost += records;
        self.closed.degraded = Some(cause.to_owned());
    }

    fn count(&mut self, record: &Record) {
        match record {
            Record::Connection(_) => self.closed.totals.connections += 1,
            Record::Exchange(_) => self.closed.totals.exchanges += 1,
            _ => {}
        }
    }

    fn show(&mut self, records: &[Record]) {
        if !records.is_empty() {
            self.observers.retain_mut(|observer| redact::guard(|| observer(records)).is_some());
        }
    }

    /// `retry`: as for [`Self::write`].
    fn look(&mut self, now_or_never: bool, retry: Retry) {
        self.since_sign = 0;
        let selection = self.ring.select(JUDGED);
        let found = self.config.judge.look(&mut self.spool.read(&selection));
        match self.vigil.judge(&found, self.now(), now_or_never) {
            Decision::Write(found) => self.write(Some(found), retry),
            Decision::Wait => self.told &= self.vigil.due().is_some(),
        }
    }

    /// `retry`: when it is tried again if that fails.
    fn write(&mut self, found: Option<Found>, retry: Retry) {
        self.keep_gap();
        let why = found.as_ref().map_or("asked", |found| found.code);
        let path = self.config.folder.join(format!("{}-frozen-{why}.jsonl", file::stem()));
        let selection: Selection = self.ring.select(u64::MAX);
        let news = match self.spool.cut_out(&selection, &path, self.closed.totals.clone()) {
            Ok(()) => {
                self.closed.frozen += 1;
                self.written = self.ring.taken();
                self.told = false;
                FlightNews::Frozen { path, found, exchanges: selection.exchanges }
            }
            Err(error) => {
                match retry {
                    Retry::Soon => {
                        self.vigil.put_off(self.now());
                        if std::mem::replace(&mut self.told, true) {
                            return;
                        }
                    }
                    Retry::NextStart => self.spool.stay(),
                    Retry::Never => {}
                }
                FlightNews::NotFrozen { found, why: line::describe(&error), retry }
            }
        };
        (self.config.tell)(news);
        remove_old(&mut self.config);
    }

    fn finish(mut self) -> FlightClosed {
        if self.vigil.due().is_some() {
            self.look(true, Retry::NextStart);
        }
        self.closed.totals.at = Some(Timestamp::now());
        let end = Record::End(self.closed.totals.clone());
        self.show(&[end]);
        self.closed
    }
}

fn remove_old(config: &mut FlightConfig) {
    let most = config.bytes.saturating_mul(KEPT_RINGS);
    for path in file::remove_frozen(&config.folder, KEPT_TRACES, most) {
        (config.tell)(FlightNews::Removed(path));
    }
}
