//! TLS towards both sides: configurations that live as long as the proxy, so that sessions can be resumed.

use super::ProxyError;
use crate::ca::{CaError, LeafStore, bundle, issuer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    ServerConfig, SignatureScheme,
};
use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use time::OffsetDateTime;

/// Configurations kept; a client that offers ever new protocol lists does not grow the table.
const KEPT: usize = 256;

/// Which upstream certificates are accepted. There is no way to accept all.
#[derive(Clone)]
pub struct UpstreamTrust {
    roots: Arc<RootCertStore>,
}

impl UpstreamTrust {
    /// The operating system's roots and those of the given PEM files.
    ///
    /// # Errors
    /// When a file cannot be used, or no root is left.
    pub fn load(extra: &[impl AsRef<Path>]) -> Result<Self, ProxyError> {
        let mut roots = RootCertStore::empty();
        let native = bundle::native_roots();
        roots.add_parsable_certificates(native.certs.iter().cloned());
        for path in extra {
            add_file(&mut roots, path.as_ref())?;
        }
        if roots.is_empty() {
            let why = native.errors.first().map_or_else(|| "the system has none".to_owned(), ToString::to_string);
            return Err(ProxyError::NoRoots(why));
        }
        Ok(Self { roots: Arc::new(roots) })
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), ProxyError> {
    let fail = |why: String| ProxyError::UpstreamCa { path: path.display().to_string(), why };
    let text = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|_| fail("it is not PEM".to_owned()))?;
    if certificates.is_empty() {
        return Err(fail("it holds no certificate".to_owned()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|_| fail("a certificate in it cannot be used as a root".to_owned()))?;
    }
    Ok(())
}

/// A protocol list as it stood in a ClientHello (RFC 7301).
pub(super) type Protocols = Vec<Vec<u8>>;

/// The configurations of both sides.
pub(super) struct TlsConfigs {
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    no_certificate: Arc<dyn ResolvesClientCert>,
    clients: Mutex<HashMap<Protocols, Arc<ClientConfig>>>,
    servers: Mutex<HashMap<ServerFor, ServerEntry>>,
    sessions: Arc<dyn StoresServerSessions>,
    tickets: Arc<dyn ProducesTickets>,
}

/// A host, and the protocol that its upstream chose.
type ServerFor = (String, Option<Vec<u8>>);

struct ServerEntry {
    leaf: Arc<CertifiedKey>,
    config: Arc<ServerConfig>,
}

impl TlsConfigs {
    pub(super) fn new(trust: &UpstreamTrust) -> Result<Self, ProxyError> {
        let provider = Arc::new(provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(&trust.roots), Arc::clone(&provider))
            .build()
            .map_err(|error| ProxyError::NoRoots(error.to_string()))?;
        Ok(Self {
            provider,
            verifier: Arc::new(Witness { verifier }),
            no_certificate: Arc::new(NoCertificate),
            clients: Mutex::default(),
            servers: Mutex::default(),
            sessions: ServerSessionMemoryCache::new(1_024),
            tickets: ring::Ticketer::new()?,
        })
    }

    /// For a connection to an upstream: the client's own list is offered, and none if it offered none.
    pub(super) fn towards_upstream(&self, protocols: &Protocols) -> Result<Arc<ClientConfig>, rustls::Error> {
        let mut kept = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = kept.get(protocols) {
            return Ok(Arc::clone(config));
        }
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&self.verifier))
            .with_client_cert_resolver(Arc::clone(&self.no_certificate));
        config.alpn_protocols.clone_from(protocols);
        config.resumption = Resumption::in_memory_sessions(256);
        let config = Arc::new(config);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(protocols.clone(), Arc::clone(&config));
        Ok(config)
    }

    /// For a connection from a client: the host's leaf, and the protocol that the upstream chose.
    pub(super) fn towards_client(
        &self,
        leaves: &LeafStore,
        host: &str,
        protocol: Option<&[u8]>,
    ) -> Result<Arc<ServerConfig>, ServerTlsError> {
        let leaf = leaves.certified_key(host, OffsetDateTime::now_utc())?;
        let key = (host.to_owned(), protocol.map(<[u8]>::to_vec));
        let mut kept = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = kept.get(&key).filter(|entry| Arc::ptr_eq(&entry.leaf, &leaf)) {
            return Ok(Arc::clone(&entry.config));
        }
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(leaf.as_ref().clone())));
        config.alpn_protocols = key.1.clone().into_iter().collect();
        // This leg does not leave the machine: what it costs decides, not what the client would have had of a server.
        config.ignore_client_order = true;
        config.session_storage = Arc::clone(&self.sessions);
        config.ticketer = Arc::clone(&self.tickets);
        let config = Arc::new(config);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, ServerEntry { leaf, config: Arc::clone(&config) });
        Ok(config)
    }
}

/// AES-128 first, as browsers have it: its handshakes need SHA-256 alone, for which processors have instructions.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !is_aes_128(suite.suite()));
    provider
}

fn is_aes_128(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

/// What to do about an upstream that asks for a client certificate.
pub(super) const MTLS_HINT: &str = "the upstream asks for a client certificate; let it pass unread with --tunnel HOST";

tokio::task_local! {
    static NOTICED: Cell<Noticed>;
}

/// What was seen of an upstream besides the result of the handshake with it.
#[derive(Clone, Copy, Default)]
pub(super) struct Noticed {
    /// Whether it asked for a client certificate.
    pub(super) certificate_asked: bool,
    /// The product that signed its certificate, if nobody trusts it here and it is one that is known to sign for others.
    pub(super) interceptor: Option<&'static str>,
}

/// Runs a handshake with an upstream, and tells what was seen besides its result.
///
/// A cell of the task and not of the configuration: sessions are resumed only under the very verifier and resolver they
/// were made with.
pub(super) async fn noticing<T>(handshake: impl Future<Output = T>) -> (T, Noticed) {
    let noting = async {
        let result = handshake.await;
        (result, NOTICED.with(Cell::get))
    };
    NOTICED.scope(Cell::default(), noting).await
}

fn notice(change: impl FnOnce(&mut Noticed)) {
    let _ = NOTICED.try_with(|cell| {
        let mut noticed = cell.get();
        change(&mut noticed);
        cell.set(noticed);
    });
}

/// Verifies as rustls does, and notes who signed what nobody trusts here. It never accepts what rustls refuses.
#[derive(Debug)]
struct Witness {
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if let Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) = &verified {
            let name = issuer::issuer_name(end_entity).unwrap_or_default();
            notice(|noticed| noticed.interceptor = issuer::interceptor(&name));
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Has no certificate, and notes that one was asked for (RFC 8446 §4.3.2).
#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        notice(|noticed| noticed.certificate_asked = true);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Whether an alert speaks of the other side's certificate.
pub(super) fn refuses_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
    )
}

/// Why a client cannot be given a certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServerTlsError {
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}
