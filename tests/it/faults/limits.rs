//! Case 22: heads that are too large.

use super::{Bench, ours};
use crate::support::HOST;
use authtrace::trace::{Mode, Outcome};

/// The bar: what a head may cost at most, in KiB.
const GROWTH: usize = 1_024;

#[tokio::test(flavor = "multi_thread")]
async fn case_22_heads_that_are_too_large() {
    let bench = Bench::start().await;
    let line = format!("GET /{} HTTP/1.1\r\n", "FAKE".repeat(25_600));
    let field = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: {}\r\n\r\n", "FAKE".repeat(1 << 18));
    let fields = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{}\r\n", "X: FAKE\r\n".repeat(10_000));
    let mut resident = 0;
    for round in 0..6 {
        for (request, status) in [(&line, 414), (&field, 431), (&fields, 431)] {
            let (mut client, mut upstream) = bench.intercepted().await;
            // The answer may come before everything was taken.
            let _ = client.try_send(request.as_bytes()).await;
            let (answer, _) = client.receive_end().await;
            assert_eq!(ours(&String::from_utf8(answer).unwrap()), (status, "too_large".to_owned()));
            drop(client);
            assert_eq!(upstream.receive_end().await.0, b"");
            drop(upstream);
            bench.ended(Outcome::ClientProtocol).await;
            // The same as the first thing that the proxy hears, also as a CONNECT.
            for first in [request.clone(), request.replacen("GET /", "CONNECT a", 1)] {
                assert_eq!(ours(&bench.say(&first).await), (status, "too_large".to_owned()));
            }
            bench.is_well().await;
        }
        if round == 2 {
            resident = bench.resident();
        }
    }
    // What the first rounds have taken is used again.
    let now = bench.resident();
    assert!(now <= resident + GROWTH, "{resident} KiB have become {now} KiB");
    let (trace, _) = bench.finish().await;
    let refused = trace.connections.iter().filter(|one| one.requests == 0 && one.mode == Mode::Refused);
    assert!(refused.count() >= 2 * 18);
}
