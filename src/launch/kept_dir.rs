use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::temp_dir::replace;
use super::{LaunchError, TrustFolder};

/// A private folder that stays: the files in it have the same names after a restart, so that what was told to clients
/// before goes on to be right.
#[derive(Debug)]
pub struct KeptDir {
    path: PathBuf,
}

impl KeptDir {
    /// This folder, made with mode 0700 if it is not there.
    ///
    /// # Errors
    /// [`LaunchError::TempDir`] if it cannot be made, belongs to another user, or others may enter it.
    pub fn open(path: &Path) -> Result<Self, LaunchError> {
        let failed = |source| LaunchError::TempDir { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let found = std::fs::symlink_metadata(path).map_err(failed)?;
        let own = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
        if !own || found.mode() & 0o077 != 0 {
            return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, "not a private folder of yours")));
        }
        Ok(Self { path: path.to_owned() })
    }
}

impl TrustFolder for KeptDir {
    fn put(&self, name: &str, content: &[u8]) -> Result<PathBuf, LaunchError> {
        replace(&self.path, name, content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_is_private_and_its_files_are_replaced_at_once() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("trust");
        let dir = KeptDir::open(&path).unwrap();
        let file = dir.put("ca.pem", b"first").unwrap();
        let first = std::fs::File::open(&file).unwrap();
        assert_eq!(dir.put("ca.pem", b"second").unwrap(), file);
        // Who was reading the old one reads it to its end.
        assert_eq!(io::read_to_string(first).unwrap(), "first");
        assert_eq!(std::fs::read(&file).unwrap(), b"second");
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
        assert!(KeptDir::open(&path).is_ok());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(KeptDir::open(&path).is_err());
    }
}
