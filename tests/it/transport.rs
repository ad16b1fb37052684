//! The transport below HTTP/1.x is as it would be without a proxy: one upstream connection for each of the client's, an
//! end for an end, a reset for a reset, no buffering, and never an answer of ours in a server's place.

use crate::support::{Collector, Ending, HOST, Origin, Pki, Setup, TestProxy, Wire, soon};
use authtrace::trace::{EndKind, Exchange, Outcome, Stage};
use std::time::{Duration, Instant};

const GET: &[u8] = b"GET /v1/models HTTP/1.1\r\nHost: api.example.test\r\n\r\n";
const POST: &[u8] = b"POST /v1/messages HTTP/1.1\r\nHost: api.example.test\r\nContent-Length: 10\r\n\r\n";
const SSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Proxy and origin over TLS.
async fn start() -> (Pki, Origin, TestProxy) {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
    let proxy = Setup::to(&origin).start(&pki);
    (pki, origin, proxy)
}

async fn ended(records: &Collector, outcome: EndKind, stage: Option<Stage>) -> Exchange {
    let exchange = records.await_exchange().await;
    assert_eq!((exchange.end.outcome, exchange.end.stage), (outcome, stage), "{exchange:#?}");
    exchange
}

/// A new connection works, and nothing of the old ones is left.
async fn is_well(proxy: &TestProxy, origin: &Origin) {
    let begun = Instant::now();
    let (mut client, mut upstream) = proxy.intercepted(origin).await;
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    client.close().await;
    upstream.expect_end(Ending::Clean).await;
    upstream.close().await;
    client.expect_end(Ending::Clean).await;
    proxy.until_idle().await;
}

#[tokio::test]
async fn every_client_connection_has_an_upstream_connection_of_its_own() {
    let (_pki, origin, proxy) = start().await;
    let (mut one, mut one_up) = proxy.intercepted(&origin).await;
    let (mut two, mut two_up) = proxy.intercepted(&origin).await;
    for _ in 0..3 {
        two.send(POST).await;
        one.send(GET).await;
        one_up.expect(GET).await;
        two_up.expect(POST).await;
        two.send(b"0123456789").await;
        two_up.expect(b"0123456789").await;
        two_up.send(OK).await;
        one_up.send(OK).await;
        one.expect(OK).await;
        two.expect(OK).await;
    }
    assert!(origin.is_untouched());
}

#[tokio::test]
async fn a_reset_of_the_upstream_is_a_reset_for_the_client() {
    // Before the head, inside of it, after it, inside a chunk, inside an event.
    let cases: [(&[u8], Stage); 5] = [
        (b"", Stage::Wait),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Stage::ResponseHead),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", Stage::ResponseBody),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n01234", Stage::ResponseBody),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: message_start\ndata: {\"a",
            Stage::ResponseBody,
        ),
    ];
    for (answer, stage) in cases {
        let (_pki, origin, proxy) = start().await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        client.send(GET).await;
        upstream.expect(GET).await;
        upstream.send(answer).await;
        // What was sent has arrived before the reset does; a head that is not complete is held back.
        let held = stage == Stage::ResponseHead;
        if !held {
            client.expect(answer).await;
        }
        upstream.reset();
        let (rest, ending) = client.receive_end().await;
        assert_eq!(ending, Ending::Reset, "{stage:?}");
        assert!(rest.is_empty() || held, "nothing of ours: {}", rest.escape_ascii());
        let exchange = ended(&proxy.records, EndKind::UpstreamReset, Some(stage)).await;
        assert_eq!(exchange.response.is_some(), stage == Stage::ResponseBody);
        proxy.records.await_outcome(Outcome::UpstreamReset).await;
        is_well(&proxy, &origin).await;
    }
}

#[tokio::test]
async fn an_end_of_the_upstream_reaches_the_client_in_the_same_manner() {
    for cut in [false, true] {
        for answer in [b"".as_slice(), b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"] {
            let (_pki, origin, proxy) = start().await;
            let (mut client, mut upstream) = proxy.intercepted(&origin).await;
            client.send(GET).await;
            upstream.expect(GET).await;
            upstream.send(answer).await;
            if cut {
                upstream.cut();
            } else {
                upstream.close().await;
            }
            let (received, ending) = client.receive_end().await;
            assert_eq!(received, answer);
            assert_eq!(ending, if cut { Ending::Cut } else { Ending::Clean });
            client.close().await;
            let stage = if answer.is_empty() { Stage::Wait } else { Stage::ResponseBody };
            ended(&proxy.records, EndKind::UpstreamClosed, Some(stage)).await;
            drop((client, upstream));
            is_well(&proxy, &origin).await;
        }
    }
}

