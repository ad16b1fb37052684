//! A trace as text to paste into an issue.

mod markup;

use super::cells;
use super::groups::{FailureGroups, program};
use super::phrases::{clock, foreign_tool, kebab, listed, missing, origin, result, span};
use super::selection::{Shown, select};
use super::style::{counted, duration, thousands};
use super::wording;
use crate::analyze::{CredentialRow, Failure, Survey};
use crate::redact::Redacted;
use crate::trace::{Connection, Exchange, Origin};
use markup::{Document, code, prose};
use std::io::{self, Write};

/// The most characters that an issue on GitHub takes.
pub const MOST_CHARACTERS: usize = 65_536;

/// Characters that each section may take; together with the headings below [`MOST_CHARACTERS`].
mod room {
    pub(super) const SUMMARY: usize = 4_000;
    pub(super) const FAILURES: usize = 16_000;
    pub(super) const MESSAGES: usize = 6_000;
    pub(super) const CONNECTIONS: usize = 6_000;
    pub(super) const TIMELINE: usize = 16_000;
    pub(super) const CREDENTIALS: usize = 6_000;
    pub(super) const VARIABLES: usize = 2_000;
    pub(super) const MISSING: usize = 3_000;
}

/// Writes the report as GitHub Flavored Markdown of fewer than [`MOST_CHARACTERS`] characters.
///
/// # Errors
/// When the writer fails.
pub fn report(survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    let groups = FailureGroups::of(survey);
    let mut page = Document::default();
    summary(&mut page, survey, &groups);
    failures(&mut page, survey, &groups);
    connections(&mut page, &groups);
    timeline(&mut page, survey);
    credentials(&mut page, survey);
    times(&mut page, survey);
    surroundings(&mut page, survey);
    missing_parts(&mut page, survey);
    out.write_all(page.text().as_bytes())
}

fn summary(page: &mut Document, survey: &Survey, groups: &FailureGroups<'_>) {
    page.heading("Auth trace of Claude Code");
    let mut lines = vec![format!("**{}**", prose(&result(survey, groups)))];
    if let Some(head) = survey.head() {
        lines.push(match foreign_tool(head) {
            Some(tool) => format!("captured by {} (HAR), {}", code(&tool), span(survey)),
            None => {
                let (tool, os) = (code(head.tool.as_str()), code(head.os.as_str()));
                format!("captured by {tool} on {os}, {}", span(survey))
            }
        });
    }
    let clients: Vec<String> = survey.clients().iter().take(6).map(|client| code(client.as_str())).collect();
    if !clients.is_empty() {
        lines.push(format!("clients: {}", clients.join(", ")));
    }
    let hosts: Vec<String> =
        survey.hosts().iter().take(12).map(|row| format!("{} ({})", code(row.host.as_str()), row.exchanges)).collect();
    if !hosts.is_empty() {
        lines.push(format!("hosts: {}", hosts.join(", ")));
    }
    let refused = || groups.exchanges.iter().flatten();
    if let Some(first) = refused().min_by_key(|exchange| (exchange.at, exchange.id)) {
        lines.push(format!("first failure: {}", mention(first)));
        match survey.accepted_before(first) {
            Some(good) => lines.push(format!("last accepted before it: {}", mention(good))),
            None => lines.push("nothing with a credential was accepted before it".to_owned()),
        }
    }
    if let Some(last) = refused().max_by_key(|exchange| (exchange.at, exchange.id)) {
        match survey.accepted_after(last) {
            Some(good) => lines.push(format!("first accepted after the last failure: {}", mention(good))),
            None => lines.push("nothing with a credential was accepted after the last failure".to_owned()),
        }
    }
    page.list(room::SUMMARY, lines);
}

