//! What people paste, and what it may stand for.

use super::*;
use proptest::prelude::*;

/// Texts, and the codes that have to come first for each, in this order.
const TEXTS: &[(&str, &[Code])] = &[
    // Texts of the client that never cross the wire.
    ("Not logged in · Please run /login", &[Code::NoAuthenticatedRequest]),
    ("Login expired · Please run /login", &[Code::RefreshTokenInvalid, Code::RefreshRace, Code::RefreshResultLost]),
    ("OAuth token revoked · Please run /login", &[Code::TokenRevoked, Code::RefreshRace]),
    (
        "Invalid API key · Fix external API key",
        &[Code::ApiKeyInvalid, Code::CredentialInWrongHeader, Code::EnvCredentialShadowsLogin],
    ),
    ("Missing API key · Run /login", &[Code::NoAuthenticatedRequest, Code::ApikeyhelperStale]),
    (
        "Could not resolve authentication method. Expected either apiKey or authToken to be set.",
        &[Code::NoAuthenticatedRequest, Code::AccessTokenExpiredNotRefreshed],
    ),
    (
        "Failed to authenticate: OAuth session expired and could not be refreshed",
        &[Code::RefreshTokenInvalid, Code::RefreshRace, Code::RefreshResultLost, Code::TokenRevoked],
    ),
    (
        "OAuth refresh token is no longer valid; run /login to re-authenticate",
        &[Code::RefreshTokenInvalid, Code::RefreshRace, Code::RefreshResultLost],
    ),
    ("OAuth error: timeout of 15000ms exceeded", &[Code::TokenEndpointOutage, Code::RefreshNetworkFailure]),
    ("OAuth error: Request failed with status code 400", &[Code::TokenRequestRejected]),
    ("OAuth error: Request failed with status code 403", &[Code::RequestForbiddenEdge, Code::EdgeChallengeHtml]),
    ("OAuth error: Request failed with status code 429", &[Code::TokenEndpointRateLimited]),
    ("OAuth error: Request failed with status code 500", &[Code::TokenEndpointOutage]),
    ("Failed to fetch user roles: Request failed with status code 500", &[Code::PostLoginBootstrapFailed]),
    (
        "Your organization has disabled Claude subscription access for Claude Code · Use an Anthropic API key instead",
        &[Code::OauthNotAllowedForOrg],
    ),
    ("TypeError: Header '14' has invalid value: 'Bearer ***'", &[Code::NoAuthenticatedRequest, Code::BearerMalformed]),
    ("oauth_org_not_allowed", &[Code::OauthNotAllowedForOrg]),
    ("Credit balance is too low", &[Code::CreditBalanceTooLow, Code::EnvCredentialShadowsLogin]),
    (
        "Unable to create API key. The server accepted the request but didn't return a key.",
        &[Code::PostLoginBootstrapFailed],
    ),
    (
        "Failed to fetch session from Sessions API: Request failed with status code 401",
        &[Code::AccessTokenExpiredNotRefreshed],
    ),
    // Messages of the server.
    (
        r#"API Error: 401 {"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired. Please obtain a new token or refresh your existing token."},"request_id":"req_011CFAKE"}"#,
        &[Code::AccessTokenExpiredNotRefreshed, Code::RefreshTokenInvalid, Code::RefreshRace],
    ),
    (
        "Failed to authenticate. API Error: 401 OAuth access token has expired. Re-authenticate to continue.",
        &[Code::AccessTokenExpiredNotRefreshed, Code::RefreshTokenInvalid],
    ),
    (
        "Please run /login · API Error: 401 Invalid authentication credentials",
        &[Code::TokenRejectedBeforeExpiry, Code::FreshTokenRejected, Code::StaticTokenRejected],
    ),
    (
        "Failed to authenticate. API Error: 401 Invalid bearer token",
        &[Code::StaticTokenRejected, Code::BearerMalformed, Code::FreshTokenRejected],
    ),
    ("401 OAuth access token is invalid.", &[Code::StaticTokenRejected, Code::BearerMalformed]),
    (
        "Invalid OAuth token. The provided token was not found or is malformed.",
        &[Code::FreshTokenRejected, Code::BearerMalformed, Code::TokenRejectedBeforeExpiry],
    ),
    ("OAuth access token has been revoked.", &[Code::TokenRevoked]),
    ("403 permission_error: OAuth token has been revoked. Please obtain a new token.", &[Code::TokenRevoked]),
    (
        r#"{"error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
        &[Code::ApiKeyInvalid, Code::CredentialInWrongHeader],
    ),
    ("OAuth authentication is currently not supported.", &[Code::OauthBetaHeaderMissing]),
    ("OAuth authentication is currently not allowed for this organization.", &[Code::OauthNotAllowedForOrg]),
    ("403 OAuth token does not meet scope requirement user:profile", &[Code::ScopeInsufficient]),
    (
        "Session is not fresh enough to grant elevated access. Sign in again to continue.",
        &[Code::SessionStaleElevation],
    ),
    (r#"{"error":{"type":"forbidden","message":"Request not allowed"}}"#, &[Code::RequestForbiddenEdge]),
    (
        "API Error: 400 This organization has been disabled.",
        &[Code::OrganizationDisabled, Code::EnvCredentialShadowsLogin],
    ),
    (
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade.",
        &[Code::CreditBalanceTooLow, Code::EnvCredentialShadowsLogin],
    ),
    (
        "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
        &[Code::CredentialRestrictedToClaudeCode],
    ),
    (
        r#"{"error": "invalid_grant", "error_description": "Refresh token not found or invalid"}"#,
        &[Code::RefreshTokenInvalid, Code::RefreshRace, Code::RefreshResultLost],
    ),
    (
        r#"{"error":{"type":"rate_limit_error","message":"Rate limited. Please try again later."}}"#,
        &[Code::TokenEndpointRateLimited, Code::RateLimited],
    ),
    (r#"POST /v1/code/sessions 401 {"message":"Authentication failed"}"#, &[Code::EndpointInconsistent401]),
    // What the two versions print.
    ("API Error: Unable to connect to API (UND_ERR_ABORTED)", &[Code::ProxyAuthRequired]),
    (
        "API Error: Couldn't connect through your proxy (ERR_PROXY_TUNNEL) — the proxy refused the tunnel: check its credentials",
        &[Code::ProxyAuthRequired],
    ),
    ("API Error: Unable to connect to API (ECONNRESET)", &[Code::RefreshNetworkFailure, Code::ProxyAuthRequired]),
    (
        "API Error: Connection dropped (ECONNRESET). Check the proxy set in HTTPS_PROXY, then try again.",
        &[Code::RefreshNetworkFailure, Code::ProxyAuthRequired, Code::TlsInterceptionUntrusted],
    ),
    (
        "Your ANTHROPIC_API_KEY belongs to a disabled organization · Update or unset the environment variable",
        &[Code::OrganizationDisabled, Code::EnvCredentialShadowsLogin],
    ),
    (
        "Your organization does not have access to Claude. Please login again or contact your administrator.",
        &[Code::OauthNotAllowedForOrg],
    ),
    (
        "Claude Code can't use your Claude subscription, usually because a payment is past due",
        &[Code::OauthNotAllowedForOrg],
    ),
    (
        "Your account does not have access to Claude. Please login again or contact your administrator.",
        &[Code::TokenRevoked, Code::OauthNotAllowedForOrg],
    ),
    (
        "Your account does not have access to Claude Code. Please run /login.",
        &[Code::OauthNotAllowedForOrg, Code::TokenRevoked],
    ),
    (
        "Failed to authenticate: OAuth token revoked. Please log in again or contact your administrator.",
        &[Code::TokenRevoked],
    ),
    ("API Error: 407 proxy auth", &[Code::ProxyAuthRequired]),
    (
        "API Error: Unable to connect to API. Check your internet connection",
        &[Code::RefreshNetworkFailure, Code::ProxyAuthRequired],
    ),
    (
        "API Error: Request rejected (429) · This request would exceed your account's rate limit. Please try again later.",
        &[Code::RateLimited],
    ),
    ("API Error: Request rejected (429) · Too many requests", &[Code::RateLimited]),
    (
        "API Error: Server is temporarily limiting requests (not your usage limit) · Too many requests",
        &[Code::RateLimited],
    ),
    ("You've hit your session limit · resets 6:40pm (UTC)", &[Code::UsageExhausted]),
    ("You’ve hit your 5-hour limit · resets 6:40pm (UTC)", &[Code::UsageExhausted]),
    ("Extra usage is required for long context requests.", &[Code::UsageExhausted]),
    (
        r#"API Error: 500 {"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#,
        &[Code::ServerError],
    ),
    ("API Error: 502 <html><body>502 Bad Gateway</body></html>", &[Code::ServerError]),
    ("API Error: Repeated 529 Overloaded errors. The API is at capacity", &[Code::Overloaded]),
    (
        "Failed to authenticate. API Error: 403 <!DOCTYPE html><html lang=\"en-US\"><head><title>Just a moment...</title>",
        &[Code::EdgeChallengeHtml],
    ),
    ("Failed to authenticate. API Error: 403 Just a moment...", &[Code::EdgeChallengeHtml]),
    (
        "API returned an empty or malformed response (HTTP 200) — check for a proxy or gateway intercepting the request",
        &[Code::ProxyRewritesAuth, Code::GatewayKeyRejected],
    ),
    ("Couldn't log in: Request failed with status code 400", &[Code::TokenRequestRejected]),
    ("Login failed: Request failed with status code 400", &[Code::TokenRequestRejected]),
    (
        "Invalid auth token · Fix external auth token · it contains a line break at character 21",
        &[Code::BearerMalformed, Code::NoAuthenticatedRequest],
    ),
    ("API Error: Headers.append: \"Bearer sk-ant-oat01-FAKE", &[Code::BearerMalformed, Code::NoAuthenticatedRequest]),
    ("UnsupportedProxyProtocol", &[Code::ProxyAuthRequired]),
    (
        "API Error: Unable to connect to API: Self-signed certificate detected. Check your proxy or corporate SSL certificates",
        &[Code::TlsInterceptionUntrusted],
    ),
    // Errors of Node, and of the clouds.
    ("Failed to connect to api.anthropic.com: SELF_SIGNED_CERT_IN_CHAIN", &[Code::TlsInterceptionUntrusted]),
    ("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", &[Code::TlsInterceptionUntrusted]),
    ("unable to get local issuer certificate", &[Code::TlsInterceptionUntrusted]),
    ("Error: connect ECONNREFUSED 127.0.0.1:8080", &[Code::RefreshNetworkFailure, Code::ProxyAuthRequired]),
    ("getaddrinfo ENOTFOUND platform.claude.com", &[Code::RefreshNetworkFailure]),
    ("connect ETIMEDOUT 160.79.104.10:443", &[Code::RefreshNetworkFailure]),
    ("TypeError: fetch failed", &[Code::RefreshNetworkFailure, Code::ProxyAuthRequired]),
    ("The security token included in the request is invalid.", &[Code::CloudProviderCredentials]),
    ("invalid_grant reauth related error (invalid_rapt)", &[Code::CloudProviderCredentials, Code::RefreshTokenInvalid]),
    ("MCP server \"github\" needs auth", &[Code::McpOauth]),
    ("Please carry the API secret key in the 'Authorization' field of the request header", &[Code::GatewayKeyRejected]),
    // Results of a run without a person.
    (
        r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":401,"num_turns":1,"total_cost_usd":0,"terminal_reason":"api_error"}"#,
        &[Code::StaticTokenRejected, Code::BearerMalformed, Code::ApiKeyInvalid],
    ),
    (
        r#"{"type":"system","subtype":"api_retry","attempt":1,"max_retries":10,"error_status":401,"error":"authentication_failed"}"#,
        &[Code::StaticTokenRejected, Code::RefusedCredentialRepeated],
    ),
    ("1P event logging: 2 events failed to export", &[Code::TelemetryNoise]),
    ("first 503, then API Error: 401", &[Code::UpstreamOutageMixed401]),
    // The status alone gives its family.
    ("401", &[Code::AccessTokenExpiredNotRefreshed, Code::RefreshTokenInvalid, Code::StaticTokenRejected]),
    ("HTTP 403", &[Code::OauthNotAllowedForOrg, Code::TokenRevoked, Code::ScopeInsufficient]),
    ("status 429", &[Code::RateLimited, Code::UsageExhausted, Code::TokenEndpointRateLimited]),
    ("529", &[Code::Overloaded]),
    (r#"{"type":"authentication_error"}"#, &[Code::AccessTokenExpiredNotRefreshed]),
    ("Failed to authenticate.", &[Code::AuthFailureUnexplained]),
    (
        r#"400 {"type":"error","error":{"type":"invalid_request_error","message":"Error"}}"#,
        &[Code::CredentialInWrongHeader],
    ),
];

#[test]
fn known_texts_lead_to_sensible_codes_in_a_sensible_order() {
    for (text, wanted) in TEXTS {
        let found: Vec<Code> = candidates(text).iter().map(|candidate| candidate.code).collect();
        assert!(found.starts_with(wanted), "{text}\n  wanted {wanted:?}\n  found  {found:?}");
        assert!(found.len() <= MOST, "{text}: {}", found.len());
    }
}

#[test]
fn the_words_count_and_not_how_they_came() {
    let plain = candidates("Not logged in · Please run /login");
    for text in [
        "NOT LOGGED IN - please run /login",
        "\u{1b}[1;31mNot   logged\r\n in\u{1b}[0m · Please run /login",
        "│ Not logged in · Please run /login │",
        "{\"result\":\"Not logged in \\u00b7 Please run /login\"}",
    ] {
        assert_eq!(candidates(text).first(), plain.first(), "{text}");
    }
}

#[test]
fn a_request_id_changes_nothing() {
    let with = candidates("API Error: 403 {\"request_id\":\"req_011C401FAKE500\"}");
    assert_eq!(with, candidates("API Error: 403 {\"request_id\":null}"));
}

#[test]
fn how_clearly_a_text_points_to_a_code_is_said() {
    let fit = |text| candidates(text).first().map(|candidate| candidate.fit);
    assert_eq!(fit("OAuth token has been revoked"), Some(Fit::Named));
    assert_eq!(fit("Invalid bearer token"), Some(Fit::Likely));
    assert_eq!(fit("status code: 401"), Some(Fit::Possible));
}

#[test]
fn what_is_not_known_gives_nothing() {
    for text in ["", " \n", "hello world", "Segmentation fault (core dumped)", "2.1.401", "npm ERR! code ELIFECYCLE"] {
        assert_eq!(candidates(text), [], "{text:?}");
    }
}

#[test]
fn near_names_are_found() {
    assert_eq!(nearest("refresh-rase").first(), Some(&Code::RefreshRace));
    assert_eq!(nearest("token revoked").first(), Some(&Code::TokenRevoked));
    assert_eq!(nearest("REFRESH_TOKEN_INVALD").first(), Some(&Code::RefreshTokenInvalid));
    assert!(nearest("proxy").contains(&Code::ProxyAuthRequired));
    assert_eq!(nearest("zzz"), []);
    assert_eq!(nearest("was it tls4"), [], "a piece of data is no name");
    assert_eq!(nearest(""), []);
}

proptest! {
    #[test]
    fn nothing_of_the_text_comes_back(text in "[a-z ]{0,20}(401|invalid_grant|revoked)[ A-Z0-9-]{0,40}") {
        let known: Vec<&str> =
            Code::ALL.iter().flat_map(|code| entry(*code).wordings.iter().map(|wording| wording.why)).collect();
        for candidate in candidates(&text) {
            prop_assert!(known.contains(&candidate.why) || candidate.fit == Fit::Possible);
        }
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,300}") {
        let _ = (candidates(&text), nearest(&text));
    }
}
