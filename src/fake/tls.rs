//! The fake's own certificates: a root that lives as long as the fake, and a leaf for every name asked for.

use super::FakeError;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use time::{Duration, OffsetDateTime};

/// A server configuration (TLS 1.3 and 1.2, ALPN `h2` and `http/1.1`) and the PEM of the root that it hangs on.
pub(super) fn server() -> Result<(ServerConfig, String), FakeError> {
    let root = root()?;
    let pem = root.pem();
    let resolver = LeafBySni { root, leaves: Mutex::new(HashMap::new()) };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, pem))
}

/// A root that nobody knows.
pub(super) fn root() -> Result<CertifiedIssuer<'static, KeyPair>, FakeError> {
    let mut params = params(Vec::new(), "authtrace fake root")?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn params(names: Vec<String>, common_name: &str) -> Result<CertificateParams, FakeError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::DAY;
    params.not_after = now + Duration::days(30);
    Ok(params)
}

/// Makes a leaf on the first use of a name; a client that names none gets one for 127.0.0.1.
struct LeafBySni {
    root: CertifiedIssuer<'static, KeyPair>,
    leaves: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl LeafBySni {
    fn leaf(&self, name: &str) -> Result<CertifiedKey, FakeError> {
        let key = KeyPair::generate()?;
        let mut params = params(vec![name.to_owned()], "authtrace fake leaf")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.root)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = ring::sign::any_supported_type(&key)?;
        Ok(CertifiedKey::new(vec![leaf.der().clone()], signing))
    }
}

impl ResolvesServerCert for LeafBySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or("127.0.0.1").to_ascii_lowercase();
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(&name) {
            return Some(Arc::clone(leaf));
        }
        let leaf = Arc::new(self.leaf(&name).ok()?);
        leaves.insert(name, Arc::clone(&leaf));
        Some(leaf)
    }
}

impl fmt::Debug for LeafBySni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeafBySni").finish_non_exhaustive()
    }
}