#[tokio::test]
async fn an_end_of_the_client_reaches_the_upstream_in_the_same_manner() {
    for ending in [Ending::Clean, Ending::Cut, Ending::Reset] {
        let (_pki, origin, proxy) = start().await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        client.send(POST).await;
        client.send(b"0123").await;
        upstream.expect(POST).await;
        upstream.expect(b"0123").await;
        match ending {
            Ending::Clean => client.close().await,
            Ending::Cut => client.cut(),
            _ => client.reset(),
        }
        upstream.expect_end(ending).await;
        upstream.close().await;
        drop(upstream);
        ended(&proxy.records, EndKind::ClientAbort, Some(Stage::Request)).await;
        proxy.records.await_outcome(Outcome::ClientAbort).await;
        is_well(&proxy, &origin).await;
    }
}

#[tokio::test]
async fn a_client_that_has_sent_everything_may_stop_sending() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(GET).await;
    client.close().await;
    upstream.expect(GET).await;
    upstream.expect_end(Ending::Clean).await;
    upstream.send(b"HTTP/1.1 200 OK\r\n\r\nuntil ").await;
    client.expect(b"HTTP/1.1 200 OK\r\n\r\nuntil ").await;
    upstream.send(b"the end").await;
    upstream.close().await;
    assert_eq!(client.receive_end().await, (b"the end".to_vec(), Ending::Clean));
    let exchange = ended(&proxy.records, EndKind::Complete, None).await;
    assert_eq!(exchange.response.unwrap().body_bytes, 13);
    proxy.records.await_outcome(Outcome::Ok).await;
}

#[tokio::test]
async fn an_upstream_that_stops_sending_still_gets_the_rest_of_the_request() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(POST).await;
    upstream.expect(POST).await;
    upstream.send(OK).await;
    upstream.close().await;
    assert_eq!(client.receive_end().await, (OK.to_vec(), Ending::Clean));
    client.send(b"0123456789").await;
    upstream.expect(b"0123456789").await;
    let exchange = ended(&proxy.records, EndKind::Complete, None).await;
    assert_eq!(exchange.request.body_bytes, 10);
    client.close().await;
    upstream.expect_end(Ending::Clean).await;
    proxy.records.await_outcome(Outcome::Ok).await;
}

#[tokio::test]
async fn an_upstream_that_answers_and_resets_the_upload_is_heard_before_its_reset() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n").await;
    upstream.receive_until(b"\r\n\r\n").await;
    upstream.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await;
    client.expect(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await;
    upstream.reset();
    let flood = vec![b'x'; 1 << 20];
    while client.try_send(&flood).await.is_ok() {}
    let exchange = proxy.records.await_exchange().await;
    assert_eq!(exchange.status(), Some(413));
    assert_eq!((exchange.end.outcome, exchange.end.stage), (EndKind::UpstreamReset, Some(Stage::Request)));
    is_well(&proxy, &origin).await;
}

#[tokio::test]
async fn a_client_that_leaves_its_upload_after_the_answer_has_broken_nothing_off() {
    let (_pki, origin, proxy) = start().await;
    for resets in [false, true] {
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        client.send([POST, b"01234"].concat()).await;
        upstream.receive_until(b"01234").await;
        upstream.send(OK).await;
        client.expect(OK).await;
        if resets {
            client.reset();
        } else {
            client.close().await;
            upstream.expect_end(Ending::Clean).await;
            upstream.reset();
        }
        let exchange = ended(&proxy.records, EndKind::Complete, None).await;
        let passage = exchange.passage.unwrap();
        assert!(!passage.request.whole && passage.response.unwrap().whole);
        proxy.records.await_outcome(Outcome::Ok).await;
    }
    is_well(&proxy, &origin).await;
}

#[tokio::test]
async fn events_pass_one_by_one() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(SSE).await;
    client.expect(SSE).await;
    for number in 0..200 {
        let event = format!("event: ping\ndata: {{\"n\":{number}}}\n\n");
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        upstream.send(&chunk).await;
        // The next one is sent only when this one has arrived.
        client.expect(&chunk).await;
    }
    upstream.send(b"0\r\n\r\n").await;
    client.expect(b"0\r\n\r\n").await;
    let exchange = ended(&proxy.records, EndKind::Complete, None).await;
    assert_eq!(exchange.sse.unwrap().events, 200);
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_is_noticed_upstream_within_a_second() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(SSE).await;
    client.expect(SSE).await;
    client.close().await;
    drop(client);
    let begun = Instant::now();
    upstream.expect_end(Ending::Clean).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    // One that goes on sending meets the reset that the client's kernel answers with.
    let event = b"10\r\ndata: 0123456789\r\n".repeat(1_000);
    while upstream.try_send(&event).await.is_ok() {}
    ended(&proxy.records, EndKind::ClientAbort, Some(Stage::ResponseBody)).await;
    proxy.records.await_outcome(Outcome::ClientAbort).await;
    is_well(&proxy, &origin).await;
}

