//! A trace as text to paste into an issue.

mod form;
pub(super) mod markup;

use super::cells;
use super::client_view;
use super::conclusion::{self, Conclusion};
use super::groups::{FailureGroups, program};
use super::histories::Histories;
use super::phrases::{clock, foreign_tool, missing, played, result, span};
use super::receipt;
use super::selection::{Shown, select};
use super::style::{counted, duration, thousands};
use super::wording;
use crate::analyze::{CredentialHistory, Diagnosis, Failure, Survey};
use crate::redact::Redacted;
use crate::trace::{Connection, Exchange, Origin, TraceHead};
use markup::{Document, code, prose, sentence};
use std::io::{self, Write};

/// The most characters that an issue on GitHub takes.
pub const MOST_CHARACTERS: usize = 65_536;

/// Characters that each section may take; together with the headings below [`MOST_CHARACTERS`].
mod room {
    pub(super) const WRONG: usize = 2_500;
    pub(super) const LOG: usize = 7_000;
    pub(super) const SUMMARY: usize = 3_000;
    pub(super) const VERDICT: usize = 3_000;
    pub(super) const FINDINGS: usize = 6_000;
    pub(super) const FAILURES: usize = 9_000;
    pub(super) const CONNECTIONS: usize = 4_000;
    pub(super) const TIMELINE: usize = 11_000;
    pub(super) const CREDENTIALS: usize = 7_000;
    pub(super) const RECEIPT: usize = 1_500;
    pub(super) const CLIENT: usize = 3_000;
    pub(super) const VARIABLES: usize = 2_000;
    pub(super) const MISSING: usize = 2_000;
}

/// Writes the report as GitHub Flavored Markdown of fewer than [`MOST_CHARACTERS`] characters: first the fields of the
/// form for bugs of Claude Code under their own headings, then what the trace shows.
///
/// # Errors
/// When the writer fails.
pub fn report(survey: &Survey, diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
    let groups = FailureGroups::of(survey);
    let conclusion = Conclusion::of(diagnosis);
    let mut page = Document::default();
    form::fields(&mut page, survey, &conclusion, &groups);
    summary(&mut page, survey, &groups);
    verdict(&mut page, &conclusion);
    other_findings(&mut page, &conclusion);
    failures(&mut page, survey, &groups);
    connections(&mut page, &groups);
    timeline(&mut page, survey, &conclusion);
    client(&mut page, survey);
    credentials(&mut page, survey, diagnosis);
    times(&mut page, survey);
    receipt(&mut page, survey);
    surroundings(&mut page, survey);
    missing_parts(&mut page, survey);
    out.write_all(page.text().as_bytes())
}

