//! The trace file: where it lies, and that nobody else reads or writes it.

use super::RecordError;
use crate::trace::Timestamp;
use rustix::fs::OFlags;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folder for traces: `$XDG_STATE_HOME/authtrace`, else `~/.local/state/authtrace`.
///
/// # Errors
/// When neither variable names an absolute path.
pub fn trace_folder() -> Result<PathBuf, RecordError> {
    use etcetera::BaseStrategy;
    let strategy = etcetera::base_strategy::Xdg::new().map_err(|_| RecordError::NoHome)?;
    strategy.state_dir().map(|state| state.join("authtrace")).ok_or(RecordError::NoHome)
}

/// A new file name in [`trace_folder`]; the names sort by time.
///
/// # Errors
/// When there is no such folder.
pub fn default_path() -> Result<PathBuf, RecordError> {
    Ok(trace_folder()?.join(format!("{}.jsonl", stem())))
}

/// The beginning of a new file's name: the names sort by time, and no two processes make the same.
pub(super) fn stem() -> String {
    let stamp = Timestamp::now().to_string().replace([':', '.'], "-");
    format!("{stamp}-{}", std::process::id())
}

/// The trace begun last in [`trace_folder`], if there is one.
///
/// # Errors
/// When there is no such folder.
pub fn newest_trace() -> Result<Option<PathBuf>, RecordError> {
    let folder = trace_folder()?;
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(None) };
    let traces = entries.flatten().map(|entry| entry.path());
    Ok(traces.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).max())
}

/// Creates the file (0600, in a folder of 0700 if that has to be made), locked against a second writer.
pub(super) fn create(path: &Path) -> Result<File, RecordError> {
    create_with(path, OpenOptions::new().append(true))
}

/// The same for a file that is read, too, and written at any place.
pub(super) fn create_readable(path: &Path) -> Result<File, RecordError> {
    create_with(path, OpenOptions::new().read(true).write(true))
}

fn create_with(path: &Path, options: &mut OpenOptions) -> Result<File, RecordError> {
    let failed = |source| RecordError::Create { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let file = options
        .create(true)
        .mode(0o600)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(RecordError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let metadata = file.metadata().map_err(failed)?;
    let refused = |why| Err(failed(io::Error::new(io::ErrorKind::InvalidInput, why)));
    if !metadata.is_file() {
        return refused("not a regular file");
    }
    // Somebody else could go on reading what he has put there, or has a second name for it.
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return refused("the file that is there belongs to another user");
    }
    if metadata.nlink() != 1 {
        return refused("the file that is there has a second name (hard link)");
    }
    if metadata.len() > 0 {
        return Err(RecordError::NotEmpty { path: path.to_owned() });
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    Ok(file)
}

/// A file that a process of this user's has left: none if that process is alive, or it is no plain file of ours.
pub(super) fn open_left_behind(path: &Path) -> Option<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    file.try_lock().ok()?;
    let metadata = file.metadata().ok()?;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    (own && metadata.is_file()).then_some(file)
}

/// Removes the oldest traces that flight recorders have written here, until so many are left with so many bytes together;
/// the newest stays in any case. Gives what was removed.
pub(super) fn remove_frozen(folder: &Path, count: usize, bytes: u64) -> Vec<PathBuf> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut traces: Vec<PathBuf> = names.filter(|path| is_frozen(path, "jsonl")).collect();
    traces.sort_unstable();
    let mut left = bytes;
    let stay = traces.iter().rev().take(count).take_while(|path| {
        let size = fs::symlink_metadata(path).map_or(0, |metadata| metadata.len());
        let fits = left.checked_sub(size);
        left = fits.unwrap_or(0);
        fits.is_some()
    });
    let stay = stay.count().max(1);
    traces.truncate(traces.len().saturating_sub(stay));
    traces.retain(|path| fs::remove_file(path).is_ok());
    traces
}

/// Whether a file is called as a flight recorder calls its traces, but for the extension.
pub(super) fn is_frozen(path: &Path, extension: &str) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str());
    let name = name.filter(|_| path.extension().is_some_and(|own| own == extension));
    name.is_some_and(|name| name.contains("Z-") && (name.contains("-frozen-") || name.ends_with("-recovered")))
}
