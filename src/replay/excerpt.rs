//! The part of a trace that its verdict rests on. What a recorder kept for days, or what several clients shared, is more than
//! a scenario can play, and the failure is a small part of it.

use crate::analyze::{CredentialOrigin, Endpoint, Finding, Lineage, Survey, diagnose, endpoint, matters};
use crate::redact::Fingerprint;
use crate::trace::{Exchange, Timestamp};
use std::collections::HashSet;

/// Messages that were answered before the first failure: so many of the last are kept.
const KEPT: usize = 2;
/// So many answered messages are played as they are.
const FEW: usize = 8;

/// What is to be played of a trace.
#[derive(Debug, Clone)]
pub struct Excerpt {
    /// The exchanges that are played.
    pub survey: Survey,
    /// What was left out, if anything was.
    pub left_out: Option<String>,
}

/// Takes the part that the verdict rests on, if the trace has many answered messages or credentials that have nothing to
/// do with it. The part has the verdict of the whole; where none has, it is the whole.
#[must_use]
pub fn excerpt(survey: Survey) -> Excerpt {
    match Story::of(&survey).and_then(|story| story.told_in(&survey)) {
        Some(part) => {
            let gone = survey.exchanges().len().saturating_sub(part.exchanges().len());
            let left_out = Some(format!(
                "{gone} of {} exchanges have no part in the verdict and are not played: other clients and credentials, and \
                 what went well long before",
                survey.exchanges().len()
            ));
            Excerpt { survey: part, left_out }
        }
        None => Excerpt { survey, left_out: None },
    }
}

/// What a finding is about.
struct Story {
    finding: Finding,
    /// Its credentials, and those that they came from or led to.
    family: HashSet<Fingerprint>,
    /// When it begins: some answered messages before the first of its failures.
    begin: Timestamp,
}

impl Story {
    /// None: there is no failure, or nothing that would have to be left out.
    fn of(survey: &Survey) -> Option<Self> {
        let diagnosis = diagnose(survey);
        let code = diagnosis.verdict.code;
        let finding = diagnosis.findings.into_iter().find(|finding| finding.code == code)?;
        let family = family(&diagnosis.lineage, &finding.credentials);
        if family.is_empty() {
            return None;
        }
        let ours = |exchange: &&Exchange| is_of(exchange, &family);
        let answered: Vec<&Exchange> = survey.exchanges().iter().filter(|one| is_answered_message(one)).collect();
        let strangers = answered.iter().any(|one| !ours(one));
        if answered.len() <= FEW && !strangers {
            return None;
        }
        let failed = survey.exchanges().iter().filter(|one| finding.exchanges.contains(&one.id));
        let first_failure = failed.filter(|one| !is_answered(one)).map(|one| one.at).min()?;
        let before = answered.iter().rev().filter(|one| ours(one) && one.at < first_failure);
        let begin = before.take(KEPT).map(|one| one.at).min().unwrap_or(first_failure);
        Some(Self { finding, family, begin })
    }

    /// The narrowest part that has the verdict.
    fn told_in(&self, survey: &Survey) -> Option<Survey> {
        let grants =
            |one: &Exchange| matches!(endpoint(one), Endpoint::Token | Endpoint::Authorize) && self.is_ours(one);
        let proves = |one: &Exchange| self.finding.exchanges.contains(&one.id);
        let late = |one: &Exchange| one.at >= self.begin || grants(one) || proves(one);
        let ours = |one: &Exchange| self.is_ours(one) || proves(one);
        let parts: [&dyn Fn(&Exchange) -> bool; 3] = [&|one| late(one) && ours(one), &late, &ours];
        parts.iter().map(|keeps| survey.narrowed(keeps)).find(|part| {
            part.exchanges().len() < survey.exchanges().len() && diagnose(part).verdict.code == self.finding.code
        })
    }

    fn is_ours(&self, exchange: &Exchange) -> bool {
        is_of(exchange, &self.family)
    }
}

/// What is issued out of a credential, and what it was issued out of, is of one family.
fn family(lineage: &Lineage, credentials: &[Fingerprint]) -> HashSet<Fingerprint> {
    let mut family: HashSet<Fingerprint> = credentials.iter().copied().collect();
    loop {
        let before = family.len();
        let exchanges: HashSet<u64> = lineage
            .credentials
            .iter()
            .filter(|one| family.contains(&one.credential.fp))
            .filter_map(|one| match one.origin {
                CredentialOrigin::Refresh { exchange, .. } | CredentialOrigin::Login { exchange } => Some(exchange),
                _ => None,
            })
            .collect();
        for one in &lineage.credentials {
            let out_of = match one.origin {
                CredentialOrigin::Refresh { exchange, out_of } => {
                    let related = exchanges.contains(&exchange) || out_of.is_some_and(|old| family.contains(&old));
                    related.then_some(out_of)
                }
                CredentialOrigin::Login { exchange } => exchanges.contains(&exchange).then_some(None),
                _ => None,
            };
            if let Some(out_of) = out_of {
                family.insert(one.credential.fp);
                family.extend(out_of);
            }
        }
        if family.len() == before {
            return family;
        }
    }
}

fn is_of(exchange: &Exchange, family: &HashSet<Fingerprint>) -> bool {
    let issued = exchange.oauth.as_ref().map_or(&[][..], |oauth| &oauth.issued);
    exchange.credentials.iter().chain(issued).any(|one| family.contains(&one.credential.fp))
}

fn is_answered(exchange: &Exchange) -> bool {
    exchange.status().is_some_and(|status| status < 300) && exchange.error.is_none()
}

fn is_answered_message(exchange: &Exchange) -> bool {
    matters(exchange) && endpoint(exchange) == Endpoint::Messages && is_answered(exchange)
}
