//! What authtrace writes as HAR it reads back as the same trace.

use super::{cases, export, survey};
use authtrace::analyze::Survey;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Everything that a survey knows, besides what it reckons from that.
fn everything(survey: &Survey) -> Value {
    json!({
        "head": survey.head(), "exchanges": survey.exchanges(), "connections": survey.connections(), "notes": survey.notes(),
        "gaps": survey.gaps(), "end": survey.end(), "unfinished": survey.unfinished().collect::<Vec<_>>(),
    })
}

/// Where two values differ first.
fn difference(before: &Value, after: &Value, at: &str) -> Option<String> {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            keys.into_iter().find_map(|key| difference(&before[key], &after[key], &format!("{at}.{key}")))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .find_map(|(i, (one, other))| difference(one, other, &format!("{at}[{i}]"))),
        _ => (before != after).then(|| format!("{at}: {before} became {after}")),
    }
}

fn assert_same(before: &Survey, after: &Survey) {
    assert_eq!(difference(&everything(before), &everything(after), ""), None);
}

#[test]
fn every_case_comes_back() {
    for (_, text) in cases::all() {
        let before = survey(&text);
        let written = export(&before);
        let after = survey(&written);
        assert_same(&before, &after);
        assert_eq!(String::from_utf8(export(&after)).unwrap(), String::from_utf8(written).unwrap());
    }
}

/// An entry as some tool could write it: all of the many shapes that a field may have.
fn entry() -> impl Strategy<Value = Value> {
    let url = prop_oneof![
        Just("https://api.anthropic.com/v1/messages?beta=true"),
        Just("https://platform.claude.com/v1/oauth/token"),
        Just("https://gw.FAKE-corp.internal:8443/v1/x/FAKEid?code=FAKEcode12345678&y=1&=&z#FAKEfragment"),
        Just("http://[::1]:8080/a%20b/00000000-0000-4000-8000-0000000000aa"),
        Just("https://user:FAKEpassword@10.1.2.3/"),
        Just("https://claude.ai?redirect_uri=http%3A%2F%2Flocalhost%3A54321%2Fcallback"),
        Just("https://api.anthropic.com:443/"),
    ];
    let method = prop_oneof![Just("POST"), Just("GET"), Just("CONNECT"), Just("FAKEmethod"), Just("")];
    let version = prop_oneof![Just("HTTP/1.1"), Just("h2"), Just("h3"), Just("http/1.0"), Just("")];
    let value = prop_oneof![
        Just("Bearer sk-ant-oat01-FAKEaFAKEaFAKEaFAKEaFAKEaFAKEaFAKEaFAKEaFAKEaFAKEaFAKEa".to_owned()),
        Just("sk-ant-api03-FAKEb\n".to_owned()),
        Just("application/json".to_owned()),
        "[a-z0-9 =;,‹›\"]{0,20}FAKE",
    ];
    let name = prop_oneof![
        Just("authorization"),
        Just("X-Api-Key"),
        Just("content-type"),
        Just("cookie"),
        Just("request-id"),
        Just("FAKE-Name"),
        Just(":path"),
        Just("location"),
        Just("www-authenticate"),
        Just("x-client-request-id"),
        Just("cf-ray"),
    ];
    let headers = proptest::collection::vec((name, value), 0..6)
        .prop_map(|all| all.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>());
    let body = prop_oneof![
        Just(String::new()),
        Just(json!({"type": "error", "error": {"type": "authentication_error", "message": "Invalid bearer token FAKE1234abcd"}, "request_id": null}).to_string()),
        Just(json!({"access_token": "sk-ant-oat01-FAKEcFAKEcFAKEcFAKEcFAKEc", "refresh_token": "FAKErefreshFAKErefresh", "expires_in": 28800, "scope": "user:inference FAKE"}).to_string()),
        Just("event: message_start\ndata: {}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n".to_owned()),
        Just("<html><title>Just a moment FAKE1234abcd</title>".to_owned()),
    ];
    let status = prop_oneof![
        Just(0_u16),
        Just(101),
        Just(200),
        Just(302),
        Just(400),
        Just(401),
        Just(403),
        Just(407),
        Just(529)
    ];
    let error = prop_oneof![
        Just(Value::Null),
        Just(json!("ENOTFOUND")),
        Just(json!("net::ERR_CONNECTION_RESET")),
        Just(json!("FAKE"))
    ];
    let process = prop_oneof![Just(Value::Null), Just(json!("claude")), Just(json!("FAKE 1.exe")), Just(json!("p2"))];
    let head = (url, method, version, headers.clone(), headers);
    let rest = (body.clone(), body, status, error, process, 0_u32..20, -1_i64..4000, -1_i64..9);
    (head, rest).prop_map(|((url, method, version, asked, answered), (sent, got, status, error, process, second, wait, dns))| {
        json!({
            "startedDateTime": format!("2026-09-01T08:00:{second:02}.125Z"),
            "time": wait + 2,
            "request": {"method": method, "url": url, "httpVersion": version, "headers": asked,
                "postData": {"mimeType": "", "text": sent}, "bodySize": -1},
            "response": {"status": status, "httpVersion": version, "headers": answered, "content": {"size": got.len(), "text": got}},
            "timings": {"send": 1, "wait": wait, "receive": 1, "dns": dns, "connect": dns * 3, "ssl": dns * 2},
            "_error": error, "_client": {"process": process, "pid": 7 + second}, "connection": (second % 3).to_string(),
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_trace_comes_back(entries in proptest::collection::vec(entry(), 0..6), unread in any::<bool>()) {
        let mut entries: Vec<String> = entries.iter().map(Value::to_string).collect();
        if unread {
            entries.insert(0, "{]".to_owned());
        }
        let text = format!("{{\"log\":{{\"creator\":{{\"name\":\"mitmproxy\",\"version\":\"12.1\"}},\"entries\":[{}]}}}}", entries.join(","));
        let before = survey(text.as_bytes());
        let written = export(&before);
        assert_same(&before, &survey(&written));
        let shown = String::from_utf8(written).unwrap();
        prop_assert!(!shown.contains("FAKE"), "{}", shown);
        for url in shown.split("\"url\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            prop_assert!(url.is_ascii() && !url.contains(' '), "{}", url);
            prop_assert!(http::Uri::try_from(url).is_ok(), "{}", url);
        }
    }
}
