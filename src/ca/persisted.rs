use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use rcgen::KeyPair;
use rustix::fs::{FlockOperation, flock};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::files::{private_dir, read_own, write_new};
use super::root::Key;
use super::{CaError, Root, Scope};

/// How long a persisted root is good.
const LIFE: Duration = Duration::days(30);
/// Every persisted root's common name starts so; a file with another one is not ours and is not replaced.
const NAME: &str = "authtrace CA ";

/// A root that is kept in a folder.
#[derive(Debug)]
pub struct Persisted {
    /// The root.
    pub root: Root,
    /// Where its certificate is: `DIR/ca.pem`.
    pub certificate: PathBuf,
    /// Whether it was there already.
    pub persistence: Persistence,
}

/// What happened to the files of a persisted root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// The root was there and is used.
    Kept,
    /// There was none; it was made.
    Made,
    /// There was one that is of no use any more; a new one took its place, and clients need the new certificate.
    Remade(RemadeBecause),
}

/// Why a persisted root was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemadeBecause {
    /// It has ended, or ends within the hour.
    Expired,
    /// Its name constraints are not those of the scope that was asked for.
    ScopeChanged,
}

/// A sentence for the user.
impl fmt::Display for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "the root certificate was kept",
            Self::Made => "a root certificate was made",
            Self::Remade(RemadeBecause::Expired) => {
                "the root certificate had expired and was made anew; programs with a copy of the old one need the new one"
            }
            Self::Remade(RemadeBecause::ScopeChanged) => {
                "the hosts to intercept have changed, so the root certificate was made anew; programs with a copy of the old one need the new one"
            }
        })
    }
}

impl Root {
    /// The root in `dir` (`ca.pem`, `ca.key`), made there if there is none, made anew if it has ended or is for another scope.
    /// Good for 30 days. The folder is 0700 and the files 0600.
    ///
    /// # Errors
    /// [`CaError::Unsafe`] if folder or files are open to other users or belong to one; [`CaError::Unusable`] if the files are there
    /// but are not a root that authtrace made; [`CaError::Io`]; and those of [`Root::generate`].
    pub fn persisted(dir: &Path, scope: &Scope, now: OffsetDateTime) -> Result<Persisted, CaError> {
        if scope.is_empty() {
            return Err(CaError::EmptyScope);
        }
        private_dir(dir)?;
        let lock = std::fs::File::open(dir).map_err(|error| CaError::io(dir, error))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| CaError::io(dir, error))?;
        let files = Files { certificate: dir.join("ca.pem"), key: dir.join("ca.key") };
        let (root, persistence) = match files.read(scope, now)? {
            Found::Usable(root) => (*root, Persistence::Kept),
            Found::Nothing => (files.make(scope, now)?, Persistence::Made),
            Found::Outdated(reason) => (files.make(scope, now)?, Persistence::Remade(reason)),
        };
        Ok(Persisted { root, certificate: files.certificate, persistence })
    }
}

/// What can be told of a kept root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// SHA-256 of the certificate, in hexadecimal with colons.
    pub fingerprint: String,
    /// When it begins to be good.
    pub not_before: OffsetDateTime,
    /// When it ends.
    pub not_after: OffsetDateTime,
    /// The names that it may sign for, as its constraints say; `*` if it has none.
    pub names: Vec<String>,
}

impl Root {
    /// Looks at the root in `dir` without using or changing it.
    ///
    /// # Errors
    /// [`CaError::Io`] if there is none; [`CaError::Unsafe`] and [`CaError::Unusable`] as [`Root::persisted`].
    pub fn kept(dir: &Path) -> Result<Kept, CaError> {
        let path = dir.join("ca.pem");
        let missing = || CaError::io(&path, std::io::Error::from(std::io::ErrorKind::NotFound));
        let pem = read_own(&path, 0o022, "chmod 600 it")?.ok_or_else(missing)?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| unusable(&path, "it is not a PEM certificate"))?;
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|_| unusable(&path, "it is not a certificate"))?;
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&der);
        Ok(Kept {
            fingerprint: digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            names: permitted_names(&certificate),
        })
    }
}

