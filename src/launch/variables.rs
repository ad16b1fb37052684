use std::fmt;
use std::str::FromStr;

use super::LaunchError;

/// Kinds of clients that `--trust` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrustGroup {
    /// Node.js, Bun and Claude Code itself.
    Node,
    /// Deno.
    Deno,
    /// What goes by OpenSSL's variable: OpenSSL, Python's ssl and httpx, Go, Ruby, Rust's native roots.
    Ssl,
    /// Python's requests.
    Python,
    /// curl.
    Curl,
    /// Programs built by Nix.
    Nix,
    /// git over HTTPS.
    Git,
    /// pip.
    Pip,
    /// cargo.
    Cargo,
    /// npm.
    Npm,
    /// The AWS command line and SDKs.
    Aws,
}

/// What a variable does to a client's own roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Adds to them: the file holds our root and what the user's own file held.
    Adds,
    /// Takes their place: the file holds our root and those of the user's own file, or else the system's.
    Replaces,
}

/// A variable through which a client is told to trust a file.
#[derive(Debug, Clone, Copy)]
pub struct TrustVariable {
    /// Its name.
    pub name: &'static str,
    /// Who reads it.
    pub group: TrustGroup,
    /// What it does to the client's own roots.
    pub effect: Effect,
    /// Set only if the user has set it: elsewhere nothing reads it.
    pub only_if_set: bool,
}

/// All of them. Who reads what: each program's own documentation.
pub const TRUST_VARIABLES: [TrustVariable; 11] = {
    use Effect::{Adds, Replaces};
    use TrustGroup::{Aws, Cargo, Curl, Deno, Git, Nix, Node, Npm, Pip, Python, Ssl};
    const fn variable(name: &'static str, group: TrustGroup, effect: Effect) -> TrustVariable {
        TrustVariable { name, group, effect, only_if_set: false }
    }
    [
        variable("NODE_EXTRA_CA_CERTS", Node, Adds),
        variable("DENO_CERT", Deno, Adds),
        variable("SSL_CERT_FILE", Ssl, Replaces),
        variable("REQUESTS_CA_BUNDLE", Python, Replaces),
        variable("CURL_CA_BUNDLE", Curl, Replaces),
        // Nix's OpenSSL prefers it to SSL_CERT_FILE.
        TrustVariable { name: "NIX_SSL_CERT_FILE", group: Nix, effect: Replaces, only_if_set: true },
        variable("GIT_SSL_CAINFO", Git, Replaces),
        variable("PIP_CERT", Pip, Replaces),
        variable("CARGO_HTTP_CAINFO", Cargo, Replaces),
        variable("npm_config_cafile", Npm, Replaces),
        variable("AWS_CA_BUNDLE", Aws, Replaces),
    ]
};

/// The variables that lead HTTP clients to a proxy. Clients differ in which case they prefer, so both are set.
pub(super) const PROXY: [&str; 4] = ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"];
/// Variables that would lead some requests past the two above: with them, clients have been seen to send `https` requests in the
/// clear to the proxy, in absolute form.
pub(super) const ALL_PROXY: [&str; 2] = ["ALL_PROXY", "all_proxy"];
/// Variables with hosts that go without the proxy.
pub(super) const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// Further variables about proxies and trust whose presence helps to understand a trace.
const ALSO_SEEN: [&str; 7] = [
    "CLAUDECODE",
    "NODE_OPTIONS",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "NODE_USE_ENV_PROXY",
    "NODE_USE_SYSTEM_CA",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
];

/// Whether the presence of this variable is worth a record: `ANTHROPIC_*`, `CLAUDE_*`, and those about proxies and trust.
pub(super) fn is_of_interest(name: &str) -> bool {
    let known = || {
        [&PROXY[..], &ALL_PROXY, &NO_PROXY, &ALSO_SEEN].iter().any(|names| names.contains(&name))
            || TRUST_VARIABLES.iter().any(|variable| variable.name == name)
    };
    let plain = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && (name.starts_with("ANTHROPIC_") || name.starts_with("CLAUDE_") || known())
}

const GROUPS: [(&str, TrustGroup); 11] = [
    ("node", TrustGroup::Node),
    ("deno", TrustGroup::Deno),
    ("ssl", TrustGroup::Ssl),
    ("python", TrustGroup::Python),
    ("curl", TrustGroup::Curl),
    ("nix", TrustGroup::Nix),
    ("git", TrustGroup::Git),
    ("pip", TrustGroup::Pip),
    ("cargo", TrustGroup::Cargo),
    ("npm", TrustGroup::Npm),
    ("aws", TrustGroup::Aws),
];

impl TrustGroup {
    /// Every group.
    pub fn all() -> impl Iterator<Item = Self> {
        GROUPS.iter().map(|(_, group)| *group)
    }

    /// Their names as `--trust` takes them, with `, ` between them.
    #[must_use]
    pub fn names() -> String {
        GROUPS.map(|(name, _)| name).join(", ")
    }

    /// Whether clients of this group may well call the hosts of Claude Code; the others speak to hosts of their own.
    #[must_use]
    pub fn meets_claude_hosts(self) -> bool {
        matches!(self, Self::Node | Self::Deno | Self::Ssl | Self::Python | Self::Curl | Self::Nix)
    }
}

impl FromStr for TrustGroup {
    type Err = LaunchError;

    fn from_str(name: &str) -> Result<Self, LaunchError> {
        let found = GROUPS.iter().find(|(known, _)| *known == name);
        found.map(|(_, group)| *group).ok_or(LaunchError::TrustGroup)
    }
}

impl fmt::Display for TrustGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = GROUPS.iter().find(|(_, group)| group == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_name_and_a_variable() {
        for group in TrustGroup::all() {
            assert_eq!(group.to_string().parse::<TrustGroup>().unwrap(), group);
            assert!(TRUST_VARIABLES.iter().any(|variable| variable.group == group), "{group}");
        }
        assert!("java".parse::<TrustGroup>().unwrap_err().to_string().contains("node, deno"));
    }

    #[test]
    fn only_names_about_this_matter_are_of_interest() {
        for name in
            ["ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "https_proxy", "ALL_PROXY", "PIP_CERT", "SSL_CERT_DIR"]
        {
            assert!(is_of_interest(name), "{name}");
        }
        for name in ["HOME", "AWS_SECRET_ACCESS_KEY", "ANTHROPIC_sk-ant-FAKE", "GITHUB_TOKEN", "", "claude_x"] {
            assert!(!is_of_interest(name), "{name}");
        }
        assert!(!is_of_interest(&format!("ANTHROPIC_{}", "A".repeat(80))));
    }
}
