//! The words of the notation: calls, credentials and answers.
//!
//! Credentials: `a` is an OAuth access token as Claude Code sends it, `a!` the same without the beta header, `key:k` an
//! API key in `x-api-key`, `bearer:k` an API key as a bearer, `xkey:a` an OAuth token in `x-api-key`, `both:k` a key in
//! both headers, `gw:t` and `xgw:t` an opaque value as a bearer and in `x-api-key`, `aws` a signature, `"NAME: VALUE"` a
//! field as it stands. In values `${a}`, `${r1}` and `${key:k}` stand for credentials, `${a:40}` for the first 40
//! characters of one and `${a:-60}` for the last 60.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const CLIENT: &str = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";
const SCOPES: &str = "user:inference user:profile user:sessions:claude_code user:mcp_servers user:file_upload";
const TOKEN: &str = "https://platform.claude.com/v1/oauth/token";

/// Short names of requests.
const CALLS: &[(&str, &str, &str)] = &[
    ("messages", "POST", "https://api.anthropic.com/v1/messages?beta=true"),
    ("settings", "GET", "https://api.anthropic.com/api/claude_code/settings"),
    ("policy", "GET", "https://api.anthropic.com/api/claude_code/policy_limits"),
    ("profile", "GET", "https://api.anthropic.com/api/oauth/profile"),
    ("usage", "GET", "https://api.anthropic.com/api/oauth/usage"),
    ("eval", "POST", "https://api.anthropic.com/api/eval/sdk-FAKE"),
    ("bootstrap", "GET", "https://api.anthropic.com/api/claude_cli/bootstrap"),
    ("penguin", "GET", "https://api.anthropic.com/api/claude_code_penguin_mode"),
    ("directory", "GET", "https://api.anthropic.com/api/directory/server-urls"),
    ("grove", "GET", "https://api.anthropic.com/api/claude_code_grove"),
    (
        "referral",
        "GET",
        "https://api.anthropic.com/api/oauth/organizations/00000000-0000-4000-8000-0000000000aa/referral/eligibility",
    ),
    ("events", "POST", "https://api.anthropic.com/api/event_logging/v2/batch"),
    ("hello", "GET", "https://api.anthropic.com/api/hello"),
    ("roles", "GET", "https://api.anthropic.com/api/oauth/claude_cli/roles"),
    ("create-key", "POST", "https://api.anthropic.com/api/oauth/claude_cli/create_api_key"),
    ("authorize", "GET", "https://claude.com/cai/oauth/authorize?code=true&response_type=code"),
    ("exchange", "POST", TOKEN),
    ("exchange-form", "POST", TOKEN),
];

const METHODS: [&str; 3] = ["GET", "POST", "HEAD"];
const OF_TOKENS: [&str; 2] = ["refresh", "refresh-form"];

pub(super) fn is_call(word: &str) -> bool {
    word == "startup" || takes_an_object(word) || CALLS.iter().any(|(name, ..)| *name == word)
}

/// Whether the next word belongs to the call: an address, a host or a token.
pub(super) fn takes_an_object(word: &str) -> bool {
    word == "connect" || METHODS.contains(&word) || OF_TOKENS.contains(&word)
}

/// What the client asks at its start, by the credential that it has.
pub(super) fn startup(credential: &str) -> &'static [&'static str] {
    if credential.starts_with("key:") {
        &["settings", "policy", "eval", "bootstrap", "penguin", "directory"]
    } else {
        &["profile", "eval", "bootstrap", "penguin", "directory", "grove", "referral"]
    }
}

pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    /// Its type and its text.
    pub(super) body: Option<(&'static str, String)>,
}

