//! What a server is like, besides what it has issued: its wording, what organisations may do, outages.

use crate::policy::{Answer, ApiError, RawAnswer, RequestIdShape};

/// What the server is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// Which sentences it uses.
    pub wording: Wording,
    /// What the organisation of every account may do.
    pub organization: Organization,
    /// What a spent refresh token does when it comes again.
    pub reuse: Reuse,
}

/// The sentences of a time (FAILURE_MODES §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wording {
    /// Those of 2025.
    Year2025,
    /// Those from April 2026 on.
    Spring2026,
    /// Those from July 2026 on.
    #[default]
    Summer2026,
}

impl Wording {
    /// A token whose time is over.
    #[must_use]
    pub fn expired(self) -> ApiError {
        match self {
            Self::Year2025 | Self::Spring2026 => ApiError::unauthorized(
                "OAuth token has expired. Please obtain a new token or refresh your existing token.",
            ),
            Self::Summer2026 => ApiError::unauthorized("OAuth access token has expired. Re-authenticate to continue.")
                .with_request_id(RequestIdShape::Null),
        }
    }

    /// A token that was revoked.
    #[must_use]
    pub fn revoked(self) -> ApiError {
        match self {
            Self::Year2025 | Self::Spring2026 => {
                ApiError::new(403, "permission_error", "OAuth token has been revoked. Please obtain a new token.")
            }
            Self::Summer2026 => {
                ApiError::unauthorized("OAuth access token has been revoked.").with_request_id(RequestIdShape::Null)
            }
        }
    }

    /// A token that the server does not know.
    #[must_use]
    pub fn unknown(self) -> ApiError {
        ApiError::unauthorized("Invalid bearer token")
    }

    /// A token that the server knows and does not take.
    #[must_use]
    pub fn refused(self) -> ApiError {
        match self {
            Self::Year2025 => ApiError::unauthorized("Invalid bearer token"),
            Self::Spring2026 | Self::Summer2026 => ApiError::unauthorized("Invalid authentication credentials"),
        }
    }

    /// An organisation that does not let its members in with OAuth.
    #[must_use]
    pub fn oauth_not_allowed(self) -> ApiError {
        const MESSAGE: &str = "OAuth authentication is currently not allowed for this organization.";
        match self {
            Self::Year2025 => ApiError::unauthorized(MESSAGE),
            Self::Spring2026 | Self::Summer2026 => ApiError::forbidden(MESSAGE),
        }
    }
}

/// What an organisation may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Organization {
    /// Everything.
    #[default]
    Active,
    /// Nothing: it is disabled.
    Disabled,
    /// API keys only.
    OauthNotAllowed,
    /// Nothing that costs: its credit is used up. That concerns API keys only.
    NoCredit,
}

impl Organization {
    /// Why a message is refused, if it is.
    #[must_use]
    pub fn refusal(self, wording: Wording, with_key: bool) -> Option<ApiError> {
        let invalid = |message: &str| ApiError {
            should_retry: Some(false),
            ..ApiError::new(400, "invalid_request_error", message)
        };
        match self {
            Self::Disabled => Some(invalid("This organization has been disabled.")),
            Self::OauthNotAllowed if !with_key => Some(wording.oauth_not_allowed()),
            Self::NoCredit if with_key => Some(invalid(
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or \
                 purchase credits.",
            )),
            _ => None,
        }
    }
}

/// What a spent refresh token does when it comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reuse {
    /// It is refused.
    #[default]
    Refused,
    /// It is refused, and every token of its login ends (RFC 9700 §4.14.2).
    RevokesFamily,
}

/// Every endpoint answers so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The status code.
    pub status: u16,
}

impl Outage {
    pub(super) fn answer(&self) -> Answer {
        let text = "upstream connect error or disconnect/reset before headers. reset reason: connection timeout";
        RawAnswer::new(self.status, "text/plain", text.as_bytes()).answer()
    }
}
