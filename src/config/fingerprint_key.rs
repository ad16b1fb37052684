//! The key for fingerprints that can be compared between traces.

use super::ConfigError;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads the key, or makes it: 32 random bytes, 0600, never through a link and from nothing but a file.
pub(super) fn read_or_make(path: &Path) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
    let fail = |why: String| ConfigError::FingerprintKey { path: path.to_owned(), why };
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    // A pipe that nobody writes to would keep us waiting before we can see that it is one.
    let at_once = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    match fs::OpenOptions::new().read(true).custom_flags(no_follow | at_once).open(path) {
        Ok(mut file) => {
            let metadata = file.metadata().map_err(|error| fail(error.to_string()))?;
            if !metadata.is_file() {
                return Err(fail("it is no file; give the name of one, or of one that is to be made".to_owned()));
            }
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

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        for place in [pipe.as_path(), folder.path(), Path::new("/dev/null")] {
            let error = read_or_make(place).unwrap_err().to_string();
            assert!(error.ends_with("it is no file; give the name of one, or of one that is to be made"), "{error}");
        }
    }
}
