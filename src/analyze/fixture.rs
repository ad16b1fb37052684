//! Hand-made traces, as the lines of a file. Credentials exist in them as fingerprints only.

use super::Survey;
use crate::trace::{Reader, Record};
use serde_json::{Value, json};

const API: &str = "api.anthropic.com";
const LOGIN: &str = "platform.claude.com";
const MESSAGES: &str = "/v1/messages?beta=true";

pub(crate) fn survey(lines: &str) -> Survey {
    Survey::read(Reader::new(lines.as_bytes()).unwrap())
}

pub(crate) fn records(lines: &str) -> Vec<Record> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Start, messages, telemetry, another host unread, the end.
pub(crate) fn healthy() -> String {
    let token = access("3f9c21ab");
    join([
        head(),
        tunnel(1, "02.050", "github.com", 1_822, 40_211),
        get(1, "02.301", "/api/oauth/profile", &token, 200, 121_334),
        get(2, "02.322", "/api/claude_cli/bootstrap", &token, 200, 98_020),
        message(3, "03.010", &token, 200, 2_312_870),
        message(4, "09.700", &token, 200, 1_870_112),
        telemetry(5, "12.400", 200),
        intercepted(2, "02.250", 5),
        end("14.480", 2, 5, Some(0)),
    ])
}

/// A refused token, a refresh that works, and the new token refused as well, with ids and an edge.
pub(crate) fn refused_after_refresh() -> String {
    let (old, new) = (access("3f9c21ab"), access("b81e07d4"));
    let mut refresh =
        call(3, "04.480", "POST", LOGIN, "/v1/oauth/token", &[refresh("77aa10fe", "body.refresh_token")], 200, 402_118);
    refresh["oauth"] = json!({
        "grant_type": "refresh_token", "client_id": "9d1c250a-e61b-44d9-88ed-5944d1962f5e", "expires_in": 28800,
        "scope_granted": "user:inference user:profile",
        "issued": [credential("body.access_token", "oauth-access", "oat01", "b81e07d4"), refresh_issued("0c55d9e2")],
    });
    join([
        head(),
        message(1, "02.301", &old, 200, 1_870_112),
        refuse(
            message(2, "04.120", &old, 401, 212_040),
            "OAuth token has expired. Please obtain a new token or refresh your existing token.",
        ),
        refresh,
        refuse(message(4, "04.990", &new, 401, 188_301), "Invalid bearer token"),
        refuse(message(5, "05.810", &new, 401, 190_555), "Invalid bearer token"),
        refuse(telemetry(6, "06.050", 401), "Invalid bearer token"),
        intercepted(1, "02.250", 6),
        json!({"record": "note", "at": at("02.000"), "kind": "environment", "text": "A proxy exception for api.anthropic.com was taken out of the environment."}),
        end("06.480", 1, 6, Some(1)),
    ])
}

/// Nothing got through: two programs do not know the CA, one has the wrong password, one upstream is not there.
pub(crate) fn untrusted() -> String {
    join([
        head(),
        failed(1, "02.100", "client_distrusts_ca", Some("node"), json!({"detail": "alert: unknown ca"})),
        failed(2, "02.700", "client_distrusts_ca", Some("node"), json!({"detail": "alert: unknown ca"})),
        failed(3, "03.900", "client_distrusts_ca", Some("node"), json!({"detail": "alert: unknown ca"})),
        failed(4, "04.000", "proxy_auth_required", Some("curl"), json!({"status": 407})),
        failed(5, "04.100", "upstream_proxy_refused", None, json!({"status": 407})),
        failed(6, "04.200", "unused_tunnel", Some("git"), json!({})),
        end("09.000", 6, 0, Some(1)),
    ])
}

/// Two clients refresh with the same token at once; the second is refused, and dies in the middle of a request.
pub(crate) fn two_lanes() -> String {
    let torn = "{\"record\":\"exchange\",\"id\":7,\n{\"record\":\"exch";
    two_lanes_records() + torn
}

