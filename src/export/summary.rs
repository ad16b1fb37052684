//! The few lines at the end of a run.

use super::cells;
use super::conclusion::{Conclusion, word};
use super::groups::{FailureGroups, program};
use super::phrases::{missing, played, result, shortened};
use super::style::{Ink, Style, clean, counted, thousands, wrap};
use super::svg::verdict::{State, state};
use super::wording;
use crate::analyze::{Diagnosis, Survey};
use crate::catalogue::Code;
use crate::trace::{Connection, Exchange, NoteKind, Origin, Outcome};
use std::path::Path;

/// Kinds of failure that are named, of exchanges and of connections each; the report has the others.
const NAMED: usize = 1;
/// Notes of what authtrace did itself; the report has the others.
const PURPOSES: usize = 3;

/// About five lines: the verdict, what to do, what passed, the failure with the id to quote, how to read the trace. What
/// the caller has to `explain` (a bypassed proxy, a changed environment) takes the place of the remedy; what it says `aside` does not. `degraded` says
/// why records could not be written, if so.
#[must_use]
pub fn closing(
    survey: &Survey,
    diagnosis: &Diagnosis,
    trace: &Path,
    explain: &[String],
    aside: &[String],
    degraded: Option<&str>,
    style: Style,
) -> String {
    let groups = FailureGroups::of(survey);
    let conclusion = Conclusion::of(diagnosis);
    let mut lines = Vec::new();
    verdict(&conclusion, style, &mut lines);
    if explain.is_empty() && !conclusion.is_calm() {
        remedy(survey, &conclusion, &groups, style, &mut lines);
    }
    for line in explain.iter().chain(aside).chain(&shortage(survey)).chain(&on_purpose(survey)) {
        warn(line, style, &mut lines);
    }
    wrapped(" ", &passed(survey, &groups), style, &mut lines);
    if !conclusion.is_calm() {
        failures(survey, &groups, style, &mut lines);
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

/// `authtrace: refresh-race (high): Two processes …`
fn verdict(conclusion: &Conclusion<'_>, style: Style, lines: &mut Vec<String>) {
    let verdict = conclusion.verdict;
    let code = verdict.code.as_str();
    let ink = match state(verdict) {
        _ if conclusion.is_calm() => Ink::Good,
        State::Failed => Ink::Bad,
        State::Well | State::Mended | State::Unknown => Ink::Warning,
    };
    let recovered = if verdict.recovered { ", recovered" } else { "" };
    let sure = if conclusion.is_calm() { String::new() } else { format!(" ({}{recovered})", word(verdict.confidence)) };
    // The name in front is wrapped with the text and coloured afterwards, at its known place.
    let text = format!("authtrace: {code}{sure}: {}", clean(&verdict.summary));
    let shown = wrap(&text, style.width.saturating_sub(2).max(40));
    for (at, line) in shown.iter().enumerate() {
        lines.push(match (at, line.strip_prefix(&format!("authtrace: {code}"))) {
            (0, Some(rest)) => format!("{} {}{rest}", style.paint(Ink::Heading, "authtrace:"), style.paint(ink, code)),
            (0, None) => line.clone(),
            _ => format!("  {line}"),
        });
    }
}

/// Of a connection that came to nothing, what its end advises: it knows more of this machine than the catalogue.
fn remedy(
    survey: &Survey,
    conclusion: &Conclusion<'_>,
    groups: &FailureGroups<'_>,
    style: Style,
    lines: &mut Vec<String>,
) {
    let proof = conclusion.connections(survey).first().copied();
    let unjudged = || groups.connections.iter().flatten().next().copied();
    let connection = if conclusion.verdict.code == Code::NothingSeen { proof.or_else(unjudged) } else { proof };
    if connection.is_some_and(|one| one.end.is_shortage()) {
        // What stands below says it.
        return;
    }
    let advised = connection.and_then(|one| wording::next(one.end.outcome, program(one).as_deref(), one.end.status));
    if let Some(remedy) = advised.or_else(|| conclusion.remedy().map(str::to_owned)) {
        wrapped(&style.paint(Ink::Heading, "→"), &remedy, style, lines);
    }
}

/// What passed, in numbers.
fn passed(survey: &Survey, groups: &FailureGroups<'_>) -> String {
    let hosts: Vec<String> = survey.hosts().iter().map(|row| clean(row.host.as_str()).into_owned()).collect();
    let hosts = if hosts.is_empty() { String::new() } else { format!(" · {}", shortened(&hosts, 4)) };
    format!("{}{hosts}", result(survey, groups))
}

fn failures(survey: &Survey, groups: &FailureGroups<'_>, style: Style, lines: &mut Vec<String>) {
    for group in worth_naming(&groups.exchanges) {
        refused(survey, group, style, lines);
    }
    let last = groups.exchanges.iter().flatten().max_by_key(|exchange| (exchange.at, exchange.id));
    if let Some(good) = last.and_then(|last| survey.accepted_after(last)) {
        let text = format!("accepted again from #{} at {} UTC", good.id, good.at.clock());
        lines.push(format!("  {} {text}", style.paint(Ink::Good, "✓")));
    }
    let is_told = |group: &&Vec<&Connection>| group.first().is_some_and(|first| first.end.is_shortage());
    let unserved: Vec<_> = groups.connections.iter().filter(|group| !is_told(group)).collect();
    for group in unserved.iter().take(NAMED) {
        unconnected(group, style, lines);
    }
    let more = groups.exchanges.len().saturating_sub(NAMED) + unserved.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("  … {} in the report", counted(more, "more failure")));
    }
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

/// The failure to quote. Its message stands in the verdict, or in the report.
fn refused(survey: &Survey, group: &[&Exchange], style: Style, lines: &mut Vec<String>) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let times = if group.len() > 1 { format!(" {}×, last", thousands(group.len())) } else { String::new() };
    let label = cells::credentials(first, survey.labels());
    let with = if label.is_empty() { "without a credential".to_owned() } else { format!("with {label}") };
    let title = format!("{} {}", cells::status(first), cells::error(first));
    let id = last.request_ids.best().map(|id| format!(" · {}", clean(id.as_str()))).unwrap_or_default();
    let text = format!("{} {with}{times} at {} UTC{id}", title.trim_end(), last.at.clock());
    wrapped(&style.paint(Ink::Bad, "✗"), &text, style, lines);
}

