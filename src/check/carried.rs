//! Which credentials went with a request: where they belong, and where none does, in its path or in any header field.

use super::fit::is_credential;
use crate::redact::{Fingerprint, Kind, Redacted};
use crate::trace::Exchange;
use std::collections::HashMap;

/// A credential that went with a request.
pub(super) struct Carried {
    pub(super) fp: Fingerprint,
    pub(super) kind: Kind,
    /// Where it stood, if that is no place for a credential.
    pub(super) aside: Option<&'static str>,
}

/// Every credential of a trace, with its kind.
pub(super) struct Known(HashMap<Fingerprint, Kind>);

impl Known {
    pub(super) fn new(exchanges: &[Exchange]) -> Self {
        let sent = exchanges.iter().flat_map(|exchange| &exchange.credentials);
        let issued = exchanges.iter().filter_map(|exchange| exchange.oauth.as_ref()).flat_map(|oauth| &oauth.issued);
        let all = sent.chain(issued).filter(|seen| is_credential(seen));
        Self(all.map(|seen| (seen.credential.fp, seen.credential.kind)).collect())
    }

    /// What went with a request: first what stood where it belongs.
    pub(super) fn carried(&self, exchange: &Exchange) -> Vec<Carried> {
        let sent = exchange.credentials.iter().filter(|seen| is_credential(seen));
        let sent = sent.map(|seen| Carried { fp: seen.credential.fp, kind: seen.credential.kind, aside: None });
        let fields = exchange.request.headers.iter().map(|field| &field.value);
        let mut all: Vec<Carried> = sent.collect();
        for one in self
            .aside(&exchange.request.path, "in the path")
            .chain(fields.flat_map(|value| self.aside(value, "in a header")))
        {
            if all.iter().all(|known| known.fp != one.fp)
                && exchange.credentials.iter().all(|seen| seen.credential.fp != one.fp)
            {
                all.push(one);
            }
        }
        all
    }

    /// What was taken out of a text and is a credential elsewhere, or looks like one.
    fn aside(&self, text: &Redacted, place: &'static str) -> impl Iterator<Item = Carried> {
        text.taken_out().filter_map(move |(fp, looks)| {
            let kind = self.0.get(&fp).copied().or(looks)?;
            let counts = !matches!(kind, Kind::PkceVerifier | Kind::State);
            counts.then_some(Carried { fp, kind, aside: Some(place) })
        })
    }
}
