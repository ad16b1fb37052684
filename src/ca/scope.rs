use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use super::CaError;

/// One entry of a [`Scope`], in lower case and without a final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// Exactly this host.
    Host(String),
    /// This domain and every host below it.
    Domain(String),
}

/// Which names may be signed, and so be intercepted. IP addresses never are.
///
/// Written as a list of patterns: `.example.com` (or `*.example.com`) is the domain and everything below it, `example.com` is
/// exactly this host, `*` is every name. Case does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    everything: bool,
    patterns: BTreeSet<Pattern>,
}

impl Scope {
    /// A scope that covers nothing yet.
    #[must_use]
    pub fn empty() -> Self {
        Self { everything: false, patterns: BTreeSet::new() }
    }

    /// The scope that `certs/scope.txt` describes: the hosts of Claude Code.
    ///
    /// # Errors
    /// [`CaError::Pattern`] if the file that was built in has a bad line.
    pub fn claude() -> Result<Self, CaError> {
        Self::from_lines(include_str!("../../certs/scope.txt"))
    }

    /// Reads one pattern per line; blank lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    /// [`CaError::Pattern`] for the first bad line.
    pub fn from_lines(text: &str) -> Result<Self, CaError> {
        Self::from_patterns(text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')))
    }

    /// A scope of these patterns.
    ///
    /// # Errors
    /// [`CaError::Pattern`] for the first bad one.
    pub fn from_patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, CaError> {
        let mut scope = Self::empty();
        for pattern in patterns {
            scope.add(pattern)?;
        }
        Ok(scope)
    }

    /// Adds one pattern.
    ///
    /// # Errors
    /// [`CaError::Pattern`] if it is an IP address, not a name, or a whole top-level domain.
    pub fn add(&mut self, pattern: &str) -> Result<(), CaError> {
        let bad = |reason| CaError::Pattern { pattern: pattern.to_owned(), reason };
        if pattern == "*" {
            self.everything = true;
            return Ok(());
        }
        let below = pattern.strip_prefix("*.").or_else(|| pattern.strip_prefix('.'));
        let name = host_name(below.unwrap_or(pattern)).map_err(|error| {
            bad(match error {
                CaError::Address => "certificates of a run exclude IP addresses; use the host's name",
                CaError::Host(reason) => reason,
                _ => "not a host name",
            })
        })?;
        if below.is_some() && !name.contains('.') {
            return Err(bad("it is a whole top-level domain; name the hosts, or use '*' for every host"));
        }
        self.patterns.insert(if below.is_some() { Pattern::Domain(name) } else { Pattern::Host(name) });
        Ok(())
    }

    /// Whether a leaf for this host may be signed. An address, a wildcard or anything that is not a host name: no.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        host_name(host).is_ok_and(|name| self.covers_name(&name))
    }

    /// Whether every host name is covered, so that the root is not constrained to names.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether no name is covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.everything && self.patterns.is_empty()
    }

    /// The patterns, sorted, without `*`.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.iter()
    }

    /// Checks a host that a client asked for, and gives the name to sign: lower case, no final dot.
    pub(super) fn admit(&self, host: &str) -> Result<String, CaError> {
        let name = host_name(host)?;
        if self.covers_name(&name) { Ok(name) } else { Err(CaError::OutOfScope) }
    }

    /// The permitted dNSName subtrees of the root, sorted: none when every name is covered. A subtree reaches below its name
    /// (RFC 5280 §4.2.1.10), so a name that lies in another one is left out.
    pub(super) fn permitted_names(&self) -> Vec<&str> {
        if self.everything {
            return Vec::new();
        }
        let names: BTreeSet<&str> = self.patterns.iter().map(Pattern::name).collect();
        names.iter().copied().filter(|name| !names.iter().any(|other| is_below(name, other))).collect()
    }

    fn covers_name(&self, name: &str) -> bool {
        self.everything
            || self.patterns.iter().any(|pattern| match pattern {
                Pattern::Host(host) => name == host,
                Pattern::Domain(domain) => name == domain || is_below(name, domain),
            })
    }
}

impl Pattern {
    /// The name without the dot that marks a domain.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Host(name) | Self::Domain(name) => name,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Domain(name) => write!(f, ".{name}"),
        }
    }
}

