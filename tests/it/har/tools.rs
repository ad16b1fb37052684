//! The same three exchanges as different tools write them: a token is refused as expired, refreshed, and the request
//! succeeds. Each file has the habits of its tool; some have a failed request, a cached one or a WebSocket besides.

use super::{export, import, survey};
use authtrace::analyze::{Survey, diagnose};
use authtrace::trace::{EndKind, Exchange, Outcome, Record};
use std::fs;
use std::path::Path;

pub(super) const TOOLS: [&str; 6] = ["chrome", "firefox", "mitmproxy", "charles", "proxyman", "insomnia"];

pub(super) fn file(tool: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/har/{tool}.har"))).unwrap()
}

/// Where a credential was sent or issued: number of the exchange and the short name.
fn trail(survey: &Survey) -> Vec<String> {
    let label = |credential: &authtrace::trace::Credential| survey.credential_label(credential.credential.fp).unwrap();
    let told = survey.exchanges().iter().filter(|exchange| exchange.status().is_some_and(|status| status != 101)).map(
        |exchange| {
            let sent = exchange.credentials.iter().map(|one| label(one).to_string()).collect::<Vec<_>>().join("+");
            let issued = exchange
                .oauth
                .iter()
                .flat_map(|oauth| &oauth.issued)
                .map(|one| label(one).to_string())
                .collect::<Vec<_>>();
            format!("{} {} {sent}>{}", exchange.status().unwrap(), exchange.request.path, issued.join("+"))
        },
    );
    told.collect()
}

#[test]
fn every_tool_tells_the_same_story() {
    for tool in TOOLS {
        let survey = survey(&file(tool));
        let want = [
            "401 /v1/messages?beta=true oat-A>",
            "200 /v1/oauth/token ort-A>oat-B+ort-B",
            "200 /v1/messages?beta=true oat-B>",
        ];
        assert_eq!(trail(&survey), want, "{tool}");
        let first = &survey.exchanges()[0];
        assert_eq!(first.at.to_string(), "2026-09-01T08:00:00.012Z", "{tool}");
        assert_eq!(first.request_ids.header.as_ref().unwrap(), "req_011FAKEfixture0000001", "{tool}");
        let oauth = survey.exchanges()[1].oauth.as_ref().unwrap();
        assert_eq!(
            (oauth.grant_type.as_ref().unwrap().as_str(), oauth.expires_in),
            ("refresh_token", Some(28_800)),
            "{tool}"
        );
        let sse = survey.exchanges()[2].sse.as_ref().unwrap();
        assert_eq!((sse.events, sse.span_us, sse.followed), (2, None, true), "{tool}");
        assert_eq!(diagnose(&survey).verdict.code.as_str(), "healthy", "{tool}");
    }
}

#[test]
fn the_tool_is_named() {
    let named = |tool: &str| {
        let survey = survey(&file(tool));
        let imported = survey.head().unwrap().imported.clone().unwrap();
        format!("{:?} {:?}", imported.tool, imported.version)
    };
    assert_eq!(named("chrome"), r#"Some("WebInspector") Some("537.36")"#);
    assert_eq!(named("firefox"), r#"Some("Firefox") Some("142.0.1")"#);
    assert_eq!(named("mitmproxy"), r#"Some("mitmproxy") Some("12.1.1")"#);
    assert_eq!(named("charles"), r#"Some("Charles Proxy") Some("5.0.2")"#);
    assert_eq!(named("insomnia"), r#"Some("Insomnia REST Client") None"#);
}

#[test]
fn what_failed_says_how() {
    let ends = |tool: &str| -> Vec<EndKind> {
        let survey = survey(&file(tool));
        let unanswered = survey.exchanges().iter().filter(|exchange| exchange.response.is_none());
        unanswered.map(|exchange: &Exchange| exchange.end.outcome).collect()
    };
    assert_eq!(ends("chrome"), [EndKind::NotResolved]);
    assert_eq!(ends("firefox"), [EndKind::Unanswered]);
    assert_eq!(ends("mitmproxy"), [EndKind::UpstreamClosed]);
    let charles = survey(&file("charles"));
    assert_eq!(charles.connections()[0].end.outcome, Outcome::ClientTls);
    let chrome = survey(&file("chrome"));
    assert_eq!(chrome.exchanges().last().unwrap().end.outcome, EndKind::Upgraded);
    assert_eq!(chrome.notes()[0].text, "1 entry left out: the browser answered them from its cache");
}

#[test]
fn nothing_secret_is_left_and_nothing_is_unread() {
    for tool in TOOLS {
        let imported = import(&file(tool));
        assert_eq!(imported.unread, [], "{tool}");
        let survey = imported.records.into_iter().collect();
        let text = String::from_utf8(export(&survey)).unwrap().replace("req_011FAKEfixture", "");
        assert!(!text.contains("FAKE"), "{tool}: {text}");
    }
}

#[test]
fn many_entries_are_read() {
    let text = String::from_utf8(file("mitmproxy")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&text).unwrap();
    let entry = entry["log"]["entries"][2].to_string();
    let count = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    let text = format!("{{\"log\":{{\"entries\":[{}]}}}}", vec![entry; count].join(",\n"));
    let imported = import(text.as_bytes());
    let exchanges = imported.records.iter().filter(|record| matches!(record, Record::Exchange(_))).count();
    assert_eq!((exchanges, imported.credentials), (count, 1));
}
