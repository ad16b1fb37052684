//! Names from closed lists: error types, grant types, scopes, events, models, JSON keys.

use super::redacted::Redacted;
use super::redactor::Redactor;
use super::syntax;
use super::words;

/// `error.type` of the Claude API, and the classes that other services use in its place.
pub(super) const ERROR_TYPES: &[&str] = &[
    "error",
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "api_error",
    "timeout_error",
    "overloaded_error",
    "forbidden",
    "session_stale_relogin",
    "auth_error",
    "invalid_api_key",
    "server_error",
    "internal_server_error",
    "unauthorized",
    "UnrecognizedClientException",
    "UnauthorizedException",
    "AccessDeniedException",
    "ExpiredTokenException",
    "ThrottlingException",
    "ValidationException",
    "InvalidSignatureException",
    "oauth_org_not_allowed",
    "not_found",
    "bad_request",
    "token_expired",
    "None",
    "auth",
    "proxy_error",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "INVALID_ARGUMENT",
    "authentication_failed",
    "insufficient_quota",
    "mfa_required",
    "account_session_invalid",
    "login_required_error",
    "model_not_found",
    "invalid_model",
    "permission_denied",
];

/// `error` of token endpoints and of bearer challenges: RFC 6749 §5.2, RFC 6750 §3.1, RFC 7009, RFC 8628, OpenID Connect.
pub(super) const OAUTH_ERRORS: &[&str] = &[
    "invalid_grant",
    "invalid_request",
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_token",
    "insufficient_scope",
    "access_denied",
    "server_error",
    "temporarily_unavailable",
    "unsupported_response_type",
    "unsupported_token_type",
    "authorization_pending",
    "slow_down",
    "expired_token",
    "invalid_target",
    "invalid_redirect_uri",
    "invalid_client_metadata",
    "login_required",
    "interaction_required",
    "consent_required",
    "invalid_rapt",
    "rate_limit_error",
    "invalid_request_error",
];

pub(super) const GRANT_TYPES: &[&str] = &[
    "refresh_token",
    "authorization_code",
    "client_credentials",
    "password",
    "implicit",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
];

pub(super) const SCOPES: &[&str] = &[
    "org:create_api_key",
    "user:profile",
    "user:inference",
    "user:sessions:claude_code",
    "user:mcp_servers",
    "user:file_upload",
    "user:plugins",
    "user:privacy_consents:write",
    "user:office",
    "openid",
    "email",
    "profile",
    "offline_access",
    "read",
    "write",
    "mcp",
    "admin",
    "org:admin",
    "org:service_key_inference",
    "workspace:inference",
    "workspace:developer",
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
];

/// Event names of streamed answers, and stop reasons.
pub(super) const EVENTS: &[&str] = &[
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
    "completion",
    "message",
    "done",
    "endpoint",
    "close",
    "open",
    "text_delta",
    "input_json_delta",
    "thinking_delta",
    "signature_delta",
];

pub(super) const STOP_REASONS: &[&str] = &[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
    "compaction",
];

/// The public client identifiers of Claude Code.
pub(super) const CLIENT_IDS: &[&str] =
    &["9d1c250a-e61b-44d9-88ed-5944d1962f5e", "22422756-60c9-4084-8eb7-27705fd5cf9a"];

/// Keys of the JSON bodies whose structure is recorded.
pub(super) const JSON_KEYS: &[&str] = &[
    "type",
    "error",
    "message",
    "request_id",
    "details",
    "error_code",
    "error_description",
    "error_uri",
    "code",
    "status",
    "grant_type",
    "refresh_token",
    "access_token",
    "client_id",
    "client_secret",
    "redirect_uri",
    "code_verifier",
    "code_challenge",
    "code_challenge_method",
    "state",
    "scope",
    "scopes",
    "token",
    "token_type",
    "token_type_hint",
    "expires_in",
    "expires_at",
    "refresh_token_expires_in",
    "organization",
    "account",
    "uuid",
    "name",
    "email",
    "email_address",
    "raw_key",
    "id_token",
    "resource",
    "audience",
    "assertion",
    "client_assertion",
    "client_assertion_type",
    "device_code",
    "user_code",
    "verification_uri",
    "interval",
    "subject_token",
    "requested_token_type",
    "role",
    "model",
    "stream",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "metadata",
    "user_id",
    "usage",
    "stop_reason",
    "id",
    "content",
    "index",
    "delta",
    "content_block",
    "text",
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "param",
    "detail",
    "title",
    "reason",
    "retryable",
    "errors",
    "success",
    "data",
    "result",
    "version",
    "registration_access_token",
    "__type",
    "Message",
    "error_subtype",
    "response_type",
    "organization_uuid",
    "workspace",
    "subscription_type",
    "rate_limit_tier",
    "issued_token_type",
    "ok",
];

