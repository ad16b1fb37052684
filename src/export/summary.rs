//! The few lines at the end of a run.

use super::cells;
use super::groups::{FailureGroups, program};
use super::phrases::{missing, result, shortened};
use super::style::{Ink, Style, clean, counted, fit, thousands, wrap};
use super::wording;
use crate::analyze::Survey;
use crate::trace::{Connection, Exchange, Outcome};
use std::path::Path;

/// Failures that are named; the report has the others.
const NAMED: usize = 2;

/// About five lines: what passed, the failures with the ids to quote, what the caller has to `explain` (a bypassed
/// proxy, a changed environment; it replaces the advice on failed connections), how to read the trace. `degraded` says
/// why records could not be written, if so.
#[must_use]
pub fn closing(survey: &Survey, trace: &Path, explain: &[String], degraded: Option<&str>, style: Style) -> String {
    let groups = FailureGroups::of(survey);
    let hosts: Vec<String> = survey.hosts().iter().map(|row| clean(row.host.as_str()).into_owned()).collect();
    let hosts = if hosts.is_empty() { String::new() } else { format!(" · {}", shortened(&hosts, 4)) };
    let mut lines = vec![format!("{} {}{hosts}", style.paint(Ink::Heading, "authtrace:"), result(survey, &groups))];
    for group in worth_naming(&groups.exchanges) {
        refused(survey, group, style, &mut lines);
    }
    let last = groups.exchanges.iter().flatten().max_by_key(|exchange| (exchange.at, exchange.id));
    if let Some(good) = last.and_then(|last| survey.accepted_after(last)) {
        let text = format!("accepted again from #{} at {} UTC", good.id, good.at.clock());
        lines.push(format!("  {} {text}", style.paint(Ink::Good, "✓")));
    }
    for group in groups.connections.iter().take(NAMED) {
        unconnected(group, explain.is_empty(), style, &mut lines);
    }
    let more = groups.exchanges.len().saturating_sub(NAMED) + groups.connections.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("  … {} in the report", counted(more, "more failure")));
    }
    for line in explain {
        warn(line, style, &mut lines);
    }
    if let Some(why) = degraded {
        warn(&format!("records could not be written: {why}"), style, &mut lines);
    }
    if missing(survey).len() > usize::from(survey.end().is_none()) {
        warn("the trace is not complete; the report says what is missing", style, &mut lines);
    }
    let path = trace.to_string_lossy();
    lines.push(format!("  → authtrace report {}  (for an issue: --format md)", quoted(&clean(&path))));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn warn(text: &str, style: Style, lines: &mut Vec<String>) {
    wrapped(&style.paint(Ink::Warning, "!"), text, style, lines);
}

/// A sign and a text behind it, its further lines below the first.
fn wrapped(sign: &str, text: &str, style: Style, lines: &mut Vec<String>) {
    for (at, part) in wrap(&clean(text), style.width.saturating_sub(4).max(40)).iter().enumerate() {
        lines.push(format!("  {} {part}", if at == 0 { sign } else { " " }));
    }
}

/// The last kinds of failure; one of the token endpoint before any other, since the client does not show it.
fn worth_naming<'a>(groups: &'a [Vec<&'a Exchange>]) -> Vec<&'a [&'a Exchange]> {
    let of_tokens =
        |at: &usize| groups.get(*at).and_then(|group| group.first()).is_some_and(|first| first.oauth.is_some());
    let mut places: Vec<usize> = (0..groups.len()).rev().collect();
    places.sort_by_key(|at| !of_tokens(at));
    places.truncate(NAMED);
    places.sort_unstable();
    places.into_iter().filter_map(|at| groups.get(at)).map(Vec::as_slice).collect()
}

fn refused(survey: &Survey, group: &[&Exchange], style: Style, lines: &mut Vec<String>) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let times = if group.len() > 1 { format!(" {}×, last", thousands(group.len())) } else { String::new() };
    let label = cells::credentials(first, survey.labels());
    let with = if label.is_empty() { "without a credential".to_owned() } else { format!("with {label}") };
    let title = format!("{} {}", cells::status(first), cells::error(first));
    let place = cells::target(first.request.host.as_str(), first.request.path.as_str(), usize::MAX);
    let id = last.request_ids.best().map(|id| format!(" · {}", clean(id.as_str()))).unwrap_or_default();
    let text = format!("{} {with}{times} at {} UTC · {place}{id}", title.trim_end(), last.at.clock());
    wrapped(&style.paint(Ink::Bad, "✗"), &text, style, lines);
    if let Some(message) = first.error.as_ref().and_then(|error| error.message.as_ref()) {
        lines.push(format!("    {}", fit(&clean(message.as_str()), style.width.saturating_sub(4).max(40))));
    }
}

fn unconnected(group: &[&Connection], advise: bool, style: Style, lines: &mut Vec<String>) {
    let Some(first) = group.first() else { return };
    let times = if group.len() > 1 { format!(" ({}×)", thousands(group.len())) } else { String::new() };
    let by = program(first).map(|program| format!(", {program}")).unwrap_or_default();
    let target = cells::host_and_port(first.target.as_ref());
    // Of a failed handshake with the server the detail says more: whose certificate, and what is wrong with it.
    let what = match (first.end.outcome, &first.end.detail) {
        (Outcome::UpstreamTls, Some(detail)) => clean(detail.as_str()),
        (outcome, _) => wording::what(outcome).into(),
    };
    let text = format!("{target}{by}: {what}{times}");
    wrapped(&style.paint(Ink::Bad, "✗"), &text, style, lines);
    if let Some(next) = wording::next(first.end.outcome, program(first).as_deref(), first.end.status).filter(|_| advise)
    {
        wrapped(" ", &next, style, lines);
    }
}

/// The path as a shell reads it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':' | ',' | '@' | '%' | '=');
    if !path.is_empty() && path.chars().all(plain) && !path.starts_with('-') {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted("/tmp/a-1.jsonl"), "/tmp/a-1.jsonl");
        assert_eq!(quoted("/tmp/my trace.jsonl"), "'/tmp/my trace.jsonl'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("-x"), "'-x'");
        assert_eq!(quoted(""), "''");
    }
}
