//! What a trace shows, by name: rules over exchanges and lineage.
//!
//! A refusal by Anthropic's API is judged by the first rule of [`REFUSALS`] that knows it, in the order of
//! FAILURE_MODES §1; what happens at the token endpoint, on connections, at other hosts, and what does not happen at
//! all, is looked at by the rules of [`WHOLE`]. Both are tables of small functions; each family is a file.

mod account;
mod advice;
mod context;
mod draft;
mod edge;
mod elsewhere;
mod finding;
mod keys;
mod lifetime;
mod login;
mod network;
mod observations;
mod rank;
mod refresh;
mod server;
mod shape;
mod silence;
#[cfg(test)]
mod tests;

use super::lineage::{self};
use super::survey::Survey;
use crate::catalogue::Code;
use context::{Context, Group};
use draft::Reading;

pub use finding::{Confidence, Diagnosis, Finding, Severity, Verdict, VersionAdvice};

/// Judges a group of refusals by Anthropic's API, or leaves it to the next rule.
type RefusalRule = fn(&Context<'_>, &Group<'_>) -> Option<Reading>;

/// Looks at the whole trace.
type Rule = fn(&Context<'_>) -> Vec<Finding>;

/// The first that answers decides.
const REFUSALS: &[RefusalRule] = &[
    edge::challenge,
    edge::forbidden,
    shape::wrong_header,
    shape::rewritten,
    login::bootstrap_refused,
    account::revoked,
    keys::shadowed,
    account::state,
    shape::beta_missing,
    shape::damaged,
    silence::without_credential,
    server::mixed_with_outage,
    server::inconsistent,
    keys::helper,
    keys::invalid,
    lifetime::fresh,
    lifetime::not_used,
    lifetime::misjudged,
    refresh::sibling_rotated,
    lifetime::expired,
    lifetime::early,
    lifetime::fixed,
];

/// All of them are asked.
const WHOLE: &[Rule] = &[
    network::proxy_auth,
    network::untrusted,
    refresh::refused,
    refresh::unanswered,
    refresh::unreachable,
    refresh::storm,
    login::rejected,
    login::bootstrap,
    server::token_endpoint,
    server::authorize,
    edge::token_endpoint,
    elsewhere::leaked,
    elsewhere::cloud,
    elsewhere::mcp,
    elsewhere::gateway,
    server::labels,
    silence::silent,
    observations::all,
];

/// Everything that a trace shows.
#[must_use]
pub fn diagnose(survey: &Survey) -> Diagnosis {
    let lineage = lineage::build(survey.exchanges(), survey.connections(), survey.labels());
    let context = Context::new(survey, &lineage);
    let mut findings: Vec<Finding> = WHOLE.iter().flat_map(|rule| rule(&context)).collect();
    for group in context.refusals() {
        judge(&context, &group, &mut findings);
    }
    let (verdict, findings) = rank::settle(&context, findings);
    Diagnosis { verdict, findings, lineage }
}

fn judge(context: &Context<'_>, group: &Group<'_>, findings: &mut Vec<Finding>) {
    if refresh::explains(context, group, findings) {
        return;
    }
    let reading = REFUSALS.iter().find_map(|rule| rule(context, group));
    let reading = reading.unwrap_or_else(|| account::unexplained(context, group));
    let severity = rank::severity(context, group, &reading);
    // The rule that knows a stale helper has seen it give a key that works.
    let recovered = rank::is_recovered(context, group) || reading.code == Code::ApikeyhelperStale;
    findings.push(Finding::of_group(reading, group, severity).recovered_if(recovered));
}
