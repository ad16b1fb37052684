//! Who is let in.

use super::answer::Request;
use super::credential::{CredentialKind, Label, Remembered};
use super::model::Model;
use crate::policy::ApiError;

/// The opt-in without which the API takes no OAuth token on inference.
const OAUTH_BETA: &str = "oauth-2025-04-20";

/// The credential a request brings, by its label; `x-api-key` is looked at before the bearer.
pub(super) fn label(model: &Model, request: &Request<'_>) -> Option<Label> {
    brought(request).map(|value| model.label(value))
}

/// Tells the credential of a request from others.
pub(super) fn identity(request: &Request<'_>) -> Option<u64> {
    brought(request).map(|value| Remembered::of(value).number())
}

fn brought<'a>(request: &Request<'a>) -> Option<&'a str> {
    request.headers.get("x-api-key").and_then(|value| value.to_str().ok()).or_else(|| bearer(request))
}

/// The value after `Bearer ` (RFC 6750 §2.1; the scheme in any case).
fn bearer<'a>(request: &Request<'a>) -> Option<&'a str> {
    let value = request.headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Whether an API key may come as a bearer: the official SDKs that ask for this version send it so.
fn takes_key_as_bearer(request: &Request<'_>) -> bool {
    request.header("anthropic-version").is_some_and(|version| version >= "2026-10-21")
}

/// Lets a request in, or says why not.
pub(super) fn admit(
    model: &mut Model,
    request: &Request<'_>,
    scope: &str,
    inference: bool,
) -> Result<CredentialKind, ApiError> {
    if model.accepts {
        return Ok(label(model, request).and_then(Label::kind).unwrap_or(CredentialKind::AccessToken));
    }
    let circumstances = model.circumstances;
    let barred = |with_key: bool| match circumstances.organization.refusal(circumstances.wording, with_key) {
        Some(error) if inference => Err(error),
        _ => Ok(()),
    };
    if let Some(key) = request.header("x-api-key") {
        if !model.api_key(key) {
            return Err(ApiError::unauthorized("invalid x-api-key"));
        }
        return barred(true).map(|()| CredentialKind::ApiKey);
    }
    let Some(token) = bearer(request) else {
        return Err(ApiError::unauthorized("x-api-key header is required"));
    };
    if takes_key_as_bearer(request) && model.api_key(token) {
        return barred(true).map(|()| CredentialKind::ApiKey);
    }
    let now = request.now;
    let wording = circumstances.wording;
    let Some(state) = model.access_token(token, now) else {
        return Err(wording.unknown());
    };
    if state.refused {
        return Err(wording.refused());
    }
    if state.revoked {
        return Err(wording.revoked());
    }
    if state.expires_at <= now {
        return Err(wording.expired());
    }
    if inference && !request.lists("anthropic-beta", OAUTH_BETA) {
        return Err(ApiError::unauthorized("OAuth authentication is currently not supported."));
    }
    if !state.scopes.split(' ').any(|held| held == scope) {
        return Err(ApiError::forbidden(&format!("OAuth token does not meet scope requirement {scope}")));
    }
    barred(false).map(|()| CredentialKind::AccessToken)
}
