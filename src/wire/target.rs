//! Request targets that name a host: the authority form of CONNECT, and the absolute form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::memchr3;

use super::{Refusal, Span};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, 1 to 65535.
    pub port: u16,
}

/// `host:port`, an IPv6 address in brackets.
impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name in lower case, without the dot at its end. Never something a resolver may take for an address.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

/// The name or the bare address, without brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// The target of a CONNECT request ([RFC 9112 §3.2.3](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.3)): host and port, both required.
///
/// # Errors
/// [`Refusal::BadConnect`] for anything else, user information and percent-encoding included.
pub fn connect_target(target: &[u8]) -> Result<Authority, Refusal> {
    authority(target, None).ok_or(Refusal::BadConnect)
}

/// The scheme of a target in absolute form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`, port 80 by default.
    Http,
    /// `https`, port 443 by default.
    Https,
}

impl Scheme {
    /// The port meant when none is named.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A target in absolute form, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsoluteForm {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The origin, its port filled in.
    pub authority: Authority,
    /// The authority as written, in the target.
    pub written: Span,
    /// Path and query as written, in the target. Empty, or starting with `?`, if the path is empty: then `/` belongs before it.
    pub origin_form: Span,
}

/// Takes apart a target in absolute form ([RFC 9112 §3.2.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2)).
/// `None` if it does not start with `http://` or `https://`, in any case.
///
/// # Errors
/// User information ([RFC 9110 §4.2.4](https://www.rfc-editor.org/rfc/rfc9110#section-4.2.4) has it taken for an error), an authority
/// that is no host with an optional port, a fragment.
pub fn absolute_form(target: &[u8]) -> Option<Result<AbsoluteForm, Refusal>> {
    let (scheme, start) = if starts_with(target, b"http://") {
        (Scheme::Http, 7)
    } else if starts_with(target, b"https://") {
        (Scheme::Https, 8)
    } else {
        return None;
    };
    let rest = target.get(start..).unwrap_or_default();
    let end = start + memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
    let written = target.get(start..end).unwrap_or_default();
    if written.contains(&b'@') {
        return Some(Err(Refusal::TargetUserInfo));
    }
    let origin_form = target.get(end..).unwrap_or_default();
    if !origin_form.iter().all(|&b| b.is_ascii_graphic() && b != b'#') {
        return Some(Err(Refusal::BadTarget));
    }
    Some(authority(written, Some(scheme.default_port())).ok_or(Refusal::BadTarget).map(|authority| AbsoluteForm {
        scheme,
        authority,
        written: Span::new(start, end),
        origin_form: Span::new(end, target.len()),
    }))
}

fn starts_with(target: &[u8], scheme: &[u8]) -> bool {
    target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// `host [ ":" port ]`, the port required unless there is a default.
pub(super) fn authority(text: &[u8], default_port: Option<u16>) -> Option<Authority> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let (host, after) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (address, after) = bracketed.split_once(']')?;
            (Host::Ip(address.parse::<Ipv6Addr>().ok()?.into()), after)
        }
        None => {
            let (host, after) = text.split_at_checked(text.find(':').unwrap_or(text.len()))?;
            (name_or_ipv4(host)?, after)
        }
    };
    let port = match after.strip_prefix(':') {
        Some(digits) => port(digits)?,
        None if after.is_empty() => default_port?,
        None => return None,
    };
    Some(Authority { host, port })
}

/// One to five digits without a leading zero, so neither 0 nor a second spelling of a port.
fn port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if plain { digits.parse().ok() } else { None }
}

fn name_or_ipv4(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Ip(address.into()));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        return None;
    }
    // `127.1`, `2130706433` and `0x7f.1` are addresses to many resolvers, and slip past checks made on addresses.
    let last = name.rsplit('.').next()?;
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || hexadecimal.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    if numeric { None } else { Some(Host::Name(name.to_ascii_lowercase())) }
}
