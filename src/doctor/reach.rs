//! One request without credentials to a host, over TLS through a proxy: who signs there, and what is answered.
//!
//! The certificate is verified as a run would; a chain that does not hold ends the attempt before a byte of the request.

use super::facts::{Answer, Issuer, Reach};
use crate::ca::{bundle, issuer};
use crate::place::is_unseen;
use crate::trace::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

/// Longest answer of the proxy to CONNECT, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
/// Longest name of an issuer that is shown, in characters.
const LONGEST_NAME: usize = 48;

/// The proxy to go through.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its user.
    pub user: String,
    /// Its password.
    pub password: Zeroizing<String>,
}

/// What to ask.
#[derive(Clone, Debug)]
pub struct Question {
    /// The host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The method.
    pub method: http::Method,
    /// The path.
    pub path: &'static str,
}

/// Whom to believe: the machine's roots and the user's, and beside them Mozilla's.
pub struct Verifiers {
    machine: Arc<WebPkiServerVerifier>,
    public: Arc<WebPkiServerVerifier>,
}

impl Verifiers {
    /// With the machine's roots and those of these files.
    ///
    /// # Errors
    /// When no root is left.
    pub fn load(extra: &[PathBuf]) -> Result<Self, rustls::client::VerifierBuilderError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(bundle::native_roots().certs.iter().cloned());
        for path in extra {
            roots.add_parsable_certificates(bundle::certificates_in(path).unwrap_or_default());
        }
        Ok(Self { machine: verifier(roots)?, public: verifier(mozilla())? })
    }
}

fn mozilla() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

fn verifier(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, rustls::client::VerifierBuilderError> {
    let provider = Arc::new(ring::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()
}

/// The proxy did not open the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its status, if it gave one.
    pub status: Option<u16>,
}

/// Asks, and tells how far that came.
///
/// # Errors
/// [`Refused`] if the proxy did not open the tunnel; it knows why.
pub async fn ask(
    proxy: &Proxy,
    question: &Question,
    verifiers: &Verifiers,
    patience: Duration,
) -> Result<Reach, Refused> {
    let nothing = Refused { status: None };
    let stream = tokio::time::timeout(patience, tunnel(proxy, question)).await.map_err(|_| nothing)??;
    let witness = Arc::new(Witness { verifiers: verifiers.both(), seen: Mutex::new(None) });
    match tokio::time::timeout(patience, speak(stream, question, &witness)).await {
        Ok(reach) => Ok(reach),
        Err(_) => {
            let why = format!("no answer came within {} s", patience.as_secs());
            Ok(match witness.issuer() {
                Some(issuer) => Reach::NoAnswer { why, issuer },
                None => Reach::NotTrusted { why, issuer: None },
            })
        }
    }
}

impl Verifiers {
    fn both(&self) -> (Arc<WebPkiServerVerifier>, Arc<WebPkiServerVerifier>) {
        (Arc::clone(&self.machine), Arc::clone(&self.public))
    }
}

async fn tunnel(proxy: &Proxy, question: &Question) -> Result<TcpStream, Refused> {
    let refused = |_: io::Error| Refused { status: None };
    let mut stream = TcpStream::connect(proxy.address).await.map_err(refused)?;
    let Question { host, port, .. } = question;
    let login = Zeroizing::new(format!("{}:{}", proxy.user, proxy.password.as_str()));
    let head = Zeroizing::new(format!(
        "CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nProxy-Authorization: Basic {}\r\n\r\n",
        STANDARD.encode(login.as_bytes())
    ));
    stream.write_all(head.as_bytes()).await.map_err(refused)?;
    let mut answer = Vec::new();
    // Byte by byte: what follows the head is TLS and not ours to take.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= LONGEST_HEAD {
            return Err(Refused { status: None });
        }
        answer.push(stream.read_u8().await.map_err(refused)?);
    }
    match status_of(&answer) {
        Some(200..=299) => Ok(stream),
        status => Err(Refused { status }),
    }
}

fn status_of(head: &[u8]) -> Option<u16> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(head).ok()?;
    response.code
}

