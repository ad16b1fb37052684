//! A server that wants the proxy to forget what it must not write.

use crate::faults::Bench;
use crate::support::HOST;
use serde_json::json;

const KEY: &str = "FAKE velvet harbor monkey lantern";

/// What is remembered of credentials is bounded. A head full of others must not push out the one it answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_full_of_cookies_does_not_lay_bare_the_key_it_answers() {
    let bench = Bench::start().await;
    let cookies: String = (0..20_u64).map(|n| format!("Set-Cookie: c{n}={}\r\n", random(n))).collect();
    for said in [KEY.to_owned(), spelled(KEY), KEY.replace(' ', "-")] {
        let (mut client, mut upstream) = bench.intercepted().await;
        let request = format!("GET /v1/models HTTP/1.1\r\nHost: {HOST}\r\nx-api-key: {KEY}\r\n\r\n");
        client.send(&request).await;
        upstream.expect(&request).await;
        let message = format!("The key {said} is not valid");
        let body =
            json!({ "type": "error", "error": { "type": "authentication_error", "message": message } }).to_string();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 401 Unauthorized\r\n{cookies}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        upstream.send(&answer).await;
        upstream.close().await;
        assert_eq!(client.receive_end().await.0, answer.as_bytes());
        client.close().await;
    }
    bench.is_well().await;
    let (file, live) = bench.stop().await;
    let trace = std::fs::read_to_string(file.path()).unwrap();
    assert!(trace.matches("authentication_error").count() >= 3, "the answers were read");
    for text in [trace, live.stderr] {
        assert!(!text.contains("monkey") && !text.contains("mo nk"), "{text}");
    }
}

/// 7,680 bytes that look random.
fn random(seed: u64) -> String {
    let word = |n: u64| format!("{:016x}", (seed * 480 + n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (0..480).map(word).collect()
}

fn spelled(text: &str) -> String {
    text.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).trim().to_owned() + " ").collect()
}
