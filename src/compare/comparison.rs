//! Everything that two traces differ in.

use super::beside::Beside;
use super::flow::{Flow, Flows};
use super::regression::{self, Regression};
use crate::analyze::{Confidence, Diagnosis, Finding, Severity, Survey, Verdict};
use crate::catalogue::{Class, Code};
use std::fmt;

/// A trace, and what was found out about it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The trace.
    pub survey: &'a Survey,
    /// What was found out.
    pub diagnosis: &'a Diagnosis,
}

/// What two traces have in common, and what not.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What matters for the login, client by client.
    pub flows: Vec<Flow>,
    /// The rest in counts.
    pub beside: Beside,
    /// Labels of credentials that are one and the same in both, and called differently.
    pub renamed: Vec<(String, String)>,
    /// What both come down to.
    pub verdicts: (Verdict, Verdict),
    /// Findings that one of them has alone, or that recovered in one alone.
    pub findings: Vec<FindingChange>,
    /// How the commands ended, where the traces say so.
    pub exit_codes: (Option<i32>, Option<i32>),
    /// What of all that is worse than it was; the gravest first.
    pub regressions: Vec<Regression>,
    /// What the comparison cannot say.
    pub limits: Vec<Limit>,
}

/// A finding that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindingChange {
    /// Which.
    pub code: Code,
    /// How it stands in the first trace; none: it is not there.
    pub before: Option<Standing>,
    /// In the second.
    pub after: Option<Standing>,
}

/// How a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How sure it is.
    pub confidence: Confidence,
    /// Whether something does not work for it.
    pub is_failure: bool,
    /// Whether what failed worked again later.
    pub recovered: bool,
}

/// Compares two traces: how the second differs from the first.
#[must_use]
pub fn compare(before: Seen<'_>, after: Seen<'_>) -> Comparison {
    let flows = Flows::of(before, after);
    let exit_code = |seen: Seen<'_>| seen.survey.end().and_then(|end| end.exit_code);
    let mut comparison = Comparison {
        beside: Beside::of(before.survey, after.survey),
        renamed: flows.identities.renamed(before.survey, after.survey),
        verdicts: (before.diagnosis.verdict.clone(), after.diagnosis.verdict.clone()),
        findings: changed(&before.diagnosis.findings, &after.diagnosis.findings),
        exit_codes: (exit_code(before), exit_code(after)),
        regressions: Vec::new(),
        limits: limits(before.survey, after.survey, flows.is_best),
        flows: flows.flows,
    };
    comparison.regressions = regression::all(&comparison, before, after);
    comparison
}

impl Comparison {
    /// Whether nothing that was compared has changed. What was asked beside the flow may come more or less often.
    #[must_use]
    pub fn is_same(&self) -> bool {
        let slower = self.flows.iter().flat_map(|flow| &flow.rows).any(|row| !row.changes.is_empty());
        !slower && self.is_same_flow()
    }

    /// Whether the same was done, however long it took.
    #[must_use]
    pub fn is_same_flow(&self) -> bool {
        let mut changes = self.flows.iter().flat_map(|flow| &flow.rows).flat_map(|row| &row.changes);
        let beside = |row: &super::BesideRow| row.is_newly_refused() || row.is_mended();
        !changes.any(|change| change.is_of_the_flow())
            && !self.beside.rows.iter().any(beside)
            && self.findings.iter().all(|change| change.code.class() == Class::Observation)
            && self.verdicts.0.code == self.verdicts.1.code
            && self.exit_codes.0 == self.exit_codes.1
            && self.regressions.is_empty()
    }
}

/// Each code once, in the order of the second trace, then what is gone.
fn changed(before: &[Finding], after: &[Finding]) -> Vec<FindingChange> {
    let mut codes: Vec<Code> = Vec::new();
    for finding in after.iter().chain(before) {
        if !codes.contains(&finding.code) {
            codes.push(finding.code);
        }
    }
    let changes = codes.into_iter().map(|code| FindingChange {
        code,
        before: standing(before, code),
        after: standing(after, code),
    });
    changes.filter(FindingChange::is_one).collect()
}

/// The gravest of the findings with this code.
fn standing(findings: &[Finding], code: Code) -> Option<Standing> {
    let of_code = findings.iter().filter(|finding| finding.code == code).map(|finding| Standing {
        confidence: finding.confidence,
        is_failure: finding.code.class() == Class::Failure && finding.severity == Severity::Failure,
        recovered: finding.recovered,
    });
    of_code.max_by_key(|standing| (standing.is_failure, !standing.recovered, standing.confidence))
}

impl FindingChange {
    fn is_one(&self) -> bool {
        let plain = |standing: Option<Standing>| standing.map(|standing| (standing.is_failure, standing.recovered));
        plain(self.before) != plain(self.after)
    }
}

/// What a comparison cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The first trace lacks something, for this reason.
    BeforeNotWhole(&'static str),
    /// The second trace does.
    AfterNotWhole(&'static str),
    /// The traces differ so much that not every way to put them side by side was tried.
    NotAligned,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (which, why) = match self {
            Self::BeforeNotWhole(why) => ("first", why),
            Self::AfterNotWhole(why) => ("second", why),
            Self::NotAligned => {
                return f.write_str(
                    "the traces differ over thousands of requests: only what lies near each other in both was paired",
                );
            }
        };
        write!(f, "the {which} trace is not whole ({why}): what is not in it may only not have been recorded")
    }
}

fn limits(before: &Survey, after: &Survey, is_best: bool) -> Vec<Limit> {
    let not_aligned = (!is_best).then_some(Limit::NotAligned);
    let holes = [hole(before).map(Limit::BeforeNotWhole), hole(after).map(Limit::AfterNotWhole)];
    holes.into_iter().flatten().chain(not_aligned).collect()
}

/// Why a trace may not show everything.
fn hole(survey: &Survey) -> Option<&'static str> {
    let lost = survey.end().is_some_and(|end| end.lost > 0);
    if !survey.gaps().is_empty() || lost {
        return Some("records are missing");
    }
    if !survey.unread().is_empty() {
        return Some("lines of it cannot be read");
    }
    (survey.end().is_none() && !survey.is_imported()).then_some("it has no end")
}