fn unconnected(group: &[&Connection], style: Style, lines: &mut Vec<String>) {
    let Some(first) = group.first() else { return };
    let times = if group.len() > 1 { format!(" ({}×)", thousands(group.len())) } else { String::new() };
    let by = program(first).map(|program| format!(", {program}")).unwrap_or_default();
    let target = cells::host_and_port(first.target.as_ref());
    // Of a failed handshake with the server the detail says more: whose certificate, and what is wrong with it.
    let what = match (first.end.outcome, &first.end.detail) {
        (Outcome::UpstreamTls, Some(detail)) => clean(detail.as_str()),
        (outcome, _) => wording::what(outcome).into(),
    };
    wrapped(&style.paint(Ink::Bad, "✗"), &format!("{target}{by}: {what}{times}"), style, lines);
}

/// That descriptors ran out, once for all that suffered from it.
fn shortage(survey: &Survey) -> Option<String> {
    let note = survey.notes().iter().find(|note| note.kind == NoteKind::Limit)?;
    let refused = survey.connections().iter().filter(|one| one.end.is_shortage()).count();
    let refused = if refused > 0 { format!(" ({} refused)", counted(refused, "connection")) } else { String::new() };
    Some(format!("from {} UTC on {}{refused}; {}", note.at.clock(), note.text, wording::SHORTAGE))
}

/// What authtrace did to the traffic itself, and that it proves nothing.
fn on_purpose(survey: &Survey) -> Vec<String> {
    let notes = survey.notes().iter().filter(|note| note.kind == NoteKind::Policy);
    let mut lines: Vec<String> = played(survey).into_iter().collect();
    let mut notes: Vec<String> = notes.map(|note| clean(note.text.as_str()).into_owned()).collect();
    let more = notes.len().saturating_sub(PURPOSES);
    notes.truncate(PURPOSES);
    lines.append(&mut notes);
    if more > 0 {
        lines.push(format!("… {} in the report", counted(more, "more note")));
    }
    let ours = survey.exchanges().iter().filter(|exchange| exchange.origin == Origin::Authtrace).count();
    if ours > 0 {
        let them = if ours == 1 { "it proves" } else { "they prove" };
        lines.push(format!("{} by authtrace, marked *; {them} nothing", counted(ours, "answer")));
    }
    lines
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
