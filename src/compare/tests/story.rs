//! Pairs of hand-made traces. Credentials exist in them as fingerprints only, and each trace has its own.

use crate::analyze::{Survey, fixture};
use serde_json::{Value, json};

pub(crate) const API: &str = "api.anthropic.com";
pub(crate) const LOGIN: &str = "platform.claude.com";

/// A trace while it is told: tokens are named by a letter, and their fingerprints differ from trace to trace.
#[derive(Clone)]
pub(crate) struct Tale {
    key: u32,
    lines: Vec<Value>,
    exit_code: Option<i32>,
}

impl Tale {
    /// `key`: that of the fingerprints.
    pub(crate) fn new(key: u32) -> Self {
        Self { key, lines: vec![fixture::head()], exit_code: Some(0) }
    }

    pub(crate) fn message(self, token: char, status: u16) -> Self {
        let sent = self.access(token);
        self.ask("POST", API, "/v1/messages?beta=true", vec![sent], status)
    }

    pub(crate) fn key(self, letter: char, status: u16) -> Self {
        let sent = self.token("x-api-key", "api-key", "api03", letter, 2);
        self.ask("POST", API, "/v1/messages", vec![sent], status)
    }

    pub(crate) fn profile(self, token: char, status: u16) -> Self {
        let sent = self.access(token);
        self.ask("GET", API, "/api/oauth/profile", vec![sent], status)
    }

    pub(crate) fn telemetry(self, status: u16) -> Self {
        self.ask("POST", API, "/api/event_logging/v2/batch", Vec::new(), status)
    }

    /// The refresh token of `old` for an access token and a refresh token of `new`, or `invalid_grant`.
    pub(crate) fn refresh(self, old: char, new: Option<char>) -> Self {
        let sent = self.token("body.refresh_token", "oauth-refresh", "ort01", old, 1);
        let issued = new.map(|new| {
            json!([
                self.token("body.access_token", "oauth-access", "oat01", new, 0),
                self.token("body.refresh_token", "oauth-refresh", "ort01", new, 1),
            ])
        });
        let mut tale = self.ask("POST", LOGIN, "/v1/oauth/token", vec![sent], if issued.is_some() { 200 } else { 400 });
        let last = tale.last();
        last["oauth"] = json!({"grant_type": "refresh_token"});
        match issued {
            Some(issued) => {
                last["oauth"]["expires_in"] = json!(28_800);
                last["oauth"]["issued"] = issued;
            }
            None => {
                last["error"] = json!({"shape": "oauth", "type": "invalid_grant",
                    "message": "Refresh token not found or invalid", "tone": "auth"});
            }
        }
        tale
    }

    pub(crate) fn ask(mut self, method: &str, host: &str, path: &str, sent: Vec<Value>, status: u16) -> Self {
        let id = self.lines.len() as u64;
        let mut exchange = fixture::message(id, "02.000", &Value::Null, status, 200_000);
        let seconds = 14 * 60 + 2 + id / 2;
        let (hours, minutes) = (11 + seconds / 3_600, seconds / 60 % 60);
        exchange["at"] = json!(format!("2026-11-20T{hours:02}:{minutes:02}:{:02}.{:03}Z", seconds % 60, id % 2 * 500));
        if status == 401 {
            exchange = fixture::refuse(exchange, "OAuth token has expired.");
        }
        exchange["credentials"] = sent.into();
        exchange["request"]["method"] = json!(method);
        exchange["request"]["host"] = json!(host);
        exchange["request"]["path"] = json!(path);
        self.lines.push(exchange);
        self
    }

    /// The last request went to this host.
    pub(crate) fn at(mut self, host: &str) -> Self {
        self.last()["request"]["host"] = json!(host);
        self
    }

    /// The last request was another process's.
    pub(crate) fn by(mut self, pid: u32) -> Self {
        self.last()["peer"] = json!({"pid": pid, "program": "claude"});
        self
    }

    /// The last answer took so many milliseconds to begin.
    pub(crate) fn after_ms(mut self, wait: u64) -> Self {
        self.last()["timing"]["wait_us"] = json!(wait * 1_000);
        self.last()["timing"]["total_us"] = json!(wait * 1_000 + 20_000);
        self
    }

