//! Whose traffic is read.

use crate::ca::Scope;
use crate::wire::Host;

/// The hosts whose traffic is read; all others pass unread.
#[derive(Clone, Debug)]
pub struct Intercept {
    signable: Scope,
    plain: Vec<Host>,
    never: Scope,
}

impl Intercept {
    /// `signable`: names that the CA may sign for. `plain`: hosts (also addresses) whose HTTP without TLS is read.
    /// `never`: names that pass unread although one of the others covers them.
    #[must_use]
    pub fn new(signable: Scope, plain: Vec<Host>, never: Scope) -> Self {
        Self { signable, plain, never }
    }

    /// Whether TLS to that host ends at the proxy.
    pub(super) fn covers_tls(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => self.signable.covers(name) && !self.never.covers(name),
            Host::Ip(_) => false,
        }
    }

    /// Whether HTTP without TLS to that host is read.
    pub(super) fn covers_plain(&self, host: &Host) -> bool {
        let excluded = matches!(host, Host::Name(name) if self.never.covers(name));
        self.covers_tls(host) || (self.plain.contains(host) && !excluded)
    }
}
