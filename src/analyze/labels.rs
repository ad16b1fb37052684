//! Short names for credentials: `oat-A` is easier to follow through a timeline than `fp=3f9c21ab`.

use crate::redact::{Fingerprint, Kind};
use crate::trace::{Credential, Exchange, Record};
use serde::{Serialize, Serializer};
use std::collections::HashMap;
use std::fmt;

/// The short name of a credential within one trace, such as `oat-A` or `key-B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    family: &'static str,
    index: u32,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = Vec::new();
        let mut rest = self.index;
        loop {
            letters.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or(0)));
            if rest < 26 {
                break;
            }
            rest = rest / 26 - 1;
        }
        f.pad(&format!("{}-{}", self.family, letters.iter().rev().collect::<String>()))
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Hands out labels in the order in which credentials are first seen. A label, once given, never changes, and two
/// readers of the same records give the same labels.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    given: HashMap<Fingerprint, Label>,
    next: HashMap<&'static str, u32>,
}

impl Labels {
    /// Labels every credential of a record: first those that were sent, then those that were issued.
    pub fn take(&mut self, record: &Record) {
        if let Record::Exchange(exchange) = record {
            for credential in credentials_of(exchange) {
                self.give(credential);
            }
        }
    }

    /// The label of a credential that was taken before.
    #[must_use]
    pub fn get(&self, fp: Fingerprint) -> Option<Label> {
        self.given.get(&fp).copied()
    }

    /// How many credentials have a label.
    pub(super) fn count(&self) -> usize {
        self.given.len()
    }

    /// Forgets the labels of other credentials. None of them is given again.
    pub(super) fn keep(&mut self, kept: impl Fn(Fingerprint) -> bool) {
        self.given.retain(|fp, _| kept(*fp));
    }

    fn give(&mut self, seen: &Credential) {
        let Self { given, next } = self;
        given.entry(seen.credential.fp).or_insert_with(|| {
            let family = family(seen.credential.kind);
            let counter = next.entry(family).or_default();
            let index = *counter;
            *counter += 1;
            Label { family, index }
        });
    }
}

/// Every credential of an exchange: sent, then issued.
pub(super) fn credentials_of(exchange: &Exchange) -> impl Iterator<Item = &Credential> {
    exchange.credentials.iter().chain(issued_by(exchange))
}

/// The credentials that the answer issued.
pub(super) fn issued_by(exchange: &Exchange) -> &[Credential] {
    exchange.oauth.as_ref().map_or(&[], |oauth| oauth.issued.as_slice())
}

fn family(kind: Kind) -> &'static str {
    match kind {
        Kind::OauthAccess => "oat",
        Kind::OauthRefresh => "ort",
        Kind::ApiKey => "key",
        Kind::AdminKey => "admin",
        Kind::SessionCookie => "sid",
        Kind::Jwt => "jwt",
        Kind::AwsSigv4 | Kind::AwsAccessKey => "aws",
        Kind::GithubToken => "github",
        Kind::GoogleKey => "google",
        Kind::BedrockKey => "bedrock",
        Kind::OauthCode => "code",
        Kind::PkceVerifier => "pkce",
        Kind::State => "state",
        Kind::Basic => "basic",
        Kind::Unknown => "cred",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_on_after_z() {
        let shown = |index| Label { family: "oat", index }.to_string();
        assert_eq!(shown(0), "oat-A");
        assert_eq!(shown(25), "oat-Z");
        assert_eq!(shown(26), "oat-AA");
        assert_eq!(shown(26 + 26 * 26), "oat-AAA");
    }
}
