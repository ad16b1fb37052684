//! What an error speaks about, told by families of types and wording, not by whole sentences.

use super::route::Route;
use crate::trace::{ErrorShape, Tone};

/// An error in the server's own words, before redaction. Lower case.
pub(super) struct Words<'a> {
    pub(super) shape: ErrorShape,
    pub(super) status: u16,
    pub(super) route: Route,
    /// Whether the edge says that it sent a challenge (`cf-mitigated`).
    pub(super) challenged: bool,
    pub(super) kind: &'a str,
    pub(super) message: &'a str,
    pub(super) code: &'a str,
}

/// Types and codes that name a credential, a grant, a permission or an account.
const AUTH_TYPES: [&str; 31] = [
    "authentication",
    "unauthenticated",
    "unauthorized",
    "unauthorised",
    "not_authorized",
    "notauthorized",
    "permission",
    "forbidden",
    "access_denied",
    "accessdenied",
    "invalid_grant",
    "invalidgrant",
    "invalid_client",
    "invalidclient",
    "invalid_token",
    "invalidtoken",
    "expired_token",
    "expiredtoken",
    "token_expired",
    "invalid_scope",
    "insufficient_scope",
    "unsupported_grant_type",
    "invalid_rapt",
    "invalid_api_key",
    "invalidapikey",
    "unrecognizedclient",
    "invalidclienttokenid",
    "invalidsignature",
    "signaturedoesnotmatch",
    "login_required",
    "relogin",
];

/// Types and codes that rule authentication out.
const OTHER_TYPES: [&str; 17] = [
    "rate_limit",
    "too_many_requests",
    "toomanyrequests",
    "throttl",
    "overloaded",
    "not_found",
    "request_too_large",
    "timeout",
    "server_error",
    "internal",
    "unavailable",
    "authorization_pending",
    "slow_down",
    "quota",
    "insufficient_quota",
    "context_length",
    "resource_exhausted",
];

/// Wordings that rule authentication out.
const OTHER_WORDS: [&str; 10] = [
    "rate limit",
    "usage limit",
    "extra usage",
    "overloaded",
    "too long",
    "too many",
    "max_tokens",
    "quota",
    "context window",
    "spend limit",
];

/// Wordings about a credential, a permission or an account.
const AUTH_WORDS: [&str; 42] = [
    "oauth",
    "bearer",
    "access token",
    "access_token",
    "refresh token",
    "refresh_token",
    "auth token",
    "authentication token",
    "security token",
    "session token",
    "id token",
    "invalid token",
    "token expired",
    "token has expired",
    "token is expired",
    "expired token",
    "revoked",
    "api key",
    "api-key",
    "apikey",
    "api_key",
    "api secret key",
    "credential",
    "authenticat",
    "unauthorized",
    "unauthorised",
    "not authorized",
    "not authorised",
    "only authorized",
    "authorization header",
    "authorization failed",
    "request not allowed",
    "access denied",
    "access is denied",
    "permission denied",
    "not have permission",
    "insufficient permission",
    "scope requirement",
    "insufficient scope",
    "credit balance",
    "request signature",
    "session is not fresh",
];

/// Who an account-state message speaks of, and what it says of them.
const ACCOUNTS: [&str; 4] = ["organization", "organisation", "account", "workspace"];
const STATES: [&str; 9] = [
    "disabled",
    "suspended",
    "banned",
    "deactivated",
    "terminated",
    "does not have access",
    "do not have access",
    "not allowed for",
    "not a member",
];

/// The first word of a message that finds fault with a field of the request: `messages.0.content: …`.
const FIELDS: [&str; 7] = ["messages", "tools", "system", "metadata", "max_tokens", "model", "thinking"];

/// What an error speaks about.
pub(super) fn tone(words: &Words<'_>) -> Tone {
    if speaks_of_auth(words) { Tone::Auth } else { Tone::Other }
}

fn speaks_of_auth(words: &Words<'_>) -> bool {
    let status = words.status;
    if matches!(status, 401 | 407) {
        return true;
    }
    let has = |text: &str, families: &[&str]| families.iter().any(|family| text.contains(family));
    if has(words.kind, &OTHER_TYPES) || has(words.code, &OTHER_TYPES) {
        return false;
    }
    if has(words.kind, &AUTH_TYPES) || has(words.code, &AUTH_TYPES) || words.kind == "unauthorized_client" {
        return true;
    }
    if words.challenged && words.shape == ErrorShape::Html && status < 500 {
        return true;
    }
    if status == 429 || status >= 500 {
        return false;
    }
    if words.kind == "billing_error" {
        return !has(words.message, &OTHER_WORDS);
    }
    if words.route == Route::Token && matches!(status, 400..=428) && status != 408 {
        return true;
    }
    let about_a_field = FIELDS
        .iter()
        .any(|field| words.message.strip_prefix(field).is_some_and(|rest| rest.starts_with(['.', ':', '['])));
    if about_a_field || has(words.message, &OTHER_WORDS) {
        return false;
    }
    if status == 403 && !words.kind.contains("invalid_request") {
        return true;
    }
    has(words.message, &AUTH_WORDS) || (has(words.message, &ACCOUNTS) && has(words.message, &STATES))
}
