//! Other hosts, other programs, and nothing at all.

use super::*;
use crate::analyze::Unread;

fn elsewhere(host: &str, path: &str, sent: &[Value], status: u16) -> Tale {
    let tale = Tale::new().ok(0, 'a');
    let exchange = tale.exchange(1_000, host, path, sent, status);
    tale.with(exchange)
}

fn opaque() -> Value {
    json!({"place": "authorization", "scheme": "Bearer", "kind": "unknown", "len": 40, "fp": "c0000001"})
}

#[test]
fn the_login_token_at_a_foreign_host_is_a_finding_whatever_the_answer() {
    for status in [200, 401] {
        let tale = elsewhere("llm.example.com", "/v1/messages", &[fixture::access("a0000061")], status);
        assert_eq!(tale.code(), Code::GatewayReceivesAnthropicCredential, "{status}");
    }
    let own = elsewhere("llm.example.com", "/v1/messages", &[opaque()], 200);
    assert_eq!(own.code(), Code::Healthy);
}

#[test]
fn hosts_are_told_apart_by_what_is_asked_of_them() {
    for (host, path, code) in [
        ("llm.example.com", "/v1/messages", Code::GatewayKeyRejected),
        ("bedrock-runtime.eu-west-1.amazonaws.com", "/model/x/invoke", Code::CloudProviderCredentials),
        ("mcp.example.com", "/mcp", Code::McpOauth),
        ("api.github.com", "/user", Code::Healthy),
        ("wiki.example.com", "/page", Code::Healthy),
    ] {
        assert_eq!(elsewhere(host, path, &[opaque()], 401).code(), code, "{host}");
    }
}

#[test]
fn an_mcp_server_that_asks_for_a_login_has_not_refused_one() {
    let asked = elsewhere("mcp.example.com", "/mcp", &[], 401);
    assert_eq!(asked.code(), Code::Healthy);
    assert!(asked.diagnosis().findings.iter().any(|finding| finding.code == Code::McpOauth));
    let again = asked.exchange(2_000, "mcp.example.com", "/mcp", &[opaque()], 401);
    assert_eq!(asked.with(again).code(), Code::McpOauth);
}

#[test]
fn a_client_of_a_cloud_is_not_without_a_credential() {
    let probe = || Tale::new().ask(0, "/api/directory/server-urls", None, 200, None);
    assert_eq!(probe().code(), Code::NoAuthenticatedRequest);
    let bedrock =
        probe().exchange(1_000, "bedrock-runtime.eu-west-1.amazonaws.com", "/model/x/invoke", &[opaque()], 200);
    assert_eq!(probe().with(bedrock).code(), Code::Healthy);
}

#[test]
fn a_login_that_is_not_answered_for_a_minute_did_not_come_back() {
    let login = |until: i64| {
        let tale = Tale::new().ask(0, "/api/hello", None, 200, None);
        let authorize = tale.exchange(500, "claude.ai", "/oauth/authorize", &[], 200);
        tale.with(authorize).ask(until, "/api/event_logging/v2/batch", None, 200, None)
    };
    assert_eq!(login(20_000).code(), Code::NoAuthenticatedRequest);
    assert_eq!(login(2 * MINUTE).code(), Code::LoginCallbackNeverArrives);
}

#[test]
fn an_empty_trace_shows_nothing() {
    assert_eq!(Tale::new().code(), Code::NothingSeen);
}

#[test]
fn what_could_not_be_read_is_not_taken_for_silence() {
    let head = || {
        let mut head = fixture::head();
        head["imported"] = json!({"format": "HAR"});
        survey(&head.to_string())
    };
    assert_eq!(diagnose(&head()).verdict.code, Code::NoAuthenticatedRequest);
    let torn = head().with_unread([Unread { line: 1, why: "the file ends here".to_owned() }]);
    let diagnosis = diagnose(&torn);
    assert_eq!(diagnosis.verdict.code, Code::NothingSeen);
    assert!(diagnosis.verdict.summary.contains("damaged"), "{}", diagnosis.verdict.summary);
}

fn distrusted(host: &str) -> Value {
    json!({
        "record": "connection", "id": 900, "lane": "main", "opened": Timestamp::from_unix_ms(BEGIN), "duration_us": 400,
        "target": {"host": host, "port": 443}, "mode": "intercepted", "bytes_up": 0, "bytes_down": 0, "requests": 0,
        "outcome": "client_distrusts_ca",
    })
}

#[test]
fn distrust_matters_where_the_client_itself_gets_nowhere() {
    assert_eq!(Tale::new().with(distrusted(API)).verdict(), (Code::TlsInterceptionUntrusted, Confidence::High));
    let beside = Tale::new().ok(0, 'a').with(distrusted("github.com"));
    assert_eq!(beside.verdict(), (Code::Healthy, Confidence::High));
}

/// A client that is ended breaks off the handshakes that it had begun: no sign of what it thinks of the certificate.
#[test]
fn handshakes_that_a_signal_ends_are_no_distrust() {
    let closed = |at_ms: i64, detail: &str| {
        let mut connection = distrusted(API);
        connection["opened"] = json!(Timestamp::from_unix_ms(BEGIN + at_ms));
        connection["peer"] = json!({"pid": 7});
        connection["detail"] = json!(detail);
        connection
    };
    let trusted = || {
        let mut connection = closed(0, "");
        connection["id"] = json!(899);
        connection["outcome"] = json!("ok");
        connection["client_tls"] = json!({"version": "TLSv1.3", "resumed": false, "handshake_us": 900});
        connection
    };
    let end = |exit_code: i32| {
        json!({
            "record": "end", "at": Timestamp::from_unix_ms(BEGIN + 9_500), "connections": 2, "exchanges": 0, "lost": 0,
            "exit_code": exit_code,
        })
    };
    let told = |lines: Vec<Value>| {
        let tale = lines.into_iter().fold(Tale::new(), Tale::with);
        let found = tale.diagnosis().findings;
        found.iter().find(|one| one.code == Code::TlsInterceptionUntrusted).map(|one| one.confidence)
    };
    let (silent, alert) = ("the client closed the connection", "the client refused our certificate with a TLS alert");
    assert_eq!(told(vec![trusted(), closed(9_000, silent), end(0)]), Some(Confidence::Medium));
    assert_eq!(told(vec![closed(9_000, silent), end(143)]), None);
    assert_eq!(told(vec![closed(9_000, silent), end(1)]), Some(Confidence::High));
    assert_eq!(told(vec![trusted(), closed(2_000, silent), end(143)]), Some(Confidence::Medium));
    assert_eq!(told(vec![closed(2_000, silent), end(143)]), Some(Confidence::High));
    assert_eq!(told(vec![trusted(), closed(9_000, alert), end(143)]), Some(Confidence::High));
}
