//! Reading a trace back, line by line; also one that goes on in a second file, when both are read as one input.

use super::format::{FormatError, FormatVersion};
use super::record::{Gap, Record, TraceHead};
use crate::redact::{Redacted, reread};
use std::io::{self, BufRead};

/// Longest line that is read; a longer one is not one of ours.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// Reads records one after the other, without holding more than one line.
pub struct Reader<R> {
    input: R,
    line: u64,
    head: TraceHead,
    /// The part that is being read.
    part: u64,
    /// What came before the first part that is there.
    before: Option<Gap>,
    buffer: Vec<u8>,
}

/// What stands on the next line.
#[derive(Debug)]
pub enum Line {
    /// A record.
    Record(Record),
    /// A line in the middle that could not be read; reading goes on behind it.
    Broken {
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it, without any of its bytes.
        why: String,
    },
    /// The last line is not whole: the writer was killed while it wrote.
    Torn {
        /// Number of the line, from 1.
        line: u64,
    },
}

/// Why a file is not a trace that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("line {line}: {source}")]
    Io {
        /// Number of the line, from 1.
        line: u64,
        /// What it said.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("the file is empty; a trace begins with a line that names its format")]
    Empty,
    /// The first line is not that of a trace.
    #[error(
        "line 1 is not the head of a trace (expected a JSON object with \"record\":\"trace\" and \"format\":\"authtrace/1.0\")"
    )]
    NotATrace,
    /// A newer version wrote it.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// When it is not the head of a trace that this version can read.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let mut buffer = Vec::new();
        if fill(&mut input, &mut buffer).map_err(|source| ReadError::Io { line: 1, source })? == 0 {
            return Err(ReadError::Empty);
        }
        let probe: serde_json::Value = serde_json::from_slice(&buffer).map_err(|_| ReadError::NotATrace)?;
        check_version(&probe)?;
        let named = probe.get("intercept").and_then(serde_json::Value::as_array);
        reread::show_hosts(named.into_iter().flatten().filter_map(serde_json::Value::as_str));
        match serde_json::from_slice(&buffer) {
            Ok(Record::Trace(head)) => {
                let (part, before) = (head.part_number(), earlier_parts(&head));
                Ok(Self { input, line: 1, head: *head, part, before, buffer })
            }
            _ => Err(ReadError::NotATrace),
        }
    }

    /// The first line.
    #[must_use]
    pub fn head(&self) -> &TraceHead {
        &self.head
    }

    /// The next line, or `None` at the end.
    ///
    /// # Errors
    /// When the operating system refuses to read.
    pub fn next_line(&mut self) -> Result<Option<Line>, ReadError> {
        if let Some(gap) = self.before.take() {
            return Ok(Some(Line::Record(Record::Gap(gap))));
        }
        loop {
            self.line += 1;
            let line = self.line;
            self.buffer.clear();
            let read = fill(&mut self.input, &mut self.buffer).map_err(|source| ReadError::Io { line, source })?;
            if read == 0 {
                return Ok(None);
            }
            let whole = self.buffer.last() == Some(&b'\n');
            if self.buffer.trim_ascii().is_empty() {
                continue;
            }
            return Ok(Some(match serde_json::from_slice(&self.buffer) {
                Ok(Record::Trace(head)) if self.goes_on_with(&head) => continue,
                Ok(record) => Line::Record(record),
                Err(_) if !whole => Line::Torn { line },
                Err(_) if self.is_of_a_newer_kind() => continue,
                Err(error) => Line::Broken { line, why: describe(&error) },
            }));
        }
    }
}

impl<R> Reader<R> {
    /// Whether the next part begins here.
    fn goes_on_with(&mut self, head: &TraceHead) -> bool {
        let next = head.started == self.head.started && head.part_number() == self.part + 1;
        self.part += u64::from(next);
        next
    }

    /// A newer minor version may have kinds of records that this one does not know; they are skipped.
    fn is_of_a_newer_kind(&self) -> bool {
        const KNOWN: [&str; 7] = ["trace", "connection", "request", "exchange", "gap", "note", "end"];
        #[derive(serde::Deserialize)]
        struct Kind {
            record: String,
        }
        self.head.format.minor > FormatVersion::CURRENT.minor
            && serde_json::from_slice(&self.buffer).is_ok_and(|kind: Kind| !KNOWN.contains(&kind.record.as_str()))
    }
}

/// What is told of the parts before the first that is there.
fn earlier_parts(head: &TraceHead) -> Option<Gap> {
    let lost = head.part.as_ref().map_or(0, |part| part.before);
    let cause = Redacted::literal("they stood in earlier files of this trace");
    (lost > 0).then_some(Gap { at: head.started, lost, cause })
}

