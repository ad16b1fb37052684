//! JSON as it comes, cut into values without being understood: only one value is held at a time.

use std::io::{self, BufRead};
use zeroize::{Zeroize as _, Zeroizing};

/// Largest entry that is held, in bytes; a larger one is passed over.
const LARGEST: usize = 256 * 1024 * 1024;

/// Why the input ended where more was expected.
#[derive(Debug)]
pub(super) enum Stop {
    /// It ends.
    End,
    /// The operating system refused.
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        // A compressed stream that is cut off says so; for a reader that is an end like any other.
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::End } else { Self::Io(error) }
    }
}

/// A place in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Position {
    /// The place `line` and `column` (from 1) of a value that begins here.
    pub(super) fn moved(self, line: usize, column: usize) -> Self {
        let (line, column) = (line as u64, column as u64);
        match line {
            0 | 1 => Self { line: self.line, column: self.column + column.saturating_sub(1) },
            _ => Self { line: self.line + line - 1, column },
        }
    }
}

/// Whether a value was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Whole,
    TooLarge,
}

/// Walks through JSON text.
pub(super) struct Cursor<R> {
    input: R,
    at: Position,
}

impl<R: BufRead> Cursor<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, at: Position { line: 1, column: 1 } }
    }

    /// Where the next byte stands.
    pub(super) fn position(&self) -> Position {
        self.at
    }

    /// The next byte that is no white space; it stays.
    pub(super) fn peek(&mut self) -> Result<u8, Stop> {
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return Err(Stop::End);
            }
            match chunk.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
                Some(at) => {
                    let byte = chunk.get(at).copied().unwrap_or_default();
                    self.advance(at);
                    return Ok(byte);
                }
                None => {
                    let all = chunk.len();
                    self.advance(all);
                }
            }
        }
    }

    /// Takes the next byte if it is `wanted`.
    pub(super) fn take(&mut self, wanted: u8) -> Result<bool, Stop> {
        let there = self.peek()? == wanted;
        if there {
            self.advance(1);
        }
        Ok(there)
    }

    /// Passes over the next byte.
    pub(super) fn pass(&mut self) -> Result<(), Stop> {
        self.peek()?;
        self.advance(1);
        Ok(())
    }

    /// Takes one value into `into`, whatever it is; brackets are counted, nothing else is checked.
    pub(super) fn value(&mut self, into: &mut Buffer) -> Result<Kept, Stop> {
        into.clear();
        self.peek()?;
        let mut scan = Scan::default();
        let mut kept = Kept::Whole;
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return if scan.is_bare() && !into.0.is_empty() { Ok(kept) } else { Err(Stop::End) };
            }
            let (len, done) = scan.advance(chunk);
            let part = chunk.get(..len).unwrap_or_default();
            if kept == Kept::Whole && !into.push(part) {
                kept = Kept::TooLarge;
                into.clear();
            }
            self.advance(len);
            if done {
                return Ok(kept);
            }
        }
    }

    fn advance(&mut self, len: usize) {
        if let Ok(chunk) = self.input.fill_buf() {
            let passed = chunk.get(..len).unwrap_or(chunk);
            let rest = match memchr::memrchr(b'\n', passed) {
                Some(last) => {
                    self.at.line += memchr::memchr_iter(b'\n', passed).count() as u64;
                    self.at.column = 1;
                    passed.get(last + 1..).unwrap_or_default()
                }
                None => passed,
            };
            // Bytes that continue a character of UTF-8 are no columns.
            self.at.column += rest.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64;
        }
        self.input.consume(len);
    }
}

/// Finds the end of a value.
#[derive(Default)]
struct Scan {
    depth: u64,
    inside: Inside,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Start,
    Nothing,
    Bare,
    Text,
    Escape,
}

impl Scan {
    fn is_bare(&self) -> bool {
        self.depth == 0 && self.inside == Inside::Bare
    }

