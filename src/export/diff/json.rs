//! The same for programs. Within `authtrace-diff/1` keys are added, never taken away or given another meaning.

use super::{Side, Sides};
use crate::analyze::{Confidence, Label, Verdict};
use crate::catalogue::Code;
use crate::compare::{BesideRow, Change, Comparison, FindingChange, Flow, Regression, Row, Standing, Statuses};
use crate::redact::Redacted;
use crate::trace::Exchange;
use serde::Serialize;
use std::io::{self, Write};

/// Name and version of this form.
pub const FORMAT: &str = "authtrace-diff/1";

/// Writes the comparison as one JSON object and a line break.
///
/// # Errors
/// When the writer fails.
pub fn report(sides: Sides<'_>, comparison: &Comparison, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Compared::of(sides, comparison))?;
    writeln!(out)
}

/// Two traces, compared. `before` is the first, `after` the second; exchanges are named by their numbers.
#[derive(Serialize)]
struct Compared<'a> {
    format: &'static str,
    /// Whether nothing that is compared differs.
    same: bool,
    /// The same, but for how long it took.
    same_flow: bool,
    /// What is worse.
    regressions: Vec<RegressionRow<'a>>,
    before: SideRow<'a>,
    after: SideRow<'a>,
    /// Findings of one trace alone, or that recovered in one alone.
    findings: Vec<FindingRow>,
    /// What each client asked, in order.
    flows: Vec<FlowRow<'a>>,
    beside: BesideCounts<'a>,
    /// Credentials that are one and the same, with different labels.
    renamed: Vec<Renamed<'a>>,
    /// What the comparison cannot say.
    limits: Vec<String>,
}

#[derive(Serialize)]
struct RegressionRow<'a> {
    kind: &'static str,
    message: &'a str,
    /// Of the second trace.
    exchange: Option<u64>,
}

#[derive(Serialize)]
struct SideRow<'a> {
    /// The file.
    name: &'a str,
    /// What the clients called themselves.
    clients: Vec<&'a Redacted>,
    verdict: &'a Verdict,
    exit_code: Option<i32>,
}

#[derive(Serialize)]
struct FindingRow {
    code: Code,
    before: Option<StandingRow>,
    after: Option<StandingRow>,
}

#[derive(Serialize)]
struct StandingRow {
    confidence: Confidence,
    failure: bool,
    recovered: bool,
}

#[derive(Serialize)]
struct FlowRow<'a> {
    rows: Vec<PairRow<'a>>,
}

#[derive(Serialize)]
struct PairRow<'a> {
    before: Option<RequestRow<'a>>,
    after: Option<RequestRow<'a>>,
    /// Nothing in it: it is as it was.
    changes: Vec<&'static str>,
}

#[derive(Serialize)]
struct RequestRow<'a> {
    exchange: u64,
    method: &'a Redacted,
    host: &'a Redacted,
    path: &'a Redacted,
    status: Option<u16>,
    /// Labels, within this trace.
    credentials: Vec<Label>,
    /// Until the answer began, in microseconds.
    wait_us: Option<u64>,
}

#[derive(Serialize)]
struct BesideCounts<'a> {
    telemetry: Counts,
    requests: Counts,
    routes: Vec<RouteRow<'a>>,
}

#[derive(Serialize)]
struct Counts {
    before: usize,
    after: usize,
}

#[derive(Serialize)]
struct RouteRow<'a> {
    method: &'a str,
    host: &'a str,
    path: &'a str,
    before: Vec<Answered>,
    after: Vec<Answered>,
    newly_refused: bool,
}

#[derive(Serialize)]
struct Answered {
    status: Option<u16>,
    count: usize,
}

#[derive(Serialize)]
struct Renamed<'a> {
    before: &'a str,
    after: &'a str,
}

impl<'a> Compared<'a> {
    fn of(sides: Sides<'a>, comparison: &'a Comparison) -> Self {
        let Comparison { verdicts, exit_codes, beside, .. } = comparison;
        let counts = |(before, after): (usize, usize)| Counts { before, after };
        Self {
            format: FORMAT,
            same: comparison.is_same(),
            same_flow: comparison.is_same_flow(),
            regressions: comparison.regressions.iter().map(regression).collect(),
            before: side(sides.before, &verdicts.0, exit_codes.0),
            after: side(sides.after, &verdicts.1, exit_codes.1),
            findings: comparison.findings.iter().map(finding).collect(),
            flows: comparison.flows.iter().map(|one| flow(sides, one)).collect(),
            beside: BesideCounts {
                telemetry: counts(beside.telemetry),
                requests: counts(beside.requests),
                routes: beside.rows.iter().map(route).collect(),
            },
            renamed: comparison.renamed.iter().map(|(before, after)| Renamed { before, after }).collect(),
            limits: comparison.limits.iter().map(ToString::to_string).collect(),
        }
    }
}

fn regression(one: &Regression) -> RegressionRow<'_> {
    RegressionRow { kind: one.kind.as_str(), message: &one.message, exchange: one.exchange }
}

fn side<'a>(side: Side<'a>, verdict: &'a Verdict, exit_code: Option<i32>) -> SideRow<'a> {
    SideRow { name: side.name, clients: side.survey.clients(), verdict, exit_code }
}

fn finding(change: &FindingChange) -> FindingRow {
    let row = |standing: Standing| StandingRow {
        confidence: standing.confidence,
        failure: standing.is_failure,
        recovered: standing.recovered,
    };
    FindingRow { code: change.code, before: change.before.map(row), after: change.after.map(row) }
}

fn flow<'a>(sides: Sides<'a>, flow: &'a Flow) -> FlowRow<'a> {
    let row = |row: &'a Row| PairRow {
        before: request(sides.before, row.before),
        after: request(sides.after, row.after),
        changes: row.changes.iter().copied().map(Change::as_str).collect(),
    };
    FlowRow { rows: flow.rows.iter().map(row).collect() }
}

fn request(side: Side<'_>, place: Option<usize>) -> Option<RequestRow<'_>> {
    let exchange: &Exchange = side.survey.exchanges().get(place?)?;
    let label = |fp| side.survey.credential_label(fp);
    Some(RequestRow {
        exchange: exchange.id,
        method: &exchange.request.method,
        host: &exchange.request.host,
        path: &exchange.request.path,
        status: exchange.status(),
        credentials: exchange.credentials.iter().filter_map(|sent| label(sent.credential.fp)).collect(),
        wait_us: exchange.timing.wait_us,
    })
}

fn route(row: &BesideRow) -> RouteRow<'_> {
    let answered = |statuses: &Statuses| {
        statuses.iter().map(|(status, count)| Answered { status: *status, count: *count }).collect()
    };
    RouteRow {
        method: &row.route.method,
        host: &row.route.host,
        path: &row.route.path,
        before: answered(&row.before),
        after: answered(&row.after),
        newly_refused: row.is_newly_refused(),
    }
}
