//! A record as a line of text, searched once more for what must not be written; and what the writing threads share.

use crate::redact::{self, Redacted, Redactor};
use crate::trace::{self, Note, NoteKind, Record, Timestamp};
use std::io;

/// Records that there is always room for; what a burst took beyond is given back.
pub(super) const KEPT: usize = 1_024;

/// Why a record has no line.
pub(super) const NO_LINE: &str = "a record could not be redacted and written because of an internal error";

/// A note with this text makes the redactor panic, in tests alone.
#[cfg(test)]
pub(super) const PANIC: &str = "panic in the redactor";

/// What became of a record.
pub(super) enum Pushed {
    /// It stands as it is.
    Whole,
    /// Something in it had to be masked, and a note behind it says so. This is what it says now, if that is a record still.
    Masked(Option<Box<Record>>),
}

/// Adds the line of `record`. None: it has none, or making it panicked, and nothing was added.
pub(super) fn push(redactor: &Redactor, lines: &mut Vec<u8>, record: &Record) -> Option<Pushed> {
    let begin = lines.len();
    let pushed = redact::guard(|| try_push(redactor, lines, record)).flatten();
    if pushed.is_none() {
        lines.truncate(begin);
    }
    pushed
}

fn try_push(redactor: &Redactor, lines: &mut Vec<u8>, record: &Record) -> Option<Pushed> {
    #[cfg(test)]
    assert!(!matches!(record, Record::Note(note) if note.text.as_str() == PANIC), "injected");
    let begin = lines.len();
    trace::write(record, lines).ok()?;
    let line = lines.get(begin..)?;
    let sealed = (!redactor.is_clean(line)).then(|| redactor.seal(String::from_utf8_lossy(line).into_owned()));
    let Some(sealed) = sealed.filter(|sealed| sealed.hits() > 0) else {
        lines.push(b'\n');
        return Some(Pushed::Whole);
    };
    lines.truncate(begin);
    lines.extend_from_slice(sealed.text().as_bytes());
    lines.push(b'\n');
    let note = Record::Note(Note {
        at: Timestamp::now(),
        kind: NoteKind::Masked,
        text: Redacted::literal("a value known to be a credential was masked in the record before this one"),
    });
    if let Ok(note) = serde_json::to_vec(&note) {
        lines.extend_from_slice(&note);
        lines.push(b'\n');
    }
    Some(Pushed::Masked(serde_json::from_str(sealed.text()).ok()))
}

/// What those who read along are shown of a record that has no line.
pub(super) fn dropped() -> Record {
    let text = Redacted::literal(NO_LINE);
    Record::Note(Note { at: Timestamp::now(), kind: NoteKind::RedactionFailed, text })
}

/// The class of the failure; the message of an `io::Error` from a write names no content.
pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".to_owned(),
        io::ErrorKind::FileTooLarge => "the trace has the size that the system allows a file (ulimit -f)".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory => {
            "something else has the name of the trace, or that of the part before it".to_owned()
        }
        kind => format!("the trace could not be written ({kind})"),
    }
}
