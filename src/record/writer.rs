//! The writer's thread: records become lines, lines reach the disk whole.

use super::line::{self, Pushed};
use super::queue::{Batch, Queue};
use super::{Closed, Observer};
use crate::redact::{Redacted, Redactor};
use crate::trace::{Gap, Record, Timestamp, TraceEnd, TraceHead};
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

/// Records of one write: enough to make the call cheap, few enough for their lines to stay in the processor's cache.
const AT_ONCE: usize = 128;
/// Where lines go.
pub(super) trait Store: Send {
    /// Appends all of it, or fails having written a part.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;

    /// Cuts what lies behind that length off.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Store for File {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.write_all(lines)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
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
    redactor: Arc<Redactor>,
    observers: Vec<Observer>,
    totals: TraceEnd,
    /// Records lost since the last gap was written.
    missing: u64,
    cause: Option<String>,
    /// Room for the lines of one write, kept.
    lines: Vec<u8>,
}

impl<S: Store> Writer<S> {
    pub(super) fn new(store: S, redactor: Arc<Redactor>, observers: Vec<Observer>) -> Self {
        let totals = TraceEnd::default();
        Self { store, length: 0, redactor, observers, totals, missing: 0, cause: None, lines: Vec::new() }
    }

    /// Writes the first line.
    pub(super) fn begin(&mut self, head: TraceHead) -> io::Result<()> {
        let mut record = Record::Trace(head);
        let mut lines = Vec::new();
        if let Some(shown) = self.push_line(&mut lines, &record) {
            record = shown;
        }
        self.append(&lines)?;
        self.show(std::slice::from_ref(&record));
        Ok(())
    }

    pub(super) fn run(mut self, queue: &Queue) -> Closed {
        line::step_back();
        let mut room = Vec::new();
        loop {
            let mut batch = queue.take(room, None);
            let closing = batch.closing;
            self.write_batch(&mut batch);
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
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        self.push_gap(&mut lines);
        for record in records.iter_mut() {
            self.count(record);
            if let Some(shown) = self.push_line(&mut lines, record) {
                *record = shown;
            }
        }
        if !lines.is_empty() {
            match self.append(&lines) {
                Ok(()) => self.missing = 0,
                Err(error) => self.lose(records.len() as u64, &line::describe(&error)),
            }
        }
        self.lines = lines;
        self.show(records);
    }

    fn push_gap(&self, lines: &mut Vec<u8>) {
        if self.missing == 0 {
            return;
        }
        let cause = self.cause.as_deref().map_or(Redacted::literal("unknown"), |cause| self.redactor.message(cause));
        let gap = Record::Gap(Gap { at: Timestamp::now(), lost: self.missing, cause });
        if let Ok(mut line) = serde_json::to_vec(&gap) {
            line.push(b'\n');
            lines.extend_from_slice(&line);
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
                self.lose(1, line::NO_JSON);
                None
            }
        }
    }

