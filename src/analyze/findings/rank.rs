//! Which finding comes first, what counts as mended, and the verdict.

use super::advice;
use super::context::{Context, Group, Seen};
use super::draft::{Reading, answer};
use super::finding::{Confidence, Finding, Severity, Verdict};
use super::server::is_web;
use crate::analyze::endpoint::{Endpoint, Provider};
use crate::analyze::lineage::Reaction;
use crate::analyze::says::Says;
use crate::catalogue::{Class, Code};
use std::cmp::Reverse;

/// Failures in the order in which one of them is the verdict: the stronger evidence first (FAILURE_MODES §1.6).
const ORDER: &[Code] = &[
    Code::GatewayReceivesAnthropicCredential,
    Code::TlsInterceptionUntrusted,
    Code::ProxyAuthRequired,
    Code::CredentialInWrongHeader,
    Code::TokenRevoked,
    Code::EnvCredentialShadowsLogin,
    Code::ProxyRewritesAuth,
    Code::OrganizationDisabled,
    Code::CreditBalanceTooLow,
    Code::CredentialRestrictedToClaudeCode,
    Code::OauthNotAllowedForOrg,
    Code::SessionStaleElevation,
    Code::OauthBetaHeaderMissing,
    Code::RequestForbiddenEdge,
    Code::EdgeChallengeHtml,
    Code::RefreshRace,
    Code::RefreshResultLost,
    Code::RefreshTokenInvalid,
    Code::TokenRequestRejected,
    Code::TokenEndpointRateLimited,
    Code::TokenEndpointOutage,
    Code::RefreshNetworkFailure,
    Code::PostLoginBootstrapFailed,
    Code::FreshTokenRejected,
    Code::NewLoginNotUsed,
    Code::BearerMalformed,
    Code::UpstreamOutageMixed401,
    Code::ApikeyhelperStale,
    Code::ApiKeyInvalid,
    Code::CloudProviderCredentials,
    Code::GatewayKeyRejected,
    Code::LocalExpiryMisjudged,
    Code::AccessTokenExpiredNotRefreshed,
    Code::TokenRejectedBeforeExpiry,
    Code::StaticTokenRejected,
    Code::EndpointInconsistent401,
    Code::ScopeInsufficient,
    Code::McpOauth,
    Code::LoginCallbackNeverArrives,
    Code::NoAuthenticatedRequest,
    Code::AuthFailureUnexplained,
    Code::UsageExhausted,
    Code::Overloaded,
    Code::RateLimited,
    Code::ServerError,
];

/// Puts findings in order, joins those of one code, and says what it comes down to.
pub(super) fn settle(context: &Context<'_>, findings: Vec<Finding>) -> (Verdict, Vec<Finding>) {
    let mut findings = joined(findings);
    drop_consequences(context, &mut findings);
    findings.sort_by_key(|finding| {
        (
            Reverse(finding.severity),
            finding.recovered,
            rank(finding.code),
            Reverse(finding.confidence),
            finding.exchanges.first().copied(),
        )
    });
    let verdict = verdict(context, &findings);
    for finding in &mut findings {
        complete(context, finding);
    }
    (verdict, findings)
}

fn rank(code: Code) -> usize {
    ORDER.iter().position(|other| *other == code).unwrap_or(ORDER.len())
}

/// Findings of one code become one: the sentence of the surest and gravest, the evidence of all.
fn joined(findings: Vec<Finding>) -> Vec<Finding> {
    let mut joined: Vec<Finding> = Vec::new();
    for finding in findings {
        let Some(known) = joined.iter_mut().find(|known| known.code == finding.code) else {
            joined.push(finding);
            continue;
        };
        let graver = (finding.severity, !finding.recovered, finding.confidence)
            > (known.severity, !known.recovered, known.confidence);
        let (mut first, second) = if graver { (finding, known.clone()) } else { (known.clone(), finding) };
        first.connections.extend(second.connections);
        first.connections.sort_unstable();
        first.connections.dedup();
        first.otherwise.extend(second.otherwise);
        let first = first.proved_by(second.exchanges).about(second.credentials);
        *known = first;
    }
    joined
}

/// A message that says nothing by itself, beside a finding that explains it.
fn drop_consequences(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let explained = findings
        .iter()
        .any(|finding| finding.severity == Severity::Failure && finding.code != Code::NoAuthenticatedRequest);
    let is_message = |id: &u64| context.by_id(*id).is_some_and(Seen::is_message);
    findings.retain(|finding| {
        let silent = finding.code == Code::NoAuthenticatedRequest && !finding.exchanges.iter().any(is_message);
        !(silent && explained)
    });
}

fn verdict(context: &Context<'_>, findings: &[Finding]) -> Verdict {
    let of = |finding: &Finding| Verdict {
        code: finding.code,
        confidence: finding.confidence,
        recovered: finding.recovered,
        summary: finding.summary.clone(),
    };
    if let Some(top) = findings.iter().find(|finding| finding.severity == Severity::Failure) {
        return of(top);
    }
    let label =
        findings.iter().find(|finding| finding.code.class() == Class::Label && finding.severity == Severity::Warning);
    if let Some(label) = label {
        return of(label);
    }
    let seen = || context.seen.iter();
    let (code, confidence, summary) = if seen().any(|one| one.is_accepted() || one.issued()) {
        let (confidence, summary) = healthy(context, findings);
        (Code::Healthy, confidence, summary)
    } else if let Some(answered) = context.messages().find(|one| passed(one)) {
        let summary = format!(
            "The credential was not what the API objected to: the message was answered {}.",
            answer(answered.exchange)
        );
        (Code::Healthy, Confidence::Medium, summary)
    } else if context.lacks_credentials() {
        let summary =
            "Messages were answered. The file leaves credentials out, so nothing more can be told.".to_owned();
        (Code::Healthy, Confidence::Medium, summary)
    } else if let Some(noise) = findings.iter().find(|finding| finding.code == Code::TelemetryNoise) {
        (Code::TelemetryNoise, Confidence::Medium, noise.summary.clone())
    } else {
        let torn = context.seen.is_empty() && !context.survey.unread().is_empty();
        let summary = if torn {
            "No request could be read, since the capture is damaged: what is missing stands at the end of the report."
        } else {
            "No request with a credential was seen, and no sign of a failed login."
        };
        (Code::NothingSeen, Confidence::Low, summary.to_owned())
    };
    Verdict { code, confidence, recovered: false, summary }
}

