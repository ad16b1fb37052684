//! The token endpoint: grants, rotation, revocation.

use super::answer::{Request, Response};
use super::circumstances::Reuse;
use super::credential::{CredentialKind, Label, Remembered};
use super::model::{FULL_SCOPES, Model, later};
use super::routes::AUTHORIZATION_SERVERS;
use crate::policy::{ApiError, Envelope, Grant, RequestIdShape};
use crate::trace::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The grant of a token request, if it is one.
pub(super) fn grant(request: &Request<'_>) -> Option<Grant> {
    if request.method != "POST" || request.path != "/v1/oauth/token" {
        return None;
    }
    match Fields::of(request).text("grant_type").as_str() {
        "authorization_code" => Some(Grant::AuthorizationCode),
        "refresh_token" => Some(Grant::RefreshToken),
        _ => None,
    }
}

/// The credential a token or revocation request has in its body.
pub(super) fn label(model: &Model, request: &Request<'_>) -> Option<Label> {
    brought(request).map(|value| model.label(&value))
}

/// Tells the credential in the body from others.
pub(super) fn identity(request: &Request<'_>) -> Option<u64> {
    brought(request).map(|value| Remembered::of(&value).number())
}

fn brought(request: &Request<'_>) -> Option<String> {
    if !request.path.starts_with("/v1/oauth/token") || request.method != "POST" {
        return None;
    }
    let fields = Fields::of(request);
    let named = |name: &str| Some(fields.text(name)).filter(|value| !value.is_empty());
    let value = named("refresh_token").or_else(|| named("token")).or_else(|| named("code"))?;
    // A pasted code may come with the state behind it.
    Some(value.split('#').next().unwrap_or_default().to_owned())
}

/// Where a browser is sent to log in.
pub(super) fn is_authorize_page(request: &Request<'_>) -> bool {
    matches!(
        (request.host, request.path),
        ("claude.ai" | "platform.claude.com" | "console.anthropic.com", "/oauth/authorize")
            | ("claude.com", "/cai/oauth/authorize")
    )
}

/// The page on which a person agrees; this one agrees at once (RFC 6749 §4.1.2, RFC 7636 §4.3).
pub(super) fn authorize_page(model: &mut Model, request: &Request<'_>) -> Result<Response, ApiError> {
    let query = Fields::of_form(request.query.unwrap_or_default());
    let (redirect, state) = (query.text("redirect_uri"), query.text("state"));
    let returns = redirect.starts_with("http://localhost:")
        || redirect.starts_with("http://127.0.0.1:")
        || AUTHORIZATION_SERVERS.iter().any(|host| redirect == format!("https://{host}/oauth/code/callback"));
    let proof = query.text("code_challenge_method") == "S256" && !query.text("code_challenge").is_empty();
    if query.text("response_type") != "code" || query.text("client_id").is_empty() || state.is_empty() {
        return Err(malformed());
    }
    if !returns || !proof {
        return Err(malformed());
    }
    let code = model.authorize(&state, Some(&query.text("code_challenge")), &query.text("scope"));
    let state = utf8_percent_encode(&state, NON_ALPHANUMERIC);
    let mut response = page("You are being sent back.");
    response.status = 302;
    response.headers.push(("location".into(), format!("{redirect}?code={code}&state={state}")));
    Ok(response)
}

/// Shows the code to whoever has to paste it.
pub(super) fn callback_page(request: &Request<'_>) -> Result<Response, ApiError> {
    let query = Fields::of_form(request.query.unwrap_or_default());
    let (code, state) = (query.text("code"), query.text("state"));
    if code.is_empty() || state.is_empty() {
        return Err(malformed());
    }
    Ok(page(&format!("Paste this into Claude Code: {code}#{state}")))
}

/// A page that says one thing.
pub(super) fn page(text: &str) -> Response {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    Response::text(200, "text/html; charset=utf-8", format!("<!DOCTYPE html><title>Fake</title><p>{text}</p>\n"))
}

/// `POST /v1/oauth/token`.
pub(super) fn token(model: &mut Model, request: &Request<'_>) -> Result<Response, ApiError> {
    let fields = Fields::of(request);
    match fields.text("grant_type").as_str() {
        _ if fields.text("client_id").is_empty() => Err(malformed()),
        "refresh_token" => refresh(model, &fields, request.now),
        "authorization_code" => exchange(model, &fields, request.now),
        _ => Err(malformed()),
    }
}

