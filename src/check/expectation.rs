//! Expectations as values.

use super::pattern::{Glob, HostPattern, StatusPattern};
use crate::analyze::Confidence;
use crate::catalogue::Code;
use crate::place::Place;
use crate::policy::{Grant, Span};
use crate::redact::Kind;
use std::fmt;
use std::time::Duration;

/// What a trace is expected to show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expectations {
    /// What is expected, one by one, in the order of the file.
    pub expected: Vec<Expectation>,
    /// Whether a trace in which no credential was used is good, too.
    pub allow_empty: bool,
    /// Hosts whose traffic may pass unread.
    pub unread_hosts: Vec<HostPattern>,
    /// Whether the exit code of the command is one of the expectations.
    pub decides_exit_code: bool,
    /// Whether it is said which exit code is expected, or that none is.
    pub says_exit_code: bool,
}

impl Expectations {
    /// Both together: what either expects. That the command ends with 0 is expected only if neither says which code.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.expected.extend(other.expected);
        self.says_exit_code |= other.says_exit_code;
        let mut unsaid = 0;
        self.expected.retain(|one| {
            let is_unsaid = matches!(one.rule, Rule::ExitCode { asked: false, .. });
            unsaid += usize::from(is_unsaid);
            !is_unsaid || !self.says_exit_code && unsaid == 1
        });
        self.unread_hosts.extend(other.unread_hosts);
        self.allow_empty |= other.allow_empty;
        self.decides_exit_code |= other.decides_exit_code;
        self
    }

    /// The first expectation that cannot hold beside another one, with the reason. Each file alone has none.
    #[must_use]
    pub fn contradiction(&self) -> Option<(&Source, String)> {
        super::read::contradiction(&self.expected)
    }

    /// The hosts that are named in it: names that the user has written, and that may be shown.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let mut patterns: Vec<&HostPattern> = self.unread_hosts.iter().collect();
        for one in &self.expected {
            match &one.rule {
                Rule::Hosts { hosts, .. } => patterns.extend(hosts),
                Rule::Flow(flow) => patterns.extend(flow.steps().filter_map(|step| step.host.as_ref())),
                _ => {}
            }
        }
        let name = |pattern: &HostPattern| match pattern {
            HostPattern::Exact(name) => Some(name.clone()),
            HostPattern::Any | HostPattern::Below(_) => None,
        };
        patterns.into_iter().filter_map(name).collect()
    }
}

/// One expectation, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Where.
    pub source: Source,
    /// What.
    pub rule: Rule,
}

/// Where an expectation was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file, or the option of the command line.
    pub name: String,
    /// The place in it.
    pub place: Place,
}

/// What is expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// At most so many refusals for a reason of authentication, telemetry aside, whoever answered.
    AuthFailures(u64),
    /// At most so many requests that exchange a refresh token.
    Refreshes(u64),
    /// At most so many requests.
    Requests(u64),
    /// The same request with the same credential at most so often after that was refused, telemetry aside.
    RetriesPerCredential(u64),
    /// From the first request to the last answer.
    Time(Duration),
    /// At most so many requests without an answer.
    Unanswered(u64),
    /// The exit code of the command. Expected of every file that does not say otherwise: 0.
    ExitCode {
        /// Which.
        code: i32,
        /// Whether a trace that has none is a miss: it was asked for.
        asked: bool,
    },
    /// These are not found.
    Deny(Denied),
    /// Of the failures none but these are found.
    Allow {
        /// Which.
        codes: Vec<Code>,
        /// Findings that are less sure are overlooked.
        confidence: Confidence,
    },
    /// This is found.
    Require {
        /// Which.
        code: Code,
        /// At least so sure.
        confidence: Confidence,
    },
    /// Credentials go to these hosts alone.
    Hosts {
        /// Of which kind; none: of every kind that has no rule of its own.
        kind: Option<Kind>,
        /// The kinds that have one.
        others: Vec<Kind>,
        /// Where they may go.
        hosts: Vec<HostPattern>,
    },
    /// Exchanges in an order.
    Flow(Flow),
}

/// What is not to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Which; none: every failure of authentication.
    pub code: Option<Code>,
    /// Findings that are less sure are overlooked.
    pub confidence: Confidence,
}

/// Steps that exchanges take in their order.
///
/// A step is taken by the first exchange behind the step before it that fits it. Exchanges that fit no step are passed
/// over. What has been taken is never given back: no other way is tried, so that what is said of a miss is exact, and
/// each exchange is looked at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// What it shows, in a few words.
    pub name: Option<String>,
    /// The steps.
    pub elements: Vec<Element>,
    /// The names of the variables; steps name them by their place here.
    pub variables: Vec<String>,
}

