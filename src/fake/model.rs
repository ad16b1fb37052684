//! The state of the fake: what was issued, to be used until when, and what each endpoint says.

use super::access::admit;
use super::answer::{Request, Response};
use super::conversation;
use super::credential::{CredentialKind, Label, Remembered, Seed};
use super::oauth;
use crate::policy::{ApiError, TokenTerms};
use crate::trace::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;

/// All scopes a full login holds.
pub(super) const FULL_SCOPES: &str = "user:profile user:inference user:sessions:claude_code user:mcp_servers \
     user:file_upload";
/// Lifetime of an access token in seconds, the one reported most.
pub(super) const LIFETIME: u32 = 28_800;
/// Hosts that have the token endpoint.
const AUTHORIZATION_SERVERS: [&str; 2] = ["platform.claude.com", "console.anthropic.com"];
const ALPHANUMERIC: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789";

/// A login as a client keeps it.
#[derive(Clone)]
pub struct Login {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// The scopes, separated by spaces.
    pub scopes: String,
}

impl Login {
    /// The content of Claude Code's `.credentials.json`.
    #[must_use]
    pub fn credentials_file(&self) -> String {
        json!({"claudeAiOauth": {
            "accessToken": self.access_token,
            "refreshToken": self.refresh_token,
            "expiresAt": self.expires_at.unix_ms(),
            "scopes": self.scopes.split(' ').collect::<Vec<_>>(),
            "subscriptionType": "max",
            "rateLimitTier": "default_claude_max_5x",
        }})
        .to_string()
    }
}

/// The authorization server and the API as one state.
pub struct Model {
    pub(super) seed: Seed,
    pub(super) reply: String,
    pub(super) terms: TokenTerms,
    adopts_strangers: bool,
    issued: HashMap<Remembered, Label>,
    counts: HashMap<CredentialKind, usize>,
    access: Vec<AccessToken>,
    pub(super) refresh: Vec<RefreshToken>,
    pub(super) codes: Vec<Code>,
    derived: Vec<Label>,
    answered: usize,
}

pub(super) struct AccessToken {
    pub(super) expires_at: Timestamp,
    pub(super) scopes: String,
    pub(super) family: usize,
    pub(super) refused: bool,
    pub(super) revoked: bool,
}

pub(super) struct RefreshToken {
    pub(super) family: usize,
    pub(super) scopes: String,
    pub(super) spent: bool,
    pub(super) revoked: bool,
}

pub(super) struct Code {
    pub(super) challenge: Option<String>,
    pub(super) state: String,
    pub(super) scopes: String,
    pub(super) spent: bool,
}

