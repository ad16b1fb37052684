//! The writer's thread: records become lines, lines reach the disk whole, and none is lost without being counted.

use super::line::{self, Pushed};
use super::parts::{Because, Carried, Parts};
use super::queue::{Batch, Queue};
use super::{Closed, Observer, Tell, TraceNews};
use crate::redact::{self, Redacted, Redactor};
use crate::trace::{Gap, Record, Timestamp, TraceEnd, TraceHead};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records of one write: enough to make the call cheap, few enough for their lines to stay in the processor's cache.
const AT_ONCE: usize = 128;
/// When nothing has come for so long, those who read along are told.
const PAUSE: Duration = Duration::from_millis(250);
/// What is said of a file that is gone.
const REMOVED: &str = "the trace was removed while it was written";
/// Why a record finds no place in any file of a bounded trace.
const TOO_LARGE: &str = "a record is larger than the trace may be";

/// Where lines go.
pub(super) trait Store: Send {
    /// Appends all of it, or fails having written a part.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Cuts what lies behind that length off.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// Whether what was written is no more.
    fn is_removed(&self) -> bool {
        false
    }

    /// Whether there is nothing any more under the name of the file.
    fn is_taken_away(&self) -> bool {
        false
    }

    /// Goes on in a new file with this first line; the present one stays as the one before it.
    fn turn(&mut self, _first_line: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Goes on in a new file with this first line, where there is none.
    fn begin_anew(&mut self, _first_line: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Keeps nothing.
pub(super) struct Nowhere;

impl Store for Nowhere {
    fn append(&mut self, _lines: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, _length: u64) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Writer<S> {
    store: S,
    /// Length of the file up to the last whole batch.
    length: u64,
    /// Whether there may be a part of a line behind that.
    torn: bool,
    /// How long a file may become.
    limit: Option<u64>,
    head: Option<TraceHead>,
    parts: Parts,
    redactor: Arc<Redactor>,
    observers: Vec<Observer>,
    totals: TraceEnd,
    /// Records lost since the last gap was written.
    missing: u64,
    cause: Option<String>,
    /// What went wrong, and that it is well again.
    tell: Tell,
    is_degraded: bool,
    has_dropped: bool,
    /// Room for the lines of one write, kept.
    lines: Vec<u8>,
}

/// Lines on their way to the file.
#[derive(Default)]
struct Pending {
    lines: Vec<u8>,
    /// Records among them.
    records: u64,
    /// Lost records of which a gap among them tells.
    announced: u64,
}

impl<S: Store> Writer<S> {
    /// `limit`: how long a file may become before the trace goes on in another.
    pub(super) fn new(
        store: S,
        limit: Option<u64>,
        redactor: Arc<Redactor>,
        observers: Vec<Observer>,
        tell: Tell,
    ) -> Self {
        Self {
            store,
            length: 0,
            torn: false,
            limit,
            head: None,
            parts: Parts::default(),
            redactor,
            observers,
            totals: TraceEnd::default(),
            missing: 0,
            cause: None,
            tell,
            is_degraded: false,
            has_dropped: false,
            lines: Vec::new(),
        }
    }

    /// Writes the first line.
    pub(super) fn begin(&mut self, head: TraceHead) -> io::Result<()> {
        let mut record = Record::Trace(Box::new(head.clone()));
        let mut lines = Vec::new();
        if let Some(shown) = self.push_line(&mut lines, &record) {
            record = shown;
        }
        self.head = Some(head);
        self.append(&lines)?;
        self.show(std::slice::from_ref(&record));
        Ok(())
    }

    pub(super) fn run(mut self, queue: &Queue) -> Closed {
        let mut room = Vec::new();
        let mut pause = None;
        loop {
            let mut batch = queue.take(room, pause);
            let closing = batch.closing;
            let quiet = batch.records.is_empty() && batch.overflowed == 0;
            pause = (!quiet).then(|| Instant::now() + PAUSE);
            if batch.nudged {
                self.reopen();
            }
            self.write_batch(&mut batch);
            if quiet || closing.is_some() {
                self.tell_of_a_pause();
            }
            room = batch.records;
            room.clear();
            room.shrink_to(line::KEPT);
            if let Some(exit_code) = closing {
                return self.finish(exit_code);
            }
        }
    }

    fn write_batch(&mut self, batch: &mut Batch) {
        if batch.overflowed > 0 {
            self.parts.records += batch.overflowed;
            self.lose(batch.overflowed, "the queue was full");
        }
        if batch.records.is_empty() {
            self.write_records(&mut []);
        }
        for records in batch.records.chunks_mut(AT_ONCE) {
            self.write_records(records);
        }
    }

    fn write_records(&mut self, records: &mut [Record]) {
        if self.store.is_removed() {
            self.replace_removed();
        }
        let mut pending = Pending { lines: std::mem::take(&mut self.lines), ..Pending::default() };
        self.push_gap(&mut pending);
        for record in records.iter_mut() {
            self.count(record);
            let begin = pending.lines.len();
            if let Some(shown) = self.push_line(&mut pending.lines, record) {
                *record = shown;
            }
            let counted = u64::from(record.is_counted());
            if self.is_too_long(&pending.lines) {
                self.put_into_next(&mut pending, begin, counted);
            } else if pending.lines.len() > begin {
                pending.records += counted;
            }
        }
        self.flush(&mut pending);
        self.lines = pending.lines;
        self.show(records);
    }

    fn flush(&mut self, pending: &mut Pending) {
        if !pending.lines.is_empty() {
            match self.append(&pending.lines) {
                Ok(()) => self.told_of(pending.announced),
                Err(error) => self.lose(pending.records, &line::describe(&error)),
            }
        }
        pending.lines.clear();
        (pending.records, pending.announced) = (0, 0);
    }

    fn is_too_long(&self, lines: &[u8]) -> bool {
        self.limit.is_some_and(|limit| self.length + lines.len() as u64 > limit)
    }

    /// What stands before the last record goes into this file, and that record into the next.
    fn put_into_next(&mut self, pending: &mut Pending, begin: usize, counted: u64) {
        let last = pending.lines.split_off(begin);
        self.flush(pending);
        match self.begin_next(last.len() as u64, counted) {
            Ok(()) => {
                self.push_gap(pending);
                pending.lines.extend_from_slice(&last);
                pending.records = counted;
            }
            Err(cause) => self.lose(counted, &cause),
        }
    }

    /// Goes on in another file, in which there is so much room; `written`: records that wait for it and are counted already.
    fn begin_next(&mut self, room: u64, written: u64) -> Result<(), String> {
        let carried = Carried { missing: self.missing, written };
        let head = self.head_of_next(carried);
        if self.limit.is_some_and(|limit| head.len() as u64 + room > limit) {
            return Err(TOO_LARGE.to_owned());
        }
        self.store.turn(&head).map_err(|error| line::describe(&error))?;
        self.length = head.len() as u64;
        self.torn = false;
        let dropped = self.parts.turned(carried, Because::Full);
        if dropped > 0 && !std::mem::replace(&mut self.has_dropped, true) {
            (self.tell)(TraceNews::Dropped);
        }
        Ok(())
    }

    /// Somebody removed the file: what was in it is lost, what comes is not.
    fn replace_removed(&mut self) {
        let carried = Carried { missing: self.missing, written: 0 };
        let head = self.head_of_next(carried);
        match self.store.begin_anew(&head) {
            Ok(()) => {
                self.length = head.len() as u64;
                self.torn = false;
                let dropped = self.parts.turned(carried, Because::Removed);
                self.cause = Some(REMOVED.to_owned());
                (self.tell)(TraceNews::Removed { records: dropped });
            }
            // What is written goes nowhere, and is counted with the file as soon as that can be replaced.
            Err(_) => self.degrade(REMOVED),
        }
    }

    /// Begins a new file if the present one has another name by now.
    fn reopen(&mut self) {
        if self.store.is_removed() || !self.store.is_taken_away() {
            return;
        }
        let carried = Carried { missing: self.missing, written: 0 };
        let head = self.head_of_next(carried);
        if self.store.begin_anew(&head).is_ok() {
            self.length = head.len() as u64;
            self.torn = false;
            self.parts.turned(carried, Because::Renamed);
        }
    }

    fn head_of_next(&self, carried: Carried) -> Vec<u8> {
        let Some(head) = self.head.clone() else { return Vec::new() };
        let mut lines = Vec::new();
        let head = TraceHead { part: Some(Box::new(self.parts.next(carried))), ..head };
        let _ = line::push(&self.redactor, &mut lines, &Record::Trace(Box::new(head)));
        lines
    }

    fn push_gap(&self, pending: &mut Pending) {
        if self.missing == 0 {
            return;
        }
        let cause = self.cause.as_deref().map_or(Redacted::literal("unknown"), |cause| self.redactor.message(cause));
        let gap = Record::Gap(Gap { at: Timestamp::now(), lost: self.missing, cause });
        if let Ok(mut line) = serde_json::to_vec(&gap) {
            line.push(b'\n');
            pending.lines.extend_from_slice(&line);
            pending.announced = self.missing;
        }
    }

    /// Adds the line of `record`, and gives what is left of it where something had to be masked: what the file does not
    /// say, those who read along are not told either.
    fn push_line(&mut self, lines: &mut Vec<u8>, record: &Record) -> Option<Record> {
        match line::push(&self.redactor, lines, record) {
            Some(Pushed::Whole) => None,
            Some(Pushed::Masked(shown)) => {
                self.totals.masked += 1;
                shown.map(|shown| *shown)
            }
            None => {
                self.lose(u64::from(record.is_counted()), line::NO_LINE);
                Some(line::dropped())
            }
        }
    }

    /// Appends whole lines in one call; what was written of a batch that failed is cut off again.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.store.cut(self.length)?;
            self.torn = false;
        }
        match self.store.append(lines) {
            Ok(()) => {
                self.length += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.torn = self.store.cut(self.length).is_err();
                Err(error)
            }
        }
    }

    fn lose(&mut self, records: u64, cause: &str) {
        self.missing += records;
        self.parts.lost += records;
        self.degrade(cause);
    }

    fn degrade(&mut self, cause: &str) {
        self.cause = Some(cause.to_owned());
        if !std::mem::replace(&mut self.is_degraded, true) {
            (self.tell)(TraceNews::Degraded { why: cause.to_owned() });
        }
    }

    /// Something was written, and with it that so many records were lost.
    fn told_of(&mut self, announced: u64) {
        self.missing = self.missing.saturating_sub(announced);
        if self.is_degraded && self.missing == 0 && !self.store.is_removed() {
            self.is_degraded = false;
            (self.tell)(TraceNews::Resumed { lost: announced });
        }
    }

    fn count(&mut self, record: &Record) {
        self.parts.records += u64::from(record.is_counted());
        match record {
            Record::Connection(_) => self.totals.connections += 1,
            Record::Exchange(_) => self.totals.exchanges += 1,
            _ => {}
        }
    }

    fn show(&mut self, records: &[Record]) {
        if !records.is_empty() {
            self.call_observers(records);
        }
    }

    fn tell_of_a_pause(&mut self) {
        self.call_observers(&[]);
    }

    /// One that panics is not asked again; the trace goes on.
    fn call_observers(&mut self, records: &[Record]) {
        self.observers.retain_mut(|observer| redact::guard(|| observer(records)).is_some());
    }

    fn finish(mut self, exit_code: Option<i32>) -> Closed {
        self.totals.at = Some(Timestamp::now());
        self.totals.exit_code = exit_code;
        self.parts.records += 1;
        let (mut pending, mut end) = self.last_lines();
        if self.is_too_long(&pending.lines) && self.begin_next(pending.lines.len() as u64, 1).is_ok() {
            (pending, end) = self.last_lines();
        }
        if let Err(error) = self.append(&pending.lines) {
            self.cause = Some(line::describe(&error));
        }
        self.show(&[end]);
        Closed { totals: self.totals, degraded: self.cause, dropped: self.has_dropped }
    }

    fn last_lines(&mut self) -> (Pending, Record) {
        self.totals.lost = self.parts.not_there();
        let end = Record::End(self.totals.clone());
        let mut pending = Pending::default();
        self.push_gap(&mut pending);
        let shown = self.push_line(&mut pending.lines, &end).unwrap_or(end);
        (pending, shown)
    }
}

#[cfg(test)]
mod tests;
