//! From the file as it is written to values, with everything checked that a type cannot say.

mod contradiction;
mod flow;

use super::expectation::{Denied, Expectation, Expectations, Rule, Source};
use super::format::{ConfidenceName, ExitCodeValue, File, FindingValue, FindingsTable, Hosts, HostsTable, LimitsTable};
use super::pattern::HostPattern;
use super::{AUTH_FAILURE, FORMAT};
use crate::analyze::Confidence;
use crate::catalogue::{Class, Code};
use crate::place::{Place, in_words, nearest, plain, visible};
use crate::redact::Kind;
use serde::Deserialize;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

pub(super) use contradiction::contradiction;
pub(super) use flow::step_of;

/// A mistake in expectations: line and column from 1, the line itself, and a caret under the mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{message}")]
pub struct ExpectationError {
    /// Where.
    pub place: Place,
    /// What is wrong and what was expected.
    pub message: String,
}

impl ExpectationError {
    pub(super) fn at(text: &str, span: Range<usize>, message: impl AsRef<str>) -> Self {
        Self { place: Place::of(text, span), message: visible(message.as_ref()) }
    }
}

/// Reads a file of expectations; `name` is what reports call it.
///
/// # Errors
/// The first mistake, with its place.
pub fn read(name: &str, text: &str) -> Result<Expectations, ExpectationError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        ExpectationError::at(text, span, in_words(error.message()))
    })?;
    let reader = Reader { name, text };
    match &file.format {
        Some(format) if *format.get_ref() == FORMAT => reader.expectations(file),
        Some(format) => {
            let message = format!("this authtrace reads format {FORMAT}; a newer one may read this file");
            Err(reader.at(format.span(), message))
        }
        None => Err(reader.at(0..0, "missing field `format`")),
    }
}

/// Expectations as a part of another file: the same keys but `format`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Written(File);

impl Written {
    /// What they are; `name` and `text` are those of the whole file.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn expectations(self, name: &str, text: &str) -> Result<Expectations, ExpectationError> {
        let reader = Reader { name, text };
        match &self.0.format {
            Some(format) => Err(reader.at(format.span(), "the format is said once, at the head of the file")),
            None => reader.expectations(self.0),
        }
    }
}