    /// Appends whole lines in one call; what was written of a batch that failed is cut off again.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        match self.store.append(lines) {
            Ok(()) => {
                self.length += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.store.cut(self.length)?;
                Err(error)
            }
        }
    }

    fn lose(&mut self, records: u64, cause: &str) {
        self.missing += records;
        self.totals.lost += records;
        self.cause = Some(cause.to_owned());
    }

    fn count(&mut self, record: &Record) {
        match record {
            Record::Connection(_) => self.totals.connections += 1,
            Record::Exchange(_) => self.totals.exchanges += 1,
            _ => {}
        }
    }

    fn show(&mut self, records: &[Record]) {
        if records.is_empty() {
            return;
        }
        for observer in &mut self.observers {
            observer(records);
        }
    }

    fn finish(mut self, exit_code: Option<i32>) -> Closed {
        self.totals.at = Some(Timestamp::now());
        self.totals.exit_code = exit_code;
        let end = Record::End(self.totals.clone());
        let mut lines = Vec::new();
        self.push_gap(&mut lines);
        let shown = self.push_line(&mut lines, &end).unwrap_or(end);
        if let Err(error) = self.append(&lines) {
            self.cause = Some(line::describe(&error));
        }
        self.show(&[shown]);
        Closed { totals: self.totals, degraded: self.cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Line, Note, NoteKind, Reader};
    use std::sync::Mutex;

    /// A disk with so much room, and what was written on it.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn with_room(room: usize) -> Self {
            Self(Arc::new(Mutex::new((Vec::new(), room))))
        }

        fn set_room(&self, room: usize) {
            self.0.lock().unwrap().1 = room;
        }

        fn records(&self) -> Vec<Record> {
            let content = self.0.lock().unwrap().0.clone();
            let mut reader = Reader::new(content.as_slice()).unwrap();
            let mut records = Vec::new();
            while let Some(line) = reader.next_line().unwrap() {
                let Line::Record(record) = line else { panic!("{line:?}") };
                records.push(record);
            }
            records
        }
    }

    impl Store for Disk {
        fn append(&mut self, lines: &[u8]) -> io::Result<()> {
            let mut disk = self.0.lock().unwrap();
            let room = disk.1.saturating_sub(disk.0.len());
            let fits = lines.len() <= room;
            disk.0.extend_from_slice(&lines[..lines.len().min(room)]);
            if fits { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.0.lock().unwrap().0.truncate(usize::try_from(length).unwrap());
            Ok(())
        }
    }

    fn head() -> Record {
        let text = r#"{"record":"trace","format":"authtrace/1.0","tool":"authtrace","os":"linux","started":"2026-01-01T00:00:00.000Z","intercept":[]}"#;
        serde_json::from_str(text).unwrap()
    }

    fn note(text: &'static str) -> Record {
        Record::Note(Note { at: Timestamp::from_unix_ms(0), kind: NoteKind::Other, text: Redacted::literal(text) })
    }

    fn batch(records: Vec<Record>) -> Batch {
        Batch { records, overflowed: 0, nudged: false, closing: None }
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_an_exact_gap() {
        let disk = Disk::with_room(usize::MAX);
        let mut writer = Writer::new(disk.clone(), Arc::new(Redactor::plain()), Vec::new());
        writer.write_batch(&mut batch(vec![head(), note("before")]));
        let used = disk.0.lock().unwrap().0.len();
        disk.set_room(used + 10);
        writer.write_batch(&mut batch(vec![note("one"), note("two")]));
        writer.write_batch(&mut batch(vec![note("three")]));
        disk.set_room(usize::MAX);
        writer.write_batch(&mut batch(vec![note("after")]));
        let closed = writer.finish(Some(0));
        let records = disk.records();
        let gaps: Vec<u64> = records
            .iter()
            .filter_map(|record| match record {
                Record::Gap(gap) => Some(gap.lost),
                _ => None,
            })
            .collect();
        let notes = records.iter().filter(|record| matches!(record, Record::Note(_))).count();
        assert_eq!((gaps, notes, closed.totals.lost), (vec![3], 2, 3));
        assert_eq!(closed.degraded.as_deref(), Some("the disk is full"));
    }

    #[test]
    fn records_that_found_the_queue_full_are_counted() {
        let disk = Disk::with_room(usize::MAX);
        let mut writer = Writer::new(disk.clone(), Arc::new(Redactor::plain()), Vec::new());
        writer.write_batch(&mut batch(vec![head()]));
        writer.write_batch(&mut Batch { records: vec![note("next")], overflowed: 7, nudged: false, closing: None });
        assert!(disk.records().iter().any(|record| matches!(record, Record::Gap(gap) if gap.lost == 7)));
    }

    #[test]
    fn a_learned_value_is_masked_in_the_last_moment_and_noted() {
        let disk = Disk::with_room(usize::MAX);
        let redactor = Arc::new(Redactor::plain());
        redactor.learn(b"FAKE-credential-0123456789");
        let mut writer = Writer::new(disk.clone(), redactor, Vec::new());
        writer.write_batch(&mut batch(vec![head(), note("said FAKE-credential-0123456789 aloud")]));
        let closed = writer.finish(None);
        let content = String::from_utf8(disk.0.lock().unwrap().0.clone()).unwrap();
        assert!(!content.contains("FAKE-credential"), "{content}");
        assert_eq!(closed.totals.masked, 1);
        assert!(
            disk.records().iter().any(|record| matches!(record, Record::Note(note) if note.kind == NoteKind::Masked))
        );
    }
}
