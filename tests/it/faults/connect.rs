//! Cases 1–6: what comes first on a connection.

use super::{Bench, ours};
use crate::support::HOST;
use authtrace::trace::Outcome;

#[tokio::test(flavor = "multi_thread")]
async fn case_01_a_connect_without_a_usable_port() {
    let bench = Bench::start().await;
    for target in ["api.example.test", "api.example.test:0", "api.example.test:65536", "api.example.test:443:443"] {
        let answer = bench.say(format!("CONNECT {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
        assert_eq!(ours(&answer), (400, "bad_connect".to_owned()), "{target}");
        bench.ended(Outcome::BadConnect).await;
        bench.is_well().await;
    }
    let (trace, _) = bench.finish().await;
    let refused: Vec<_> = trace.connections.iter().filter(|one| one.end.outcome == Outcome::BadConnect).collect();
    assert_eq!(refused.len(), 4);
    assert!(refused.iter().all(|one| one.end.status == Some(400) && one.target.is_none() && one.requests == 0));
}