impl Model {
    /// A state in which nothing has been issued.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self {
            seed,
            reply: "Hello from the fake.".to_owned(),
            terms: TokenTerms::default(),
            adopts_strangers: false,
            issued: HashMap::new(),
            counts: HashMap::new(),
            access: Vec::new(),
            refresh: Vec::new(),
            codes: Vec::new(),
            derived: Vec::new(),
            answered: 0,
        }
    }

    /// The text the fake's model says.
    #[must_use]
    pub fn with_reply(mut self, reply: &str) -> Self {
        reply.clone_into(&mut self.reply);
        self
    }

    /// Credentials never issued here, of a known prefix, are taken as if they had been: for a client that comes with
    /// a login of its own. They are remembered as digests only.
    #[must_use]
    pub fn adopting_strangers(mut self) -> Self {
        self.adopts_strangers = true;
        self
    }

    /// What the token endpoint answers to a granted request from now on.
    pub fn set_token_terms(&mut self, terms: TokenTerms) {
        self.terms = terms;
    }

    /// A login of long ago: an access token good for `lifetime_seconds` (negative: it has ended) and a refresh token.
    pub fn log_in(&mut self, now: Timestamp, lifetime_seconds: i64) -> Login {
        let expires_at = Timestamp::from_unix_ms(now.unix_ms().saturating_add(lifetime_seconds.saturating_mul(1000)));
        let family = self.refresh.len();
        let access_token = self.issue_access(expires_at, FULL_SCOPES, family);
        let refresh_token = self.issue_refresh(FULL_SCOPES, family);
        Login { access_token, refresh_token, expires_at, scopes: FULL_SCOPES.to_owned() }
    }

    /// A new API key.
    pub fn api_key_for_console(&mut self) -> String {
        self.issue(CredentialKind::ApiKey)
    }

    /// An authorization code as the browser would bring it back, with the `state` and the PKCE S256 challenge
    /// (RFC 7636 §4.2) of the login that asked; without a challenge any verifier is taken.
    pub fn authorize(&mut self, state: &str, challenge: Option<&str>, scopes: &str) -> String {
        self.codes.push(Code {
            challenge: challenge.map(str::to_owned),
            state: state.to_owned(),
            scopes: scopes.to_owned(),
            spent: false,
        });
        self.issue(CredentialKind::Code)
    }

    /// The nth access token is refused on every endpoint from now on, as invalid.
    pub fn refuse(&mut self, index: usize) {
        if let Some(token) = self.access.get_mut(index) {
            token.refused = true;
        }
    }

    /// The nth access token is refused from now on, as revoked.
    pub fn revoke(&mut self, index: usize) {
        if let Some(token) = self.access.get_mut(index) {
            token.revoked = true;
        }
    }

    /// All credentials issued so far, to look for where none must be.
    #[must_use]
    pub fn issued_values(&self) -> Vec<String> {
        let value = |label: &Label| match label {
            Label::Known(kind, index) => Some(self.seed.credential(*kind, *index)),
            Label::Stranger(_) => None,
        };
        self.derived.iter().filter_map(value).collect()
    }

    /// The name of a credential.
    #[must_use]
    pub fn label(&self, value: &str) -> Label {
        let known = self.issued.get(&Remembered::of(value)).copied();
        known.unwrap_or_else(|| Label::Stranger(CredentialKind::of(value)))
    }

    /// The answer to a request when nothing is scripted. State changes as it would on the server.
    pub fn answer(&mut self, request: &Request<'_>) -> Response {
        self.answered += 1;
        let id = self.request_id();
        let mut response = match self.route(request) {
            Ok(response) => response,
            Err(error) => error.answer(&id).into(),
        };
        self.dress(request, &mut response, &id);
        response
    }

    /// The id that the answer now being made carries.
    pub(super) fn request_id(&self) -> String {
        format!("req_011C{}", self.seed.text("request-id", self.answered, 20, ALPHANUMERIC))
    }

    /// Counts an answer that a script makes without the model.
    pub(super) fn next_request_id(&mut self) -> String {
        self.answered += 1;
        self.request_id()
    }

    /// Adds the header fields every answer has.
    pub(super) fn dress(&self, request: &Request<'_>, response: &mut Response, id: &str) {
        let n = self.answered;
        let api = !AUTHORIZATION_SERVERS.contains(&request.host);
        let authenticated = response.status < 400;
        let headers = &mut response.headers;
        headers.push(("date".into(), http_date(request.now)));
        headers.push(("server".into(), "cloudflare".to_owned()));
        headers.push(("cf-ray".into(), format!("{}-FRA", self.seed.text("cf-ray", n, 16, b"0123456789abcdef"))));
        headers.push(("cf-cache-status".into(), "DYNAMIC".to_owned()));
        if api && authenticated {
            headers.push(("request-id".into(), id.to_owned()));
            headers.push(("anthropic-organization-id".into(), self.organization()));
        }
    }

    pub(super) fn organization(&self) -> String {
        self.seed.uuid("organization", 0)
    }

    pub(super) fn made_up_id(&self, prefix: &str) -> String {
        format!("{prefix}_01{}", self.seed.text(prefix, self.answered, 22, ALPHANUMERIC))
    }

    fn route(&mut self, request: &Request<'_>) -> Result<Response, ApiError> {
        let ok = |body: Value| Ok(Response::json(200, &body));
        if AUTHORIZATION_SERVERS.contains(&request.host) {
            match (request.method, request.path) {
                ("POST", "/v1/oauth/token") => return oauth::token(self, request),
                ("POST", "/v1/oauth/token/revoke") => return oauth::revoke(self, request),
                // The interactive program asks before its first screen whether it gets through.
                ("GET", "/v1/oauth/hello") => return ok(json!({"message": "hello"})),
                _ => {}
            }
        }
        match (request.method, request.path) {
            ("POST", "/v1/messages") => conversation::messages(self, request),
            ("POST", "/v1/messages/count_tokens") => conversation::count_tokens(self, request),
            ("GET", "/v1/models") => {
                admit(self, request, "user:inference", true)?;
                ok(json!({"data": [{"type": "model", "id": conversation::MODEL, "display_name": "Fake",
                    "created_at": "2026-01-01T00:00:00Z"}], "has_more": false, "first_id": conversation::MODEL,
                    "last_id": conversation::MODEL}))
            }
            ("GET", "/api/oauth/profile") => {
                admit(self, request, "user:profile", false)?;
                ok(self.profile())
            }
            ("GET", "/api/oauth/claude_cli/roles") => {
                admit(self, request, "user:profile", false)?;
                ok(json!({"organization_role": "admin", "workspace_role": null,
                    "organization_name": "Fake organization"}))
            }
            ("POST", "/api/oauth/claude_cli/create_api_key") => {
                admit(self, request, "org:create_api_key", false)?;
                let key = self.issue(CredentialKind::ApiKey);
                ok(json!({"raw_key": key}))
            }
            ("GET", "/api/oauth/usage") => {
                admit(self, request, "user:profile", false)?;
                ok(json!({"five_hour": {"utilization": 4.0, "resets_at": null}, "seven_day": null}))
            }
            ("GET", "/api/organization/claude_code_first_token_date") => {
                ok(json!({"first_token_date": "2026-01-01T00:00:00Z"}))
            }
            ("GET", "/api/claude_code/organizations/metrics_enabled") => ok(json!({"metrics_logging_enabled": false})),
            ("GET", "/api/claude_code/policy_limits") => ok(json!({"restrictions": {}})),
            ("GET", "/api/claude_code/settings") => Err(not_found()),
            ("GET" | "HEAD", "/" | "/api/hello") => ok(json!({"message": "hello"})),
            ("GET", "/v1/mcp_servers") => ok(json!({"data": [], "has_more": false})),
            ("GET", "/mcp-registry/v0/servers") => ok(json!({"servers": [], "metadata": {"count": 0}})),
            ("GET", "/api/directory/server-urls") => ok(json!({"urls": []})),
            ("GET", "/api/claude_cli/bootstrap" | "/api/claude_code_penguin_mode" | "/api/claude_code_grove") => {
                ok(json!({}))
            }
            ("POST", path) if path.starts_with("/api/eval/sdk-") => ok(json!({"features": {}})),
            ("POST", path) if path.starts_with("/api/event_logging/") => {
                ok(json!({"accepted_count": 0, "rejected_count": 0}))
            }
            _ => Err(not_found()),
        }
    }

    fn profile(&self) -> Value {
        json!({
            "account": {
                "uuid": self.seed.uuid("account", 0), "full_name": "Fake Person", "display_name": "Fake",
                "email": "person@fake.invalid", "has_claude_max": true, "has_claude_pro": false,
                "created_at": "2025-01-01T00:00:00Z",
            },
            "organization": {
                "uuid": self.organization(), "name": "Fake organization", "organization_type": "claude_max",
                "billing_type": "stripe_subscription", "rate_limit_tier": "default_claude_max_5x",
                "has_extra_usage_enabled": false, "subscription_status": "active",
            },
            "application": {"uuid": "9d1c250a-e61b-44d9-88ed-5944d1962f5e", "name": "Claude Code",
                "slug": "claude-code"},
        })
    }

    pub(super) fn issue_access(&mut self, expires_at: Timestamp, scopes: &str, family: usize) -> String {
        let refused = self.terms.refused;
        self.access.push(AccessToken { expires_at, scopes: scopes.to_owned(), family, refused, revoked: false });
        self.issue(CredentialKind::AccessToken)
    }

    pub(super) fn issue_refresh(&mut self, scopes: &str, family: usize) -> String {
        self.refresh.push(RefreshToken { family, scopes: scopes.to_owned(), spent: false, revoked: false });
        self.issue(CredentialKind::RefreshToken)
    }

    fn issue(&mut self, kind: CredentialKind) -> String {
        let label = self.remember(kind, None);
        self.derived.push(label);
        match label {
            Label::Known(kind, index) => self.seed.credential(kind, index),
            Label::Stranger(_) => String::new(),
        }
    }

    /// Gives the next index of a kind to a value; to the derived one if none is given.
    fn remember(&mut self, kind: CredentialKind, value: Option<&str>) -> Label {
        let count = self.counts.entry(kind).or_default();
        let label = Label::Known(kind, *count);
        let derived = self.seed.credential(kind, *count);
        *count += 1;
        self.issued.insert(Remembered::of(value.unwrap_or(&derived)), label);
        label
    }

    /// Whether the key may be used.
    pub(super) fn api_key(&mut self, value: &str) -> bool {
        match self.label(value) {
            Label::Known(CredentialKind::ApiKey, _) => true,
            Label::Stranger(Some(CredentialKind::ApiKey)) if self.adopts_strangers => {
                self.remember(CredentialKind::ApiKey, Some(value));
                true
            }
            _ => false,
        }
    }

    /// The state of an access token.
    pub(super) fn access_token(&mut self, value: &str, now: Timestamp) -> Option<&AccessToken> {
        match self.label(value) {
            Label::Known(CredentialKind::AccessToken, index) => self.access.get(index),
            Label::Stranger(Some(CredentialKind::AccessToken)) if self.adopts_strangers => {
                let expires_at = Timestamp::from_unix_ms(now.unix_ms().saturating_add(i64::from(LIFETIME) * 1000));
                let family = self.refresh.len();
                let scopes = FULL_SCOPES.to_owned();
                self.access.push(AccessToken { expires_at, scopes, family, refused: false, revoked: false });
                self.remember(CredentialKind::AccessToken, Some(value));
                self.access.last()
            }
            _ => None,
        }
    }

    /// The index of a refresh token.
    pub(super) fn refresh_token(&mut self, value: &str) -> Option<usize> {
        match self.label(value) {
            Label::Known(CredentialKind::RefreshToken, index) => Some(index),
            Label::Stranger(Some(CredentialKind::RefreshToken)) if self.adopts_strangers => {
                let family = self.refresh.len();
                let scopes = FULL_SCOPES.to_owned();
                self.refresh.push(RefreshToken { family, scopes, spent: false, revoked: false });
                self.remember(CredentialKind::RefreshToken, Some(value));
                Some(family)
            }
            _ => None,
        }
    }

    /// Ends every token that came from one login.
    pub(super) fn revoke_family(&mut self, family: usize) {
        self.refresh.iter_mut().filter(|token| token.family == family).for_each(|token| token.revoked = true);
        self.access.iter_mut().filter(|token| token.family == family).for_each(|token| token.revoked = true);
    }
}

fn not_found() -> ApiError {
    ApiError { should_retry: Some(false), ..ApiError::new(404, "not_found_error", "Not found") }
}

/// IMF-fixdate (RFC 9110 §5.6.7).
fn http_date(now: Timestamp) -> String {
    use time::macros::format_description;
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let at = time::OffsetDateTime::from_unix_timestamp(now.unix_ms().div_euclid(1000));
    at.ok().and_then(|at| at.format(format).ok()).unwrap_or_default()
}
