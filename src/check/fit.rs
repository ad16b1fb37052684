//! Whether one exchange is like one step says.

use super::expectation::{Field, Holding, Step};
use crate::policy::Grant;
use crate::redact::{Fingerprint, Kind};
use crate::trace::{Credential, Exchange};
use std::collections::HashSet;

/// What a flow has bound so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Bindings {
    variables: Vec<Option<Fingerprint>>,
    /// What the exchanges that took a step issued, by the index of the step.
    issued: HashSet<(usize, Fingerprint)>,
    /// Exchanges that took a step, by its index and their places among all.
    taken: Vec<(usize, usize)>,
}

impl Bindings {
    pub(super) fn variable(&self, at: usize) -> Option<Fingerprint> {
        self.variables.get(at).copied().flatten()
    }

    /// The exchanges that took a step, by their places.
    pub(super) fn taken_by(&self, step: usize) -> impl Iterator<Item = usize> {
        self.taken.iter().filter(move |(index, _)| *index == step).map(|(_, place)| *place)
    }

    /// The exchanges that took any step, with its index.
    pub(super) fn taken(&self) -> impl Iterator<Item = (usize, usize)> {
        self.taken.iter().copied()
    }

    /// An exchange takes a step that it fits.
    pub(super) fn take(&mut self, step: &Step, exchange: &Exchange, place: usize) {
        if let Some(Holding::Variable(at)) = step.credential.holding
            && self.variable(at).is_none()
        {
            let bound = candidates(step, exchange, self).next().map(|seen| seen.credential.fp);
            if self.variables.len() <= at {
                self.variables.resize(at + 1, None);
            }
            if let Some(slot) = self.variables.get_mut(at) {
                *slot = bound;
            }
        }
        let issued = exchange.oauth.iter().flat_map(|oauth| &oauth.issued);
        self.issued.extend(issued.map(|token| (step.index, token.credential.fp)));
        self.taken.push((step.index, place));
    }

    fn issued(&self, step: usize, fp: Fingerprint) -> bool {
        self.issued.contains(&(step, fp))
    }
}

/// What is compared, in the order in which a difference is told: what was asked, with what, what was answered.
pub(super) const FIELDS: [Field; 11] = [
    Field::Path,
    Field::Grant,
    Field::Host,
    Field::Method,
    Field::Kind,
    Field::Credential,
    Field::Not,
    Field::IssuedBy,
    Field::Header,
    Field::Status,
    Field::Error,
];

/// Those of them that say what was asked.
pub(super) const ROUTE: [Field; 4] = [Field::Path, Field::Grant, Field::Host, Field::Method];

/// Whether an exchange is like a step says in every field.
pub(super) fn fits(step: &Step, exchange: &Exchange, bound: &Bindings) -> bool {
    FIELDS.iter().all(|field| agrees(step, *field, exchange, bound))
}

/// Whether it is in one field.
pub(super) fn agrees(step: &Step, field: Field, exchange: &Exchange, bound: &Bindings) -> bool {
    let request = &exchange.request;
    let part = &step.credential;
    match field {
        Field::Path => step.path.as_ref().is_none_or(|wanted| wanted.matches(path(exchange))),
        Field::Host => step.host.as_ref().is_none_or(|wanted| wanted.matches(request.host.as_str())),
        Field::Method => step.method.as_ref().is_none_or(|wanted| request.method.as_str().eq_ignore_ascii_case(wanted)),
        Field::Grant => step.grant.is_none_or(|wanted| grant(exchange) == Some(wanted)),
        Field::Kind => part.kind.is_none() || sent(step, exchange).next().is_some(),
        Field::Credential => match part.holding {
            None => true,
            Some(Holding::Nothing) => sent(step, exchange).next().is_none(),
            // By another field if there is one, but of a wrong kind or origin.
            Some(Holding::Variable(at)) => match bound.variable(at) {
                Some(fp) => sent(step, exchange).any(|seen| seen.credential.fp == fp),
                None => sent(step, exchange).next().is_some(),
            },
        },
        Field::Not => {
            let is_barred =
                |seen: &Credential| part.not.iter().any(|at| bound.variable(*at) == Some(seen.credential.fp));
            part.not.is_empty() || (sent(step, exchange).next().is_some() && !sent(step, exchange).any(is_barred))
        }
        Field::IssuedBy => part.issued_by.is_none() || candidates(step, exchange, bound).next().is_some(),
        Field::Header => step
            .headers
            .iter()
            .all(|wanted| request.headers.iter().any(|field| field.name.as_str().eq_ignore_ascii_case(wanted))),
        Field::Status => step.status.is_empty() || step.status.iter().any(|wanted| wanted.matches(exchange.status())),
        Field::Error => step.error.as_ref().is_none_or(|wanted| {
            let error = exchange.error.as_ref();
            let names = error.iter().flat_map(|error| error.kind.iter().chain(&error.code));
            names.into_iter().any(|name| name.as_str() == wanted)
        }),
        Field::Repeat | Field::Absent | Field::Within | Field::AtLeast | Field::Order => true,
    }
}

/// The path without the query.
pub(super) fn path(exchange: &Exchange) -> &str {
    let path = exchange.request.path.as_str();
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// What a token request asks for.
pub(super) fn grant(exchange: &Exchange) -> Option<Grant> {
    match exchange.oauth.as_ref()?.grant_type.as_ref()?.as_str() {
        "refresh_token" => Some(Grant::RefreshToken),
        "authorization_code" => Some(Grant::AuthorizationCode),
        _ => None,
    }
}

/// The credentials that a step may mean: of its kind, and without what only goes with the code of a login.
pub(super) fn sent<'a>(step: &Step, exchange: &'a Exchange) -> impl Iterator<Item = &'a Credential> {
    let kind = step.credential.kind;
    exchange.credentials.iter().filter(move |seen| match kind {
        Some(kind) => seen.credential.kind == kind,
        None => is_credential(seen),
    })
}

/// Whether it is more than what goes with the code of a login.
pub(super) fn is_credential(seen: &Credential) -> bool {
    !matches!(seen.credential.kind, Kind::PkceVerifier | Kind::State)
}

/// Those that come from where the step says, and are what its variable is bound to.
fn candidates<'a>(step: &Step, exchange: &'a Exchange, bound: &Bindings) -> impl Iterator<Item = &'a Credential> {
    let part = step.credential.clone();
    let variable = match part.holding {
        Some(Holding::Variable(at)) => bound.variable(at),
        _ => None,
    };
    sent(step, exchange).filter(move |seen| {
        let fp = seen.credential.fp;
        part.issued_by.is_none_or(|by| bound.issued(by, fp)) && variable.is_none_or(|bound| bound == fp)
    })
}
