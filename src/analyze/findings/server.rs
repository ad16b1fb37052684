//! The server's side: outages, limits, and answers that contradict each other.

use super::context::{Context, Group, Seen};
use super::draft::{Reading, answer, since, span, times};
use super::finding::{Confidence, Finding, Severity};
use crate::analyze::endpoint::{Endpoint, Provider};
use crate::analyze::says::{Says, header};
use crate::catalogue::Code;
use std::collections::BTreeSet;

/// A 5xx and a 401 within this time belong to one incident, in milliseconds (FAILURE_MODES §1.7).
const INCIDENT_MS: i64 = 5 * 60_000;

/// One token gets 5xx and 401, within minutes.
pub(super) fn mixed_with_outage(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    if !group.says.is_about_token() || matches!(group.says, Says::Expired | Says::Revoked | Says::InvalidApiKey) {
        return None;
    }
    let fp = group.fp()?;
    let (first, last) = (group.first_ms(), group.last_ms());
    let near = first.saturating_sub(INCIDENT_MS)..=last.saturating_add(INCIDENT_MS);
    let failed: Vec<&Seen<'_>> =
        context.uses(fp).filter(|seen| near.contains(&seen.ms()) && seen.status() >= 500).collect();
    let outage = failed.first()?;
    let ended = failed.last().map_or(last, |seen| seen.ms());
    let refused = group.first()?;
    let summary = format!(
        "Within {} the API answered {} {} with {} and {} with {}: an incident on the server's side, not a bad \
         credential.",
        span(last.max(ended) - first.min(outage.ms())),
        context.name(Some(fp)),
        times(failed.len()),
        statuses(&failed),
        times(group.refused.len()),
        answer(refused.exchange),
    );
    let around = failed.iter().any(|seen| seen.ms() > first) || failed.len() >= 2;
    let confidence = if around { Confidence::High } else { Confidence::Medium };
    Some(
        Reading::new(Code::UpstreamOutageMixed401, confidence, summary)
            .with(outage.id())
            .or(&[Code::StaticTokenRejected]),
    )
}

/// `500`, or `500 and 529`.
fn statuses(failed: &[&Seen<'_>]) -> String {
    let all: BTreeSet<u16> = failed.iter().map(|seen| seen.status()).collect();
    all.iter().map(u16::to_string).collect::<Vec<_>>().join(" and ")
}

/// One token, accepted here and refused there, or now so and now so.
pub(super) fn inconsistent(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    if !group.says.is_about_token() || matches!(group.says, Says::Revoked) {
        return None;
    }
    let first = group.first()?;
    let (accepted, same) = accepted_nearby(context, group, first)?;
    if group.is_message() && (!same || flips(context, group) < 2) {
        return None;
    }
    let how = if same {
        format!("the same request was answered {} (#{})", accepted.status(), accepted.id())
    } else {
        format!("{} {} was accepted (#{})", accepted.exchange.request.method, place(&accepted), accepted.id())
    };
    let with = if accepted.fp() == group.fp() { "the same token" } else { "the client's login" };
    let who = if same { "the server contradicts itself" } else { "the server's endpoints disagree" };
    let summary = format!(
        "{} {} was refused {} with {}, while with {with} {how}: {who}, and logging in again does not help.",
        first.exchange.request.method,
        place(first),
        times(group.refused.len()),
        answer(first.exchange),
    );
    let confidence = if accepted.fp() == group.fp() { Confidence::High } else { Confidence::Medium };
    Some(Reading::new(Code::EndpointInconsistent401, confidence, summary).with(accepted.id()))
}

fn place<'a>(seen: &Seen<'a>) -> &'a str {
    seen.exchange.request.path.as_str().split('?').next().unwrap_or_default()
}

/// A success that contradicts the refusals: of the same token after the first refusal (or, at endpoints of remote
/// sessions, before it), or there, of another token of the same client. Says whether the very same was asked.
fn accepted_nearby<'a>(context: &Context<'a>, group: &Group<'a>, first: &Seen<'a>) -> Option<(Seen<'a>, bool)> {
    let same_place = |seen: &Seen<'a>| {
        let (one, other) = (&seen.exchange.request, &first.exchange.request);
        one.path == other.path && one.method == other.method
    };
    let judges = |seen: &&Seen<'a>| {
        seen.is_accepted() && seen.is_anthropic() && !matches!(seen.endpoint, Endpoint::Telemetry | Endpoint::Hello)
    };
    let mut own = context.uses(group.fp()?).filter(judges);
    if let Some(after) = own.find(|seen| seen.ms() > first.ms()) {
        return Some((*after, same_place(after)));
    }
    if group.endpoint != Endpoint::Sessions && !is_web(first) {
        return None;
    }
    let mut before = context.uses(group.fp()?).filter(judges);
    if group.says != Says::Expired
        && let Some(before) = before.find(|seen| seen.ms() + INCIDENT_MS >= first.ms())
    {
        return Some((*before, same_place(before)));
    }
    let near = context.after(first.ms().saturating_sub(INCIDENT_MS));
    let mut near = near.take_while(|seen| seen.ms() <= group.last_ms().saturating_add(INCIDENT_MS));
    let other = near.find(|seen| judges(seen) && context.same_client(seen, first))?;
    Some((*other, false))
}