    /// How many bytes of `chunk` belong to the value, and whether it ends with them.
    fn advance(&mut self, chunk: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            match self.inside {
                Inside::Text => {
                    let rest = chunk.get(at..).unwrap_or_default();
                    let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
                        return (chunk.len(), false);
                    };
                    at += found + 1;
                    if rest.get(found) == Some(&b'\\') {
                        self.inside = Inside::Escape;
                    } else {
                        self.inside = Inside::Nothing;
                        if self.depth == 0 {
                            return (at, true);
                        }
                    }
                    continue;
                }
                Inside::Escape => self.inside = Inside::Text,
                Inside::Start | Inside::Nothing | Inside::Bare => match byte {
                    b'"' => self.inside = Inside::Text,
                    b'{' | b'[' => {
                        self.depth += 1;
                        self.inside = Inside::Nothing;
                    }
                    b'}' | b']' => {
                        if self.depth == 0 {
                            return (at, true);
                        }
                        self.depth -= 1;
                        if self.depth == 0 {
                            return (at + 1, true);
                        }
                    }
                    b',' | b' ' | b'\t' | b'\n' | b'\r' if self.depth == 0 => return (at, true),
                    _ if self.depth == 0 => self.inside = Inside::Bare,
                    _ => {}
                },
            }
            at += 1;
        }
        (at, false)
    }
}

/// The raw text of one value, wiped before it is given up.
#[derive(Default)]
pub(super) struct Buffer(Zeroizing<Vec<u8>>);

impl Buffer {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn clear(&mut self) {
        self.0.zeroize();
    }

    /// Whether there was room for `part`. Growing leaves no copy behind.
    fn push(&mut self, part: &[u8]) -> bool {
        let len = self.0.len() + part.len();
        if len > LARGEST {
            return false;
        }
        if len > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(len.next_power_of_two().max(16 * 1024)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(part);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The values of an array, read through a buffer of `room` bytes.
    fn items(text: &[u8], room: usize) -> Vec<String> {
        let mut cursor = Cursor::new(io::BufReader::with_capacity(room, text));
        let mut buffer = Buffer::default();
        let mut items = Vec::new();
        assert!(cursor.take(b'[').unwrap());
        loop {
            cursor.value(&mut buffer).unwrap();
            items.push(String::from_utf8(buffer.bytes().to_vec()).unwrap());
            if !cursor.take(b',').unwrap() {
                return items;
            }
        }
    }

    #[test]
    fn values_are_cut_where_they_end() {
        let text = br#"[ {"a":"]}\"","b":[1,2]}, "x,\\" ,12, null,[[]],"" ]"#;
        let want = [r#"{"a":"]}\"","b":[1,2]}"#, r#""x,\\""#, "12", "null", "[[]]", "\"\""];
        for room in [1, 2, 3, 7, 4096] {
            assert_eq!(items(text, room), want, "{room}");
        }
    }

    #[test]
    fn positions_count_lines_and_characters() {
        let mut cursor = Cursor::new("\n\n \"é\"  x".as_bytes());
        cursor.value(&mut Buffer::default()).unwrap();
        cursor.peek().unwrap();
        assert_eq!(cursor.position(), Position { line: 3, column: 7 });
    }

    proptest! {
        #[test]
        fn any_json_is_cut_as_it_was_put_together(
            values in proptest::collection::vec(any::<String>().prop_map(|text| serde_json::json!({"k": [text.clone(), {"n": text}]}).to_string()), 1..5),
            room in 1_usize..40,
        ) {
            prop_assert_eq!(items(format!("[{}]", values.join(" ,\n")).as_bytes(), room), values);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::sample::select(b"{}[]:,\"\\a1 \n".to_vec()), 0..60)) {
            let mut cursor = Cursor::new(bytes.as_slice());
            let mut buffer = Buffer::default();
            for _ in 0..bytes.len() + 1 {
                if cursor.value(&mut buffer).is_err() {
                    break;
                }
                let _ = cursor.take(b',');
            }
        }
    }
}
