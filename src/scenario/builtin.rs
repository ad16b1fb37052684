//! The scenarios that come with the program.

use crate::catalogue::Code;

/// A scenario that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// The verdict that it leads to, which is its name.
    pub code: Code,
    /// The file.
    pub text: &'static str,
}

macro_rules! builtins {
    ($($code:ident $file:literal,)+) => {
        /// All of them.
        const ALL: &[Builtin] =
            &[$(Builtin { code: Code::$code, text: include_str!(concat!("builtin/", $file, ".toml")) },)+];
    };
}

builtins! {
    AccessTokenExpiredNotRefreshed "access-token-expired-not-refreshed",
    RefreshTokenInvalid "refresh-token-invalid",
    RefreshResultLost "refresh-result-lost",
    RefreshNetworkFailure "refresh-network-failure",
    TokenEndpointRateLimited "token-endpoint-rate-limited",
    TokenEndpointOutage "token-endpoint-outage",
    TokenRequestRejected "token-request-rejected",
    FreshTokenRejected "fresh-token-rejected",
    TokenRevoked "token-revoked",
    StaticTokenRejected "static-token-rejected",
    BearerMalformed "bearer-malformed",
    CredentialInWrongHeader "credential-in-wrong-header",
    OauthBetaHeaderMissing "oauth-beta-header-missing",
    ApiKeyInvalid "api-key-invalid",
    OauthNotAllowedForOrg "oauth-not-allowed-for-org",
    OrganizationDisabled "organization-disabled",
    CreditBalanceTooLow "credit-balance-too-low",
    CredentialRestrictedToClaudeCode "credential-restricted-to-claude-code",
    ScopeInsufficient "scope-insufficient",
    RequestForbiddenEdge "request-forbidden-edge",
    EdgeChallengeHtml "edge-challenge-html",
    UpstreamOutageMixed401 "upstream-outage-mixed-401",
    NoAuthenticatedRequest "no-authenticated-request",
    RateLimited "rate-limited",
    Overloaded "overloaded",
    ServerError "server-error",
    Healthy "healthy",
}

/// All of them, failures first.
#[must_use]
pub fn builtins() -> &'static [Builtin] {
    ALL
}

/// The name that was probably meant.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    super::read::nearest(name, ALL.iter().map(|one| one.code.as_str()))
}

/// The one of a code.
#[must_use]
pub fn builtin(code: Code) -> Option<&'static Builtin> {
    ALL.iter().find(|one| one.code == code)
}
