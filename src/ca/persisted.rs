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
use super::{CaError, Root, Scope, bundle};

/// How long a persisted root is good.
const LIFE: Duration = Duration::days(30);
/// Every persisted root's common name starts so; a file with another one is not ours and is not replaced.
const NAME: &str = "authtrace CA ";

/// A root that is kept in a folder.
#[derive(Debug)]
pub struct Persisted {
    /// The root that signs.
    pub root: Root,
    /// The one that will sign after it, once that is made.
    pub successor: Option<Root>,
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
    /// A root in the second half of its life has a successor beside it: its certificate is the second in `ca.pem`, its key
    /// `next.key`. Half a day before the root ends, the successor takes its place.
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
        let files = Files { certificate: dir.join("ca.pem"), key: dir.join("ca.key"), next_key: dir.join("next.key") };
        let (root, successor, persistence) = match files.read(scope, now)? {
            Found::Usable(root, successor) => {
                let (root, successor) = files.roll_over(*root, successor.map(|root| *root), scope, now)?;
                (root, successor, Persistence::Kept)
            }
            Found::Nothing => (files.make(scope, now)?, None, Persistence::Made),
            Found::Outdated(reason) => (files.make(scope, now)?, None, Persistence::Remade(reason)),
        };
        Ok(Persisted { root, successor, certificate: files.certificate, persistence })
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
    /// When its successor ends, if it has one.
    pub successor_until: Option<OffsetDateTime>,
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
        let certificates = certificates(&pem, &path)?;
        let (first, second) = (certificates.first(), certificates.get(1));
        let der = first.ok_or_else(|| unusable(&path, "it is not a PEM certificate"))?;
        let certificate = parsed(der, &path)?;
        let digest = <sha2::Sha256 as sha2::Digest>::digest(der);
        let until = |der| parsed(der, &path).map(|certificate| certificate.validity().not_after.to_datetime());
        Ok(Kept {
            fingerprint: digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            names: permitted_names(&certificate),
            successor_until: second.map(until).transpose()?,
        })
    }
}

fn certificates(pem: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, CaError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    found.map_err(|_| unusable(path, "it is not a PEM certificate"))
}

fn parsed<'a>(der: &'a CertificateDer<'_>, path: &Path) -> Result<X509Certificate<'a>, CaError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unusable(path, "it is not a certificate"))?;
    Ok(certificate)
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
    next_key: PathBuf,
}

enum Found {
    Nothing,
    Usable(Box<Root>, Option<Box<Root>>),
    Outdated(RemadeBecause),
}

const READ_BY_OTHERS: &str = "delete both files, since the key may have been read, and a new root will be made";

impl Files {
    fn read(&self, scope: &Scope, now: OffsetDateTime) -> Result<Found, CaError> {
        let pem = read_own(&self.certificate, 0o022, "chmod 600 it")?;
        let key = read_own(&self.key, 0o077, READ_BY_OTHERS)?;
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
        let certificates = certificates(&pem, &self.certificate)?;
        if certificates.is_empty() {
            return Err(unusable(&self.certificate, "it is not a PEM certificate"));
        }
        for der in &certificates {
            if !common_name(&parsed(der, &self.certificate)?).starts_with(NAME) {
                return Err(unusable(&self.certificate, "authtrace did not make this certificate"));
            }
        }
        let key = Key(KeyPair::from_pem(&key).map_err(|_| unusable(&self.key, "it is not a private key"))?);
        let current = self
            .of_key(&certificates, key, scope)?
            .ok_or_else(|| unusable(&self.key, "it is not the key of the certificate beside it"))?;
        let next = match read_own(&self.next_key, 0o077, READ_BY_OTHERS)?.map(|key| KeyPair::from_pem(&key)) {
            Some(Ok(key)) => self.of_key(&certificates, Key(key), scope)?,
            // One that cannot be read is made anew when it is time.
            Some(Err(_)) | None => None,
        };
        let next = next.and_then(|found| found.root(scope).ok().flatten()).filter(|root| root.is_valid_at(now));
        let (from, until) = current.validity;
        let ended = now < from || now + Duration::hours(1) > until || until - from > LIFE + Duration::days(2);
        if ended && next.is_none() {
            return Ok(Found::Outdated(RemadeBecause::Expired));
        }
        match current.root(scope)? {
            Some(root) => Ok(Found::Usable(Box::new(root), next.map(Box::new))),
            None => Ok(Found::Outdated(RemadeBecause::ScopeChanged)),
        }
    }

