//! The scenarios that come with the program.

use super::read::{Scenario, read};
use crate::catalogue::Code;

/// A scenario that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// Its name: that of the verdict, but for flows that several lead to.
    pub name: &'static str,
    /// The verdict that it leads to.
    pub code: Code,
    /// The file.
    pub text: &'static str,
}

macro_rules! builtins {
    ($($code:ident $name:literal,)+) => {
        /// All of them.
        const ALL: &[Builtin] =
            &[$(Builtin { name: $name, code: Code::$code, text: include_str!(concat!("builtin/", $name, ".toml")) },)+];
    };
}

builtins! {
    AccessTokenExpiredNotRefreshed "access-token-expired-not-refreshed",
    RefreshTokenInvalid "refresh-token-invalid",
    RefreshRace "refresh-race",
    RefreshResultLost "refresh-result-lost",
    RefreshNetworkFailure "refresh-network-failure",
    TokenEndpointRateLimited "token-endpoint-rate-limited",
    TokenEndpointOutage "token-endpoint-outage",
    TokenRequestRejected "token-request-rejected",
    LoginCallbackNeverArrives "login-callback-never-arrives",
    PostLoginBootstrapFailed "post-login-bootstrap-failed",
    FreshTokenRejected "fresh-token-rejected",
    NewLoginNotUsed "new-login-not-used",
    TokenRejectedBeforeExpiry "token-rejected-before-expiry",
    TokenRevoked "token-revoked",
    StaticTokenRejected "static-token-rejected",
    BearerMalformed "bearer-malformed",
    NoAuthenticatedRequest "no-authenticated-request",
    ApiKeyInvalid "api-key-invalid",
    CredentialInWrongHeader "credential-in-wrong-header",
    EnvCredentialShadowsLogin "env-credential-shadows-login",
    OauthBetaHeaderMissing "oauth-beta-header-missing",
    OauthNotAllowedForOrg "oauth-not-allowed-for-org",
    OrganizationDisabled "organization-disabled",
    CreditBalanceTooLow "credit-balance-too-low",
    ScopeInsufficient "scope-insufficient",
    SessionStaleElevation "session-stale-elevation",
    CredentialRestrictedToClaudeCode "credential-restricted-to-claude-code",
    RequestForbiddenEdge "request-forbidden-edge",
    EdgeChallengeHtml "edge-challenge-html",
    UpstreamOutageMixed401 "upstream-outage-mixed-401",
    EndpointInconsistent401 "endpoint-inconsistent-401",
    ProxyAuthRequired "proxy-auth-required",
    TlsInterceptionUntrusted "tls-interception-untrusted",
    ProxyRewritesAuth "proxy-rewrites-auth",
    GatewayKeyRejected "gateway-key-rejected",
    GatewayReceivesAnthropicCredential "gateway-receives-anthropic-credential",
    ApikeyhelperStale "apikeyhelper-stale",
    CloudProviderCredentials "cloud-provider-credentials",
    McpOauth "mcp-oauth",
    LocalExpiryMisjudged "local-expiry-misjudged",
    AuthFailureUnexplained "auth-failure-unexplained",
    RateLimited "rate-limited",
    Overloaded "overloaded",
    ServerError "server-error",
    UsageExhausted "usage-exhausted",
    Healthy "healthy",
    Healthy "expired-then-refreshed",
}

/// All of them, failures first.
#[must_use]
pub fn builtins() -> &'static [Builtin] {
    ALL
}

/// The name that was probably meant.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    crate::place::nearest(name, ALL.iter().map(|one| one.name))
}

/// The one of this name.
#[must_use]
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    ALL.iter().find(|one| one.name == name)
}

/// What a scenario is called: the name of the built-in one that it is, else the verdict that it leads to, else its title.
#[must_use]
pub fn called(scenario: &Scenario) -> String {
    let is = |one: &&Builtin| {
        Some(one.code) == scenario.code && read(one.text).is_ok_and(|builtin| builtin.title == scenario.title)
    };
    match (ALL.iter().find(is), scenario.code) {
        (Some(one), _) => one.name.to_owned(),
        (None, Some(code)) => code.as_str().to_owned(),
        (None, None) => scenario.title.clone(),
    }
}

/// Codes that come beside the verdict of a scenario, with the scenario.
const BESIDE: &[(Code, Code)] = &[
    (Code::RefusedCredentialRepeated, Code::ApiKeyInvalid),
    (Code::RetryAfterIgnored, Code::TokenEndpointRateLimited),
    (Code::RefreshFailureHidden, Code::TokenEndpointOutage),
    (Code::ClockSkew, Code::LocalExpiryMisjudged),
    (Code::TwoCredentialsSent, Code::GatewayKeyRejected),
];

/// Codes that nothing here leads to, and why.
const NOT_PLAYED: &[(Code, &str)] = &[
    (Code::NothingSeen, "there is nothing to play: any command that makes no request leads to it"),
    (Code::TelemetryNoise, "a verdict only where nothing but reports was sent; a client that logs in sends more"),
    (Code::SubscriptionUnused, "it takes a login and a key that are both good, and nothing fails"),
    (Code::BearerWithoutOauthBeta, "it takes a server that accepts a token without its opt-in; the fake refuses it"),
    (Code::HttpsAbsoluteForm, "it takes ALL_PROXY alone, and authtrace sets the proxy variables itself"),
    (Code::PartlyProxied, "it takes proxy variables of the user's own, and authtrace sets them itself"),
];

/// Which codes are found beside the verdict of a scenario, and of which.
#[must_use]
pub fn beside() -> &'static [(Code, Code)] {
    BESIDE
}

/// The codes that no scenario leads to, each with the reason. With those of [`builtins`] and [`beside`] these are all.
#[must_use]
pub fn not_played() -> &'static [(Code, &'static str)] {
    NOT_PLAYED
}
