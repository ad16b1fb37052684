//! Sentences that several reports share.

use super::cells;
use super::groups::FailureGroups;
use super::style::{clean, counted, duration, thousands};
use crate::analyze::{ClockDifference, Survey};
use crate::redact::Redacted;
use crate::trace::{Exchange, Origin, PlayedAgainst, TraceHead};

/// Exchanges and failures in numbers.
pub(super) fn result(survey: &Survey, groups: &FailureGroups<'_>) -> String {
    let mut parts = Vec::new();
    if survey.exchanges().is_empty() {
        parts.push("no request was read".to_owned());
    } else {
        parts.push(counted(survey.exchanges().len(), "exchange"));
        parts.push(groups.refused().unwrap_or_else(|| "no auth failure".to_owned()));
        parts.push(counted(survey.credentials().len(), "credential"));
    }
    parts.extend(groups.unconnected());
    if let Some(code) = survey.end().and_then(|end| end.exit_code) {
        parts.push(format!("exit code {code}"));
    }
    parts.join(" · ")
}

/// The tool whose capture was read, such as `Firefox 128.0`; `None` for a trace of our own.
pub(super) fn foreign_tool(head: &TraceHead) -> Option<String> {
    let imported = head.imported.as_ref()?;
    let tool = imported.tool.as_ref().map_or("another tool", Redacted::as_str);
    Some(match &imported.version {
        Some(version) => format!("{tool} {version}"),
        None => tool.to_owned(),
    })
}

/// That a scenario was played, and who answered; `None`: none was.
pub(super) fn played(survey: &Survey) -> Option<String> {
    let played = survey.head()?.played.as_ref()?;
    let scenario = clean(played.scenario.as_str());
    Some(match played.against {
        PlayedAgainst::Fake => {
            format!("the scenario {scenario} was played: the fake Anthropic inside authtrace answered, no real server")
        }
        PlayedAgainst::Live => {
            format!(
                "the scenario {scenario} was played on live traffic: what authtrace answered or changed proves nothing"
            )
        }
    })
}

/// The same where there is little room.
pub(super) fn played_in_short(survey: &Survey) -> Option<&'static str> {
    Some(match survey.head()?.played.as_ref()?.against {
        PlayedAgainst::Fake => "a scenario was played: no real server answered",
        PlayedAgainst::Live => "a scenario was played on live traffic: answers of authtrace's own prove nothing",
    })
}

/// When the trace was made and how long it went on.
pub(super) fn span(survey: &Survey) -> String {
    let Some(head) = survey.head() else {
        return String::new();
    };
    let started = head.started.to_string().replace('T', " ");
    let started = started.get(..19).unwrap_or(&started).to_owned();
    match survey.end().and_then(|end| end.at) {
        Some(end) => {
            let ms = end.unix_ms().saturating_sub(head.started.unix_ms());
            format!("{started} UTC, {}", duration(u64::try_from(ms).unwrap_or(0).saturating_mul(1_000)))
        }
        None => format!("{started} UTC"),
    }
}

/// What is not in the trace although it happened, one sentence each.
pub(super) fn missing(survey: &Survey) -> Vec<String> {
    let mut lines = Vec::new();
    for start in survey.unfinished() {
        let target = cells::target(start.host.as_str(), start.path.as_str(), usize::MAX);
        lines.push(format!(
            "#{} {} {target}, begun at {}: no end recorded",
            start.id,
            clean(start.method.as_str()),
            start.at.clock()
        ));
    }
    for gap in survey.gaps() {
        let lost = counted(usize::try_from(gap.lost).unwrap_or(usize::MAX), "record");
        lines.push(format!("{lost} lost at {}: {}", gap.at.clock(), clean(gap.cause.as_str())));
    }
    for unread in survey.unread() {
        lines.push(format!("line {}: {}", unread.line, clean(&unread.why)));
    }
    if lines.len() > 12 {
        let more = lines.len() - 10;
        lines.truncate(10);
        lines.push(format!("and {} more of the kind", thousands(more)));
    }
    let in_gaps: u64 = survey.gaps().iter().map(|gap| gap.lost).fold(0, u64::saturating_add);
    if let Some(more) = survey.end().and_then(|end| end.lost.checked_sub(in_gaps)).filter(|more| *more > 0) {
        lines
            .push(format!("{} lost at a time unknown", counted(usize::try_from(more).unwrap_or(usize::MAX), "record")));
    }
    match survey.end() {
        Some(end) if end.masked > 0 => lines.push(format!(
            "{} in which a value that was used as a credential was masked at the last moment; please report that as a defect",
            counted(usize::try_from(end.masked).unwrap_or(usize::MAX), "record")
        )),
        Some(_) => {}
        None => lines.push("the end: authtrace is still running, or was killed".to_owned()),
    }
    lines
}

/// The difference of the clocks in a sentence.
pub(super) fn clock(difference: ClockDifference) -> String {
    let ms = difference.median_ms;
    let of = counted(usize::try_from(difference.answers).unwrap_or(usize::MAX), "answer");
    if ms.abs() < 1_500 {
        return format!("the clock agrees with the server's ({of})");
    }
    let by = duration(ms.unsigned_abs().saturating_mul(1_000));
    let way = if ms > 0 { "behind" } else { "ahead of" };
    format!("this machine's clock is {by} {way} the server's (median of {of})")
}

pub(super) fn mention(exchange: &Exchange) -> String {
    let id = exchange.request_ids.best().map(|id| format!(", request-id {}", clean(id.as_str()))).unwrap_or_default();
    format!("#{} at {} ({}{id})", exchange.id, exchange.at.clock(), cells::status(exchange))
}

pub(super) fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Upstream => "the server",
        Origin::Authtrace => "authtrace, not the server",
        Origin::UpstreamProxy => "the proxy that authtrace goes through, not the server",
    }
}

/// The name that serde gives to a closed word.
pub(super) fn kebab(word: &impl serde::Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

/// Names in a row.
pub(super) fn listed<'a>(items: impl Iterator<Item = &'a Redacted>) -> String {
    items.map(|item| clean(item.as_str()).into_owned()).collect::<Vec<_>>().join(", ")
}

/// The first `room` items and how many are left.
pub(super) fn shortened(items: &[String], room: usize) -> String {
    match items.get(..room) {
        Some(first) if items.len() > room => format!("{} and {} more", first.join(", "), thousands(items.len() - room)),
        _ => items.join(", "),
    }
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
