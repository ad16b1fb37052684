//! A scenario as a file that [`super::read`] reads back to the same value.
//!
//! What the format has no words for (compressed answers, kinds of credentials that no file can name) is left out; neither
//! a file nor a trace leads to it.

use super::FORMAT;
use super::client::Client;
use super::format::{Against, Given};
use super::read::{Scenario, Server};
use crate::fake::{Circumstances, Event, McpServer, Moment, Organization, Reuse, Task, Wording};
use crate::policy::{
    ApiError, Cut, Envelope, Grant, HtmlPage, PathPattern, RawAnswer, RequestIdShape, Rule, Span, Then, TokenOutcome,
    TokenTerms, When,
};
use crate::redact::Kind;
use std::collections::BTreeMap;
use std::time::Duration;

/// The content type that an answer has if nothing is said.
const JSON: &str = "application/json";

/// Writes a scenario as TOML. The remarks stand in front as comments, one a line.
#[must_use]
pub fn write(scenario: &Scenario, remarks: &[String]) -> String {
    let Scenario { code, title, about, against, client, server, events, script, warnings: _ } = scenario;
    let mut text: String = remarks.iter().map(|remark| comment(remark)).collect();
    if !text.is_empty() {
        text.push('\n');
    }
    let mut head = Keys::default();
    head.put("format", FORMAT.to_string());
    head.put_if("code", code.map(|code| quoted(code.as_str())));
    head.put("title", quoted(title));
    head.put_if("about", about.as_deref().map(paragraph));
    head.put_if("against", (*against == Against::Live).then(|| quoted("live")));
    text.push_str(&head.lines());
    if *against == Against::Fake {
        text.push_str(&table("[client]", &client_keys(client)));
        text.push_str(&table("[server]", &server_keys(server)));
    }
    for keys in events.iter().filter_map(event_keys) {
        text.push_str(&table("[[event]]", &keys));
    }
    for rule in &script.rules {
        text.push_str(&table("[[rule]]", &rule_keys(rule)));
    }
    text
}

fn client_keys(client: &Client) -> Keys {
    let Client {
        login,
        expires_in,
        issued,
        value,
        stale,
        renewable,
        variables,
        processes,
        shared_home,
        tasks,
        mcp,
        trusts_proxy,
    } = client;
    let usual = Client::default();
    let mut keys = Keys::default();
    let login_name = match login {
        Given::File => "file",
        Given::None => "none",
        Given::OauthToken => "oauth-token",
        Given::ApiKey => "api-key",
        Given::AuthToken => "auth-token",
        Given::Helper => "helper",
    };
    keys.put_if("login", (*login != usual.login).then(|| quoted(login_name)));
    keys.put_if("expires_in", (*expires_in != usual.expires_in).then(|| quoted(&signed(*expires_in))));
    keys.put_if("issued", (*issued != value.is_none()).then(|| issued.to_string()));
    keys.put_if("value", value.as_deref().map(quoted));
    keys.put_if("stale", (*stale != usual.stale).then(|| stale.to_string()));
    keys.put_if("renewable", (*renewable != usual.renewable).then(|| renewable.to_string()));
    let names = |tasks: &[Task]| tasks.iter().map(|task| quoted(task_name(*task))).collect::<Vec<_>>().join(", ");
    keys.put_if("does", (*tasks != usual.tasks).then(|| format!("[{}]", names(tasks))));
    keys.put_if("mcp", mcp.as_ref().map(server_of_mcp));
    keys.put_if("trusts_proxy", (*trusts_proxy != usual.trusts_proxy).then(|| trusts_proxy.to_string()));
    keys.put_if("variables", (!variables.is_empty()).then(|| map(variables)));
    keys.put_if("processes", (*processes != usual.processes).then(|| processes.to_string()));
    keys.put_if("shared_home", (*shared_home != usual.shared_home).then(|| shared_home.to_string()));
    keys
}

fn task_name(task: Task) -> &'static str {
    match task {
        Task::Message => "message",
        Task::Login => "login",
        Task::LostLogin => "lost-login",
    }
}

fn server_of_mcp(mcp: &McpServer) -> String {
    let token = mcp.token.as_deref().map(|token| format!(", token = {}", quoted(token))).unwrap_or_default();
    format!("{{ url = {}{token} }}", quoted(&mcp.url))
}

