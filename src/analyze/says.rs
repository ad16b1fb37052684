//! What a refusal says, in families of wording: the server's sentences change, their words hardly do
//! (FAILURE_MODES §3).

use crate::trace::{ErrorFacts, ErrorShape, Exchange};

/// What an answer says about a credential, an account or the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Says {
    /// The token was revoked.
    Revoked,
    /// The token has expired.
    Expired,
    /// The bearer is not valid.
    InvalidBearer,
    /// The token is not known to the server.
    TokenNotFound,
    /// The API key is not valid.
    InvalidApiKey,
    /// Some credential is not valid.
    InvalidCredentials,
    /// There was none.
    MissingCredential,
    /// OAuth does not work here: the opt-in header is missing.
    OauthNotSupported,
    /// The organisation may not use OAuth.
    OauthNotAllowed,
    /// A scope is missing.
    Scope,
    /// The role of the account does not suffice.
    Role,
    /// The web session is too old.
    StaleSession,
    /// The organisation is disabled.
    OrganizationDisabled,
    /// The credit is used up.
    CreditTooLow,
    /// The credential is for Claude Code alone.
    Restricted,
    /// Refused at the edge.
    EdgeForbidden,
    /// A challenge for browsers.
    Challenge,
    /// The grant (a refresh token, a code) is not valid.
    InvalidGrant,
    /// The plan's usage, or a limit set by the user, is used up.
    UsageExhausted,
    /// Too many requests.
    RateLimited,
    /// The API is at capacity.
    Overloaded,
    /// The server, or something in front of it, failed.
    ServerError,
    /// A refusal for a reason of authentication in words that are not known.
    OtherAuth,
    /// Anything else.
    Other,
}

impl Says {
    /// Whether it speaks of the credential itself, without naming the state of an account or a scope.
    pub(super) fn is_about_token(self) -> bool {
        matches!(
            self,
            Self::Revoked
                | Self::Expired
                | Self::InvalidBearer
                | Self::TokenNotFound
                | Self::InvalidApiKey
                | Self::InvalidCredentials
                | Self::OtherAuth
        )
    }

    /// Whether only a request that carried a credential is answered so.
    pub(super) fn knows_a_credential(self) -> bool {
        matches!(self, Self::Revoked | Self::Expired | Self::InvalidBearer | Self::TokenNotFound | Self::InvalidApiKey)
    }
}

/// Wordings in the order in which they are tried; all words of an entry have to occur.
const WORDINGS: &[(&[&str], Says)] = &[
    (&["session is not fresh"], Says::StaleSession),
    (&["elevated access"], Says::StaleSession),
    (&["role", "does not meet"], Says::Role),
    (&["scope requirement"], Says::Scope),
    (&["does not meet", "scope"], Says::Scope),
    (&["insufficient", "scope"], Says::Scope),
    (&["missing", "scope"], Says::Scope),
    (&["lacks", "scope"], Says::Scope),
    (&["required scope"], Says::Scope),
    (&["revoked"], Says::Revoked),
    (&["credit balance"], Says::CreditTooLow),
    (&["insufficient credit"], Says::CreditTooLow),
    (&["only authorized for use with claude code"], Says::Restricted),
    (&["credential", "only", "claude code"], Says::Restricted),
    (&["organi", "disabled"], Says::OrganizationDisabled),
    (&["account", "has been disabled"], Says::OrganizationDisabled),
    (&["oauth", "not allowed"], Says::OauthNotAllowed),
    (&["not allowed for this organi"], Says::OauthNotAllowed),
    (&["oauth", "not permitted"], Says::OauthNotAllowed),
    (&["oauth", "not supported"], Says::OauthNotSupported),
    (&["oauth", "unsupported"], Says::OauthNotSupported),
    (&["request not allowed"], Says::EdgeForbidden),
    (&["extra usage"], Says::UsageExhausted),
    (&["usage limit"], Says::UsageExhausted),
    (&["session limit"], Says::UsageExhausted),
    (&["spend limit"], Says::UsageExhausted),
    (&["quota", "exceeded"], Says::UsageExhausted),
    (&["has expired"], Says::Expired),
    (&["token", "expired"], Says::Expired),
    (&["token is expired"], Says::Expired),
    (&["credential", "expired"], Says::Expired),
    (&["is required"], Says::MissingCredential),
    (&["missing", "authentication"], Says::MissingCredential),
    (&["missing", "api key"], Says::MissingCredential),
    (&["no", "credentials", "provided"], Says::MissingCredential),
    (&["not found", "token"], Says::TokenNotFound),
    (&["malformed", "token"], Says::TokenNotFound),
    (&["invalid", "x-api-key"], Says::InvalidApiKey),
    (&["invalid", "api key"], Says::InvalidApiKey),
    (&["incorrect", "api key"], Says::InvalidApiKey),
    (&["api key", "not valid"], Says::InvalidApiKey),
    (&["invalid", "bearer"], Says::InvalidBearer),
    (&["bearer", "not valid"], Says::InvalidBearer),
    (&["invalid", "access token"], Says::InvalidBearer),
    (&["access token is invalid"], Says::InvalidBearer),
    (&["token", "invalid"], Says::InvalidBearer),
    (&["invalid", "credential"], Says::InvalidCredentials),
    (&["authentication failed"], Says::InvalidCredentials),
];

