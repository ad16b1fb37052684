use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroize as _;

use super::{CaError, Scope};

/// How far before its making a certificate is valid, for clients whose clock is behind.
pub(super) const BACKDATE: Duration = Duration::hours(24);
/// How long the root of a run is good: longer than a run, shorter than a week.
pub(super) const RUN_LIFE: Duration = Duration::days(3);
/// How long before its end a root leaves the signing to its successor: for clients whose clock is ahead, and so that no leaf
/// is made that ends at once.
const HAND_OVER: Duration = Duration::hours(12);

/// A root certificate and its key, constrained to one [`Scope`].
///
/// ECDSA P-256, path length 0, `keyCertSign` only, critical name constraints: each name of the scope is permitted and all IP
/// addresses are excluded. The key is wiped when the root is dropped.
pub struct Root {
    scope: Scope,
    params: CertificateParams,
    key: Key,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl Root {
    /// Makes the root of one run. Its key exists in memory only. Good from 24 hours before `now` until 3 days after.
    ///
    /// # Errors
    /// [`CaError::EmptyScope`]; [`CaError::Random`] or [`CaError::Certificate`] if the system or the library fails.
    pub fn generate(scope: &Scope, now: OffsetDateTime) -> Result<Self, CaError> {
        Self::generate_for(scope, now, RUN_LIFE)
    }

    pub(super) fn generate_for(scope: &Scope, now: OffsetDateTime, life: Duration) -> Result<Self, CaError> {
        let key = Key::generate()?;
        let name = format!("authtrace run CA {}", key.short_id());
        Self::self_signed(scope, key, name, now, now + life)
    }

    /// A new root with this key.
    pub(super) fn self_signed(
        scope: &Scope,
        key: Key,
        name: String,
        now: OffsetDateTime,
        not_after: OffsetDateTime,
    ) -> Result<Self, CaError> {
        let params = root_params(scope, name, now, not_after)?;
        let certificate = params.self_signed(&key.0)?;
        Ok(Self { scope: scope.clone(), params, key, pem: certificate.pem(), certificate: certificate.into() })
    }

    /// A root that was made earlier. The caller has checked that the certificate is of this key, scope and name.
    pub(super) fn restored(
        scope: &Scope,
        key: Key,
        name: String,
        validity: (OffsetDateTime, OffsetDateTime),
        certificate: CertificateDer<'static>,
        pem: String,
    ) -> Result<Self, CaError> {
        let mut params = root_params(scope, name, validity.0, validity.1)?;
        params.not_before = validity.0;
        Ok(Self { scope: scope.clone(), params, key, certificate, pem })
    }

    /// What may be signed.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The certificate, for clients to trust: one PEM block with a final line break.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The certificate in DER.
    #[must_use]
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// When the root, and with it every leaf, ends.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.params.not_after
    }

    /// When a successor has to be there, so that clients which start from then on know it before it signs: after half its life.
    pub(super) fn half_life(&self) -> OffsetDateTime {
        let made = self.params.not_before + BACKDATE;
        made + (self.params.not_after - made) / 2
    }

    /// From when on a successor signs, if there is one.
    pub(super) fn hands_over_at(&self) -> OffsetDateTime {
        self.params.not_after - HAND_OVER
    }

    /// Whether the root is good at this time.
    #[must_use]
    pub fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        (self.params.not_before..self.params.not_after).contains(&now)
    }

    pub(super) fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key.0)
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("scope", &self.scope)
            .field("not_after", &self.params.not_after)
            .finish_non_exhaustive()
    }
}

/// A P-256 key. The PKCS #8 form that rcgen keeps is wiped on drop; the library wipes its own.
pub(super) struct Key(pub(super) KeyPair);

