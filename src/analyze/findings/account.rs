//! What the server says in so many words: revoked, disabled, no credit, not allowed, not with this scope.

use super::context::{Context, Group};
use super::draft::{Reading, answer, since};
use super::finding::Confidence;
use crate::analyze::endpoint::Endpoint;
use crate::analyze::says::Says;
use crate::catalogue::Code;

/// The server says that the token was revoked: stronger than anything that could be inferred.
pub(super) fn revoked(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    if group.says != Says::Revoked {
        return None;
    }
    let first = group.first()?;
    let name = context.name(group.fp());
    let history = context.history(group.fp());
    let issued = history.and_then(|history| history.origin.exchange());
    let origin = match issued {
        Some(issue) => format!(" It had been issued in this trace, by #{issue}."),
        None => String::new(),
    };
    let summary = format!(
        "The server says that {name} was revoked: {}, {}.{origin}",
        answer(first.exchange),
        since(group.refused.len(), first.at()),
    );
    let reading = Reading::new(Code::TokenRevoked, Confidence::High, summary);
    Some(match issued {
        Some(issue) => reading.with(issue),
        None => reading,
    })
}

/// An account, an organisation or a scope that does not allow it.
pub(super) fn state(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    let (code, what) = match group.says {
        Says::OrganizationDisabled => (Code::OrganizationDisabled, "the organisation of this credential is disabled"),
        Says::CreditTooLow => (Code::CreditBalanceTooLow, "the organisation of this credential has no credit left"),
        Says::Restricted => {
            (Code::CredentialRestrictedToClaudeCode, "the server does not take the sender for Claude Code")
        }
        Says::OauthNotAllowed => (Code::OauthNotAllowedForOrg, "the organisation may not use OAuth logins"),
        Says::StaleSession => (Code::SessionStaleElevation, "the browser session is too old for what was asked"),
        Says::Scope | Says::Role => (Code::ScopeInsufficient, "the token was not granted what this call needs"),
        _ => return None,
    };
    let first = group.first()?;
    let name = group.fp().map(|fp| format!(" with {}", context.name(Some(fp)))).unwrap_or_default();
    let mut summary = format!(
        "{} {}{name} was answered {}, {}: {what}.",
        first.exchange.request.method,
        first.exchange.request.path.as_str().split('?').next().unwrap_or_default(),
        answer(first.exchange),
        since(group.refused.len(), first.at()),
    );
    if let (Says::Scope, Some(scopes)) = (group.says, context.history(group.fp()).and_then(|one| one.scopes.as_ref())) {
        summary.push_str(&format!(" It had been granted: {scopes}."));
    }
    if code == Code::OauthNotAllowedForOrg && accepted_too(context, group) {
        summary.push_str(" The same token was accepted at other times.");
    }
    Some(Reading::new(code, Confidence::High, summary))
}

fn accepted_too(context: &Context<'_>, group: &Group<'_>) -> bool {
    group.fp().is_some_and(|fp| context.uses(fp).any(super::context::Seen::is_accepted))
}

/// Refused in words that nothing here knows.
pub(super) fn unexplained(context: &Context<'_>, group: &Group<'_>) -> Reading {
    let Some(first) = group.first() else {
        return Reading::new(Code::AuthFailureUnexplained, Confidence::Low, "");
    };
    let summary = format!(
        "{} {} with {} was answered {}, {}. None of the known failures looks like this.",
        first.exchange.request.method,
        first.exchange.request.path.as_str().split('?').next().unwrap_or_default(),
        context.name(group.fp()),
        answer(first.exchange),
        since(group.refused.len(), first.at()),
    );
    let otherwise: &[Code] = match (group.endpoint, first.status()) {
        (Endpoint::Messages, 403) => &[Code::OauthNotAllowedForOrg, Code::ScopeInsufficient],
        (Endpoint::Messages, _) => &[Code::StaticTokenRejected, Code::TokenRejectedBeforeExpiry],
        _ => &[Code::EndpointInconsistent401],
    };
    Reading::new(Code::AuthFailureUnexplained, Confidence::Low, summary).or(otherwise)
}
