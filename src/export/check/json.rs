//! The same for programs. Within `authtrace-check/1` keys are added, never taken away or given another meaning.

use crate::check::{Difference, Field, Miss, MissKind, Outcome, Report, Source};
use serde::Serialize;
use std::io::{self, Write};

/// Name and version of this form.
pub const FORMAT: &str = "authtrace-check/1";

/// Writes what came of the expectations as one JSON object and a line break.
///
/// # Errors
/// When the writer fails.
pub fn report(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let outcomes = report.outcomes.iter().map(OutcomeRow::of).collect();
    serde_json::to_writer_pretty(&mut *out, &Checked { format: FORMAT, held: report.held(), outcomes })?;
    writeln!(out)
}

/// What came of the expectations.
#[derive(Serialize)]
struct Checked<'a> {
    format: &'static str,
    /// Whether all of them hold.
    held: bool,
    outcomes: Vec<OutcomeRow<'a>>,
}

#[derive(Serialize)]
struct OutcomeRow<'a> {
    /// In a few words.
    expected: &'a str,
    held: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    miss: Option<MissRow<'a>>,
}

#[derive(Serialize)]
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
struct MissRow<'a> {
    kind: MissKind,
    message: &'a str,
    /// The exchange that comes nearest, or that should not be, by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<DifferenceRow<'a>>,
    /// The part of the expectation that was missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceRow<'a>>,
    /// The exchanges around it.
    around: &'a [u64],
}

#[derive(Serialize)]
struct DifferenceRow<'a> {
    field: &'static str,
    expected: &'a str,
    found: &'a str,
}

impl<'a> OutcomeRow<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        Self {
            expected: &outcome.expected,
            held: outcome.miss.is_none(),
            source: outcome.source.as_ref().map(SourceRow::of),
            miss: outcome.miss.as_ref().map(MissRow::of),
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
    fn of(miss: &'a Miss) -> Self {
        let row = |difference: &'a Difference| DifferenceRow {
            field: Field::as_str(difference.field),
            expected: &difference.expected,
            found: &difference.found,
        };
        Self {
            kind: miss.kind,
            message: &miss.message,
            exchange: miss.exchange,
            difference: miss.difference.as_ref().map(row),
            source: miss.source.as_ref().map(SourceRow::of),
            around: &miss.around,
        }
    }
}