/// The patterns as [`Scope::from_patterns`] reads them, with `, ` between them.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.everything {
            return f.write_str("*");
        }
        for (index, pattern) in self.patterns.iter().enumerate() {
            write!(f, "{}{pattern}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// Lower case, no final dot; letters, digits, hyphens and underscores in labels of 1 to 63 octets, 253 in all (RFC 1035
/// §2.3.4). Names outside ASCII must come in their `xn--` form. A name whose last label is a number is read as an address by
/// many clients (WHATWG URL, "ends in a number") and counts as one here.
fn host_name(host: &str) -> Result<String, CaError> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.starts_with('[') || host.contains(':') || host.parse::<IpAddr>().is_ok() {
        return Err(CaError::Address);
    }
    if host.is_empty() {
        return Err(CaError::Host("it is empty"));
    }
    if !host.is_ascii() {
        return Err(CaError::Host("write names outside ASCII in their xn-- form"));
    }
    if host.len() > 253 {
        return Err(CaError::Host("it is longer than 253 octets"));
    }
    for label in host.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err(CaError::Host("a label is empty or longer than 63 octets"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(CaError::Host("a label starts or ends with a hyphen"));
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Err(CaError::Host("only letters, digits, hyphens, underscores and dots may stand in it"));
        }
    }
    let last = host.rsplit('.').next().unwrap_or(host).to_ascii_lowercase();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CaError::Address);
    }
    Ok(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(patterns: &[&str]) -> Scope {
        Scope::from_patterns(patterns.iter().copied()).unwrap()
    }

    #[test]
    fn the_built_in_scope_is_claude_and_nothing_else() {
        let scope = Scope::claude().unwrap();
        for host in ["api.anthropic.com", "platform.claude.com", "claude.ai", "API.Anthropic.COM", "api.anthropic.com."]
        {
            assert!(scope.covers(host), "{host}");
        }
        for host in
            ["example.com", "anthropic.com.example.com", "notanthropic.com", "anthropic.co", "com", ".anthropic.com"]
        {
            assert!(!scope.covers(host), "{host}");
        }
        assert_eq!(scope.permitted_names(), ["anthropic.com", "claude.ai", "claude.com"]);
        assert_eq!(scope.to_string(), ".anthropic.com, .claude.ai, .claude.com");
    }

    #[test]
    fn a_plain_name_is_one_host_and_a_dotted_one_a_domain() {
        let scope = scope(&["gateway.example.com", "*.example.org", "localhost"]);
        assert!(scope.covers("gateway.example.com") && scope.covers("localhost"));
        assert!(!scope.covers("a.gateway.example.com") && !scope.covers("example.com"));
        assert!(scope.covers("example.org") && scope.covers("a.b.example.org"));
        assert_eq!(scope, Scope::from_patterns(scope.to_string().split(", ")).unwrap());
    }

    #[test]
    fn addresses_are_never_covered_however_they_are_written() {
        let scope = scope(&["*"]);
        for host in [
            "127.0.0.1",
            "::1",
            "[::1]",
            "0x7f000001",
            "2130706433",
            "127.1",
            "1.2.3.0x4",
            "10.0.0.1.",
            "a.1",
            "api.anthropic.com:443",
        ] {
            assert!(!scope.covers(host), "{host}");
            assert!(matches!(scope.admit(host), Err(CaError::Address)), "{host}");
        }
        assert!(scope.covers("a.1b"));
    }

    #[test]
    fn what_is_not_a_host_name_is_never_covered() {
        let scope = scope(&["*"]);
        let long = format!("{}.example.com", "a".repeat(64));
        let longer = vec!["a".repeat(60); 5].join(".");
        for host in [
            "",
            ".",
            "..",
            "a..b",
            "*.example.com",
            "*",
            "a b",
            "a\nb",
            "a\0b",
            "-a.com",
            "a-.com",
            "b\u{fc}cher.example",
            &long,
            &longer,
        ] {
            assert!(!scope.covers(host), "{host:?}");
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        for pattern in
            ["", ".", ".com", "*.com", "10.0.0.1", "::1", "a.*.com", "exa mple.com", "**", "https://example.com"]
        {
            assert!(matches!(Scope::from_patterns([pattern]), Err(CaError::Pattern { .. })), "{pattern:?}");
        }
    }

    #[test]
    fn a_constraint_that_lies_in_another_one_is_left_out() {
        assert_eq!(
            scope(&[".example.com", "a.example.com", "example.com", "b.example"]).permitted_names(),
            ["b.example", "example.com"]
        );
        assert_eq!(scope(&["*", "a.example"]).permitted_names(), Vec::<&str>::new());
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_client_asks_for_is_judged_without_a_panic(host in "\\PC{0,80}") {
            let scope = Scope::claude().unwrap();
            if scope.covers(&host) {
                let name = scope.admit(&host).unwrap();
                let listed = scope.permitted_names().into_iter().any(|domain| name == domain || name.ends_with(&format!(".{domain}")));
                proptest::prop_assert!(listed);
            }
        }
    }
}