fn fill(input: &mut impl BufRead, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let read = io::Read::take(&mut *input, LONGEST_LINE).read_until(b'\n', buffer)?;
    if read as u64 == LONGEST_LINE && buffer.last() != Some(&b'\n') {
        skip_line(input)?;
    }
    Ok(read)
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(());
        }
        match memchr::memchr(b'\n', available) {
            Some(at) => {
                input.consume(at + 1);
                return Ok(());
            }
            None => {
                let all = available.len();
                input.consume(all);
            }
        }
    }
}

fn check_version(probe: &serde_json::Value) -> Result<(), ReadError> {
    let named = probe.get("format").cloned().ok_or(ReadError::NotATrace)?;
    let version: super::FormatVersion = serde_json::from_value(named).map_err(|_| ReadError::NotATrace)?;
    Ok(version.check_readable()?)
}

/// serde's messages may quote the input; only the place and the class are passed on.
fn describe(error: &serde_json::Error) -> String {
    let class = match error.classify() {
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Eof => "ends too early",
        serde_json::error::Category::Data => "not a record of this format",
        serde_json::error::Category::Io => "cannot be read",
    };
    format!("{class} (column {})", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"record":"trace","format":"authtrace/1.0","tool":"authtrace 0.1.0","os":"linux x86_64","started":"2026-01-01T00:00:00.000Z","intercept":["gateway.corp.example"]}"#;

    fn lines(text: &str) -> Vec<Line> {
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        std::iter::from_fn(|| reader.next_line().unwrap()).collect()
    }

    #[test]
    fn a_host_that_the_user_had_read_is_shown() {
        let reader = Reader::new(HEAD.as_bytes()).unwrap();
        assert_eq!(reader.head().intercept[0].as_str(), "gateway.corp.example");
    }

    #[test]
    fn what_is_not_a_trace_is_told_apart() {
        assert!(matches!(Reader::new(b"".as_slice()), Err(ReadError::Empty)));
        assert!(matches!(Reader::new(b"GIF89a".as_slice()), Err(ReadError::NotATrace)));
        assert!(matches!(Reader::new(b"{\"record\":\"end\"}".as_slice()), Err(ReadError::NotATrace)));
        let newer = HEAD.replace("authtrace/1.0", "authtrace/2.0");
        assert!(matches!(Reader::new(newer.as_bytes()), Err(ReadError::Format(_))));
    }

    #[test]
    fn a_kind_of_a_newer_minor_version_is_skipped_and_one_of_our_own_is_broken() {
        let text = format!("{HEAD}\n{{\"record\":\"verdict\"}}\n");
        assert!(matches!(lines(&text).as_slice(), [Line::Broken { line: 2, .. }]));
        assert!(lines(&text.replace("authtrace/1.0", "authtrace/1.1")).is_empty());
    }

    fn part(number: u64, before: u64) -> String {
        HEAD.replace('}', &format!(r#","part":{{"number":{number},"before":{before}}}}}"#))
    }

    #[test]
    fn parts_in_their_order_are_one_trace_and_what_came_before_them_is_a_gap() {
        let end = r#"{"record":"end","connections":0,"exchanges":0,"lost":0}"#;
        let (second, third) = (part(2, 7), part(3, 9));
        assert!(matches!(lines(&format!("{HEAD}\n{second}\n{end}\n")).as_slice(), [Line::Record(Record::End(_))]));
        let late = lines(&format!("{second}\n\n{third}\n{end}\n"));
        let [Line::Record(Record::Gap(gap)), Line::Record(Record::End(_))] = late.as_slice() else {
            panic!("{late:?}")
        };
        assert_eq!(gap.lost, 7);
        // What does not follow is no part of it.
        let strange = lines(&format!("{HEAD}\n{third}\n"));
        assert!(matches!(strange.as_slice(), [Line::Record(Record::Trace(_))]), "{strange:?}");
    }

    #[test]
    fn a_broken_line_costs_itself_and_a_torn_one_is_the_last() {
        let gap = r#"{"record":"gap","at":"2026-01-01T00:00:00.000Z","lost":1,"cause":"test"}"#;
        let text = format!("{HEAD}\n{{\"FAKE-secret\":\n\n{gap}\n{}", &gap[..20]);
        let lines = lines(&text);
        let [Line::Broken { line: 2, why }, Line::Record(Record::Gap(_)), Line::Torn { line: 5 }] = lines.as_slice()
        else {
            panic!("{lines:?}")
        };
        assert!(!why.contains("FAKE"), "{why}");
    }
}
