//! What did not happen.

use super::context::{Context, Group, Seen, is_of_browser};
use super::draft::{Reading, answer, clock, span, times};
use super::finding::{Confidence, Finding, Severity};
use super::server::label;
use crate::analyze::endpoint::{Endpoint, Provider};
use crate::analyze::says::Says;
use crate::catalogue::Code;
use crate::trace::Origin;

/// A login that is not answered for so long did not come back, in milliseconds (FAILURE_MODES §1.2).
const WAITED_MS: i64 = 60_000;

/// A request that needs a credential was sent without one.
pub(super) fn without_credential(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    let first = group.first()?;
    let none = group.credential.is_none();
    let left_out = || group.says.knows_a_credential() && context.lacks_credentials();
    let optional = !group.is_message() && context.messages_work();
    if !none || optional || group.endpoint == Endpoint::Authorize || left_out() {
        return None;
    }
    let summary = format!(
        "{} {} was sent {} without any credential and answered {}: the client found none to send.",
        first.exchange.request.method,
        first.exchange.request.path.as_str().split('?').next().unwrap_or_default(),
        times(group.refused.len()),
        answer(first.exchange),
    );
    let confidence =
        if group.says == Says::MissingCredential || group.is_message() { Confidence::High } else { Confidence::Medium };
    Some(Reading::new(Code::NoAuthenticatedRequest, confidence, summary))
}

/// Nothing with a credential was ever sent.
pub(super) fn silent(context: &Context<'_>) -> Vec<Finding> {
    let failed = context.survey.end().and_then(|end| end.exit_code).is_some_and(|code| code != 0);
    let anthropic =
        || context.seen.iter().filter(|seen| seen.is_anthropic() && seen.exchange.origin == Origin::Upstream);
    if let Some(pending) = unanswered_login(context) {
        return vec![pending];
    }
    if anthropic().next().is_none() {
        let unread = context.survey.is_imported() || failed;
        // What could not be read may have been the requests.
        let whole = context.survey.unread().is_empty();
        let nothing = whole && context.seen.is_empty() && context.survey.connections().is_empty();
        if !(unread && nothing) {
            return Vec::new();
        }
        let summary =
            "Nothing was seen: the client gave up before it sent any request, or its traffic went past the capture.";
        return vec![Finding::new(Code::NoAuthenticatedRequest, Severity::Failure, Confidence::Low, summary)];
    }
    let tried = anthropic().any(|seen| seen.fp().is_some() || seen.endpoint == Endpoint::Token);
    // Messages go to a gateway or a cloud, with credentials of theirs.
    let elsewhere = context.seen.iter().any(|seen| {
        matches!(seen.provider, Provider::Gateway | Provider::Cloud) && !seen.exchange.credentials.is_empty()
    });
    let judged = anthropic().any(|seen| seen.endpoint != Endpoint::Telemetry && !is_of_browser(seen));
    let server_fails = anthropic().any(|seen| label(seen).is_some());
    if tried || elsewhere || !judged || server_fails || context.lacks_credentials() {
        return Vec::new();
    }
    let probes: Vec<u64> = anthropic().map(Seen::id).collect();
    let summary = format!(
        "{} without a credential reached Anthropic's hosts, and none with one: the client found no credential that it \
         could use.",
        if probes.len() == 1 { "One request".to_owned() } else { format!("{} requests", probes.len()) },
    );
    let confidence = if failed { Confidence::High } else { Confidence::Medium };
    let finding = Finding::new(Code::NoAuthenticatedRequest, Severity::Failure, confidence, summary);
    vec![finding.proved_by(probes).or(&[Code::LoginCallbackNeverArrives])]
}

/// A login was begun, and for a minute or more no code came to be exchanged.
fn unanswered_login(context: &Context<'_>) -> Option<Finding> {
    let begun = |seen: &&Seen<'_>| {
        let sign = match seen.endpoint {
            Endpoint::Authorize => seen.says.is_none() || seen.status() < 400,
            Endpoint::Hello => seen.exchange.request.host.as_str() == "api.anthropic.com" && seen.status() == 200,
            _ => false,
        };
        seen.is_anthropic()
            && sign
            && seen.exchange.credentials.iter().all(|sent| sent.place.as_str() != "authorization")
    };
    let authenticated = context
        .seen
        .iter()
        .any(|seen| seen.is_anthropic() && (seen.fp().is_some() || seen.endpoint == Endpoint::Token));
    let start = context.seen.iter().find(begun).filter(|_| !authenticated)?;
    let waited = context.end.unix_ms() - start.ms();
    if waited < WAITED_MS {
        return None;
    }
    let consent = start.endpoint == Endpoint::Authorize;
    let sign = if consent {
        "A login was begun"
    } else {
        "The client asked whether the server is there, as it does before a login,"
    };
    let summary = format!(
        "{sign} at {} UTC (#{}), and in the {} after it no code was exchanged for a token: what the browser sends back to \
         this machine never arrived.",
        clock(start.at()),
        start.id(),
        span(waited),
    );
    let confidence = if consent { Confidence::Medium } else { Confidence::Low };
    let finding = Finding::new(Code::LoginCallbackNeverArrives, Severity::Failure, confidence, summary);
    Some(finding.proved_by([start.id()]).or(&[Code::NoAuthenticatedRequest]))
}