impl Redactor {
    /// `value` if it is one of `allowed`, else a fingerprint.
    #[must_use]
    pub fn identifier(&self, value: &str, allowed: &[&'static str]) -> Redacted {
        match allowed.iter().find(|word| **word == value) {
            Some(word) => Redacted::literal(word),
            None => Redacted::vouched(&self.opaque(value.as_bytes())),
        }
    }

    /// `error.type`, or the class that another service puts there.
    #[must_use]
    pub fn error_type(&self, value: &str) -> Redacted {
        self.one_of(value, &[ERROR_TYPES, OAUTH_ERRORS])
    }

    /// `error` of a token endpoint.
    #[must_use]
    pub fn oauth_error(&self, value: &str) -> Redacted {
        self.one_of(value, &[OAUTH_ERRORS, ERROR_TYPES])
    }

    /// `grant_type` of a token request.
    #[must_use]
    pub fn grant_type(&self, value: &str) -> Redacted {
        self.identifier(value, GRANT_TYPES)
    }

    /// A list of scopes separated by spaces, judged one by one.
    #[must_use]
    pub fn scope(&self, value: &str) -> Redacted {
        let words: Vec<String> = super::marker::split(value.as_bytes(), b' ')
            .into_iter()
            .map(|word| match std::str::from_utf8(word) {
                Ok(text) if SCOPES.contains(&text) => text.to_owned(),
                _ => self.opaque(word),
            })
            .collect();
        Redacted::vouched(&words.join(" "))
    }

    /// The name of a streamed event.
    #[must_use]
    pub fn event_name(&self, value: &str) -> Redacted {
        self.identifier(value, EVENTS)
    }

    /// `stop_reason` of a message.
    #[must_use]
    pub fn stop_reason(&self, value: &str) -> Redacted {
        self.identifier(value, STOP_REASONS)
    }

    /// A model's name.
    #[must_use]
    pub fn model(&self, value: &str) -> Redacted {
        self.verbatim_if(value, is_model(value))
    }

    /// A request id, in a header or a body.
    #[must_use]
    pub fn request_id(&self, value: &str) -> Redacted {
        self.verbatim_if(value, syntax::request_id(value.as_bytes()))
    }

    /// The id that an edge gave a request (`cf-ray`).
    #[must_use]
    pub fn edge_id(&self, value: &str) -> Redacted {
        self.verbatim_if(value, syntax::cf_ray(value.as_bytes()))
    }

    /// An OAuth client id: the public ones stand, others are fingerprinted.
    #[must_use]
    pub fn client_id(&self, value: &str) -> Redacted {
        self.identifier(value, CLIENT_IDS)
    }

    /// A key of a JSON object.
    #[must_use]
    pub fn json_key(&self, value: &str) -> Redacted {
        match JSON_KEYS.iter().find(|key| **key == value) {
            Some(key) => Redacted::literal(key),
            None => Redacted::vouched(&self.labelled("key", value.as_bytes())),
        }
    }

    fn one_of(&self, value: &str, lists: &[&[&'static str]]) -> Redacted {
        match lists.iter().flat_map(|list| list.iter()).find(|word| **word == value) {
            Some(word) => Redacted::literal(word),
            None => Redacted::vouched(&self.opaque(value.as_bytes())),
        }
    }

    pub(super) fn verbatim_if(&self, value: &str, plain: bool) -> Redacted {
        if plain { Redacted::vouched(value) } else { Redacted::vouched(&self.opaque(value.as_bytes())) }
    }
}

/// `claude-sonnet-4-5-20250929`, `us.anthropic.claude-opus-4-1-20250805-v1:0`, `claude-haiku-4-5@20251001`, `claude-opus-4-6[1m]`.
pub(super) fn is_model(name: &str) -> bool {
    const REGIONS: &[&str] = &["us", "eu", "apac", "jp", "au", "global", "us-gov"];
    if name.len() > 80 {
        return false;
    }
    let name = name.strip_suffix("[1m]").unwrap_or(name);
    let name = match name.split_once("anthropic.") {
        Some(("", rest)) => rest,
        Some((region, rest)) if region.strip_suffix('.').is_some_and(|r| REGIONS.contains(&r)) => rest,
        Some(_) => return false,
        None => name.strip_prefix("anthropic/").unwrap_or(name),
    };
    let Some(rest) = name.strip_prefix("claude-") else {
        return false;
    };
    let (rest, revision) = match rest.rsplit_once(':') {
        Some((rest, revision)) => (rest, Some(revision)),
        None => (rest, None),
    };
    let small = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    let dated = |text: &str| text.len() == 8 && text.starts_with("20") && text.bytes().all(|b| b.is_ascii_digit());
    let dotted = |text: &str| text.split('.').count() <= 2 && text.split('.').all(small);
    let part = |text: &str| {
        small(text)
            || dated(text)
            || dotted(text)
            || text.strip_prefix('v').is_some_and(small)
            || words::is_family(text)
    };
    revision.is_none_or(small) && rest.split(['-', '@']).count() <= 7 && rest.split(['-', '@']).all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_known_by_their_parts() {
        for good in [
            "claude-opus-4",
            "claude-sonnet-4-5-20250929",
            "claude-3-5-haiku-latest",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "claude-haiku-4-5@20251001",
            "claude-opus-4-6[1m]",
            "anthropic/claude-opus-4.1",
        ] {
            assert!(is_model(good), "{good}");
        }
        for bad in [
            "claude-",
            "claude-hunter2FAKE",
            "gpt-4o",
            "xx.anthropic.claude-opus-4",
            "claude-opus-4-12345678",
            "claude-a-b",
        ] {
            assert!(!is_model(bad), "{bad}");
        }
    }

    #[test]
    fn closed_lists_stand_and_all_else_is_a_fingerprint() {
        let r = Redactor::plain();
        assert_eq!(r.error_type("authentication_error"), "authentication_error");
        assert_eq!(r.oauth_error("invalid_grant"), "invalid_grant");
        assert_eq!(r.grant_type("refresh_token"), "refresh_token");
        assert_eq!(r.scope("user:profile user:inference"), "user:profile user:inference");
        assert_eq!(r.client_id("9d1c250a-e61b-44d9-88ed-5944d1962f5e"), "9d1c250a-e61b-44d9-88ed-5944d1962f5e");
        assert_eq!(r.json_key("refresh_token"), "refresh_token");
        for text in [
            r.error_type("hunter2FAKE"),
            r.client_id("FAKE"),
            r.model("FAKE"),
            r.json_key("FAKE"),
            r.scope("user:profile FAKE"),
        ] {
            assert!(text.as_str().contains("fp=") && !text.as_str().contains("FAKE"), "{text}");
        }
    }
}
