use std::net::IpAddr;

use crate::ca::{Pattern, Scope};

use super::BaseUrl;

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A value for `NO_PROXY`, and which of the user's entries it lacks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NoProxy {
    pub(super) value: String,
    pub(super) taken_out: Vec<String>,
}

/// Keeps the user's entries in their order, but for those that would lead a host that we look into past us; adds loopback, but for a
/// loopback host that is the API for this user.
///
/// With every host in scope only the hosts of Claude Code and of the base URL count: other entries are the user's decision.
pub(super) fn no_proxy(user: Option<&str>, scope: &Scope, base_url: Option<&BaseUrl>) -> NoProxy {
    let claude = if scope.is_everything() { Scope::claude().ok() } else { None };
    let mut patterns: Vec<Pattern> = scope.patterns().chain(claude.iter().flat_map(Scope::patterns)).cloned().collect();
    patterns.extend(base_url.map(|url| Pattern::Host(url.host.clone())));

    let mut kept: Vec<&str> = Vec::new();
    let mut taken_out = Vec::new();
    for entry in user.unwrap_or_default().split([',', ' ', '\t']).filter(|entry| !entry.is_empty()) {
        if patterns.iter().any(|pattern| covers(entry, pattern)) {
            taken_out.push(entry.to_owned());
        } else {
            kept.push(entry);
        }
    }
    for host in LOOPBACK {
        if base_url.is_none_or(|url| url.host != host) && !kept.contains(&host) {
            kept.push(host);
        }
    }
    NoProxy { value: kept.join(","), taken_out }
}

/// Whether some client may read this entry so that it covers a host of the pattern. Clients differ over leading dots, stars, ports
/// and networks; the widest reading counts.
fn covers(entry: &str, pattern: &Pattern) -> bool {
    let entry = entry.to_ascii_lowercase();
    if entry.trim_start_matches("*.").trim_start_matches('.') == "*" {
        return true;
    }
    let name = pattern.name();
    if let Ok(address) = name.parse::<IpAddr>() {
        return network_covers(&entry, address);
    }
    let entry = without_port(&entry);
    let entry = entry.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.');
    let below = |name: &str, domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    !entry.is_empty()
        && (entry == name || below(name, entry) || (matches!(pattern, Pattern::Domain(_)) && below(entry, name)))
}

fn without_port(entry: &str) -> &str {
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => entry,
    }
}

/// An address, with or without brackets and port, or a network in CIDR form.
fn network_covers(entry: &str, address: IpAddr) -> bool {
    let plain = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    if let Some((network, length)) = entry.split_once('/') {
        let Some((network, length)) = plain(network).zip(length.parse::<u32>().ok()) else {
            return false;
        };
        return match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_prefix(network.to_bits().into(), address.to_bits().into(), 32, length)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_prefix(network.to_bits(), address.to_bits(), 128, length)
            }
            _ => false,
        };
    }
    let host = if entry.starts_with('[') { entry.split(']').next().unwrap_or(entry) } else { without_port(entry) };
    plain(host) == Some(address)
}

fn same_prefix(a: u128, b: u128, width: u32, length: u32) -> bool {
    length <= width && (a ^ b).checked_shr(width - length).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(user: &str, base_url: Option<&str>) -> (String, Vec<String>) {
        let base_url = base_url.map(|url| BaseUrl::parse(url).unwrap());
        let mut scope = Scope::claude().unwrap();
        if let Some(url) = base_url.as_ref().filter(|url| url.address().is_none()) {
            scope.add(&url.host).unwrap();
        }
        let merged = no_proxy(Some(user), &scope, base_url.as_ref());
        (merged.value, merged.taken_out)
    }

    const ADDED: &str = "localhost,127.0.0.1,::1";

    #[test]
    fn entries_of_other_hosts_stay_as_they_are() {
        assert_eq!(merged("", None), (ADDED.into(), vec![]));
        let kept = "internal.example,.corp.example,10.0.0.0/8,gitlab.example:8443";
        assert_eq!(merged(kept, None), (format!("{kept},{ADDED}"), vec![]));
        assert_eq!(merged("localhost, 127.0.0.1 ,::1", None), (ADDED.into(), vec![]));
        assert_eq!(merged("notanthropic.com,anthropic.com.example", None).1, Vec::<String>::new());
    }

    #[test]
    fn entries_that_lead_past_us_are_taken_out_however_they_are_written() {
        for entry in [
            "*",
            "anthropic.com",
            ".anthropic.com",
            "*.anthropic.com",
            "api.anthropic.com",
            "API.Anthropic.com",
            "api.anthropic.com:443",
            "com",
            ".com",
            "platform.claude.com",
            "*.*",
            "anthropic.com.",
        ] {
            assert_eq!(
                merged(&format!("a.example,{entry}"), None),
                (format!("a.example,{ADDED}"), vec![entry.to_owned()]),
                "{entry}"
            );
        }
    }

    #[test]
    fn the_host_of_the_base_url_goes_through_us_too() {
        let gateway = Some("https://gateway.example.com/v1");
        assert_eq!(
            merged(".example.com,b.example", gateway),
            (format!("b.example,{ADDED}"), vec![".example.com".into()])
        );
        assert_eq!(merged("other.gateway.example.com", gateway).1, Vec::<String>::new());
        assert_eq!(
            merged("localhost", Some("http://localhost:4000")),
            ("127.0.0.1,::1".into(), vec!["localhost".into()])
        );
        assert_eq!(merged("", Some("http://127.0.0.1:4000")).0, "localhost,::1");
        for entry in ["127.0.0.0/8", "127.0.0.1", "127.0.0.1:4000", "0.0.0.0/0"] {
            assert_eq!(merged(entry, Some("http://127.0.0.1:4000")).1, [entry]);
        }
        assert_eq!(merged("[::1]:4000,::/0,fe80::/10", Some("http://[::1]:4000")).1, ["[::1]:4000", "::/0"]);
        assert_eq!(
            merged("10.0.0.0/8,127.0.0.0/99,127.0.0.0/x", Some("http://127.0.0.1:4000")).1,
            Vec::<String>::new()
        );
    }

    #[test]
    fn with_every_host_in_scope_the_users_other_entries_stay() {
        let scope = Scope::from_patterns(["*"]).unwrap();
        let merged = no_proxy(Some("internal.example,api.anthropic.com"), &scope, None);
        assert_eq!(
            (merged.value, merged.taken_out),
            (format!("internal.example,{ADDED}"), vec!["api.anthropic.com".to_owned()])
        );
    }
}
