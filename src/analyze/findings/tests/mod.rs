//! Traces of a few exchanges, and the limits at which one reading gives way to the next.

mod account;
mod bystanders;
mod healing;
mod lifetime;
mod network;
mod observations;
mod properties;
mod refresh;

use super::{Confidence, Diagnosis, diagnose};
use crate::analyze::fixture::{self, survey};
use crate::catalogue::Code;
use crate::trace::Timestamp;
use serde_json::{Value, json};

pub(super) const EXPIRED: &str = "OAuth token has expired. Please obtain a new token or refresh your existing token.";
pub(super) const GENERIC: &str = "Invalid authentication credentials";
pub(super) const BEARER: &str = "Invalid bearer token";
const API: &str = "api.anthropic.com";

pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;

/// 2026-09-01T08:00:00Z in milliseconds.
const BEGIN: i64 = 1_788_249_600_000;

/// A trace while it is told. Tokens are named by a letter, times are milliseconds after its beginning.
#[derive(Clone)]
pub(super) struct Tale {
    lines: Vec<Value>,
    lane: &'static str,
}

impl Tale {
    pub(super) fn new() -> Self {
        Self { lines: vec![fixture::head()], lane: "main" }
    }

    /// What follows comes from this client.
    pub(super) fn lane(mut self, lane: &'static str) -> Self {
        self.lane = lane;
        self
    }

    pub(super) fn ok(self, at: i64, token: char) -> Self {
        self.ask(at, "/v1/messages?beta=true", Some(token), 200, None)
    }

    /// A message, refused with 401.
    pub(super) fn refused(self, at: i64, token: char, message: &str) -> Self {
        self.ask(at, "/v1/messages?beta=true", Some(token), 401, Some(message))
    }

    pub(super) fn ask(self, at: i64, path: &str, token: Option<char>, status: u16, message: Option<&str>) -> Self {
        let sent: Vec<Value> = token.map(|letter| fixture::access(&access(letter))).into_iter().collect();
        let mut exchange = self.exchange(at, API, path, &sent, status);
        if let Some(message) = message {
            let kind = if status == 403 { "permission_error" } else { "authentication_error" };
            exchange["error"] = json!({"shape": "api", "type": kind, "message": message, "tone": "auth"});
        }
        self.with(exchange)
    }

    /// A login that issues a token of this lifetime in seconds.
    pub(super) fn login(self, at: i64, token: char, seconds: u64) -> Self {
        let mut exchange = self.token_request(at, &[], 200);
        exchange["oauth"] = json!({
            "grant_type": "authorization_code", "expires_in": seconds,
            "issued": [issued("access", &access(token)), issued("refresh", &refresh(token))],
        });
        self.with(exchange)
    }

    /// A refresh with the refresh token that came with `old`, answered with new tokens.
    pub(super) fn refresh(self, at: i64, old: char, new: char, seconds: u64) -> Self {
        let mut exchange = self.token_request(at, &[issued("refresh", &refresh(old))], 200);
        exchange["oauth"] = json!({
            "grant_type": "refresh_token", "expires_in": seconds,
            "issued": [issued("access", &access(new)), issued("refresh", &refresh(new))],
        });
        self.with(exchange)
    }

    pub(super) fn invalid_grant(self, at: i64, old: char) -> Self {
        let mut exchange = self.token_request(at, &[issued("refresh", &refresh(old))], 400);
        exchange["oauth"] = json!({"grant_type": "refresh_token"});
        exchange["error"] = json!({
            "shape": "oauth", "type": "invalid_grant", "message": "Refresh token not found or invalid", "tone": "auth",
        });
        self.with(exchange)
    }

    /// A refresh that the server fails at.
    pub(super) fn failing_refresh(self, at: i64, old: char, status: u16) -> Self {
        let mut exchange = self.token_request(at, &[issued("refresh", &refresh(old))], status);
        exchange["oauth"] = json!({"grant_type": "refresh_token"});
        self.with(exchange)
    }

    /// A refresh that got no answer.
    pub(super) fn silent_refresh(self, at: i64, old: char, outcome: &str, took_ms: i64) -> Self {
        let mut exchange = self.token_request(at, &[issued("refresh", &refresh(old))], 0);
        exchange["oauth"] = json!({"grant_type": "refresh_token"});
        exchange.as_object_mut().unwrap().remove("response");
        exchange["end"] = json!({"outcome": outcome});
        exchange["timing"]["total_us"] = json!(took_ms * 1_000);
        self.with(exchange)
    }

    /// The server's clock at the last exchange, as a difference to ours.
    pub(super) fn dated(mut self, difference: i64) -> Self {
        let last = self.lines.last_mut().unwrap();
        let at: Timestamp = serde_json::from_value(last["at"].clone()).unwrap();
        let date = time::OffsetDateTime::from_unix_timestamp((at.unix_ms() + difference) / 1_000).unwrap();
        let form = time::macros::format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        last["response"]["headers"] = json!([{"name": "date", "value": date.format(form).unwrap()}]);
        self
    }

    pub(super) fn with(mut self, line: Value) -> Self {
        self.lines.push(line);
        self
    }

    pub(super) fn exchange(&self, at: i64, host: &str, path: &str, sent: &[Value], status: u16) -> Value {
        let id = self.lines.len();
        json!({
            "record": "exchange", "id": id, "connection": 0, "lane": self.lane, "at": Timestamp::from_unix_ms(BEGIN + at),
            "request": {
                "method": "POST", "scheme": "https", "host": host, "port": 443, "path": path, "version": "HTTP/1.1",
                "body_bytes": 20, "headers": [{"name": "anthropic-beta", "value": "oauth-2025-04-20"}],
            },
            "credentials": sent,
            "response": {"status": status, "version": "HTTP/1.1", "body_bytes": 4, "headers": []},
            "request_ids": {}, "timing": {"send_us": 1, "wait_us": 900, "total_us": 1_000, "added_us": 1},
            "origin": "upstream", "end": {"outcome": "complete"},
        })
    }

    fn token_request(&self, at: i64, sent: &[Value], status: u16) -> Value {
        self.exchange(at, "platform.claude.com", "/v1/oauth/token", sent, status)
    }

    pub(super) fn text(&self) -> String {
        fixture::join(self.lines.clone())
    }

    pub(super) fn diagnosis(&self) -> Diagnosis {
        diagnose(&survey(&self.text()))
    }

    pub(super) fn code(&self) -> Code {
        self.diagnosis().verdict.code
    }

    pub(super) fn verdict(&self) -> (Code, Confidence) {
        let verdict = self.diagnosis().verdict;
        (verdict.code, verdict.confidence)
    }
}

fn access(letter: char) -> String {
    format!("a0000{:03x}", u32::from(letter))
}

fn refresh(letter: char) -> String {
    format!("b0000{:03x}", u32::from(letter))
}

fn issued(which: &str, fp: &str) -> Value {
    let prefix = if which == "access" { "oat01" } else { "ort01" };
    json!({
        "place": format!("body.{which}_token"), "kind": format!("oauth-{which}"), "len": 108, "fp": fp, "prefix": prefix,
    })
}