/// The web site's own API.
pub(super) fn is_web(seen: &Seen<'_>) -> bool {
    seen.exchange.request.host.as_str() == "claude.ai" && place(seen).starts_with("/api/")
}

/// How often messages with this token changed between accepted and refused.
fn flips(context: &Context<'_>, group: &Group<'_>) -> usize {
    let Some(fp) = group.fp() else { return 0 };
    let judged: Vec<bool> = context
        .uses(fp)
        .filter(|seen| seen.endpoint == group.endpoint && (seen.is_accepted() || seen.is_refused()))
        .map(Seen::is_accepted)
        .collect();
    judged.windows(2).filter(|pair| pair.first() != pair.last()).count()
}

/// 429 and 5xx from the token endpoint.
pub(super) fn token_endpoint(context: &Context<'_>) -> Vec<Finding> {
    let limited: Vec<&Seen<'_>> =
        context.token_requests().filter(|seen| seen.status() == 429 && seen.says != Some(Says::Challenge)).collect();
    let failed: Vec<&Seen<'_>> = context.token_requests().filter(|seen| seen.status() >= 500).collect();
    let mut findings = Vec::new();
    if let (Some(first), Some(last)) = (limited.first(), limited.last()) {
        let summary = format!(
            "The token endpoint answered {}, {}: too many attempts from this address, or a client that it does not like.",
            answer(first.exchange),
            since(limited.len(), first.at()),
        );
        findings.push(of_tokens(context, Code::TokenEndpointRateLimited, summary, &limited, last));
    }
    if let (Some(first), Some(last)) = (failed.first(), failed.last()) {
        let summary =
            format!("The token endpoint failed: {}, {}.", answer(first.exchange), since(failed.len(), first.at()),);
        findings.push(of_tokens(context, Code::TokenEndpointOutage, summary, &failed, last));
    }
    findings
}

fn of_tokens(context: &Context<'_>, code: Code, summary: String, seen: &[&Seen<'_>], last: &Seen<'_>) -> Finding {
    let got_over = seen.first().is_some_and(|first| context.got_over(first, last));
    let severity = if got_over { Severity::Warning } else { Severity::Failure };
    Finding::new(code, severity, Confidence::High, summary)
        .proved_by(seen.iter().map(|seen| seen.id()))
        .recovered_if(context.answered_later(last))
}

/// 5xx where consent is given.
pub(super) fn authorize(context: &Context<'_>) -> Vec<Finding> {
    let failed: Vec<&Seen<'_>> = context
        .seen
        .iter()
        .filter(|seen| seen.is_anthropic() && seen.endpoint == Endpoint::Authorize && seen.status() >= 500)
        .collect();
    let Some((first, last)) = failed.first().zip(failed.last()) else {
        return Vec::new();
    };
    let summary = format!(
        "The login service at {} failed: {}, {}.",
        first.exchange.request.host,
        answer(first.exchange),
        since(failed.len(), first.at()),
    );
    let finding = Finding::new(Code::TokenEndpointOutage, Severity::Failure, Confidence::Medium, summary);
    vec![finding.proved_by(failed.iter().map(|seen| seen.id())).recovered_if(context.answered_later(last))]
}

/// What is no failure of authentication: limits, load, failures of the server.
pub(super) fn labels(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (code, what) in [
        (Code::UsageExhausted, "the plan's usage or a spend limit is used up"),
        (Code::Overloaded, "the API is at capacity"),
        (Code::RateLimited, "too many requests for this account or address"),
        (Code::ServerError, "the server failed"),
    ] {
        let met: Vec<&Seen<'_>> = context.seen.iter().filter(|seen| label(seen) == Some(code)).collect();
        let Some((first, last)) = met.first().zip(met.last()) else { continue };
        let later = context.after(last.ms()).any(|seen| seen.endpoint == last.endpoint && seen.is_accepted());
        let summary = format!(
            "{} {} was answered {}, {}: {what}. This is not a failure of the login.",
            first.exchange.request.method,
            place(first),
            answer(first.exchange),
            since(met.len(), first.at()),
        );
        findings.push(
            Finding::new(code, Severity::Warning, Confidence::High, summary)
                .proved_by(met.iter().map(|seen| seen.id()))
                .recovered_if(later),
        );
    }
    findings
}

/// What a single answer is an instance of, if it is no failure of authentication.
pub(super) fn label(seen: &Seen<'_>) -> Option<Code> {
    let elsewhere = matches!(seen.endpoint, Endpoint::Token | Endpoint::Authorize | Endpoint::Telemetry);
    if seen.provider != Provider::Anthropic || elsewhere || seen.endpoint == Endpoint::CreateApiKey {
        return None;
    }
    let of_plan = header(seen.exchange, "anthropic-ratelimit-unified-status").is_some_and(|value| value == "rejected");
    match seen.says? {
        Says::UsageExhausted => Some(Code::UsageExhausted),
        Says::RateLimited if of_plan => Some(Code::UsageExhausted),
        Says::RateLimited if is_web_page(seen) => Some(Code::ServerError),
        Says::RateLimited => Some(Code::RateLimited),
        Says::Overloaded => Some(Code::Overloaded),
        Says::ServerError => Some(Code::ServerError),
        _ => None,
    }
}

/// A page for browsers that answers everybody alike.
fn is_web_page(seen: &Seen<'_>) -> bool {
    seen.exchange.request.host.as_str() == "claude.ai" && !place(seen).starts_with("/api/")
}
