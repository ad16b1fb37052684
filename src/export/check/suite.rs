//! What a command held against expectations: one trace under `check` and `run`, many cases under `test`. Every form that
//! a CI system reads is made of this.

use super::super::style::Style;
use crate::analyze::{Diagnosis, Survey};
use crate::catalogue::Code;
use crate::check::{Outcome, Report, Source};
use std::time::Duration;

/// Everything that one command held against expectations.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// The name of the whole: `authtrace check`, `authtrace test`.
    pub name: String,
    /// What was held against them, in the order in which it is shown.
    pub checked: Vec<Checked>,
    /// How long all of it took; cases that ran beside each other overlap.
    pub took: Duration,
}

impl Suite {
    /// Whether everything is as expected.
    #[must_use]
    pub fn held(&self) -> bool {
        self.checked.iter().all(Checked::held)
    }

    /// How many are not as expected.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.checked.iter().filter(|one| !one.held()).count()
    }
}

/// One trace that was held against expectations, or a command that did not come to that.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checked {
    /// What tells it from the others of its suite; none under `check` and `run`, where there is one.
    pub name: Option<String>,
    /// The file that describes it, as the user named it: what fails and has no place of its own is shown there.
    pub file: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// Where its trace is; none if it was not kept.
    pub trace: Option<String>,
    /// What came of its expectations; none if it did not come to that.
    pub judged: Option<Judged>,
    /// What went wrong beside the expectations. It counts, whatever came of those.
    pub failure: Option<Failure>,
    /// What the command wrote, where that is to be shown. Every form escapes it.
    pub output: String,
}

impl Checked {
    /// Whether everything is as expected.
    #[must_use]
    pub fn held(&self) -> bool {
        self.state() == State::Held
    }

    /// How it ended.
    #[must_use]
    pub fn state(&self) -> State {
        match (&self.failure, &self.judged) {
            (Some(failure), _) => failure.kind.state(),
            (None, Some(judged)) if judged.report.held() => State::Held,
            (None, Some(_)) => State::Missed,
            (None, None) => State::NotRun,
        }
    }
}

/// How one of them ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Every expectation holds.
    Held,
    /// One is missed.
    Missed,
    /// It was ended because it took too long.
    TimedOut,
    /// It could not be run, or not be judged.
    Failed,
    /// It was not run.
    NotRun,
}

impl State {
    /// The name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Missed => "missed",
            Self::TimedOut => "timeout",
            Self::Failed => "error",
            Self::NotRun => "not-run",
        }
    }
}

/// What went wrong beside the expectations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened, and what to do about it.
    pub message: String,
    /// Where in a file the mistake is, if it is in one.
    pub source: Option<Source>,
}

/// The kinds of such failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// It was ended because it took too long.
    Timeout,
    /// The case is wrong, its command could not be run, its trace could not be read.
    Error,
    /// It was not run: somebody stopped before.
    NotRun,
}

impl FailureKind {
    /// The name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.state().as_str()
    }

    fn state(self) -> State {
        match self {
            Self::Timeout => State::TimedOut,
            Self::Error => State::Failed,
            Self::NotRun => State::NotRun,
        }
    }
}

/// A trace that was held against expectations, without the trace itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What the trace comes to.
    pub verdict: Code,
    /// The same in a sentence.
    pub summary: String,
    /// What came of the expectations.
    pub report: Report,
    /// For each outcome, what is told of its miss.
    told: Vec<Told>,
}

/// What is told of a miss.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// The form for people, without colours; empty if there is no miss.
    pub(super) text: String,
    /// The id by which the server knows the exchange that it is about.
    pub(super) request_id: Option<String>,
}

impl Judged {
    /// What came of expectations, with what is needed of the trace to tell of it.
    #[must_use]
    pub fn new(survey: &Survey, diagnosis: &Diagnosis, report: Report) -> Self {
        let told = report.outcomes.iter().map(|outcome| told(survey, outcome)).collect();
        Self { verdict: diagnosis.verdict.code, summary: diagnosis.verdict.summary.clone(), report, told }
    }

    /// Each outcome with what is told of it.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&Outcome, &Told)> {
        self.report.outcomes.iter().zip(&self.told)
    }
}

fn told(survey: &Survey, outcome: &Outcome) -> Told {
    let Some(miss) = &outcome.miss else { return Told::default() };
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = super::miss(survey, outcome, miss, &mut text, Style::default());
    let exchange = miss.exchange.and_then(|id| survey.exchanges().iter().find(|exchange| exchange.id == id));
    Told {
        text: String::from_utf8_lossy(&text).trim_matches('\n').to_owned(),
        request_id: exchange.and_then(|one| one.request_ids.best()).map(|id| id.as_str().to_owned()),
    }
}
