//! Event streams followed without being stored (WHATWG HTML §9.2, server-sent events).
//!
//! Lines end with LF, CR or CRLF, wherever chunks are cut. Events are counted by name. Data is held only while it may
//! be that of an error: under the name `error`, `message` or none yet.

use super::json;
use crate::redact::Redactor;
use crate::trace::{EventCount, SseFacts};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of one line, and of one event's data, that are held.
const LONGEST: usize = 64 * 1024;

/// Distinct names that are told apart, and bytes of a name that are compared.
const NAMES: usize = 32;
const NAME: usize = 64;

/// Follows one stream.
pub(super) struct Events {
    /// The start of a line whose end has not come.
    line: Zeroizing<Vec<u8>>,
    /// Whether the rest of the current line is of no interest.
    skipping: bool,
    after_cr: bool,
    at_start: bool,
    name: Name,
    has_data: bool,
    data: Zeroizing<Vec<u8>>,
    error: Option<Zeroizing<Vec<u8>>>,
    names: Vec<(Name, u64)>,
    events: u64,
    first_us: Option<u64>,
    last_us: u64,
    longest_gap_us: u64,
}

#[derive(Clone, PartialEq, Eq)]
struct Name(Option<Box<[u8]>>);

impl Events {
    pub(super) fn new() -> Self {
        Self {
            line: Zeroizing::new(Vec::new()),
            skipping: false,
            after_cr: false,
            at_start: true,
            name: Name(None),
            has_data: false,
            data: Zeroizing::new(Vec::new()),
            error: None,
            names: Vec::new(),
            events: 0,
            first_us: None,
            last_us: 0,
            longest_gap_us: 0,
        }
    }

    /// Follows `bytes`, which arrived at `at_us`.
    pub(super) fn push(&mut self, mut bytes: &[u8], at_us: u64) {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while !bytes.is_empty() {
            let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) else {
                self.hold(bytes);
                return;
            };
            let (head, rest) = bytes.split_at(end);
            self.end_line(head, at_us);
            let is_cr = rest.first() == Some(&b'\r');
            bytes = rest.get(1..).unwrap_or_default();
            if is_cr {
                self.after_cr = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
        }
    }

    /// What was seen, and the data of the first error, also of one that was cut off.
    pub(super) fn finish(mut self, redactor: &Redactor, followed: bool) -> Seen {
        if self.error.is_none() {
            let line = std::mem::take(&mut self.line);
            if !line.is_empty() {
                self.read_line(&line, self.last_us, true);
            }
            if self.is_error() {
                self.error = Some(std::mem::take(&mut self.data));
            }
        }
        let names = self.names.iter().map(|(name, count)| EventCount {
            name: redactor.event_name(&String::from_utf8_lossy(name.0.as_deref().unwrap_or(b"message"))),
            count: *count,
        });
        let facts = SseFacts {
            events: self.events,
            names: names.collect(),
            span_us: self.first_us.map(|first| self.last_us.saturating_sub(first)),
            longest_gap_us: (self.events > 1).then_some(self.longest_gap_us),
            followed,
        };
        Seen { facts, first_us: self.first_us, error: self.error }
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        let room = LONGEST.saturating_sub(self.line.len());
        self.line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let is_data = self.line.starts_with(b"data:");
        if is_data && !self.keeps_data() {
            self.has_data = true;
            self.skipping = true;
            wipe(&mut self.line);
        } else if bytes.len() > room || self.line.starts_with(b":") {
            // What came of it is still a line; the rest of it is not looked at.
            let line = std::mem::take(&mut self.line);
            self.read_line(&line, self.last_us, false);
            self.skipping = true;
        }
    }

    fn end_line(&mut self, tail: &[u8], at_us: u64) {
        if self.skipping {
            self.skipping = false;
        } else if self.line.is_empty() {
            self.read_line(tail, at_us, false);
        } else {
            let mut line = std::mem::take(&mut self.line);
            let room = LONGEST.saturating_sub(line.len());
            line.extend_from_slice(tail.get(..room).unwrap_or(tail));
            self.read_line(&line, at_us, false);
            wipe(&mut line);
            self.line = line;
        }
    }

    fn read_line(&mut self, mut line: &[u8], at_us: u64, cut: bool) {
        if self.at_start {
            self.at_start = false;
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            if !cut {
                self.dispatch(at_us);
            }
            return;
        }
        let colon = memchr::memchr(b':', line.get(..6).unwrap_or(line));
        let (field, value) = match colon {
            Some(at) => (line.get(..at).unwrap_or_default(), line.get(at + 1..).unwrap_or_default()),
            None => (line, b"".as_slice()),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" if !cut => {
                self.name = Name((!value.is_empty()).then(|| value.get(..NAME).unwrap_or(value).into()));
                if !self.keeps_data() {
                    wipe(&mut self.data);
                }
            }
            b"data" => {
                self.has_data = true;
                if self.keeps_data() {
                    let room = LONGEST.saturating_sub(self.data.len());
                    self.data.extend_from_slice(value.get(..room).unwrap_or(value));
                    if self.data.len() < LONGEST {
                        self.data.push(b'\n');
                    }
                }
            }
            _ => {}
        }
    }

    fn keeps_data(&self) -> bool {
        self.error.is_none() && matches!(self.name.0.as_deref(), None | Some(b"error" | b"message"))
    }

    fn is_error(&self) -> bool {
        self.error.is_none() && self.has_data && (self.name.0.as_deref() == Some(b"error") || states_error(&self.data))
    }

    fn dispatch(&mut self, at_us: u64) {
        if self.has_data {
            if self.first_us.is_none() {
                self.first_us = Some(at_us);
            } else {
                self.longest_gap_us = self.longest_gap_us.max(at_us.saturating_sub(self.last_us));
            }
            self.last_us = at_us;
            self.events += 1;
            if self.is_error() {
                self.error = Some(std::mem::take(&mut self.data));
            }
            let name = std::mem::replace(&mut self.name, Name(None));
            if let Some((_, count)) = self.names.iter_mut().find(|(known, _)| *known == name) {
                *count += 1;
            } else if self.names.len() < NAMES {
                self.names.push((name, 1));
            }
        }
        self.name = Name(None);
        self.has_data = false;
        wipe(&mut self.data);
    }
}

/// Empties a buffer. Wiping costs what its capacity is, so that a large one is not kept for the small events to come.
fn wipe(buffer: &mut Zeroizing<Vec<u8>>) {
    if buffer.capacity() > 1024 {
        *buffer = Zeroizing::new(Vec::new());
    } else if !buffer.is_empty() {
        buffer.zeroize();
    }
}

/// What a stream held.
pub(super) struct Seen {
    pub(super) facts: SseFacts,
    pub(super) first_us: Option<u64>,
    pub(super) error: Option<Zeroizing<Vec<u8>>>,
}

/// Whether an event without the name says itself that it is an error.
fn states_error(data: &[u8]) -> bool {
    if memchr::memmem::find(data, b"\"error\"").is_none() {
        return false;
    }
    let mut found = false;
    json::scan(data, &mut |path, value| match value {
        json::Value::Text(text) if path.is(&["type"]) => found |= *text.unescape() == "error",
        json::Value::Object | json::Value::Text(_) if path.is(&["error"]) => found = true,
        _ => {}
    });
    found
}
