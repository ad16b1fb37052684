//! The writer's thread: records become lines, lines reach the disk whole.

use super::queue::{Batch, Queue};
use super::{Closed, Observer};
use crate::redact::{Redacted, Redactor};
use crate::trace::{Gap, Note, NoteKind, Record, Timestamp, TraceEnd};
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

pub(super) struct Writer {
    file: File,
    /// Length of the file up to the last whole batch.
    length: u64,
    redactor: Arc<Redactor>,
    observers: Vec<Observer>,
    totals: TraceEnd,
    /// Records lost since the last gap was written.
    missing: u64,
    cause: Option<String>,
}

impl Writer {
    pub(super) fn new(file: File, redactor: Arc<Redactor>, observers: Vec<Observer>) -> Self {
        Self { file, length: 0, redactor, observers, totals: TraceEnd::default(), missing: 0, cause: None }
    }

    pub(super) fn run(mut self, queue: &Queue) -> Closed {
        loop {
            let batch = queue.take();
            let closing = batch.closing;
            self.write_batch(batch);
            if let Some(exit_code) = closing {
                return self.finish(exit_code);
            }
        }
    }

    fn write_batch(&mut self, batch: Batch) {
        if batch.overflowed > 0 {
            self.lose(batch.overflowed, "the queue was full");
        }
        let mut lines = Vec::with_capacity(batch.records.len() * 1_024);
        let count = batch.records.len() as u64;
        self.push_gap(&mut lines);
        let mut shown = Vec::with_capacity(batch.records.len());
        for record in batch.records {
            self.count(&record);
            shown.extend(self.push_line(&mut lines, record));
        }
        if lines.is_empty() {
            return;
        }
        match self.append(&lines) {
            Ok(()) => self.missing = 0,
            Err(error) => self.lose(count, &describe(&error)),
        }
        for record in &shown {
            self.show(record);
        }
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

    /// Adds the line of `record`, and gives the record for those who read along: what is masked in the file is masked
    /// for them, too.
    fn push_line(&mut self, lines: &mut Vec<u8>, record: Record) -> Option<Record> {
        let Ok(line) = serde_json::to_string(&record) else {
            self.lose(1, "a record could not be written as JSON");
            return None;
        };
        let sealed = self.redactor.seal(line);
        lines.extend_from_slice(sealed.text().as_bytes());
        lines.push(b'\n');
        if sealed.hits() > 0 {
            self.totals.masked += 1;
            let note = Record::Note(Note {
                at: Timestamp::now(),
                kind: NoteKind::Masked,
                text: Redacted::literal("a value known to be a credential was masked in the record before this one"),
            });
            if let Ok(note) = serde_json::to_vec(&note) {
                lines.extend_from_slice(&note);
                lines.push(b'\n');
            }
            return serde_json::from_str(sealed.text()).ok();
        }
        Some(record)
    }

    /// Appends whole lines in one call; what was written of a batch that failed is cut off again.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        match self.file.write_all(lines) {
            Ok(()) => {
                self.length += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.file.set_len(self.length)?;
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

    fn show(&mut self, record: &Record) {
        for observer in &mut self.observers {
            observer(record);
        }
    }

    fn finish(mut self, exit_code: Option<i32>) -> Closed {
        self.totals.at = Some(Timestamp::now());
        self.totals.exit_code = exit_code;
        let end = Record::End(self.totals.clone());
        let mut lines = Vec::new();
        self.push_gap(&mut lines);
        let shown = self.push_line(&mut lines, end);
        if let Err(error) = self.append(&lines) {
            self.cause = Some(describe(&error));
        }
        if let Some(end) = &shown {
            self.show(end);
        }
        Closed { totals: self.totals, degraded: self.cause }
    }
}

/// The class of the failure; the message of an `io::Error` from a write names no content.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        kind => format!("the trace could not be written ({kind})"),
    }
}