impl Request {
    pub(super) fn of(call: &str, credentials: &[String], body: Option<&str>, case: &str) -> Self {
        let (verb, object) = call.split_once(' ').unwrap_or((call, ""));
        let (method, url) = match verb {
            "connect" => ("CONNECT", format!("https://{object}:443/")),
            _ if OF_TOKENS.contains(&verb) => ("POST", TOKEN.to_owned()),
            _ if METHODS.contains(&verb) => (verb, object.to_owned()),
            _ => CALLS
                .iter()
                .find(|(name, ..)| *name == verb)
                .map(|(_, method, url)| (*method, (*url).to_owned()))
                .unwrap(),
        };
        let mut headers = Vec::new();
        for credential in credentials {
            add_credential(&mut headers, credential, case);
        }
        if url.contains("/v1/messages") {
            headers.push(("anthropic-version".to_owned(), "2023-06-01".to_owned()));
            headers.push(("x-app".to_owned(), "cli".to_owned()));
            headers.push(("x-stainless-retry-count".to_owned(), "0".to_owned()));
        }
        let body = token_body(verb, object, case).or_else(|| body.map(|body| given_body(body, case)));
        Self { method: method.to_owned(), url, headers, body }
    }

    pub(super) fn agent(&self, client: &str) -> String {
        let axios = if client.starts_with("2.1.3") { "axios/1.15.2" } else { "axios/1.13.6" };
        if self.url == TOKEN { axios.to_owned() } else { format!("claude-cli/{client} (external, cli)") }
    }
}

fn add_credential(headers: &mut Vec<(String, String)>, word: &str, case: &str) {
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
    if let Some((name, value)) = word.split_once(": ") {
        return add(name, filled(value, case));
    }
    if let Some((name, value)) = word.strip_prefix("h:").and_then(|field| field.split_once('=')) {
        return add(name, value.to_owned());
    }
    if word == "aws" {
        let signature = "AWS4-HMAC-SHA256 Credential=AKIAFAKEFAKEFAKEFAKE/20260901/eu-west-1/bedrock/aws4_request, SignedHeaders=host, Signature=FAKE0123456789";
        return add("authorization", signature.to_owned());
    }
    let (kind, label) = word.split_once(':').unwrap_or(("", word));
    match kind {
        "key" => add("x-api-key", value("key", label, case)),
        "xkey" => add("x-api-key", value("", label, case)),
        "bearer" => add("authorization", format!("Bearer {}", value("key", label, case))),
        "gw" => add("authorization", format!("Bearer {}", value("gw", label, case))),
        "xgw" => add("x-api-key", value("gw", label, case)),
        "both" => {
            add("x-api-key", value("key", label, case));
            add("authorization", format!("Bearer {}", value("key", label, case)));
        }
        _ => {
            add("authorization", format!("Bearer {}", value("", label.trim_end_matches('!'), case)));
            let beta = if label.ends_with('!') { "" } else { ",oauth-2025-04-20" };
            add("anthropic-beta", format!("claude-code-20250219{beta}"));
        }
    }
}

/// A made-up credential, the same for the same label in one case.
fn value(kind: &str, label: &str, case: &str) -> String {
    let (prefix, length) = match (kind, label.starts_with('r')) {
        ("key", _) => ("sk-ant-api03-FAKE", 108),
        ("gw", _) => ("FAKEgw", 40),
        (_, true) => ("sk-ant-ort01-FAKE", 108),
        _ => ("sk-ant-oat01-FAKE", 108),
    };
    let digits: String = (0..2)
        .flat_map(|n| Sha256::digest(format!("{case}/{kind}/{label}/{n}")))
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{prefix}{digits}").chars().take(length).collect()
}

/// The text with its placeholders filled.
fn filled(text: &str, case: &str) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap().to_owned();
    for part in parts {
        let (label, rest) = part.split_once('}').unwrap();
        let part = match label.strip_prefix("key:") {
            Some(label) => value("key", label, case),
            None => match label.split_once(':') {
                Some((label, count)) => cut(&value("", label, case), count.parse().unwrap()),
                None => value("", label, case),
            },
        };
        filled.push_str(&part);
        filled.push_str(rest);
    }
    filled
}

fn cut(value: &str, count: isize) -> String {
    let at = if count < 0 { value.len() - count.unsigned_abs() } else { count.unsigned_abs() };
    if count < 0 { value[at..].to_owned() } else { value[..at].to_owned() }
}