/// How much one side can send while the other does not read: what the kernel's buffers hold, which it sizes anew each time, and
/// no more than a megabyte of ours.
async fn stalls(sender: &mut Wire, baseline: usize) {
    let block = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    // A write that has not gone on for so long waits for the reader.
    while tokio::time::timeout(Duration::from_millis(500), sender.try_send(&block)).await.is_ok() {
        sent += block.len();
        assert!(sent < 2 * baseline + (2 << 20), "{sent} bytes were taken in; without the proxy {baseline}");
    }
}

/// What a pair of directly connected sockets holds.
async fn kernel_holds() -> usize {
    let origin = Origin::plain().await;
    let client = tokio::net::TcpStream::connect(origin.address()).await.unwrap();
    let mut upstream = origin.accept().await;
    let block = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_millis(500), upstream.try_send(&block)).await.is_ok() {
        sent += block.len();
    }
    drop(client);
    sent + block.len()
}

#[tokio::test]
async fn a_slow_reader_slows_the_sender_down() {
    let baseline = kernel_holds().await;
    for upload in [false, true] {
        let (_pki, origin, proxy) = start().await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        if upload {
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n").await;
            upstream.receive_until(b"\r\n\r\n").await;
            stalls(&mut client, baseline).await;
        } else {
            client.send(GET).await;
            upstream.expect(GET).await;
            upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n").await;
            stalls(&mut upstream, baseline).await;
        }
    }
}

const UPGRADE: &[u8] =
    b"GET /api/ws HTTP/1.1\r\nHost: api.example.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: FAKEFAKEFAKEFAKEFAKEFA==\r\n\r\n";

#[tokio::test]
async fn an_upgraded_connection_carries_anything() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(UPGRADE).await;
    upstream.expect(UPGRADE).await;
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00";
    upstream.send(switch).await;
    client.expect(switch).await;
    for _ in 0..3 {
        client.send(b"\x81\x85\x01\x02\x03\x04GET / HTTP/1.1\r\n\r\n\0").await;
        upstream.expect(b"\x81\x85\x01\x02\x03\x04GET / HTTP/1.1\r\n\r\n\0").await;
        upstream.send(b"\x82\x7f\r\n\r\nHTTP/1.1 nothing\n").await;
        client.expect(b"\x82\x7f\r\n\r\nHTTP/1.1 nothing\n").await;
    }
    client.close().await;
    upstream.expect_end(Ending::Clean).await;
    upstream.close().await;
    client.expect_end(Ending::Clean).await;
    let exchange = ended(&proxy.records, EndKind::Upgraded, None).await;
    let response = exchange.response.unwrap();
    assert_eq!((response.status, response.body_bytes, exchange.request.body_bytes), (101, 2 + 3 * 23, 3 * 25));
    proxy.records.await_outcome(Outcome::Ok).await;
    is_well(&proxy, &origin).await;
}

#[tokio::test]
async fn after_a_refused_upgrade_http_goes_on() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send([UPGRADE, GET].concat()).await;
    upstream.expect(UPGRADE).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    upstream.expect(GET).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    let exchanges = proxy.records.await_exchanges(2).await;
    assert!(
        exchanges.iter().all(|exchange| exchange.end.outcome == EndKind::Complete && exchange.status() == Some(200))
    );
}

#[tokio::test]
async fn a_client_that_leaves_while_an_upgrade_is_decided_is_noticed() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(UPGRADE).await;
    upstream.expect(UPGRADE).await;
    client.reset();
    upstream.expect_end(Ending::Reset).await;
    ended(&proxy.records, EndKind::ClientAbort, Some(Stage::Wait)).await;
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_passes() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    let late = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    upstream.send(late).await;
    upstream.close().await;
    assert_eq!(client.receive_end().await, (late.to_vec(), Ending::Clean));
    client.close().await;
    ended(&proxy.records, EndKind::Complete, None).await;
    proxy.records.await_outcome(Outcome::Ok).await;
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(GET).await;
    upstream.expect(GET).await;
    let unasked = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    upstream.send(&[OK, unasked].concat()).await;
    client.expect(&[OK, unasked].concat()).await;
    client.send(GET).await;
    assert_eq!(client.receive_end().await, (Vec::new(), Ending::Reset));
    upstream.expect_end(Ending::Reset).await;
    ended(&proxy.records, EndKind::Complete, None).await;
    proxy.records.await_outcome(Outcome::UpstreamProtocol).await;
    assert_eq!(proxy.records.exchanges().len(), 1);
}