fn summary(page: &mut Document, survey: &Survey, groups: &FailureGroups<'_>) {
    page.heading("Additional Information");
    let how = if survey.is_imported() { "Read by authtrace from" } else { "Captured by authtrace through" };
    let what = if survey.is_imported() { "the capture of another tool" } else { "a local proxy" };
    page.paragraph(&format!(
        "{how} {what}. No credential is in it: equal fingerprints (`fp`) are equal values, within this trace only. Times are \
         UTC; a number is that of an exchange."
    ));
    let mut lines = vec![prose(&result(survey, groups))];
    if let Some(played) = played(survey) {
        lines.push(format!("**{}**", prose(&played)));
    }
    if let Some(head) = survey.head() {
        lines.push(captured(survey, head));
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
    page.list(room::SUMMARY, lines);
}

fn captured(survey: &Survey, head: &TraceHead) -> String {
    match foreign_tool(head) {
        Some(tool) => format!("captured by {} (HAR), {}", code(&tool), span(survey)),
        None => format!("captured by {} on {}, {}", code(head.tool.as_str()), code(head.os.as_str()), span(survey)),
    }
}

fn verdict(page: &mut Document, conclusion: &Conclusion<'_>) {
    page.subheading("Verdict");
    let verdict = conclusion.verdict;
    let mut lines = vec![format!(
        "**{}**: {}. Certainty {}{}",
        code(verdict.code.as_str()),
        prose(conclusion.known.title),
        prose(&conclusion::certainty(verdict)),
        if verdict.recovered { "; it worked again later" } else { "" }
    )];
    if let Some(finding) = conclusion.finding {
        let proof = conclusion::references(finding);
        if !proof.is_empty() {
            lines.push(format!("proved by {}", sentence(&proof)));
        }
        lines.extend(finding.caveat.map(|caveat| format!("but: {}", sentence(caveat))));
        lines.extend(finding.version.as_ref().map(|advice| sentence(&conclusion::version(advice))));
    }
    lines.extend(conclusion.remedy().map(|remedy| format!("what helps: {}", sentence(remedy))));
    for (code, title) in conclusion.otherwise() {
        lines.push(format!("if that does not fit: {}, {}", markup::code(code.as_str()), prose(title)));
    }
    if !conclusion.attach().is_empty() {
        let wanted: Vec<String> = conclusion.attach().iter().map(|wanted| sentence(wanted)).collect();
        lines.push(format!("to be added by hand: {}", wanted.join("; ")));
    }
    page.list(room::VERDICT, lines);
}

fn other_findings(page: &mut Document, conclusion: &Conclusion<'_>) {
    let lines: Vec<String> = conclusion
        .others()
        .map(|finding| {
            let proof = conclusion::references(finding);
            format!(
                "{} ({}, {}{}): {}{}",
                code(finding.code.as_str()),
                conclusion::severity(finding.severity),
                conclusion::word(finding.confidence),
                if finding.recovered { ", recovered" } else { "" },
                sentence(&finding.summary),
                if proof.is_empty() { String::new() } else { format!(" ({})", sentence(&proof)) }
            )
        })
        .collect();
    if !lines.is_empty() {
        page.subheading("Also found");
        page.list(room::FINDINGS, lines);
    }
}

fn failures(page: &mut Document, survey: &Survey, groups: &FailureGroups<'_>) {
    if groups.exchanges.is_empty() {
        return;
    }
    page.subheading("Failures");
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
}

fn connections(page: &mut Document, groups: &FailureGroups<'_>) {
    if groups.connections.is_empty() {
        return;
    }
    page.subheading("Connections that failed");
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

fn timeline(page: &mut Document, survey: &Survey, conclusion: &Conclusion<'_>) {
    if survey.exchanges().is_empty() {
        return;
    }
    page.subheading("Timeline (UTC)");
    let several = survey.lanes().len() > 1;
    let mut columns = vec!["No.", "UTC", "request", "status", "error", "credential", "took"];
    if several {
        columns.insert(2, "client");
    }
    let width = columns.len();
    let proof = conclusion.finding.map_or(&[][..], |finding| &finding.exchanges);
    let rows = select(survey.exchanges(), 20, 40, |exchange| proof.contains(&exchange.id)).into_iter().map(|line| {
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

fn client(page: &mut Document, survey: &Survey) {
    let lines = client_view::lines_of_an_issue(survey);
    if !lines.is_empty() {
        page.heading(client_view::HEADING);
        page.list(room::CLIENT, lines.iter().map(|line| prose(line)));
    }
}

fn credentials(page: &mut Document, survey: &Survey, diagnosis: &Diagnosis) {
    let histories = Histories::of(survey, diagnosis);
    let all = histories.all();
    if all.is_empty() {
        return;
    }
    page.subheading("Credentials");
    let columns = [
        "",
        "kind, length, fingerprint",
        "where from",
        "used",
        "accepted",
        "refused",
        "replaced or revoked",
        "in",
        "shape",
    ];
    let or_none = |text: Option<String>| text.map_or_else(none, |text| sentence(&text));
    let rows = select(all, 15, 15, |history| histories.is_in_a_finding(history)).into_iter().map(|line| {
        rows_of(line, columns.len(), "credential", |history: &CredentialHistory| {
            let lifetime =
                histories.lifetime(history).map(|lifetime| format!(", good for {lifetime}")).unwrap_or_default();
            let ended: Vec<String> =
                [histories.replaced(history), histories.revoked(history)].into_iter().flatten().collect();
            vec![
                code(&history.label.to_string()),
                code(&history.credential.to_string()),
                format!("{} UTC: {}", history.first_seen.clock(), sentence(&(histories.origin(history) + &lifetime))),
                sentence(&histories.used(history)),
                or_none(histories.accepted(history)),
                or_none(histories.refused(history)),
                or_none((!ended.is_empty()).then(|| ended.join("; "))),
                code(&histories.places(history).unwrap_or_default()),
                code(&histories.shape(history).unwrap_or_default()),
            ]
        })
    });
    page.table(room::CREDENTIALS, &columns, rows);
}

fn times(page: &mut Document, survey: &Survey) {
    let timing = survey.timing();
    let rows = [("until an answer", timing.wait), ("in all", timing.total)];
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
    page.subheading("Time");
    page.table(1_000, &["", "median", "99 of 100", "longest"], rows.into_iter());
    if let Some(difference) = survey.clock_difference() {
        page.paragraph(&clock(difference));
    }
}

/// Whether authtrace had a part in it.
fn receipt(page: &mut Document, survey: &Survey) {
    let Some(account) = receipt::account(survey) else {
        return;
    };
    page.subheading("Did authtrace cause it?");
    page.paragraph(&sentence(&account.answer));
    page.list(room::RECEIPT, account.facts.iter().map(|(name, text)| format!("{name}: {}", sentence(text))));
}

fn surroundings(page: &mut Document, survey: &Survey) {
    page.subheading("How it was captured");
    let mut lines = Vec::new();
    if survey.is_imported() {
        lines.push(
            "By another tool, as a HAR; credentials were taken out while it was read, and what the tool did not record is \
             not known."
                .to_owned(),
        );
    } else {
        lines.push(
            "Through a local proxy that ended TLS, so that the server saw the proxy's TLS and TCP fingerprint (ClientHello, \
             ALPN order, HTTP/2 settings, source port) instead of the client's. It retried nothing."
                .to_owned(),
        );
        if let Some(head) = survey.head() {
            let names: Vec<String> = head.variables.iter().map(|name| code(name.as_str())).collect();
            let set = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            lines.push(format!("Environment variables that were set (names only): {set}"));
        }
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
    page.subheading("Missing from this trace");
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
