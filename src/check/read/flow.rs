//! Flows: steps, their names, their variables.

use super::{ExpectationError, Reader};
use crate::check::expectation::{CredentialPart, Element, Expectation, Field, Flow, Holding, Rule, Step, Taking};
use crate::check::format::{FlowTable, GrantName, OneStatus, RepeatValue, StatusValue, StepTable, Words};
use crate::check::pattern::{Glob, StatusPattern};
use crate::policy::span::{counts, duration};
use crate::policy::{Grant, Span};
use crate::redact::Kind;
use http::{HeaderName, Method};
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

/// What has been seen of a flow so far.
#[derive(Default)]
struct Seen {
    /// Names of variables, in the order of their first use.
    variables: Vec<String>,
    /// Names of steps that exchanges surely take, with their indices.
    steps: Vec<(String, usize)>,
    /// How many steps.
    count: usize,
}

/// Where a step stands: alone, or within a group with what was bound and named before the group.
#[derive(Clone, Copy)]
struct Group {
    variables: usize,
    steps: usize,
}

impl Reader<'_> {
    pub(super) fn flow(&self, table: Spanned<FlowTable>) -> Result<Expectation, ExpectationError> {
        let span = table.span();
        let table = table.into_inner();
        if table.steps.is_empty() {
            return Err(self.at(
                span,
                "this flow has no step; a step is a table such as { path = \"/v1/messages\", status = 200 }",
            ));
        }
        let mut seen = Seen::default();
        let mut elements = Vec::new();
        for (at, step) in table.steps.into_iter().enumerate() {
            elements.push(self.element(&mut seen, (at + 1).to_string(), step)?);
        }
        let flow = Flow { name: table.name, elements, variables: seen.variables };
        Ok(self.expectation(span, Rule::Flow(flow)))
    }

    fn element(&self, seen: &mut Seen, number: String, table: Spanned<StepTable>) -> Result<Element, ExpectationError> {
        let span = table.span();
        let mut table = table.into_inner();
        if let Some(group) = table.any_order.take() {
            self.nothing_else(&table, &span)?;
            return self.any_order(seen, &number, group);
        }
        let absent = table.absent.as_ref().is_some_and(|absent| *absent.get_ref());
        if absent {
            return self.absent(seen, number, span, table).map(Element::Absent);
        }
        self.taking(seen, number, span, table, None).map(Element::Taken)
    }

    fn nothing_else(&self, table: &StepTable, span: &Range<usize>) -> Result<(), ExpectationError> {
        let more = selects(table) || timed(table) || table.name.is_some() || table.absent.is_some();
        if more {
            Err(self.at(span.clone(), "beside any_order nothing else stands: write it into the steps of the group"))
        } else {
            Ok(())
        }
    }

    fn any_order(
        &self,
        seen: &mut Seen,
        number: &str,
        group: Spanned<Vec<Spanned<StepTable>>>,
    ) -> Result<Element, ExpectationError> {
        let place = group.span();
        let steps = group.into_inner();
        if steps.len() < 2 {
            return Err(self.at(place, "a group in any order has two steps at least"));
        }
        let before = Group { variables: seen.variables.len(), steps: seen.steps.len() };
        let mut members = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            let (span, table) = (step.span(), step.into_inner());
            let barred = table.any_order.as_ref().map(Spanned::span);
            let barred =
                barred.or(table.absent.as_ref().map(Spanned::span)).or(table.repeat.as_ref().map(Spanned::span));
            if let Some(place) = barred {
                return Err(
                    self.at(place, "a step of a group is taken once: any_order, absent and repeat have no place in it")
                );
            }
            members.push(self.taking(seen, format!("{number}.{}", at + 1), span, table, Some(before))?);
        }
        Ok(Element::AnyOrder(members))
    }

    fn absent(
        &self,
        seen: &mut Seen,
        number: String,
        span: Range<usize>,
        table: StepTable,
    ) -> Result<Step, ExpectationError> {
        for (place, key) in [
            (table.repeat.as_ref().map(Spanned::span), "repeat"),
            (table.within.as_ref().map(Spanned::span), "within"),
            (table.at_least.as_ref().map(Spanned::span), "at_least"),
            (table.name.as_ref().map(Spanned::span), "name"),
        ] {
            if let Some(place) = place {
                return Err(self.at(place, format!("{key} is for a step that is taken; this one is absent")));
            }
        }
        if !selects(&table) {
            return Err(self.at(span, "this would forbid every request; say which: a path, a status, a grant …"));
        }
        let bound = seen.variables.len();
        let step = self.step(seen, number, span.clone(), table, None)?;
        if seen.variables.len() > bound {
            let place = step.place_of(Field::Credential).place;
            let message = "no step before this one binds this variable, and what is absent binds nothing";
            return Err(ExpectationError { place, message: message.to_owned() });
        }
        Ok(step)
    }

    fn taking(
        &self,
        seen: &mut Seen,
        number: String,
        span: Range<usize>,
        table: StepTable,
        group: Option<Group>,
    ) -> Result<Taking, ExpectationError> {
        let repeat = table.repeat.as_ref().map(|repeat| self.repeat(repeat)).transpose()?;
        let within = self.time(table.within.as_ref())?;
        let at_least = self.time(table.at_least.as_ref())?;
        if let (Some(within), Some(at_least), Some(place)) = (within, at_least, &table.at_least)
            && at_least > within
        {
            return Err(self.at(place.span(), "at_least is longer than within: no exchange can do both"));
        }
        let name = table.name.clone();
        let bound = seen.variables.len();
        let step = self.step(seen, number, span, table, group)?;
        let optional = repeat.is_some_and(|repeat| repeat.from == 0);
        if optional && seen.variables.len() > bound {
            let place = step.place_of(Field::Credential).place;
            let message = "this step may be taken by none, so it cannot be the first to use a variable";
            return Err(ExpectationError { place, message: message.to_owned() });
        }
        if let Some(name) = name {
            if seen.steps.iter().any(|(other, _)| other == name.get_ref()) {
                return Err(self.at(name.span(), "another step of this flow has this name"));
            }
            if optional {
                return Err(self.at(name.span(), "this step may be taken by none, so no other can lean on it"));
            }
            seen.steps.push((name.into_inner(), step.index));
        }
        Ok(Taking { step, repeat, within, at_least })
    }

    fn step(
        &self,
        seen: &mut Seen,
        number: String,
        span: Range<usize>,
        table: StepTable,
        group: Option<Group>,
    ) -> Result<Step, ExpectationError> {
        let index = seen.count;
        seen.count += 1;
        let places = self.places(&table);
        let credential = self.credential(seen, &table, group)?;
        Ok(Step {
            number,
            index,
            name: table.name.map(Spanned::into_inner),
            method: table.method.as_ref().map(|method| self.method(method)).transpose()?,
            host: table.host.as_ref().map(|host| self.host(host)).transpose()?,
            path: table.path.as_ref().map(|path| self.path(path)).transpose()?,
            grant: table.grant.map(|grant| match grant.get_ref() {
                GrantName::RefreshToken => Grant::RefreshToken,
                GrantName::AuthorizationCode => Grant::AuthorizationCode,
            }),
            headers: table.header.as_ref().map(|header| self.headers(header)).transpose()?.unwrap_or_default(),
            credential,
            status: table.status.as_ref().map(|status| self.status(status)).transpose()?.unwrap_or_default(),
            error: table.error.as_ref().map(|error| self.error_type(error)).transpose()?,
            source: self.source(span),
            places,
        })
    }

    fn places(&self, table: &StepTable) -> Vec<(Field, crate::place::Place)> {
        let spans = [
            (Field::Method, table.method.as_ref().map(Spanned::span)),
            (Field::Host, table.host.as_ref().map(Spanned::span)),
            (Field::Path, table.path.as_ref().map(Spanned::span)),
            (Field::Grant, table.grant.as_ref().map(Spanned::span)),
            (Field::Header, table.header.as_ref().map(Spanned::span)),
            (Field::Credential, table.credential.as_ref().map(Spanned::span)),
            (Field::Kind, table.kind.as_ref().map(Spanned::span)),
            (Field::Not, table.not.as_ref().map(Spanned::span)),
            (Field::IssuedBy, table.issued_by.as_ref().map(Spanned::span)),
            (Field::Status, table.status.as_ref().map(Spanned::span)),
            (Field::Error, table.error.as_ref().map(Spanned::span)),
            (Field::Repeat, table.repeat.as_ref().map(Spanned::span)),
            (Field::Within, table.within.as_ref().map(Spanned::span)),
            (Field::AtLeast, table.at_least.as_ref().map(Spanned::span)),
            (Field::Absent, table.absent.as_ref().map(Spanned::span)),
        ];
        let given = spans.into_iter().filter_map(|(field, span)| Some((field, span?)));
        given.map(|(field, span)| (field, self.source(span).place)).collect()
    }

    fn credential(
        &self,
        seen: &mut Seen,
        table: &StepTable,
        group: Option<Group>,
    ) -> Result<CredentialPart, ExpectationError> {
        let not = table.not.as_ref().map(|not| self.not(seen, not, group)).transpose()?.unwrap_or_default();
        let issued_by = table.issued_by.as_ref().map(|name| self.issued_by(seen, name, group)).transpose()?;
        let kind = table.kind.as_ref().map(|kind| self.kind(kind)).transpose()?;
        let Some(written) = &table.credential else {
            return Ok(CredentialPart { holding: None, kind, not, issued_by });
        };
        let holding = match written.get_ref().strip_prefix('$') {
            Some(name) if is_name(name) => Holding::Variable(seen.variable(name)),
            None if written.get_ref() == "none" => Holding::Nothing,
            _ => {
                let message = "a credential is a variable such as \"$old\", or \"none\"; for its kind there is `kind`";
                return Err(self.at(written.span(), message));
            }
        };
        if holding == Holding::Nothing && (kind.is_some() || issued_by.is_some() || !not.is_empty()) {
            return Err(self.at(written.span(), "no credential, and yet something about it: that can never hold"));
        }
        if let (Holding::Variable(one), Some(place)) = (holding, &table.not)
            && not.contains(&one)
        {
            return Err(self.at(place.span(), "the credential is this variable and is not: that can never hold"));
        }
        Ok(CredentialPart { holding: Some(holding), kind, not, issued_by })
    }

    fn not(&self, seen: &Seen, words: &Spanned<Words>, group: Option<Group>) -> Result<Vec<usize>, ExpectationError> {
        let bound = group.map_or(seen.variables.len(), |group| group.variables);
        let variable = |word: &String| {
            let name = word.strip_prefix('$').filter(|name| is_name(name));
            let Some(name) = name else {
                return Err(self.at(words.span(), "a variable begins with a dollar sign: not = \"$old\""));
            };
            let known = seen.variables.iter().take(bound).position(|other| other == name);
            known.ok_or_else(|| {
                let message =
                    format!("no step before this one binds ${name}; a variable is bound by credential = \"${name}\"");
                self.at(words.span(), message)
            })
        };
        words.get_ref().all().iter().map(variable).collect()
    }

    fn issued_by(&self, seen: &Seen, name: &Spanned<String>, group: Option<Group>) -> Result<usize, ExpectationError> {
        let named = group.map_or(seen.steps.len(), |group| group.steps);
        let known = seen.steps.iter().take(named).find(|(step, _)| step == name.get_ref()).map(|(_, index)| *index);
        known.ok_or_else(|| {
            self.at(name.span(), "no step before this one has this name; a step gets one by name = \"…\"")
        })
    }

    fn kind(&self, kind: &Spanned<String>) -> Result<Kind, ExpectationError> {
        let read = Kind::deserialize(StrDeserializer::<'_, Error>::new(kind.get_ref()));
        read.map_err(|_| {
            self.at(
                kind.span(),
                "no kind of credential has this name; expected \"oauth-access\", \"oauth-refresh\", \"api-key\" …",
            )
        })
    }

    fn method(&self, method: &Spanned<String>) -> Result<String, ExpectationError> {
        let name = method.get_ref().to_ascii_uppercase();
        match name.parse::<Method>() {
            Ok(_) => Ok(name),
            Err(_) => Err(self.at(method.span(), "a method such as \"POST\" is expected")),
        }
    }

    fn path(&self, path: &Spanned<String>) -> Result<Glob, ExpectationError> {
        let text = path.get_ref();
        if !text.starts_with(['/', '*']) {
            return Err(self.at(path.span(), "a path begins with a slash; no request has this one"));
        }
        if text.contains(['?', '#']) {
            return Err(self.at(path.span(), "a path is compared without its query"));
        }
        Ok(Glob::new(text))
    }

    fn headers(&self, words: &Spanned<Words>) -> Result<Vec<String>, ExpectationError> {
        let name = |word: &String| match word.parse::<HeaderName>() {
            Ok(name) => Ok(name.as_str().to_owned()),
            Err(_) => Err(self.at(words.span(), format!("{word:?} is no name of a header field"))),
        };
        words.get_ref().all().iter().map(name).collect()
    }

    fn status(&self, value: &Spanned<StatusValue>) -> Result<Vec<StatusPattern>, ExpectationError> {
        let read = match value.get_ref() {
            StatusValue::Number(status) => StatusPattern::number(*status).map(|status| vec![status]),
            StatusValue::Text(text) => StatusPattern::parse(text).map(|status| vec![status]),
            StatusValue::List(list) if list.is_empty() => Err("no status at all: that can never hold".to_owned()),
            StatusValue::List(list) => list
                .iter()
                .map(|one| match one {
                    OneStatus::Number(status) => StatusPattern::number(*status),
                    OneStatus::Text(text) => StatusPattern::parse(text),
                })
                .collect(),
        };
        read.map_err(|why| self.at(value.span(), why))
    }

    fn error_type(&self, error: &Spanned<String>) -> Result<String, ExpectationError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if error.get_ref().is_empty() || !error.get_ref().chars().all(plain) {
            return Err(self.at(error.span(), "the type of an error is one word, such as \"authentication_error\""));
        }
        Ok(error.get_ref().clone())
    }

    fn repeat(&self, repeat: &Spanned<RepeatValue>) -> Result<Span<u32>, ExpectationError> {
        let span = match repeat.get_ref() {
            RepeatValue::Number(count) => Ok(Span::just(*count)),
            RepeatValue::Range(text) => counts(text),
        };
        let span = span.map_err(|why| self.at(repeat.span(), why))?;
        if span.to == Some(0) {
            return Err(self.at(repeat.span(), "what never comes is written absent = true"));
        }
        Ok(span)
    }

    fn time(&self, time: Option<&Spanned<String>>) -> Result<Option<Duration>, ExpectationError> {
        time.map(|time| duration(time.get_ref()).map_err(|why| self.at(time.span(), why))).transpose()
    }
}

/// A step as the command line has it.
pub(in crate::check) fn step_of(
    reader: &Reader<'_>,
    table: StepTable,
    span: Range<usize>,
) -> Result<Taking, ExpectationError> {
    reader.taking(&mut Seen::default(), "1".to_owned(), span, table, None)
}

impl Seen {
    fn variable(&mut self, name: &str) -> usize {
        self.variables.iter().position(|other| other == name).unwrap_or_else(|| {
            self.variables.push(name.to_owned());
            self.variables.len() - 1
        })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// Whether it says anything about which exchanges fit.
fn selects(table: &StepTable) -> bool {
    table.method.is_some()
        || table.host.is_some()
        || table.path.is_some()
        || table.grant.is_some()
        || table.header.is_some()
        || table.credential.is_some()
        || table.kind.is_some()
        || table.not.is_some()
        || table.issued_by.is_some()
        || table.status.is_some()
        || table.error.is_some()
}

fn timed(table: &StepTable) -> bool {
    table.repeat.is_some() || table.within.is_some() || table.at_least.is_some()
}