fn permitted_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let constraints = certificate.name_constraints().ok().flatten();
    let permitted = constraints.and_then(|constraints| constraints.value.permitted_subtrees.as_ref());
    let Some(permitted) = permitted else { return vec!["*".to_owned()] };
    let names = permitted.iter().filter_map(|subtree| match &subtree.base {
        x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    names.collect()
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

enum Found {
    Nothing,
    Usable(Box<Root>),
    Outdated(RemadeBecause),
}

impl Files {
    fn read(&self, scope: &Scope, now: OffsetDateTime) -> Result<Found, CaError> {
        let pem = read_own(&self.certificate, 0o022, "chmod 600 it")?;
        let key = read_own(
            &self.key,
            0o077,
            "delete both files, since the key may have been read, and a new root will be made",
        )?;
        let (pem, key) = match (pem, key) {
            (None, None) => return Ok(Found::Nothing),
            (Some(pem), Some(key)) => (pem, key),
            (Some(_), None) => {
                return Err(unusable(&self.certificate, "there is a certificate without its key"));
            }
            (None, Some(_)) => {
                return Err(unusable(&self.key, "there is a key without its certificate"));
            }
        };
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| unusable(&self.certificate, "it is not a PEM certificate"))?;
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|_| unusable(&self.certificate, "it is not a certificate"))?;
        let name =
            certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
        if !name.starts_with(NAME) {
            return Err(unusable(&self.certificate, "authtrace did not make this certificate"));
        }
        let key = Key(KeyPair::from_pem(&key).map_err(|_| unusable(&self.key, "it is not a private key"))?);
        if certificate.public_key().raw != key.public_key() {
            return Err(unusable(&self.key, "it is not the key of the certificate beside it"));
        }
        let validity = certificate.validity();
        let (from, until) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
        if now < from || now + Duration::hours(1) > until || until - from > LIFE + Duration::days(2) {
            return Ok(Found::Outdated(RemadeBecause::Expired));
        }
        if !is_constrained_to(&certificate, scope) {
            return Ok(Found::Outdated(RemadeBecause::ScopeChanged));
        }
        let (name, der) = (name.to_owned(), der.clone().into_owned());
        let root = Root::restored(scope, key, name, (from, until), der, pem.as_str().to_owned())?;
        Ok(Found::Usable(Box::new(root)))
    }

    /// Writes both files under other names and moves them into place, the key first: a certificate is never there before its key.
    fn make(&self, scope: &Scope, now: OffsetDateTime) -> Result<Root, CaError> {
        let key = Key::generate()?;
        let name = format!("{NAME}{}", key.short_id());
        let root = Root::self_signed(scope, key, name, now, now + LIFE)?;
        let (new_key, new_certificate) =
            (self.key.with_extension("key.new"), self.certificate.with_extension("pem.new"));
        for leftover in [&new_key, &new_certificate] {
            match std::fs::remove_file(leftover) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(CaError::io(leftover, error));
                }
                _ => {}
            }
        }
        let key_pem = Zeroizing::new(root.key().0.serialize_pem());
        write_new(&new_key, key_pem.as_bytes())?;
        write_new(&new_certificate, root.certificate_pem().as_bytes())?;
        for (from, to) in [(&new_key, &self.key), (&new_certificate, &self.certificate)] {
            std::fs::rename(from, to).map_err(|error| CaError::io(to, error))?;
        }
        Ok(root)
    }
}

fn unusable(path: &Path, problem: &'static str) -> CaError {
    CaError::Unusable { path: path.to_owned(), problem }
}

