//! The writer's thread: records become lines, lines reach the disk whole, and none is lost without being counted.

use super::line::{self, Pushed};
use super::parts::{Because, Carried, Parts};
use super::queue::{Batch, Queue};
use super::{Closed, Observer, Place, Tell, TraceNews};
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
/// What is said of a file that somebody has emptied, or cut a piece off.
const TRUNCATED: &str = "the trace was truncated while it was written";
/// Why a record finds no place in any file of a bounded trace.
const TOO_LARGE: &str = "a record is larger than the trace may be";

/// Where lines go.
pub(super) trait Store: Send {
    /// Appends all of it, or fails having written a part.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Cuts what lies behind that length off.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// What somebody has done to the so many bytes that were written.
    fn harm(&self, _length: u64) -> Option<Because> {
        None
    }

    /// Whether there is nothing any more under the name of the file.
    fn is_taken_away(&self) -> bool {
        false
    }

    /// Goes on in a new file with this first line; the present one stays as the one before it, or under the name that somebody
    /// has given it. Gives which of these it was.
    fn turn(&mut self, _first_line: &[u8]) -> io::Result<Because> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Goes on in a new file with this first line, where there is none; in the same one if that was truncated.
    fn begin_anew(&mut self, _first_line: &[u8], _because: Because) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whether the part before this one is still there, if there was one.
    fn has_earlier(&self) -> bool {
        true
    }

    /// Where the file is that was written last.
    fn place(&self) -> Place {
        Place::AsNamed
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

fn what_was_done(harm: Because) -> &'static str {
    if harm == Because::Truncated { TRUNCATED } else { REMOVED }
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
    /// Why nothing is written until there is another file.
    stuck: Option<String>,
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
    /// Whether that gap is all.
    is_gap_alone: bool,
}

impl Pending {
    /// Takes all of it back; the room is kept.
    fn clear(&mut self) {
        self.lines.clear();
        (self.records, self.announced, self.is_gap_alone) = (0, 0, false);
    }
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
            stuck: None,
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
        self.look_after_file();
        let mut pending = Pending { lines: std::mem::take(&mut self.lines), ..Pending::default() };
        self.push_gap(&mut pending);
        if self.stuck.is_some() || self.is_too_long(&pending.lines) {
            pending.clear();
        }
        for record in records.iter_mut() {
            self.count(record);
            let begin = pending.lines.len();
            if let Some(shown) = self.push_line(&mut pending.lines, record) {
                *record = shown;
            }
            if pending.lines.len() > begin {
                self.place(&mut pending, begin, u64::from(record.is_counted()));
            }
        }
        self.flush(&mut pending);
        self.lines = pending.lines;
        self.show(records);
    }

    /// Sees to it that there is a file to be written, if that is possible.
    fn look_after_file(&mut self) {
        let is_due = self.stuck.is_some() || self.store.harm(self.length).is_some();
        if is_due && let Err(why) = self.begin_next(0, 0) {
            self.degrade(&why);
        }
    }

    fn flush(&mut self, pending: &mut Pending) {
        if !pending.lines.is_empty() {
            match self.append(&pending.lines) {
                Ok(()) => self.told_of(pending.announced),
                Err(error) => self.lose(pending.records, &line::describe(&error)),
            }
        }
        pending.clear();
    }

    fn is_too_long(&self, lines: &[u8]) -> bool {
        self.limit.is_some_and(|limit| self.length + lines.len() as u64 > limit)
    }

    /// Keeps the line of a record that begins there, in this file or in the next, or counts the record as lost.
    fn place(&mut self, pending: &mut Pending, begin: usize, counted: u64) {
        if let Some(why) = self.stuck.clone() {
            pending.lines.truncate(begin);
            self.lose(counted, &why);
        } else if self.is_too_long(&pending.lines) {
            self.put_into_next(pending, begin, counted);
        } else {
            pending.records += counted;
            pending.is_gap_alone = false;
        }
    }

