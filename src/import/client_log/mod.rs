//! The debug log of Claude Code (`claude --debug-file FILE`).
//!
//! Comes in: its lines (`2026-11-20T11:14:02.123Z [DEBUG] …`). Goes out: a [`ClientLog`] of the few families of lines that
//! concern connections, certificates and credentials, told by how they begin, since their wording changes from version to
//! version. Logs hold prompts, paths, and in some versions tokens: what is not understood is counted and never shown, and
//! of what is understood only numbers, words of closed lists, ids, and the redacted message of an API error are kept. One
//! line is held at a time, and wiped.

mod failure;
mod families;
mod line;
#[cfg(test)]
mod tests;

use super::ImportError;
use crate::redact::Redactor;
use crate::trace::{ClientEvent, ClientLog};
use line::{Level, Line};
use std::io::{self, BufRead};
use zeroize::{Zeroize as _, Zeroizing};

/// The most of a line that is read, in bytes; what is longer is no line that matters here (prompts, tool results).
const LINE: usize = 16 * 1024;
/// The most events that are kept: many days of a client that does nothing but fail.
const EVENTS: usize = 100_000;

/// Reads a debug log to its end. `name` is the name of the file: Claude Code's own logs are named after the session.
///
/// # Errors
/// When no line has the form of a debug log, or the operating system refuses to read it.
pub fn read(mut input: impl BufRead, name: Option<&str>, redactor: &Redactor) -> Result<ClientLog, ImportError> {
    let mut log = ClientLog { session: name.and_then(|name| session(name, redactor)), ..ClientLog::default() };
    let mut buffer = Zeroizing::new(Vec::with_capacity(LINE));
    loop {
        let number = log.lines + 1;
        match next_line(&mut input, &mut buffer) {
            Ok(false) => break,
            Ok(true) => take(&mut log, number, &buffer, redactor),
            Err(source) => return Err(ImportError::Io { line: number, source }),
        }
        buffer.zeroize();
    }
    match log.from {
        Some(_) => Ok(log),
        None if log.lines == 0 => Err(ImportError::Empty),
        None => Err(ImportError::NotClientLog),
    }
}

fn take(log: &mut ClientLog, number: u64, bytes: &[u8], redactor: &Redactor) {
    log.lines = number;
    let Some(line) = Line::parse(bytes) else {
        log.continued += 1;
        return;
    };
    log.from.get_or_insert(line.at);
    log.to = Some(line.at);
    if log.session.is_none() {
        log.session = line.session(redactor);
    }
    match families::recognise(line.text, redactor) {
        Some(_) if log.events.len() >= EVENTS => log.left_out += 1,
        Some(kind) => {
            log.understood += 1;
            log.events.push(ClientEvent { line: number, at: line.at, kind });
        }
        None => log.errors_not_understood += u64::from(line.level == Level::Error),
    }
}

/// The session after which a log is named: `11111111-2222-4333-8444-555555555555.txt`.
fn session(name: &str, redactor: &Redactor) -> Option<crate::redact::Redacted> {
    let stem = name.rsplit(['/', '\\']).next()?.split('.').next()?;
    line::uuid(stem).map(|id| redactor.request_id(id))
}

/// The beginning of the next line, without its end; false at the end of the input. What a cut-off last line holds is
/// read like any other.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    let mut some = false;
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // A compressed file that is cut off says so; that is an end like any other.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(some),
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            return Ok(some);
        }
        some = true;
        let (end, used) = match memchr::memchr(b'\n', chunk) {
            Some(at) => (at, at + 1),
            None => (chunk.len(), chunk.len()),
        };
        let room = LINE.saturating_sub(line.len());
        line.extend_from_slice(chunk.get(..end.min(room)).unwrap_or_default());
        let whole = used > end;
        input.consume(used);
        if whole {
            return Ok(true);
        }
    }
}
