//! Connections of a scripted client: CONNECT to a proxy, TLS in the tunnel, HTTP/1.1 in that.

use super::client::ClientConfig;
use super::error::FakeError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig as TlsConfig, RootCertStore, version};
use serde_json::Value;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

/// Longest answer to CONNECT that is read, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Which of Claude Code's two HTTP stacks the connection looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// One request per connection, no ALPN.
    Axios,
    /// Kept alive, ALPN `http/1.1`.
    Fetch,
}

/// Opens connections through the proxy.
pub(super) struct Tunnels {
    proxy_addr: SocketAddr,
    authorization: Option<String>,
    axios: TlsConnector,
    fetch: TlsConnector,
    patience: Duration,
}

impl Tunnels {
    /// Those of the client with this index.
    pub(super) fn new(config: &ClientConfig, index: usize) -> Result<Self, FakeError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(config.ca_pem.as_bytes()) {
            roots.add(certificate.map_err(|_| FakeError::CaPem)?).map_err(|_| FakeError::CaPem)?;
        }
        if roots.is_empty() {
            return Err(FakeError::CaPem);
        }
        let axios = TlsConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut fetch = axios.clone();
        fetch.alpn_protocols = vec![b"http/1.1".to_vec()];
        let authorization = config.proxy_login(index).map(|login| format!("Basic {}", STANDARD.encode(login)));
        Ok(Self {
            proxy_addr: config.proxy_addr,
            authorization,
            axios: TlsConnector::from(Arc::new(axios)),
            fetch: TlsConnector::from(Arc::new(fetch)),
            patience: config.patience,
        })
    }

    pub(super) async fn open(&self, host: &str, style: Style) -> Result<Tunnel, FakeError> {
        let failed = |source| FakeError::Connection { host: host.to_owned(), source };
        let mut stream = within(self.patience, TcpStream::connect(self.proxy_addr)).await.map_err(failed)?;
        let (connector, connection) = match style {
            Style::Axios => (&self.axios, "close"),
            Style::Fetch => (&self.fetch, "Keep-Alive"),
        };
        let mut head = format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\nProxy-Connection: {connection}\r\n");
        if let Some(authorization) = &self.authorization {
            head.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
        }
        head.push_str("\r\n");
        within(self.patience, stream.write_all(head.as_bytes())).await.map_err(failed)?;
        let answer = within(self.patience, head_of(&mut stream)).await.map_err(failed)?;
        match status_of(&answer) {
            Some(200..=299) => {}
            Some(status) => {
                return Err(FakeError::TunnelRefused { host: host.to_owned(), status });
            }
            None => return Err(FakeError::TunnelGarbled { host: host.to_owned() }),
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(io::Error::other(error)))?;
        let handshake_failed = |source| FakeError::Handshake { host: host.to_owned(), source };
        let stream = within(self.patience, connector.connect(name, stream)).await.map_err(handshake_failed)?;
        let exchange = |source| FakeError::Exchange { host: host.to_owned(), source };
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(exchange)?;
        // What goes wrong on the connection shows in the exchange that is on it.
        let task = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
        Ok(Tunnel { host: host.to_owned(), sender, patience: self.patience, _task: task })
    }
}

/// One connection in a tunnel; it ends when this is dropped.
pub(super) struct Tunnel {
    host: String,
    sender: SendRequest<Full<Bytes>>,
    patience: Duration,
    _task: AbortOnDropHandle<()>,
}

impl Tunnel {
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request and reads the answer to its end.
    pub(super) async fn exchange(&mut self, request: http::Request<Full<Bytes>>) -> Result<Answered, FakeError> {
        let failed = |source| FakeError::Exchange { host: self.host.clone(), source };
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            Ok(Answered { status: head.status.as_u16(), headers: head.headers, body: body.collect().await?.to_bytes() })
        };
        match timeout(self.patience, exchange).await {
            Ok(done) => done.map_err(failed),
            Err(_) => {
                let source = io::ErrorKind::TimedOut.into();
                Err(FakeError::Handshake { host: self.host.clone(), source })
            }
        }
    }
}

/// An answer, read to its end.
pub(super) struct Answered {
    pub(super) status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answered {
    /// The first value of a header field, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON, or null if it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether the body has these words.
    pub(super) fn contains(&self, words: &str) -> bool {
        memchr::memmem::find(&self.body, words.as_bytes()).is_some()
    }
}

async fn within<T>(patience: Duration, act: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(patience, act).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Reads up to and with the empty line, byte by byte: what follows it is TLS and is not ours to take.
async fn head_of(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

fn status_of(head: &[u8]) -> Option<u16> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(head).ok()?;
    response.code
}
