//! The file of a flight recorder: one private file of fixed size, written round and round, and traces cut out of it.
//!
//! It begins with the head of a trace, so what a killed process leaves behind can be read as one: the lines that
//! were being overwritten are skipped.

use super::ring::{Extent, Placed, Selection};
use super::{RecordError, file};
use crate::redact::Redacted;
use crate::trace::{Gap, Note, NoteKind, Record, Timestamp, TraceEnd};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How such files are called, so that nobody takes them for finished traces.
const EXTENSION: &str = "ring";
/// The same for traces that are being written.
const UNFINISHED: &str = "new";
/// Longest line that is looked at in what a killed process has left.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

pub(super) struct Spool {
    file: File,
    path: PathBuf,
    /// The first line, at the beginning of the file.
    head: Vec<u8>,
    /// Whether it stays when the recorder ends, to be found by the next.
    stays: bool,
}

impl Spool {
    /// A new file in this folder that begins with this line.
    pub(super) fn create(folder: &Path, head: Vec<u8>) -> Result<Self, RecordError> {
        let path = folder.join(format!("{}.{EXTENSION}", file::stem()));
        let mut file = file::create_readable(&path)?;
        file.write_all(&head).map_err(|source| RecordError::Create { path: path.clone(), source })?;
        Ok(Self { file, path, head, stays: false })
    }

    /// Leaves the file for the next recorder: what matters could not be written out.
    pub(super) fn stay(&mut self) {
        self.stays = true;
    }

    /// Bytes that the first line takes.
    pub(super) fn taken(&self) -> u64 {
        self.head.len() as u64
    }

    /// Writes again what is to stay, and the new line.
    pub(super) fn put(&self, placed: &Placed, line: &[u8]) -> io::Result<()> {
        let mut again = Vec::with_capacity(placed.again.len());
        for (from, to) in &placed.again {
            again.push((self.line(*from)?, *to));
        }
        for (text, to) in again {
            self.file.write_all_at(&text, self.taken() + to)?;
        }
        self.file.write_all_at(line, self.taken() + placed.at)
    }

    fn line(&self, extent: Extent) -> io::Result<Vec<u8>> {
        let mut text = vec![0; usize::try_from(extent.len).unwrap_or(0)];
        self.file.read_exact_at(&mut text, self.taken() + extent.at)?;
        Ok(text)
    }

    /// These lines as a trace is read: the head before them.
    pub(super) fn read<'a>(&'a self, selection: &'a Selection) -> impl BufRead + 'a {
        let lines = selection.elders.iter().chain(&selection.recent);
        BufReader::new(self.head.as_slice().chain(Lines { spool: self, lines, line: io::Cursor::new(Vec::new()) }))
    }

