//! The key for fingerprints that can be compared between traces.

use super::ConfigError;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads the key, or makes it: 32 random bytes, 0600, never through a link.
pub(super) fn read_or_make(path: &Path) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    let fail = |why: String| ConfigError::FingerprintKey { path: path.to_owned(), why };
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    match fs::OpenOptions::new().read(true).custom_flags(no_follow).open(path) {
        Ok(mut file) => {
            let metadata = file.metadata().map_err(|error| fail(error.to_string()))?;
            if metadata.mode() & 0o077 != 0 || metadata.uid() != rustix::process::geteuid().as_raw() {
                return Err(fail("others may read it; it must be yours, with mode 0600".to_owned()));
            }
            let mut key = Zeroizing::new(Vec::new());
            io::Read::read_to_end(&mut io::Read::take(&mut file, 64), &mut key)
                .map_err(|error| fail(error.to_string()))?;
            let key: [u8; 32] =
                key.as_slice().try_into().map_err(|_| fail("it has to hold exactly 32 bytes".to_owned()))?;
            Ok(Zeroizing::new(key))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = Zeroizing::new([0_u8; 32]);
            getrandom::getrandom(key.as_mut_slice()).map_err(|_| fail("the system gave no random bytes".to_owned()))?;
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(no_follow)
                .open(path)
                .map_err(|error| fail(error.to_string()))?;
            io::Write::write_all(&mut file, key.as_slice()).map_err(|error| fail(error.to_string()))?;
            Ok(key)
        }
        Err(error) => Err(fail(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_key_is_made_once_and_must_be_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = read_or_make(&path).unwrap();
        assert_eq!(*read_or_make(&path).unwrap(), *made);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_or_make(&path).is_err());
    }
}