fn server_keys(server: &Server) -> Keys {
    let Server { circumstances, terms, scopes, clock } = server;
    let Circumstances { wording, organization, reuse } = circumstances;
    let mut keys = Keys::default();
    let wording = match wording {
        Wording::Year2025 => Some("2025"),
        Wording::Spring2026 => Some("2026-04"),
        Wording::Summer2026 => None,
    };
    keys.put_if("wording", wording.map(quoted));
    put_terms(&mut keys, terms, "token_lifetime");
    keys.put_if("reuse", (*reuse == Reuse::RevokesFamily).then(|| quoted("revokes-family")));
    let list = |scopes: &String| format!("[{}]", scopes.split(' ').map(quoted).collect::<Vec<_>>().join(", "));
    keys.put_if("scopes", scopes.as_ref().map(list));
    let organization = match organization {
        Organization::Active => None,
        Organization::Disabled => Some("disabled"),
        Organization::OauthNotAllowed => Some("oauth-not-allowed"),
        Organization::NoCredit => Some("no-credit"),
    };
    keys.put_if("organization", organization.map(quoted));
    keys.put_if("clock", (*clock != 0).then(|| quoted(&signed(*clock))));
    keys
}

fn put_terms(keys: &mut Keys, terms: &TokenTerms, lifetime_key: &'static str) {
    let TokenTerms { lifetime, rotates, refused } = terms;
    let other = *lifetime != TokenTerms::default().lifetime;
    let lifetime = other.then(|| quoted(&duration(Duration::from_secs(u64::from(*lifetime)))));
    keys.put_if(lifetime_key, lifetime);
    keys.put_if("rotation", (!rotates).then(|| quoted("reusable")));
    keys.put_if("new_tokens", refused.then(|| quoted("refused")));
}

fn event_keys(event: &Event) -> Option<Keys> {
    let what = event.change.name()?;
    let mut keys = Keys::default();
    match &event.at {
        Moment::Elapsed(at) => keys.put("at", quoted(&duration(*at))),
        Moment::Requests { path, count } => {
            let mut after = Keys::default();
            after.put("path", quoted(&pattern(path)));
            after.put_if("times", (*count != 1).then(|| count.to_string()));
            keys.put("after", after.inline());
        }
    }
    keys.put("do", quoted(what));
    Some(keys)
}

fn rule_keys(rule: &Rule) -> Keys {
    let Rule { when, skip, times, delay, then, enters } = rule;
    let mut keys = Keys::default();
    let conditions = when_keys(when);
    keys.put_if("when", (!conditions.is_empty()).then(|| conditions.inline()));
    keys.put_if("skip", (*skip != 0).then(|| skip.to_string()));
    keys.put_if("times", times.map(|times| times.to_string()));
    keys.put_if("delay", (!delay.is_zero()).then(|| quoted(&duration(*delay))));
    put_then(&mut keys, then);
    keys.put_if("enters", enters.as_deref().map(quoted));
    keys
}

fn when_keys(when: &When) -> Keys {
    let When { method, host, path, credential, grant, attempt, elapsed, state } = when;
    let mut keys = Keys::default();
    keys.put_if("method", method.as_deref().map(quoted));
    keys.put_if("host", host.as_deref().map(quoted));
    keys.put_if("path", path.as_ref().map(|path| quoted(&pattern(path))));
    let grant = grant.map(|grant| match grant {
        Grant::RefreshToken => "refresh-token",
        Grant::AuthorizationCode => "authorization-code",
    });
    keys.put_if("grant", grant.map(quoted));
    let credential = credential.and_then(|kind| match kind {
        Kind::OauthAccess => Some("oauth-access"),
        Kind::ApiKey => Some("api-key"),
        _ => None,
    });
    keys.put_if("credential", credential.map(quoted));
    keys.put_if("attempt", attempt.map(|span| quoted(&numbers(span))));
    keys.put_if("elapsed", elapsed.map(|span| quoted(&times(span))));
    keys.put_if("state", state.as_deref().map(quoted));
    keys
}

fn put_then(keys: &mut Keys, then: &Then) {
    match then {
        // A rule that names nothing else lets the server answer.
        Then::Pass | Then::Coded(_) => keys.put("pass", "true".to_owned()),
        Then::Accept => keys.put("accept", "true".to_owned()),
        Then::Error(error) => keys.put("answer", error_keys(error).inline()),
        Then::Raw(raw) => keys.put("answer", raw_keys(raw).inline()),
        Then::Html(HtmlPage { status, title, challenge }) => {
            let mut page = Keys::default();
            page.put("status", status.to_string());
            page.put("title", quoted(title));
            page.put_if("challenge", challenge.then(|| "true".to_owned()));
            keys.put("page", page.inline());
        }
        Then::Cut(cut) => keys.put("cut", quoted(cut_name(*cut))),
        Then::Truncate { events, cut } => {
            let mut truncate = Keys::default();
            truncate.put("events", events.to_string());
            truncate.put("cut", quoted(cut_name(*cut)));
            keys.put("truncate", truncate.inline());
        }
        Then::StreamError { events, error } => {
            let mut stream_error = Keys::default();
            stream_error.put("events", events.to_string());
            stream_error.put("type", quoted(&error.kind));
            stream_error.put("message", quoted(&error.message));
            keys.put("stream_error", stream_error.inline());
        }
        Then::Slow(gap) => keys.put("slow", quoted(&duration(*gap))),
        Then::Token(TokenOutcome::InvalidGrant) => keys.put("token", quoted("invalid-grant")),
        Then::Token(TokenOutcome::Lost(_)) => keys.put("token", quoted("lost")),
        Then::Token(TokenOutcome::Granted(terms)) => {
            let mut granted = Keys::default();
            put_terms(&mut granted, terms, "lifetime");
            keys.put("granted", granted.inline());
        }
    }
}

