use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use time::{Duration, OffsetDateTime};

use super::root::{BACKDATE, Key, random_serial};
use super::{CaError, Root};

/// Hosts whose leaf is kept; the one that was not asked for the longest goes first.
const CAPACITY: usize = 1_024;
/// How long a leaf is good, unless the root ends before.
const LIFE: Duration = Duration::days(7);
/// A leaf with less than this left is made anew, if the root allows a longer one.
const RENEW_BEFORE: Duration = Duration::hours(24);

/// Makes a leaf certificate per host when it is first asked for, and keeps it.
///
/// A leaf has the exact host as its only name (a critical SAN beside an empty subject, RFC 5280 §4.2.1.6), is for
/// server authentication only, and never outlives the root. All leaves of a store share one P-256 key; each has a serial number of its own.
/// The chain is the leaf alone: a client that trusts the root has it already, and a server may leave it out (RFC 8446 §4.4.2).
///
/// A store can be given a successor of its root ([`super::Authority`] does). From half a day before the root ends, the
/// successor signs, by the clock that is handed in: no timer has to fire for that, also after a machine has slept.
pub struct LeafStore {
    roots: Mutex<Roots>,
    key: Key,
    signer: Arc<dyn SigningKey>,
    cache: Mutex<Cache>,
}

#[derive(Clone)]
struct Roots {
    current: Arc<Root>,
    successor: Option<Arc<Root>>,
}

impl Roots {
    fn signing_at(self, now: OffsetDateTime) -> Arc<Root> {
        match self.successor {
            Some(successor) if now >= self.current.hands_over_at() && successor.is_valid_at(now) => successor,
            _ => self.current,
        }
    }
}

#[derive(Default)]
struct Cache {
    /// By the whole host name in lower case: never by a hash or anything that a server sends.
    leaves: HashMap<String, Leaf>,
    clock: u64,
}

struct Leaf {
    certified: Arc<CertifiedKey>,
    root: Arc<Root>,
    not_after: OffsetDateTime,
    last_used: u64,
}

impl LeafStore {
    /// A store that signs with this root.
    ///
    /// # Errors
    /// [`CaError::Certificate`] or [`CaError::Tls`] if the leaf key cannot be made or used.
    pub fn new(root: Arc<Root>) -> Result<Self, CaError> {
        let key = Key::generate()?;
        let pkcs8 = PrivatePkcs8KeyDer::from(key.0.serialized_der());
        let signer = any_ecdsa_type(&PrivateKeyDer::Pkcs8(pkcs8))?;
        let roots = Mutex::new(Roots { current: root, successor: None });
        Ok(Self { roots, key, signer, cache: Mutex::default() })
    }

    /// The root that signs until its successor does.
    #[must_use]
    pub fn root(&self) -> Arc<Root> {
        Arc::clone(&self.roots.lock().unwrap_or_else(PoisonError::into_inner).current)
    }

    /// Other roots from now on. Leaves that are in use stay with the connections that use them.
    pub(super) fn set_roots(&self, current: Arc<Root>, successor: Option<Arc<Root>>) {
        *self.roots.lock().unwrap_or_else(PoisonError::into_inner) = Roots { current, successor };
    }

    /// The certificate and key to present as `host`, made if there is none or if it is about to end.
    ///
    /// # Errors
    /// [`CaError::OutOfScope`], [`CaError::Address`] or [`CaError::Host`] if this host is never signed;
    /// [`CaError::Expired`] once the root has ended; [`CaError::Certificate`] or [`CaError::Random`] if making one failed.
    pub fn certified_key(&self, host: &str, now: OffsetDateTime) -> Result<Arc<CertifiedKey>, CaError> {
        let root = self.roots.lock().unwrap_or_else(PoisonError::into_inner).clone().signing_at(now);
        let host = root.scope().admit(host)?;
        if !root.is_valid_at(now) {
            return Err(CaError::Expired);
        }
        let wanted_end = (now + LIFE).min(root.not_after());
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.clock += 1;
        let clock = cache.clock;
        if let Some(leaf) = cache.leaves.get_mut(&host)
            && (leaf.not_after - now > RENEW_BEFORE || leaf.not_after >= wanted_end)
            && leaf.not_after > now
            && Arc::ptr_eq(&leaf.root, &root)
        {
            leaf.last_used = clock;
            return Ok(Arc::clone(&leaf.certified));
        }
        let certified = self.mint(&root, &host, now, wanted_end)?;
        cache.make_room(&host);
        let leaf = Leaf { certified: Arc::clone(&certified), root, not_after: wanted_end, last_used: clock };
        cache.leaves.insert(host, leaf);
        Ok(certified)
    }

    fn mint(
        &self,
        root: &Root,
        host: &str,
        now: OffsetDateTime,
        not_after: OffsetDateTime,
    ) -> Result<Arc<CertifiedKey>, CaError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::DnsName(host.try_into()?)];
        params.serial_number = Some(random_serial()?);
        params.not_before = now - BACKDATE;
        params.not_after = not_after;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.key.0, &root.issuer())?;
        Ok(Arc::new(CertifiedKey::new(vec![certificate.into()], Arc::clone(&self.signer))))
    }
}

impl Cache {
    fn make_room(&mut self, host: &str) {
        if self.leaves.len() < CAPACITY || self.leaves.contains_key(host) {
            return;
        }
        if let Some(oldest) = self.leaves.iter().min_by_key(|(_, leaf)| leaf.last_used).map(|(host, _)| host.clone()) {
            self.leaves.remove(&oldest);
        }
    }
}

