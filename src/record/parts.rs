//! The files of one trace: the one that is written, and the one before it if the trace is bounded.

use super::file;
use super::writer::Store;
use super::{Place, RecordError};
use crate::trace::Part;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the file before the last one of a bounded trace lies: `trace.1.jsonl` beside `trace.jsonl`.
#[must_use]
pub fn earlier_part(path: &Path) -> PathBuf {
    match path.extension() {
        Some(extension) => {
            let mut end = std::ffi::OsString::from("1.");
            end.push(extension);
            path.with_extension(end)
        }
        None => path.with_extension("1"),
    }
}

/// The file that is written; it is locked for as long as this lives.
pub(super) struct TraceFile {
    path: PathBuf,
    file: File,
    /// How long the file before it is, if that is ours.
    earlier: Option<u64>,
}

impl TraceFile {
    /// A new file; of a bounded trace also the place of its earlier part has to be free.
    pub(super) fn create(path: &Path, bounded: bool) -> Result<Self, RecordError> {
        let earlier = earlier_part(path);
        if bounded && fs::symlink_metadata(&earlier).is_ok() {
            return Err(RecordError::NotEmpty { path: earlier });
        }
        Ok(Self { path: path.to_owned(), file: file::create(path)?, earlier: None })
    }

    /// Whether our file is the one that this name stands for.
    fn is_at(&self, path: &Path) -> bool {
        let same = |ours: fs::Metadata, theirs: fs::Metadata| (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino());
        let theirs = fs::symlink_metadata(path);
        self.file.metadata().ok().zip(theirs.ok()).is_some_and(|(ours, theirs)| same(ours, theirs))
    }

    fn is_in_place(&self) -> bool {
        self.is_at(&self.path)
    }

    /// The name that our file has by now, where the system knows it.
    fn present_name(&self) -> Option<PathBuf> {
        let name = fs::read_link(format!("/proc/self/fd/{}", self.file.as_raw_fd())).ok()?;
        self.is_at(&name).then_some(name)
    }

    /// Makes the present file the earlier part, and goes on in a new one under the usual name.
    fn give_way(&mut self, first_line: &[u8]) -> io::Result<()> {
        if !self.is_in_place() || !self.may_be_earlier() {
            return Err(taken());
        }
        let (next, made) = self.prepare(first_line)?;
        let turned = self.step_aside().and_then(|()| fs::rename(&next, &self.path));
        if turned.is_err() {
            let _ = fs::remove_file(&next);
        }
        turned?;
        self.file = made;
        Ok(())
    }

    /// Whether the name of the earlier part is free, or that of a file which may make way.
    fn may_be_earlier(&self) -> bool {
        fs::symlink_metadata(earlier_part(&self.path)).map_or(true, |there| self.earlier.is_some() && !there.is_dir())
    }

    /// A file with this content and without the name yet.
    fn prepare(&self, first_line: &[u8]) -> io::Result<(PathBuf, File)> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".next");
        let next = PathBuf::from(name);
        // A process that was killed in between has left it.
        if file::open_left_behind(&next).is_some() {
            fs::remove_file(&next)?;
        }
        let mut made = file::create(&next).map_err(RecordError::into_io)?;
        match made.write_all(first_line) {
            Ok(()) => Ok((next, made)),
            Err(error) => {
                let _ = fs::remove_file(&next);
                Err(error)
            }
        }
    }

    /// Gives the present file the name of the earlier part.
    fn step_aside(&mut self) -> io::Result<()> {
        let earlier = earlier_part(&self.path);
        if self.earlier.is_some() {
            fs::remove_file(&earlier).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?;
        }
        // A link and not a new name, so that there is a trace under the usual one at any time.
        fs::hard_link(&self.path, &earlier).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(error),
            // Not every file system has links.
            _ => fs::rename(&self.path, &earlier),
        })?;
        self.earlier = Some(self.file.metadata()?.len());
        Ok(())
    }
}