fn error_keys(error: &ApiError) -> Keys {
    let ApiError { status, kind, message, envelope, request_id, should_retry, retry_after, headers, coding: _ } = error;
    let mut keys = Keys::default();
    keys.put("status", status.to_string());
    keys.put("type", quoted(kind));
    keys.put("message", quoted(message));
    let shape = match envelope {
        Envelope::Typed => None,
        Envelope::Untyped => Some("bare"),
        Envelope::OAuth => Some("oauth"),
    };
    keys.put_if("shape", shape.map(quoted));
    let id = match request_id {
        RequestIdShape::Present => None,
        RequestIdShape::Null => Some("null"),
        RequestIdShape::Missing => Some("missing"),
    };
    keys.put_if("request_id", id.map(quoted));
    let mut fields: BTreeMap<String, String> = headers.iter().cloned().collect();
    fields.extend(should_retry.map(|again| ("x-should-retry".to_owned(), again.to_string())));
    fields.extend(retry_after.map(|seconds| ("retry-after".to_owned(), seconds.to_string())));
    keys.put_if("headers", (!fields.is_empty()).then(|| map(&fields)));
    keys
}

fn raw_keys(raw: &RawAnswer) -> Keys {
    let RawAnswer { status, content_type, headers, body, coding: _ } = raw;
    let mut keys = Keys::default();
    keys.put("status", status.to_string());
    keys.put_if("body", (!body.is_empty()).then(|| quoted(&String::from_utf8_lossy(body))));
    keys.put_if("content_type", (content_type != JSON).then(|| quoted(content_type)));
    let fields: BTreeMap<String, String> = headers.iter().cloned().collect();
    keys.put_if("headers", (!fields.is_empty()).then(|| map(&fields)));
    keys
}

fn cut_name(cut: Cut) -> &'static str {
    match cut {
        Cut::Close => "close",
        Cut::Reset => "reset",
    }
}

fn pattern(path: &PathPattern) -> String {
    match path {
        PathPattern::Exact(path) => path.clone(),
        PathPattern::Prefix(prefix) => format!("{prefix}*"),
    }
}

fn numbers(span: Span<u32>) -> String {
    match span {
        Span { from, to: None } => format!("{from}.."),
        Span { from, to: Some(to) } if from == to => from.to_string(),
        Span { from, to: Some(to) } => format!("{from}..{to}"),
    }
}

fn times(span: Span<Duration>) -> String {
    let to = span.to.map(duration).unwrap_or_default();
    format!("{}..{to}", duration(span.from))
}

/// In the largest unit that says it whole.
fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    match whole {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None if millis == 0 => "0s".to_owned(),
        None => format!("{millis}ms"),
    }
}

fn signed(seconds: i64) -> String {
    let size = duration(Duration::from_secs(seconds.unsigned_abs()));
    let sign = if seconds < 0 { "-" } else { "" };
    format!("{sign}{size}")
}

/// Keys of a table with their values as TOML, in order.
#[derive(Default)]
struct Keys(Vec<(&'static str, String)>);

impl Keys {
    fn put(&mut self, key: &'static str, value: String) {
        self.0.push((key, value));
    }

    fn put_if(&mut self, key: &'static str, value: Option<String>) {
        self.0.extend(value.map(|value| (key, value)));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn lines(&self) -> String {
        self.0.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    }

    fn inline(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
    }
}

/// A table with its name; one without keys says nothing but its being there, which a rule or an event does.
fn table(name: &str, keys: &Keys) -> String {
    if keys.is_empty() && !name.starts_with("[[") {
        return String::new();
    }
    format!("\n{name}\n{}", keys.lines())
}

fn map(values: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = values.iter().map(|(name, value)| format!("{} = {}", key(name), quoted(value))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { name.to_owned() } else { quoted(name) }
}

fn comment(line: &str) -> String {
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("# {}\n", line.trim())
}

/// Text of several lines stays so; a basic string of TOML otherwise.
fn paragraph(text: &str) -> String {
    if !text.contains('\n') || text.contains('\r') {
        return quoted(text);
    }
    format!("\"\"\"\n{}\"\"\"", escaped(text, true))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text, false))
}

fn escaped(text: &str, multi_line: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if multi_line => out.push('\n'),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            _ if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