#[tokio::test]
async fn empty_lines_between_answers_pass_and_answer_nothing() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    for (before, behind) in [("", "\r\n"), ("\r\n", "\n\r\n")] {
        client.send(GET).await;
        upstream.expect(GET).await;
        let answer = [before.as_bytes(), OK, behind.as_bytes()].concat();
        upstream.send(&answer).await;
        client.expect(&answer).await;
    }
    client.close().await;
    let exchanges = proxy.records.await_exchanges(2).await;
    assert!(exchanges.iter().all(|exchange| exchange.end.outcome == EndKind::Complete), "{exchanges:?}");
    proxy.records.await_outcome(Outcome::Ok).await;
}

#[tokio::test]
async fn an_upstream_that_breaks_the_rules_is_cut_off_by_a_reset() {
    let cases: [&[u8]; 11] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n",
        b"HTTP/2 200\r\n\r\n",
    ];
    for answer in cases {
        let (_pki, origin, proxy) = start().await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        client.send(GET).await;
        upstream.expect(GET).await;
        upstream.send(answer).await;
        let (received, ending) = client.receive_end().await;
        assert_eq!(ending, Ending::Reset, "{}", answer.escape_ascii());
        assert!(answer.starts_with(&received), "nothing of ours: {}", received.escape_ascii());
        let exchange = proxy.records.await_exchange().await;
        assert_eq!(exchange.end.outcome, EndKind::UpstreamProtocol);
        assert!(exchange.end.detail.is_some());
        proxy.records.await_outcome(Outcome::UpstreamProtocol).await;
        is_well(&proxy, &origin).await;
    }
}

#[tokio::test]
async fn stopping_lets_open_exchanges_end_and_closes_idle_connections() {
    let (_pki, origin, proxy) = start().await;
    let (mut busy, mut busy_up) = proxy.intercepted(&origin).await;
    let (mut idle, mut idle_up) = proxy.intercepted(&origin).await;
    let silent = proxy.dial().await;
    busy.send(GET).await;
    busy_up.expect(GET).await;
    let stop = proxy.handle.stop();
    let traffic = async {
        idle.expect_end(Ending::Clean).await;
        idle_up.expect_end(Ending::Clean).await;
        busy_up.send(OK).await;
        busy.expect(OK).await;
        busy.expect_end(Ending::Clean).await;
    };
    soon("the end of the proxy", async { tokio::join!(stop, traffic) }).await;
    drop(silent);
    ended(&proxy.records, EndKind::Complete, None).await;
    let connections = proxy.records.await_connections(3).await;
    assert!(connections.iter().all(|connection| connection.end.outcome == Outcome::Shutdown), "{connections:#?}");
    assert_eq!(proxy.handle.connections(), 0);
}

#[tokio::test]
async fn stopping_ends_what_does_not_end_by_itself() {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
    let mut setup = Setup::to(&origin);
    setup.patience.drain = Duration::from_millis(100);
    let proxy = setup.start(&pki);
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(SSE).await;
    client.expect(SSE).await;
    soon("the end of the proxy", proxy.handle.stop()).await;
    assert_eq!(proxy.handle.connections(), 0);
    client.receive_end().await;
    upstream.receive_end().await;
    ended(&proxy.records, EndKind::Shutdown, Some(Stage::ResponseBody)).await;
    let connection = proxy.records.await_outcome(Outcome::Shutdown).await;
    assert_eq!((connection.requests, connection.bytes_up), (1, GET.len() as u64));
}

/// RFC 9110 §10.1.1: the client leaves the body out after a final answer, and goes on; or it sends it after all.
#[tokio::test]
async fn a_body_that_waited_for_a_100_may_be_left_out() {
    let asking =
        b"POST /v1/messages HTTP/1.1\r\nHost: api.example.test\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n";
    let refusing = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
    for sent_after_all in [false, true] {
        let (_pki, origin, proxy) = start().await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        client.send(asking).await;
        upstream.expect(asking).await;
        upstream.send(refusing).await;
        client.expect(refusing).await;
        if sent_after_all {
            client.send(b"0123456789").await;
            upstream.expect(b"0123456789").await;
        }
        for part in [&GET[..9], &GET[9..]] {
            client.send(part).await;
        }
        upstream.expect(GET).await;
        upstream.send(OK).await;
        client.expect(OK).await;
        let records = proxy.records.await_exchanges(2).await;
        let read: Vec<_> = records.iter().map(|one| (one.status(), one.request.body_bytes, one.end.outcome)).collect();
        let body = if sent_after_all { 10 } else { 0 };
        assert_eq!(read, [(Some(417), body, EndKind::Complete), (Some(200), 0, EndKind::Complete)]);
    }
}
