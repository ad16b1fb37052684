use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::CaError;

/// No certificate or key of ours comes near this.
const FILE_LIMIT: u64 = 64 * 1024;

/// Makes the folder with mode 0700 if it is not there; refuses one that others may enter or that another user owns.
pub(super) fn private_dir(dir: &Path) -> Result<(), CaError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| CaError::io(dir, error))?;
    let meta = std::fs::metadata(dir).map_err(|error| CaError::io(dir, error))?;
    let refused = |problem, remedy| Err(CaError::Unsafe { path: dir.to_owned(), problem, remedy });
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return refused("the folder belongs to another user", "name a folder of your own");
    }
    if meta.mode() & 0o077 != 0 {
        return refused("other users may enter the folder", "chmod 700 it, or name another one");
    }
    Ok(())
}

/// Writes a new file, mode 0600; never follows a link, never writes into a file that is there.
pub(super) fn write_new(path: &Path, content: &[u8]) -> Result<(), CaError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(|error| CaError::io(path, error))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|error| CaError::io(path, error))
}

/// Reads a small text file of this user's; `None` if there is none. `forbidden` are the mode bits it must not have.
pub(super) fn read_own(
    path: &Path,
    forbidden: u32,
    remedy: &'static str,
) -> Result<Option<Zeroizing<String>>, CaError> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CaError::io(path, error)),
    };
    check_own(&file, path, forbidden, remedy)?;
    // Room for the whole file at once, so that no copy of a key stays behind in a buffer that grew.
    let mut text = Zeroizing::new(String::with_capacity(FILE_LIMIT as usize + 1));
    file.take(FILE_LIMIT + 1).read_to_string(&mut text).map_err(|error| CaError::io(path, error))?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(CaError::Unusable {
            path: path.to_owned(),
            problem: "the file is too large for a certificate or key",
        });
    }
    Ok(Some(text))
}

fn check_own(file: &File, path: &Path, forbidden: u32, remedy: &'static str) -> Result<(), CaError> {
    let meta = file.metadata().map_err(|error| CaError::io(path, error))?;
    let refused = |problem, remedy| Err(CaError::Unsafe { path: path.to_owned(), problem, remedy });
    if !meta.is_file() {
        return refused("it is not a regular file", "name another folder");
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return refused("the file belongs to another user", "name a folder of your own");
    }
    if meta.mode() & forbidden != 0 {
        return refused("its mode lets other users in", remedy);
    }
    if meta.nlink() != 1 {
        return refused("it has a second name (hard link)", "move it away, and a new root will be made");
    }
    Ok(())
}
