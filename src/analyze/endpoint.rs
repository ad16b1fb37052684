//! What a request is for, told from its host and path.

use crate::trace::Exchange;

/// Whose host it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// The API, the login and the web site of Anthropic (FAILURE_MODES §1.3).
    Anthropic,
    /// A cloud that serves the models under its own credentials, or its login.
    Cloud,
    /// An MCP server or its authorization server.
    Mcp,
    /// A host that is asked for messages in place of the API.
    Gateway,
    /// Something else.
    Other,
}

/// What it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/v1/messages` and what belongs to it: what the user is waiting for.
    Messages,
    /// Issues tokens.
    Token,
    /// Ends a token.
    Revoke,
    /// Asks for consent.
    Authorize,
    /// Makes an API key of a login.
    CreateApiKey,
    /// What a login asks right after the token: profile, roles.
    Profile,
    /// Roles of the account.
    Roles,
    /// What is asked for comfort: usage, settings, feature flags.
    Side,
    /// Remote sessions and environments, which have credentials and servers of their own.
    Sessions,
    /// Events about the client's own working.
    Telemetry,
    /// Asks whether the server is there, without a credential.
    Hello,
    /// Anything else.
    Other,
}

const ANTHROPIC: [&str; 3] = ["anthropic.com", "claude.ai", "claude.com"];

/// Hosts of clouds and of their logins, by their ends.
const CLOUDS: [&str; 9] = [
    "amazonaws.com",
    "api.aws",
    "awsapps.com",
    "googleapis.com",
    "accounts.google.com",
    "azure.com",
    "microsoftonline.com",
    "windows.net",
    "metadata.google.internal",
];

/// Sites whose tokens have nothing to do with the model or with an MCP server.
const BYSTANDERS: [&str; 5] =
    ["github.com", "githubusercontent.com", "npmjs.org", "datadoghq.com", "storage.googleapis.com"];

/// Sites of Anthropic that hold files and pages for everybody, by the front of their names.
const SITES: [&str; 8] = ["assets", "code", "docs", "downloads", "statsig", "status", "support", "www"];

/// Whose host a request went to.
#[must_use]
pub fn provider(exchange: &Exchange) -> Provider {
    let host = exchange.request.host.as_str();
    if is_anthropic(host) {
        return Provider::Anthropic;
    }
    if is_site(host) || BYSTANDERS.iter().any(|end| is_below(host, end)) {
        return Provider::Other;
    }
    if CLOUDS.iter().any(|end| is_below(host, end)) {
        return Provider::Cloud;
    }
    let path = path(exchange);
    if is_messages(path) || path.ends_with("/chat/completions") || path.ends_with("/v1/models") {
        return Provider::Gateway;
    }
    let of_mcp = has_label(host, "mcp") || path.split('/').any(|part| part == "mcp" || part == "sse");
    if of_mcp || matches!(endpoint(exchange), Endpoint::Token | Endpoint::Authorize | Endpoint::Revoke) {
        return Provider::Mcp;
    }
    Provider::Other
}

pub(super) fn is_anthropic(host: &str) -> bool {
    ANTHROPIC.iter().any(|end| is_below(host, end)) && host != "mcp-proxy.anthropic.com" && !is_site(host)
}

/// Whether it is a site that asks nobody for a credential: a refusal there is none of the login.
fn is_site(host: &str) -> bool {
    let front = ANTHROPIC.iter().find_map(|end| host.strip_suffix(end)?.strip_suffix('.'));
    front.is_some_and(|front| SITES.contains(&front))
}

/// What a request is for.
#[must_use]
pub fn endpoint(exchange: &Exchange) -> Endpoint {
    let path = path(exchange);
    let path = path.strip_suffix('/').filter(|shorter| !shorter.is_empty()).unwrap_or(path);
    if is_messages(path) {
        return Endpoint::Messages;
    }
    if path.starts_with("/api/event_logging/") {
        return Endpoint::Telemetry;
    }
    if path.ends_with("/oauth/token")
        || path.ends_with("/oauth2/token")
        || path.ends_with("/oauth2/v4/token")
        || path == "/token"
        || path.ends_with("/oauth/access_token")
        || path.ends_with("/openid-connect/token")
    {
        return Endpoint::Token;
    }
    match path.rsplit('/').next().unwrap_or_default() {
        "revoke" => Endpoint::Revoke,
        "authorize" => Endpoint::Authorize,
        "create_api_key" => Endpoint::CreateApiKey,
        "roles" if path.starts_with("/api/oauth/") => Endpoint::Roles,
        "profile" if path.starts_with("/api/oauth/") => Endpoint::Profile,
        "hello" => Endpoint::Hello,
        _ if ["/v1/code/", "/v1/sessions", "/v1/environments", "/v1/session_ingress", "/v1/environment_providers"]
            .iter()
            .any(|start| path.starts_with(start)) =>
        {
            Endpoint::Sessions
        }
        _ if path.starts_with("/api/") || path.starts_with("/mcp-registry/") => Endpoint::Side,
        _ => Endpoint::Other,
    }
}

/// The path without the query.
pub(super) fn path(exchange: &Exchange) -> &str {
    let path = exchange.request.path.as_str();
    path.split('?').next().unwrap_or(path)
}

/// Whether a request matters for the login, and comes in an order that a client keeps: messages, token requests, keys.
/// What is asked for comfort, telemetry and the profile come when they come.
#[must_use]
pub fn matters(exchange: &Exchange) -> bool {
    match endpoint(exchange) {
        Endpoint::Messages | Endpoint::Token | Endpoint::Revoke | Endpoint::CreateApiKey => true,
        Endpoint::Authorize => provider(exchange) != Provider::Other,
        _ => false,
    }
}

/// Whether the host is Anthropic's, whatever it is for.
#[must_use]
pub fn is_ours(host: &str) -> bool {
    ANTHROPIC.iter().chain(&["claudeusercontent.com"]).any(|end| is_below(host, end))
}

fn is_messages(path: &str) -> bool {
    path.ends_with("/v1/messages") || path.ends_with("/v1/messages/count_tokens") || path.ends_with("/v1/complete")
}

fn is_below(host: &str, end: &str) -> bool {
    host.strip_suffix(end).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// Whether a label of the host is `word`, or begins or ends with it at a hyphen.
fn has_label(host: &str, word: &str) -> bool {
    let fits = |label: &str| {
        label == word
            || label.strip_prefix(word).is_some_and(|rest| rest.starts_with('-'))
            || label.strip_suffix(word).is_some_and(|rest| rest.ends_with('-'))
    };
    host.split('.').any(fits)
}
