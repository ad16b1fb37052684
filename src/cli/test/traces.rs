//! Where the traces of cases are: written into a folder that goes with this process, and kept from there if that is wanted.

use super::plan::shown;
use crate::cli::console;
use anyhow::{Context, Result};
use authtrace::launch::{ParentEnvironment, TempDir};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub(super) struct Traces {
    temporary: TempDir,
    /// Where all are kept.
    given: Option<PathBuf>,
    /// Where those of failed cases are kept otherwise, once there is one.
    of_failed: Mutex<Option<PathBuf>>,
    parent: ParentEnvironment,
}

impl Traces {
    /// # Errors
    /// A folder cannot be made.
    pub(super) fn new(given: Option<PathBuf>) -> Result<Self> {
        let parent: ParentEnvironment = std::env::vars_os().collect();
        if let Some(folder) = &given {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.with_context(|| format!("cannot make {}; give --traces another name", shown(folder)))?;
        }
        Ok(Self { temporary: TempDir::create(&parent)?, given, of_failed: Mutex::default(), parent })
    }

    /// Where the trace of a case is written; nothing is there.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.temporary.path().join(file_name(name))
    }

    /// Keeps the trace of a case if it failed, or if all are kept. Where it is then, if there is one.
    ///
    /// # Errors
    /// It was asked for, and is not there. One that was not asked for is said to be lost, and no error.
    pub(super) fn keep(&self, name: &str, failed: bool) -> io::Result<Option<String>> {
        let path = self.path(name);
        let folder = match &self.given {
            Some(folder) => Ok(folder.clone()),
            None if failed && path.exists() => self.folder_of_failed(),
            None => {
                let _ = fs::remove_file(&path);
                return Ok(None);
            }
        };
        if !path.exists() {
            return Ok(None);
        }
        let kept = folder.and_then(|folder| {
            let kept = folder.join(file_name(name));
            moved(&path, &kept).map(|()| kept)
        });
        match kept {
            Ok(kept) => Ok(Some(shown(&kept))),
            Err(error) => {
                console::say(&format!("the trace of {name} could not be kept: {error}"));
                if self.given.is_some() { Err(error) } else { Ok(None) }
            }
        }
    }

    fn folder_of_failed(&self) -> io::Result<PathBuf> {
        let mut made = self.of_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*made {
            return Ok(folder.clone());
        }
        let named =
            self.parent.get(OsStr::new("TMPDIR")).map(PathBuf::from).filter(|path| path.is_absolute() && path.is_dir());
        let mut random = [0; 4];
        getrandom::getrandom(&mut random).map_err(|_| io::Error::other("no random bytes from the operating system"))?;
        let name = format!("authtrace-failed-{:08x}", u32::from_be_bytes(random));
        let folder = named.unwrap_or_else(|| "/tmp".into()).join(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        *made = Some(folder.clone());
        Ok(folder)
    }
}

/// Takes the place of an older one of that name; whole, or not there.
fn moved(from: &Path, to: &Path) -> io::Result<()> {
    if fs::rename(from, to).is_ok() {
        return Ok(());
    }
    // On another file system.
    let partial = to.with_extension("jsonl.new");
    let _ = fs::remove_file(&partial);
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    fs::rename(&partial, to)?;
    fs::remove_file(from)
}

fn file_name(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).collect();
    format!("{}.jsonl", plain.trim_start_matches('.'))
}
