//! Why a flow was left: the exchange that comes nearest to what was expected, and the field in which it differs.

use super::evaluate::Subject;
use super::expectation::{Element, Field, Flow, Holding, Step};
use super::fit::{FIELDS, ROUTE, agrees, fits, grant, path, sent};
use super::flow::{Left, Why};
use super::report::{Difference, Miss, MissKind};
use crate::policy::{Grant, Span};
use crate::redact::Fingerprint;
use crate::trace::Exchange;
use std::collections::HashSet;
use std::time::Duration;

/// A flow with the trace in which it was left.
pub(super) struct Explained<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) flow: &'a Flow,
    pub(super) left: &'a Left<'a>,
}

impl Explained<'_> {
    pub(super) fn miss(&self) -> Miss {
        match self.left.why {
            Why::TooFew { taking, count } => self.too_few(&taking.step, taking.repeat, count),
            Why::TooMany { taking, count, place } => {
                let repeat = taking.repeat.unwrap_or(Span::just(1));
                let message = format!("{} was taken once more than expected", name(&taking.step));
                let difference = Difference {
                    field: Field::Repeat,
                    expected: range(repeat),
                    found: format!("{count}, this one the last"),
                };
                self.at(&taking.step, place, message, difference)
            }
            Why::Present { step, place } => {
                let message = format!("{} is expected to be absent{}, and came", name(step), self.behind());
                let difference =
                    Difference { field: Field::Absent, expected: "none".to_owned(), found: "this one".to_owned() };
                self.at(step, place, message, difference)
            }
            Why::Untimely { taking, field, place, after } => {
                let (word, bound) = match field {
                    Field::Within => ("at most", taking.within),
                    _ => ("at least", taking.at_least),
                };
                let since = match self.exchange(self.left.last) {
                    Some(last) => format!("the end of #{}", last.id),
                    None => "the first request".to_owned(),
                };
                let late = if field == Field::Within { "late" } else { "soon" };
                let message = format!("{} was taken too {late}", name(&taking.step));
                let expected = format!("{word} {} after {since}", time(bound.unwrap_or_default()));
                self.at(&taking.step, place, message, Difference { field, expected, found: time(after) })
            }
        }
    }

    fn too_few(&self, step: &Step, repeat: Option<Span<u32>>, count: u32) -> Miss {
        let message = match count {
            0 => format!("{} was taken by no exchange{}", name(step), self.behind_place(self.last_before(step))),
            count => {
                let repeat = repeat.unwrap_or(Span::just(1));
                let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
                format!("{} was taken {times}, and no more{}; expected: {}", name(step), self.behind(), range(repeat))
            }
        };
        match self.nearest(step) {
            Some((place, field)) => {
                let difference = self.difference(step, field, place);
                self.at(step, place, message, difference)
            }
            None => Miss {
                kind: MissKind::Flow,
                message: format!("{message}, and none asked for the same"),
                source: Some(step.source.clone()),
                exchange: None,
                difference: None,
                around: self.subject.around(self.left.last.unwrap_or_default()),
            },
        }
    }

    fn at(&self, step: &Step, place: usize, message: String, difference: Difference) -> Miss {
        Miss {
            kind: MissKind::Flow,
            message,
            source: Some(step.place_of(difference.field)),
            exchange: self.exchange(Some(place)).map(|exchange| exchange.id),
            difference: Some(difference),
            around: self.subject.around(place),
        }
    }

    fn exchange(&self, place: Option<usize>) -> Option<&Exchange> {
        self.subject.exchanges().get(place?)
    }

    /// The step before, with its exchange.
    fn behind(&self) -> String {
        self.behind_place(self.left.last)
    }

    fn behind_place(&self, place: Option<usize>) -> String {
        self.exchange(place).map(|last| format!(" behind #{}", last.id)).unwrap_or_default()
    }

    /// The last exchange before what may take a step; of a group, each step may be taken from the group's beginning on.
    fn last_before(&self, step: &Step) -> Option<usize> {
        let group = self.flow.elements.iter().find_map(|element| match element {
            Element::AnyOrder(group) if group.iter().any(|taking| taking.step.index == step.index) => Some(group),
            _ => None,
        });
        let Some(group) = group else { return self.left.last };
        let is_of_group = |index: usize| group.iter().any(|taking| taking.step.index == index);
        self.left.bound.taken().filter(|(index, _)| !is_of_group(*index)).map(|(_, place)| place).max()
    }

    /// The exchange behind the last step that agrees in most; if none of them asked for the same, one that fits and came
    /// too early; else one that asked for the same of another host or with another method.
    fn nearest(&self, step: &Step) -> Option<(usize, Field)> {
        let bound = &self.left.bound;
        let from = self.last_before(step).map_or(0, |last| last + 1);
        let others: HashSet<usize> =
            bound.taken().filter(|(index, _)| *index != step.index).map(|(_, at)| at).collect();
        let free = |(place, _): &(usize, &Exchange)| !others.contains(place);
        let later = || self.subject.exchanges().iter().enumerate().skip(from).filter(free);
        let score = |exchange: &Exchange| FIELDS.iter().filter(|field| agrees(step, **field, exchange, bound)).count();
        let same = later().filter(|(_, exchange)| ROUTE.iter().all(|field| agrees(step, *field, exchange, bound)));
        if let Some(found) = first_best(same, score) {
            return Some((found, self.first_difference(step, found)));
        }
        let earlier = self.subject.exchanges().iter().take(from).enumerate();
        let taken: HashSet<usize> = bound.taken_by(step.index).collect();
        if let Some((place, _)) = earlier.rev().find(|(place, one)| !taken.contains(place) && fits(step, one, bound)) {
            return Some((place, Field::Order));
        }
        let asks = |exchange: &Exchange| {
            (step.path.is_some() && agrees(step, Field::Path, exchange, bound))
                || (step.grant.is_some() && agrees(step, Field::Grant, exchange, bound))
        };
        let found = first_best(later().filter(|(_, exchange)| asks(exchange)), score)?;
        Some((found, self.first_difference(step, found)))
    }

    fn first_difference(&self, step: &Step, place: usize) -> Field {
        let differs = |field: &&Field| match self.exchange(Some(place)) {
            Some(exchange) => !agrees(step, **field, exchange, &self.left.bound),
            None => false,
        };
        FIELDS.iter().find(differs).copied().unwrap_or(Field::Repeat)
    }

    fn difference(&self, step: &Step, field: Field, place: usize) -> Difference {
        let Some(exchange) = self.exchange(Some(place)) else {
            return Difference { field, expected: String::new(), found: String::new() };
        };
        Difference { field, expected: self.expected(step, field), found: self.found(step, field, exchange) }
    }

    fn expected(&self, step: &Step, field: Field) -> String {
        let part = &step.credential;
        let text = match field {
            Field::Path => step.path.as_ref().map(ToString::to_string),
            Field::Host => step.host.as_ref().map(ToString::to_string),
            Field::Method => step.method.clone(),
            Field::Grant => step.grant.map(|grant| grant_name(Some(grant)).to_owned()),
            Field::Kind => part.kind.map(|kind| kind.to_string()),
            Field::Credential => Some(match part.holding {
                Some(Holding::Variable(at)) => self.variable(at),
                Some(Holding::Nothing) | None => "none".to_owned(),
            }),
            Field::Not => {
                Some(format!("another than {}", joined(part.not.iter().map(|at| self.variable(*at)), " and ")))
            }
            Field::IssuedBy => part.issued_by.map(|by| self.issuer(by)),
            Field::Header => Some(joined(step.headers.iter().cloned(), " and ")),
            Field::Status => Some(joined(step.status.iter().map(ToString::to_string), " or ")),
            Field::Error => step.error.clone(),
            Field::Order => Some(match self.exchange(self.left.last) {
                Some(last) => format!("behind #{}", last.id),
                None => "later".to_owned(),
            }),
            Field::Repeat => Some("one more".to_owned()),
            Field::Absent | Field::Within | Field::AtLeast => None,
        };
        text.unwrap_or_default()
    }

    fn found(&self, step: &Step, field: Field, exchange: &Exchange) -> String {
        let request = &exchange.request;
        match field {
            Field::Path => path(exchange).to_owned(),
            Field::Host => request.host.to_string(),
            Field::Method => request.method.to_string(),
            Field::Grant => grant_name(grant(exchange)).to_owned(),
            Field::Kind => {
                let kinds = exchange.credentials.iter().map(|seen| seen.credential.kind.to_string());
                or_none(joined(kinds, " and "))
            }
            Field::Credential | Field::Not => {
                or_none(joined(sent(step, exchange).map(|seen| self.label(seen.credential.fp)), " and "))
            }
            Field::IssuedBy => {
                let origins = sent(step, exchange).map(|seen| {
                    let fp = seen.credential.fp;
                    format!("{}, {}", self.label(fp), self.subject.origin_of(fp))
                });
                or_none(joined(origins, " and "))
            }
            Field::Header => {
                let is_there = |wanted: &&String| {
                    request.headers.iter().any(|field| field.name.as_str().eq_ignore_ascii_case(wanted))
                };
                let missing = step.headers.iter().filter(|wanted| !is_there(wanted));
                format!("no {}", joined(missing.cloned(), " and no "))
            }
            Field::Status => match exchange.status() {
                Some(status) => status.to_string(),
                None => format!("none ({})", exchange.end.outcome.as_str()),
            },
            Field::Error => {
                let error = exchange.error.as_ref().and_then(|error| error.kind.as_ref().or(error.code.as_ref()));
                error.map_or_else(|| "none".to_owned(), ToString::to_string)
            }
            Field::Order => "before it".to_owned(),
            Field::Repeat => "no more".to_owned(),
            Field::Absent | Field::Within | Field::AtLeast => String::new(),
        }
    }

    fn variable(&self, at: usize) -> String {
        let name = self.flow.variables.get(at).map_or("?", String::as_str);
        match self.left.bound.variable(at) {
            Some(fp) => format!("${name} ({})", self.label(fp)),
            None => format!("a credential, for ${name}"),
        }
    }

    fn issuer(&self, step: usize) -> String {
        let ids = self.left.bound.taken_by(step).filter_map(|place| self.exchange(Some(place)));
        format!("one that {} issued", joined(ids.map(|exchange| format!("#{}", exchange.id)), " or "))
    }

    fn label(&self, fp: Fingerprint) -> String {
        self.subject.label(fp)
    }
}