/// Whether the API looked at the request itself, and so had no objection to its credential.
fn passed(seen: &Seen<'_>) -> bool {
    seen.fp().is_some() && seen.says == Some(Says::Other) && (400..500).contains(&seen.status())
}

fn healthy(context: &Context<'_>, findings: &[Finding]) -> (Confidence, String) {
    let of_messages = |reaction: Reaction| context.messages().filter(move |seen| seen.reaction == reaction).count();
    let (accepted, refused) = (of_messages(Reaction::Accepted), of_messages(Reaction::Refused));
    let all = context.messages().count() == accepted;
    let minor = |finding: &&Finding| finding.code.class() == Class::Failure && finding.severity == Severity::Warning;
    let mut summary = match (accepted, refused) {
        (0, _) if context.messages().next().is_some() => {
            "No credential was refused; no message was answered.".to_owned()
        }
        (0, _) => match elsewhere(context) {
            Some(host) => format!("Nothing was refused that matters; messages went to {host}, which accepted them."),
            None => "Every credential that was sent was accepted, but no message was sent.".to_owned(),
        },
        (_, 0) if all => "Every message was accepted.".to_owned(),
        (_, 0) => "No message was refused for its credential.".to_owned(),
        (_, _) => "A token was refused, a refresh renewed it, and the message went through: that is how it should be."
            .to_owned(),
    };
    if findings.iter().any(|finding| minor(&finding)) {
        summary.push_str(" Something at the side did not work; see the findings.");
    }
    // What other programs fail in (they have no exchanges then) does not make the client's own success less sure.
    let doubt = findings.iter().filter(minor).any(|finding| !finding.exchanges.is_empty());
    (if accepted == 0 || doubt { Confidence::Medium } else { Confidence::High }, summary)
}

/// The gateway or cloud that takes the messages in place of the API.
fn elsewhere<'a>(context: &Context<'a>) -> Option<&'a str> {
    let serves = |seen: &&Seen<'a>| match seen.provider {
        Provider::Gateway => seen.is_message(),
        Provider::Cloud => seen.endpoint != Endpoint::Token && seen.exchange.request.method.as_str() == "POST",
        _ => false,
    };
    let seen = context.seen.iter().filter(serves).find(|seen| seen.is_accepted())?;
    Some(seen.exchange.request.host.as_str())
}

/// A refusal of something that the user hardly needs, while messages work, is a warning.
pub(super) fn severity(context: &Context<'_>, group: &Group<'_>, reading: &Reading) -> Severity {
    let side = matches!(group.endpoint, Endpoint::Side | Endpoint::Profile | Endpoint::Roles | Endpoint::Hello);
    let in_login = reading.code == Code::PostLoginBootstrapFailed && group.endpoint != Endpoint::Profile;
    // That one token is good here and not there is itself what the user meets on the web site's side.
    let contradicts = reading.code == Code::EndpointInconsistent401 && group.first().is_some_and(is_web);
    let cosmetic = side && !in_login && !contradicts && context.messages_work();
    if cosmetic { Severity::Warning } else { Severity::Failure }
}

/// Whether what was refused worked later: the same thing, or messages as a whole.
pub(super) fn is_recovered(context: &Context<'_>, group: &Group<'_>) -> bool {
    let Some(last) = group.last() else { return false };
    let later = |seen: &Seen<'_>| {
        let same = seen.endpoint == group.endpoint
            && (group.is_message() || seen.exchange.request.path == last.exchange.request.path);
        seen.is_anthropic() && same && seen.is_accepted() && seen.id() != last.id() && !of_another_key(seen, group)
    };
    context.after(last.ms()).any(|seen| later(seen) && context.same_client(seen, last))
}

/// Where two keys are in use, the success of one is no recovery of the other.
fn of_another_key(seen: &Seen<'_>, group: &Group<'_>) -> bool {
    group.says == Says::InvalidApiKey && seen.fp() != group.fp()
}

/// Remedy, versions, and our own part in it.
fn complete(context: &Context<'_>, finding: &mut Finding) {
    advice::add(context, finding);
    let mut known = Vec::new();
    let code = finding.code;
    finding.otherwise.retain(|other| {
        let new = *other != code && !known.contains(other);
        known.push(*other);
        new
    });
    let captured = !context.survey.is_imported();
    finding.caveat = match code {
        Code::EdgeChallengeHtml | Code::RequestForbiddenEdge if captured => Some(
            "authtrace may have a part in this: behind a proxy the client's TLS looks different to the edge. Try once without it.",
        ),
        Code::TlsInterceptionUntrusted if captured => Some(
            "authtrace may be the cause: it shows the client a certificate of its own. If the failure is not there without it, it is.",
        ),
        _ => None,
    };
}
