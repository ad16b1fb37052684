//! Is everything in place: the environment, files and connections of a login, looked at before anything fails.
//!
//! In: the environment that authtrace was started with and the files that it names ([`look`]), what a trial of the client and
//! of the upstream has shown ([`Trial`], [`Upstream`]), the time. Out: a list of [`Check`]s, each with a stable id, a status,
//! what was found and what to do ([`examine`]), as text ([`text`]) or JSON ([`json`]).
//!
//! It changes nothing: no refresh, no login, no lock, no file of the user's written, no credential sent. Values of credentials
//! are described where they are read (kind, public prefix, length, shape) and go no further. [`examine`] and the renderings
//! are pure; [`reach`] and [`command`] alone use sockets and processes.

mod check;
mod client;
pub mod command;
mod credentials;
mod facts;
pub mod json;
mod login;
pub mod look;
mod masked;
mod network;
mod own;
mod pem;
mod precedence;
mod proxy_variables;
pub mod reach;
mod settings;
pub mod text;
mod trust;

#[cfg(test)]
mod tests;

pub use check::{Check, Examination, Status, Topic};
pub use facts::{
    Answer, BaseUrlFacts, CertificateFile, Certificates, Client, ClientForm, ConfigState, CredentialSource,
    CredentialVariable, Environment, FileFacts, Issuer, Keychain, Login, LoginFile, LoginState, Origin, Own,
    ProxyScheme, ProxyVariable, Reach, Role, Settings, Switch, TraceFolder, Trial, TrialEnd, Trust, Upstream, Version,
    Writable,
};

use crate::trace::Timestamp;

/// Everything that is known when the checks are made.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The machine's clock.
    pub now: Timestamp,
    /// Variables, settings and files.
    pub environment: Environment,
    /// The program to be started, and how a trial of it went.
    pub client: Client,
    /// The hosts that a login needs, or why they were not looked at.
    pub upstream: Result<Vec<Upstream>, String>,
    /// authtrace's own matters.
    pub own: Own,
}

/// Makes all checks.
#[must_use]
pub fn examine(facts: &Facts) -> Examination {
    let mut checks = Vec::new();
    checks.extend(credentials::checks(&facts.environment, facts.now));
    checks.extend(settings::checks(&facts.environment));
    checks.extend(proxy_variables::checks(&facts.environment));
    checks.extend(trust::checks(&facts.environment));
    checks.extend(client::checks(&facts.client, &facts.environment));
    checks.extend(network::checks(facts.upstream.as_ref()));
    checks.extend(own::checks(&facts.own));
    checks.sort_by_key(|check| check.topic);
    Examination { at: facts.now, checks }
}