fn token_body(verb: &str, label: &str, case: &str) -> Option<(&'static str, String)> {
    let (json, fields) = match verb {
        "refresh" | "refresh-form" => (
            verb == "refresh",
            json!({"grant_type": "refresh_token", "refresh_token": value("", label, case), "client_id": CLIENT, "scope": SCOPES}),
        ),
        "exchange" | "exchange-form" => (
            verb == "exchange",
            json!({
                "grant_type": "authorization_code", "code": format!("FAKEcode{}", &value("gw", case, case)[6..]),
                "redirect_uri": "http://localhost:54545/callback", "client_id": CLIENT,
                "code_verifier": format!("FAKEverifier{}", &value("gw", "verifier", case)[6..]), "state": "FAKEstate0123456789",
            }),
        ),
        _ => return None,
    };
    if json {
        return Some(("application/json", fields.to_string()));
    }
    let pairs: Vec<String> =
        fields.as_object().unwrap().iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap())).collect();
    Some((
        "application/x-www-form-urlencoded",
        pairs.join("&").replace(' ', "+").replace(':', "%3A").replace('/', "%2F"),
    ))
}

fn given_body(body: &str, case: &str) -> (&'static str, String) {
    match body.strip_prefix("json:") {
        Some(text) => ("application/json", filled(text, case)),
        None => ("application/x-www-form-urlencoded", filled(body.trim_start_matches("form:"), case)),
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) kind: &'static str,
    pub(super) body: String,
    pub(super) error: Option<String>,
    pub(super) tls: Option<Value>,
}

/// Errors of the API: status, type and message.
const ERRORS: &[(&str, u16, &str, &str)] = &[
    (
        "expired",
        401,
        "authentication_error",
        "OAuth token has expired. Please obtain a new token or refresh your existing token.",
    ),
    ("expired-new", 401, "authentication_error", "OAuth access token has expired. Re-authenticate to continue."),
    ("invalid-auth", 401, "authentication_error", "Invalid authentication credentials"),
    ("invalid-bearer", 401, "authentication_error", "Invalid bearer token"),
    ("token-invalid", 401, "authentication_error", "OAuth access token is invalid."),
    (
        "not-found",
        401,
        "authentication_error",
        "Invalid OAuth token. The provided token was not found or is malformed.",
    ),
    ("revoked-401", 401, "authentication_error", "OAuth access token has been revoked."),
    ("revoked-403", 403, "permission_error", "OAuth token has been revoked. Please obtain a new token."),
    ("bad-key", 401, "authentication_error", "invalid x-api-key"),
    ("no-oauth", 401, "authentication_error", "OAuth authentication is currently not supported."),
    ("org-403", 403, "permission_error", "OAuth authentication is currently not allowed for this organization."),
    ("org-401", 401, "authentication_error", "OAuth authentication is currently not allowed for this organization."),
    ("scope-profile", 403, "permission_error", "OAuth token does not meet scope requirement user:profile"),
    (
        "scope-inference",
        403,
        "permission_error",
        "OAuth token does not meet scope requirement any_of(user:inference, org:service_key_inference)",
    ),
    ("disabled", 400, "invalid_request_error", "This organization has been disabled."),
    (
        "credit",
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
    ),
    (
        "restricted",
        400,
        "invalid_request_error",
        "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
    ),
    ("session-401", 401, "authentication_error", "Authentication failed"),
    ("rl-429", 429, "rate_limit_error", "This request would exceed your account's rate limit. Please try again later."),
    ("overloaded", 529, "overloaded_error", "Overloaded"),
    ("500", 500, "api_error", "Internal server error"),
    ("503", 503, "overloaded_error", "Overloaded"),
];

