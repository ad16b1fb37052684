//! Certificates for origins, from a root that the test proxy trusts.

use authtrace::proxy::UpstreamTrust;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

pub(crate) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    folder: tempfile::TempDir,
}

/// A certificate chain with its key.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Pki {
    pub(crate) fn new() -> Self {
        Self::of("test origins")
    }

    /// With an authority of that name.
    pub(crate) fn of(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.pem"), certificate.pem()).unwrap();
        Self { root: certificate.der().clone(), issuer: Issuer::new(params, key), folder }
    }

    pub(crate) fn root_file(&self) -> std::path::PathBuf {
        self.folder.path().join("root.pem")
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.root.clone()
    }

    /// Trusts this root, besides the system's.
    pub(crate) fn trust(&self) -> UpstreamTrust {
        UpstreamTrust::load(&[self.root_file()]).unwrap()
    }

    /// A certificate for `name` that is valid for a day.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        let now = OffsetDateTime::now_utc();
        self.identity_between(name, now - Duration::days(1), now + Duration::days(1))
    }

    pub(crate) fn identity_between(&self, name: &str, from: OffsetDateTime, to: OffsetDateTime) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf(name, from, to).signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], private(&key))
    }

    /// A certificate that nobody issued.
    pub(crate) fn self_signed(name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let now = OffsetDateTime::now_utc();
        let certificate = leaf(name, now - Duration::days(1), now + Duration::days(1)).self_signed(&key).unwrap();
        (vec![certificate.der().clone()], private(&key))
    }

    /// Files with a certificate and its key, for programs.
    pub(crate) fn files(&self, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
        let key = KeyPair::generate().unwrap();
        let now = OffsetDateTime::now_utc();
        let certificate =
            leaf(name, now - Duration::days(1), now + Duration::days(1)).signed_by(&key, &self.issuer).unwrap();
        let (cert, private) = (self.folder.path().join("leaf.pem"), self.folder.path().join("leaf.key"));
        std::fs::write(&cert, certificate.pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        (cert, private)
    }

    /// A server for `name` that offers these protocols.
    pub(crate) fn server(&self, name: &str, protocols: &[&str]) -> ServerConfig {
        server(self.identity(name), protocols, rustls::ALL_VERSIONS)
    }

    /// A server that insists on a client certificate.
    pub(crate) fn server_with_client_auth(
        &self,
        name: &str,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        let (chain, key) = self.identity(name);
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap()
    }
}

/// A server with this certificate.
pub(crate) fn server(
    (chain, key): Identity,
    protocols: &[&str],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// A client that trusts one root and offers these protocols.
pub(crate) fn client_config(root: &CertificateDer<'_>, protocols: &[&str]) -> ClientConfig {
    client_config_of(root, protocols, rustls::ALL_VERSIONS)
}

pub(crate) fn client_config_of(
    root: &CertificateDer<'_>,
    protocols: &[&str],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone().into_owned()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn leaf(name: &str, from: OffsetDateTime, to: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = named(name);
    params.not_before = from;
    params.not_after = to;
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))
}