/// Whether the certificate is a CA whose constraints are the ones that [`Root::self_signed`] would write for this scope.
fn is_constrained_to(certificate: &X509Certificate<'_>, scope: &Scope) -> bool {
    let Ok(Some(constraints)) = certificate.name_constraints() else {
        return false;
    };
    let names: Option<BTreeSet<&str>> = (constraints.value.permitted_subtrees.iter().flatten())
        .map(|tree| if let GeneralName::DNSName(name) = tree.base { Some(name) } else { None })
        .collect();
    let excluded: Option<BTreeSet<&[u8]>> = (constraints.value.excluded_subtrees.iter().flatten())
        .map(|tree| if let GeneralName::IPAddress(octets) = tree.base { Some(octets) } else { None })
        .collect();
    constraints.critical
        && names == Some(scope.permitted_names().into_iter().collect())
        && excluded == Some(BTreeSet::from([&[0u8; 8][..], &[0u8; 32][..]]))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn scope() -> Scope {
        Scope::from_patterns([".example.com"]).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn dir() -> (tempfile::TempDir, PathBuf) {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("a/ca");
        (outer, dir)
    }

    #[test]
    fn it_is_made_private_once_and_kept() {
        let (_outer, dir) = dir();
        let now = OffsetDateTime::now_utc();
        let made = Root::persisted(&dir, &scope(), now).unwrap();
        assert_eq!(made.persistence, Persistence::Made);
        assert_eq!((mode(&dir), mode(&dir.join("ca.pem")), mode(&dir.join("ca.key"))), (0o700, 0o600, 0o600));
        assert!(made.root.not_after() - now <= Duration::days(30));
        let kept = Root::persisted(&dir, &scope(), now + Duration::days(20)).unwrap();
        assert_eq!(kept.persistence, Persistence::Kept);
        assert_eq!(kept.root.certificate_der(), made.root.certificate_der());
        assert_eq!(kept.root.certificate_pem(), made.root.certificate_pem());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    }

    #[test]
    fn it_is_made_anew_when_it_has_ended_or_the_scope_is_another_one() {
        let (_outer, dir) = dir();
        let now = OffsetDateTime::now_utc();
        let first = Root::persisted(&dir, &scope(), now).unwrap().root;
        let wider = Scope::from_patterns([".example.com", "a.test"]).unwrap();
        let second = Root::persisted(&dir, &wider, now).unwrap();
        assert_eq!(second.persistence, Persistence::Remade(RemadeBecause::ScopeChanged));
        assert_ne!(first.certificate_der(), second.root.certificate_der());
        let third = Root::persisted(&dir, &wider, now + Duration::days(30)).unwrap();
        assert_eq!(third.persistence, Persistence::Remade(RemadeBecause::Expired));
        assert_eq!((mode(&dir.join("ca.pem")), mode(&dir.join("ca.key"))), (0o600, 0o600));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    }

    #[test]
    fn files_that_others_can_reach_are_refused() {
        let (outer, dir) = dir();
        let now = OffsetDateTime::now_utc();
        Root::persisted(&dir, &scope(), now).unwrap();
        for (path, bad, good) in [
            (dir.join("ca.key"), 0o640, 0o600),
            (dir.join("ca.key"), 0o604, 0o600),
            (dir.join("ca.pem"), 0o620, 0o644),
            (dir.clone(), 0o755, 0o700),
        ] {
            set_mode(&path, bad);
            assert!(matches!(Root::persisted(&dir, &scope(), now), Err(CaError::Unsafe { .. })), "{bad:o}");
            set_mode(&path, good);
        }
        fs::hard_link(dir.join("ca.key"), outer.path().join("second")).unwrap();
        assert!(matches!(Root::persisted(&dir, &scope(), now), Err(CaError::Unsafe { .. })));
        fs::remove_file(outer.path().join("second")).unwrap();
        assert_eq!(Root::persisted(&dir, &scope(), now).unwrap().persistence, Persistence::Kept);
    }

    #[test]
    fn links_are_not_followed() {
        let (outer, dir) = dir();
        let now = OffsetDateTime::now_utc();
        Root::persisted(&dir, &scope(), now).unwrap();
        let elsewhere = outer.path().join("elsewhere");
        fs::rename(dir.join("ca.key"), &elsewhere).unwrap();
        symlink(&elsewhere, dir.join("ca.key")).unwrap();
        assert!(matches!(Root::persisted(&dir, &scope(), now), Err(CaError::Io { .. })));
    }

    #[test]
    fn files_that_are_not_a_root_of_ours_are_refused_and_left_alone() {
        let (_outer, dir) = dir();
        let now = OffsetDateTime::now_utc();
        Root::persisted(&dir, &scope(), now).unwrap();
        let (pem, key) = (fs::read(dir.join("ca.pem")).unwrap(), fs::read(dir.join("ca.key")).unwrap());
        let foreign = Root::generate(&scope(), now).unwrap();
        for (name, content) in [
            ("ca.pem", foreign.certificate_pem().as_bytes()),
            ("ca.pem", b"no certificate"),
            ("ca.key", b"no key"),
            ("ca.key", &[0xff; 100]),
            ("ca.key", &vec![b'x'; 100_000]),
        ] {
            fs::write(dir.join(name), content).unwrap();
            let error = Root::persisted(&dir, &scope(), now).unwrap_err();
            assert!(matches!(error, CaError::Unusable { .. } | CaError::Io { .. }), "{error}");
            assert_eq!(fs::read(dir.join(name)).unwrap(), content);
            fs::write(dir.join("ca.pem"), &pem).unwrap();
            fs::write(dir.join("ca.key"), &key).unwrap();
        }
        fs::remove_file(dir.join("ca.key")).unwrap();
        assert!(matches!(Root::persisted(&dir, &scope(), now), Err(CaError::Unusable { .. })));
    }

    #[test]
    fn the_key_of_another_root_is_noticed() {
        let ((_a, first), (_b, second)) = (dir(), dir());
        let now = OffsetDateTime::now_utc();
        Root::persisted(&first, &scope(), now).unwrap();
        Root::persisted(&second, &scope(), now).unwrap();
        fs::copy(second.join("ca.key"), first.join("ca.key")).unwrap();
        let error = Root::persisted(&first, &scope(), now).unwrap_err();
        assert!(error.to_string().contains("not the key of the certificate"), "{error}");
    }
}
