//! The few lines at the end of a run.

use super::cells;
use super::groups::{FailureGroups, program};
use super::style::{Ink, Style, clean, fit, thousands};
use super::text::{missing, result};
use super::wording;
use crate::analyze::Survey;
use crate::trace::{Connection, Exchange};
use std::io::{self, Write};

/// Failures that are named; the report has the others.
const NAMED: usize = 2;

/// Writes about five lines: what passed, the failures with the ids to quote, what the caller has to `explain` (a
/// bypassed proxy, a changed environment), where the trace is and how to read it.
///
/// # Errors
/// When the writer fails.
pub fn closing(
    survey: &Survey,
    trace_path: &str,
    explain: &[String],
    style: Style,
    out: &mut impl Write,
) -> io::Result<()> {
    let groups = FailureGroups::of(survey);
    let hosts: Vec<String> = survey
        .hosts()
        .iter()
        .map(|row| clean(row.host.as_str()).into_owned())
        .collect();
    let hosts = if hosts.is_empty() {
        String::new()
    } else {
        format!(" · {}", hosts.join(", "))
    };
    writeln!(
        out,
        "{} {}{hosts}",
        style.paint(Ink::Heading, "authtrace:"),
        result(survey, &groups)
    )?;
    for group in worth_naming(&groups.exchanges) {
        refused(survey, group, style, out)?;
    }
    if let Some(last) = groups
        .exchanges
        .iter()
        .flatten()
        .max_by_key(|exchange| (exchange.at, exchange.id))
        && let Some(good) = survey.accepted_after(last) {
            let text = format!("accepted again from #{} at {}", good.id, good.at.clock());
            writeln!(out, "  {} {text}", style.paint(Ink::Good, "✓"))?;
        }
    for group in groups.connections.iter().take(NAMED) {
        unconnected(group, style, out)?;
    }
    let more = groups.exchanges.len().saturating_sub(NAMED) + groups.connections.len().saturating_sub(NAMED);
    if more > 0 {
        writeln!(out, "  … {} more kinds of failure in the report", thousands(more))?;
    }
    for line in explain {
        writeln!(out, "  {} {}", style.paint(Ink::Warning, "!"), clean(line))?;
    }
    let missing = missing(survey).len() - usize::from(survey.end().is_none());
    if missing > 0 {
        writeln!(
            out,
            "  {} the trace is not complete; the report says what is missing",
            style.paint(Ink::Warning, "!")
        )?;
    }
    writeln!(out, "  trace   {}", clean(trace_path))?;
    writeln!(out, "  report  authtrace report {}", quoted(&clean(trace_path)))
}

/// The latest groups, in the order of time; a refused token request goes before what is refused because of it.
fn worth_naming<'a>(groups: &'a [Vec<&'a Exchange>]) -> Vec<&'a [&'a Exchange]> {
    let of_tokens = |at: &usize| groups.get(*at).and_then(|group| group.first()).is_some_and(|first| first.oauth.is_some());
    let mut places: Vec<usize> = (0..groups.len()).rev().collect();
    places.sort_by_key(|at| !of_tokens(at));
    places.truncate(NAMED);
    places.sort_unstable();
    places.into_iter().filter_map(|at| groups.get(at)).map(Vec::as_slice).collect()
}

fn refused(survey: &Survey, group: &[&Exchange], style: Style, out: &mut impl Write) -> io::Result<()> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return Ok(());
    };
    let times = if group.len() > 1 {
        format!(" {}×, last", thousands(group.len()))
    } else {
        String::new()
    };
    let label = cells::credentials(first, survey.labels());
    let with = if label.is_empty() {
        "without a credential".to_owned()
    } else {
        format!("with {label}")
    };
    let title = format!("{} {}", cells::status(first), cells::error(first));
    let place = cells::target(first.request.host.as_str(), first.request.path.as_str(), usize::MAX);
    let id = last
        .request_ids
        .best()
        .map(|id| format!(" · {}", clean(id.as_str())))
        .unwrap_or_default();
    let line = format!(
        "{} {with}{times} at {} UTC · {place}{id}",
        title.trim_end(),
        last.at.clock()
    );
    writeln!(out, "  {} {line}", style.paint(Ink::Bad, "✗"))?;
    if let Some(message) = first.error.as_ref().and_then(|error| error.message.as_ref()) {
        writeln!(
            out,
            "    {}",
            fit(&clean(message.as_str()), style.width.saturating_sub(4).max(40))
        )?;
    }
    Ok(())
}

fn unconnected(group: &[&Connection], style: Style, out: &mut impl Write) -> io::Result<()> {
    let Some(first) = group.first() else { return Ok(()) };
    let times = if group.len() > 1 {
        format!(" ({}×)", thousands(group.len()))
    } else {
        String::new()
    };
    let by = program(first).map(|program| format!(", {program}")).unwrap_or_default();
    let line = format!(
        "{}{by}: {}{times}",
        cells::host_and_port(first.target.as_ref()),
        wording::what(first.end.outcome)
    );
    writeln!(out, "  {} {line}", style.paint(Ink::Bad, "✗"))?;
    match wording::next(first.end.outcome, program(first).as_deref(), first.end.status) {
        Some(next) => writeln!(out, "    {next}"),
        None => Ok(()),
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
