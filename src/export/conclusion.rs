//! The verdict and the findings in words, alike in every report.

use super::style::clean;
use crate::analyze::{Confidence, Diagnosis, Finding, Severity, Survey, Verdict, VersionAdvice};
use crate::catalogue::{Code, Entry, entry};
use crate::trace::{Connection, Exchange};

/// A verdict and what belongs to it.
pub(super) struct Conclusion<'a> {
    pub(super) verdict: &'a Verdict,
    /// The finding that it is; nothing where nothing was found.
    pub(super) finding: Option<&'a Finding>,
    pub(super) known: &'static Entry,
    all: &'a [Finding],
}

impl<'a> Conclusion<'a> {
    pub(super) fn of(diagnosis: &'a Diagnosis) -> Self {
        let verdict = &diagnosis.verdict;
        let finding = diagnosis.findings.iter().find(|finding| finding.code == verdict.code);
        Self { verdict, finding, known: entry(verdict.code), all: &diagnosis.findings }
    }

    /// Whether nothing is wrong that anybody has to look after.
    pub(super) fn is_calm(&self) -> bool {
        matches!(self.verdict.code, Code::Healthy | Code::TelemetryNoise)
    }

    /// What to do, in one sentence.
    pub(super) fn remedy(&self) -> Option<&'a str> {
        let remedy = match self.finding {
            Some(finding) => finding.remedy.as_str(),
            None => self.known.remedy.first().copied().unwrap_or_default(),
        };
        (!remedy.is_empty() && !self.is_calm()).then_some(remedy)
    }

    /// What else may help.
    pub(super) fn further(&self) -> Vec<&'static str> {
        let first = self.remedy();
        let steps = self.known.remedy.iter().copied();
        if self.is_calm() { Vec::new() } else { steps.filter(|step| Some(*step) != first).collect() }
    }

    /// What whoever is to mend it asks for.
    pub(super) fn attach(&self) -> &'static [&'static str] {
        if self.is_calm() { &[] } else { self.known.attach }
    }

    /// The findings besides the verdict, the best first.
    pub(super) fn others(&self) -> impl Iterator<Item = &'a Finding> {
        let code = self.verdict.code;
        self.all.iter().filter(move |finding| finding.code != code)
    }

    /// The exchanges that prove it.
    pub(super) fn evidence(&self, survey: &'a Survey) -> Vec<&'a Exchange> {
        let ids = self.finding.map_or(&[][..], |finding| &finding.exchanges);
        survey.exchanges().iter().filter(|exchange| ids.contains(&exchange.id)).collect()
    }

    /// The connections that prove it.
    pub(super) fn connections(&self, survey: &'a Survey) -> Vec<&'a Connection> {
        let ids = self.finding.map_or(&[][..], |finding| &finding.connections);
        survey.connections().iter().filter(|connection| ids.contains(&connection.id)).collect()
    }

    /// What else it may be: the names with what they mean.
    pub(super) fn otherwise(&self) -> Vec<(Code, &'static str)> {
        let codes = self.finding.map_or(&[][..], |finding| &finding.otherwise);
        codes.iter().map(|code| (*code, entry(*code).title)).collect()
    }
}

/// `high`, `medium`, `low`.
pub(super) fn word(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}

/// How sure it is, and why.
pub(super) fn certainty(verdict: &Verdict) -> String {
    let why = match verdict.confidence {
        Confidence::High => "what is recorded settles it",
        Confidence::Medium => "the order of events speaks for it, but does not settle it",
        Confidence::Low => "the trace only narrows it down",
    };
    format!("{}: {why}", word(verdict.confidence))
}

pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Failure => "failure",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// What the version of the client says about it.
pub(super) fn version(advice: &VersionAdvice) -> String {
    let VersionAdvice { client, fixed_in, affected, what } = advice;
    let client = clean(client);
    if *affected {
        format!("Claude Code {client} lacks what {fixed_in} mended: {what}. Update it")
    } else {
        format!(
            "Claude Code {client} has what {fixed_in} mended ({what}), so that this is something else, or not all of it"
        )
    }
}

/// `#3, #4`: what proves a finding, or nothing.
pub(super) fn references(finding: &Finding) -> String {
    let exchanges = finding.exchanges.iter().map(|id| format!("#{id}"));
    let connections = finding.connections.iter().map(|id| format!("connection {id}"));
    exchanges.chain(connections).collect::<Vec<_>>().join(", ")
}
