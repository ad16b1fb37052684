//! Whose traffic is read.

use crate::ca::Scope;
use crate::wire::Host;

/// The hosts whose traffic is read; all others pass unread.
#[derive(Clone, Debug)]
pub struct Intercept {
    signable: Scope,
    plain: Vec<Host>,
    never: Vec<String>,
}

impl Intercept {
    /// `signable`: names that the CA may sign for. `plain`: hosts (also addresses) whose HTTP without TLS is read.
    /// `never`: hosts (with their subdomains) that pass unread although one of the others covers them.
    #[must_use]
    pub fn new(signable: Scope, plain: Vec<Host>, never: Vec<String>) -> Self {
        let never = never.into_iter().map(|host| host.trim_start_matches('.').to_ascii_lowercase()).collect();
        Self { signable, plain, never }
    }

    /// Whether TLS to that host ends at the proxy.
    pub(super) fn covers_tls(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => self.signable.covers(name) && !self.excludes(name),
            Host::Ip(_) => false,
        }
    }

    /// Whether HTTP without TLS to that host is read.
    pub(super) fn covers_plain(&self, host: &Host) -> bool {
        self.covers_tls(host) || self.plain.contains(host)
    }

    fn excludes(&self, name: &str) -> bool {
        self.never
            .iter()
            .any(|never| name.strip_suffix(never.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }
}
