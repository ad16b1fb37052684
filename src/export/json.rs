//! A report for programs. Within `authtrace-report/1` keys are added, never taken away or given another meaning.

use crate::analyze::{
    ClientView, ClockDifference, CredentialRow, Failure, HostRow, Label, Survey, TimingSummary, TunnelRow, Unread,
};
use crate::redact::Redacted;
use crate::trace::{
    Connection, Exchange, Gap, Note, Outcome, RequestIds, RequestStart, Target, Timestamp, TraceEnd, TraceHead,
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
pub fn report(survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Report::of(survey))?;
    writeln!(out)
}

#[derive(Serialize)]
struct Report<'a> {
    format: &'static str,
    trace: Trace<'a>,
    exchanges: &'a [Exchange],
    failures: Vec<Failed<'a>>,
    telemetry_refusals: Vec<u64>,
    last_accepted_before: Option<u64>,
    first_accepted_after: Option<u64>,
    credentials: Vec<CredentialRow>,
    connections: &'a [Connection],
    #[serde(skip_serializing_if = "Option::is_none")]
    client_log: Option<ClientView>,
    timing: Timing,
    left_out: LeftOut<'a>,
}

#[derive(Serialize)]
struct Trace<'a> {
    head: Option<&'a TraceHead>,
    end: Option<&'a TraceEnd>,
    lanes: Vec<&'a Redacted>,
    hosts: Vec<HostRow>,
    clients: Vec<&'a Redacted>,
    tunnelled: Vec<TunnelRow>,
    statuses: BTreeMap<u16, u64>,
    notes: &'a [Note],
}

#[derive(Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Failed<'a> {
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

#[derive(Serialize)]
struct Timing {
    #[serde(flatten)]
    spreads: TimingSummary,
    clock_difference: Option<ClockDifference>,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    unfinished: Vec<&'a RequestStart>,
    gaps: &'a [Gap],
    unread_lines: &'a [Unread],
    end_missing: bool,
}

impl<'a> Report<'a> {
    fn of(survey: &'a Survey) -> Self {
        let failures = survey.failures();
        let mut refused = failures.iter().filter_map(Failure::exchange);
        let first = refused.next();
        let last = refused.next_back().or(first);
        Self {
            format: FORMAT,
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
            connections: survey.connections(),
            client_log: survey.client_view(),
            timing: Timing { spreads: survey.timing(), clock_difference: survey.clock_difference() },
            left_out: LeftOut {
                unfinished: survey.unfinished().collect(),
                gaps: survey.gaps(),
                unread_lines: survey.unread(),
                end_missing: survey.end().is_none(),
            },
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