/// The first of those with the highest score.
fn first_best<'a>(
    candidates: impl Iterator<Item = (usize, &'a Exchange)>,
    score: impl Fn(&Exchange) -> usize,
) -> Option<usize> {
    let scored = candidates.map(|(place, exchange)| (score(exchange), place));
    scored.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, place)| place)
}

/// A step as sentences name it.
fn name(step: &Step) -> String {
    match &step.name {
        Some(name) => format!("step {} ({name})", step.number),
        None => format!("step {}", step.number),
    }
}

fn grant_name(grant: Option<Grant>) -> &'static str {
    match grant {
        Some(Grant::RefreshToken) => "refresh-token",
        Some(Grant::AuthorizationCode) => "authorization-code",
        None => "none",
    }
}

fn range(span: Span<u32>) -> String {
    match (span.from, span.to) {
        (from, Some(to)) if from == to => from.to_string(),
        (from, Some(to)) => format!("{from} to {to}"),
        (from, None) => format!("{from} or more"),
    }
}

/// A time, shorter the longer it is.
pub(super) fn time(time: Duration) -> String {
    match time.as_millis() {
        0..1_000 if time.subsec_millis() != 0 => format!("{} ms", time.as_millis()),
        0..60_000 if time.subsec_millis() != 0 => format!("{:.1} s", time.as_secs_f64()),
        0..600_000 => format!("{} s", time.as_secs()),
        _ => format!("{} min", time.as_secs() / 60),
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}
