//! Which endpoint answers what.

use super::access::admit;
use super::answer::{Request, Response};
use super::conversation;
use super::credential::CredentialKind;
use super::model::Model;
use super::oauth;
use crate::policy::ApiError;
use serde_json::{Value, json};

/// Hosts that have the token endpoint.
pub(super) const AUTHORIZATION_SERVERS: [&str; 2] = ["platform.claude.com", "console.anthropic.com"];

/// Asked under these names, the fake is every server at once.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// The answer of the endpoint that was asked.
pub(super) fn answer(model: &mut Model, request: &Request<'_>) -> Result<Response, ApiError> {
    if let Some(outage) = model.outage.as_ref().filter(|_| !model.accepts) {
        return Ok(outage.answer().into());
    }
    if let Some(response) = authorization(model, request) {
        return response;
    }
    api(model, request)
}

fn authorization(model: &mut Model, request: &Request<'_>) -> Option<Result<Response, ApiError>> {
    if request.method == "GET" && oauth::is_authorize_page(request) {
        return Some(oauth::authorize_page(model, request));
    }
    if !AUTHORIZATION_SERVERS.contains(&request.host) && !LOOPBACK.contains(&request.host) {
        return None;
    }
    match (request.method, request.path) {
        ("POST", "/v1/oauth/token") => Some(oauth::token(model, request)),
        ("POST", "/v1/oauth/token/revoke") => Some(oauth::revoke(model, request)),
        ("GET", "/oauth/code/callback") => Some(oauth::callback_page(request)),
        ("GET", "/oauth/code/success") => Some(Ok(oauth::page("Logged in. You can close this window."))),
        // The interactive program asks before its first screen whether it gets through.
        ("GET", "/v1/oauth/hello") => Some(ok(&json!({"message": "hello"}))),
        (_, "/v1/oauth/token" | "/v1/oauth/token/revoke") => Some(Err(wrong_method())),
        _ => None,
    }
}

fn ok(body: &Value) -> Result<Response, ApiError> {
    Ok(Response::json(200, body))
}

fn api(model: &mut Model, request: &Request<'_>) -> Result<Response, ApiError> {
    match (request.method, request.path) {
        ("POST", "/v1/messages") => conversation::messages(model, request),
        ("POST", "/v1/messages/count_tokens") => conversation::count_tokens(model, request),
        ("GET", "/v1/models") => {
            admit(model, request, "user:inference", true)?;
            ok(&json!({"data": [{"type": "model", "id": conversation::MODEL, "display_name": "Fake",
                "created_at": "2026-01-01T00:00:00Z"}], "has_more": false, "first_id": conversation::MODEL,
                "last_id": conversation::MODEL}))
        }
        ("GET", "/api/oauth/profile") => {
            admit(model, request, "user:profile", false)?;
            ok(&profile(model))
        }
        ("GET", "/api/oauth/claude_cli/roles") => {
            admit(model, request, "user:profile", false)?;
            ok(&json!({"organization_role": "admin", "workspace_role": null,
                "organization_name": "Fake organization"}))
        }
        ("POST", "/api/oauth/claude_cli/create_api_key") => {
            admit(model, request, "org:create_api_key", false)?;
            let key = model.issue(CredentialKind::ApiKey);
            ok(&json!({"raw_key": key}))
        }
        ("GET", "/api/oauth/usage") => {
            admit(model, request, "user:profile", false)?;
            ok(&json!({"five_hour": {"utilization": 4.0, "resets_at": null}, "seven_day": null}))
        }
        ("GET", "/api/organization/claude_code_first_token_date") => {
            ok(&json!({"first_token_date": "2026-01-01T00:00:00Z"}))
        }
        ("GET", "/api/claude_code/organizations/metrics_enabled") => ok(&json!({"metrics_logging_enabled": false})),
        ("GET", "/api/claude_code/policy_limits") => ok(&json!({"restrictions": {}})),
        ("GET", "/api/claude_code/settings") => Err(not_found()),
        ("GET" | "HEAD", "/" | "/api/hello") => ok(&json!({"message": "hello"})),
        ("GET", "/v1/mcp_servers") => ok(&json!({"data": [], "has_more": false})),
        ("GET", "/mcp-registry/v0/servers") => ok(&json!({"servers": [], "metadata": {"count": 0}})),
        ("GET", "/api/directory/server-urls") => ok(&json!({"urls": []})),
        ("GET", "/api/claude_cli/bootstrap" | "/api/claude_code_penguin_mode" | "/api/claude_code_grove") => {
            ok(&json!({}))
        }
        ("POST", path) if path.starts_with("/api/eval/sdk-") => ok(&json!({"features": {}})),
        ("POST", path) if path.starts_with("/api/event_logging/") => {
            ok(&json!({"accepted_count": 0, "rejected_count": 0}))
        }
        (_, path) if TAKES_POST.contains(&path) || TAKES_GET.contains(&path) => Err(wrong_method()),
        _ => Err(not_found()),
    }
}

fn profile(model: &Model) -> Value {
    json!({
        "account": {
            "uuid": model.seed.uuid("account", 0), "full_name": "Fake Person", "display_name": "Fake",
            "email": "person@fake.invalid", "has_claude_max": true, "has_claude_pro": false,
            "created_at": "2025-01-01T00:00:00Z",
        },
        "organization": {
            "uuid": model.organization(), "name": "Fake organization", "organization_type": "claude_max",
            "billing_type": "stripe_subscription", "rate_limit_tier": "default_claude_max_5x",
            "has_extra_usage_enabled": false, "subscription_status": "active",
        },
        "application": {"uuid": "9d1c250a-e61b-44d9-88ed-5944d1962f5e", "name": "Claude Code",
            "slug": "claude-code"},
    })
}

/// Endpoints that are there, and take one method alone.
const TAKES_POST: [&str; 3] = ["/v1/messages", "/v1/messages/count_tokens", "/api/oauth/claude_cli/create_api_key"];
const TAKES_GET: [&str; 4] = ["/v1/models", "/api/oauth/profile", "/api/oauth/claude_cli/roles", "/api/oauth/usage"];

fn wrong_method() -> ApiError {
    ApiError { should_retry: Some(false), ..ApiError::new(405, "invalid_request_error", "Method Not Allowed") }
}

fn not_found() -> ApiError {
    ApiError { should_retry: Some(false), ..ApiError::new(404, "not_found_error", "Not found") }
}
