//! The document around the entries: walked through, not held.

use super::capture::Capture;
use super::json::Json;
use super::mend;
use super::scan::{Buffer, Cursor, Kept, Position, Stop};
use crate::import::ImportError;
use std::io::BufRead;

/// Keys of a wrong outermost level that tell what was meant.
#[derive(Default)]
struct Shape {
    entries: bool,
    request: bool,
    record: bool,
}

/// Reads the whole document into `capture`.
pub(super) fn read(input: impl BufRead, capture: &mut Capture) -> Result<(), ImportError> {
    let mut cursor = Cursor::new(input);
    match cursor.peek() {
        Err(Stop::End) => return Err(ImportError::Empty),
        Err(Stop::Io(source)) => return Err(ImportError::Io { line: cursor.position().line, source }),
        Ok(b'{') => {}
        Ok(b'[') => return Err(not_har(cursor.position(), BARE_LIST)),
        Ok(_) => return Err(not_har(cursor.position(), NO_OBJECT)),
    }
    let start = cursor.position();
    let mut walk = Walk {
        cursor: &mut cursor,
        capture,
        raw: Buffer::default(),
        log: false,
        entries: false,
        told: false,
        shape: Shape::default(),
    };
    let ended = walk.outermost();
    let Walk { log, entries, told, shape, .. } = walk;
    match ended {
        Err(Stop::Io(source)) => Err(ImportError::Io { line: cursor.position().line, source }),
        Ok(()) | Err(Stop::End) if !log => Err(not_har(start, shape.advice())),
        Ok(()) => {
            if !entries {
                capture.unread(start, "this HAR has no list \"entries\" in its \"log\"");
            }
            Ok(())
        }
        Err(Stop::End) if told => Ok(()),
        Err(Stop::End) => {
            capture.unread(cursor.position(), "the file ends here, before the HAR does; what came before was read");
            Ok(())
        }
    }
}

const BARE_LIST: &str = "a list, where a HAR is an object; if these are its entries, put {\"log\":{\"version\":\"1.2\",\"entries\": in front and }} behind";
const NO_OBJECT: &str =
    "not JSON; a HAR begins with { and holds an object \"log\" (browsers: Network panel, Save all as HAR)";

impl Shape {
    fn advice(&self) -> &'static str {
        if self.entries {
            "\"entries\" stands on the outermost level; a HAR has it inside \"log\": {\"log\": … }"
        } else if self.request {
            "this is a single entry; a HAR holds entries in \"log\": put {\"log\":{\"version\":\"1.2\",\"entries\":[ in front and ]}} behind"
        } else if self.record {
            "this looks like a line of a trace whose first line is missing"
        } else {
            "JSON, but no HAR: an object \"log\" was expected on the outermost level"
        }
    }
}

struct Walk<'a, R> {
    cursor: &'a mut Cursor<R>,
    capture: &'a mut Capture,
    raw: Buffer,
    /// Whether there is a `log`.
    log: bool,
    /// Whether there is a list of entries in it.
    entries: bool,
    /// Whether it has been said that the file ends too early.
    told: bool,
    shape: Shape,
}

impl<R: BufRead> Walk<'_, R> {
    fn outermost(&mut self) -> Result<(), Stop> {
        self.object(|walk, key| match key {
            "log" if walk.cursor.peek()? == b'{' => {
                walk.log = true;
                walk.object(Self::log_field)
            }
            other => {
                walk.shape.entries |= other == "entries";
                walk.shape.request |= other == "request";
                walk.shape.record |= other == "record";
                walk.skip()
            }
        })
    }

    fn log_field(&mut self, key: &str) -> Result<(), Stop> {
        match key {
            "creator" => {
                if let Some(creator) = self.value()? {
                    self.capture.creator(&creator);
                }
                Ok(())
            }
            "_authtrace" => {
                if let Some(own) = self.value()? {
                    self.capture.own_records(&own);
                }
                Ok(())
            }
            "entries" if self.cursor.peek()? == b'[' => {
                self.entries = true;
                self.entries()
            }
            _ => self.skip(),
        }
    }

    fn entries(&mut self) -> Result<(), Stop> {
        self.cursor.take(b'[')?;
        while !self.cursor.take(b']')? {
            let at = self.next_position()?;
            match self.cursor.value(&mut self.raw) {
                Ok(Kept::Whole) => self.entry(at),
                Ok(Kept::TooLarge) => self.capture.unread(at, "this entry is larger than 256 MiB and was left out"),
                Err(Stop::End) => {
                    self.capture.unread(
                        at,
                        "this entry is not whole: the file ends inside it; the entries before it were read",
                    );
                    self.told = true;

                    return Err(Stop::End);
                }
                Err(stop) => return Err(stop),
            }
            if !self.cursor.take(b',')? && self.cursor.peek()? != b']' {
                self.capture.unread(self.cursor.position(), "a comma or ] was expected here");
                // A stray bracket or colon would stand still for ever.
                if self.raw.bytes().is_empty() {
                    self.cursor.pass()?;
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, at: Position) {
        match parse(self.raw.bytes()) {
            Ok(entry) => self.capture.entry(&entry, at),
            Err(error) => {
                let at = at.moved(error.line(), error.column());
                self.capture.unread(at, "this entry is not valid JSON from here on and was left out");
            }
        }
    }

    /// Calls `field` with every key of the object that comes next; it has to take the value.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &str) -> Result<(), Stop>) -> Result<(), Stop> {
        self.cursor.take(b'{')?;
        while !self.cursor.take(b'}')? {
            let at = self.next_position()?;
            self.cursor.value(&mut self.raw)?;
            let key = serde_json::from_slice::<String>(self.raw.bytes()).ok();
            if !self.cursor.take(b':')? {
                self.capture.unread(at, "a name and a colon were expected here");
                if self.raw.bytes().is_empty() {
                    self.cursor.pass()?;
                }
                continue;
            }
            field(self, key.as_deref().unwrap_or_default())?;
            self.cursor.take(b',')?;
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Option<Json>, Stop> {
        let at = self.next_position()?;
        let kept = self.cursor.value(&mut self.raw)?;
        let read = (kept == Kept::Whole).then(|| parse(self.raw.bytes()).ok()).flatten();
        if read.is_none() {
            self.capture.unread(at, "this value could not be read");
        }
        Ok(read)
    }

    fn skip(&mut self) -> Result<(), Stop> {
        self.cursor.value(&mut self.raw).map(|_| ())
    }

    fn next_position(&mut self) -> Result<Position, Stop> {
        self.cursor.peek()?;
        Ok(self.cursor.position())
    }
}

/// Reads a value; what is wrong with its text in ways that can be mended is mended.
fn parse(raw: &[u8]) -> Result<Json, serde_json::Error> {
    Json::read(raw).or_else(|error| match mend::mended(raw) {
        Some(mended) => Json::read(&mended).map_err(|_| error),
        None => Err(error),
    })
}

fn not_har(at: Position, expected: &'static str) -> ImportError {
    ImportError::NotHar { line: at.line, column: at.column, expected }
}
