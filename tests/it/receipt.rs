//! What the trace says about the passage of messages, over real sockets, and the receipt that is made of it.

use crate::support::{HOST, Origin, Pki, Seed, Setup, TestProxy, soon};
use authtrace::analyze::{Bytes, Knowledge, Receipt, Survey};
use authtrace::trace::{EndKind, Exchange, HeadPassage, MessagePassage, Passage};
use bytes::Bytes as Data;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

async fn start() -> (Pki, Origin, TestProxy) {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
    let proxy = Setup::to(&origin).start(&pki);
    (pki, origin, proxy)
}

fn receipt(proxy: &TestProxy) -> Receipt {
    let mut survey = Survey::default();
    proxy.records.records().iter().for_each(|record| survey.take(record));
    survey.receipt()
}

fn passage(exchange: &Exchange) -> (&MessagePassage, &MessagePassage) {
    let Some(Passage { request, response: Some(response) }) = &exchange.passage else { panic!("{exchange:#?}") };
    (request, response)
}

#[tokio::test]
async fn large_bodies_are_the_same_on_both_sides() {
    let (_pki, origin, proxy) = start().await;
    let mut seed = Seed::new(7);
    let (up, down) = (seed.bytes(700_000), seed.bytes(3_000_000));
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let asking = format!("POST /v1/messages HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n", up.len());
    let answering = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", down.len());
    let client_side = async {
        client.send(&asking).await;
        client.send(&up).await;
        client.expect(&answering).await;
        assert_eq!(client.receive(down.len()).await, down);
    };
    let origin_side = async {
        upstream.expect(&asking).await;
        assert_eq!(upstream.receive(up.len()).await, up);
        upstream.send(&answering).await;
        upstream.send(&down).await;
    };
    tokio::join!(client_side, origin_side);
    let exchange = proxy.records.await_exchange().await;
    let (request, response) = passage(&exchange);
    assert_eq!((request.head, response.head), (HeadPassage::Verbatim, HeadPassage::Verbatim));
    assert_eq!((request.read.bytes, response.read.bytes), (700_000, 3_000_000));
    client.close().await;
    upstream.close().await;
    let connection = proxy.records.await_connection().await;
    let receipt = receipt(&proxy);
    assert!(receipt.is_clean() && receipt.tls_fingerprint_caveat, "{receipt:#?}");
    assert_eq!((receipt.passed, receipt.request_heads.verbatim, receipt.response_heads.verbatim), (1, 1, 1));
    assert_eq!(receipt.down, Bytes { read: 3_000_000, written: 3_000_000 });
    let alpn = &receipt.alpn[0];
    assert_eq!((alpn.client.as_ref(), alpn.connections), (connection.client_tls.unwrap().alpn.as_ref(), 1));
}

#[tokio::test]
async fn the_same_body_twice_has_two_digests() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    for _ in 0..2 {
        let request = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\nagain");
        client.send(&request).await;
        upstream.expect(&request).await;
        upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain").await;
        client.receive_until(b"again").await;
    }
    let exchanges = proxy.records.await_exchanges(2).await;
    let digests: Vec<_> = exchanges
        .iter()
        .flat_map(|exchange| [passage(exchange).0.read.digest.unwrap(), passage(exchange).1.read.digest.unwrap()])
        .collect();
    for (at, digest) in digests.iter().enumerate() {
        assert!(!digests[..at].contains(digest), "{digests:?}");
    }
}

#[tokio::test]
async fn a_download_that_the_client_breaks_off_is_incomplete() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    upstream.receive_until(b"\r\n\r\n").await;
    // More than all buffers on the way hold.
    let sending = async {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
        let mut left = upstream.try_send(head).await;
        while left.is_ok() {
            left = upstream.try_send(&[b'x'; 65_536]).await;
        }
    };
    let leaving = async {
        client.receive_until(b"xxx").await;
        client.reset();
    };
    soon("the reset", async { tokio::join!(sending, leaving) }).await;
    let exchange = proxy.records.await_exchange().await;
    assert_eq!(exchange.end.outcome, EndKind::ClientAbort);
    let (request, response) = passage(&exchange);
    assert!(request.whole && !response.whole && !response.is_altered(), "{exchange:#?}");
    assert!(response.written.bytes > 0 && response.written.bytes <= response.read.bytes);
    let receipt = receipt(&proxy);
    assert_eq!((receipt.incomplete.as_slice(), receipt.altered.len()), ([exchange.id].as_slice(), 0));
}

