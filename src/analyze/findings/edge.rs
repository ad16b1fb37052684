//! Refused before the API: challenges for browsers, regions, addresses.

use super::context::{Context, Group, Seen};
use super::draft::{Reading, answer, times};
use super::finding::{Confidence, Finding, Severity};
use crate::analyze::endpoint::Endpoint;
use crate::analyze::says::Says;
use crate::catalogue::Code;

/// A page for browsers instead of an answer of the API.
pub(super) fn challenge(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    (group.says == Says::Challenge).then(|| challenged(context, &group.refused))
}

/// `Request not allowed`: the edge's own refusal, in a form that the API does not use.
pub(super) fn forbidden(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    let optional = matches!(group.endpoint, Endpoint::Side | Endpoint::Profile | Endpoint::Telemetry);
    if group.says != Says::EdgeForbidden || optional && context.messages_work() {
        return None;
    }
    Some(refused_at_edge(&group.refused))
}

/// Both, as answers of the token endpoint.
pub(super) fn token_endpoint(context: &Context<'_>) -> Vec<Finding> {
    let answered = |says: Says| -> Vec<Seen<'_>> {
        context.token_requests().filter(|seen| seen.says == Some(says)).copied().collect()
    };
    let mut findings = Vec::new();
    for (says, refused) in
        [(Says::Challenge, answered(Says::Challenge)), (Says::EdgeForbidden, answered(Says::EdgeForbidden))]
    {
        let Some(last) = refused.last().copied() else { continue };
        let reading = if says == Says::Challenge { challenged(context, &refused) } else { refused_at_edge(&refused) };
        let recovered = context.answered_later(&last);
        findings.push(
            Finding::new(reading.code, Severity::Failure, reading.confidence, reading.summary)
                .proved_by(refused.iter().map(Seen::id))
                .or(&reading.otherwise)
                .recovered_if(recovered),
        );
    }
    findings
}

fn challenged(context: &Context<'_>, refused: &[Seen<'_>]) -> Reading {
    let Some(first) = refused.first() else {
        return Reading::new(Code::EdgeChallengeHtml, Confidence::Low, "");
    };
    let title = answer(first.exchange);
    let place = first.exchange.request.path.as_str().split('?').next().unwrap_or_default();
    let ray = refused.iter().find_map(|seen| seen.exchange.request_ids.edge.as_ref());
    let ray = ray.map(|ray| format!(" (cf-ray {ray})")).unwrap_or_default();
    let by = if context.survey.head().is_some() && !context.survey.is_imported() {
        " This capture itself goes through a proxy, which changes how the client's TLS looks: try once without it."
    } else {
        ""
    };
    let summary = format!(
        "{place} was answered with a page for browsers, {title}{ray}, {}: the edge asked for a challenge that no program \
         can solve, and the request never reached the API.{by}",
        times(refused.len()),
    );
    Reading::new(Code::EdgeChallengeHtml, Confidence::High, summary).or(&[Code::RequestForbiddenEdge])
}

fn refused_at_edge(refused: &[Seen<'_>]) -> Reading {
    let count = times(refused.len());
    let summary = format!(
        "The edge refused the request {count} with 403 “Request not allowed”, in its own form and without a request id: \
         region, address or network were refused, not the credential."
    );
    Reading::new(Code::RequestForbiddenEdge, Confidence::High, summary).or(&[Code::EdgeChallengeHtml])
}