    /// The last request was broken off.
    pub(crate) fn ending(mut self, outcome: &str) -> Self {
        let last = self.last();
        last.as_object_mut().unwrap().remove("response");
        last.as_object_mut().unwrap().remove("error");
        last["end"] = json!({"outcome": outcome, "stage": "wait"});
        self
    }

    pub(crate) fn exit(mut self, code: i32) -> Self {
        self.exit_code = Some(code);
        self
    }

    pub(crate) fn times(mut self, count: usize, one: impl Fn(Self) -> Self) -> Self {
        for _ in 0..count {
            self = one(self);
        }
        self
    }

    pub(crate) fn lines(&self) -> String {
        let count = self.lines.len() - 1;
        let end =
            json!({"record": "end", "connections": 1, "exchanges": count, "lost": 0, "exit_code": self.exit_code});
        fixture::join(self.lines.iter().cloned().chain([end]))
    }

    pub(crate) fn survey(&self) -> Survey {
        fixture::survey(&self.lines())
    }

    pub(crate) fn access(&self, letter: char) -> Value {
        self.token("authorization", "oauth-access", "oat01", letter, 0)
    }

    fn token(&self, place: &str, kind: &str, prefix: &str, letter: char, family: u8) -> Value {
        let fp = format!("{family:01x}{:03x}{:04x}", self.key, u32::from(letter));
        json!({"place": place, "kind": kind, "len": 108, "fp": fp, "prefix": prefix})
    }

    fn last(&mut self) -> &mut Value {
        self.lines.last_mut().unwrap()
    }
}

/// A token that had run out, a refresh, the same request again.
pub(crate) fn healed(key: u32) -> Tale {
    Tale::new(key).profile('a', 200).message('a', 401).refresh('a', Some('b')).message('b', 200).telemetry(200)
}

/// The same without the refresh: asked again and again.
pub(crate) fn looping(key: u32) -> Tale {
    Tale::new(key).profile('a', 200).times(11, |tale| tale.message('a', 401)).exit(1)
}

/// Pairs with the kinds of the regressions in each.
pub(crate) fn pairs() -> Vec<(&'static str, Tale, Tale, &'static [&'static str])> {
    let healthy = |key| Tale::new(key).profile('a', 200).message('a', 200).message('a', 200);
    vec![
        ("same", healed(1), healed(2), &[]),
        ("never_refreshed", healed(1), looping(2), &["verdict", "refused", "exit-code"]),
        ("refreshes_now", looping(1), healed(2), &[]),
        (
            "refresh_token_dead",
            healed(1),
            Tale::new(2).profile('a', 200).message('a', 401).refresh('a', None).exit(1),
            &["verdict", "refused", "failed", "exit-code"],
        ),
        (
            "to_a_gateway",
            healthy(1),
            Tale::new(2).profile('a', 200).message('a', 200).at("gateway.example.com").message('a', 200),
            &["host", "verdict"],
        ),
        ("key_instead_of_login", healthy(1), Tale::new(2).profile('a', 200).key('k', 200).key('k', 200), &[]),
        (
            "old_token_again",
            healed(1).message('b', 200),
            Tale::new(2)
                .profile('a', 200)
                .message('a', 401)
                .refresh('a', Some('b'))
                .message('b', 200)
                .telemetry(200)
                .message('a', 200),
            &[],
        ),
        ("slower", healthy(1), Tale::new(2).profile('a', 200).message('a', 200).after_ms(1_900).message('a', 200), &[]),
        (
            "profile_refused",
            healthy(1),
            Tale::new(2).profile('a', 403).message('a', 200).message('a', 200),
            &["refused"],
        ),
        (
            "overloaded_in_between",
            healthy(1),
            Tale::new(2).profile('a', 200).message('a', 529).message('a', 200).message('a', 200),
            &[],
        ),
        (
            "ends_in_an_error",
            healthy(1),
            Tale::new(2).profile('a', 200).message('a', 200).message('a', 500),
            &["failed"],
        ),
        (
            "broken_off",
            healthy(1),
            Tale::new(2).profile('a', 200).message('a', 200).message('a', 200).ending("client_abort"),
            &[],
        ),
        ("nothing_asked_any_more", healthy(1), Tale::new(2).profile('a', 200).exit(1), &["gone", "exit-code"]),
    ]
}
