//! What is read of single documents.

use super::read;
use crate::import::{ImportError, Imported};
use crate::redact::Redactor;
use crate::trace::{Connection, EndKind, Exchange, Mode, Outcome, Record, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn import(har: &str) -> Imported {
    read(har.as_bytes(), &Arc::new(Redactor::plain())).unwrap()
}

fn refused(text: &str) -> String {
    read(text.as_bytes(), &Arc::new(Redactor::plain())).unwrap_err().to_string()
}

fn exchanges(imported: &Imported) -> Vec<&Exchange> {
    let mut found = Vec::new();
    for record in &imported.records {
        if let Record::Exchange(exchange) = record {
            found.push(&**exchange);
        }
    }
    found
}

fn connections(imported: &Imported) -> Vec<&Connection> {
    let mut found = Vec::new();
    for record in &imported.records {
        if let Record::Connection(connection) = record {
            found.push(&**connection);
        }
    }
    found
}

fn har(entries: &[Value]) -> String {
    json!({"log": {"version": "1.2", "creator": {"name": "Firefox", "version": "128.0"}, "entries": entries}})
        .to_string()
}

/// An entry as a browser writes it, with `changes` (JSON Merge Patch, RFC 7396).
fn entry(changes: Value) -> Value {
    let mut entry = json!({
        "startedDateTime": "2026-09-01T08:00:00.000Z",
        "time": 180,
        "request": {
            "method": "POST", "url": "https://api.anthropic.com/v1/messages?beta=true", "httpVersion": "HTTP/1.1",
            "headers": [{"name": "authorization", "value": "Bearer sk-ant-oat01-FAKEoneFAKEoneFAKEoneFAKEoneFAKEoneFAKEoneFAKE"}],
            "queryString": [], "cookies": [], "headersSize": -1, "bodySize": -1
        },
        "response": {
            "status": 401, "statusText": "", "httpVersion": "HTTP/1.1",
            "headers": [{"name": "content-type", "value": "application/json"}], "cookies": [],
            "content": {"size": 0, "mimeType": "application/json",
                "text": "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"Invalid bearer token\"}}"},
            "redirectURL": "", "headersSize": -1, "bodySize": 0
        },
        "cache": {}, "timings": {"send": 1, "wait": 178, "receive": 1}
    });
    merge(&mut entry, changes);
    entry
}

fn merge(into: &mut Value, changes: Value) {
    match changes {
        Value::Object(fields) => {
            for (name, value) in fields {
                merge(&mut into[name], value);
            }
        }
        other => *into = other,
    }
}

#[test]
fn an_entry_becomes_an_exchange() {
    let imported = import(&har(&[entry(json!({}))]));
    let [Record::Trace(head), Record::Exchange(exchange), Record::End(end)] = imported.records.as_slice() else {
        panic!("{:?}", imported.records)
    };
    let from = head.imported.as_ref().unwrap();
    assert_eq!((from.format.as_str(), from.tool.as_ref().unwrap().as_str()), ("HAR", "Firefox"));
    assert_eq!(from.version.as_ref().unwrap(), "128.0");
    assert_eq!(head.intercept, ["api.anthropic.com"]);
    assert_eq!((exchange.id, exchange.connection, exchange.lane.as_str()), (1, 0, "main"));
    assert_eq!(exchange.request.path, "/v1/messages?beta=true");
    assert_eq!(exchange.credentials[0].place, "authorization");
    assert_eq!(exchange.credentials[0].credential.prefix.as_ref().unwrap(), "oat01");
    assert_eq!(exchange.error.as_ref().unwrap().message.as_ref().unwrap(), "Invalid bearer token");
    assert_eq!((exchange.timing.wait_us, exchange.timing.total_us), (Some(178_000), 180_000));
    assert_eq!(exchange.end.outcome, EndKind::Complete);
    assert_eq!((end.exchanges, end.connections), (1, 0));
    assert_eq!(end.at, Some(Timestamp::from_unix_ms(exchange.at.unix_ms() + 180)));
}

#[test]
fn entries_are_put_in_the_order_of_time_and_processes_stay_apart() {
    let at = |second: u32, process: &str| {
        let time = format!("2026-09-01T08:00:{second:02}.000Z");
        entry(json!({"startedDateTime": time, "connection": "7", "_client": {"process": process}}))
    };
    let imported = import(&har(&[at(9, "claude.exe"), at(1, "p2"), at(5, "claude.exe"), at(3, "main")]));
    let lanes: Vec<_> = exchanges(&imported)
        .iter()
        .map(|exchange| (exchange.id, exchange.connection, exchange.lane.to_string()))
        .collect();
    let want = [(1, 1, "process-2"), (2, 2, "main"), (3, 3, "process-1"), (4, 3, "process-1")];
    assert_eq!(lanes, want.map(|(id, connection, lane)| (id, connection, lane.to_owned())));
    assert_eq!(connections(&imported)[2].requests, 2);
    assert_eq!(connections(&imported)[2].duration_us, 4_180_000);
}

#[test]
fn an_entry_without_a_time_stands_with_its_neighbours() {
    let at = |time: Value| entry(json!({"startedDateTime": time}));
    let (one, nine) = ("2026-09-01T08:00:01.000Z", "2026-09-01T08:00:09.000Z");
    let imported =
        import(&har(&[at(Value::Null), at(json!("then")), at(json!(one)), at(Value::Null), at(json!(nine))]));
    let times: Vec<_> = exchanges(&imported).iter().map(|exchange| exchange.at.to_string()).collect();
    assert_eq!(times, [one, one, one, one, nine]);
}

#[test]
fn a_request_without_an_answer_says_why() {
    let none = |error: &str| entry(json!({"response": {"status": 0, "_error": error, "content": {"text": ""}}}));
    let imported = import(&har(&[none("TIMEOUT_15000"), none("ENOTFOUND"), none("net::ERR_CERT_AUTHORITY_INVALID")]));
    let ends: Vec<_> =
        exchanges(&imported).iter().map(|exchange| (exchange.end.outcome, exchange.response.is_none())).collect();
    assert_eq!(ends, [(EndKind::TimedOut, true), (EndKind::NotResolved, true), (EndKind::TlsFailed, true)]);
    assert_eq!(connections(&imported)[0].end.outcome, Outcome::ClientDistrustsCa);
    assert_eq!(exchanges(&imported)[2].connection, 1);
}

#[test]
fn tunnels_are_connections() {
    let connect = |status: u16, changes: Value| {
        let mut tunnel = entry(json!({
            "request": {"method": "CONNECT", "url": "https://api.anthropic.com:443/", "headers": []},
            "response": {"status": status, "headers": [{"name": "proxy-authenticate", "value": "Basic realm=\"corp\""}, {"name": "Proxy-Authenticate", "value": "Negotiate, NTLM"}]}
        }));
        merge(&mut tunnel, changes);
        tunnel
    };
    let imported = import(&har(&[
        connect(200, json!({"_tls": {"client_alert": "unknown_ca", "handshake_completed": false}})),
        connect(407, json!({})),
        connect(200, json!({})),
        connect(0, json!({"_error": "ENOTFOUND"})),
    ]));
    let outcomes: Vec<_> = connections(&imported).iter().map(|c| (c.mode, c.end.outcome, c.end.status)).collect();
    assert_eq!(
        outcomes,
        [
            (Mode::Intercepted, Outcome::ClientDistrustsCa, None),
            (Mode::Refused, Outcome::UpstreamProxyRefused, Some(407)),
            (Mode::Tunnel, Outcome::Ok, None),
            (Mode::Refused, Outcome::UpstreamDns, None),
        ]
    );
    let detail = connections(&imported)[1].end.detail.clone().unwrap();
    assert_eq!(detail, "the upstream proxy refused the tunnel; it offers Basic, NTLM, Negotiate");
    let [refusal] = exchanges(&imported)[..] else { panic!() };
    assert_eq!((refusal.status(), refusal.connection), (Some(407), 2));
    assert!(refusal.response.as_ref().unwrap().headers[0].value.as_str().starts_with("Basic realm="));
}

#[test]
fn token_requests_are_read_in_every_form_of_a_body() {
    let token = "sk-ant-ort01-FAKEtwoFAKEtwoFAKEtwoFAKEtwoFAKEtwoFAKEtwoFAKE";
    let answer =
        json!({"access_token": "sk-ant-oat01-FAKEnewFAKEnewFAKEnewFAKEnewFAKEnewFAKEnewFAKE", "expires_in": 28800})
            .to_string();
    let post = |data: Value| {
        let mut one = entry(json!({
            "request": {"url": "https://platform.claude.com/v1/oauth/token", "headers": []},
            "response": {"status": 200, "headers": [{"name": "content-encoding", "value": "br"}],
                "content": {"text": base64(&answer), "encoding": "base64"}}
        }));
        one["request"]["postData"] = data;
        one
    };
    let imported = import(&har(&[
        post(
            json!({"mimeType": "application/json", "text": json!({"grant_type": "refresh_token", "refresh_token": token}).to_string()}),
        ),
        post(
            json!({"mimeType": "x-www-form-urlencoded", "text": format!("grant_type=refresh_token&refresh_token={token}")}),
        ),
        post(
            json!({"params": [{"name": "grant_type", "value": "refresh_token"}, {"name": "refresh_token", "value": token}]}),
        ),
        post(json!({"text": base64(&format!("grant_type=refresh_token&refresh_token={token}")), "encoding": "base64"})),
    ]));
    let fps: Vec<_> = exchanges(&imported)
        .iter()
        .map(|exchange| {
            let oauth = exchange.oauth.as_ref().unwrap();
            assert_eq!(oauth.grant_type.as_ref().unwrap(), "refresh_token");
            assert_eq!(oauth.expires_in, Some(28_800));
            assert_eq!(exchange.credentials[0].place, "body.refresh_token");
            (exchange.credentials[0].credential.fp, oauth.issued[0].credential.fp)
        })
        .collect();
    assert_eq!(fps.len(), 4);
    assert!(fps.iter().all(|pair| *pair == fps[0]), "{fps:?}");
    assert_eq!(imported.credentials, 2);
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn what_is_missing_null_or_doubled_is_no_error() {
    let odd = r#"{"log":{"creator":null,"pages":null,"entries":[
        {"request":{"url":"https://api.anthropic.com/v1/messages"}},
        {"request":{"method":null,"url":"https://api.anthropic.com/","headers":null},"response":null,"timings":null,"time":null},
        {"startedDateTime":7,"request":{"url":"https://a.example/","url":"https://api.anthropic.com/api/hello","method":"GET"},"response":{"status":"200"}},
        null, 5, {"request":{}}
    ],"comment":"x"}}"#;
    let imported = import(odd);
    let paths: Vec<_> = exchanges(&imported).iter().map(|exchange| exchange.request.path.to_string()).collect();
    assert_eq!(paths, ["/v1/messages", "/", "/api/hello"]);
    assert_eq!(exchanges(&imported)[2].status(), Some(200));
    assert_eq!(exchanges(&imported)[0].request.version, "");
    assert_eq!(imported.unread.len(), 3, "{:?}", imported.unread);
    assert_eq!((imported.unread[1].line, imported.unread[1].column), (5, 15));
    let notes: Vec<_> = imported
        .records
        .iter()
        .filter_map(|r| if let Record::Note(n) = r { Some(n.text.as_str()) } else { None })
        .collect();
    assert_eq!(notes, ["3 entries without a usable time: they stand with the entry before them"]);
}

