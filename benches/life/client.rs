//! The client: connections through the proxy, and what is asked on them.

use crate::message;
use crate::process::Proxy;
use anyhow::{Context, Result, ensure};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A host that the proxy does not read.
pub(crate) const UNREAD: &str = "unread.example";

/// A proxy, and what its clients trust.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    pub(crate) http1: TlsConnector,
    pub(crate) http2: TlsConnector,
}

pub(crate) fn connector(roots: &Path, protocol: &[u8]) -> Result<TlsConnector> {
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(roots)? {
        store.add(certificate?)?;
    }
    let mut config = rustls::ClientConfig::builder().with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A tunnel of the proxy at this address.
async fn tunnel(address: SocketAddr, host: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // The user `bench` with the password `FAKE`.
    let head = format!(
        "CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\nProxy-Authorization: Basic YmVuY2g6RkFLRQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::with_capacity(256);
    while message::head_end(&answer).is_none() {
        ensure!(stream.read_buf(&mut answer).await? > 0, "the proxy closed the connection");
    }
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "the proxy refused: {}", String::from_utf8_lossy(&answer));
    Ok(stream)
}

/// TLS to the host that is read.
pub(crate) async fn intercepted(way: &Way, connector: &TlsConnector) -> Result<TlsStream<TcpStream>> {
    Ok(connector.connect(ServerName::try_from(Proxy::TARGET)?, tunnel(way.address, Proxy::TARGET).await?).await?)
}

/// A connection that the origin answers on; HTTP/1.1.
pub(crate) struct Client {
    pub(crate) stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(way: &Way) -> Result<Self> {
        Ok(Self { stream: intercepted(way, &way.http1).await?, buffer: vec![0; 64 * 1024] })
    }

    /// The same to a host that passes unread: `origin` is what such a client trusts.
    pub(crate) async fn unread(way: &Way, origin: &Way) -> Result<Self> {
        let stream = tunnel(way.address, UNREAD).await?;
        let stream = origin.http1.connect(ServerName::try_from(Proxy::TARGET)?, stream).await?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024] })
    }

    /// Sends the head of a request for this kind of answer.
    pub(crate) async fn ask(&mut self, kind: &str, amount: usize, body: usize) -> Result<()> {
        let path = if kind == "token" { "/v1/oauth/token" } else { "/v1/messages" };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer sk-ant-oat01-FAKE0life0token\r\n\
             User-Agent: claude-cli/2.1.328 (external, cli)\r\nanthropic-version: 2023-06-01\r\n\
             Content-Type: application/json\r\nx-life-{kind}: {amount}\r\nContent-Length: {body}\r\n\r\n",
            Proxy::TARGET
        );
        self.stream.write_all(head.as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    /// Sends a body.
    pub(crate) async fn send(&mut self, bytes: usize) -> Result<()> {
        let piece = vec![b'x'; 64 * 1024];
        let mut left = bytes;
        while left > 0 {
            let now = left.min(piece.len());
            self.stream.write_all(piece.get(..now).unwrap_or_default()).await?;
            left -= now;
        }
        Ok(self.stream.flush().await?)
    }

    /// Reads an answer with a `Content-Length`: its status and the length.
    pub(crate) async fn answer(&mut self) -> Result<(u16, usize)> {
        let mut head = Vec::with_capacity(4 * 1024);
        let (end, length) = loop {
            ensure!(self.stream.read_buf(&mut head).await? > 0, "the answer broke off");
            if let Some(found) = message::head_end(&head) {
                break found;
            }
        };
        let mut left = (end + length).checked_sub(head.len()).context("more came than was asked for")?;
        while left > 0 {
            let read = self.stream.read(&mut self.buffer).await?;
            ensure!(read > 0, "the body broke off");
            left = left.checked_sub(read).context("more came than was asked for")?;
        }
        let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()).context("no status")?;
        Ok((status.parse()?, length))
    }

    pub(crate) async fn message(&mut self) -> Result<()> {
        self.ask("message", 1, 0).await?;
        ensure!(self.answer().await?.0 == 200, "not the answer expected");
        Ok(())
    }

    /// Reads a stream of so many events to its end.
    pub(crate) async fn events(&mut self, events: usize) -> Result<()> {
        self.ask("stream", events, 0).await?;
        let (mut seen, mut tail) = (0, Vec::new());
        loop {
            let read = self.stream.read(&mut self.buffer).await?;
            ensure!(read > 0, "the stream broke off");
            let piece = self.buffer.get(..read).unwrap_or_default();
            seen += memchr::memchr_iter(b'@', piece).count();
            tail.extend_from_slice(piece.get(read.saturating_sub(8)..).unwrap_or_default());
            if tail.ends_with(message::LAST_CHUNK) {
                ensure!(seen == events, "{seen} of {events} events came");
                return Ok(());
            }
            tail.drain(..tail.len().saturating_sub(8));
        }
    }
}
