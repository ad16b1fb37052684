//! A report for programs. Within `authtrace-report/1` keys are added, never taken away or given another meaning.
//! `report.schema.json` beside this file describes it; a name that it does not list (a new code, a new outcome) may come
//! with any version.

use crate::analyze::{
    ClientView, ClockDifference, Confidence, CredentialRow, Diagnosis, Failure, Finding, HostRow, Label, Lineage,
    Receipt, Severity, Survey, TimingSummary, TunnelRow, Unread, Verdict, VersionAdvice,
};
use crate::catalogue::{Code, entry};
use crate::redact::Redacted;
use crate::trace::{
    Connection, Exchange, Gap, Imported, Note, Outcome, RequestIds, RequestStart, Target, Timestamp, TraceEnd,
    TraceHead,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Name and version of this form.
pub const FORMAT: &str = "authtrace-report/1";

/// Writes the report as one JSON object and a line break.
///
/// # Errors
/// When the writer fails.
pub fn report(survey: &Survey, diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Report::of(survey, diagnosis))?;
    writeln!(out)
}

/// A trace and what was found out about it. Exchanges and connections are named by their numbers.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Report<'a> {
    /// `authtrace-report/1`.
    format: &'static str,
    /// What the trace comes down to.
    verdict: &'a Verdict,
    /// Everything that was found, the best first.
    findings: Vec<FindingRow<'a>>,
    /// Who captured it.
    source: Source<'a>,
    trace: Trace<'a>,
    /// By the time at which they began.
    exchanges: &'a [Exchange],
    /// Refused exchanges and connections that came to nothing, by time.
    failures: Vec<Failed<'a>>,
    /// Exchanges of telemetry that were refused.
    telemetry_refusals: Vec<u64>,
    /// The last exchange with a credential that was accepted before the first failure.
    last_accepted_before: Option<u64>,
    /// The first exchange that asked the same as the last failure and was accepted after it.
    first_accepted_after: Option<u64>,
    /// One row per credential, by the time at which it was first seen.
    credentials: Vec<CredentialRow>,
    /// What became of each credential, and which processes used it.
    lineage: &'a Lineage,
    connections: &'a [Connection],
    #[serde(skip_serializing_if = "Option::is_none")]
    client_log: Option<ClientView>,
    timing: Timing,
    /// What authtrace did to what passed through it.
    receipt: Receipt,
    left_out: LeftOut<'a>,
}

/// One thing that the trace shows.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FindingRow<'a> {
    /// Its name; `authtrace explain CODE` tells more.
    code: Code,
    /// What the name means, in a few words.
    title: &'static str,
    confidence: Confidence,
    severity: Severity,
    /// Whether what failed worked again later in the trace.
    recovered: bool,
    /// The exchanges that prove it, in the order of time; of many the first and the last.
    exchanges: &'a [u64],
    /// The connections that prove it.
    connections: &'a [u64],
    /// The short names of the credentials that it is about.
    credentials: Vec<Label>,
    /// What happened, with the facts of this trace.
    summary: &'a str,
    /// What to do about it.
    remedy: &'a str,
    /// What else may help, in this order.
    steps: Vec<&'static str>,
    /// What whoever is to mend it needs to know besides.
    attach: &'static [&'static str],
    /// The next best readings, where the exchanges cannot decide.
    otherwise: &'a [Code],
    /// What the version of the client says about it.
    version: Option<&'a VersionAdvice>,
    /// Why authtrace itself may have had a part in it, where it may.
    caveat: Option<&'static str>,
}

/// Who captured a trace.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "from", rename_all = "snake_case")]
enum Source<'a> {
    /// authtrace saw the traffic itself.
    Captured,
    /// Read from the capture of another tool.
    Imported(&'a Imported),
    /// The first line of the trace is missing.
    Unknown,
}

/// The conditions under which a trace was made, and counts.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Trace<'a> {
    head: Option<&'a TraceHead>,
    end: Option<&'a TraceEnd>,
    lanes: Vec<&'a Redacted>,
    hosts: Vec<HostRow>,
    /// What the clients called themselves.
    clients: Vec<&'a Redacted>,
    /// Targets whose traffic passed unread.
    tunnelled: Vec<TunnelRow>,
    /// How often each status was answered.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, u64>"))]
    statuses: BTreeMap<u16, u64>,
    notes: &'a [Note],
}

/// Something that failed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "what", rename_all = "snake_case")]
enum Failed<'a> {
    /// An exchange that was refused for a reason of authentication or authorisation.
    Exchange {
        exchange: u64,
        connection: u64,
        lane: &'a Redacted,
        at: Timestamp,
        method: &'a Redacted,
        host: &'a Redacted,
        path: &'a Redacted,
        status: Option<u16>,
        error_type: Option<&'a Redacted>,
        error_code: Option<&'a Redacted>,
        message: Option<&'a Redacted>,
        credentials: Vec<Label>,
        request_ids: &'a RequestIds,
    },
    /// A connection that ended badly.
    Connection {
        connection: u64,
        lane: &'a Redacted,
        at: Timestamp,
        target: Option<&'a Target>,
        outcome: Outcome,
        status: Option<u16>,
        detail: Option<&'a Redacted>,
    },
}