impl Store for TraceFile {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        // What somebody else has truncated is not filled up with zeros.
        if self.file.metadata()?.len() <= length { Ok(()) } else { self.file.set_len(length) }
    }

    fn harm(&self, length: u64) -> Option<Because> {
        let metadata = self.file.metadata().ok()?;
        match metadata.nlink() {
            0 => Some(Because::Removed),
            _ => (metadata.len() < length).then_some(Because::Truncated),
        }
    }

    fn is_taken_away(&self) -> bool {
        fs::symlink_metadata(&self.path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    fn turn(&mut self, first_line: &[u8]) -> io::Result<Because> {
        match self.give_way(first_line) {
            Ok(()) => return Ok(Because::Full),
            // It has another name, perhaps since a moment ago.
            Err(_) if self.is_taken_away() => {}
            Err(error) => return Err(error),
        }
        let stepped_aside = self.is_at(&earlier_part(&self.path));
        let because = self.harm(0).unwrap_or(if stepped_aside { Because::Full } else { Because::Renamed });
        self.begin_anew(first_line, because).map(|()| because)
    }

    fn begin_anew(&mut self, first_line: &[u8], because: Because) -> io::Result<()> {
        if because == Because::Truncated {
            self.file.set_len(0)?;
            return self.file.write_all(first_line).inspect_err(|_| drop(self.file.set_len(0)));
        }
        // Nobody finds what was removed, and a disk that is full has its room back only with that gone.
        if because == Because::Removed {
            let _ = self.file.set_len(0);
        }
        let mut made = file::create(&self.path).map_err(|error| match fs::symlink_metadata(&self.path) {
            Ok(_) => taken(),
            Err(_) => error.into_io(),
        })?;
        // A part of the line would be taken for somebody's file the next time.
        made.write_all(first_line).inspect_err(|_| drop(made.set_len(0)))?;
        self.file = made;
        Ok(())
    }

    fn has_earlier(&self) -> bool {
        let there = fs::symlink_metadata(earlier_part(&self.path));
        self.earlier.is_none_or(|length| there.is_ok_and(|there| there.is_file() && there.len() >= length))
    }

    fn place(&self) -> Place {
        match (self.is_in_place(), self.harm(0)) {
            (true, _) => Place::AsNamed,
            (false, Some(_)) => Place::Gone,
            (false, None) => Place::Renamed(self.present_name()),
        }
    }
}

/// Something else stands where one of our files would.
fn taken() -> io::Error {
    io::ErrorKind::AlreadyExists.into()
}

/// Why a trace goes on in another file, or in its own from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// It has the size that it may have.
    Full,
    /// Somebody has removed it.
    Removed,
    /// Somebody has cut something off.
    Truncated,
    /// Somebody has given it another name.
    Renamed,
}

/// How the records of a trace are spread over its files.
#[derive(Default)]
pub(super) struct Parts {
    /// All records so far, whether they could be written or not.
    pub(super) records: u64,
    /// Of those the ones that could not be written.
    pub(super) lost: u64,
    number: u64,
    /// Records that were written before the present file.
    before: u64,
    /// Records in the earlier part, which makes way next.
    earlier: u64,
    /// Records in files that are no more.
    gone: u64,
}

/// What was counted already and is told of in the next file.
#[derive(Clone, Copy)]
pub(super) struct Carried {
    /// Records that were lost.
    pub(super) missing: u64,
    /// Records that will be written.
    pub(super) written: u64,
}

impl Parts {
    /// What the head of the next file says.
    pub(super) fn next(&self, Carried { missing, written }: Carried) -> Part {
        let before = self.records.saturating_sub(missing).saturating_sub(written);
        Part { number: self.number + 2, before }
    }

    /// The next file has been begun. Gives how many records went with files that are no more.
    pub(super) fn turned(&mut self, carried: Carried, because: Because) -> u64 {
        let present = self.present(carried.written);
        let dropped = match because {
            Because::Full => std::mem::replace(&mut self.earlier, present),
            Because::Removed | Because::Truncated => std::mem::take(&mut self.earlier) + present,
            Because::Renamed => 0,
        };
        self.number += 1;
        self.before += present;
        self.gone += dropped;
        dropped
    }

    /// Somebody has removed the earlier part.
    pub(super) fn earlier_is_gone(&mut self) {
        self.gone += std::mem::take(&mut self.earlier);
    }

    /// Records in the present file, but for the last ones that wait for the next.
    fn present(&self, waiting: u64) -> u64 {
        self.records.saturating_sub(self.lost).saturating_sub(waiting).saturating_sub(self.before)
    }

    /// Records that no file has: lost, or dropped with a file.
    pub(super) fn not_there(&self) -> u64 {
        self.gone + self.lost
    }
}
