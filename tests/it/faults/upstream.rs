//! Cases 11–17: the other side is not there, is not who it should be, or goes away.

use super::handshake::use_once;
use super::{Bench, GET, OK, Setup, ours};
use crate::support::{self, Ending, HOST, Identity, Origin, Pki, handshake, server};
use authtrace::trace::{EndKind, Exchange, Mode, Outcome, Stage};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

const SSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The exchange of this number with [`HOST`].
async fn exchange(bench: &Bench, number: usize) -> Exchange {
    let of_host = || bench.exchanges().into_iter().filter(|one| one.request.host.as_str() == HOST).nth(number);
    bench.until("the exchange", of_host).await
}

#[tokio::test(flavor = "multi_thread")]
async fn case_11_and_12_nobody_is_reached() {
    let bench = Bench::start().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (target, outcome) in [
        ("nowhere-FAKE.invalid:443".to_owned(), Outcome::UpstreamDns),
        (closed.to_string(), Outcome::UpstreamConnect),
        // No connection can be made to all of a network; nothing leaves the machine.
        ("255.255.255.255:443".to_owned(), Outcome::UpstreamConnect),
    ] {
        for request in [format!("CONNECT {target} HTTP/1.1\r\n\r\n"), format!("GET http://{target}/ HTTP/1.1\r\n\r\n")]
        {
            assert_eq!(ours(&bench.say(&request).await), (502, outcome.as_str().to_owned()), "{request}");
            let connection = bench.ended(outcome).await;
            assert_eq!((connection.end.status, connection.mode), (Some(502), Mode::Refused));
            assert!(connection.end.detail.is_some());
            bench.is_well().await;
        }
    }
    let (trace, _) = bench.finish().await;
    let outcomes = trace.outcomes();
    assert_eq!(outcomes.iter().filter(|one| **one == Outcome::UpstreamDns).count(), 2);
    assert_eq!(outcomes.iter().filter(|one| **one == Outcome::UpstreamConnect).count(), 4);
}

/// A listener whose queue is full: the system drops every further SYN.
async fn blackhole() -> (tokio::net::TcpListener, Vec<tokio::net::TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await
    {
        waiting.push(stream.unwrap());
        assert!(waiting.len() < 1_000, "its queue is never full");
    }
    (listener, waiting)
}

/// The same within this process, where the waits can be short.
#[tokio::test]
async fn case_12_nobody_answers_in_time() {
    let (hole, waiting) = blackhole().await;
    late(&hole.local_addr().unwrap().to_string(), Outcome::UpstreamConnect).await;
    drop(waiting);
}

/// Names are looked up on threads for what blocks: here there is one, and it is taken.
#[test]
fn case_11_no_name_server_answers_in_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let (free, taken) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || taken.recv());
    runtime.block_on(late("x.invalid:443", Outcome::UpstreamDns));
    drop(free);
}

