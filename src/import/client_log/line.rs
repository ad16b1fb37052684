//! A line of the log: time, level, text.

use crate::redact::{Redacted, Redactor};
use crate::trace::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    Other,
}

/// A line that begins with a time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    /// None for what continues another line.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = valid(bytes).trim_start_matches('\u{feff}');
        let (stamp, rest) = text.split_once(' ')?;
        let at = stamp.ends_with('Z').then(|| time(stamp)).flatten()?;
        let (level, text) = rest.strip_prefix('[')?.split_once(']')?;
        let level = if level == "ERROR" { Level::Error } else { Level::Other };
        Some(Self { at, level, text: text.trim() })
    }

    /// The session, where a line names it.
    pub(super) fn session(&self, redactor: &Redactor) -> Option<Redacted> {
        const NAMES: [&str; 4] = ["session_id=", "sessionId=", "Session ID: ", "session id: "];
        NAMES.iter().find_map(|name| {
            let (_, rest) = self.text.split_once(name)?;
            uuid(rest.get(..36)?).map(|id| redactor.request_id(id))
        })
    }
}

fn time(stamp: &str) -> Option<Timestamp> {
    let at = OffsetDateTime::parse(stamp, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Timestamp::from_unix_ms)
}

/// What comes before the first byte that is no text.
fn valid(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            bytes.get(..error.valid_up_to()).and_then(|front| std::str::from_utf8(front).ok()).unwrap_or_default()
        }
    }
}

/// The text, if it is a UUID in lower case.
pub(super) fn uuid(text: &str) -> Option<&str> {
    let digits = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let lengths = text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    (lengths && text.split('-').all(digits)).then_some(text)
}