impl fmt::Debug for LeafStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeafStore").field("root", &self.root()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use x509_parser::prelude::*;

    use super::*;
    use crate::ca::Scope;

    fn store(now: OffsetDateTime) -> LeafStore {
        let scope = Scope::from_patterns([".example.com", "localhost"]).unwrap();
        LeafStore::new(Arc::new(Root::generate(&scope, now).unwrap())).unwrap()
    }

    fn leaf(key: &CertifiedKey) -> X509Certificate<'_> {
        assert_eq!(key.cert.len(), 1);
        X509Certificate::from_der(&key.cert[0]).unwrap().1
    }

    #[test]
    fn a_leaf_names_one_host_and_nothing_else() {
        let now = OffsetDateTime::now_utc();
        let store = store(now);
        let key = store.certified_key("API.example.com.", now).unwrap();
        let cert = leaf(&key);
        let names = cert.subject_alternative_name().unwrap().unwrap();
        assert!(names.critical);
        assert_eq!(names.value.general_names, [GeneralName::DNSName("api.example.com")]);
        assert_eq!(cert.subject().iter().count(), 0);
        let usage = cert.key_usage().unwrap().unwrap();
        assert!(usage.value.digital_signature() && usage.value.flags.count_ones() == 1);
        let extended = cert.extended_key_usage().unwrap().unwrap().value;
        assert!(extended.server_auth && !extended.client_auth && !extended.any && extended.other.is_empty());
        assert!(!cert.basic_constraints().unwrap().is_none_or(|basic| basic.value.ca));
        assert!(
            cert.extensions()
                .iter()
                .any(|ext| matches!(ext.parsed_extension(), ParsedExtension::AuthorityKeyIdentifier(_)))
        );
        assert_eq!(cert.validity().not_before.timestamp(), (now - Duration::hours(24)).unix_timestamp());
        assert_eq!(
            cert.validity().not_after.timestamp(),
            store.root().not_after().unix_timestamp(),
            "never past the root"
        );
    }

    #[test]
    fn the_same_host_gets_the_same_leaf_and_another_host_another_serial() {
        let now = OffsetDateTime::now_utc();
        let store = store(now);
        let first = store.certified_key("a.example.com", now).unwrap();
        assert!(Arc::ptr_eq(&first, &store.certified_key("A.EXAMPLE.com", now).unwrap()));
        let other = store.certified_key("b.example.com", now).unwrap();
        assert_ne!(leaf(&first).raw_serial(), leaf(&other).raw_serial());
        assert!(leaf(&first).raw_serial().len() >= 16);
    }

    #[test]
    fn what_is_outside_the_scope_is_never_signed() {
        let now = OffsetDateTime::now_utc();
        let store = store(now);
        assert!(matches!(store.certified_key("example.org", now), Err(CaError::OutOfScope)));
        assert!(matches!(store.certified_key("example.com.evil.test", now), Err(CaError::OutOfScope)));
        assert!(matches!(store.certified_key("127.0.0.1", now), Err(CaError::Address)));
        assert!(matches!(store.certified_key("[::1]", now), Err(CaError::Address)));
        assert!(matches!(store.certified_key("*.example.com", now), Err(CaError::Host(_))));
        assert!(store.cache.lock().unwrap().leaves.is_empty());
    }

    #[test]
    fn nothing_is_signed_once_the_root_has_ended() {
        let now = OffsetDateTime::now_utc();
        let store = store(now);
        store.certified_key("localhost", now).unwrap();
        assert!(matches!(store.certified_key("localhost", now + Duration::days(3)), Err(CaError::Expired)));
        assert!(matches!(store.certified_key("localhost", now - Duration::days(2)), Err(CaError::Expired)));
    }

    #[test]
    fn a_leaf_is_made_anew_before_it_ends_if_the_root_lasts_longer() {
        let now = OffsetDateTime::now_utc();
        let scope = Scope::from_patterns(["localhost"]).unwrap();
        let root =
            Root::self_signed(&scope, Key::generate().unwrap(), "long".into(), now, now + Duration::days(30)).unwrap();
        let store = LeafStore::new(Arc::new(root)).unwrap();
        let first = store.certified_key("localhost", now).unwrap();
        assert!(Arc::ptr_eq(&first, &store.certified_key("localhost", now + Duration::days(5)).unwrap()));
        let second = store.certified_key("localhost", now + Duration::days(6) + Duration::hours(1)).unwrap();
        assert!(leaf(&second).validity().not_after.timestamp() > leaf(&first).validity().not_after.timestamp());
        let last = store.certified_key("localhost", now + Duration::days(29) + Duration::hours(23)).unwrap();
        assert!(Arc::ptr_eq(
            &last,
            &store.certified_key("localhost", now + Duration::days(29) + Duration::hours(23)).unwrap()
        ));
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_in_use() {
        let now = OffsetDateTime::now_utc();
        let store = store(now);
        let kept = store.certified_key("localhost", now).unwrap();
        let started = Instant::now();
        for number in 0..CAPACITY + 10 {
            store.certified_key(&format!("h{number}.example.com"), now).unwrap();
            assert!(Arc::ptr_eq(&kept, &store.certified_key("localhost", now).unwrap()));
        }
        assert_eq!(store.cache.lock().unwrap().leaves.len(), CAPACITY);
        assert!(!store.cache.lock().unwrap().leaves.contains_key("h0.example.com"));
        println!("{:?} per leaf, unoptimised", started.elapsed() / (CAPACITY as u32 + 10));
    }
}
