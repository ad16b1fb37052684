//! The state of the fake: what was issued, to be used until when, and what each endpoint says.

use super::answer::{Request, Response};
use super::circumstances::{Circumstances, Organization, Outage};
use super::credential::{CredentialKind, Label, Remembered, Seed};
use super::routes;
use crate::policy::TokenTerms;
use crate::trace::Timestamp;
use serde_json::json;
use std::collections::HashMap;

/// All scopes a full login holds.
pub(super) const FULL_SCOPES: &str = "user:profile user:inference user:sessions:claude_code user:mcp_servers \
     user:file_upload";
/// All a setup token may be used for.
const SETUP_SCOPES: &str = "user:inference";
/// Lifetime of a setup token in seconds: a year.
const SETUP_LIFETIME: i64 = 365 * 24 * 3600;
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
    pub(super) circumstances: Circumstances,
    pub(super) outage: Option<Outage>,
    adopts_strangers: bool,
    /// Whether the request that is being answered is served whatever it brings.
    pub(super) accepts: bool,
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
            circumstances: Circumstances::default(),
            outage: None,
            adopts_strangers: false,
            accepts: false,
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

    /// What the server is like.
    #[must_use]
    pub fn with_circumstances(mut self, circumstances: Circumstances) -> Self {
        self.circumstances = circumstances;
        self
    }

    /// What the organisation of every account may do from now on.
    pub fn set_organization(&mut self, organization: Organization) {
        self.circumstances.organization = organization;
    }

    /// Every endpoint answers so from now on; with none, the outage is over.
    pub fn set_outage(&mut self, outage: Option<Outage>) {
        self.outage = outage;
    }

    /// What the token endpoint answers to a granted request from now on.
    pub fn set_token_terms(&mut self, terms: TokenTerms) {
        self.terms = terms;
    }

    /// A login of long ago: an access token good for `lifetime_seconds` (negative: it has ended) and a refresh token.
    pub fn log_in(&mut self, now: Timestamp, lifetime_seconds: i64) -> Login {
        self.log_in_for(FULL_SCOPES, now, lifetime_seconds)
    }

    /// The same for some scopes, separated by spaces.
    pub fn log_in_for(&mut self, scopes: &str, now: Timestamp, lifetime_seconds: i64) -> Login {
        let expires_at = later(now, lifetime_seconds);
        let family = self.refresh.len();
        let access_token = self.issue_access(expires_at, scopes, family);
        let refresh_token = self.issue_refresh(scopes, family);
        Login { access_token, refresh_token, expires_at, scopes: scopes.to_owned() }
    }

    /// A token of `claude setup-token`: good for messages only, for a year, and not to be renewed.
    pub fn setup_token(&mut self, now: Timestamp) -> String {
        let family = self.refresh.len();
        self.issue_access(later(now, SETUP_LIFETIME), SETUP_SCOPES, family)
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

    /// Everything that came from the logins so far has ended, as if each had been logged out elsewhere.
    pub fn log_out_everywhere(&mut self) {
        self.refresh.iter_mut().for_each(|token| token.revoked = true);
        self.access.iter_mut().for_each(|token| token.revoked = true);
    }

    /// All access tokens issued so far are refused from now on, as invalid.
    pub fn refuse_all(&mut self) {
        self.access.iter_mut().for_each(|token| token.refused = true);
    }

    /// All access tokens issued so far are revoked.
    pub fn revoke_all(&mut self) {
        self.access.iter_mut().for_each(|token| token.revoked = true);
    }

    /// The lifetime of all access tokens issued so far is over.
    pub fn expire_all(&mut self, now: Timestamp) {
        self.access.iter_mut().for_each(|token| token.expires_at = token.expires_at.min(now));
    }

    /// Somebody else renews every login that can be renewed: its refresh token is spent, and the new one is theirs.
    pub fn renew_elsewhere(&mut self, now: Timestamp) {
        let live: Vec<(usize, String)> = self
            .refresh
            .iter_mut()
            .filter(|token| !token.spent && !token.revoked)
            .map(|token| {
                token.spent = true;
                (token.family, token.scopes.clone())
            })
            .collect();
        for (family, scopes) in live {
            self.issue_access(later(now, i64::from(self.terms.lifetime)), &scopes, family);
            self.issue_refresh(&scopes, family);
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
        let mut response = match routes::answer(self, request) {
            Ok(response) => response,
            Err(error) => error.answer(&id).into(),
        };
        self.dress(request, &mut response, &id);
        response
    }

    /// The answer as if the credential were good, whatever the request brings: it is let in, a token request is granted,
    /// and an outage does not concern it.
    pub fn accept(&mut self, request: &Request<'_>) -> Response {
        self.accepts = true;
        let response = self.answer(request);
        self.accepts = false;
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
        let api = !routes::AUTHORIZATION_SERVERS.contains(&request.host);
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

    pub(super) fn issue_access(&mut self, expires_at: Timestamp, scopes: &str, family: usize) -> String {
        let refused = self.terms.refused;
        self.access.push(AccessToken { expires_at, scopes: scopes.to_owned(), family, refused, revoked: false });
        self.issue(CredentialKind::AccessToken)
    }

    pub(super) fn issue_refresh(&mut self, scopes: &str, family: usize) -> String {
        self.refresh.push(RefreshToken { family, scopes: scopes.to_owned(), spent: false, revoked: false });
        self.issue(CredentialKind::RefreshToken)
    }

    pub(super) fn issue(&mut self, kind: CredentialKind) -> String {
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
                let expires_at = later(now, i64::from(TokenTerms::default().lifetime));
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

/// So many seconds later; negative: before.
pub(super) fn later(now: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(now.unix_ms().saturating_add(seconds.saturating_mul(1_000)))
}

/// IMF-fixdate (RFC 9110 §5.6.7).
fn http_date(now: Timestamp) -> String {
    use time::macros::format_description;
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let at = time::OffsetDateTime::from_unix_timestamp(now.unix_ms().div_euclid(1000));
    at.ok().and_then(|at| at.format(format).ok()).unwrap_or_default()
}