/// A proxy of little patience answers the CONNECT with 504.
async fn late(target: &str, outcome: Outcome) {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
    let mut setup = support::Setup::to(&origin);
    setup.without_catch_all = true;
    setup.connect_to = vec![format!("{HOST}::{}", origin.address()), format!("far.test::{target}")];
    setup.open = true;
    setup.patience.connect = Duration::from_millis(200);
    setup.patience.dns = Duration::from_millis(200);
    let proxy = setup.start(&pki);
    let (head, wire) = proxy.connect("far.test:443").await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    assert!(head.contains(&format!("X-Authtrace: {}", outcome.as_str())), "{head}");
    drop(wire);
    assert_eq!(proxy.records.await_outcome(outcome).await.end.status, Some(504));
    // A host that is known by its address is not held up.
    use_once(proxy.intercepted(&origin).await).await;
    proxy.until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_13_a_certificate_that_does_not_hold() {
    let now = OffsetDateTime::now_utc();
    let days = time::Duration::days;
    type Make = Box<dyn Fn(&Pki) -> Identity>;
    let cases: [(&str, Make); 6] = [
        ("expired", Box::new(move |pki| pki.identity_between(HOST, now - days(2), now - days(1)))),
        ("not valid yet", Box::new(move |pki| pki.identity_between(HOST, now + days(1), now + days(2)))),
        ("another name", Box::new(|pki| pki.identity("www.example.test"))),
        ("nobody that is trusted", Box::new(|_| Pki::self_signed(HOST))),
        // One that opens TLS on the way is named; any other issuer is not, since it may be the user's employer.
        ("it is signed by Zscaler", Box::new(|_| Pki::of("Zscaler Inc.").identity(HOST))),
        // By somebody who only calls himself as one that is trusted.
        ("not accepted", Box::new(|_| Pki::new().identity(HOST))),
    ];
    for (why, identity) in cases {
        let pki = Pki::new();
        let origin = Origin::tls(server(identity(&pki), &["http/1.1"], rustls::ALL_VERSIONS)).await;
        let bench = Setup::new().start_before(pki, origin).await;
        let client = async { handshake(bench.tunnel(&format!("{HOST}:443")).await, HOST, bench.client()).await };
        let (client, upstream) = tokio::join!(client, bench.origin.try_accept());
        let error = client.err().unwrap().to_string();
        assert!(error.contains("HandshakeFailure"), "{error}");
        // Whoever it is has got nothing of the client's.
        if let Ok(mut upstream) = upstream {
            assert!(upstream.receive_end().await.0.is_empty());
        }
        let connection = bench.ended(Outcome::UpstreamTls).await;
        let detail = connection.end.detail.as_ref().unwrap().as_str();
        assert!(detail.contains(why), "{detail}");
        assert!(connection.client_tls.is_none() && connection.upstream_tls.is_none());
        let (trace, _) = bench.finish().await;
        assert!(trace.exchanges.iter().all(|one| one.request.host.as_str() != HOST));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_14_an_upstream_that_wants_a_certificate() {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server_with_client_auth(HOST, &[&rustls::version::TLS13])).await;
    let bench = Setup::new().start_before(pki, origin).await;
    let client = async {
        let stream = bench.tunnel(&format!("{HOST}:443")).await;
        if let Ok(mut client) = handshake(stream, HOST, bench.client()).await {
            let _ = client.try_send(GET).await;
            // Nothing of ours: cut off, whichever of the two ends reaches it first.
            let (received, ending) = client.receive_end().await;
            assert!(received.is_empty() && matches!(ending, Ending::Reset | Ending::Cut), "{ending:?}");
        }
    };
    let ((), upstream) = tokio::join!(client, bench.origin.try_accept());
    assert!(upstream.is_err());
    let connection = bench.ended(Outcome::UpstreamMtls).await;
    assert!(connection.end.detail.unwrap().as_str().contains("--tunnel"));
    bench.finish().await;
    // With it, the client's own certificate would get through: nothing is read.
    let bench = Setup::new().argument("--tunnel").argument(HOST).start().await;
    let config = support::client_config(&bench.pki.root(), &["http/1.1"]);
    let client = async { handshake(bench.tunnel(&format!("{HOST}:443")).await, HOST, config).await.unwrap() };
    use_once(tokio::join!(client, bench.origin.accept())).await;
    assert_eq!(bench.ended(Outcome::Ok).await.mode, Mode::Tunnel);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_15_an_upstream_that_resets() {
    let bench = Bench::start().await;
    let cases: [(&[u8], Stage, u64); 5] = [
        (b"", Stage::Wait, 0),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Stage::ResponseHead, 0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", Stage::ResponseBody, 0),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n01234", Stage::ResponseBody, 5),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: message_start\ndata: {\"FAKE-secret",
            Stage::ResponseBody,
            40,
        ),
    ];
    for (number, (answer, stage, bytes)) in cases.into_iter().enumerate() {
        let (mut client, mut upstream) = bench.intercepted().await;
        client.send(GET).await;
        upstream.expect(GET).await;
        upstream.send(answer).await;
        // A head that is not complete is held back; of everything else the client has all before the reset comes.
        let held = stage == Stage::ResponseHead;
        if !held {
            client.expect(answer).await;
        }
        upstream.reset();
        let (rest, ending) = client.receive_end().await;
        assert_eq!(ending, Ending::Reset, "{stage:?}");
        assert!(rest.is_empty() || held && answer.starts_with(&rest), "{}", rest.escape_ascii());
        let exchange = exchange(&bench, number).await;
        assert_eq!((exchange.end.outcome, exchange.end.stage), (EndKind::UpstreamReset, Some(stage)));
        assert_eq!(exchange.response.as_ref().map_or(0, |response| response.body_bytes), bytes, "{exchange:#?}");
        bench.ended(Outcome::UpstreamReset).await;
        drop(client);
        bench.is_well().await;
    }
    // An end for an end.
    let (mut client, mut upstream) = bench.intercepted().await;
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.close().await;
    client.expect_end(Ending::Clean).await;
    client.close().await;
    assert_eq!(exchange(&bench, 5).await.end.outcome, EndKind::UpstreamClosed);
    drop((client, upstream));
    let (trace, _) = bench.finish().await;
    assert!(trace.on("/v1/models").iter().all(|one| one.response.is_none() || one.status() == Some(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn case_16_either_side_stops_sending_early() {
    let bench = Bench::start().await;
    // The client has said everything.
    let (mut client, mut upstream) = bench.intercepted().await;
    client.send(GET).await;
    client.close().await;
    upstream.expect(GET).await;
    upstream.expect_end(Ending::Clean).await;
    upstream.send(b"HTTP/1.1 200 OK\r\n\r\nuntil ").await;
    upstream.send(b"the end").await;
    upstream.close().await;
    assert_eq!(client.receive_end().await, (b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec(), Ending::Clean));
    let exchange_of_it = exchange(&bench, 0).await;
    assert_eq!(exchange_of_it.end.outcome, EndKind::Complete);
    assert_eq!(exchange_of_it.response.unwrap().body_bytes, 13);
    drop((client, upstream));
    bench.is_well().await;
    // The upstream answers and ends before it has read everything.
    let (mut client, mut upstream) = bench.intercepted().await;
    let post = b"POST /v1/messages HTTP/1.1\r\nHost: api.example.test\r\nContent-Length: 10\r\n\r\n";
    client.send(post).await;
    upstream.expect(post).await;
    upstream.send(OK).await;
    upstream.close().await;
    assert_eq!(client.receive_end().await, (OK.to_vec(), Ending::Clean));
    client.send(b"0123456789").await;
    upstream.expect(b"0123456789").await;
    client.close().await;
    let exchange = exchange(&bench, 1).await;
    assert_eq!((exchange.end.outcome, exchange.request.body_bytes), (EndKind::Complete, 10));
    drop((client, upstream));
    let (trace, _) = bench.finish().await;
    assert!(trace.outcomes().iter().all(|outcome| *outcome == Outcome::Ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn case_17_a_client_that_leaves_a_stream() {
    let bench = Bench::start().await;
    for (number, reset) in [false, true].into_iter().enumerate() {
        let (mut client, mut upstream) = bench.intercepted().await;
        client.send(GET).await;
        upstream.expect(GET).await;
        upstream.send(SSE).await;
        client.expect(SSE).await;
        let begun = Instant::now();
        if reset {
            client.reset();
        } else {
            client.close().await;
            drop(client);
        }
        let (_, ending) = upstream.receive_end().await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(ending, if reset { Ending::Reset } else { Ending::Clean });
        // One that goes on sending is stopped by the client's kernel.
        let event = b"10\r\ndata: 0123456789\r\n".repeat(1_000);
        while upstream.try_send(&event).await.is_ok() {}
        let exchange = exchange(&bench, number).await;
        assert_eq!((exchange.end.outcome, exchange.end.stage), (EndKind::ClientAbort, Some(Stage::ResponseBody)));
        bench.ended(Outcome::ClientAbort).await;
        drop(upstream);
        bench.is_well().await;
    }
    bench.finish().await;
}
