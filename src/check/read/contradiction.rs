//! Expectations that contradict each other.

use crate::catalogue::{Class, Code};
use crate::check::expectation::{Denied, Element, Expectation, Flow, Rule, Source, Taking};
use crate::check::pattern::StatusPattern;
use crate::policy::Grant;
use std::time::Duration;

/// The first that cannot hold beside another, with the reason.
pub(in crate::check) fn contradiction(expected: &[Expectation]) -> Option<(&Source, String)> {
    expected.iter().find_map(|one| {
        let message = match &one.rule {
            Rule::Require { code, .. } => denied_as_well(one, *code, expected),
            Rule::Allow { codes, .. } => codes.iter().find_map(|code| denied_as_well(one, *code, expected)),
            Rule::Flow(flow) => beyond_a_limit(one, flow, expected),
            _ => None,
        };
        message.map(|message| (&one.source, message))
    })
}

fn denied_as_well(one: &Expectation, code: Code, expected: &[Expectation]) -> Option<String> {
    expected.iter().find_map(|other| match &other.rule {
        Rule::Deny(Denied { code: denied, .. }) => {
            let meant = denied.map_or(code.class() == Class::Failure, |denied| denied == code);
            meant.then(|| format!("{code} is denied in {}: both cannot hold", line(other, one)))
        }
        _ => None,
    })
}

/// Whether a flow needs more than a limit leaves.
fn beyond_a_limit(one: &Expectation, flow: &Flow, expected: &[Expectation]) -> Option<String> {
    let need = Need::of(flow);
    expected.iter().find_map(|other| {
        let line = || line(other, one);
        let (most, least, what) = match other.rule {
            Rule::AuthFailures(most) => (most, need.auth_failures, "auth failures"),
            Rule::Refreshes(most) => (most, need.refreshes, "refreshes"),
            Rule::Requests(most) => (most, need.requests, "requests"),
            Rule::Unanswered(most) => (most, need.unanswered, "unanswered requests"),
            Rule::Time(most) if need.time > most => {
                let most = most.as_secs();
                return Some(format!(
                    "this flow takes longer than the {most} seconds that {} leaves: both cannot hold",
                    line()
                ));
            }
            _ => return None,
        };
        (least > most)
            .then(|| format!("this flow needs at least {least} {what}, and {} leaves {most}: both cannot hold", line()))
    })
}

/// Where an expectation stands, for a reader of another one.
fn line(of: &Expectation, reader: &Expectation) -> String {
    let line = of.source.place.line;
    if of.source.name == reader.source.name {
        format!("line {line}")
    } else {
        format!("line {line} of {}", of.source.name)
    }
}

/// The least that a flow needs.
#[derive(Default)]
struct Need {
    auth_failures: u64,
    refreshes: u64,
    requests: u64,
    unanswered: u64,
    time: Duration,
}

impl Need {
    fn of(flow: &Flow) -> Self {
        let mut need = Self::default();
        for element in &flow.elements {
            match element {
                Element::Taken(taking) => need.add(taking, true),
                // In any order, the times are those between whichever two come one after the other.
                Element::AnyOrder(group) => group.iter().for_each(|taking| need.add(taking, false)),
                Element::Absent(_) => {}
            }
        }
        need
    }

    fn add(&mut self, taking: &Taking, timed: bool) {
        let (step, count) = (&taking.step, u64::from(taking.least()));
        let all =
            |meant: fn(StatusPattern) -> bool| !step.status.is_empty() && step.status.iter().all(|one| meant(*one));
        self.requests = self.requests.saturating_add(count);
        if all(StatusPattern::is_auth_failure) {
            self.auth_failures = self.auth_failures.saturating_add(count);
        }
        if all(|status| status == StatusPattern::None) {
            self.unanswered = self.unanswered.saturating_add(count);
        }
        if step.grant == Some(Grant::RefreshToken) {
            self.refreshes = self.refreshes.saturating_add(count);
        }
        // Before the first exchange there is no other that the time could count from.
        if timed && count > 0 && self.requests > count {
            self.time = self.time.saturating_add(taking.at_least.unwrap_or_default());
        }
    }
}
