//! Which targets go directly although there is an upstream proxy: the user's `NO_PROXY`, read as curl and Go read it.

use crate::wire::{Authority, Host};
use std::net::IpAddr;

/// The entries of a `NO_PROXY`.
#[derive(Clone, Debug, Default)]
pub struct Bypass {
    everything: bool,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
enum Entry {
    /// The name and everything below it, on that port or on all.
    Domain(String, Option<u16>),
    /// Addresses that begin with these bits.
    Network(IpAddr, u32),
}

impl Bypass {
    /// Reads a list separated by commas or white space. An entry that is neither a name, an address nor a network
    /// covers nothing.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        let texts = list.split([',', ' ', '\t']).filter(|text| !text.is_empty());
        let mut bypass = Self::default();
        for text in texts {
            match text {
                "*" => bypass.everything = true,
                _ => bypass.entries.extend(parse_entry(text)),
            }
        }
        bypass
    }

    /// Whether that target goes directly. Loopback always does: the upstream proxy has another one.
    pub(super) fn covers(&self, target: &Authority) -> bool {
        let loopback = match &target.host {
            Host::Ip(address) => address.is_loopback(),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        };
        loopback || self.everything || self.entries.iter().any(|entry| entry.covers(target))
    }
}

impl Entry {
    fn covers(&self, target: &Authority) -> bool {
        match (self, &target.host) {
            (Self::Domain(domain, port), Host::Name(name)) => {
                let rest = name.strip_suffix(domain.as_str());
                port.is_none_or(|port| port == target.port)
                    && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Network(network, bits), Host::Ip(address)) => same_network(*network, address.to_canonical(), *bits),
            _ => false,
        }
    }
}

fn parse_entry(text: &str) -> Option<Entry> {
    if let Some((network, bits)) = text.split_once('/') {
        let (network, bits) = (network.parse::<IpAddr>().ok()?, bits.parse().ok()?);
        let whole = if network.is_ipv4() { 32 } else { 128 };
        return (bits <= whole).then_some(Entry::Network(network, bits));
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(Entry::Network(address, if address.is_ipv4() { 32 } else { 128 }));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (text, None),
    };
    let name = name.trim_start_matches('*').trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    (!name.is_empty()).then_some(Entry::Domain(name, port))
}

fn same_network(network: IpAddr, address: IpAddr, bits: u32) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (network.to_bits() ^ address.to_bits()).leading_zeros() >= bits,
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits() ^ address.to_bits()).leading_zeros() >= bits,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::connect_target;

    fn covers(list: &str, target: &str) -> bool {
        Bypass::parse(list).covers(&connect_target(target.as_bytes()).unwrap())
    }

    #[test]
    fn names_cover_themselves_and_what_is_below() {
        for list in ["example.com", ".example.com", "*.example.com", "a.example, EXAMPLE.com"] {
            assert!(covers(list, "example.com:443") && covers(list, "api.example.com:443"), "{list}");
            assert!(!covers(list, "notexample.com:443"), "{list}");
        }
        assert!(covers("example.com:8080", "example.com:8080") && !covers("example.com:8080", "example.com:443"));
    }

    #[test]
    fn addresses_and_networks() {
        assert!(covers("10.0.0.0/8", "10.1.2.3:443") && !covers("10.0.0.0/8", "11.1.2.3:443"));
        assert!(covers("192.0.2.1", "192.0.2.1:443") && covers("2001:db8::/32", "[2001:db8::1]:443"));
        assert!(covers("0.0.0.0/0", "192.0.2.1:443") && !covers("10.0.0.0/40", "10.0.0.1:443"));
    }

    #[test]
    fn the_star_and_loopback() {
        assert!(covers("*", "example.com:443"));
        assert!(covers("", "localhost:80") && covers("", "127.0.0.1:80") && !covers("", "example.com:443"));
    }
}
