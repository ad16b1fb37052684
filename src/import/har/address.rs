//! The URL of an entry, taken apart as a client would: what the connection needs, and what the request line says.

use crate::facts::Scheme;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// A URL in parts.
pub(super) struct Address<'a> {
    pub(super) scheme: Scheme,
    /// Without brackets or port.
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// Path and query; never empty.
    pub(super) target: Cow<'a, str>,
    /// User name and password, as they stand.
    pub(super) user_info: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// Reads an absolute URL of HTTP or WebSocket, or `host:port` as CONNECT has it. `None` for any other scheme.
    pub(super) fn of(url: &'a str) -> Option<Self> {
        let url = url.trim();
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) if is_one_of(scheme, ["https", "wss"]) => (Scheme::Https, rest),
            Some((scheme, rest)) if is_one_of(scheme, ["http", "ws"]) => (Scheme::Http, rest),
            Some(_) => return None,
            None if is_authority(url) => (Scheme::Https, url),
            None => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        let (user_info, authority) = match authority.rsplit_once('@') {
            Some((user_info, authority)) => (Some(user_info), authority),
            None => (None, authority),
        };
        let (host, port) = split_port(authority);
        let target = behind.split('#').next().unwrap_or_default();
        let default = if scheme == Scheme::Https { 443 } else { 80 };
        Some(Self {
            scheme,
            host: host.trim_start_matches('[').trim_end_matches(']'),
            port: port.unwrap_or(default),
            target: if target.starts_with('/') { target.into() } else { format!("/{target}").into() },
            user_info,
        })
    }

    /// User name and password, decoded.
    pub(super) fn secrets(&self) -> impl Iterator<Item = Vec<u8>> {
        self.user_info.into_iter().flat_map(|both| both.split(':')).map(|part| percent_decode_str(part).collect())
    }
}

/// Undoes the percent-encoding of what stands in for a redacted part (`‹…›`), so that it is known again. Anything else
/// stays as it is.
pub(super) fn with_markers(url: &str) -> Cow<'_, str> {
    const OPEN: &str = "%E2%80%B9";
    const CLOSE: &str = "%E2%80%BA";
    if !url.contains(OPEN) {
        return url.into();
    }
    let mut text = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, behind)) = rest.split_once(OPEN) {
        text.push_str(before);
        match behind.split_once(CLOSE).map(|(inside, behind)| (percent_decode_str(inside).decode_utf8(), behind)) {
            Some((Ok(inside), behind)) if !inside.contains(['/', '?', '#', '&']) => {
                text.push('‹');
                text.push_str(&inside);
                text.push('›');
                rest = behind;
            }
            _ => {
                text.push_str(OPEN);
                rest = behind;
            }
        }
    }
    text.push_str(rest);
    text.into()
}

fn is_one_of(scheme: &str, names: [&str; 2]) -> bool {
    names.iter().any(|name| scheme.eq_ignore_ascii_case(name))
}

/// `host:port` and nothing else.
fn is_authority(text: &str) -> bool {
    let (host, port) = split_port(text);
    port.is_some() && !host.is_empty() && !host.contains(['/', '?', '#', ' '])
}

fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) if port.is_empty() => (host, None),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, https, host, port, target) in [
            (
                "https://api.anthropic.com/v1/messages?beta=true#x",
                true,
                "api.anthropic.com",
                443,
                "/v1/messages?beta=true",
            ),
            ("http://localhost", false, "localhost", 80, "/"),
            ("HTTPS://a.example:8443?x=1", true, "a.example", 8443, "/?x=1"),
            ("wss://a.example/ws", true, "a.example", 443, "/ws"),
            ("https://[::1]:8080/", true, "::1", 8080, "/"),
            ("https://[::1]/", true, "::1", 443, "/"),
            ("https://user:FAKE@a.example/", true, "a.example", 443, "/"),
            ("api.anthropic.com:443", true, "api.anthropic.com", 443, "/"),
        ] {
            let address = Address::of(url).unwrap();
            assert_eq!(address.scheme == Scheme::Https, https, "{url}");
            assert_eq!((address.host, address.port, &*address.target), (host, port, target), "{url}");
        }
        for other in [
            "data:text/plain,FAKE",
            "chrome-extension://abc/x.js",
            "file:///etc/x",
            "blob:https://a/1",
            "",
            "about:blank",
        ] {
            assert!(Address::of(other).is_none(), "{other}");
        }
    }

    #[test]
    fn secrets_in_front_of_the_host_are_decoded() {
        let address = Address::of("https://us%40er:FAKE%3Apass@a.example/").unwrap();
        assert_eq!(address.secrets().collect::<Vec<_>>(), [b"us@er".to_vec(), b"FAKE:pass".to_vec()]);
    }

    #[test]
    fn encoded_markers_are_known_again() {
        let url = "https://a.example/v1/%E2%80%B9uuid%20fp=3f9c21ab%E2%80%BA/x?code=%E2%80%B9len%E2%89%A432%20fp=3f9c21ab%E2%80%BA";
        assert_eq!(with_markers(url), "https://a.example/v1/‹uuid fp=3f9c21ab›/x?code=‹len≤32 fp=3f9c21ab›");
        for same in ["/a%20b", "/%E2%80%B9", "/%E2%80%B9%2F%E2%80%BA", "/%E2%80%B9%ff%E2%80%BA"] {
            assert_eq!(with_markers(same), same);
        }
    }
}