#[test]
fn what_never_went_over_the_network_is_left_out_and_counted() {
    let cached = entry(json!({"_fromCache": "disk"}));
    let data = entry(json!({"request": {"url": "data:text/plain,FAKE"}}));
    let imported = import(&har(&[cached, data.clone(), data]));
    assert!(exchanges(&imported).is_empty());
    let notes: Vec<_> = imported
        .records
        .iter()
        .filter_map(|r| if let Record::Note(n) = r { Some(n.text.as_str()) } else { None })
        .collect();
    assert_eq!(
        notes,
        [
            "1 entry left out: the browser answered them from its cache",
            "2 entries left out: their addresses are not of HTTP (data, extensions, files)"
        ]
    );
}

#[test]
fn a_har_without_a_list_of_entries_says_so() {
    for text in [r#"{"log":{}}"#, r#"{"log":{"version":"1.2","entries":{}}}"#, r#"{"log":{"entries":null}}"#] {
        let imported = import(text);
        let why: Vec<&str> = imported.unread.iter().map(|place| place.why.as_str()).collect();
        assert_eq!(why, [r#"this HAR has no list "entries" in its "log""#], "{text}");
    }
    assert!(import(&har(&[])).unread.is_empty());
}

#[test]
fn of_a_torn_file_the_whole_entries_are_read() {
    let whole = har(&[entry(json!({})), entry(json!({})), entry(json!({}))]);
    let second = whole.match_indices("\"cache\"").nth(1).unwrap().0;
    for cut in [second, whole.len() - 1] {
        let imported = import(&whole[..cut]);
        assert_eq!(exchanges(&imported).len(), if cut == second { 1 } else { 3 });
        let [place] = imported.unread.as_slice() else { panic!("{:?}", imported.unread) };
        assert!(place.why.contains("the file ends"), "{}", place.why);
    }
}

#[test]
fn a_broken_entry_costs_itself() {
    let good = entry(json!({})).to_string();
    let text = format!("{{\"log\":{{\"entries\":[\n{good},\n{{\"request\": FAKE}},\n{good} {good},:,\n{good}]}}}}");
    let imported = import(&text);
    assert_eq!(exchanges(&imported).len(), 4);
    let places: Vec<_> = imported.unread.iter().map(|place| place.line).collect();
    assert_eq!(places, [3, 4, 4], "{:?}", imported.unread);
    assert!(imported.unread.iter().all(|place| !place.why.contains("FAKE")));
}

#[test]
fn what_is_no_har_is_told_apart() {
    assert!(matches!(read(b" \n".as_slice(), &Arc::new(Redactor::plain())), Err(ImportError::Empty)));
    for (text, part) in [
        ("GIF89a", "line 1, column 1: not JSON"),
        ("\n [{}]", "line 2, column 2: a list"),
        ("{\"entries\":[]}", "inside \"log\""),
        ("{\"request\":{},\"response\":{}}", "single entry"),
        ("{\"record\":\"exchange\"}", "first line is missing"),
        ("{\"a\":1}", "an object \"log\" was expected"),
        ("{\"log\":7}", "an object \"log\" was expected"),
    ] {
        let message = refused(text);
        assert!(message.contains(part), "{message}");
    }
    assert!(exchanges(&import("{\"log\":{\"entries\":[]}}")).is_empty());
}

#[test]
fn utf_16_and_marks_of_byte_order_are_no_obstacle() {
    let text = har(&[entry(json!({"comment": "日本😀"}))]);
    let mut wide = vec![0xff, 0xfe];
    wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let redactor = Arc::new(Redactor::plain());
    assert_eq!(exchanges(&read(wide.as_slice(), &redactor).unwrap()).len(), 1);
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    assert_eq!(exchanges(&read(marked.as_slice(), &redactor).unwrap()).len(), 1);
}

#[test]
fn browsers_join_cookies_and_keep_them_apart_from_the_head() {
    let one = entry(json!({
        "request": {"headers": [{"name": ":authority", "value": "x"}], "httpVersion": "h2", "cookies": [{"name": "sessionKey", "value": "sk-ant-sid01-FAKEcookieFAKEcookieFAKEcookie"}]},
        "response": {"headers": [{"name": "Set-Cookie", "value": "a=FAKEone1234\nb=FAKEtwo1234"}]}
    }));
    let imported = import(&har(&[one]));
    let exchange = exchanges(&imported)[0];
    assert_eq!((exchange.request.headers.len(), exchange.request.version.as_str()), (1, "HTTP/2"));
    assert_eq!(exchange.credentials[0].place, "cookie");
    assert_eq!(exchange.response.as_ref().unwrap().headers.len(), 2);
}

#[test]
fn a_body_that_was_not_kept_is_not_taken_for_an_empty_one() {
    use crate::trace::ErrorShape;
    let without = |size: i64| {
        let mut one = entry(json!({"response": {"bodySize": size}}));
        one["response"]["content"] = json!({"size": size, "mimeType": ""});
        one
    };
    let imported = import(&har(&[without(120), without(0)]));
    let shapes: Vec<_> = exchanges(&imported).iter().map(|exchange| exchange.error.as_ref().unwrap().shape).collect();
    assert_eq!(shapes, [ErrorShape::Unreadable, ErrorShape::Empty]);
}

#[test]
fn what_was_issued_later_is_masked_where_it_is_echoed() {
    let secret = "FAKEissuedFAKEissued";
    let login = entry(json!({
        "request": {"url": "https://platform.claude.com/v1/oauth/token"},
        "response": {"status": 200, "content": {"text": json!({"access_token": secret}).to_string()}}
    }));
    let echo = entry(
        json!({"response": {"content": {"text": format!("{{\"error\":{{\"type\":\"x\",\"message\":\"token {secret} is bad\"}}}}")}}}),
    );
    let imported = import(&har(&[login, echo]));
    assert!(!serde_json::to_string(&imported.records).unwrap().contains("FAKE"));
}

proptest! {
    /// Whatever is done to a HAR, reading it ends, and every exchange that is left is one that was there.
    #[test]
    fn damage_is_survived(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"{}[]:,\"\\ 0\n\xff".to_vec())), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut text = har(&[entry(json!({})), entry(json!({"connection": "1"})), entry(json!({"_error": "x"}))]).into_bytes();
        for (at, byte) in damage {
            let at = at.index(text.len());
            text[at] = byte;
        }
        text.truncate(cut.index(text.len()) + 1);
        if let Ok(imported) = read(text.as_slice(), &Arc::new(Redactor::plain())) {
            prop_assert!(exchanges(&imported).len() <= 3);
            prop_assert!(matches!(imported.records[0], Record::Trace(_)));
        }
    }
}