async fn speak(stream: TcpStream, question: &Question, witness: &Arc<Witness>) -> Reach {
    let untrusted = |why: &str| Reach::NotTrusted { why: why.to_owned(), issuer: witness.issuer() };
    let begun = Instant::now();
    let Ok(connector) = connector(Arc::clone(witness)) else {
        return untrusted("TLS cannot be set up here");
    };
    let Ok(name) = ServerName::try_from(question.host.clone()) else {
        return untrusted("its name cannot stand in a certificate");
    };
    let stream = match connector.connect(name, stream).await {
        Ok(stream) => stream,
        Err(error) => return untrusted(tls_failure(&error)),
    };
    let Some(issuer) = witness.issuer() else { return untrusted("it showed no certificate") };
    let silent = |why: &str| Reach::NoAnswer { why: why.to_owned(), issuer: issuer.clone() };
    let Ok((mut sender, connection)) = handshake(TokioIo::new(stream)).await else {
        return silent("no HTTP could be spoken");
    };
    // What goes wrong on the connection shows in the one exchange that is on it.
    let _connection = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
    let Ok(request) = request(question) else { return silent("the request could not be made") };
    let sent = Timestamp::now();
    let Ok(response) = sender.send_request(request).await else {
        return silent("the connection was broken off");
    };
    let received = Timestamp::now();
    let field = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    Reach::Answered(Answer {
        status: response.status().as_u16(),
        clock_ahead_ms: field("date").and_then(|date| clock_ahead(date, sent, received)),
        challenge: field("cf-mitigated").is_some(),
        elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        issuer,
    })
}

fn connector(witness: Arc<Witness>) -> Result<TlsConnector, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(witness)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn request(question: &Question) -> http::Result<http::Request<Empty<Bytes>>> {
    let host =
        if question.port == 443 { question.host.clone() } else { format!("{}:{}", question.host, question.port) };
    http::Request::builder()
        .method(&question.method)
        .uri(question.path)
        .header("host", host)
        .header("user-agent", concat!("authtrace/", env!("CARGO_PKG_VERSION")))
        .header("accept", "*/*")
        .header("connection", "close")
        .body(Empty::new())
}

/// Seconds are what a date has; the middle of its second is compared with the middle of the exchange.
fn clock_ahead(date: &str, sent: Timestamp, received: Timestamp) -> Option<i64> {
    let date = OffsetDateTime::parse(&date.replace("GMT", "+0000"), &Rfc2822).ok()?;
    let theirs = date.unix_timestamp().checked_mul(1000)?.checked_add(500)?;
    let ours = sent.unix_ms().checked_add(received.unix_ms().checked_sub(sent.unix_ms())? / 2)?;
    ours.checked_sub(theirs)
}

fn tls_failure(error: &io::Error) -> &'static str {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return "the connection was broken off during the TLS handshake";
    };
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is signed by an authority that this machine does not trust"
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has ended (or this machine's clock is wrong)"
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "its certificate is not valid yet (or this machine's clock is wrong)"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name",
        Error::InvalidCertificate(_) => "its certificate does not hold",
        _ => "the TLS handshake failed",
    }
}

/// Verifies as the machine does, and remembers who signed.
#[derive(Debug)]
struct Witness {
    /// The machine's, and Mozilla's.
    verifiers: (Arc<WebPkiServerVerifier>, Arc<WebPkiServerVerifier>),
    seen: Mutex<Option<Issuer>>,
}

impl Witness {
    fn issuer(&self) -> Option<Issuer> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
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
        let (machine, public) = &self.verifiers;
        let public = public.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).is_ok();
        let issuer = Issuer { name: issuer_name(end_entity), public };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(issuer);
        machine.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifiers.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifiers.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifiers.0.supported_verify_schemes()
    }
}

/// The other side chooses the name, so it is cut, and cleaned of what is not text.
fn issuer_name(certificate: &CertificateDer<'_>) -> String {
    let name = issuer::issuer_name(certificate).unwrap_or_default();
    let plain: String = name.chars().filter(|c| !is_unseen(*c)).take(LONGEST_NAME).collect();
    if plain.trim().is_empty() { "an authority without a name".to_owned() } else { plain.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_compared_with_the_middle_of_the_exchange() {
        let at = |ms: i64| Timestamp::from_unix_ms(1_780_000_000_000 + ms);
        let date = "Thu, 28 May 2026 20:26:40 GMT";
        assert_eq!(clock_ahead(date, at(400), at(600)), Some(0));
        assert_eq!(clock_ahead(date, at(60_000), at(61_000)), Some(60_000));
        assert_eq!(clock_ahead(date, at(-300_500), at(-300_500)), Some(-301_000));
        assert_eq!(clock_ahead("yesterday", at(0), at(0)), None);
    }

    #[test]
    fn the_name_of_an_issuer_steers_no_terminal() {
        let signed_by = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::OrganizationName, name);
            issuer_name(params.self_signed(&key).unwrap().der())
        };
        assert_eq!(signed_by("Example Inc."), "Example Inc.");
        assert_eq!(signed_by("Evil\u{1b}]52;c;eA==\u{7}\u{9b}31m\u{202e}\u{200b}"), "Evil]52;c;eA==31m");
        assert_eq!(signed_by("\u{202e}"), "an authority without a name");
        assert_eq!(signed_by(&"x".repeat(60)).len(), LONGEST_NAME);
    }

    #[test]
    fn mozillas_roots_are_there() {
        assert!(mozilla().len() > 100);
    }
}
