//! Field lines: the syntax of one, and what the fields of a head say about framing and the connection.

use memchr::memchr2;

use super::{Limits, Refusal, Span};

/// One field line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name as sent, a token.
    pub name: Span,
    /// The value without the white space around it; may be empty, may hold bytes from 0x80 up.
    pub value: Span,
}

/// Reads a section of CRLF-ended field lines, such as the trailers [`Part::End`](super::Part::End) locates; spans count from its start.
///
/// # Errors
/// A malformed line, a bare CR or LF, or more lines than the limit.
pub fn field_lines(section: &[u8], limits: &Limits) -> Result<Vec<Field>, Refusal> {
    let mut fields = Vec::new();
    let mut lines = Lines::default();
    while let Some(line) = lines.next(section)? {
        push(&mut fields, section, line, limits)?;
    }
    if lines.start < section.len() { Err(Refusal::BadFieldLine) } else { Ok(fields) }
}

/// Adds the field of one line, which ends before its CRLF.
pub(super) fn push(fields: &mut Vec<Field>, buf: &[u8], line: Span, limits: &Limits) -> Result<(), Refusal> {
    if fields.len() >= limits.fields {
        return Err(Refusal::TooManyFields);
    }
    match parse(line.of(buf), line.start as usize) {
        Some(field) => fields.push(field),
        None if frames(line.of(buf)) => return Err(Refusal::BadFramingLine),
        None if folds(line.of(buf)) && fields.last().is_some_and(|last| frames(last.name.of(buf))) => {
            return Err(Refusal::BadFramingLine);
        }
        None => return Err(Refusal::BadFieldLine),
    }
    Ok(())
}

/// Whether a line without its CRLF is a field line.
pub(super) fn check(line: &[u8]) -> Result<(), Refusal> {
    match parse(line, 0) {
        Some(_) => Ok(()),
        None if frames(line) => Err(Refusal::BadFramingLine),
        None => Err(Refusal::BadFieldLine),
    }
}

fn parse(line: &[u8], offset: usize) -> Option<Field> {
    let colon = line.iter().position(|&b| !is_token_byte(b))?;
    if colon == 0 || line.get(colon) != Some(&b':') {
        return None;
    }
    let rest = line.get(colon + 1..)?;
    // Without early exit, so that it is done many bytes at a time.
    if rest.iter().fold(false, |bad, &b| bad | (b < 0x20 && b != b'\t') | (b == 0x7f)) {
        return None;
    }
    let is_text = |b: &u8| *b != b' ' && *b != b'\t';
    let value = match rest.iter().position(is_text) {
        Some(first) => {
            let last = rest.iter().rposition(is_text)?;
            (offset + colon + 1 + first, offset + colon + 2 + last)
        }
        None => (offset + line.len(), offset + line.len()),
    };
    Some(Field { name: Span::new(offset, offset + colon), value: Span::new(value.0, value.1) })
}

/// Whether a line, well formed or not, starts with the name of a framing field.
fn frames(line: &[u8]) -> bool {
    [b"content-length".as_slice(), b"transfer-encoding"]
        .iter()
        .any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

fn folds(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// `tchar` of RFC 9110 §5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let marks = b"!#$%&'*+-.^_`|~";
        let mut at = 0;
        while at < marks.len() {
            table[marks[at] as usize] = true;
            at += 1;
        }
        table
    };
    TOKEN[byte as usize]
}

/// Splits a growing buffer into CRLF-ended lines, and looks at no byte twice.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Where the line being read starts.
    pub(super) start: usize,
    /// Up to where that line holds neither CR nor LF.
    pub(super) clean: usize,
}

impl Lines {
    /// The next complete line, without its CRLF; `None` if its end has not arrived.
    pub(super) fn next(&mut self, buf: &[u8]) -> Result<Option<Span>, Refusal> {
        let Some(found) = memchr2(b'\r', b'\n', buf.get(self.clean..).unwrap_or_default()) else {
            self.clean = buf.len().max(self.clean);
            return Ok(None);
        };
        self.clean += found;
        match (buf.get(self.clean), buf.get(self.clean + 1)) {
            (Some(b'\r'), Some(b'\n')) => {
                let line = Span::new(self.start, self.clean);
                self.clean += 2;
                self.start = self.clean;
                Ok(Some(line))
            }
            (Some(b'\r'), None) => Ok(None),
            _ => Err(Refusal::BareLineEnd),
        }
    }
}

/// What the fields of one head say about it as a message.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) host: Option<Span>,
    pub(super) persistent: bool,
    pub(super) upgrade: bool,
    pub(super) expects_continue: bool,
}

impl Meaning {
    pub(super) fn of(buf: &[u8], fields: &[Field], minor_version: u8) -> Result<Self, Refusal> {
        let (mut length, mut coding, mut host) = (None, None, None);
        let (mut close, mut keep_alive, mut upgrade_option, mut upgrade_field, mut expects_continue) =
            (false, false, false, false, false);
        for Field { name, value } in fields {
            let name = name.of(buf);
            // Most names are none of these; their length alone tells.
            match name.len() {
                4 if name.eq_ignore_ascii_case(b"host") => once(&mut host, *value, Refusal::RepeatedHost)?,
                6 if name.eq_ignore_ascii_case(b"expect") => {
                    expects_continue |= has_item(value.of(buf), b"100-continue")
                }
                7 if name.eq_ignore_ascii_case(b"upgrade") => upgrade_field |= !value.is_empty(),
                10 if name.eq_ignore_ascii_case(b"connection") => {
                    close |= has_item(value.of(buf), b"close");
                    keep_alive |= has_item(value.of(buf), b"keep-alive");
                    upgrade_option |= has_item(value.of(buf), b"upgrade");
                }
                14 if name.eq_ignore_ascii_case(b"content-length") => {
                    once(&mut length, *value, Refusal::RepeatedLength)?
                }
                17 if name.eq_ignore_ascii_case(b"transfer-encoding") => once(&mut coding, *value, Refusal::BadCoding)?,
                _ => {}
            }
        }
        let current = minor_version >= 1;
        match (length, coding) {
            (Some(_), Some(_)) => return Err(Refusal::LengthAndCoding),
            (None, Some(coding)) if !coding.of(buf).eq_ignore_ascii_case(b"chunked") => {
                return Err(Refusal::BadCoding);
            }
            (None, Some(_)) if !current => return Err(Refusal::CodingInHttp10),
            _ => {}
        }
        Ok(Self {
            length: length.map(|value| decimal(value.of(buf))).transpose()?,
            chunked: coding.is_some(),
            host,
            persistent: !close && (current || keep_alive),
            upgrade: upgrade_field && upgrade_option && current,
            expects_continue: expects_continue && current,
        })
    }
}

fn once(slot: &mut Option<Span>, value: Span, repeated: Refusal) -> Result<(), Refusal> {
    if slot.replace(value).is_some() { Err(repeated) } else { Ok(()) }
}

/// Whether a comma-separated list holds an item, in any case.
fn has_item(list: &[u8], item: &[u8]) -> bool {
    list.split(|&b| b == b',').any(|each| each.trim_ascii().eq_ignore_ascii_case(item))
}

fn decimal(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::BadLength);
    }
    // 19 digits stay below 2^64.
    Ok(value.iter().fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0')))
}
