//! What the proxy refuses, in its own name: nothing of it is forwarded, every answer says whose it is, and the record
//! holds no byte of a credential.

use crate::support::{Ending, HOST, Origin, PASSWORD, Pki, Setup, TestProxy, Wire};
use authtrace::trace::{Connection, EndKind, Mode, Origin as Answerer, Outcome};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn start() -> (Pki, Origin, TestProxy) {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
    let proxy = Setup::to(&origin).start(&pki);
    (pki, origin, proxy)
}

/// An answer of ours: its status line and `X-Authtrace`.
fn ours(answer: &[u8]) -> (u16, String) {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    let mark =
        head.lines().find_map(|line| line.strip_prefix("X-Authtrace: ")).unwrap_or_else(|| panic!("unmarked: {text}"));
    assert!(head.contains(&format!("Content-Length: {}", body.len())) && head.contains("Connection: close"), "{text}");
    assert!(body.starts_with("authtrace: "), "{text}");
    assert!(!head.contains("Access-Control"), "{text}");
    (head.get(9..12).unwrap().parse().unwrap(), mark.to_owned())
}

/// Says something to the proxy itself, and takes its answer up to the end.
async fn say(proxy: &TestProxy, bytes: impl AsRef<[u8]>) -> (u16, String) {
    let mut wire = proxy.dial().await;
    wire.send(bytes).await;
    let (answer, ending) = wire.receive_end().await;
    assert_eq!(ending, Ending::Clean);
    ours(&answer)
}

fn assert_unwritten(proxy: &TestProxy, secret: &str) {
    let trace = serde_json::to_string(&proxy.records.records()).unwrap();
    assert!(!trace.contains(secret), "{trace}");
}

fn shown(connection: &Connection) -> (Outcome, Option<u16>, Mode) {
    (connection.end.outcome, connection.end.status, connection.mode)
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_nothing_of_them_is_forwarded() {
    let cases: [(&[u8], u16, &str); 22] = [
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "ambiguous_framing"),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "ambiguous_framing"),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, "ambiguous_framing"),
        (b"Content-Length: +5\r\n\r\n", 400, "ambiguous_framing"),
        (b"Content-Length: 5,5\r\n\r\n", 400, "ambiguous_framing"),
        (b"Content-Length: 0x5\r\n\r\n", 400, "ambiguous_framing"),
        (b"Content-Length: 10000000000000000000\r\n\r\n", 400, "ambiguous_framing"),
        (b"Transfer-Encoding: xchunked\r\n\r\n", 400, "ambiguous_framing"),
        (b"Transfer-Encoding : chunked\r\n\r\n", 400, "ambiguous_framing"),
        (b"Transfer-Encoding: chunked, identity\r\n\r\n", 400, "ambiguous_framing"),
        (b"Transfer-Encoding:\x0bchunked\r\n\r\n", 400, "ambiguous_framing"),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "ambiguous_framing"),
        (b"X: a\nContent-Length: 5\r\n\r\n", 400, "ambiguous_framing"),
        (b"X: a\rb\r\n\r\n", 400, "ambiguous_framing"),
        (b"X-FAKE-SECRET: a\r\n FAKE-SECRET\r\n\r\n", 400, "bad_header"),
        (b"X y: FAKE-SECRET\r\n\r\n", 400, "bad_header"),
        (b": FAKE-SECRET\r\n\r\n", 400, "bad_header"),
        (b"X: FAKE-SECRET\0\r\n\r\n", 400, "bad_header"),
        (b"X\0: FAKE-SECRET\r\n\r\n", 400, "bad_header"),
        (b"Host: other.example.test\r\n\r\n", 400, "bad_header"),
        (b"FAKE-SECRET\r\n\r\n", 400, "bad_header"),
        (b"\xffX: FAKE-SECRET\r\n\r\n", 400, "bad_header"),
    ];
    for (fields, status, code) in cases {
        let (_pki, origin, proxy) = start().await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        client.send([b"POST /FAKE-SECRET HTTP/1.1\r\nHost: api.example.test\r\n", fields].concat()).await;
        let (answer, ending) = client.receive_end().await;
        assert_eq!(ours(&answer), (status, code.to_owned()), "{}", fields.escape_ascii());
        assert_eq!(ending, Ending::Clean);
        drop(client);
        assert_eq!(upstream.receive_end().await.0, b"", "{}", fields.escape_ascii());
        let connection = proxy.records.await_outcome(Outcome::ClientProtocol).await;
        assert!(connection.end.detail.is_some() && connection.requests == 0);
        assert!(proxy.records.exchanges().is_empty());
        assert_unwritten(&proxy, "FAKE-SECRET");
        proxy.until_idle().await;
    }
}

