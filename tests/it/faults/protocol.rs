//! Cases 23–27: odd answers. `transport` and `bytes` have more of them, in this process.

use super::{Bench, GET, OK};
use crate::support::{Ending, HOST};
use authtrace::trace::{EndKind, Exchange, Outcome};
use std::time::Duration;

/// The exchange of that number with the host of the case, once it is recorded.
async fn told(bench: &Bench, number: usize) -> Exchange {
    let of_it = || bench.exchanges().into_iter().filter(|one| one.request.host.as_str() == HOST).nth(number);
    bench.until("the exchange", of_it).await
}

#[tokio::test(flavor = "multi_thread")]
async fn case_23_an_upstream_that_breaks_the_rules() {
    let bench = Bench::start().await;
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "FAKE".repeat(1 << 18));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: FAKE\r\n".repeat(10_000));
    let extension = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext={}", "FAKE".repeat(1 << 18));
    let cases = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nFAKE-x",
        "HTTP/1.1 200 OK\r\nContent-Length: 5,5\r\n\r\nFAKE-",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nFAKE-",
        "HTTP/1.1 200 OK\r\nContent-Length: 10000000000000000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:\x0bchunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
        "HTTP/1.1 200 OK\r\nX FAKE-secret: FAKE-secret\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: FAKE\0secret\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: FAKE\rsecret\r\n\r\n",
        "HTTP/1.1 FAKE OK\r\n\r\n",
        &large,
        &many,
        &extension,
    ];
    for (number, answer) in cases.into_iter().enumerate() {
        let shown = answer[..answer.len().min(80)].escape_debug();
        let (mut client, mut upstream) = bench.intercepted().await;
        client.send(GET).await;
        upstream.expect(GET).await;
        // It may be cut off before everything was taken.
        let _ = upstream.try_send(answer.as_bytes()).await;
        let (received, ending) = client.receive_end().await;
        assert_eq!(ending, Ending::Reset, "{shown}");
        assert!(answer.as_bytes().starts_with(&received), "nothing of ours: {}", received.escape_ascii());
        let exchange = told(&bench, number).await;
        assert_eq!(exchange.end.outcome, EndKind::UpstreamProtocol, "{shown}");
        assert!(exchange.end.detail.is_some(), "{shown}");
        drop((client, upstream));
        let all =
            || bench.connections().into_iter().filter(|one| one.end.outcome == Outcome::UpstreamProtocol).nth(number);
        bench.until("the connection", all).await;
        bench.is_well().await;
    }
    bench.finish().await;
}

const EXPECT: &[u8] =
    b"POST /v1/messages HTTP/1.1\r\nHost: api.example.test\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n";
const BODY: &[u8] = b"0123456789";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[tokio::test]
async fn case_24_a_body_that_waits_for_a_100() {
    let bench = Bench::start().await;
    let (mut client, mut upstream) = bench.intercepted().await;
    // It comes.
    client.send(EXPECT).await;
    upstream.expect(EXPECT).await;
    upstream.send(CONTINUE).await;
    client.expect(CONTINUE).await;
    client.send(BODY).await;
    upstream.expect(BODY).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    // It does not, and the client sends the body after a second, as RFC 9110 §10.1.1 lets it.
    client.send(EXPECT).await;
    upstream.expect(EXPECT).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.send(BODY).await;
    upstream.expect(BODY).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    // It is refused, and the body left out.
    let refusal = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    client.send(EXPECT).await;
    upstream.expect(EXPECT).await;
    upstream.send(refusal).await;
    upstream.close().await;
    client.expect(refusal).await;
    client.close().await;
    let mut read = Vec::new();
    for number in 0..3 {
        let exchange = told(&bench, number).await;
        let response = exchange.response.unwrap();
        read.push((response.interim, response.status, exchange.request.body_bytes, exchange.end.outcome));
    }
    let complete = |interim, status, body| (interim, status, body, EndKind::Complete);
    assert_eq!(read, [complete(vec![100], 200, 10), complete(vec![], 200, 10), complete(vec![], 417, 0)]);
    drop((client, upstream));
    let (trace, _) = bench.finish().await;
    assert!(trace.outcomes().iter().all(|outcome| *outcome == Outcome::Ok), "{:?}", trace.outcomes());
}