#[tokio::test]
async fn an_upload_that_the_upstream_does_not_want_is_incomplete() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(format!("PUT / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000\r\n\r\nonly a part")).await;
    upstream.receive_until(b"only a part").await;
    upstream.send(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\nno").await;
    upstream.close().await;
    client.receive_until(b"\r\n\r\nno").await;
    let exchange = proxy.records.await_exchange().await;
    let (request, response) = passage(&exchange);
    assert!(response.whole && !request.whole && !request.is_altered(), "{exchange:#?}");
    assert_eq!((request.read.bytes, request.written.bytes, response.read.bytes), (11, 11, 2));
    assert_eq!(receipt(&proxy).incomplete, [exchange.id]);
}

#[tokio::test]
async fn what_passes_after_an_upgrade_counts() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")).await;
    upstream.receive_until(b"\r\n\r\n").await;
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    upstream.send(switch).await;
    client.expect(switch).await;
    client.send(b"\x01ping").await;
    upstream.expect(b"\x01ping").await;
    upstream.send(b"\x02pong!").await;
    client.expect(b"\x02pong!").await;
    client.close().await;
    upstream.close().await;
    let exchange = proxy.records.await_exchange().await;
    assert_eq!(exchange.end.outcome, EndKind::Upgraded);
    let (request, response) = passage(&exchange);
    assert_eq!((request.head, request.read.bytes, request.written.bytes), (HeadPassage::Verbatim, 5, 5));
    assert_eq!((response.head, response.read.bytes, response.written.bytes), (HeadPassage::Verbatim, 6, 6));
    let receipt = receipt(&proxy);
    assert!(receipt.altered.is_empty() && receipt.passed == 1, "{receipt:#?}");
}

#[tokio::test]
async fn an_answer_of_ours_is_told_as_ours() {
    let (_pki, _origin, proxy) = start().await;
    let mut client = proxy.dial().await;
    client.send(format!("GET https://{HOST}/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    let (answer, _) = client.receive_end().await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    let exchange = proxy.records.await_exchange().await;
    assert_eq!(exchange.passage, None);
    let receipt = receipt(&proxy);
    assert_eq!((receipt.answered_by_us.as_slice(), receipt.knowledge), ([exchange.id].as_slice(), Knowledge::Full));
    assert!(!receipt.is_clean() && !receipt.tls_fingerprint_caveat);
}

#[tokio::test]
async fn over_http_2_fields_and_data_are_the_same() {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &["h2"])).await;
    let proxy = Setup::to(&origin).start(&pki);
    let (client, upstream) = proxy.intercepted_with(&origin, proxy.client(&["h2"])).await;
    let (crate::support::Wire::Client(client), crate::support::Wire::Server(upstream, _)) = (client, upstream) else {
        unreachable!()
    };
    let echo = service_fn(|request: hyper::Request<Incoming>| async {
        let data = request.into_body().collect().await.unwrap().to_bytes();
        let mut trailers = hyper::HeaderMap::new();
        trailers.insert("x-checksum", "abc".parse().unwrap());
        let frames = [Frame::data(data), Frame::trailers(trailers)];
        Ok::<_, Infallible>(hyper::Response::new(Frames(frames.into())))
    });
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    tokio::spawn(serving.serve_connection(TokioIo::new(*upstream), echo));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(*client)).await.unwrap();
    tokio::spawn(connection);
    let sent = Data::from(Seed::new(3).bytes(300_000));
    for body in [sent.clone(), Data::new()] {
        let request = hyper::Request::post(format!("https://{HOST}/v1/messages")).header("x-twice", "one");
        let request = request.header("x-twice", "two").body(Full::new(body.clone())).unwrap();
        let answer = soon("an answer", sender.send_request(request)).await.unwrap();
        assert_eq!(soon("its body", answer.into_body().collect()).await.unwrap().to_bytes(), body);
    }
    let exchanges = proxy.records.await_exchanges(2).await;
    for (exchange, bytes) in exchanges.iter().zip([300_000, 0]) {
        let (request, response) = passage(exchange);
        for message in [request, response] {
            assert!(message.whole && !message.is_altered(), "{exchange:#?}");
            assert_eq!((message.head, message.read.bytes), (HeadPassage::SameFields, bytes));
        }
    }
    let receipt = receipt(&proxy);
    assert_eq!((receipt.passed, receipt.request_heads.same_fields), (2, 2));
}

/// These frames, one after the other.
struct Frames(VecDeque<Frame<Data>>);

impl http_body::Body for Frames {
    type Data = Data;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Data>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
