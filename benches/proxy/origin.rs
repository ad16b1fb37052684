//! The server behind all parties: HTTP/1.1 over TLS, with a certificate of its own root.

use crate::message::{self, ANSWER, HOST, LARGE};
use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The root that signs the origin's certificate, in the run's folder.
pub(crate) const ROOT: &str = "origin-root.pem";
const LEAF: &str = "origin-leaf.pem";
const KEY: &str = "origin-key.pem";

/// Makes the certificates of a run; they lie in its folder and go with it.
pub(crate) fn make_certificates(folder: &Path) -> Result<()> {
    let mut root = CertificateParams::new(Vec::new())?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate()?;
    let root_certificate = root.self_signed(&root_key)?;
    let leaf_key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![HOST.to_owned()])?;
    let leaf = leaf.signed_by(&leaf_key, &Issuer::new(root, root_key))?;
    std::fs::write(folder.join(ROOT), root_certificate.pem())?;
    std::fs::write(folder.join(LEAF), leaf.pem())?;
    std::fs::write(folder.join(KEY), leaf_key.serialize_pem())?;
    Ok(())
}

/// The server's side of TLS, for the origin and for the relay that splices.
pub(crate) fn acceptor(folder: &Path) -> Result<TlsAcceptor> {
    let leaf = CertificateDer::from_pem_file(folder.join(LEAF))?;
    let key = PrivateKeyDer::from_pem_file(folder.join(KEY))?;
    let mut config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![leaf], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until it is killed; its first line of output is its port.
pub(crate) async fn serve(folder: &Path) -> Result<()> {
    let acceptor = acceptor(folder)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that goes away is the usual end.
            let _ = talk(&acceptor, stream).await;
        });
    }
}

async fn talk(acceptor: &TlsAcceptor, stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    let answer = message::answer();
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    loop {
        let (end, length) = loop {
            let read = stream.read(buffer.get_mut(filled..).context("the head is too long")?).await?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            if let Some(found) = message::head_end(buffer.get(..filled).unwrap_or_default()) {
                break found;
            }
        };
        let mut left = (end + length).saturating_sub(filled);
        while left > 0 {
            let read = stream.read(&mut buffer[8 * 1024..]).await?;
            if read == 0 {
                return Ok(());
            }
            left = left.saturating_sub(read);
        }
        let head = buffer.get(..end).unwrap_or_default();
        if head.starts_with(b"GET") {
            send_large(&mut stream).await?;
        } else if let Some(events @ 1..) = message::number_after(head, b"x-bench-events: ") {
            let pause = message::number_after(head, b"x-bench-pause: ").unwrap_or_default();
            send_events(&mut stream, events, pause).await?;
        } else {
            stream.write_all(&answer).await?;
        }
        stream.flush().await?;
        filled = 0;
    }
}

async fn send_large(stream: &mut (impl AsyncWriteExt + Unpin)) -> Result<()> {
    stream.write_all(&message::answer_head("application/octet-stream", Some(LARGE))).await?;
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..LARGE / piece.len() {
        stream.write_all(&piece).await?;
    }
    Ok(())
}

async fn send_events(stream: &mut (impl AsyncWriteExt + Unpin), events: usize, pause: usize) -> Result<()> {
    stream.write_all(&message::answer_head("text/event-stream; charset=utf-8", None)).await?;
    stream.flush().await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(pause.max(1) as u64));
    for _ in 0..events {
        if pause > 0 {
            ticks.tick().await;
        }
        stream.write_all(&message::event(now())).await?;
        stream.flush().await?;
    }
    stream.write_all(message::LAST_CHUNK).await?;
    Ok(())
}

/// Nanoseconds since the epoch: the one clock that two processes share.
pub(crate) fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

const _: () = assert!(ANSWER < 4 * 1024, "an answer is one TLS record");
