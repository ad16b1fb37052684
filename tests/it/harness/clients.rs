//! The built-in client, a client in this process, and what is observed of both.

use crate::support::{AT_MOST, Wire, client_config, handshake, soon};
use authtrace::catalogue::Code;
use authtrace::harness::{Change, Harness, HarnessError, blocking};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::time::Duration;
use tokio::net::TcpStream;

/// A contract that `expired-then-refreshed` keeps.
const CONTRACT: &str = r#"
format = 1

[limits]
auth_failures = 1
refreshes = 1

[hosts]
any = ["*.anthropic.com", "platform.claude.com"]

[[flow]]
step = [
  { path = "/v1/messages", status = 401, credential = "$old" },
  { name = "refresh", grant = "refresh-token", status = 200, repeat = 1 },
  { path = "/v1/messages", status = 200, credential = "$new", not = "$old", issued_by = "refresh" },
]
"#;

#[tokio::test]
async fn what_the_built_in_client_did_is_seen_as_values() {
    let harness = Harness::start("expired-then-refreshed").await.unwrap();
    let played = harness.play().await.unwrap();
    assert_eq!(played.exit_code, 0);
    let observed = harness.finish().await.unwrap();
    assert_eq!(observed.verdict().code, Code::Healthy, "{}", observed.report());
    observed.assert(CONTRACT);
    let refresh = observed.exchanges().iter().find(|one| one.path() == "/v1/oauth/token").unwrap();
    assert_eq!((refresh.method(), refresh.host(), refresh.status()), ("POST", "platform.claude.com", Some(200)));
    let messages: Vec<_> = observed.exchanges().iter().filter(|one| one.path() == "/v1/messages").collect();
    let [refused, message] = messages[..] else { panic!("{}", observed.report()) };
    assert_eq!((refused.status(), refused.error_type()), (Some(401), Some("authentication_error")));
    assert!(message.request.path.as_str().contains('?'), "the query belongs to the request, not to its path");
    let (old, new) = (refused.credential().unwrap(), message.credential().unwrap());
    assert!(!old.is_same_as(new) && !refresh.credential().unwrap().is_same_as(new));
    let issued = &refresh.oauth.as_ref().unwrap().issued;
    assert!(issued.iter().any(|one| one.is_same_as(new)), "what was issued is what was used");
    assert_eq!(observed.label(new).unwrap().to_string(), "oat-B");
    assert!(observed.report().contains("healthy") && observed.report_markdown().contains("healthy"));
    assert_eq!(observed.survey().end().unwrap().exit_code, Some(0));
}

#[tokio::test]
async fn a_miss_names_the_exchange_and_the_field_and_a_mistake_its_place() {
    let harness = Harness::start("fresh-token-rejected").await.unwrap();
    harness.play().await.unwrap();
    let observed = harness.finish().await.unwrap();
    let checked = observed.check(CONTRACT).unwrap();
    assert!(!checked.held());
    let text = checked.to_string();
    assert!(text.contains("--> expectations:5:17") && text.contains("status: expected 200, found 401"), "{text}");
    let panic = std::panic::catch_unwind(|| checked.assert_held()).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>(), Some(&text));
    let mistake = observed.check("format = 1\n[limits]\nauth_failure = 1\n").unwrap_err();
    assert!(matches!(mistake, HarnessError::Expectations { .. }));
    assert!(mistake.to_string().starts_with("expectations: line 3, column 1"), "{mistake}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, CONTRACT).unwrap();
    let by_file = observed.check_file(file.path()).unwrap();
    assert_eq!(by_file.report().missed(), checked.report().missed());
    assert!(matches!(observed.check_file("/nonexistent/x.toml"), Err(HarnessError::Unreadable { .. })));
}

#[tokio::test]
async fn nothing_observed_is_a_miss() {
    let harness = Harness::start("healthy").await.unwrap();
    let observed = harness.finish().await.unwrap();
    assert_eq!(observed.exchanges().len(), 0);
    assert!(!observed.check("format = 1\n").unwrap().held());
    assert!(observed.check("format = 1\nallow_empty = true\n").unwrap().held());
}

/// What one HTTP/1.1 request is answered, until the server closes.
async fn ask(wire: &mut Wire, host: &str, key: &str) -> String {
    let body = r#"{"model":"claude-x","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}"#;
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: {host}\r\nx-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    wire.send(request).await;
    String::from_utf8_lossy(&wire.receive_end().await.0).into_owned()
}

