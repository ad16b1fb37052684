//! Which credential of one trace is which of the other.

use crate::analyze::Survey;
use crate::redact::{Fingerprint, Kind};
use crate::trace::{Credential, Exchange};
use std::collections::HashMap;

/// How the credential of a request differs from that of its pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialChange {
    /// There is one now.
    Added,
    /// There is none any more.
    Dropped,
    /// It is of another kind.
    Kind(Kind, Kind),
    /// It is another one, by what the pairs before say.
    Other,
}

/// Matches made so far. A match, once made, stands.
#[derive(Default)]
pub(super) struct Identities {
    after: HashMap<Fingerprint, Fingerprint>,
    before: HashMap<Fingerprint, Fingerprint>,
    /// In the order in which they were made.
    made: Vec<(Fingerprint, Fingerprint)>,
}

impl Identities {
    /// Compares what two paired requests carried; what neither trace has matched yet is matched now, and so is what both
    /// were issued.
    pub(super) fn meet(&mut self, before: &Exchange, after: &Exchange) -> Option<CredentialChange> {
        let change = match (carried(before), carried(after)) {
            (None, None) => None,
            (None, Some(_)) => Some(CredentialChange::Added),
            (Some(_), None) => Some(CredentialChange::Dropped),
            (Some(one), Some(other)) if one.credential.kind != other.credential.kind => {
                Some(CredentialChange::Kind(one.credential.kind, other.credential.kind))
            }
            (Some(one), Some(other)) => {
                let are_one = self.are_one(one.credential.fp, other.credential.fp);
                (!are_one).then_some(CredentialChange::Other)
            }
        };
        for (one, other) in of_one_kind(issued(before), issued(after)) {
            self.are_one(one.credential.fp, other.credential.fp);
        }
        change
    }

    /// Whether two credentials are one and the same in both traces: they are matched, or nothing speaks against it.
    fn are_one(&mut self, before: Fingerprint, after: Fingerprint) -> bool {
        match (self.after.get(&before), self.before.get(&after)) {
            (Some(matched), _) => *matched == after,
            (None, Some(_)) => false,
            (None, None) => {
                self.after.insert(before, after);
                self.before.insert(after, before);
                self.made.push((before, after));
                true
            }
        }
    }

    /// The labels of those that are called differently in the two traces.
    pub(super) fn renamed(&self, before: &Survey, after: &Survey) -> Vec<(String, String)> {
        let label = |survey: &Survey, fp| survey.credential_label(fp).map(|label| label.to_string());
        let named = self.made.iter().filter_map(|(one, other)| Some((label(before, *one)?, label(after, *other)?)));
        named.filter(|(one, other)| one != other).collect()
    }
}

/// The credential that a request is sent with: in the head, or else in the body.
pub(super) fn carried(exchange: &Exchange) -> Option<&Credential> {
    let at = |place: &str| exchange.credentials.iter().find(|sent| sent.place == *place);
    let places = ["x-api-key", "authorization", "body.refresh_token"];
    places.iter().find_map(|place| at(place)).or_else(|| exchange.credentials.iter().find(|sent| is_credential(sent)))
}

/// Whether it is more than what goes with the code of a login.
pub(super) fn is_credential(sent: &Credential) -> bool {
    !matches!(sent.credential.kind, Kind::PkceVerifier | Kind::State)
}

fn issued(exchange: &Exchange) -> &[Credential] {
    exchange.oauth.as_ref().map_or(&[], |oauth| oauth.issued.as_slice())
}

/// The first of each kind with the first of that kind.
fn of_one_kind<'a>(
    before: &'a [Credential],
    after: &'a [Credential],
) -> impl Iterator<Item = (&'a Credential, &'a Credential)> {
    before.iter().enumerate().filter_map(|(at, one)| {
        let kind = one.credential.kind;
        let is_first = !before.iter().take(at).any(|earlier| earlier.credential.kind == kind);
        let other = after.iter().find(|other| other.credential.kind == kind)?;
        is_first.then_some((one, other))
    })
}
