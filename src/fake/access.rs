//! The API's error answers, and who is let in.

use super::answer::{Request, Response};
use super::coding::Coding;
use super::credential::{CredentialKind, Label};
use super::model::Model;
use serde_json::{Value, json};

/// The opt-in without which the API takes no OAuth token on inference.
const OAUTH_BETA: &str = "oauth-2025-04-20";

/// What stands around the error object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Envelope {
    /// `{"type":"error","error":{…}}`, the documented shape.
    #[default]
    Typed,
    /// `{"error":{…}}`, as the edge and the token endpoint's rate limit answer.
    Untyped,
    /// `{"error": "…", "error_description": "…"}` (RFC 6749 §5.2), with the spaces the token endpoint writes.
    OAuth,
}

/// Where the request id shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestIdShape {
    /// In the `request-id` header field and in the body.
    #[default]
    Present,
    /// `null` in the body, and in no header field.
    Null,
    /// Nowhere.
    Missing,
}

/// An error answer of the API or of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The status code.
    pub status: u16,
    /// `error.type`, such as `authentication_error`.
    pub kind: String,
    /// `error.message`.
    pub message: String,
    /// The shape of the body.
    pub envelope: Envelope,
    /// Where the request id shows.
    pub request_id: RequestIdShape,
    /// The value of `x-should-retry`, if it is sent.
    pub should_retry: Option<bool>,
    /// The value of `retry-after` in seconds, if it is sent.
    pub retry_after: Option<u32>,
    /// How the body is compressed.
    pub coding: Coding,
}

impl ApiError {
    /// An error in the documented shape with a request id.
    #[must_use]
    pub fn new(status: u16, kind: &str, message: &str) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            message: message.to_owned(),
            envelope: Envelope::Typed,
            request_id: RequestIdShape::Present,
            should_retry: None,
            retry_after: None,
            coding: Coding::Identity,
        }
    }

    /// 401 `authentication_error`.
    #[must_use]
    pub fn unauthorized(message: &str) -> Self {
        Self::new(401, "authentication_error", message)
    }

    /// 403 `permission_error`, not to be tried again.
    #[must_use]
    pub fn forbidden(message: &str) -> Self {
        Self { should_retry: Some(false), ..Self::new(403, "permission_error", message) }
    }

    /// 400 `invalid_grant` of the token endpoint for a refresh token that is no longer one.
    #[must_use]
    pub fn invalid_grant() -> Self {
        Self {
            envelope: Envelope::OAuth,
            request_id: RequestIdShape::Missing,
            ..Self::new(400, "invalid_grant", "Refresh token not found or invalid")
        }
    }

    /// The same with the request id shown otherwise.
    #[must_use]
    pub fn with_request_id(self, request_id: RequestIdShape) -> Self {
        Self { request_id, ..self }
    }

    /// The same in another shape.
    #[must_use]
    pub fn with_envelope(self, envelope: Envelope) -> Self {
        Self { envelope, ..self }
    }

    /// The same, compressed.
    #[must_use]
    pub fn with_coding(self, coding: Coding) -> Self {
        Self { coding, ..self }
    }

    /// The error object, as it also stands in an event stream.
    pub(super) fn object(&self) -> Value {
        json!({"type": self.kind, "message": self.message})
    }

    /// The answer, given the id of the request.
    pub(super) fn response(&self, request_id: &str) -> Response {
        let text = match self.envelope {
            // In the order of the real ones, type first.
            Envelope::Typed | Envelope::Untyped => {
                let outer = if self.envelope == Envelope::Typed { r#""type":"error","# } else { "" };
                let id = match self.request_id {
                    RequestIdShape::Present => format!(r#","request_id":{}"#, json!(request_id)),
                    RequestIdShape::Null => r#","request_id":null"#.to_owned(),
                    RequestIdShape::Missing => String::new(),
                };
                let (kind, message) = (json!(self.kind), json!(self.message));
                format!(r#"{{{outer}"error":{{"type":{kind},"message":{message}}}{id}}}"#)
            }
            Envelope::OAuth => {
                format!(r#"{{"error": {}, "error_description": {}}}"#, json!(self.kind), json!(self.message))
            }
        };
        let mut response = Response::text(self.status, "application/json", self.coding.encode(text.as_bytes()));
        if let Some(name) = self.coding.name() {
            response.headers.push(("content-encoding", name.to_owned()));
        }
        if self.request_id == RequestIdShape::Present {
            response.headers.push(("request-id", request_id.to_owned()));
        }
        if let Some(again) = self.should_retry {
            response.headers.push(("x-should-retry", again.to_string()));
        }
        if let Some(seconds) = self.retry_after {
            response.headers.push(("retry-after", seconds.to_string()));
        }
        response
    }
}

/// The credential a request brings, by its label; `x-api-key` is looked at before the bearer.
pub(super) fn label(model: &Model, request: &Request<'_>) -> Option<Label> {
    let value = request.header("x-api-key").or_else(|| bearer(request))?;
    Some(model.label(value))
}

/// The value after `Bearer ` (RFC 6750 §2.1; the scheme in any case).
fn bearer<'a>(request: &Request<'a>) -> Option<&'a str> {
    let value = request.headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Lets a request in, or says why not.
pub(super) fn admit(
    model: &mut Model,
    request: &Request<'_>,
    scope: &str,
    inference: bool,
) -> Result<CredentialKind, ApiError> {
    if let Some(key) = request.header("x-api-key") {
        return match model.api_key(key) {
            true => Ok(CredentialKind::ApiKey),
            false => Err(ApiError::unauthorized("invalid x-api-key")),
        };
    }
    let Some(token) = bearer(request) else {
        return Err(ApiError::unauthorized("x-api-key header is required"));
    };
    let now = request.now;
    let Some(state) = model.access_token(token, now) else {
        return Err(ApiError::unauthorized("Invalid bearer token"));
    };
    if state.refused {
        return Err(ApiError::unauthorized("Invalid authentication credentials"));
    }
    if state.revoked {
        let error = ApiError::unauthorized("OAuth access token has been revoked.");
        return Err(error.with_request_id(RequestIdShape::Null));
    }
    if state.expires_at <= now {
        let error = ApiError::unauthorized("OAuth access token has expired. Re-authenticate to continue.");
        return Err(error.with_request_id(RequestIdShape::Null));
    }
    if inference && !request.lists("anthropic-beta", OAUTH_BETA) {
        return Err(ApiError::unauthorized("OAuth authentication is currently not supported."));
    }
    if !state.scopes.split(' ').any(|held| held == scope) {
        return Err(ApiError::forbidden(&format!("OAuth token does not meet scope requirement {scope}")));
    }
    Ok(CredentialKind::AccessToken)
}