/// The same up to the lines that cannot be read.
pub(crate) fn two_lanes_records() -> String {
    let lane = |mut exchange: Value, lane: &str| {
        exchange["lane"] = json!(lane);
        exchange
    };
    let sent = [refresh("77aa10fe", "body.refresh_token")];
    let mut first = call(3, "04.100", "POST", LOGIN, "/v1/oauth/token", &sent, 200, 310_118);
    first["oauth"] = json!({"grant_type": "refresh_token", "issued": [credential("body.access_token", "oauth-access", "oat01", "b81e07d4")]});
    let mut second = call(4, "04.140", "POST", LOGIN, "/v1/oauth/token", &sent, 400, 290_004);
    second["error"] = json!({"shape": "oauth", "type": "invalid_grant", "message": "Refresh token not found or invalid", "tone": "auth"});
    second["oauth"] = json!({"grant_type": "refresh_token"});
    let start = json!({
        "record": "request", "id": 6, "connection": 1, "at": at("05.700"), "method": "POST", "host": API, "path": MESSAGES,
    });
    let gap = json!({"record": "gap", "at": at("05.720"), "lost": 3, "cause": "the disk was too slow"});
    join([
        head(),
        lane(message(1, "02.301", &access("3f9c21ab"), 200, 1_870_112), "alpha"),
        lane(message(2, "02.410", &access("3f9c21ab"), 200, 1_912_400), "beta"),
        lane(second, "beta"),
        lane(first, "alpha"),
        lane(message(5, "04.600", &access("b81e07d4"), 200, 1_700_000), "alpha"),
        start,
        gap,
    ])
}

pub(crate) fn empty() -> String {
    join([head()])
}

/// Every value is as long as it may be, and there are many of everything.
pub(crate) fn fat(lines: u64) -> String {
    let words = "Please obtain a new token or refresh your existing token. ".repeat(30);
    let mut all = vec![head()];
    for id in 1..=lines {
        let clock = format!("{:02}.{:03}", id / 1000, id % 1000);
        let sent: Vec<Value> = (0..8).map(|n| access(&format!("{:08x}", id * 8 + n))).collect();
        let path = format!("/api/oauth/organizations/00000000-0000-4000-8000-{id:012}/{}", "messages/".repeat(40));
        let mut exchange = refuse(call(id, &clock, "POST", API, &path, &sent, 401, 1), &format!("{words} {id}"));
        exchange["lane"] = json!(["alpha", "beta"][usize::try_from(id % 2).unwrap()]);
        exchange["request_ids"]["body"] = json!(format!("req_{id:064}"));
        all.push(exchange);
        all.push(failed(id, &clock, "upstream_tls", Some("node"), json!({"detail": format!("{words} {id}")})));
        all.push(json!({"record": "note", "at": at(&clock), "kind": "other", "text": words}));
        all.push(json!({"record": "gap", "at": at(&clock), "lost": 1, "cause": words}));
        all.push(tunnel(id, &clock, &format!("host{id}.github.com"), 1, 1));
    }
    join(all)
}

/// Three in four are answered, one in four is refused, each with a message of its own.
pub(crate) fn long(exchanges: u64, refused_every: u64) -> String {
    let mut lines = vec![head()];
    for id in 1..=exchanges {
        let clock = format!("{:02}.{:03}", id / 1000, id % 1000);
        let token = access(&format!("{:08x}", id / 7));
        lines.push(if id % refused_every == 0 {
            refuse(
                message(id, &clock, &token, 401, 190_000 + id),
                &format!("Invalid bearer token, attempt {id} of many"),
            )
        } else {
            message(id, &clock, &token, 200, 1_000_000 + id)
        });
    }
    lines.push(end("59.000", 1, exchanges, None));
    join(lines)
}

/// Traces of every kind, for what draws them.
pub(crate) fn to_be_drawn() -> Vec<(&'static str, String)> {
    vec![
        ("healthy", healthy()),
        ("refused_after_refresh", refused_after_refresh()),
        ("untrusted", untrusted()),
        ("two_lanes", two_lanes()),
        ("empty", empty()),
        ("long", long(3_000, 50)),
        ("fat", fat(200)),
    ]
}