/// `POST /v1/oauth/token/revoke` (RFC 7009 §2.2: 200 whether the token was known or not).
pub(super) fn revoke(model: &mut Model, request: &Request<'_>) -> Result<Response, ApiError> {
    let value = Fields::of(request).text("token");
    match model.label(&value) {
        Label::Known(CredentialKind::RefreshToken, index) => {
            if let Some(family) = model.refresh.get(index).map(|token| token.family) {
                model.revoke_family(family);
            }
        }
        Label::Known(CredentialKind::AccessToken, index) => model.revoke(index),
        _ => {}
    }
    Ok(Response::json(200, &json!({})))
}

fn refresh(model: &mut Model, fields: &Fields, now: Timestamp) -> Result<Response, ApiError> {
    let rotates = model.terms.rotates;
    let Some(index) = model.refresh_token(&fields.text("refresh_token")) else {
        return if model.accepts {
            Ok(grant_to_stranger(model, "", rotates, now))
        } else {
            Err(ApiError::invalid_grant())
        };
    };
    let accepts = model.accepts;
    let token = model.refresh.get_mut(index).ok_or_else(ApiError::invalid_grant)?;
    if (token.spent || token.revoked) && !accepts {
        if token.spent && model.circumstances.reuse == Reuse::RevokesFamily {
            let family = token.family;
            model.revoke_family(family);
        }
        return Err(ApiError::invalid_grant());
    }
    token.spent = rotates;
    let (family, scopes) = (token.family, token.scopes.clone());
    Ok(grant_tokens(model, family, &scopes, rotates, model.terms.lifetime, now))
}

fn exchange(model: &mut Model, fields: &Fields, now: Timestamp) -> Result<Response, ApiError> {
    let refused = || ApiError {
        envelope: Envelope::OAuth,
        request_id: RequestIdShape::Missing,
        ..ApiError::new(400, "invalid_grant", "Invalid 'code' in request.")
    };
    if model.accepts {
        return Ok(grant_to_stranger(model, &fields.text("scope"), true, now));
    }
    let value = fields.text("code");
    let (Label::Known(CredentialKind::Code, index), state) = (model.label(&value), fields.text("state")) else {
        return Err(refused());
    };
    let code = model.codes.get_mut(index).ok_or_else(refused)?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(fields.text("code_verifier").as_bytes()));
    let proven = code.challenge.as_ref().is_none_or(|asked| *asked == challenge);
    if code.spent || code.state != state || !proven {
        return Err(refused());
    }
    code.spent = true;
    let scopes = code.scopes.clone();
    let lifetime = fields.number("expires_in").unwrap_or(model.terms.lifetime);
    let family = model.refresh.len();
    Ok(grant_tokens(model, family, &scopes, true, lifetime, now))
}

/// Tokens for whoever asks; the login begins with them.
fn grant_to_stranger(model: &mut Model, scopes: &str, with_refresh: bool, now: Timestamp) -> Response {
    let family = model.refresh.len();
    grant_tokens(model, family, scopes, with_refresh, model.terms.lifetime, now)
}

fn grant_tokens(
    model: &mut Model,
    family: usize,
    scopes: &str,
    with_refresh: bool,
    lifetime: u32,
    now: Timestamp,
) -> Response {
    let scopes = if scopes.is_empty() { FULL_SCOPES } else { scopes };
    let expires_at = later(now, i64::from(lifetime));
    let mut body = json!({
        "token_type": "Bearer",
        "access_token": model.issue_access(expires_at, scopes, family),
        "expires_in": lifetime,
        "scope": scopes,
        "organization": {"uuid": model.organization(), "name": "Fake organization"},
        "account": {"uuid": model.seed.uuid("account", 0), "email_address": "person@fake.invalid"},
    });
    if with_refresh && let Some(fields) = body.as_object_mut() {
        fields.insert("refresh_token".to_owned(), json!(model.issue_refresh(scopes, family)));
    }
    let mut response = Response::json(200, &body);
    response.headers.push(("cache-control".into(), "no-store".to_owned()));
    response
}

fn malformed() -> ApiError {
    ApiError::new(400, "invalid_request_error", "Invalid request format").with_request_id(RequestIdShape::Missing)
}

/// The fields of a body, JSON or form-encoded.
pub(super) struct Fields(Value);

impl Fields {
    fn of(request: &Request<'_>) -> Self {
        let form = request.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form"));
        if !form {
            return Self(request.json());
        }
        Self::of_form(&String::from_utf8_lossy(request.body))
    }

    pub(super) fn of_form(text: &str) -> Self {
        let decoded = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decoded(name), Value::String(decoded(value)))).collect())
    }

    /// Empty if it is missing or not text.
    pub(super) fn text(&self, name: &str) -> String {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn number(&self, name: &str) -> Option<u32> {
        let value = self.0.get(name)?;
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
        u32::try_from(number).ok()
    }
}