fn failures(page: &mut Document, survey: &Survey, groups: &FailureGroups<'_>) {
    if groups.exchanges.is_empty() {
        return;
    }
    page.heading("Failures");
    let all: Vec<&Exchange> = survey.failures().iter().filter_map(Failure::exchange).collect();
    let rows = select(&all, 20, 20, |_| false).into_iter().map(|line| {
        rows_of(line, 8, "failure", |exchange| {
            let ids = &exchange.request_ids;
            let id = |id: &Option<Redacted>| id.as_ref().map_or_else(none, |id| code(id.as_str()));
            let body = match (&ids.body, ids.body_null) {
                (Some(body), _) if ids.header.as_ref() == Some(body) => "same".to_owned(),
                (None, true) => "null".to_owned(),
                (body, _) => id(body),
            };
            vec![
                exchange.id.to_string(),
                exchange.at.clock(),
                cells::status(exchange),
                code(&cells::error(exchange)),
                code(&cells::credentials(exchange, survey.labels())),
                id(&ids.header),
                body,
                format!("{} / {}", id(&ids.client), id(&ids.edge)),
            ]
        })
    });
    let columns = ["No.", "UTC", "status", "error", "credential", "request-id", "in the body", "client's id / cf-ray"];
    page.table(room::FAILURES, &columns, rows);
    let lines = groups.exchanges.iter().map(|group| message(group, survey));
    page.list(room::MESSAGES, lines);
}

fn message(group: &[&Exchange], survey: &Survey) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let which = match group {
        [only] => format!("No. {}", only.id),
        [first, .., last] => format!("No. {} to {} ({} times)", first.id, last.id, thousands(group.len())),
        [] => String::new(),
    };
    let mut parts = vec![request(first)];
    if let Some(message) = first.error.as_ref().and_then(|error| error.message.as_ref()) {
        parts.push(format!("says {}", code(message.as_str())));
    } else if let Some(error) = &first.error {
        parts.push(cells::shape(error.shape).to_owned());
    }
    if first.origin != Origin::Upstream {
        parts.push(format!("answered by {}", origin(first.origin)));
    }
    let sent: Vec<String> = first
        .credentials
        .iter()
        .map(|seen| {
            let label = survey.credential_label(seen.credential.fp).map(|label| label.to_string()).unwrap_or_default();
            format!("{} in {}", code(&format!("{label} {}", seen.credential)), code(seen.place.as_str()))
        })
        .collect();
    parts.push(if sent.is_empty() { "no credential was sent".to_owned() } else { sent.join(", ") });
    format!("{which}: {}", parts.join("; "))
}

fn connections(page: &mut Document, groups: &FailureGroups<'_>) {
    if groups.connections.is_empty() {
        return;
    }
    page.heading("Connections that failed");
    page.list(room::CONNECTIONS, groups.connections.iter().map(|group| failed_connection(group)));
}

fn failed_connection(group: &[&Connection]) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let end = &first.end;
    let mut text = format!(
        "{} UTC, {}: {} ({}",
        first.opened.clock(),
        code(&cells::host_and_port(first.target.as_ref())),
        prose(wording::what(end.outcome)),
        code(end.outcome.as_str())
    );
    if group.len() > 1 {
        text.push_str(&format!(", {} times", thousands(group.len())));
    }
    if let Some(status) = end.status {
        text.push_str(&format!(", status {status}"));
    }
    if let Some(program) = program(first) {
        text.push_str(&format!(", by {}", code(&program)));
    }
    text.push(')');
    if let Some(detail) = &end.detail {
        text.push_str(&format!(": {}", code(detail.as_str())));
    }
    text
}

fn timeline(page: &mut Document, survey: &Survey) {
    if survey.exchanges().is_empty() {
        return;
    }
    page.heading("Timeline");
    let several = survey.lanes().len() > 1;
    let mut columns = vec!["No.", "UTC", "request", "status", "error", "credential", "took"];
    if several {
        columns.insert(2, "client");
    }
    let width = columns.len();
    let rows = select(survey.exchanges(), 20, 40, |_| false).into_iter().map(|line| {
        rows_of(line, width, "exchange", |exchange| {
            let mut row = vec![
                exchange.id.to_string(),
                exchange.at.clock(),
                request(exchange),
                cells::status(exchange),
                code(&cells::error(exchange)),
                code(&cells::credentials(exchange, survey.labels())),
                duration(exchange.timing.total_us),
            ];
            if several {
                row.insert(2, code(exchange.lane.as_str()));
            }
            row
        })
    });
    page.table(room::TIMELINE, &columns, rows);
    if survey.exchanges().iter().any(|exchange| exchange.origin != Origin::Upstream) {
        page.paragraph("\\* not answered by the server, but by authtrace or by the proxy that it goes through");
    }
}