#[tokio::test]
async fn requests_that_are_too_large_are_refused() {
    let line = format!("GET /{} HTTP/1.1\r\n", "a".repeat(100_000));
    let field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
    let fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    for (request, status) in [(line, 414), (field, 431), (fields, 431)] {
        let (_pki, origin, proxy) = start().await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        // The answer may come before everything was taken.
        let _ = client.try_send(request.as_bytes()).await;
        let (answer, _) = client.receive_end().await;
        assert_eq!(ours(&answer), (status, "too_large".to_owned()));
        drop(client);
        assert_eq!(upstream.receive_end().await.0, b"");
        proxy.records.await_outcome(Outcome::ClientProtocol).await;
        proxy.until_idle().await;
        // The same as the first thing that the proxy hears.
        let mut wire = proxy.dial().await;
        let _ = wire.try_send(request.as_bytes()).await;
        let (answer, _) = wire.receive_end().await;
        assert_eq!(ours(&answer), (status, "too_large".to_owned()));
        drop(wire);
        proxy.until_idle().await;
    }
}

#[tokio::test]
async fn a_broken_chunk_ends_the_request() {
    for chunk in [
        b"FFFFFFFFFFFFFFFF\r\n".as_slice(),
        b"-1\r\n",
        b"5 \r\n",
        b"3\r\nabcd\r\n",
        &[b"5;".as_slice(), &[b'x'; 9_000]].concat(),
    ] {
        let (_pki, origin, proxy) = start().await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send([head.as_slice(), b"2\r\nok\r\n", chunk].concat()).await;
        let (answer, _) = client.receive_end().await;
        assert_eq!(ours(&answer), (400, "bad_chunk".to_owned()), "{}", chunk[..chunk.len().min(40)].escape_ascii());
        let (received, ending) = upstream.receive_end().await;
        assert!(
            [head.as_slice(), b"2\r\nok\r\n3\r\nabc"].concat().starts_with(&received),
            "{}",
            received.escape_ascii()
        );
        assert_eq!(ending, Ending::Reset);
        let exchange = proxy.records.await_exchange().await;
        assert_eq!((exchange.end.outcome, exchange.status()), (EndKind::Refused, None));
        proxy.records.await_outcome(Outcome::ClientProtocol).await;
        proxy.until_idle().await;
    }
}

