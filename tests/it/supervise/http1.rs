//! Rules of a scenario on HTTP/1.1.

use super::{OK, get, is_ours, parts, script, start};
use crate::support::{Ending, HOST, Origin, Pki, Setup, Wire, soon};
use authtrace::policy::{ApiError, Cut, HtmlPage, PathPattern, Rule, Then, When};
use authtrace::trace::{EndKind, Origin as AnsweredBy, Record};
use std::time::{Duration, Instant};

const EVENTS: &str = "event: a\ndata: 1\n\nevent: b\ndata: 2\n\nevent: c\ndata: 3\n\n";

fn on(path: &str, then: Then) -> Rule {
    Rule::always(When { path: Some(PathPattern::parse(path)), ..When::default() }, then)
}

fn refusal() -> Then {
    Then::Error(ApiError::unauthorized("Invalid authentication credentials"))
}

/// Receives an answer of ours with its body.
async fn receive_own(client: &mut Wire) -> (String, String) {
    let mut answer = client.receive_until(b"\r\n\r\n").await;
    let (head, _) = parts(&answer);
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    answer.extend(client.receive(length).await);
    parts(&answer)
}

#[tokio::test]
async fn an_answer_of_ours_comes_in_its_turn_and_the_server_sees_nothing_of_the_request() {
    let (_pki, origin, proxy) = start(script(vec![on("/own", refusal())]), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let swallowed = [
        format!("POST /own HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 10\r\n\r\n0123456789"),
        format!(
            "POST /own HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\nX-After: yes\r\n\r\n"
        ),
        get("/own"),
    ];
    let all = [get("/first"), swallowed.concat(), get("/last")].concat();
    client.send(&all).await;
    upstream.expect(get("/first") + &get("/last")).await;
    // The last one is answered at once; its answer waits for ours.
    upstream.send(OK).await;
    client.expect(OK).await;
    for _ in 0..3 {
        let (head, body) = receive_own(&mut client).await;
        assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\n") && head.contains("\r\nX-Authtrace: scenario\r\n"));
        assert!(!head.contains("Connection") && body.contains("authentication_error"), "{head} {body}");
    }
    upstream.send(OK).await;
    client.expect(OK).await;
    // And the connection is good for more.
    client.send(get("/own")).await;
    receive_own(&mut client).await;
    client.send(get("/again")).await;
    upstream.expect(get("/again")).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    let exchanges = proxy.records.await_exchanges(7).await;
    let ours: Vec<bool> = exchanges.iter().map(is_ours).collect();
    assert_eq!(ours, [false, true, true, true, false, true, false], "{exchanges:#?}");
    let read: Vec<u64> = exchanges.iter().map(|one| one.request.body_bytes).collect();
    assert_eq!(read, [0, 10, 5, 0, 0, 0, 0]);
    assert_eq!(exchanges[2].request.trailers.len(), 1);
    assert!(exchanges.iter().all(|one| one.end.outcome == EndKind::Complete));
    assert!(exchanges[0].passage.as_ref().is_some_and(|passage| !passage.request.is_altered()));
}

#[tokio::test]
async fn a_body_in_pieces_is_swallowed_and_no_byte_of_it_is_taken_for_a_request() {
    let (_pki, origin, proxy) = start(script(vec![on("/own", refusal())]), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let body = "GET /smuggled HTTP/1.1\r\n\r\n".repeat(8_000);
    let mut message = format!("POST /own HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    message.push_str(&get("/next"));
    for piece in message.as_bytes().chunks(7_001) {
        client.send(piece).await;
    }
    receive_own(&mut client).await;
    upstream.expect(get("/next")).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    let exchanges = proxy.records.await_exchanges(2).await;
    assert_eq!((exchanges[0].request.body_bytes, exchanges[1].status()), (body.len() as u64, Some(200)));
}

#[tokio::test]
async fn who_asks_for_the_end_of_the_connection_gets_it() {
    for request in [
        format!("GET /own HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"),
        format!("GET /own HTTP/1.0\r\nHost: {HOST}\r\n\r\n"),
    ] {
        let (_pki, origin, proxy) = start(script(vec![on("/own", refusal())]), "http/1.1").await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        client.send(request).await;
        let (answer, ending) = client.receive_end().await;
        let (head, _) = parts(&answer);
        assert!(head.contains("\r\nConnection: close") && ending == Ending::Clean, "{head} {ending:?}");
        client.close().await;
        assert_eq!(upstream.receive_end().await.0, b"");
        assert_eq!(proxy.records.await_exchange().await.end.outcome, EndKind::Complete);
    }
}

#[tokio::test]
async fn an_answer_of_ours_arrives_though_the_server_has_gone() {
    let (_pki, origin, proxy) = start(script(vec![on("/own", refusal())]), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(format!("POST /own HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\n")).await;
    let begun = |records: &[Record]| records.iter().any(|record| matches!(record, Record::Request(_))).then_some(());
    proxy.records.await_record("the beginning", begun).await;
    upstream.close().await;
    drop(upstream);
    client.send("ab").await;
    let (head, _) = receive_own(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 401"));
    assert!(is_ours(&proxy.records.await_exchange().await));
}

/// RFC 9110 §10.1.1: the final answer comes instead of the 100; the client leaves the body out, or sends it after all.
#[tokio::test]
async fn a_client_that_waits_for_a_100_is_answered_at_once() {
    for sent_after_all in [false, true] {
        let (_pki, origin, proxy) = start(script(vec![on("/own", refusal())]), "http/1.1").await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        client
            .send(format!("POST /own HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"))
            .await;
        receive_own(&mut client).await;
        if sent_after_all {
            client.send("0123456789").await;
        }
        client.send(get("/next")).await;
        upstream.expect(get("/next")).await;
        upstream.send(OK).await;
        client.expect(OK).await;
        let exchanges = proxy.records.await_exchanges(2).await;
        let body = if sent_after_all { 10 } else { 0 };
        assert_eq!((exchanges[0].request.body_bytes, exchanges[0].end.outcome), (body, EndKind::Complete));
    }
}

#[tokio::test]
async fn a_request_to_head_gets_no_body_and_a_page_says_whose_it_is() {
    let page = HtmlPage { status: 403, title: "Just a moment...".to_owned(), challenge: true };
    let (_pki, origin, proxy) = start(script(vec![on("/own", Then::Html(page))]), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(format!("HEAD /own HTTP/1.1\r\nHost: {HOST}\r\n\r\n") + &get("/next")).await;
    let (head, _) = parts(&client.receive_until(b"\r\n\r\n").await);
    assert!(head.contains("cf-mitigated: challenge") && head.contains("X-Authtrace: scenario"), "{head}");
    upstream.expect(get("/next")).await;
    upstream.send(OK).await;
    client.expect(OK).await;
}

#[tokio::test]
async fn a_connection_is_cut_after_the_answers_before() {
    for (cut, ending) in [(Cut::Close, Ending::Cut), (Cut::Reset, Ending::Reset)] {
        let (_pki, origin, proxy) = start(script(vec![on("/own", Then::Cut(cut))]), "http/1.1").await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        client.send(get("/first") + &get("/own")).await;
        upstream.expect(get("/first")).await;
        upstream.send(OK).await;
        client.expect(OK).await;
        client.expect_end(ending).await;
        let exchanges = proxy.records.await_exchanges(2).await;
        assert_eq!((exchanges[1].end.outcome, exchanges[1].status()), (EndKind::Cut, None));
        assert!(is_ours(&exchanges[1]));
    }
}

/// As Claude Code asks a gateway without TLS: in absolute form, of us as of a proxy.
#[tokio::test]
async fn requests_in_absolute_form_are_decided_on_as_well() {
    let pki = Pki::new();
    let origin = Origin::plain().await;
    let mut setup = Setup::to(&origin);
    setup.policy = Some(script(vec![on("/own", refusal())]));
    let proxy = setup.start(&pki);
    let mut client = proxy.dial().await;
    let ask = |path: &str| format!("GET http://127.0.0.1:8080{path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
    client.send(ask("/own")).await;
    let mut upstream = origin.accept().await;
    assert!(receive_own(&mut client).await.0.starts_with("HTTP/1.1 401"));
    client.send(ask("/other")).await;
    upstream.expect("GET /other HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n").await;
    upstream.send(OK).await;
    client.expect(OK).await;
    let exchanges = proxy.records.await_exchanges(2).await;
    assert!(is_ours(&exchanges[0]) && !is_ours(&exchanges[1]));
    assert!(exchanges[1].passage.as_ref().is_some_and(|passage| !passage.request.is_altered()));
}

#[tokio::test]
async fn a_delay_holds_a_request_back_and_is_noted() {
    let rule = on("/late", Then::Pass).after(Duration::from_millis(150));
    let (_pki, origin, proxy) = start(script(vec![rule]), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let begun = Instant::now();
    client.send(get("/late")).await;
    upstream.expect(get("/late")).await;
    assert!(begun.elapsed() >= Duration::from_millis(150));
    upstream.send(OK).await;
    client.expect(OK).await;
    let exchange = proxy.records.await_exchange().await;
    assert_eq!(exchange.origin, AnsweredBy::Upstream);
    assert!(exchange.passage.is_some() && exchange.timing.added_us >= 150_000, "{exchange:#?}");
    let noted = proxy.records.records().into_iter().find_map(|record| match record {
        Record::Note(note) => Some(note.text.to_string()),
        _ => None,
    });
    assert_eq!(noted.as_deref(), Some("exchange 1 was delayed by 150 ms, as rule 1 of the scenario says"));
}

#[tokio::test]
async fn a_client_that_leaves_while_it_is_held_back_has_sent_nothing() {
    let rule = on("/late", Then::Pass).after(Duration::from_secs(60));
    let (_pki, origin, proxy) = start(script(vec![rule]), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(get("/late")).await;
    // The proxy has read it once the record of its beginning is there.
    let begun = |records: &[Record]| records.iter().any(|record| matches!(record, Record::Request(_))).then_some(());
    proxy.records.await_record("the beginning", begun).await;
    client.reset();
    let exchange = proxy.records.await_exchange().await;
    assert_eq!(exchange.end.outcome, EndKind::ClientAbort);
    assert!(is_ours(&exchange));
    assert_eq!(upstream.receive_end().await.0, b"");
}

#[tokio::test]
async fn a_client_that_closes_during_a_delay_or_gives_up_after_it_is_no_evidence_against_the_server() {
    let rule = on("/late", Then::Pass).after(Duration::from_secs(60));
    let (_pki, origin, proxy) = start(script(vec![rule]), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(get("/late")).await;
    let begun = |records: &[Record]| records.iter().any(|record| matches!(record, Record::Request(_))).then_some(());
    proxy.records.await_record("the beginning", begun).await;
    client.close().await;
    assert!(is_ours(&proxy.records.await_exchange().await));
    assert_eq!(upstream.receive_end().await.0, b"");

    let rule = on("/late", Then::Pass).after(Duration::from_millis(50));
    let (_pki, origin, proxy) = start(script(vec![rule]), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(get("/late")).await;
    upstream.expect(get("/late")).await;
    client.reset();
    let exchange = proxy.records.await_exchange().await;
    assert_eq!(exchange.end.outcome, EndKind::ClientAbort);
    assert!(is_ours(&exchange), "{exchange:#?}");
}

/// The client's answer to a stream that the server sends in chunks, or until it closes.
async fn stream(then: Then, chunked: bool, accepts: &str) -> (String, String, Ending, Duration) {
    let (_pki, origin, proxy) = start(script(vec![on("/stream", then)]), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let ask = |codings: &str| {
        format!("GET /stream HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: {codings}\r\nX-Last: 1\r\n\r\n")
    };
    client.send(ask(accepts)).await;
    upstream.expect(ask("identity")).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nrequest-id: req_FAKE12345678\r\n";
    let begun = Instant::now();
    if chunked {
        upstream.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
        for piece in EVENTS.as_bytes().chunks(10) {
            let piece = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            // The proxy may have cut the connection.
            let _ = upstream.try_send(&piece).await;
        }
        let _ = upstream.try_send(b"0\r\n\r\n").await;
    } else {
        upstream.send(format!("{head}Connection: close\r\n\r\n{EVENTS}")).await;
        upstream.close().await;
    }
    let (mut head, mut body) = parts(&client.receive_until(b"\r\n\r\n").await);
    let ending = if chunked && head.contains("chunked") {
        let (rest, ending) = soon("the stream", async {
            let mut rest = Vec::new();
            loop {
                if rest.ends_with(b"0\r\n\r\n") {
                    return (rest, Ending::Clean);
                }
                let mut byte = [0];
                match tokio::io::AsyncReadExt::read(client_stream(&mut client), &mut byte).await {
                    Ok(1) => rest.push(byte[0]),
                    Ok(_) => return (rest, Ending::Clean),
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return (rest, Ending::Cut),
                    Err(_) => return (rest, Ending::Reset),
                }
            }
        })
        .await;
        body = dechunked(&rest);
        ending
    } else {
        let (rest, ending) = client.receive_end().await;
        body.push_str(&String::from_utf8(rest).unwrap());
        ending
    };
    let exchange = proxy.records.await_exchange().await;
    assert!(is_ours(&exchange) && exchange.sse.is_some(), "{exchange:#?}");
    assert!(exchange.request_ids.header.is_some());
    head.push_str("\r\n");
    (head, body, ending, begun.elapsed())
}

fn client_stream(wire: &mut Wire) -> &mut tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    match wire {
        Wire::Client(stream) => stream,
        Wire::Plain(_) | Wire::Server(..) => unreachable!(),
    }
}

fn dechunked(bytes: &[u8]) -> String {
    let mut rest = std::str::from_utf8(bytes).unwrap();
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&after[..size]);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    body
}

#[tokio::test]
async fn a_stream_breaks_off_after_events() {
    for (cut, ending) in [(Cut::Close, Ending::Cut), (Cut::Reset, Ending::Reset)] {
        for chunked in [true, false] {
            let (head, body, ended, _) = stream(Then::Truncate { events: 2, cut }, chunked, "gzip, br").await;
            assert!(head.contains("\r\nX-Authtrace: scenario\r\n"), "{head}");
            assert_eq!((body.as_str(), ended), ("event: a\ndata: 1\n\nevent: b\ndata: 2\n\n", ending));
        }
    }
}

#[tokio::test]
async fn a_stream_ends_in_an_error() {
    let error = ApiError::unauthorized("OAuth token has expired.");
    for chunked in [true, false] {
        let then = Then::StreamError { events: 1, error: error.clone() };
        let (_, body, ended, _) = stream(then, chunked, "gzip").await;
        assert!(body.starts_with("event: a\ndata: 1\n\nevent: error\ndata: {") && body.ends_with("}\n\n"), "{body}");
        assert_eq!(ended, Ending::Clean);
    }
}

#[tokio::test]
async fn a_stream_comes_slowly_and_whole() {
    for chunked in [true, false] {
        let (_, body, ended, took) = stream(Then::Slow(Duration::from_millis(60)), chunked, "zstd").await;
        assert_eq!((body.as_str(), ended), (EVENTS, Ending::Clean));
        assert!(took >= Duration::from_millis(180), "{took:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_stream_comes_whole() {
    let (_pki, origin, proxy) =
        start(script(vec![on("/x", Then::Truncate { events: 0, cut: Cut::Reset })]), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.send(get("/x")).await;
    upstream.expect(get("/x")).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    let exchange = proxy.records.await_exchange().await;
    assert_eq!(exchange.origin, AnsweredBy::Upstream);
    assert!(exchange.passage.is_some_and(|passage| !passage.request.is_altered()));
}
