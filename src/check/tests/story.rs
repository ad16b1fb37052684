//! Hand-made traces of a few requests. Credentials exist in them as fingerprints only.

use crate::analyze::fixture;
use crate::analyze::{Survey, diagnose};
use crate::check::{Report, evaluate, read};
use serde_json::{Value, json};

pub(crate) const API: &str = "api.anthropic.com";
pub(crate) const LOGIN: &str = "platform.claude.com";

pub(crate) const OLD: &str = "3f9c21ab";
pub(crate) const NEW: &str = "b81e07d4";
pub(crate) const REFRESH: &str = "77aa10fe";
pub(crate) const OTHER: &str = "0c55d9e2";

/// The contract of the broken flows.
pub(crate) const CONTRACT: &str = r#"format = 1

[limits]
auth_failures = 1
refreshes = 1
retries_per_credential = 0

[findings]
deny = ["refresh-race"]

[hosts]
any = ["*.anthropic.com", "platform.claude.com"]

[[flow]]
name = "an expired token is refreshed exactly once, and the request retried"
step = [
  { path = "/v1/messages", status = 401, credential = "$old" },
  { name = "refresh", grant = "refresh-token", status = 200, repeat = 1 },
  { path = "/v1/messages", status = 200, credential = "$new", issued_by = "refresh", within = "10s" },
]
"#;

/// One request, `seconds` after the beginning; it takes 200 ms.
#[derive(Clone, Debug)]
pub(crate) struct Asked(pub(crate) Value);

pub(crate) fn message(seconds: f64, token: &str, status: u16) -> Asked {
    let mut exchange = fixture::message(0, &clock(seconds), &fixture::access(token), status, 200_000);
    if status == 401 {
        exchange = fixture::refuse(exchange, "OAuth token has expired.");
    }
    Asked(exchange)
}

pub(crate) fn refresh(seconds: f64, status: u16, issued: Option<&str>) -> Asked {
    let mut asked = message(seconds, OLD, status).to(LOGIN, "/v1/oauth/token");
    asked.0["credentials"] = json!([token("body.refresh_token", "oauth-refresh", "ort01", REFRESH)]);
    asked.0["oauth"] = json!({ "grant_type": "refresh_token", "expires_in": 28_800 });
    if let Some(issued) = issued {
        asked.0["oauth"]["issued"] = json!([token("body.access_token", "oauth-access", "oat01", issued)]);
    }
    if status == 400 {
        asked.0["error"] = json!({"shape": "oauth", "type": "invalid_grant", "message": "Refresh token not found or invalid", "tone": "auth"});
    }
    asked
}

impl Asked {
    pub(crate) fn to(mut self, host: &str, path: &str) -> Self {
        self.0["request"]["host"] = json!(host);
        self.0["request"]["path"] = json!(path);
        self
    }

    pub(crate) fn without_credential(mut self) -> Self {
        self.0["credentials"] = json!([]);
        self
    }

    pub(crate) fn with_key(mut self, fp: &str) -> Self {
        self.0["credentials"] = json!([token("x-api-key", "api-key", "api03", fp)]);
        self
    }

    /// The connection ended before an answer began.
    pub(crate) fn unanswered(mut self) -> Self {
        self.0.as_object_mut().unwrap().remove("response");
        self.0.as_object_mut().unwrap().remove("error");
        self.0["end"] = json!({"outcome": "upstream_reset", "stage": "wait"});
        self
    }
}

fn token(place: &str, kind: &str, prefix: &str, fp: &str) -> Value {
    json!({"place": place, "kind": kind, "len": 108, "fp": fp, "prefix": prefix})
}

/// The lines of a trace of these requests, numbered in their order, and its end.
pub(crate) fn lines(asked: impl IntoIterator<Item = Asked>, exit_code: Option<i32>) -> String {
    let mut all = vec![fixture::head()];
    for (at, Asked(mut exchange)) in asked.into_iter().enumerate() {
        exchange["id"] = json!(at + 1);
        all.push(exchange);
    }
    let count = all.len() - 1;
    all.push(json!({"record": "end", "connections": 1, "exchanges": count, "lost": 0, "exit_code": exit_code}));
    fixture::join(all)
}

pub(crate) fn trace(asked: impl IntoIterator<Item = Asked>) -> Survey {
    fixture::survey(&lines(asked, Some(0)))
}

/// A connection whose bytes passed unread.
pub(crate) fn tunnel(host: &str) -> String {
    let tunnel = json!({
        "record": "connection", "id": 9, "lane": "main", "opened": "2026-11-20T11:14:00.100Z", "duration_us": 812_000,
        "target": {"host": host, "port": 443}, "mode": "tunnel", "bytes_up": 1_822, "bytes_down": 40_211, "requests": 0,
        "outcome": "ok",
    });
    format!("{tunnel}\n")
}

pub(crate) fn check(survey: &Survey, expectations: &str) -> Report {
    let expectations = read("auth.toml", expectations).unwrap_or_else(|error| panic!("{error}"));
    evaluate(survey, &diagnose(survey), &expectations)
}

/// A token that had run out, a refresh, the same request again: what the contract wants.
pub(crate) fn healed() -> Vec<Asked> {
    vec![
        message(0.0, OLD, 200),
        message(1.0, OLD, 401),
        refresh(2.0, 200, Some(NEW)),
        message(3.0, NEW, 200),
        message(4.0, NEW, 200),
    ]
}

fn clock(seconds: f64) -> String {
    format!("{seconds:06.3}")
}
