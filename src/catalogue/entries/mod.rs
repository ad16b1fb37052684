//! The entries, by family.

mod account;
mod elsewhere;
mod key;
mod labels;
mod login;
mod network;
mod observations;
mod refresh;
mod service;
mod token;

use super::Code;
use super::entry::{Entry, Evidence, Family, between, fixed, issue, says, thread};

/// What is known about `code`.
#[must_use]
pub fn entry(code: Code) -> &'static Entry {
    match code {
        Code::AccessTokenExpiredNotRefreshed => &refresh::ACCESS_TOKEN_EXPIRED_NOT_REFRESHED,
        Code::RefreshTokenInvalid => &refresh::REFRESH_TOKEN_INVALID,
        Code::RefreshRace => &refresh::REFRESH_RACE,
        Code::RefreshResultLost => &refresh::REFRESH_RESULT_LOST,
        Code::RefreshNetworkFailure => &refresh::REFRESH_NETWORK_FAILURE,
        Code::TokenEndpointRateLimited => &refresh::TOKEN_ENDPOINT_RATE_LIMITED,
        Code::TokenEndpointOutage => &refresh::TOKEN_ENDPOINT_OUTAGE,
        Code::LocalExpiryMisjudged => &refresh::LOCAL_EXPIRY_MISJUDGED,
        Code::TokenRequestRejected => &login::TOKEN_REQUEST_REJECTED,
        Code::LoginCallbackNeverArrives => &login::LOGIN_CALLBACK_NEVER_ARRIVES,
        Code::PostLoginBootstrapFailed => &login::POST_LOGIN_BOOTSTRAP_FAILED,
        Code::FreshTokenRejected => &login::FRESH_TOKEN_REJECTED,
        Code::NewLoginNotUsed => &login::NEW_LOGIN_NOT_USED,
        Code::NoAuthenticatedRequest => &login::NO_AUTHENTICATED_REQUEST,
        Code::TokenRejectedBeforeExpiry => &token::TOKEN_REJECTED_BEFORE_EXPIRY,
        Code::TokenRevoked => &token::TOKEN_REVOKED,
        Code::StaticTokenRejected => &token::STATIC_TOKEN_REJECTED,
        Code::BearerMalformed => &token::BEARER_MALFORMED,
        Code::OauthBetaHeaderMissing => &token::OAUTH_BETA_HEADER_MISSING,
        Code::ScopeInsufficient => &token::SCOPE_INSUFFICIENT,
        Code::SessionStaleElevation => &token::SESSION_STALE_ELEVATION,
        Code::ApiKeyInvalid => &key::API_KEY_INVALID,
        Code::CredentialInWrongHeader => &key::CREDENTIAL_IN_WRONG_HEADER,
        Code::EnvCredentialShadowsLogin => &key::ENV_CREDENTIAL_SHADOWS_LOGIN,
        Code::ApikeyhelperStale => &key::APIKEYHELPER_STALE,
        Code::OauthNotAllowedForOrg => &account::OAUTH_NOT_ALLOWED_FOR_ORG,
        Code::OrganizationDisabled => &account::ORGANIZATION_DISABLED,
        Code::CreditBalanceTooLow => &account::CREDIT_BALANCE_TOO_LOW,
        Code::CredentialRestrictedToClaudeCode => &account::CREDENTIAL_RESTRICTED_TO_CLAUDE_CODE,
        Code::RequestForbiddenEdge => &service::REQUEST_FORBIDDEN_EDGE,
        Code::EdgeChallengeHtml => &service::EDGE_CHALLENGE_HTML,
        Code::UpstreamOutageMixed401 => &service::UPSTREAM_OUTAGE_MIXED_401,
        Code::EndpointInconsistent401 => &service::ENDPOINT_INCONSISTENT_401,
        Code::AuthFailureUnexplained => &service::AUTH_FAILURE_UNEXPLAINED,
        Code::ProxyAuthRequired => &network::PROXY_AUTH_REQUIRED,
        Code::TlsInterceptionUntrusted => &network::TLS_INTERCEPTION_UNTRUSTED,
        Code::ProxyRewritesAuth => &network::PROXY_REWRITES_AUTH,
        Code::GatewayKeyRejected => &elsewhere::GATEWAY_KEY_REJECTED,
        Code::GatewayReceivesAnthropicCredential => &elsewhere::GATEWAY_RECEIVES_ANTHROPIC_CREDENTIAL,
        Code::CloudProviderCredentials => &elsewhere::CLOUD_PROVIDER_CREDENTIALS,
        Code::McpOauth => &elsewhere::MCP_OAUTH,
        Code::Healthy => &labels::HEALTHY,
        Code::RateLimited => &labels::RATE_LIMITED,
        Code::Overloaded => &labels::OVERLOADED,
        Code::ServerError => &labels::SERVER_ERROR,
        Code::UsageExhausted => &labels::USAGE_EXHAUSTED,
        Code::TelemetryNoise => &labels::TELEMETRY_NOISE,
        Code::NothingSeen => &labels::NOTHING_SEEN,
        Code::TwoCredentialsSent => &observations::TWO_CREDENTIALS_SENT,
        Code::SubscriptionUnused => &observations::SUBSCRIPTION_UNUSED,
        Code::BearerWithoutOauthBeta => &observations::BEARER_WITHOUT_OAUTH_BETA,
        Code::RefusedCredentialRepeated => &observations::REFUSED_CREDENTIAL_REPEATED,
        Code::RetryAfterIgnored => &observations::RETRY_AFTER_IGNORED,
        Code::RefreshFailureHidden => &observations::REFRESH_FAILURE_HIDDEN,
        Code::HttpsAbsoluteForm => &observations::HTTPS_ABSOLUTE_FORM,
        Code::PartlyProxied => &observations::PARTLY_PROXIED,
        Code::ClockSkew => &observations::CLOCK_SKEW,
    }
}
