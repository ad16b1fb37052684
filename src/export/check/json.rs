//! The same for programs: `authtrace-check/1` for one trace, `authtrace-test/1` for the cases of `test`. Within a version
//! keys are added, never taken away or given another meaning. Each has a JSON Schema beside this file.

use super::suite::{Checked, Judged, Suite, Told};
use crate::catalogue::Code;
use crate::check::{Difference, Field, Miss, MissKind, Outcome, Source};
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// Name and version of the form of one trace.
pub const FORMAT: &str = "authtrace-check/1";

/// Name and version of the form of many cases.
pub const FORMAT_OF_CASES: &str = "authtrace-test/1";

/// Writes what was held against expectations as one JSON object and a line break: in the form of one trace if it is a
/// single one without a name, else in that of many cases.
///
/// # Errors
/// When the writer fails.
pub fn write(suite: &Suite, out: &mut impl Write) -> io::Result<()> {
    match suite.checked.as_slice() {
        [one] if one.name.is_none() => serde_json::to_writer_pretty(&mut *out, &CheckedPage::of(one)),
        all => serde_json::to_writer_pretty(&mut *out, &SuitePage::of(suite, all)),
    }?;
    writeln!(out)
}

/// What came of the expectations of one trace.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct CheckedPage<'a> {
    /// `authtrace-check/1`.
    format: &'static str,
    #[serde(flatten)]
    row: Row<'a>,
}

/// What came of many cases.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SuitePage<'a> {
    /// `authtrace-test/1`.
    format: &'static str,
    /// Whether every case is as expected.
    held: bool,
    /// How long all of it took; cases may have run beside each other.
    duration_ms: u64,
    /// In the order in which they are shown.
    cases: Vec<CaseRow<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CaseRow<'a> {
    /// What tells it from the others.
    name: &'a str,
    /// The file that describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(flatten)]
    row: Row<'a>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Row<'a> {
    /// Whether everything is as expected.
    held: bool,
    /// How it ended: `held`, `missed`, `timeout`, `error`, `not-run`.
    state: &'static str,
    duration_ms: u64,
    /// Where the trace is.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    /// What the trace comes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<VerdictRow<'a>>,
    /// What went wrong beside the expectations.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureRow<'a>>,
    /// One for each expectation; empty if it did not come to that.
    outcomes: Vec<OutcomeRow<'a>>,
    /// What the command wrote, where that is shown.
    #[serde(skip_serializing_if = "str::is_empty")]
    output: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct VerdictRow<'a> {
    /// Its name; `authtrace explain CODE` tells more.
    code: Code,
    /// The same in a sentence.
    summary: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FailureRow<'a> {
    /// `timeout`, `error` or `not-run`.
    kind: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceRow<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OutcomeRow<'a> {
    /// In a few words.
    expected: &'a str,
    held: bool,
    /// Where it is written; none: it is expected of every trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceRow<'a>>,
    /// Why it was missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    miss: Option<MissRow<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SourceRow<'a> {
    /// The file, or the option.
    name: &'a str,
    /// From 1.
    line: usize,
    /// In characters, from 1.
    column: usize,
    /// The text of the line.
    text: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct MissRow<'a> {
    kind: MissKind,
    /// What happened instead, in a sentence.
    message: &'a str,
    /// The exchange that comes nearest, or that should not be, by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<u64>,
    /// The id by which the server knows that exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// How that exchange differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<DifferenceRow<'a>>,
    /// The part of the expectation that was missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceRow<'a>>,
    /// The exchanges around it.
    around: &'a [u64],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DifferenceRow<'a> {
    /// As the file of expectations calls it.
    field: &'static str,
    expected: &'a str,
    found: &'a str,
}

impl<'a> CheckedPage<'a> {
    fn of(one: &'a Checked) -> Self {
        Self { format: FORMAT, row: Row::of(one) }
    }
}

impl<'a> SuitePage<'a> {
    fn of(suite: &Suite, all: &'a [Checked]) -> Self {
        let row = |one: &'a Checked| CaseRow {
            name: one.name.as_deref().unwrap_or_default(),
            file: one.file.as_deref(),
            row: Row::of(one),
        };
        let cases = all.iter().map(row).collect();
        Self { format: FORMAT_OF_CASES, held: suite.held(), duration_ms: millis(suite.took), cases }
    }
}

impl<'a> Row<'a> {
    fn of(one: &'a Checked) -> Self {
        let judged = one.judged.as_ref();
        Self {
            held: one.held(),
            state: one.state().as_str(),
            duration_ms: millis(one.took),
            trace: one.trace.as_deref(),
            verdict: judged.map(|judged| VerdictRow { code: judged.verdict, summary: &judged.summary }),
            failure: one.failure.as_ref().map(|failure| FailureRow {
                kind: failure.kind.as_str(),
                message: &failure.message,
                source: failure.source.as_ref().map(SourceRow::of),
            }),
            outcomes: judged.into_iter().flat_map(Judged::outcomes).map(OutcomeRow::of).collect(),
            output: &one.output,
        }
    }
}

impl<'a> OutcomeRow<'a> {
    fn of((outcome, told): (&'a Outcome, &'a Told)) -> Self {
        Self {
            expected: &outcome.expected,
            held: outcome.miss.is_none(),
            source: outcome.source.as_ref().map(SourceRow::of),
            miss: outcome.miss.as_ref().map(|miss| MissRow::of(miss, told)),
        }
    }
}

impl<'a> SourceRow<'a> {
    fn of(source: &'a Source) -> Self {
        let place = &source.place;
        Self { name: &source.name, line: place.line, column: place.column, text: &place.text }
    }
}

impl<'a> MissRow<'a> {
    fn of(miss: &'a Miss, told: &'a Told) -> Self {
        let row = |difference: &'a Difference| DifferenceRow {
            field: Field::as_str(difference.field),
            expected: &difference.expected,
            found: &difference.found,
        };
        Self {
            kind: miss.kind,
            message: &miss.message,
            exchange: miss.exchange,
            request_id: told.request_id.as_deref(),
            difference: miss.difference.as_ref().map(row),
            source: miss.source.as_ref().map(SourceRow::of),
            around: &miss.around,
        }
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
