//! What a verdict is called, alike in the picture and on the page.

use crate::analyze::{Confidence, Finding, Process, Survey, Verdict};
use crate::catalogue::{Class, Code, entry};
use crate::export::phrases::{played_in_short, span};
use crate::export::style::{clean, counted, duration};
use crate::trace::Timestamp;

/// Whether a verdict is good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::export) enum State {
    /// Nothing is wrong.
    Well,
    /// Something failed and works again, or it is no failure of the login.
    Mended,
    /// Something failed.
    Failed,
    /// There was nothing to judge.
    Unknown,
}

impl State {
    /// The name of its class in the style sheets.
    pub(in crate::export) fn class(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Mended => "mended",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    pub(in crate::export) fn sign(self) -> &'static str {
        match self {
            Self::Well => "✓",
            Self::Mended => "!",
            Self::Failed => "✗",
            Self::Unknown => "?",
        }
    }
}

pub(in crate::export) fn state(verdict: &Verdict) -> State {
    match verdict.code {
        Code::Healthy => State::Well,
        Code::NothingSeen => State::Unknown,
        code if verdict.recovered || code.class() != Class::Failure => State::Mended,
        _ => State::Failed,
    }
}

/// What a code says, as a headline.
pub(in crate::export) fn title(code: Code) -> &'static str {
    entry(code).title
}

/// What to do about a finding, in this order: what this trace suggests, then what is known to help.
pub(in crate::export) fn remedies(finding: &Finding) -> Vec<&str> {
    let known = entry(finding.code).remedy.iter().copied().filter(|known| *known != finding.remedy);
    std::iter::once(finding.remedy.as_str()).filter(|own| !own.is_empty()).chain(known).collect()
}

/// How sure it is, whether it is over, and whether it was brought about on purpose.
pub(in crate::export) fn qualified(verdict: &Verdict, survey: &Survey) -> String {
    let mut parts = Vec::new();
    if !matches!(verdict.code, Code::Healthy | Code::NothingSeen) {
        parts.push(confidence(verdict.confidence).to_owned());
    }
    if verdict.recovered {
        parts.push("worked again later".to_owned());
    }
    parts.extend(played_in_short(survey).map(str::to_owned));
    parts.join(" · ")
}

pub(in crate::export) fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "narrowed down, not proven",
        Confidence::Medium => "likely",
        Confidence::High => "certain",
    }
}

/// What was read, and when.
pub(in crate::export) fn made_from(survey: &Survey) -> String {
    let refused = survey.failures().len();
    let mut parts = vec![counted(survey.exchanges().len(), "exchange")];
    parts.push(if refused == 0 { "no auth failure".to_owned() } else { counted(refused, "failure") });
    parts.push(counted(survey.credentials().len(), "credential"));
    match (survey.exchanges().first(), survey.exchanges().last()) {
        (Some(first), Some(last)) => {
            let ms = last.at.unix_ms().saturating_sub(first.at.unix_ms());
            let took = duration(u64::try_from(ms).unwrap_or(0).saturating_mul(1_000));
            let begun = format!("{} UTC", date_time(first.at));
            parts.push(if ms > 0 { format!("{begun}, {took}") } else { begun });
        }
        _ if survey.is_imported() => {}
        _ => parts.push(span(survey)),
    }
    parts.extend(source(survey));
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// What captured the trace.
pub(in crate::export) fn source(survey: &Survey) -> Option<String> {
    let head = survey.head()?;
    Some(match &head.imported {
        None => format!("captured by {}", clean(head.tool.as_str())),
        Some(imported) => {
            let tool = imported.tool.as_ref().map(|tool| format!(" of {}", clean(tool.as_str()))).unwrap_or_default();
            let version = imported.version.as_ref().map(|version| format!(" {}", clean(version.as_str())));
            format!("read from a {}{tool}{}", clean(imported.format.as_str()), version.unwrap_or_default())
        }
    })
}

/// A process in a few words.
pub(in crate::export) fn process(process: &Process) -> String {
    let lane = clean(process.lane.as_str());
    match &process.peer {
        Some(peer) => {
            let program =
                peer.program.as_ref().map(|program| format!("{} ", clean(program.as_str()))).unwrap_or_default();
            format!("{program}(pid {}), lane {lane}", peer.pid)
        }
        None => format!("lane {lane}"),
    }
}

/// `2026-11-20 11:14:02`.
pub(in crate::export) fn date_time(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}
