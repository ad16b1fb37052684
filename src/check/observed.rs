//! Whether a trace can say anything at all: records that are missing, traffic that passed unread.

use super::evaluate::Subject;
use super::expectation::{Element, Flow, Rule};
use super::pattern::HostPattern;
use super::report::{Miss, MissKind};
use crate::analyze::{Survey, is_ours};
use crate::trace::EndKind;

/// How many exchanges a message shows at the end of a trace.
const LAST: usize = 3;

/// What is missing from the trace, if anything is.
pub(super) fn gap(subject: &Subject<'_>) -> Option<Miss> {
    let survey = subject.survey;
    let unread = survey.unread().first();
    let lost = survey.end().map_or(0, |end| end.lost);
    let message = if let Some(gap) = survey.gaps().first() {
        let lost: u64 = survey.gaps().iter().map(|gap| gap.lost).sum();
        format!("{lost} records are missing from {} on: {}", gap.at.clock(), gap.cause)
    } else if let Some(unread) = unread {
        let count = survey.unread().len();
        let more = if count > 1 { format!(", and {} more places", count - 1) } else { String::new() };
        format!("line {} cannot be read{more}: {}", unread.line, unread.why)
    } else if lost > 0 {
        format!("{lost} records were lost while it was written")
    } else if survey.end().is_none() && !survey.is_imported() {
        "it has no end: authtrace is still writing it, or was killed".to_owned()
    } else {
        return None;
    };
    let message = format!("the trace is not whole, so that nothing can be held against it: {message}");
    Some(Miss { around: subject.last(LAST), ..plain(MissKind::Gap, message) })
}

/// That no exchange was completed that carried a credential, if so.
pub(super) fn nothing(subject: &Subject<'_>) -> Option<Miss> {
    let used = subject.exchanges().iter().any(|exchange| {
        let complete = matches!(exchange.end.outcome, EndKind::Complete | EndKind::Upgraded);
        complete && exchange.response.is_some() && !exchange.credentials.is_empty()
    });
    let message = "no request with a credential was answered, so that nothing was tested; `allow_empty = true` if that is \
                   as it should be";
    (!used).then(|| Miss { around: subject.last(LAST), ..plain(MissKind::NothingObserved, message.to_owned()) })
}

/// That what is expected to be absent may have passed unread, if so.
pub(super) fn unread(survey: &Survey, rule: &Rule, allowed: &[HostPattern]) -> Option<Miss> {
    let mut hosts: Vec<String> = Vec::new();
    for row in survey.tunnelled() {
        let host = row.target.host.as_str();
        let listed = allowed.iter().any(|pattern| pattern.matches(host));
        if row.bytes_up > 0 && !listed && concerns(rule, host) && !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
    }
    let (first, more) = hosts.split_first()?;
    let more = if more.is_empty() { String::new() } else { format!(" and {} more hosts", more.len()) };
    let message = format!(
        "traffic to {first}{more} passed unread, and what must not come may be in it; list it under unread_hosts if that is \
         as it should be"
    );
    Some(plain(MissKind::Unobserved, message))
}

/// Whether something that a rule expects to be absent could have gone to a host.
fn concerns(rule: &Rule, host: &str) -> bool {
    match rule {
        Rule::AuthFailures(_)
        | Rule::Refreshes(_)
        | Rule::Requests(_)
        | Rule::RetriesPerCredential(_)
        | Rule::Deny(_)
        | Rule::Allow { .. } => is_ours(host),
        Rule::Hosts { hosts, .. } => !hosts.iter().any(|pattern| pattern.matches(host)),
        Rule::Flow(flow) => forbids_at(flow, host),
        Rule::Time(_) | Rule::Unanswered(_) | Rule::ExitCode { .. } | Rule::Require { .. } => false,
    }
}

fn forbids_at(flow: &Flow, host: &str) -> bool {
    flow.elements.iter().any(|element| {
        let step = match element {
            Element::Absent(step) => step,
            Element::Taken(taking) if taking.repeat.is_some_and(|repeat| repeat.to.is_some()) => &taking.step,
            Element::Taken(_) | Element::AnyOrder(_) => return false,
        };
        step.host.as_ref().is_none_or(|pattern| pattern.matches(host))
    })
}

fn plain(kind: MissKind, message: String) -> Miss {
    Miss { kind, message, source: None, exchange: None, difference: None, around: Vec::new() }
}