    /// What stands before the last record goes into this file, and that record into the next.
    fn put_into_next(&mut self, pending: &mut Pending, begin: usize, counted: u64) {
        let last = pending.lines.split_off(begin);
        // That records are lost is told with those that are not: else a file could grow by that alone.
        if pending.is_gap_alone {
            pending.clear();
        }
        self.flush(pending);
        match self.begin_next(last.len() as u64, counted) {
            Ok(()) => {
                self.push_gap(pending);
                pending.lines.extend_from_slice(&last);
                pending.records = counted;
                pending.is_gap_alone = false;
            }
            Err(cause) => self.lose(counted, &cause),
        }
    }

    /// Goes on in another file, in which so much has to find room; `written`: records that wait for it and are counted already.
    /// Of a file that somebody has harmed, what was in it is lost, what comes is not.
    fn begin_next(&mut self, room: u64, written: u64) -> Result<(), String> {
        let carried = Carried { missing: self.missing, written };
        let head = self.head_of_next(carried);
        if self.limit.is_some_and(|limit| head.len() as u64 + room > limit) {
            return Err(TOO_LARGE.to_owned());
        }
        let harm = self.store.harm(self.length);
        let begun = match harm {
            Some(because) => self.store.begin_anew(&head, because).map(|()| because),
            None => self.store.turn(&head),
        };
        match begun {
            Ok(because) => {
                self.has_begun(&head, carried, because);
                Ok(())
            }
            Err(error) => {
                let error = line::describe(&error);
                let why = match harm.map(what_was_done) {
                    Some(harm) => format!("{harm}, and could not be begun anew: {error}"),
                    None => error,
                };
                self.stuck = Some(why.clone());
                Err(why)
            }
        }
    }

    /// Begins a new file if the present one has another name by now.
    fn reopen(&mut self) {
        if self.store.harm(self.length).is_some() || !self.store.is_taken_away() {
            return;
        }
        let carried = Carried { missing: self.missing, written: 0 };
        let head = self.head_of_next(carried);
        if self.store.begin_anew(&head, Because::Renamed).is_ok() {
            self.has_begun(&head, carried, Because::Renamed);
        }
    }

    /// The trace goes on in a file with this head.
    fn has_begun(&mut self, head: &[u8], carried: Carried, because: Because) {
        self.length = head.len() as u64;
        self.torn = false;
        self.stuck = None;
        let records = self.parts.turned(carried, because);
        match because {
            Because::Full if records > 0 && !std::mem::replace(&mut self.has_dropped, true) => {
                (self.tell)(TraceNews::Dropped);
            }
            Because::Full | Because::Renamed => {}
            Because::Removed => {
                self.cause = Some(what_was_done(because).to_owned());
                (self.tell)(TraceNews::Removed { records });
            }
            Because::Truncated => {
                self.cause = Some(what_was_done(because).to_owned());
                (self.tell)(TraceNews::Truncated { records });
            }
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
            pending.is_gap_alone = true;
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
        if self.is_degraded && self.missing == 0 && self.store.harm(self.length).is_none() {
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
        self.look_after_file();
        self.totals.at = Some(Timestamp::now());
        self.totals.exit_code = exit_code;
        if let Some(because) = self.store.harm(self.length) {
            // Nowhere is a last line; what was in the file is counted all the same.
            self.parts.turned(Carried { missing: self.missing, written: 0 }, because);
            self.totals.lost = self.parts.not_there();
            self.show(&[Record::End(self.totals.clone())]);
            return self.closed();
        }
        if !self.store.has_earlier() {
            self.parts.earlier_is_gone();
        }
        self.parts.records += 1;
        let (mut pending, mut end) = self.last_lines();
        if self.is_too_long(&pending.lines) && self.begin_next(pending.lines.len() as u64, 1).is_ok() {
            (pending, end) = self.last_lines();
        }
        if let Err(error) = self.append(&pending.lines) {
            self.cause = Some(line::describe(&error));
        }
        self.show(&[end]);
        self.closed()
    }

    fn closed(self) -> Closed {
        let place = self.store.place();
        Closed { totals: self.totals, degraded: self.cause, dropped: self.has_dropped, place }
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
