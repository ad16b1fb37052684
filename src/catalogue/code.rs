//! The names of everything that a trace can be found to show.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// What kind of thing a [`Code`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A way in which authentication fails.
    Failure,
    /// Something that is no failure of authentication, though it may look like one.
    Label,
    /// Something worth knowing beside a verdict.
    Observation,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $class:ident $name:ident $text:literal,)+) => {
        /// A stable name of a failure, of a state that is none, or of an observation. Codes are added, never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code, failures first.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name in reports, on the command line and in the documentation.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// What kind of thing it names.
            #[must_use]
            pub const fn class(self) -> Class {
                match self {
                    $(Self::$name => Class::$class,)+
                }
            }
        }
    };
}

codes! {
    /// The access token has expired and the client does not renew it.
    Failure AccessTokenExpiredNotRefreshed "access-token-expired-not-refreshed",
    /// The refresh token is refused for good.
    Failure RefreshTokenInvalid "refresh-token-invalid",
    /// Several processes use one single-use refresh token.
    Failure RefreshRace "refresh-race",
    /// The server rotated the tokens, and the client never kept the new ones.
    Failure RefreshResultLost "refresh-result-lost",
    /// The refresh did not reach the server.
    Failure RefreshNetworkFailure "refresh-network-failure",
    /// The token endpoint answers 429.
    Failure TokenEndpointRateLimited "token-endpoint-rate-limited",
    /// The token endpoint is down or slow.
    Failure TokenEndpointOutage "token-endpoint-outage",
    /// The token endpoint refuses the request itself.
    Failure TokenRequestRejected "token-request-rejected",
    /// The browser's consent never reached the client.
    Failure LoginCallbackNeverArrives "login-callback-never-arrives",
    /// The login gave a token, and a call right after it failed.
    Failure PostLoginBootstrapFailed "post-login-bootstrap-failed",
    /// A token issued moments ago is refused.
    Failure FreshTokenRejected "fresh-token-rejected",
    /// A login succeeded, and the old token is still sent.
    Failure NewLoginNotUsed "new-login-not-used",
    /// A token that worked is refused within its lifetime.
    Failure TokenRejectedBeforeExpiry "token-rejected-before-expiry",
    /// The server says that the token was revoked.
    Failure TokenRevoked "token-revoked",
    /// A fixed token from the environment is refused from the first request on.
    Failure StaticTokenRejected "static-token-rejected",
    /// The credential is damaged.
    Failure BearerMalformed "bearer-malformed",
    /// The client reports a failure without having sent a credential.
    Failure NoAuthenticatedRequest "no-authenticated-request",
    /// The API key is refused.
    Failure ApiKeyInvalid "api-key-invalid",
    /// The credential stands in the header of another kind.
    Failure CredentialInWrongHeader "credential-in-wrong-header",
    /// A credential of the environment is used instead of the login.
    Failure EnvCredentialShadowsLogin "env-credential-shadows-login",
    /// An OAuth token is sent without its opt-in header.
    Failure OauthBetaHeaderMissing "oauth-beta-header-missing",
    /// The organisation may not use OAuth.
    Failure OauthNotAllowedForOrg "oauth-not-allowed-for-org",
    /// The organisation is disabled.
    Failure OrganizationDisabled "organization-disabled",
    /// The prepaid credit is used up.
    Failure CreditBalanceTooLow "credit-balance-too-low",
    /// The token lacks a scope.
    Failure ScopeInsufficient "scope-insufficient",
    /// The web session is too old for what is asked.
    Failure SessionStaleElevation "session-stale-elevation",
    /// A subscription token is used by something that is not taken for Claude Code.
    Failure CredentialRestrictedToClaudeCode "credential-restricted-to-claude-code",
    /// Refused at the edge, before the API.
    Failure RequestForbiddenEdge "request-forbidden-edge",
    /// A bot challenge came instead of an answer of the API.
    Failure EdgeChallengeHtml "edge-challenge-html",
    /// 401 among 5xx: an incident.
    Failure UpstreamOutageMixed401 "upstream-outage-mixed-401",
    /// One token, accepted here and refused there.
    Failure EndpointInconsistent401 "endpoint-inconsistent-401",
    /// A proxy on the way wants credentials of its own.
    Failure ProxyAuthRequired "proxy-auth-required",
    /// The client does not trust the certificate that it was shown.
    Failure TlsInterceptionUntrusted "tls-interception-untrusted",
    /// Something between client and API changes the credential.
    Failure ProxyRewritesAuth "proxy-rewrites-auth",
    /// A gateway refuses its own key.
    Failure GatewayKeyRejected "gateway-key-rejected",
    /// A credential of Anthropic is sent to somebody else.
    Failure GatewayReceivesAnthropicCredential "gateway-receives-anthropic-credential",
    /// A key from `apiKeyHelper` had expired.
    Failure ApikeyhelperStale "apikeyhelper-stale",
    /// Credentials for Bedrock, Vertex or Foundry fail.
    Failure CloudProviderCredentials "cloud-provider-credentials",
    /// The login to an MCP server fails.
    Failure McpOauth "mcp-oauth",
    /// Client and server disagree about the time of expiry.
    Failure LocalExpiryMisjudged "local-expiry-misjudged",
    /// Refused for a reason of authentication that no other code names.
    Failure AuthFailureUnexplained "auth-failure-unexplained",

    /// Nothing is wrong.
    Label Healthy "healthy",
    /// Too many requests; the login is not the cause.
    Label RateLimited "rate-limited",
    /// The API is at capacity.
    Label Overloaded "overloaded",
    /// The server failed.
    Label ServerError "server-error",
    /// The plan's usage is used up.
    Label UsageExhausted "usage-exhausted",
    /// Only telemetry was refused.
    Label TelemetryNoise "telemetry-noise",
    /// Nothing was seen that could be judged.
    Label NothingSeen "nothing-seen",

    /// `authorization` and `x-api-key` on one request, with different values.
    Observation TwoCredentialsSent "two-credentials-sent",
    /// An API key is used while a subscription login is there.
    Observation SubscriptionUnused "subscription-unused",
    /// An OAuth token was sent without its opt-in header, and accepted.
    Observation BearerWithoutOauthBeta "bearer-without-oauth-beta",
    /// A refused credential is sent again and again.
    Observation RefusedCredentialRepeated "refused-credential-repeated",
    /// The client came back sooner than the server asked.
    Observation RetryAfterIgnored "retry-after-ignored",
    /// A refresh failed, and the client shows another error.
    Observation RefreshFailureHidden "refresh-failure-hidden",
    /// The client sent a credential to the proxy in the clear.
    Observation HttpsAbsoluteForm "https-absolute-form",
    /// Part of the client's traffic went past the proxy.
    Observation PartlyProxied "partly-proxied",
    /// The clocks of client and server differ.
    Observation ClockSkew "clock-skew",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The text names no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such code")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{code}");
        }
        assert_eq!("healthy ".parse::<Code>(), Err(UnknownCode));
    }
}
