//! Which requests are of one kind: the order of a replay is kept for each of them.

pub use crate::analyze::matters;
use crate::policy::{Grant, PathPattern, When};
use crate::redact::Kind;
use crate::trace::Exchange;
use std::fmt;

/// What begins a part of a path that was taken out.
const TAKEN_OUT: char = '‹';

/// Method, host and path of a request, and what a token request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// The method.
    pub method: String,
    /// The host; a made-up one where the trace does not name it.
    pub host: String,
    /// The path without the query; what was taken out of it stands for any rest.
    pub path: String,
    /// What a token request asks for.
    pub grant: Option<Grant>,
}

impl Route {
    /// The route of a request.
    #[must_use]
    pub fn of(exchange: &Exchange) -> Self {
        let request = &exchange.request;
        let path = request.path.as_str();
        let path = path.split('?').next().unwrap_or(path);
        let path = match path.find(TAKEN_OUT) {
            Some(at) => format!("{}*", path.get(..at).unwrap_or_default()),
            None => path.to_owned(),
        };
        Self { method: request.method.to_string(), host: host(exchange), grant: grant(exchange, &path), path }
    }

    /// The condition of a rule for it.
    #[must_use]
    pub fn when(&self) -> When {
        When {
            method: Some(self.method.clone()),
            host: Some(self.host.clone()),
            path: self.path.starts_with('/').then(|| PathPattern::parse(&self.path)),
            grant: self.grant,
            ..When::default()
        }
    }

    /// Whether it stands for several paths: rules for others come first.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.path.ends_with('*') || !self.path.starts_with('/')
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.host, self.path)?;
        match self.grant {
            Some(Grant::RefreshToken) => f.write_str(" (refresh)"),
            Some(Grant::AuthorizationCode) => f.write_str(" (login)"),
            None => Ok(()),
        }
    }
}

/// The kind of the credential in the header fields, as a rule can ask for it.
pub(super) fn header_kind(exchange: &Exchange) -> Option<Kind> {
    let in_head = |place: &str| exchange.credentials.iter().find(|one| one.place == *place);
    let kind = in_head("x-api-key").or_else(|| in_head("authorization"))?.credential.kind;
    matches!(kind, Kind::OauthAccess | Kind::ApiKey).then_some(kind)
}

/// A host that the trace does not show gets a name that belongs to nobody (RFC 2606 §3).
fn host(exchange: &Exchange) -> String {
    let host = exchange.request.host.as_str();
    let is_name = host.contains('.') && !host.contains([TAKEN_OUT, ':', '[']) && !is_address(host);
    if is_name { host.to_ascii_lowercase() } else { MADE_UP_HOST.to_owned() }
}

/// The name of a host that the trace does not name, or only by its address.
pub(super) const MADE_UP_HOST: &str = "gateway.example.com";

fn is_address(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
}

/// What is asked of the one token endpoint that rules know.
fn grant(exchange: &Exchange, path: &str) -> Option<Grant> {
    if exchange.request.method.as_str() != "POST" || path != "/v1/oauth/token" {
        return None;
    }
    match exchange.oauth.as_ref()?.grant_type.as_ref()?.as_str() {
        "refresh_token" => Some(Grant::RefreshToken),
        "authorization_code" => Some(Grant::AuthorizationCode),
        _ => None,
    }
}
