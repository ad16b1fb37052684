use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::process::{Pid, geteuid, test_kill_process};

use super::{LaunchError, ParentEnvironment, TrustFolder};

const PREFIX: &str = "authtrace-";
/// Held locked by the run that the folder belongs to, so that it is not taken for a dead one's from another process namespace.
const LOCK: &str = "lock";

/// A private folder for the files of one run: 0700, its files 0600, removed when dropped. If the process was killed, the next
/// run removes it.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    /// Open for as long as the run lasts; not inherited by the child.
    _lock: File,
}

impl TempDir {
    /// Makes a new folder in `$XDG_RUNTIME_DIR`, or else in `$TMPDIR` or `/tmp`, and removes what dead runs left there.
    ///
    /// # Errors
    /// [`LaunchError::TempDir`] if no folder can be made; [`LaunchError::Random`].
    pub fn create(parent: &ParentEnvironment) -> Result<Self, LaunchError> {
        let named = |name: &str| {
            parent.get(OsStr::new(name)).map(PathBuf::from).filter(|path| path.is_absolute() && path.is_dir())
        };
        let fallback = named("TMPDIR").unwrap_or_else(|| "/tmp".into());
        match named("XDG_RUNTIME_DIR").map(|dir| Self::create_in(&dir)) {
            Some(Ok(made)) => Ok(made),
            _ => Self::create_in(&fallback),
        }
    }

    /// Makes a new folder in this one.
    ///
    /// # Errors
    /// [`LaunchError::TempDir`], [`LaunchError::Random`].
    pub fn create_in(dir: &Path) -> Result<Self, LaunchError> {
        remove_stale(dir);
        let mut random = [0; 8];
        getrandom::getrandom(&mut random).map_err(|_| LaunchError::Random)?;
        let path = dir.join(format!("{PREFIX}{}-{:016x}", std::process::id(), u64::from_be_bytes(random)));
        let failed = |source: io::Error| LaunchError::TempDir { path: path.clone(), source };
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let lock = create_new(&path.join(LOCK)).and_then(|file| {
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            Ok(file)
        });
        let lock = lock.map_err(failed)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a new file and gives its path. Never follows a link and never writes into a file that is there.
    ///
    /// # Errors
    /// [`LaunchError::TempDir`].
    pub fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, LaunchError> {
        let path = self.path.join(name);
        let written = create_new(&path).and_then(|mut file| file.write_all(content));
        written.map_err(|source| LaunchError::TempDir { path: path.clone(), source })?;
        Ok(path)
    }
}

impl TrustFolder for TempDir {
    fn put(&self, name: &str, content: &[u8]) -> Result<PathBuf, LaunchError> {
        replace(&self.path, name, content)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Nobody is left to be told; what stays behind holds certificates only and is removed by the next run.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Writes a file of that name in a private folder at once, whether there was one or not.
pub(super) fn replace(folder: &Path, name: &str, content: &[u8]) -> Result<PathBuf, LaunchError> {
    let (path, new) = (folder.join(name), folder.join(format!("{name}.{}.new", std::process::id())));
    let _ = std::fs::remove_file(&new);
    let written = create_new(&new).and_then(|mut file| file.write_all(content));
    let moved = written.and_then(|()| std::fs::rename(&new, &path));
    moved.map_err(|source| LaunchError::TempDir { path: path.clone(), source })?;
    Ok(path)
}

fn create_new(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(path)
}

/// Removes folders of ours whose process is gone. Anything doubtful stays.
fn remove_stale(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let stale = name.to_str().and_then(owner).is_some_and(|pid| is_gone(pid) && is_ours(&entry.path()));
        if stale && is_unlocked(&entry.path()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The process that a folder's name carries.
fn owner(name: &str) -> Option<Pid> {
    let (pid, random) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let hexadecimal = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal { Pid::from_raw(pid.parse().ok().filter(|pid| *pid > 0)?) } else { None }
}

fn is_gone(pid: Pid) -> bool {
    matches!(test_kill_process(pid), Err(Errno::SRCH))
}

fn is_ours(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw())
}

fn is_unlocked(path: &Path) -> bool {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(path.join(LOCK)) {
        Ok(file) => flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o777
    }

    /// The number of a process that has ended.
    fn dead_pid() -> u32 {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[test]
    fn folder_and_files_are_private_and_go_with_the_run() {
        let outer = tempfile::tempdir().unwrap();
        let dir = TempDir::create_in(outer.path()).unwrap();
        let file = dir.write("ca.pem", b"text").unwrap();
        assert_eq!((mode(dir.path()), mode(&file)), (0o700, 0o600));
        assert_eq!(std::fs::read(&file).unwrap(), b"text");
        drop(dir);
        assert_eq!(std::fs::read_dir(outer.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_overwritten_and_no_link_is_followed() {
        let outer = tempfile::tempdir().unwrap();
        let dir = TempDir::create_in(outer.path()).unwrap();
        dir.write("a", b"first").unwrap();
        assert!(matches!(dir.write("a", b"second"), Err(LaunchError::TempDir { .. })));
        let target = outer.path().join("target");
        symlink(&target, dir.path().join("b")).unwrap();
        assert!(dir.write("b", b"through the link").is_err());
        assert!(!target.exists());
    }

    #[test]
    fn what_dead_runs_left_is_removed_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let alive = TempDir::create_in(outer.path()).unwrap();
        let dead = dead_pid();
        let stale = outer.path().join(format!("authtrace-{dead}-0123456789abcdef"));
        let locked = outer.path().join(format!("authtrace-{dead}-fedcba9876543210"));
        for path in [&stale, &locked] {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join(LOCK), "").unwrap();
        }
        let lock = File::open(locked.join(LOCK)).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        let others = [
            format!("authtrace-{dead}-short"),
            "authtrace-0-0123456789abcdef".into(),
            "authtrace-x".into(),
            "other".into(),
        ];
        others.iter().for_each(|name| std::fs::create_dir(outer.path().join(name)).unwrap());
        let elsewhere = outer.path().join("other/keep");
        std::fs::write(&elsewhere, "").unwrap();
        symlink(outer.path().join("other"), outer.path().join(format!("authtrace-{dead}-aaaaaaaaaaaaaaaa"))).unwrap();

        let fresh = TempDir::create_in(outer.path()).unwrap();
        assert!(!stale.exists());
        assert!(alive.path().exists() && fresh.path().exists() && locked.exists() && elsewhere.exists());
        assert!(others.iter().all(|name| outer.path().join(name).exists()));
    }

    #[test]
    fn the_runtime_folder_is_preferred_if_it_can_be_used() {
        let (runtime, tmp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let environment = |runtime: &Path| {
            ParentEnvironment::from([("XDG_RUNTIME_DIR".into(), runtime.into()), ("TMPDIR".into(), tmp.path().into())])
        };
        assert!(TempDir::create(&environment(runtime.path())).unwrap().path().starts_with(runtime.path()));
        assert!(TempDir::create(&environment(&runtime.path().join("missing"))).unwrap().path().starts_with(tmp.path()));
    }
}