/// The key that clients of the usual scenario are handed.
fn key(harness: &Harness) -> String {
    harness.environment()[std::ffi::OsStr::new("ANTHROPIC_API_KEY")].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_in_this_process_goes_through_proxy_and_certificate() {
    let harness = Harness::builder().start().await.unwrap();
    let url: http::Uri = harness.proxy_url().parse().unwrap();
    let (login, address) = url.authority().unwrap().as_str().rsplit_once('@').unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let token = STANDARD.encode(login);
    let connect = format!("CONNECT api.anthropic.com:443 HTTP/1.1\r\nProxy-Authorization: Basic {token}\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, connect.as_bytes()).await.unwrap();
    let mut granted = [0; 64];
    let length = tokio::io::AsyncReadExt::read(&mut stream, &mut granted).await.unwrap();
    assert!(granted[..length].starts_with(b"HTTP/1.1 200"));
    let root = CertificateDer::from_pem_slice(harness.ca_pem().as_bytes()).unwrap();
    let config = client_config(&root, &["http/1.1"]);
    let mut wire = handshake(stream, "api.anthropic.com", config).await.unwrap();
    let answer = ask(&mut wire, "api.anthropic.com", &key(&harness)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = harness.wait_for(AT_MOST, |survey| survey.exchanges().len() == 1).await.unwrap();
    assert_eq!(seen.exchanges()[0].status(), Some(200));
    assert_eq!(harness.so_far().exchanges().len(), 1);
    let waited = harness.wait_for(Duration::from_millis(1), |survey| survey.exchanges().len() == 2).await;
    assert!(matches!(waited, Err(HarnessError::WaitedInVain(_))));
    let observed = harness.finish().await.unwrap();
    observed.assert("format = 1\n[[flow]]\nstep = [{ path = \"/v1/messages\", kind = \"api-key\", status = 200 }]\n");
}

#[tokio::test]
async fn a_client_that_knows_only_a_base_url_is_recorded_too() {
    let harness = Harness::builder().start().await.unwrap();
    let address = harness.base_url().strip_prefix("http://").unwrap().to_owned();
    let (good, wrong) = (key(&harness), format!("sk-ant-api03-FAKE{}", "x".repeat(91)));
    for (key, expected) in [(&good, "HTTP/1.1 200"), (&wrong, "HTTP/1.1 401")] {
        let mut wire = Wire::Plain(TcpStream::connect(&address).await.unwrap());
        let answer = soon("an answer", ask(&mut wire, &address, key)).await;
        assert!(answer.starts_with(expected), "{answer}");
    }
    let observed = harness.finish().await.unwrap();
    let statuses: Vec<_> =
        observed.exchanges().iter().map(|one| (one.host(), one.lane.as_str(), one.status())).collect();
    let expected = [Some(200), Some(401)].map(|status| ("api.anthropic.com", "base-url", status));
    assert_eq!(statuses, expected);
}

#[test]
fn a_blocking_harness_does_the_same() {
    let harness = blocking::Harness::start("expired-then-refreshed").unwrap();
    assert_eq!(harness.play().unwrap().exit_code, 0);
    let seen = harness.wait_for(AT_MOST, |survey| survey.exchanges().len() > 1).unwrap();
    assert!(seen.exchanges().len() > 1);
    harness.finish().unwrap().assert(CONTRACT);
}

#[tokio::test]
async fn a_blocking_harness_can_be_used_and_dropped_inside_a_runtime() {
    let harness = blocking::Harness::start("expired-then-refreshed").unwrap();
    harness.play().unwrap();
    harness.finish().unwrap().assert(CONTRACT);
    drop(blocking::Harness::start("healthy").unwrap());
    assert!(blocking::Harness::start("no-such-scenario").is_err());
}

#[tokio::test]
async fn the_server_is_steered_while_it_runs() {
    let harness = Harness::start("healthy").await.unwrap();
    harness.play().await.unwrap();
    let before = harness.fake().now();
    harness.advance(Duration::from_secs(8 * 3600));
    assert!(harness.fake().now().unix_ms() - before.unix_ms() >= 8 * 3600 * 1000);
    harness.change(&Change::LogOut);
    harness.play().await.unwrap();
    let observed = harness.finish().await.unwrap();
    assert!(observed.exchanges().iter().any(|one| one.error_type() == Some("invalid_grant")), "{}", observed.report());
    assert_eq!(observed.survey().end().unwrap().exit_code, Some(1), "the first that was no success stands for all");
}

#[tokio::test]
async fn a_trace_on_disk_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.jsonl");
    let harness = Harness::builder().scenario("refresh-race").trace_file(&path).start().await.unwrap();
    harness.play().await.unwrap();
    let observed = harness.finish().await.unwrap();
    let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    let read = authtrace::analyze::Survey::read(authtrace::trace::Reader::new(file).unwrap());
    assert_eq!(authtrace::analyze::diagnose(&read).verdict, observed.diagnosis().verdict);
    assert_eq!(read.exchanges(), observed.exchanges());
    let again = Harness::builder().trace_file(&path).start().await;
    assert!(again.is_err(), "a trace is never overwritten");
}
