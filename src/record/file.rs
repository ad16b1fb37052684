//! The trace file: where it lies, and that nobody else reads or writes it.

use super::RecordError;
use crate::trace::Timestamp;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
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
    let stamp = Timestamp::now().to_string().replace([':', '.'], "-");
    Ok(trace_folder()?.join(format!("{stamp}-{}.jsonl", std::process::id())))
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
    let failed = |source| RecordError::Create { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(RecordError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    if metadata.len() > 0 {
        return Err(RecordError::NotEmpty { path: path.to_owned() });
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    Ok(file)
}