impl Answer {
    pub(super) fn of(text: &str, request: &Request, case: &str) -> Self {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        if let Some((_, status, kind, message)) = ERRORS.iter().find(|(name, ..)| *name == text) {
            // The two wordings of 2026 come without a request id.
            let id = if matches!(word, "expired-new" | "revoked-401") { Value::Null } else { json!(request_id(case)) };
            let error = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": id});
            let mut answer = Self::json(*status, &error.to_string());
            if let Value::String(id) = id {
                answer.headers.push(("request-id".to_owned(), id));
            }
            return answer;
        }
        match word {
            "ok" if request.method == "HEAD" => Self::json(200, ""),
            "ok" if request.url.contains("/v1/messages") => Self::stream(&(STARTED.to_owned() + FINISHED)),
            "ok" => Self::json(200, "{}"),
            "issues" => Self::json(200, &issued(rest, case)),
            "invalid-grant" => Self::json(
                400,
                r#"{"error": "invalid_grant", "error_description": "Refresh token not found or invalid"}"#,
            ),
            "token-429" => Self::json(
                429,
                r#"{"error":{"type":"rate_limit_error","message":"Rate limited. Please try again later."}}"#,
            ),
            "forbidden" => Self::json(403, r#"{"error":{"type":"forbidden","message":"Request not allowed"}}"#),
            "stale-session" => Self::json(
                403,
                r#"{"type":"error","error":{"type":"permission_error","message":"Session is not fresh enough to grant elevated access. Sign in again to continue.","details":{"error_code":"session_stale_relogin"}},"request_id":"req_011FAKEstale"}"#,
            ),
            "challenge" => {
                let mut answer = Self::html(403);
                for (name, value) in
                    [("cf-mitigated", "challenge"), ("server", "cloudflare"), ("cf-ray", "8c0ffee0deadbeef-FRA")]
                {
                    answer.headers.push((name.to_owned(), value.to_owned()));
                }
                answer
            }
            "stream-error" => {
                let (kind, message) = rest.split_once(' ').unwrap();
                let error = json!({"type": "error", "error": {"type": kind, "message": message}});
                Self::stream(&format!("{STARTED}event: error\ndata: {error}\n\n"))
            }
            "cut" => Self { error: Some(rest.to_owned()), ..Self::stream(STARTED) },
            "no" => Self { error: Some(rest.to_owned()), ..Self::json(0, "") },
            "tls" => {
                let alert = Some(rest).filter(|rest| !rest.is_empty());
                Self { tls: Some(json!({"client_alert": alert, "handshake_completed": false})), ..Self::json(200, "") }
            }
            status => Self::given(status.parse().unwrap_or_else(|_| panic!("unknown answer: {text}")), rest, case),
        }
    }

    fn given(status: u16, body: &str, case: &str) -> Self {
        match body {
            "html" => Self::html(status),
            _ if body.starts_with('<') => Self { kind: "text/html", ..Self::json(status, body) }.typed(),
            _ if body.starts_with('{') => Self::json(status, &filled(body, case)),
            _ => Self { kind: "text/plain", ..Self::json(status, body) }.typed(),
        }
    }

    fn json(status: u16, body: &str) -> Self {
        let answer = Self {
            status,
            headers: Vec::new(),
            kind: "application/json",
            body: body.to_owned(),
            error: None,
            tls: None,
        };
        if status == 0 { answer } else { answer.typed() }
    }

    fn html(status: u16) -> Self {
        let body =
            "<!DOCTYPE html><html lang=\"en-US\"><head><title>Just a moment...</title></head><body></body></html>";
        let body = if status == 403 { body } else { "<html><body><h1>Bad Gateway</h1></body></html>" };
        Self { kind: "text/html; charset=UTF-8", ..Self::json(status, body) }.typed()
    }

    fn stream(body: &str) -> Self {
        Self { kind: "text/event-stream; charset=utf-8", ..Self::json(200, body) }.typed()
    }

    fn typed(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "content-type");
        self.headers.push(("content-type".to_owned(), self.kind.to_owned()));
        self
    }
}

const STARTED: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_FAKE\"}}\n\n";
const FINISHED: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// `ACCESS REFRESH SECONDS [SCOPE…]`; `-` is no refresh token.
fn issued(text: &str, case: &str) -> String {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap();
    let (access, refresh, seconds) = (word(), word(), word());
    let scope: Vec<&str> = words.collect();
    let scope = if scope.is_empty() { SCOPES.to_owned() } else { scope.join(" ") };
    let mut answer = json!({
        "token_type": "Bearer", "access_token": value("", access, case), "expires_in": seconds.parse::<u64>().unwrap(),
        "scope": scope,
    });
    if refresh != "-" {
        answer["refresh_token"] = json!(value("", refresh, case));
    }
    answer.to_string()
}

fn request_id(case: &str) -> String {
    format!("req_011C{}", &value("gw", "request", case)[6..30])
}