impl Flow {
    /// Every step.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.elements.iter().flat_map(|element| -> Box<dyn Iterator<Item = &Step>> {
            match element {
                Element::Taken(taking) => Box::new(std::iter::once(&taking.step)),
                Element::Absent(step) => Box::new(std::iter::once(step)),
                Element::AnyOrder(group) => Box::new(group.iter().map(|taking| &taking.step)),
            }
        })
    }
}

/// One part of a flow.
#[derive(Debug, Clone, PartialEq)]
pub enum Element {
    /// A step that exchanges take.
    Taken(Taking),
    /// No exchange between the steps beside it fits this. It holds behind the last exchange of the step before, and
    /// before the first of the step behind.
    Absent(Step),
    /// Steps in any order, each taken once. An exchange takes the first of them, in the order of the file, that it fits
    /// and that is not taken yet.
    AnyOrder(Vec<Taking>),
}

/// A step that exchanges take.
#[derive(Debug, Clone, PartialEq)]
pub struct Taking {
    /// What fits.
    pub step: Step,
    /// How many before the next step is taken; none: one, and further ones do not matter.
    pub repeat: Option<Span<u32>>,
    /// At most so long after the end of the exchange before.
    pub within: Option<Duration>,
    /// At least so long after the end of the exchange before.
    pub at_least: Option<Duration>,
}

impl Taking {
    /// The fewest exchanges that take it.
    #[must_use]
    pub fn least(&self) -> u32 {
        self.repeat.map_or(1, |repeat| repeat.from)
    }
}

/// What an exchange has to be like. What is none or empty does not matter.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its number in the flow, from 1, as people count: `2`, or `3.1` within a group.
    pub number: String,
    /// Its own place among all steps of the flow, from 0.
    pub index: usize,
    /// What it is called.
    pub name: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The host.
    pub host: Option<HostPattern>,
    /// The path, without the query.
    pub path: Option<Glob>,
    /// What a token request asks for.
    pub grant: Option<Grant>,
    /// Header fields of the request that are there, in small letters.
    pub headers: Vec<String>,
    /// The credential of the request.
    pub credential: CredentialPart,
    /// The status of the answer is one of these.
    pub status: Vec<StatusPattern>,
    /// The type of the error in the answer.
    pub error: Option<String>,
    /// Where it stands.
    pub source: Source,
    /// Where its keys stand.
    pub places: Vec<(Field, Place)>,
}

impl Step {
    /// Where a key of it stands, or else the step.
    #[must_use]
    pub fn place_of(&self, field: Field) -> Source {
        let place = self.places.iter().find(|(key, _)| *key == field).map(|(_, place)| place);
        Source { place: place.unwrap_or(&self.source.place).clone(), ..self.source.clone() }
    }
}

/// What the credential of a request has to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CredentialPart {
    /// Which one; none: that does not matter.
    pub holding: Option<Holding>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// None of these variables, by their places in the flow.
    pub not: Vec<usize>,
    /// Issued by an exchange that took this step, by its index.
    pub issued_by: Option<usize>,
}

/// Which credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// None at all.
    Nothing,
    /// That of a variable, by its place in the flow; the first use binds it.
    Variable(usize),
}

/// What of an exchange can differ, as the file calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// The path.
    Path,
    /// The method.
    Method,
    /// The host.
    Host,
    /// What a token request asks for.
    Grant,
    /// The kind of the credential.
    Kind,
    /// Which credential.
    Credential,
    /// A credential that it must not be.
    Not,
    /// Where the credential comes from.
    IssuedBy,
    /// A header field.
    Header,
    /// The status.
    Status,
    /// The type of the error.
    Error,
    /// How many.
    Repeat,
    /// That there is none.
    Absent,
    /// The time since the exchange before, at most.
    Within,
    /// The time since the exchange before, at least.
    AtLeast,
    /// Its place among the others.
    Order,
}

impl Field {
    /// The name in a file and in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Method => "method",
            Self::Host => "host",
            Self::Grant => "grant",
            Self::Kind => "kind",
            Self::Credential => "credential",
            Self::Not => "not",
            Self::IssuedBy => "issued_by",
            Self::Header => "header",
            Self::Status => "status",
            Self::Error => "error",
            Self::Repeat => "repeat",
            Self::Absent => "absent",
            Self::Within => "within",
            Self::AtLeast => "at_least",
            Self::Order => "order",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
