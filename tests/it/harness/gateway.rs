//! Servers of the user's own in the place of the fake: a gateway in front of the API.

use crate::support::{AT_MOST, Origin, Pki, tool};
use authtrace::harness::Harness;
use authtrace::trace::Mode;

/// A gateway without TLS: it answers for itself, and asks the API nothing.
async fn refuses(origin: Origin) {
    loop {
        let mut wire = origin.accept().await;
        wire.receive_until(b"\r\n\r\n").await;
        let body = r#"{"type":"error","error":{"type":"authentication_error","message":"Invalid key"}}"#;
        wire.send(format!(
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        ))
        .await;
        wire.close().await;
    }
}

fn message(curl: &std::path::Path, url: &str) -> String {
    format!(
        "{} -sS -o /dev/null -w '%{{http_code}}' {url}/v1/messages -H \"x-api-key: $ANTHROPIC_API_KEY\" \
         -H 'anthropic-version: 2023-06-01' -d '{{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}'",
        curl.display()
    )
}

#[tokio::test]
async fn a_gateway_on_loopback_is_asked_and_read() {
    let Some(curl) = tool("curl") else { return };
    let origin = Origin::plain().await;
    let url = format!("http://{}", origin.address());
    let gateway = tokio::spawn(refuses(origin));
    let harness = Harness::builder().gateway(&url).start().await.unwrap();
    let script = message(&curl, "$ANTHROPIC_BASE_URL");
    let ran = harness.run(harness.command("sh").args(["-c", &script]), AT_MOST).await.unwrap();
    assert_eq!(ran.stdout, "401", "{}", ran.stderr);
    let observed = harness.finish().await.unwrap();
    gateway.abort();
    let seen: Vec<_> = observed.exchanges().iter().map(|one| (one.host(), one.error_type())).collect();
    assert_eq!(seen, [("127.0.0.1", Some("authentication_error"))]);
}

/// One that hands on what it is asked, with the API's own address as it was told it.
#[tokio::test]
async fn both_sides_of_a_gateway_are_read() {
    let Some(curl) = tool("curl") else { return };
    let origin = Origin::plain().await;
    let url = format!("http://{}", origin.address());
    let harness = Harness::builder().gateway(&url).start().await.unwrap();
    let api = harness.base_url().strip_prefix("http://").unwrap().to_owned();
    let gateway = tokio::spawn(async move {
        let mut client = origin.accept_socket().await;
        let mut upstream = tokio::net::TcpStream::connect(api).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
    });
    let script = message(&curl, "$ANTHROPIC_BASE_URL");
    let ran = harness.run(harness.command("sh").args(["-c", &script]), AT_MOST).await.unwrap();
    assert_eq!(ran.stdout, "200", "{}", ran.stderr);
    gateway.await.unwrap();
    let observed = harness.finish().await.unwrap();
    let mut lanes: Vec<_> = observed.exchanges().iter().map(|one| (one.lane.as_str(), one.host())).collect();
    lanes.sort_unstable();
    assert_eq!(lanes, [("base-url", "api.anthropic.com"), ("main", "127.0.0.1")]);
    let keys: Vec<_> = observed.exchanges().iter().filter_map(|one| one.credential()).collect();
    assert!(keys[0].is_same_as(keys[1]), "the gateway handed the client's own key on");
}

#[tokio::test]
async fn an_upstream_with_tls_takes_the_place_of_the_api() {
    let Some(curl) = tool("curl") else { return };
    let pki = Pki::new();
    let origin = Origin::tls(pki.server("api.anthropic.com", &["http/1.1"])).await;
    let address = origin.address();
    let server = tokio::spawn(refuses(origin));
    let pem = std::fs::read_to_string(pki.root_file()).unwrap();
    let builder = Harness::builder().upstream("api.anthropic.com:443", address);
    let harness = builder.clone().upstream_ca(pem).start().await.unwrap();
    let script = format!(
        "{}; {}",
        message(&curl, "https://api.anthropic.com"),
        message(&curl, "https://platform.claude.com").replace("/v1/messages", "/v1/oauth/token")
    );
    let ran = harness.run(harness.command("sh").args(["-c", &script]), AT_MOST).await.unwrap();
    assert_eq!(ran.stdout, "401400", "the one is the server, the other is the fake: {}", ran.stderr);
    let observed = harness.finish().await.unwrap();
    assert_eq!(observed.exchanges().len(), 2);
    // One whose certificate nobody vouches for is refused, as ever.
    let harness = builder.start().await.unwrap();
    let script = message(&curl, "https://api.anthropic.com");
    let ran = harness.run(harness.command("sh").args(["-c", &script]), AT_MOST).await.unwrap();
    assert!(!ran.success());
    assert_eq!(harness.finish().await.unwrap().exchanges().len(), 0);
    server.abort();
}

#[tokio::test]
async fn a_host_that_was_not_named_passes_unread_to_the_fake() {
    let Some(curl) = tool("curl") else { return };
    let harness = Harness::builder().intercept("tool.example").start().await.unwrap();
    let curl = curl.display();
    let script =
        format!("{curl} -sSk -o /dev/null https://tool.example/; {curl} -sSk -o /dev/null https://other.example/");
    let ran = harness.run(harness.command("sh").args(["-c", &script]), AT_MOST).await.unwrap();
    assert!(ran.success(), "{}", ran.stderr);
    let observed = harness.finish().await.unwrap();
    assert_eq!(observed.exchanges().iter().map(|one| one.host()).collect::<Vec<_>>(), ["tool.example"]);
    let unread = observed.survey().connections().iter().filter(|one| one.mode == Mode::Tunnel).count();
    assert_eq!(unread, 1);
}
