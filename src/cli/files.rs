//! Files that a command writes for the user: whole or not at all, and never through what somebody else has put in their way.
//!
//! A file gets its name when it is complete, so that a name in a folder where others write, too (`/tmp`), cannot be a trap:
//! a link or a hard link of somebody's is not written through, and what he owns is not written into.

use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// This user (0600). A link is not followed, whoever made it.
    Own,
    /// Whoever the system lets read new files: the next step of a job may be another user. A link of this user's is followed.
    Others,
}

/// A file that is being written.
pub(crate) struct NewFile {
    file: File,
    /// What it is called until it is whole, and what then; none for a pipe or a device.
    named: Option<(PathBuf, PathBuf)>,
}

impl NewFile {
    /// Begins it. What stands there stays until [`Self::finish`]; a pipe or a device is written as it is.
    ///
    /// # Errors
    /// When the place is no place for a file of this user's, or the system refuses.
    pub(crate) fn create(path: &Path, readers: Readers) -> io::Result<Self> {
        let target = match fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() && leads_to_stream(path) => {
                return if is_trusted(&found) { Self::stream(path) } else { Err(refused(LINK_OF_ANOTHER)) };
            }
            Ok(found) if found.is_symlink() => follow(path, &found, readers)?,
            _ => path.to_owned(),
        };
        match fs::symlink_metadata(&target) {
            Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(found) if !found.is_file() => Ok(Self { file: open_device(&target)?, named: None }),
            Ok(found) if !is_trusted(&found) => Err(refused("the file that is there belongs to another user")),
            _ => Self::beside(target, readers),
        }
    }

    /// `/dev/stdout` and its like: links of the system's to what this process has open already.
    fn stream(path: &Path) -> io::Result<Self> {
        let flags = OFlags::NOCTTY.bits().cast_signed();
        let file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
        if is_trusted(&file.metadata()?) { Ok(Self { file, named: None }) } else { Err(refused(OF_ANOTHER)) }
    }

    fn beside(target: PathBuf, readers: Readers) -> io::Result<Self> {
        let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut partial = OsString::from(".");
        partial.push(name);
        partial.push(format!(".{}", std::process::id()));
        let partial = target.with_file_name(partial);
        let mode = match readers {
            Readers::Own => Mode::RUSR | Mode::WUSR,
            Readers::Others => Mode::from(0o666),
        };
        let file = OpenOptions::new().write(true).create_new(true).mode(mode.as_raw_mode()).open(&partial)?;
        Ok(Self { file, named: Some((partial, target)) })
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// What the system said; the file is gone then.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        match &self.named {
            Some((partial, target)) => fs::rename(partial, target)?,
            None => return Ok(()),
        }
        self.named = None;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some((partial, _)) = &self.named {
            let _ = fs::remove_file(partial);
        }
    }
}

/// Writes a whole file.
///
/// # Errors
/// Those of [`NewFile`].
pub(crate) fn write(path: &Path, readers: Readers, content: &[u8]) -> io::Result<()> {
    let mut file = NewFile::create(path, readers)?;
    file.write_all(content)?;
    file.finish()
}

/// The file that was named; `-` is standard output, as if none was.
pub(crate) fn named(out: Option<PathBuf>) -> Option<PathBuf> {
    out.filter(|out| !is_standard(out))
}

/// Whether a name stands for standard input or output.
pub(crate) fn is_standard(name: &Path) -> bool {
    name.as_os_str() == "-"
}

/// Where a link leads that may be followed: `/dev/stdout` that is a file, and for [`Readers::Others`] the user's own.
fn follow(path: &Path, link: &Metadata, readers: Readers) -> io::Result<PathBuf> {
    let target = fs::canonicalize(path);
    if !is_trusted(link) {
        return Err(refused(LINK_OF_ANOTHER));
    }
    if readers == Readers::Own {
        return Err(refused("a link stands there"));
    }
    // One that leads nowhere is replaced.
    target.or_else(|_| Ok(path.to_owned()))
}

const LINK_OF_ANOTHER: &str = "a link of another user stands there";
const OF_ANOTHER: &str = "what stands there belongs to another user";

/// Whether a link leads to a pipe, a socket or a device.
fn leads_to_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Without waiting for somebody to read from a pipe that another user has put there.
fn open_device(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NOCTTY).bits().cast_signed();
    let found = fs::symlink_metadata(path)?;
    if !is_trusted(&found) {
        return Err(refused(OF_ANOTHER));
    }
    OpenOptions::new().write(true).custom_flags(flags).open(path)
}

/// What this user or the system has put there.
fn is_trusted(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() || found.uid() == 0
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.md");
        let mut file = NewFile::create(&path, Readers::Own).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        write(&path, Readers::Own, b"first").unwrap();
        // Also where a more open one stood.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, Readers::Own, b"second").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"second".to_vec(), 0o600));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_of_ones_own_is_followed_for_others_and_never_for_oneself() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "kept").unwrap();
        symlink(&target, &link).unwrap();
        assert_eq!(write(&link, Readers::Own, b"x").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read(&target).unwrap(), b"kept");
        write(&link, Readers::Others, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_second_name_keeps_what_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let (precious, trap) = (folder.path().join("precious"), folder.path().join("report.html"));
        fs::write(&precious, "kept").unwrap();
        fs::hard_link(&precious, &trap).unwrap();
        for readers in [Readers::Own, Readers::Others] {
            write(&trap, readers, b"report").unwrap();
            assert_eq!(fs::read(&precious).unwrap(), b"kept");
        }
    }

    #[test]
    fn a_folder_is_no_file_and_a_device_is_written_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write(folder.path(), Readers::Own, b"x").is_err());
        write(Path::new("/dev/null"), Readers::Own, b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