#[tokio::test]
async fn case_25_interim_answers() {
    let bench = Bench::start().await;
    let cases: [(&[u8], &[u16]); 3] = [
        (b"HTTP/1.1 103 Early Hints\r\nLink: </FAKE-secret>; rel=preload\r\n\r\n", &[103]),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
            &[100, 102, 103],
        ),
        (b"HTTP/1.1 100 Continue\r\nX-Api-Key: FAKE-secret\r\n\r\n", &[100]),
    ];
    let (mut client, mut upstream) = bench.intercepted().await;
    for (number, (interim, statuses)) in cases.into_iter().enumerate() {
        client.send(GET).await;
        upstream.expect(GET).await;
        upstream.send(interim).await;
        client.expect(interim).await;
        upstream.send(OK).await;
        client.expect(OK).await;
        let response = told(&bench, number).await.response.unwrap();
        assert_eq!((response.status, response.interim.as_slice()), (200, statuses));
    }
    // A 101 that nobody asked for is no answer at all.
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert_eq!(client.receive_end().await.1, Ending::Reset);
    assert_eq!(told(&bench, cases.len()).await.end.outcome, EndKind::UpstreamProtocol);
    drop((client, upstream));
    bench.finish().await;
}

#[tokio::test]
async fn case_26_a_connection_that_is_upgraded_and_idle() {
    let bench = Bench::start().await;
    let (mut client, mut upstream) = bench.intercepted().await;
    let asking = b"GET /api/ws HTTP/1.1\r\nHost: api.example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: FAKEFAKEFAKEFAKEFAKEFA==\r\nSec-WebSocket-Protocol: bearer, FAKE-secret\r\n\r\n";
    let switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.send(asking).await;
    upstream.expect(asking).await;
    upstream.send(switching).await;
    client.expect(switching).await;
    for pause in [0, 2] {
        // There is no limit to idle time, so that an hour is no other case.
        tokio::time::sleep(Duration::from_secs(pause)).await;
        client.send(b"\x81\x8bFAKE-secret").await;
        upstream.expect(b"\x81\x8bFAKE-secret").await;
        upstream.send(b"\x81\x04FAKE").await;
        client.expect(b"\x81\x04FAKE").await;
    }
    client.close().await;
    upstream.close().await;
    let exchange = told(&bench, 0).await;
    assert_eq!(exchange.end.outcome, EndKind::Upgraded);
    let response = exchange.response.unwrap();
    assert_eq!((response.status, exchange.request.body_bytes, response.body_bytes), (101, 26, 12));
    drop((client, upstream));
    bench.finish().await;
}

#[tokio::test]
async fn case_27_trailers_with_a_token_and_undeclared() {
    let bench = Bench::start().await;
    let (mut client, mut upstream) = bench.intercepted().await;
    let asking = b"POST /v1/messages HTTP/1.1\r\nHost: api.example.test\r\nTrailer: X-Api-Key\r\nTransfer-Encoding: chunked\r\n\r\n\
        2\r\nhi\r\n0\r\nx-API-key:  FAKE-secret \r\nX-FAKE-Name: 1\r\n\r\n";
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nAuthorization: Bearer FAKE-secret\r\nrequest-id: req_0000000000000001\r\n\r\n";
    client.send(asking).await;
    upstream.expect(asking).await;
    upstream.send(answer).await;
    client.expect(answer).await;
    let exchange = told(&bench, 0).await;
    let shown = |fields: &[authtrace::trace::HeaderField]| -> Vec<(String, String)> {
        fields.iter().map(|field| (field.name.as_str().to_owned(), field.value.as_str().to_owned())).collect()
    };
    let (up, down) = (shown(&exchange.request.trailers), shown(&exchange.response.unwrap().trailers));
    assert_eq!((up.len(), down.len()), (2, 2), "{up:?} {down:?}");
    assert!(up[0].0.eq_ignore_ascii_case("x-api-key") && up[0].1.contains("fp="), "{up:?}");
    assert!(up[1].0.contains("fp="), "a name that is no known one: {up:?}");
    assert!(down[0].0 == "Authorization" && down[0].1.contains("fp="), "{down:?}");
    assert_eq!(down[1].1, "req_0000000000000001");
    client.close().await;
    upstream.close().await;
    drop((client, upstream));
    bench.finish().await;
}