fn credentials(page: &mut Document, survey: &Survey) {
    let all = survey.credentials();
    if all.is_empty() {
        return;
    }
    page.heading("Credentials");
    page.paragraph("Values were never recorded. Equal fingerprints are equal values, within this trace only.");
    let rows = select(&all, 15, 15, |_| false).into_iter().map(|line| {
        rows_of(line, 9, "credential", |row: &CredentialRow| {
            let id = |id: Option<u64>| id.map_or_else(none, |id| id.to_string());
            let flags: Vec<String> = row.credential.flags.iter().map(kebab).collect();
            vec![
                code(&row.label.to_string()),
                code(&row.credential.to_string()),
                code(&listed(row.places.iter())),
                row.first_seen.clock(),
                id(row.issued_by),
                row.uses.to_string(),
                row.accepted.to_string(),
                if row.refused > 0 {
                    format!("{} (first: No. {})", row.refused, id(row.first_refused))
                } else {
                    "0".to_owned()
                },
                code(&flags.join(", ")),
            ]
        })
    });
    let columns =
        ["", "kind, length, fingerprint", "in", "first seen", "issued by No.", "used", "accepted", "refused", "shape"];
    page.table(room::CREDENTIALS, &columns, rows);
}

fn times(page: &mut Document, survey: &Survey) {
    let timing = survey.timing();
    let rows = [("until an answer", timing.wait), ("in all", timing.total), ("added by authtrace", timing.added)];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .filter_map(|(name, spread)| {
            let spread = spread?;
            let values = [spread.p50_us, spread.p99_us, spread.max_us].map(duration);
            Some(std::iter::once(name.to_owned()).chain(values).collect())
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    page.heading("Time");
    page.table(1_000, &["", "median", "99 of 100", "longest"], rows.into_iter());
    if let Some(difference) = survey.clock_difference() {
        page.paragraph(&clock(difference));
    }
}

fn surroundings(page: &mut Document, survey: &Survey) {
    page.heading("How it was captured");
    let mut lines = vec![
        "Through a local proxy that ended TLS, so that the server saw the proxy's TLS and TCP fingerprint (ClientHello, \
         ALPN order, HTTP/2 settings, source port) instead of the client's. Requests and answers passed unchanged, and \
         nothing was retried."
            .to_owned(),
    ];
    if let Some(head) = survey.head() {
        let names: Vec<String> = head.variables.iter().map(|name| code(name.as_str())).collect();
        let set = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        lines.push(format!("Environment variables that were set (names only): {set}"));
    }
    let tunnelled: Vec<String> =
        survey.tunnelled().iter().take(12).map(|row| code(&cells::host_and_port(Some(&row.target)))).collect();
    if !tunnelled.is_empty() {
        lines.push(format!("Passed unread: {}", tunnelled.join(", ")));
    }
    lines.extend(survey.notes().iter().map(|note| format!("{} UTC: {}", note.at.clock(), code(note.text.as_str()))));
    page.list(room::VARIABLES, lines);
}

fn missing_parts(page: &mut Document, survey: &Survey) {
    let missing = missing(survey);
    if missing.is_empty() {
        return;
    }
    page.heading("Missing from this trace");
    page.list(room::MISSING, missing.iter().map(|line| code(line)));
}

/// The row of an item, or one that says how many are left out.
fn rows_of<T>(line: Shown<&T>, width: usize, noun: &str, row: impl Fn(&T) -> Vec<String>) -> Vec<String> {
    match line {
        Shown::Item(item) => row(item),
        Shown::LeftOut(count) => {
            let mut cells = vec!["…".to_owned(), counted(count, &format!("more {noun}"))];
            cells.resize(width, String::new());
            cells
        }
    }
}

fn request(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let target = cells::target(request.host.as_str(), request.path.as_str(), 200);
    code(&format!("{} {target}", request.method))
}

/// An exchange in a sentence. No `#`: on GitHub that would point at another issue.
fn mention(exchange: &Exchange) -> String {
    let error = cells::error(exchange);
    let error = if error.is_empty() { error } else { format!(" {}", code(&error)) };
    let id = exchange
        .request_ids
        .best()
        .map_or_else(|| "no request-id".to_owned(), |id| format!("request-id {}", code(id.as_str())));
    format!("No. {} at {} UTC, {}{error}, {id}", exchange.id, exchange.at.clock(), cells::status(exchange))
}

fn none() -> String {
    "–".to_owned()
}