/// What the answer of an exchange says. `None` where it refuses nothing.
pub(super) fn says(exchange: &Exchange) -> Option<Says> {
    let status = exchange.status();
    let fine = status.is_some_and(|status| status < 400);
    let Some(error) = exchange.error.as_ref() else {
        return if fine { None } else { by_status(status?, false) };
    };
    if challenged(exchange, error) {
        return Some(Says::Challenge);
    }
    Some(
        by_words(error, status)
            .unwrap_or_else(|| by_status(status.unwrap_or(0), error.is_auth()).unwrap_or(Says::Other)),
    )
}

/// HTML counts as a challenge with 403 or where the edge says so; with 5xx it is an outage.
fn challenged(exchange: &Exchange, error: &ErrorFacts) -> bool {
    let status = exchange.status().unwrap_or(0);
    let says_so = header(exchange, "cf-mitigated").is_some_and(|value| value.eq_ignore_ascii_case("challenge"));
    says_so && status < 500 || error.shape == ErrorShape::Html && status == 403
}

fn by_words(error: &ErrorFacts, status: Option<u16>) -> Option<Says> {
    let kind = lower(error.kind.as_ref().map(crate::redact::Redacted::as_str));
    let code = lower(error.code.as_ref().map(crate::redact::Redacted::as_str));
    let message = lower(error.message.as_ref().map(crate::redact::Redacted::as_str));
    if code.contains("stale_relogin") {
        return Some(Says::StaleSession);
    }
    if kind.contains("invalid_grant") {
        return Some(Says::InvalidGrant);
    }
    match kind.as_str() {
        "overloaded_error" => return Some(Says::Overloaded),
        "forbidden" if error.shape == ErrorShape::ApiBare => return Some(Says::EdgeForbidden),
        "billing_error" => return Some(Says::CreditTooLow),
        _ => {}
    }
    let worded =
        WORDINGS.iter().find(|(words, _)| words.iter().all(|word| message.contains(word))).map(|(_, says)| *says);
    match worded {
        // Prose may speak of anything; only a refusal speaks of a credential.
        Some(says) if says.is_about_token() || says == Says::MissingCredential => {
            (error.is_auth() || matches!(status, Some(401 | 403))).then_some(says)
        }
        Some(says) => Some(says),
        None if kind == "rate_limit_error" => Some(Says::RateLimited),
        None => None,
    }
}

fn by_status(status: u16, is_auth: bool) -> Option<Says> {
    match status {
        429 => Some(Says::RateLimited),
        529 => Some(Says::Overloaded),
        500..=599 => Some(Says::ServerError),
        401 | 403 | 407 => Some(Says::OtherAuth),
        400..=499 if is_auth => Some(Says::OtherAuth),
        400..=499 => Some(Says::Other),
        _ if is_auth => Some(Says::OtherAuth),
        _ => None,
    }
}

/// A header of the answer, as far as it may be shown.
pub(super) fn header<'a>(exchange: &'a Exchange, name: &str) -> Option<&'a str> {
    let headers = &exchange.response.as_ref()?.headers;
    headers.iter().find(|field| field.name.as_str().eq_ignore_ascii_case(name)).map(|field| field.value.as_str())
}

/// A header of the request, as far as it may be shown.
pub(super) fn request_header<'a>(exchange: &'a Exchange, name: &str) -> Option<&'a str> {
    let headers = &exchange.request.headers;
    headers.iter().find(|field| field.name.as_str().eq_ignore_ascii_case(name)).map(|field| field.value.as_str())
}

/// Whether an API key as a bearer is what this request's version of the API wants: the official SDKs that ask for
/// 2026-10-21 send it so, and no `x-api-key`.
pub(super) fn takes_key_as_bearer(exchange: &Exchange) -> bool {
    request_header(exchange, "anthropic-version").is_some_and(|version| version >= "2026-10-21")
}

fn lower(text: Option<&str>) -> String {
    text.unwrap_or_default().to_ascii_lowercase()
}