    /// The certificate of this key, and what is to be known of it.
    fn of_key(
        &self,
        certificates: &[CertificateDer<'static>],
        key: Key,
        scope: &Scope,
    ) -> Result<Option<OnDisk>, CaError> {
        for der in certificates {
            let certificate = parsed(der, &self.certificate)?;
            if certificate.public_key().raw == key.public_key() {
                let validity = certificate.validity();
                return Ok(Some(OnDisk {
                    validity: (validity.not_before.to_datetime(), validity.not_after.to_datetime()),
                    name: common_name(&certificate).to_owned(),
                    constrained: is_constrained_to(&certificate, scope),
                    der: der.clone(),
                    key,
                }));
            }
        }
        Ok(None)
    }

    /// Makes a successor, or puts it in the root's place, when it is time. Whatever happens in between, `ca.key` is the key
    /// of a certificate in `ca.pem`.
    fn roll_over(
        &self,
        root: Root,
        successor: Option<Root>,
        scope: &Scope,
        now: OffsetDateTime,
    ) -> Result<(Root, Option<Root>), CaError> {
        let (root, successor) = match successor {
            Some(successor) if root.hands_over_at() <= now => {
                rename(&self.next_key, &self.key)?;
                self.write_certificates(&[&successor])?;
                (successor, None)
            }
            other => (root, other),
        };
        if successor.is_some() || now < root.half_life() {
            return Ok((root, successor));
        }
        let made = Self::generate(scope, now)?;
        self.write_key(&self.next_key, &made)?;
        self.write_certificates(&[&root, &made])?;
        Ok((root, Some(made)))
    }

    /// Writes both files under other names and moves them into place, the key first: a certificate is never there before its key.
    fn make(&self, scope: &Scope, now: OffsetDateTime) -> Result<Root, CaError> {
        let root = Self::generate(scope, now)?;
        remove(&self.next_key)?;
        self.write_key(&self.key, &root)?;
        self.write_certificates(&[&root])?;
        Ok(root)
    }

    fn generate(scope: &Scope, now: OffsetDateTime) -> Result<Root, CaError> {
        let key = Key::generate()?;
        let name = format!("{NAME}{}", key.short_id());
        Root::self_signed(scope, key, name, now, now + LIFE)
    }

    fn write_key(&self, path: &Path, root: &Root) -> Result<(), CaError> {
        let pem = Zeroizing::new(root.key().0.serialize_pem());
        replace(path, pem.as_bytes())
    }

    fn write_certificates(&self, roots: &[&Root]) -> Result<(), CaError> {
        let pem: String = roots.iter().map(|root| root.certificate_pem()).collect();
        replace(&self.certificate, pem.as_bytes())
    }
}

/// A certificate of `ca.pem` with its key.
struct OnDisk {
    validity: (OffsetDateTime, OffsetDateTime),
    name: String,
    constrained: bool,
    der: CertificateDer<'static>,
    key: Key,
}

impl OnDisk {
    /// None: it is for another scope.
    fn root(self, scope: &Scope) -> Result<Option<Root>, CaError> {
        if !self.constrained {
            return Ok(None);
        }
        let pem = bundle::pem(&self.der);
        Root::restored(scope, self.key, self.name, self.validity, self.der, pem).map(Some)
    }
}

fn common_name<'a>(certificate: &'a X509Certificate<'_>) -> &'a str {
    certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default()
}

/// Writes the file under another name and moves it into place.
fn replace(path: &Path, content: &[u8]) -> Result<(), CaError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    remove(&new)?;
    write_new(&new, content)?;
    rename(&new, path)
}

fn rename(from: &Path, to: &Path) -> Result<(), CaError> {
    std::fs::rename(from, to).map_err(|error| CaError::io(to, error))
}

fn remove(path: &Path) -> Result<(), CaError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(CaError::io(path, error)),
        _ => Ok(()),
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
        assert_eq!((fs::read_dir(&dir).unwrap().count(), mode(&dir.join("next.key"))), (3, 0o600));
        assert!(kept.successor.unwrap().not_after() - now <= Duration::days(50));
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
