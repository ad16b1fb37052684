use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;

/// Where `ANTHROPIC_BASE_URL` points to. User, password, path and query of the URL are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Whether it is `https`.
    pub https: bool,
    /// The host in lower case, without brackets and without a final dot.
    pub host: String,
    /// The port, the scheme's own if none was given.
    pub port: u16,
}

impl BaseUrl {
    /// Reads an `http` or `https` URL; `None` for anything else.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.trim().parse().ok()?;
        let https = match uri.scheme()? {
            scheme if *scheme == Scheme::HTTPS => true,
            scheme if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            return None;
        }
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        Some(Self { https, host, port })
    }

    /// Whether the host is this machine: `localhost`, a name below it (RFC 6761 §6.3), or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let named = self.host == "localhost" || self.host.ends_with(".localhost");
        named || self.address().is_some_and(|address| address.is_loopback())
    }

    /// The address, if the host is given by one. Such a host cannot be intercepted over TLS.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// Scheme, host and port, the port only if it is not the scheme's own.
impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, own_port) = if self.https { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://")?;
        if self.host.contains(':') { write!(f, "[{}]", self.host) } else { f.write_str(&self.host) }?;
        if self.port == own_port { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_read_and_nothing_else_is_kept() {
        let url = BaseUrl::parse(" https://user:sk-ant-FAKE@Gateway.Example.com./v1?key=FAKE ").unwrap();
        assert_eq!(url, BaseUrl { https: true, host: "gateway.example.com".into(), port: 443 });
        assert!(!format!("{url:?} {url}").contains("FAKE"));
        assert_eq!(BaseUrl::parse("http://[::1]:4000").unwrap().to_string(), "http://[::1]:4000");
        assert_eq!(BaseUrl::parse("HTTPS://a.example:443/").unwrap().to_string(), "https://a.example");
        for bad in ["", "gateway.example.com", "ftp://a.example", "https://", "https:///v1", "https://a b/"] {
            assert_eq!(BaseUrl::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        let loopback = |url: &str| BaseUrl::parse(url).unwrap().is_loopback();
        assert!(
            loopback("http://localhost:1")
                && loopback("http://127.9.0.1")
                && loopback("http://[::1]")
                && loopback("http://a.localhost")
        );
        assert!(!loopback("http://10.0.0.1") && !loopback("http://localhost.example.com"));
    }
}