#[tokio::test]
async fn a_refusal_does_not_overtake_the_answers_before_it() {
    let (_pki, origin, proxy) = start().await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send([get, get, b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n".as_slice()].concat()).await;
    upstream.expect([get, get.as_slice()].concat()).await;
    for _ in 0..2 {
        upstream.send(OK).await;
        client.expect(OK).await;
    }
    assert_eq!(ours(&client.receive_end().await.0).0, 400);
    drop(client);
    assert_eq!(upstream.receive_end().await.0, b"");
    let exchanges = proxy.records.await_exchanges(2).await;
    assert!(exchanges.iter().all(|exchange| exchange.end.outcome == EndKind::Complete));
    proxy.records.await_outcome(Outcome::ClientProtocol).await;
}

#[tokio::test]
async fn a_head_that_is_never_finished_is_not_waited_for_forever() {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &[])).await;
    for intercepted in [false, true] {
        let mut setup = Setup::to(&origin);
        setup.patience.head = Duration::from_millis(50);
        let proxy = setup.start(&pki);
        let (mut client, upstream) = match intercepted {
            true => {
                let (client, upstream) = proxy.intercepted(&origin).await;
                (client, Some(upstream))
            }
            false => (proxy.dial().await, None),
        };
        // Idle time before and between requests is the peers' own.
        if intercepted {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        client.send(b"GET / HTTP/1.1\r\nHo").await;
        assert_eq!(client.receive_end().await.0, b"");
        proxy.records.await_outcome(Outcome::ClientTimeout).await;
        drop((client, upstream));
        proxy.until_idle().await;
    }
}

#[tokio::test]
async fn malformed_connects_are_refused() {
    let label = format!("{}.example.test:443", "a".repeat(300));
    for target in [
        "api.example.test",
        "api.example.test:0",
        "api.example.test:65536",
        "h:443:443",
        "u@h:443",
        "a%00b:443",
        &label,
    ] {
        let (_pki, origin, proxy) = start().await;
        assert_eq!(
            say(&proxy, format!("CONNECT {target} HTTP/1.1\r\n\r\n")).await,
            (400, "bad_connect".to_owned()),
            "{target}"
        );
        let connection = proxy.records.await_connection().await;
        assert_eq!(shown(&connection), (Outcome::BadConnect, Some(400), Mode::Refused));
        assert!(connection.target.is_none());
        assert!(origin.is_untouched());
    }
    for target in ["a\0b:443", "a b:443", "caf\u{e9}.test:443", "a\nb:443"] {
        let (_pki, origin, proxy) = start().await;
        assert_eq!(
            say(&proxy, format!("CONNECT {target} HTTP/1.1\r\n\r\n")).await.0,
            400,
            "{}",
            target.escape_default()
        );
        let connection = proxy.records.await_connection().await;
        assert!(matches!(connection.end.outcome, Outcome::BadConnect | Outcome::BadRequest), "{connection:?}");
        assert!(origin.is_untouched());
    }
}

#[tokio::test]
async fn a_request_to_the_proxy_itself_is_not_answered_like_a_servers() {
    let (_pki, _origin, proxy) = start().await;
    let answer =
        say(&proxy, "GET /FAKE-SECRET HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n\r\n").await;
    assert_eq!(answer, (400, "not_a_proxy_request".to_owned()));
    proxy.records.await_outcome(Outcome::NotAProxyRequest).await;
    assert_unwritten(&proxy, "FAKE-SECRET");
}

#[tokio::test]
async fn the_proxy_does_not_connect_to_itself_under_any_name() {
    let pki = Pki::new();
    let origin = Origin::plain().await;
    for open in [false, true] {
        for alias in ["127.0.0.1", "[::1]", "localhost", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "127.1.2.3"] {
            let mut setup = Setup::to(&origin);
            setup.without_catch_all = true;
            setup.open = open;
            let proxy = setup.start(&pki);
            let port = proxy.address().port();
            for request in [
                format!("CONNECT {alias}:{port} HTTP/1.1\r\n\r\n"),
                format!("GET http://{alias}:{port}/api HTTP/1.1\r\n\r\n"),
            ] {
                assert_eq!(say(&proxy, &request).await, (403, "blocked_target".to_owned()), "{request}");
            }
            let connections = proxy.records.await_connections(2).await;
            assert!(
                connections.iter().all(|connection| connection.end.outcome == Outcome::BlockedTarget),
                "{connections:#?}"
            );
            assert!(proxy.records.exchanges().is_empty());
        }
    }
}

#[tokio::test]
async fn loopback_is_refused_only_where_no_password_is_asked_for() {
    let pki = Pki::new();
    let origin = Origin::plain().await;
    let port = origin.address().port();
    for open in [false, true] {
        let mut setup = Setup::to(&origin);
        setup.without_catch_all = true;
        setup.open = open;
        let proxy = setup.start(&pki);
        let (head, wire) = proxy.connect(&format!("127.0.0.1:{port}")).await;
        assert_eq!(head.starts_with("HTTP/1.1 200"), !open, "{head}");
        drop(wire);
        if !open {
            drop(origin.accept().await);
        }
        proxy.until_idle().await;
    }
    // Link-local addresses are refused before anything is sent to them.
    let mut setup = Setup::to(&origin);
    setup.without_catch_all = true;
    setup.open = true;
    let proxy = setup.start(&pki);
    assert_eq!(say(&proxy, "CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n").await.0, 403);
}

#[tokio::test]
async fn a_password_is_asked_for_and_a_process_of_ours_needs_none() {
    let (_pki, origin, proxy) = start().await;
    let (user, password) = PASSWORD;
    let value = |text: &str| format!("Basic {}", STANDARD.encode(text));
    for wrong in
        [value("main:FAKE-wrong"), value(""), "Basic !".to_owned(), "Bearer FAKE-token".to_owned(), String::new()]
    {
        let request = format!("CONNECT {HOST}:443 HTTP/1.1\r\nProxy-Authorization: {wrong}\r\n\r\n");
        assert_eq!(say(&proxy, request).await, (407, "proxy_auth_required".to_owned()), "{wrong}");
    }
    let connections = proxy.records.await_connections(5).await;
    for connection in &connections {
        assert_eq!(shown(connection), (Outcome::ProxyAuthRequired, Some(407), Mode::Refused));
    }
    assert!(origin.is_untouched());
    assert_unwritten(&proxy, "FAKE");
    let mut wire = proxy.dial().await;
    let right = value(&format!("{user}:{password}"));
    wire.send(format!("CONNECT {HOST}:443 HTTP/1.1\r\nproxy-authorization: {right}\r\n\r\n")).await;
    wire.expect(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    assert!(proxy.connect(&format!("{HOST}:443")).await.0.starts_with("HTTP/1.1 200 "), "our own process");
}

#[tokio::test]
async fn what_cannot_be_reached_is_answered_in_the_connect() {
    let pki = Pki::new();
    let origin = Origin::plain().await;
    let gone = Origin::plain().await.address();
    for (target, outcome) in [
        (format!("127.0.0.1:{}", gone.port()), Outcome::UpstreamConnect),
        ("x.invalid:443".to_owned(), Outcome::UpstreamDns),
    ] {
        let mut setup = Setup::to(&origin);
        // `.invalid` never resolves (RFC 6761 §6.4), and the other one is on this machine.
        setup.without_catch_all = true;
        let proxy = setup.start(&pki);
        for request in [format!("CONNECT {target} HTTP/1.1\r\n\r\n"), format!("GET http://{target}/ HTTP/1.1\r\n\r\n")]
        {
            assert_eq!(say(&proxy, request).await, (502, outcome.as_str().to_owned()));
        }
        for connection in proxy.records.await_connections(2).await {
            assert_eq!(shown(&connection), (outcome, Some(502), Mode::Refused));
        }
    }
}

#[tokio::test]
async fn an_https_address_in_the_clear_is_refused_and_its_credential_fingerprinted() {
    let (_pki, origin, proxy) = start().await;
    let request = format!(
        "GET https://{HOST}/v1/models HTTP/1.1\r\nHost: {HOST}\r\nx-api-key: sk-ant-api03-FAKE-SECRET-0123456789\r\n\r\n"
    );
    assert_eq!(say(&proxy, request).await, (400, "https_absolute_form".to_owned()));
    proxy.records.await_outcome(Outcome::HttpsAbsoluteForm).await;
    let exchange = proxy.records.await_exchange().await;
    assert_eq!((exchange.origin, exchange.status()), (Answerer::Authtrace, Some(400)));
    assert_eq!(exchange.credentials.len(), 1);
    assert_unwritten(&proxy, "FAKE-SECRET");
    assert!(origin.is_untouched());
}

#[tokio::test]
async fn another_request_than_plain_http_is_refused_on_a_plain_connection() {
    let pki = Pki::new();
    let origin = Origin::plain().await;
    let proxy = Setup::to(&origin).start(&pki);
    let mut client = proxy.dial().await;
    let mut upstreams = Vec::new();
    // Two authorities on one connection: each is dialled.
    for host in ["one.example.test", "two.example.test"] {
        client.send(format!("GET http://{host}/path HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let mut upstream = origin.accept().await;
        upstream.expect(format!("GET /path HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        upstream.send(OK).await;
        client.expect(OK).await;
        upstreams.push(upstream);
    }
    client.send(b"GET /origin-form HTTP/1.1\r\nHost: two.example.test\r\n\r\n").await;
    assert_eq!(ours(&client.receive_end().await.0), (400, "not_a_proxy_request".to_owned()));
    let connection = proxy.records.await_outcome(Outcome::ClientProtocol).await;
    assert_eq!(connection.requests, 2);
    let hosts: Vec<String> =
        proxy.records.exchanges().iter().map(|exchange| exchange.request.port.to_string()).collect();
    assert_eq!(hosts, ["80", "80"]);
}

#[tokio::test]
async fn a_host_field_that_contradicts_the_target_is_refused() {
    let pki = Pki::new();
    let origin = Origin::plain().await;
    let proxy = Setup::to(&origin).start(&pki);
    let mut client = proxy.dial().await;
    client.send(format!("GET http://{HOST}/ HTTP/1.1\r\nHost: other.example.test\r\n\r\n")).await;
    assert_eq!(ours(&client.receive_end().await.0), (400, "bad_target".to_owned()));
    assert_eq!(origin.accept().await.receive_end().await.0, b"");
}

/// A proxy that is reached through `corporate`.
fn behind(corporate: &Origin, pki: &Pki) -> TestProxy {
    let mut setup = Setup::to(corporate);
    setup.without_catch_all = true;
    setup.upstream_proxy = Some(format!("http://corp:FAKE-corporate@{}", corporate.address()));
    setup.start(pki)
}

fn corporate_password() -> String {
    format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode("corp:FAKE-corporate"))
}

#[tokio::test]
async fn an_upstream_proxy_is_asked_with_its_own_password() {
    let pki = Pki::new();
    let corporate = Origin::plain().await;
    let proxy = behind(&corporate, &pki);
    let far = async {
        let mut wire = corporate.accept().await;
        wire.expect(format!(
            "CONNECT git.example.net:22 HTTP/1.1\r\nHost: git.example.net:22\r\n{}\r\n",
            corporate_password()
        ))
        .await;
        // An interim answer, and bytes of the tunnel right behind the final one.
        wire.send(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.0 200 OK\r\nVia: corp\r\n\r\nSSH-2.0").await;
        wire
    };
    let (stream, mut far) = tokio::join!(proxy.tunnel("git.example.net:22"), far);
    let mut client = Wire::Plain(stream);
    client.expect(b"SSH-2.0").await;
    client.send(b"hello").await;
    far.expect(b"hello").await;
    client.close().await;
    far.close().await;
    drop((client, far));
    assert!(proxy.records.await_outcome(Outcome::Ok).await.via_upstream_proxy);

    // Plain HTTP goes to it in absolute form.
    let proxy = behind(&corporate, &pki);
    let mut client = proxy.dial().await;
    client
        .send(format!("GET http://{HOST}/a?b HTTP/1.1\r\nHost: {HOST}\r\nProxy-Connection: close\r\nX: y\r\n\r\n"))
        .await;
    let mut far = corporate.accept().await;
    far.expect(format!("GET http://{HOST}/a?b HTTP/1.1\r\n{}Host: {HOST}\r\nX: y\r\n\r\n", corporate_password())).await;
    far.send(OK).await;
    client.expect(OK).await;
    assert_eq!(proxy.records.await_exchange().await.status(), Some(200));
    assert_unwritten(&proxy, "FAKE-corporate");
    assert_unwritten(&proxy, &STANDARD.encode("corp:FAKE-corporate"));
}

#[tokio::test]
async fn the_refusal_of_an_upstream_proxy_is_passed_on_as_its_own() {
    let pki = Pki::new();
    for (status, challenge) in [(407, "Proxy-Authenticate: Basic realm=\"corp\"\r\n"), (403, "")] {
        let corporate = Origin::plain().await;
        let proxy = behind(&corporate, &pki);
        let far = async {
            let mut wire = corporate.accept().await;
            wire.receive_until(b"\r\n\r\n").await;
            wire.send(format!("HTTP/1.1 {status} No\r\n{challenge}Content-Length: 2\r\n\r\nno")).await;
        };
        let target = format!("{HOST}:443");
        let ((head, _wire), ()) = tokio::join!(proxy.connect(&target), far);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains(challenge), "{head}");
        assert!(head.contains("X-Authtrace: upstream_proxy_refused"), "{head}");
        let exchange = proxy.records.await_exchange().await;
        assert_eq!((exchange.origin, exchange.status()), (Answerer::UpstreamProxy, Some(status)));
        drop(_wire);
        let connection = proxy.records.await_outcome(Outcome::UpstreamProxyRefused).await;
        assert_eq!(connection.end.status, Some(status));
    }
}

#[tokio::test]
async fn an_upstream_proxy_that_is_none_is_told() {
    let pki = Pki::new();
    for answer in [b"SSH-2.0-OpenSSH\r\n".as_slice(), b""] {
        let corporate = Origin::plain().await;
        let proxy = behind(&corporate, &pki);
        let far = async {
            let mut wire = corporate.accept().await;
            wire.receive_until(b"\r\n\r\n").await;
            wire.send(answer).await;
        };
        let target = format!("{HOST}:443");
        let ((head, _wire), ()) = tokio::join!(proxy.connect(&target), far);
        assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
        drop(_wire);
        proxy.records.await_outcome(Outcome::UpstreamProxyRefused).await;
    }
}
