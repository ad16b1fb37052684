//! The client: connections that go the way of a party, and what is sent on them.

use crate::message::{self, ANSWER, Ask, HOST, LARGE};
use crate::origin;
use anyhow::{Context, Result, bail, ensure};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where to, and whether by way of CONNECT.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    pub(crate) connect: bool,
    pub(crate) connector: TlsConnector,
}

/// TLS that trusts these roots and resumes nothing: every connection is a full handshake.
pub(crate) fn connector(roots: &[PathBuf]) -> Result<TlsConnector> {
    let mut store = rustls::RootCertStore::empty();
    for path in roots {
        for certificate in CertificateDer::pem_file_iter(path)? {
            store.add(certificate?)?;
        }
    }
    let mut config = rustls::ClientConfig::builder().with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A connection to the origin.
pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(way: &Way) -> Result<Self> {
        let mut stream = TcpStream::connect(way.address).await?;
        stream.set_nodelay(true)?;
        if way.connect {
            // Basic authentication of the user `bench` with the password `FAKE`.
            let head = format!(
                "CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\nProxy-Authorization: Basic YmVuY2g6RkFLRQ==\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            let mut answer = Vec::with_capacity(256);
            while message::head_end(&answer).is_none() {
                ensure!(stream.read_buf(&mut answer).await? > 0, "the proxy closed the connection");
            }
            ensure!(answer.starts_with(b"HTTP/1.1 200"), "the proxy refused: {}", String::from_utf8_lossy(&answer));
        }
        let stream = way.connector.connect(ServerName::try_from(HOST)?, stream).await?;
        Ok(Self { stream, request: message::request(Ask::Message), buffer: vec![0; 64 * 1024] })
    }

    /// One message and its answer.
    pub(crate) async fn message(&mut self) -> Result<()> {
        self.stream.write_all(&self.request).await?;
        self.stream.flush().await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<()> {
        let mut filled = 0;
        let mut whole = usize::MAX;
        while filled < whole {
            let room = self.buffer.get_mut(filled..).context("the answer is too long")?;
            let read = self.stream.read(room).await?;
            ensure!(read > 0, "the answer broke off");
            filled += read;
            if whole == usize::MAX
                && let Some((end, length)) = message::head_end(self.buffer.get(..filled).unwrap_or_default())
            {
                ensure!(self.buffer.starts_with(b"HTTP/1.1 200") && length == ANSWER, "not the answer expected");
                whole = end + length;
            }
        }
        ensure!(filled == whole, "more came than was asked for");
        Ok(())
    }

    /// Fetches a large body; how long that took.
    pub(crate) async fn down(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.stream.write_all(&message::request(Ask::Down)).await?;
        self.stream.flush().await?;
        let mut head = Vec::with_capacity(4 * 1024);
        let (end, length) = loop {
            ensure!(self.stream.read_buf(&mut head).await? > 0, "the answer broke off");
            if let Some(found) = message::head_end(&head) {
                break found;
            }
        };
        ensure!(length == LARGE, "not the body expected");
        let mut left = end + length - head.len();
        while left > 0 {
            let read = self.stream.read(&mut self.buffer).await?;
            ensure!(read > 0, "the body broke off");
            left = left.checked_sub(read).context("more came than was asked for")?;
        }
        Ok(begun.elapsed())
    }

    /// Sends a large body; how long it took until it was answered.
    pub(crate) async fn up(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.stream.write_all(&message::request(Ask::Up)).await?;
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..LARGE / piece.len() {
            self.stream.write_all(&piece).await?;
        }
        self.stream.flush().await?;
        self.answer().await?;
        Ok(begun.elapsed())
    }

    /// Reads a stream of events; how long each was under way, in nanoseconds.
    pub(crate) async fn events(&mut self, ask: Ask) -> Result<Vec<u64>> {
        let (Ask::Stream(events) | Ask::Burst(events)) = ask else { bail!("no events are asked for") };
        self.stream.write_all(&message::request(ask)).await?;
        self.stream.flush().await?;
        let mut delays = Vec::with_capacity(events);
        let mut text = Vec::with_capacity(64 * 1024);
        loop {
            ensure!(self.stream.read_buf(&mut text).await? > 0, "the stream broke off");
            let now = origin::now();
            let mut seen = 0;
            while let Some(at) = text.get(seen..).and_then(|rest| memchr::memchr(b'@', rest)) {
                let Some(digits) = text.get(seen + at + 1..seen + at + 21) else { break };
                let sent: u128 = std::str::from_utf8(digits)?.parse()?;
                delays.push(u64::try_from(now.saturating_sub(sent))?);
                seen += at + 21;
            }
            if text.ends_with(message::LAST_CHUNK) {
                ensure!(delays.len() == events, "{} of {events} events came", delays.len());
                return Ok(delays);
            }
            text.drain(..seen);
        }
    }
}