/// Where the time went.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Timing {
    #[serde(flatten)]
    spreads: TimingSummary,
    clock_difference: Option<ClockDifference>,
}

/// What is not in the report although it happened.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LeftOut<'a> {
    /// Requests whose end is not recorded.
    unfinished: Vec<&'a RequestStart>,
    gaps: &'a [Gap],
    unread_lines: &'a [Unread],
    /// Whether the trace has no last line: it is being written, or its writer was killed.
    end_missing: bool,
}

impl<'a> Report<'a> {
    fn of(survey: &'a Survey, diagnosis: &'a Diagnosis) -> Self {
        let failures = survey.failures();
        let mut refused = failures.iter().filter_map(Failure::exchange);
        let first = refused.next();
        let last = refused.next_back().or(first);
        Self {
            format: FORMAT,
            verdict: &diagnosis.verdict,
            findings: diagnosis.findings.iter().map(|finding| FindingRow::of(finding, survey)).collect(),
            source: Source::of(survey.head()),
            trace: Trace {
                head: survey.head(),
                end: survey.end(),
                lanes: survey.lanes(),
                hosts: survey.hosts(),
                clients: survey.clients(),
                tunnelled: survey.tunnelled(),
                statuses: survey.statuses(),
                notes: survey.notes(),
            },
            exchanges: survey.exchanges(),
            failures: failures.iter().map(|failure| Failed::of(failure, survey)).collect(),
            telemetry_refusals: survey.telemetry_refusals().map(|exchange| exchange.id).collect(),
            last_accepted_before: first.and_then(|first| survey.accepted_before(first)).map(|exchange| exchange.id),
            first_accepted_after: last.and_then(|last| survey.accepted_after(last)).map(|exchange| exchange.id),
            credentials: survey.credentials(),
            lineage: &diagnosis.lineage,
            connections: survey.connections(),
            client_log: survey.client_view(),
            timing: Timing { spreads: survey.timing(), clock_difference: survey.clock_difference() },
            receipt: survey.receipt(),
            left_out: LeftOut {
                unfinished: survey.unfinished().collect(),
                gaps: survey.gaps(),
                unread_lines: survey.unread(),
                end_missing: survey.end().is_none(),
            },
        }
    }
}

impl<'a> FindingRow<'a> {
    fn of(finding: &'a Finding, survey: &Survey) -> Self {
        let known = entry(finding.code);
        Self {
            code: finding.code,
            title: known.title,
            confidence: finding.confidence,
            severity: finding.severity,
            recovered: finding.recovered,
            exchanges: &finding.exchanges,
            connections: &finding.connections,
            credentials: finding.credentials.iter().filter_map(|fp| survey.credential_label(*fp)).collect(),
            summary: &finding.summary,
            remedy: &finding.remedy,
            steps: known.remedy.iter().copied().filter(|step| *step != finding.remedy).collect(),
            attach: known.attach,
            otherwise: &finding.otherwise,
            version: finding.version.as_ref(),
            caveat: finding.caveat,
        }
    }
}

impl<'a> Source<'a> {
    fn of(head: Option<&'a TraceHead>) -> Self {
        match head {
            None => Self::Unknown,
            Some(head) => head.imported.as_ref().map_or(Self::Captured, Self::Imported),
        }
    }
}

impl<'a> Failed<'a> {
    fn of(failure: &Failure<'a>, survey: &Survey) -> Self {
        match failure {
            Failure::Exchange(exchange) => {
                let error = exchange.error.as_ref();
                let labels = exchange.credentials.iter().filter_map(|seen| survey.credential_label(seen.credential.fp));
                Self::Exchange {
                    exchange: exchange.id,
                    connection: exchange.connection,
                    lane: &exchange.lane,
                    at: exchange.at,
                    method: &exchange.request.method,
                    host: &exchange.request.host,
                    path: &exchange.request.path,
                    status: exchange.status(),
                    error_type: error.and_then(|error| error.kind.as_ref()),
                    error_code: error.and_then(|error| error.code.as_ref()),
                    message: error.and_then(|error| error.message.as_ref()),
                    credentials: labels.collect(),
                    request_ids: &exchange.request_ids,
                }
            }
            Failure::Connection(connection) => Self::Connection {
                connection: connection.id,
                lane: &connection.lane,
                at: connection.opened,
                target: connection.target.as_ref(),
                outcome: connection.end.outcome,
                status: connection.end.status,
                detail: connection.end.detail.as_ref(),
            },
        }
    }
}