impl Key {
    pub(super) fn generate() -> Result<Self, CaError> {
        Ok(Self(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
    }

    /// Eight hex digits of the public key's identifier, to tell one root from another by its name.
    pub(super) fn short_id(&self) -> String {
        let identifier = CertificateParams::default().key_identifier(&self.0);
        identifier.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn public_key(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A positive serial number of 16 random octets: rcgen's own default is a hash of the key, the same for every leaf that shares one.
pub(super) fn random_serial() -> Result<SerialNumber, CaError> {
    let mut octets = [0u8; 16];
    getrandom::getrandom(&mut octets).map_err(|_| CaError::Random)?;
    // RFC 5280 §4.1.2.2: positive, so the sign bit is clear; the next bit is set so that no leading octet is dropped.
    octets[0] = (octets[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&octets))
}

fn root_params(
    scope: &Scope,
    name: String,
    now: OffsetDateTime,
    not_after: OffsetDateTime,
) -> Result<CertificateParams, CaError> {
    if scope.is_empty() {
        return Err(CaError::EmptyScope);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(random_serial()?);
    params.not_before = now - BACKDATE;
    params.not_after = not_after;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: scope
            .permitted_names()
            .into_iter()
            .map(|name| GeneralSubtree::DnsName(name.to_owned()))
            .collect(),
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([0; 4], 0)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix([0; 16], 0)),
        ],
    });
    Ok(params)
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::*;

    use super::*;

    fn generated(scope: &Scope) -> Root {
        Root::generate(scope, OffsetDateTime::now_utc()).unwrap()
    }

    #[test]
    fn the_root_is_as_narrow_as_it_says() {
        let now = OffsetDateTime::now_utc();
        let root = Root::generate(&Scope::claude().unwrap(), now).unwrap();
        let (_, cert) = X509Certificate::from_der(root.certificate_der()).unwrap();
        let basic = cert.basic_constraints().unwrap().unwrap();
        assert!(basic.critical && basic.value.ca && basic.value.path_len_constraint == Some(0));
        let usage = cert.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign() && usage.value.flags.count_ones() == 1);
        assert!(cert.raw_serial().len() >= 16 && cert.raw_serial()[0] < 0x80);
        assert_eq!(cert.validity().not_before.timestamp(), (now - Duration::hours(24)).unix_timestamp());
        assert_eq!(cert.validity().not_after.timestamp(), (now + Duration::days(3)).unix_timestamp());
        assert!(cert.subject().to_string().starts_with("CN=authtrace run CA "));
        assert!(
            cert.extensions()
                .iter()
                .any(|ext| matches!(ext.parsed_extension(), ParsedExtension::SubjectKeyIdentifier(_)))
        );
    }

    #[test]
    fn name_constraints_are_exactly_the_scope() {
        let root = generated(&Scope::from_patterns([".example.com", "localhost"]).unwrap());
        assert_eq!(
            constraints(&root),
            (true, vec!["example.com".into(), "localhost".into()], vec![vec![0; 8], vec![0; 32]])
        );
        let root = generated(&Scope::from_patterns(["*"]).unwrap());
        assert_eq!(constraints(&root), (true, vec![], vec![vec![0; 8], vec![0; 32]]));
    }

    /// Whether critical, permitted names, excluded addresses with their masks.
    fn constraints(root: &Root) -> (bool, Vec<String>, Vec<Vec<u8>>) {
        let (_, cert) = X509Certificate::from_der(root.certificate_der()).unwrap();
        let found = cert.name_constraints().unwrap().unwrap();
        let permitted = found.value.permitted_subtrees.iter().flatten().map(|tree| match tree.base {
            GeneralName::DNSName(name) => name.to_owned(),
            ref other => panic!("{other:?}"),
        });
        let excluded = found.value.excluded_subtrees.iter().flatten().map(|tree| match tree.base {
            GeneralName::IPAddress(octets) => octets.to_vec(),
            ref other => panic!("{other:?}"),
        });
        (found.critical, permitted.collect(), excluded.collect())
    }

    #[test]
    fn an_empty_scope_makes_no_root_because_it_would_be_unconstrained() {
        assert!(matches!(Root::generate(&Scope::empty(), OffsetDateTime::now_utc()), Err(CaError::EmptyScope)));
    }

    #[test]
    fn two_runs_share_nothing() {
        let (a, b) = (generated(&Scope::claude().unwrap()), generated(&Scope::claude().unwrap()));
        assert_ne!(a.key.public_key(), b.key.public_key());
        assert_ne!(a.params.distinguished_name, b.params.distinguished_name);
        assert_ne!(a.params.serial_number, b.params.serial_number);
    }

    #[test]
    fn debug_shows_no_key() {
        let root = generated(&Scope::claude().unwrap());
        let shown = format!("{root:?}");
        assert!(shown.starts_with("Root { scope:") && shown.ends_with(".. }") && !shown.contains("key"), "{shown}");
        assert!(!root.certificate_pem().contains("PRIVATE"));
    }
}
