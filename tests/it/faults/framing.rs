//! Cases 18–21: requests that two readers could understand in two ways, and those that nobody can.

use super::{Bench, ours};
use crate::support::{Ending, HOST};
use authtrace::trace::{EndKind, Outcome};

/// Sends each of these behind the line and the `Host` of a POST: refused with this code, and nothing of it is forwarded.
async fn refused(cases: &[(&[u8], &str)]) {
    let bench = Bench::start().await;
    for (number, (fields, code)) in cases.iter().enumerate() {
        let (mut client, mut upstream) = bench.intercepted().await;
        let line = format!("POST /FAKE-secret HTTP/1.1\r\nHost: {HOST}\r\nX-Api-Key: FAKE-secret\r\n");
        client.send([line.as_bytes(), fields].concat()).await;
        let (answer, ending) = client.receive_end().await;
        let shown = fields.escape_ascii();
        assert_eq!(ours(&String::from_utf8(answer).unwrap()), (400, (*code).to_owned()), "{shown}");
        assert_eq!(ending, Ending::Clean, "{shown}");
        drop(client);
        assert_eq!(upstream.receive_end().await.0, b"", "{shown}");
        drop(upstream);
        let told =
            || bench.connections().into_iter().filter(|one| one.end.outcome == Outcome::ClientProtocol).nth(number);
        let connection = bench.until("the refusal", told).await;
        assert!(connection.requests == 0 && connection.end.detail.is_some(), "{connection:#?}");
        bench.is_well().await;
    }
    let (trace, _) = bench.finish().await;
    assert!(trace.exchanges.iter().all(|one| one.request.host.as_str() != HOST));
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_two_lengths() {
    let both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let turned = b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n";
    refused(&[
        (both, "ambiguous_framing"),
        (turned, "ambiguous_framing"),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "ambiguous_framing"),
        (b"Content-Length: +5\r\n\r\n", "ambiguous_framing"),
        (b"Content-Length: -5\r\n\r\n", "ambiguous_framing"),
        (b"Content-Length: 5,5\r\n\r\n", "ambiguous_framing"),
        (b"Content-Length: 0x5\r\n\r\n", "ambiguous_framing"),
        (b"Content-Length: 5 5\r\n\r\n", "ambiguous_framing"),
        (b"Content-Length:\r\n\r\n", "ambiguous_framing"),
        (b"Content-Length: 10000000000000000000\r\n\r\n", "ambiguous_framing"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_19_odd_codings_and_line_ends() {
    refused(&[
        (b"Transfer-Encoding: xchunked\r\n\r\n", "ambiguous_framing"),
        (b"Transfer-Encoding : chunked\r\n\r\n", "ambiguous_framing"),
        (b"Transfer-Encoding: chunked, identity\r\n\r\n", "ambiguous_framing"),
        (b"Transfer-Encoding: identity, chunked\r\n\r\n", "ambiguous_framing"),
        (b"Transfer-Encoding:\x0bchunked\r\n\r\n", "ambiguous_framing"),
        (b"Transfer-Encoding: chunked\x0b\r\n\r\n", "ambiguous_framing"),
        (b"Transfer-Encoding: \"chunked\"\r\n\r\n", "ambiguous_framing"),
        (b"X: a\nContent-Length: 5\r\n\r\n", "ambiguous_framing"),
        (b"X: a\n\n", "ambiguous_framing"),
        (b"X: a\rContent-Length: 5\r\n\r\n", "ambiguous_framing"),
        (b"X: a\r\r\n\r\n", "ambiguous_framing"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_20_chunks_that_are_none() {
    let extension = [b"5;ext=".as_slice(), &vec![b'x'; 1 << 20]].concat();
    let bench = Bench::start().await;
    let cases: [&[u8]; 8] = [
        b"FFFFFFFFFFFFFFFF\r\n",
        b"10000000000000000\r\n",
        b"-1\r\n",
        b"0x5\r\n",
        b"5 \r\n",
        b"5\nabcde\r\n",
        b"3\r\nabcd\r\n",
        &extension,
    ];
    for (number, chunk) in cases.into_iter().enumerate() {
        let (mut client, mut upstream) = bench.intercepted().await;
        let head = b"POST / HTTP/1.1\r\nHost: api.example.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        // The answer may come before everything was taken.
        let _ = client.try_send(&[head.as_slice(), b"2\r\nok\r\n", chunk].concat()).await;
        let (answer, _) = client.receive_end().await;
        let shown = chunk[..chunk.len().min(40)].escape_ascii();
        assert_eq!(ours(&String::from_utf8(answer).unwrap()), (400, "bad_chunk".to_owned()), "{shown}");
        drop(client);
        // What was well formed has gone on; the rest ends in a reset, so that nobody takes it for whole.
        let (received, ending) = upstream.receive_end().await;
        let good = [head.as_slice(), b"2\r\nok\r\n3\r\nabc"].concat();
        assert!(good.starts_with(&received), "{}", received.escape_ascii());
        assert_eq!(ending, Ending::Reset, "{shown}");
        let told = || bench.exchanges().into_iter().filter(|one| one.request.host.as_str() == HOST).nth(number);
        let exchange = bench.until("the exchange", told).await;
        assert_eq!((exchange.end.outcome, exchange.status()), (EndKind::Refused, None));
        assert!(exchange.end.detail.is_some(), "{exchange:#?}");
        bench.ended(Outcome::ClientProtocol).await;
        drop(upstream);
        bench.is_well().await;
    }
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_21_header_fields_that_are_none() {
    refused(&[
        (b"X FAKE-secret: FAKE-secret\r\n\r\n", "bad_header"),
        (b": FAKE-secret\r\n\r\n", "bad_header"),
        (b"X\0FAKE-secret: FAKE-secret\r\n\r\n", "bad_header"),
        (b"FAKE-secret\r\n\r\n", "bad_header"),
        (b"Authorization: Bearer\r\n FAKE-secret\r\n\r\n", "bad_header"),
        (b"X-Folded: a\r\n\tFAKE-secret\r\n\r\n", "bad_header"),
        (b"X: FAKE-secret\0\r\n\r\n", "bad_header"),
        (b"X: FAKE\rsecret\r\n\r\n", "ambiguous_framing"),
        (b"X: FAKE\nsecret\r\n\r\n", "ambiguous_framing"),
        (b"\xffX: FAKE-secret\r\n\r\n", "bad_header"),
        (b"Host: other.example.test\r\n\r\n", "bad_header"),
    ])
    .await;
}
