//! The server behind the proxy: what a request wants is in a header field of its own, `x-life-KIND: AMOUNT`.

use crate::{message, origin};
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Time between two events of one stream.
pub(crate) const PAUSE: Duration = Duration::from_millis(200);

const REFUSAL: &str = r#"{"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired. Please obtain a new token or refresh your existing token."}}"#;

/// Serves until it is killed; its first line of output is its port.
pub(crate) async fn serve(folder: &Path) -> Result<()> {
    let mut config = Arc::clone(origin::acceptor(folder)?.config());
    Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(config);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that goes away is the usual end.
            let _ = greet(&acceptor, stream).await;
        });
    }
}

async fn greet(acceptor: &TlsAcceptor, stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return talk(stream).await;
    }
    let answer = service_fn(async |_| {
        let body = Full::new(Bytes::from_static(br#"{"type":"message"}"#));
        Ok::<_, Infallible>(
            http::Response::builder().header("content-type", "application/json").body(body).unwrap_or_default(),
        )
    });
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    Ok(serving.serve_connection(TokioIo::new(stream), answer).await?)
}

async fn talk(mut stream: TlsStream<TcpStream>) -> Result<()> {
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
        let head = buffer.get(..end).unwrap_or_default().to_vec();
        let amount = |kind: &str| message::number_after(&head, format!("x-life-{kind}: ").as_bytes());
        if amount("stall").is_some() {
            // Reads nothing of the body until the client is gone.
            tokio::time::sleep(Duration::from_secs(amount("stall").unwrap_or(0) as u64)).await;
            return Ok(());
        }
        let mut left = (end + length).saturating_sub(filled);
        while left > 0 {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            left = left.saturating_sub(read);
        }
        filled = 0;
        if let Some(bytes) = amount("down") {
            send(&mut stream, bytes).await?;
        } else if let Some(events) = amount("stream") {
            send_events(&mut stream, events).await?;
        } else if amount("refused").is_some() {
            send_json(&mut stream, "401 Unauthorized", REFUSAL).await?;
        } else if amount("token").is_some() {
            send_json(&mut stream, "200 OK", &token()).await?;
        } else if amount("break").is_some() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf").await?;
            stream.flush().await?;
            stream.get_ref().0.set_zero_linger()?;
            return Ok(());
        } else {
            stream.write_all(&message::answer()).await?;
        }
        stream.flush().await?;
    }
}

/// New tokens each time, as a long life has them.
fn token() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        r#"{{"token_type":"Bearer","access_token":"sk-ant-oat01-FAKE0life{number:020}","refresh_token":"sk-ant-ort01-FAKE0life{number:020}","expires_in":28800,"scope":"user:inference"}}"#
    )
}

async fn send_json(stream: &mut TlsStream<TcpStream>, status: &str, body: &str) -> Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    Ok(stream.write_all((head + body).as_bytes()).await?)
}

async fn send(stream: &mut TlsStream<TcpStream>, bytes: usize) -> Result<()> {
    stream.write_all(&message::answer_head("application/octet-stream", Some(bytes))).await?;
    let piece = vec![b'x'; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(piece.len());
        stream.write_all(piece.get(..now).unwrap_or_default()).await?;
        left -= now;
    }
    Ok(())
}

async fn send_events(stream: &mut TlsStream<TcpStream>, events: usize) -> Result<()> {
    stream.write_all(&message::answer_head("text/event-stream; charset=utf-8", None)).await?;
    let mut pause = tokio::time::interval(PAUSE);
    for _ in 0..events {
        pause.tick().await;
        stream.write_all(&message::event(origin::now())).await?;
        stream.flush().await?;
    }
    Ok(stream.write_all(message::LAST_CHUNK).await?)
}
