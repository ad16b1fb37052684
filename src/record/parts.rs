//! The files of one trace: the one that is written, and the one before it if the trace is bounded.

use super::RecordError;
use super::file;
use super::writer::Store;
use crate::trace::Part;
use std::fs::{self, File};
use std::io::{self, Write};
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
    /// Whether the file before it is ours.
    has_earlier: bool,
}

impl TraceFile {
    /// A new file; of a bounded trace also the place of its earlier part has to be free.
    pub(super) fn create(path: &Path, bounded: bool) -> Result<Self, RecordError> {
        let earlier = earlier_part(path);
        if bounded && fs::symlink_metadata(&earlier).is_ok() {
            return Err(RecordError::NotEmpty { path: earlier });
        }
        Ok(Self { path: path.to_owned(), file: file::create(path)?, has_earlier: false })
    }

    /// Whether our file is the one that its name stands for.
    fn is_in_place(&self) -> bool {
        let same = |ours: fs::Metadata, theirs: fs::Metadata| (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino());
        let theirs = fs::symlink_metadata(&self.path);
        self.file.metadata().ok().zip(theirs.ok()).is_some_and(|(ours, theirs)| same(ours, theirs))
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
        if self.has_earlier {
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
        self.has_earlier = true;
        Ok(())
    }
}

impl Store for TraceFile {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    fn is_taken_away(&self) -> bool {
        fs::symlink_metadata(&self.path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    fn turn(&mut self, first_line: &[u8]) -> io::Result<()> {
        if !self.is_in_place() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "another file has its name"));
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

    fn begin_anew(&mut self, first_line: &[u8]) -> io::Result<()> {
        // Nobody finds what was removed, and a disk that is full has its room back only with that gone.
        if self.is_removed() {
            let _ = self.file.set_len(0);
        }
        let mut made = file::create(&self.path).map_err(RecordError::into_io)?;
        // A part of the line would be taken for somebody's file the next time.
        made.write_all(first_line).inspect_err(|_| drop(made.set_len(0)))?;
        self.file = made;
        Ok(())
    }
}

/// Why a trace goes on in another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// It has the size that it may have.
    Full,
    /// Somebody has removed it.
    Removed,
    /// Somebody has given it another name, and wants a new one.
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
    /// Where the present file begins.
    begins: Mark,
    /// Where the first file begins that is still there.
    first: Mark,
}

/// What was counted already and is told of in the next file.
#[derive(Clone, Copy)]
pub(super) struct Carried {
    /// Records that were lost.
    pub(super) missing: u64,
    /// Records that will be written.
    pub(super) written: u64,
}

/// A place in the row of records.
#[derive(Clone, Copy, Default)]
struct Mark {
    records: u64,
    lost: u64,
}

impl Parts {
    /// What the head of the next file says.
    pub(super) fn next(&self, carried: Carried) -> Part {
        Part { number: self.number + 2, before: self.here(carried).records }
    }

    /// The next file has been begun. Gives how many records went with files that are no more.
    pub(super) fn turned(&mut self, carried: Carried, because: Because) -> u64 {
        let here = self.here(carried);
        let first = match because {
            Because::Full => self.begins,
            Because::Removed => here,
            Because::Renamed => self.first,
        };
        let dropped = first.records.saturating_sub(self.first.records);
        (self.number, self.first, self.begins) = (self.number + 1, first, here);
        dropped
    }

    fn here(&self, Carried { missing, written }: Carried) -> Mark {
        Mark {
            records: self.records.saturating_sub(missing).saturating_sub(written),
            lost: self.lost.saturating_sub(missing),
        }
    }

    /// Records that no file has: lost, or dropped with a file.
    pub(super) fn not_there(&self) -> u64 {
        self.first.records + self.lost.saturating_sub(self.first.lost)
    }
}