/// Turns what is written into values, and knows where it stands.
pub(super) struct Reader<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl Reader<'_> {
    fn expectations(&self, file: File) -> Result<Expectations, ExpectationError> {
        let says_exit_code = file.exit_code.is_some();
        let mut expected = self.limits(&file.limits);
        expected.extend(file.unanswered.map(|most| self.expectation(most.span(), Rule::Unanswered(*most.get_ref()))));
        expected.extend(self.findings(&file.findings)?);
        expected.extend(self.hosts(file.hosts)?);
        for flow in file.flows {
            expected.push(self.flow(flow)?);
        }
        expected.extend(self.exit_code(file.exit_code)?);
        if let Some((source, message)) = contradiction(&expected) {
            return Err(ExpectationError { place: source.place.clone(), message });
        }
        Ok(Expectations {
            expected,
            allow_empty: file.allow_empty,
            unread_hosts: self.patterns(&file.unread_hosts)?,
            decides_exit_code: true,
            says_exit_code,
        })
    }

    fn limits(&self, table: &LimitsTable) -> Vec<Expectation> {
        let limit = |value: &Option<Spanned<u64>>, rule: fn(u64) -> Rule| {
            value.as_ref().map(|value| self.expectation(value.span(), rule(*value.get_ref())))
        };
        [
            limit(&table.auth_failures, Rule::AuthFailures),
            limit(&table.refreshes, Rule::Refreshes),
            limit(&table.requests, Rule::Requests),
            limit(&table.retries_per_credential, Rule::RetriesPerCredential),
            limit(&table.seconds, |seconds| Rule::Time(Duration::from_secs(seconds))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn exit_code(&self, value: Option<Spanned<ExitCodeValue>>) -> Result<Option<Expectation>, ExpectationError> {
        let Some(value) = value else {
            return Ok(Some(self.expectation(0..0, Rule::ExitCode { code: 0, asked: false })));
        };
        match value.get_ref() {
            ExitCodeValue::Code(code) if !(0..=255).contains(code) => {
                Err(self.at(value.span(), "an exit code is a number from 0 to 255, or \"any\""))
            }
            ExitCodeValue::Code(code) => {
                Ok(Some(self.expectation(value.span(), Rule::ExitCode { code: *code, asked: true })))
            }
            ExitCodeValue::Word(word) if word == "any" => Ok(None),
            ExitCodeValue::Word(_) => Err(self.at(value.span(), "an exit code is a number from 0 to 255, or \"any\"")),
        }
    }

    fn findings(&self, table: &FindingsTable) -> Result<Vec<Expectation>, ExpectationError> {
        let usual = table.confidence.map_or(Confidence::Low, confidence);
        let mut expected = Vec::new();
        for entry in &table.deny {
            let (name, confidence) = named(entry.get_ref(), usual);
            let code = if name == AUTH_FAILURE { None } else { Some(self.code(name, entry.span())?) };
            expected.push(self.expectation(entry.span(), Rule::Deny(Denied { code, confidence })));
        }
        if let Some(allow) = &table.allow {
            let codes = allow.get_ref().iter().map(|name| self.failure(name)).collect::<Result<_, _>>()?;
            expected.push(self.expectation(allow.span(), Rule::Allow { codes, confidence: usual }));
        }
        for entry in &table.require {
            let (name, confidence) = named(entry.get_ref(), usual);
            let code = self.code(name, entry.span())?;
            expected.push(self.expectation(entry.span(), Rule::Require { code, confidence }));
        }
        Ok(expected)
    }

    fn failure(&self, name: &Spanned<String>) -> Result<Code, ExpectationError> {
        let code = self.code(name.get_ref(), name.span())?;
        if code.class() == Class::Failure {
            return Ok(code);
        }
        Err(self.at(
            name.span(),
            format!("{code} is no failure, so it needs no leave: only failures are held against `allow`"),
        ))
    }

    fn code(&self, name: &str, span: Range<usize>) -> Result<Code, ExpectationError> {
        name.parse().map_err(|_| self.at(span, unknown_code(name)))
    }

    fn hosts(&self, table: HostsTable) -> Result<Vec<Expectation>, ExpectationError> {
        let HostsTable {
            any,
            oauth_access,
            oauth_refresh,
            oauth_code,
            api_key,
            admin_key,
            session_cookie,
            jwt,
            basic,
            unknown,
        } = table;
        let own: Vec<(Kind, Hosts)> = [
            (Kind::OauthAccess, oauth_access),
            (Kind::OauthRefresh, oauth_refresh),
            (Kind::OauthCode, oauth_code),
            (Kind::ApiKey, api_key),
            (Kind::AdminKey, admin_key),
            (Kind::SessionCookie, session_cookie),
            (Kind::Jwt, jwt),
            (Kind::Basic, basic),
            (Kind::Unknown, unknown),
        ]
        .into_iter()
        .filter_map(|(kind, hosts)| Some((kind, hosts?)))
        .collect();
        let others: Vec<Kind> = own.iter().map(|(kind, _)| *kind).collect();
        let own = own.into_iter().map(|(kind, hosts)| (Some(kind), hosts));
        any.map(|hosts| (None, hosts))
            .into_iter()
            .chain(own)
            .map(|(kind, hosts)| {
                let others = if kind.is_none() { others.clone() } else { Vec::new() };
                let rule = Rule::Hosts { kind, others, hosts: self.patterns(hosts.get_ref())? };
                Ok(self.expectation(hosts.span(), rule))
            })
            .collect()
    }

    fn patterns(&self, hosts: &[Spanned<String>]) -> Result<Vec<HostPattern>, ExpectationError> {
        hosts.iter().map(|host| self.host(host)).collect()
    }

    fn host(&self, host: &Spanned<String>) -> Result<HostPattern, ExpectationError> {
        HostPattern::parse(host.get_ref()).map_err(|why| self.at(host.span(), why))
    }

    fn expectation(&self, span: Range<usize>, rule: Rule) -> Expectation {
        Expectation { source: self.source(span), rule }
    }

    fn source(&self, span: Range<usize>) -> Source {
        Source { name: plain(self.name), place: Place::of(self.text, span) }
    }

    pub(super) fn at(&self, span: Range<usize>, message: impl AsRef<str>) -> ExpectationError {
        ExpectationError::at(self.text, span, message)
    }
}

/// What is said of a name that no finding has.
pub(super) fn unknown_code(name: &str) -> String {
    let near = nearest(name, Code::ALL.iter().map(|code| code.as_str()));
    let hint = near.map(|near| format!("; is {near} meant?")).unwrap_or_default();
    format!("no finding has this name{hint} (authtrace explain lists them)")
}

fn named(value: &FindingValue, usual: Confidence) -> (&str, Confidence) {
    match value {
        FindingValue::Code(code) => (code, usual),
        FindingValue::Table(table) => (&table.code, confidence(table.confidence)),
    }
}

fn confidence(name: ConfidenceName) -> Confidence {
    match name {
        ConfidenceName::Low => Confidence::Low,
        ConfidenceName::Medium => Confidence::Medium,
        ConfidenceName::High => Confidence::High,
    }
}