pub(crate) fn join(lines: impl IntoIterator<Item = Value>) -> String {
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

pub(crate) fn head() -> Value {
    json!({
        "record": "trace", "format": "authtrace/1.0", "tool": "authtrace 0.1.0", "os": "linux x86_64", "started": at("02.000"),
        "intercept": [API, LOGIN, "claude.ai"], "variables": ["CLAUDE_CODE_OAUTH_TOKEN", "HTTPS_PROXY", "NODE_EXTRA_CA_CERTS"],
    })
}

pub(crate) fn message(id: u64, clock: &str, sent: &Value, status: u16, total_us: u64) -> Value {
    call(id, clock, "POST", API, MESSAGES, std::slice::from_ref(sent), status, total_us)
}

fn get(id: u64, clock: &str, path: &str, sent: &Value, status: u16, total_us: u64) -> Value {
    call(id, clock, "GET", API, path, std::slice::from_ref(sent), status, total_us)
}

fn telemetry(id: u64, clock: &str, status: u16) -> Value {
    call(id, clock, "POST", API, "/api/event_logging/v2/batch", &[access("3f9c21ab")], status, 88_400)
}

pub(crate) fn refuse(mut exchange: Value, message: &str) -> Value {
    let id = exchange["request_ids"]["header"].clone();
    exchange["error"] = json!({"shape": "api", "type": "authentication_error", "message": message, "tone": "auth"});
    exchange["request_ids"]["body"] = id;
    exchange
}

pub(crate) fn access(fp: &str) -> Value {
    let mut sent = credential("authorization", "oauth-access", "oat01", fp);
    sent["scheme"] = json!("Bearer");
    sent
}

fn refresh(fp: &str, place: &str) -> Value {
    credential(place, "oauth-refresh", "ort01", fp)
}

fn refresh_issued(fp: &str) -> Value {
    refresh(fp, "body.refresh_token")
}

fn credential(place: &str, kind: &str, prefix: &str, fp: &str) -> Value {
    json!({"place": place, "kind": kind, "len": 108, "fp": fp, "prefix": prefix})
}

#[expect(clippy::too_many_arguments, reason = "a line of a trace has that many parts")]
fn call(
    id: u64,
    clock: &str,
    method: &str,
    host: &str,
    path: &str,
    sent: &[Value],
    status: u16,
    total_us: u64,
) -> Value {
    json!({
        "record": "exchange", "id": id, "connection": 1, "lane": "main", "at": at(clock),
        "request": {
            "method": method, "scheme": "https", "host": host, "port": 443, "path": path, "version": "HTTP/1.1", "body_bytes": 20_411,
            "headers": [
                {"name": "user-agent", "value": "claude-cli/2.1.328 (external, sdk-cli)"},
                {"name": "anthropic-beta", "value": "oauth-2025-04-20"},
            ],
        },
        "credentials": sent,
        "response": {
            "status": status, "version": "HTTP/1.1", "body_bytes": 1_204,
            "headers": [{"name": "Date", "value": "Fri, 20 Nov 2026 11:14:04 GMT"}],
        },
        "request_ids": {
            "header": format!("req_011Fixture{id:08}"), "client": format!("00000000-0000-4000-8000-{id:012}"),
            "edge": format!("9a1b2c3d{id:08}"),
        },
        "timing": {"send_us": 900, "wait_us": total_us / 2, "receive_us": total_us / 2, "total_us": total_us, "added_us": 140 + id},
        "origin": "upstream",
        "passage": {"request": passed(20_411), "response": passed(1_204)},
        "end": {"outcome": "complete"},
    })
}

fn passed(bytes: u64) -> Value {
    let body = json!({"bytes": bytes, "digest": "5d1e0c27"});
    json!({"head": "verbatim", "whole": true, "read": body, "written": body})
}

fn tunnel(id: u64, clock: &str, host: &str, up: u64, down: u64) -> Value {
    json!({
        "record": "connection", "id": id, "lane": "main", "peer": {"pid": 812, "program": "git"}, "opened": at(clock),
        "duration_us": 812_000, "target": {"host": host, "port": 443}, "mode": "tunnel", "bytes_up": up, "bytes_down": down,
        "requests": 0, "outcome": "ok",
    })
}

fn intercepted(id: u64, clock: &str, requests: u64) -> Value {
    let leg = json!({"version": "TLSv1.3", "alpn": "http/1.1", "resumed": false, "handshake_us": 2_100});
    json!({
        "record": "connection", "id": id, "lane": "main", "peer": {"pid": 907, "program": "node"}, "opened": at(clock),
        "duration_us": 10_812_000, "target": {"host": API, "port": 443}, "mode": "intercepted", "bytes_up": 80_112,
        "bytes_down": 220_954, "requests": requests, "outcome": "ok", "client_tls": leg, "upstream_tls": leg,
    })
}

fn failed(id: u64, clock: &str, outcome: &str, program: Option<&str>, more: Value) -> Value {
    let mut connection = json!({
        "record": "connection", "id": id, "lane": "main", "opened": at(clock), "duration_us": 4_000,
        "target": {"host": API, "port": 443}, "mode": "refused", "bytes_up": 0, "bytes_down": 0, "requests": 0, "outcome": outcome,
    });
    if let Some(program) = program {
        connection["peer"] = json!({"pid": 907, "program": program});
    }
    for (key, value) in more.as_object().unwrap() {
        connection[key] = value.clone();
    }
    connection
}

fn end(clock: &str, connections: u64, exchanges: u64, exit_code: Option<i32>) -> Value {
    json!({"record": "end", "at": at(clock), "connections": connections, "exchanges": exchanges, "lost": 0, "exit_code": exit_code})
}

fn at(clock: &str) -> String {
    format!("2026-11-20T11:14:{clock}Z")
}
