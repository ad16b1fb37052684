//! What other hosts, other tools and other programs leave in a capture, and what is no failure of the login.

use super::*;

const GATEWAY: &str = "llm.example.io";

fn token(kind: &str, place: &str) -> Value {
    json!({"place": place, "kind": kind, "len": 40, "fp": "c0000001"})
}

fn ask(tale: Tale, host: &str, path: &str, sent: &[Value], status: u16, message: Option<&str>) -> Tale {
    let at = i64::try_from(tale.lines.len()).unwrap() * 1_000;
    let mut exchange = tale.exchange(at, host, path, sent, status);
    if let Some(message) = message {
        exchange["error"] = json!({"shape": "api", "type": "authentication_error", "message": message, "tone": "auth"});
    }
    tale.with(exchange)
}

/// As another tool wrote it.
fn imported() -> Tale {
    let mut tale = Tale::new();
    tale.lines[0]["imported"] = json!({"format": "HAR"});
    tale
}

#[test]
fn the_key_of_a_gateway_is_of_no_use_at_the_side_and_does_no_harm_there() {
    let key = [token("unknown", "authorization")];
    let side = ask(Tale::new(), API, "/api/claude_cli/bootstrap", &key, 401, Some(BEARER));
    let works = ask(side.clone(), GATEWAY, "/v1/messages?beta=true", &key, 200, None).diagnosis();
    assert_eq!(works.verdict.code, Code::Healthy);
    assert!(works.verdict.summary.contains("messages went to"), "{}", works.verdict.summary);
    assert!(works.findings.iter().any(|finding| finding.code == Code::TelemetryNoise && finding.exchanges == [1]));
    let refused = ask(side, GATEWAY, "/v1/messages?beta=true", &key, 401, Some("Unauthorized"));
    assert_eq!(refused.code(), Code::GatewayKeyRejected);
}

#[test]
fn one_token_at_two_hosts_is_no_contradiction_of_the_server() {
    let oauth = [fixture::access("a0000061")];
    let tale = Tale::new().ok(0, 'a');
    let web = ask(tale.clone(), "claude.ai", "/api/organizations/x/code", &oauth, 403, Some("Invalid authorization"));
    assert_eq!(web.verdict(), (Code::EndpointInconsistent401, Confidence::High), "the same server, in two minds");
    let other = ask(tale, "api.github.com", "/user", &[token("github-token", "authorization")], 401, Some("Bad"));
    assert_eq!(other.code(), Code::Healthy);
}

#[test]
fn sites_for_everybody_do_not_judge_a_login() {
    for host in ["downloads.claude.ai", "docs.claude.com", "www.anthropic.com", "storage.googleapis.com"] {
        let tale = ask(Tale::new().ok(0, 'a'), host, "/en/docs/mcp", &[], 403, Some("AccessDenied"));
        assert_eq!(tale.verdict(), (Code::Healthy, Confidence::High), "{host}");
    }
}

#[test]
fn a_token_of_another_service_is_of_no_kind_that_the_api_issues() {
    for kind in ["jwt", "github-token", "google-key", "unknown"] {
        let tale = ask(Tale::new(), API, "/v1/messages", &[token(kind, "authorization")], 401, Some(BEARER));
        assert_eq!(tale.verdict(), (Code::BearerMalformed, Confidence::Medium), "{kind}");
    }
}

#[test]
fn a_file_without_credentials_is_read_by_what_the_server_said() {
    let expired = ask(imported(), API, "/v1/messages", &[], 401, Some(EXPIRED));
    let expired = ask(expired, API, "/v1/messages", &[], 401, Some(EXPIRED));
    assert_eq!(expired.code(), Code::AccessTokenExpiredNotRefreshed);
    assert_eq!(ask(imported(), API, "/v1/messages", &[], 401, Some("invalid x-api-key")).code(), Code::ApiKeyInvalid);
    assert_eq!(ask(imported(), API, "/v1/messages", &[], 200, None).code(), Code::Healthy);
    let blanked = [token("unknown", "authorization")];
    let blanked = ask(imported(), API, "/v1/messages", &blanked, 401, Some(EXPIRED));
    assert_eq!(blanked.code(), Code::AccessTokenExpiredNotRefreshed, "the server knew it");
    let seen = ask(Tale::new(), API, "/v1/messages", &[], 401, Some("x-api-key header is required"));
    assert_eq!(seen.code(), Code::NoAuthenticatedRequest, "what was captured here is whole");
}

#[test]
fn pages_of_the_web_site_are_no_client_without_a_login() {
    let page = ask(imported(), "claude.ai", "/api/account", &[], 200, None);
    assert_eq!(page.code(), Code::NothingSeen);
    let refused = ask(page, "claude.ai", "/v1/toolbox/x", &[], 401, Some("unauthorized"));
    assert_eq!(refused.code(), Code::NothingSeen);
}

#[test]
fn where_no_code_was_pasted_nobody_is_told_to_paste_one() {
    let tale = Tale::new().failing_refresh(0, 'a', 404);
    let diagnosis = tale.diagnosis();
    assert_eq!(diagnosis.verdict.code, Code::TokenRequestRejected);
    assert!(!diagnosis.findings.first().unwrap().remedy.contains("paste"));
}

#[test]
fn a_sentence_counts_only_what_was_answered_as_it_says() {
    let key = [token("unknown", "authorization")];
    let mut tale = Tale::new().ok(0, 'a');
    for (host, status, message) in
        [("mcp.one.io", 401, "Expired"), ("mcp.two.io", 403, "No"), ("mcp.one.io", 401, "Expired")]
    {
        tale = ask(tale, host, "/mcp", &key, status, Some(message));
    }
    let summary = tale.diagnosis().verdict.summary;
    assert!(summary.contains("401 “Expired”, twice") && summary.contains("refused once, in other words"), "{summary}");
}