    /// Writes these lines as a whole trace, under a name of its own. `end` is completed with what the trace holds.
    pub(super) fn cut_out(&self, selection: &Selection, name: &Path, end: TraceEnd) -> io::Result<()> {
        let unfinished = name.with_extension(UNFINISHED);
        let written = self.write_trace(selection, &unfinished, end).and_then(|()| fs::rename(&unfinished, name));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn write_trace(&self, selection: &Selection, path: &Path, end: TraceEnd) -> io::Result<()> {
        let file = file::create(path).map_err(io::Error::other)?;
        let mut out = BufWriter::with_capacity(256 * 1024, file);
        out.write_all(&self.head)?;
        for extent in &selection.elders {
            out.write_all(&self.line(*extent)?)?;
        }
        for gap in gaps(selection) {
            write_record(&mut out, &Record::Gap(gap))?;
        }
        for extent in &selection.recent {
            out.write_all(&self.line(*extent)?)?;
        }
        let (connections, exchanges) = (selection.connections, selection.exchanges);
        let lost = end.lost.saturating_add(selection.dropped).saturating_add(selection.told);
        let end = TraceEnd { at: Some(Timestamp::now()), connections, exchanges, lost, ..end };
        write_record(&mut out, &Record::End(end))?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Whoever ends in order has written out what matters.
        if !self.stays {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What is missing between the elders and the rest.
fn gaps(selection: &Selection) -> impl Iterator<Item = Gap> {
    let at = selection.from.unwrap_or_else(Timestamp::now);
    let told = (selection.told, "they are in the trace that the flight recorder wrote before");
    let dropped =
        (selection.dropped, "the flight recorder keeps the last ones, and what tells where credentials come from");
    [told, dropped].into_iter().filter(|(lost, _)| *lost > 0).map(move |(lost, cause)| Gap {
        at,
        lost,
        cause: Redacted::literal(cause),
    })
}

fn write_record(out: &mut impl Write, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

/// Reads line by line from their places.
struct Lines<'a, I> {
    spool: &'a Spool,
    lines: I,
    line: io::Cursor<Vec<u8>>,
}

impl<'a, I: Iterator<Item = &'a Extent>> Read for Lines<'a, I> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.line.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let Some(extent) = self.lines.next() else { return Ok(0) };
            self.line = io::Cursor::new(self.spool.line(*extent)?);
        }
    }
}

/// Makes traces of what killed processes have left in this folder. Gives where they are; what cannot be read is removed.
pub(super) fn recover(folder: &Path) -> Vec<PathBuf> {
    let entries = || fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    // What was being written out is in the ring as well.
    for path in entries().filter(|path| file::is_frozen(path, UNFINISHED)) {
        if file::open_left_behind(&path).is_some() {
            let _ = fs::remove_file(&path);
        }
    }
    let left = entries().filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    left.filter_map(|path| recover_one(&path)).collect()
}

fn recover_one(path: &Path) -> Option<PathBuf> {
    // Whoever is alive holds the lock.
    let left = file::open_left_behind(path)?;
    let name = fresh_name(path);
    let recovered = write_recovered(&left, &name);
    if !matches!(recovered, Ok(true)) {
        let _ = fs::remove_file(&name);
    }
    match recovered {
        Ok(whole) => {
            let _ = fs::remove_file(path);
            whole.then_some(name)
        }
        // No room on the disk, perhaps: the next start tries again.
        Err(_) => None,
    }
}

/// A name beside it for the trace. Several may be recovered within a millisecond.
fn fresh_name(beside: &Path) -> PathBuf {
    let stem = file::stem();
    let name = |number: u32| match number {
        1 => beside.with_file_name(format!("{stem}-recovered.jsonl")),
        number => beside.with_file_name(format!("{stem}-{number}-recovered.jsonl")),
    };
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1))
}

/// False: it held nothing that was worth it.
fn write_recovered(left: &File, name: &Path) -> io::Result<bool> {
    let mut input = BufReader::new(left);
    let mut line = Vec::new();
    (&mut input).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if !matches!(serde_json::from_slice(&line), Ok(Record::Trace(_))) {
        return Ok(false);
    }
    let head = line.clone();
    let mut position = head.len() as u64;
    let mut seen = HashSet::new();
    let mut found: Vec<(Timestamp, u64, u64)> = Vec::new();
    loop {
        line.clear();
        let read = (&mut input).take(LONGEST_LINE).read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            break;
        }
        let whole = if line.ends_with(b"\n") { serde_json::from_slice(&line).ok() } else { None };
        if let Some((time, identity)) = whole.as_ref().and_then(identity)
            && seen.insert(identity)
        {
            found.push((time, position, read));
        }
        position += read;
    }
    if !seen.iter().any(|(kind, _)| *kind == "exchange") {
        return Ok(false);
    }
    found.sort_unstable();
    let mut out = BufWriter::new(file::create(name).map_err(io::Error::other)?);
    out.write_all(&head)?;
    for (_, at, len) in found {
        let mut line = vec![0; usize::try_from(len).unwrap_or(0)];
        left.read_exact_at(&mut line, at)?;
        out.write_all(&line)?;
    }
    let text = Redacted::literal("read from what a flight recorder left that was killed; some of it may be missing");
    write_record(&mut out, &Record::Note(Note { at: Timestamp::now(), kind: NoteKind::Other, text }))?;
    out.flush()?;
    Ok(true)
}

/// When it happened and what makes it one and the same; none: not worth to be kept.
fn identity(record: &Record) -> Option<(Timestamp, (&'static str, u64))> {
    match record {
        Record::Exchange(exchange) => Some((exchange.at, ("exchange", exchange.id))),
        Record::Connection(connection) => Some((connection.opened, ("connection", connection.id))),
        Record::Request(start) => Some((start.at, ("request", start.id))),
        Record::Note(note) => Some((note.at, ("note", u64::try_from(note.at.unix_ms()).unwrap_or(0)))),
        Record::Gap(gap) => Some((gap.at, ("gap", u64::try_from(gap.at.unix_ms()).unwrap_or(0)))),
        Record::Trace(_) | Record::End(_) => None,
    }
}
