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
    /// Room for the lines of one write, kept.
    lines: Vec<u8>,
}

/// Records of one write: enough to make the call cheap, few enough for their lines to stay in the processor's cache.
const AT_ONCE: usize = 128;
/// How much the traffic goes first (`setpriority`), where a thread can be told so by itself.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// Room for the line of a usual exchange.
const LINE: usize = 4 * 1024;

impl Writer {
    pub(super) fn new(file: File, redactor: Arc<Redactor>, observers: Vec<Observer>) -> Self {
        Self { file, length: 0, redactor, observers, totals: TraceEnd::default(), missing: 0, cause: None, lines: Vec::new() }
    }

    pub(super) fn run(mut self, queue: &Queue) -> Closed {
        // The traffic goes before its record. On Linux this is for the calling thread alone.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, NICE);
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
        if batch.records.is_empty() {
            self.write_records(&[]);
        }
        for records in batch.records.chunks(AT_ONCE) {
            self.write_records(records);
        }
    }

    fn write_records(&mut self, records: &[Record]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        self.push_gap(&mut lines);
        for record in records {
            self.count(record);
            self.push_line(&mut lines, record);
        }
        if !lines.is_empty() {
            match self.append(&lines) {
                Ok(()) => self.missing = 0,
                Err(error) => self.lose(records.len() as u64, &describe(&error)),
            }
        }
        self.lines = lines;
        for record in records {
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

    fn push_line(&mut self, lines: &mut Vec<u8>, record: &Record) {
        let mut line = Vec::with_capacity(LINE);
        let written = serde_json::to_writer(&mut line, record).is_ok();
        let Some(line) = String::from_utf8(line).ok().filter(|_| written) else {
            self.lose(1, "a record could not be written as JSON");
            return;
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
        }
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
        self.push_line(&mut lines, &end);
        if let Err(error) = self.append(&lines) {
            self.cause = Some(describe(&error));
        }
        self.show(&end);
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
