//! API keys: refused, from a helper, or in the way of a login.

use super::context::{Context, Group, Seen};
use super::draft::{Reading, answer, since, span, times};
use super::finding::Confidence;
use crate::analyze::endpoint::Endpoint;
use crate::analyze::lineage::Origin;
use crate::analyze::says::{Says, takes_key_as_bearer};
use crate::catalogue::Code;
use crate::redact::{Fingerprint, Flag, Kind};

/// A key or a foreign bearer is sent while a login is there.
pub(super) fn shadowed(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    let account = matches!(
        group.says,
        Says::OrganizationDisabled | Says::CreditTooLow | Says::OauthNotAllowed | Says::Restricted
    );
    if group.endpoint == Endpoint::Sessions || !(account || group.says.is_about_token()) {
        return None;
    }
    let sent = group.credential?;
    let first = group.first()?;
    let is_key = sent.place.as_str() == "x-api-key";
    let is_foreign =
        sent.place.as_str() == "authorization" && matches!(sent.credential.kind, Kind::Unknown | Kind::Jwt);
    if !is_key && !is_foreign || sent.credential.has(Flag::Substitute) || created_by_login(context, group) {
        return None;
    }
    let login = login_beside(context, first, group.fp()?)?;
    let same = context.same_client(&login, first);
    let variable = if is_key { "ANTHROPIC_API_KEY or an apiKeyHelper" } else { "ANTHROPIC_AUTH_TOKEN" };
    let whose = if same { "the same client" } else { "another client in this trace" };
    let summary = format!(
        "Messages were sent with {}, probably from {variable}, and answered {}, while {whose} holds an OAuth login ({}, \
         #{}): the credential of the environment wins over the login.",
        context.name(group.fp()),
        answer(first.exchange),
        login.fp().map_or_else(|| "issued here".to_owned(), |fp| context.name(Some(fp))),
        login.id(),
    );
    let confidence =
        if same && (context.is_told_apart(first) || is_foreign) { Confidence::High } else { Confidence::Medium };
    let state = match group.says {
        Says::OrganizationDisabled => Code::OrganizationDisabled,
        Says::CreditTooLow => Code::CreditBalanceTooLow,
        _ if is_key => Code::ApiKeyInvalid,
        _ => Code::BearerMalformed,
    };
    Some(Reading::new(Code::EnvCredentialShadowsLogin, confidence, summary).with(login.id()).or(&[state]))
}

fn created_by_login(context: &Context<'_>, group: &Group<'_>) -> bool {
    context.history(group.fp()).is_some_and(|history| matches!(history.origin, Origin::KeyCreation { .. }))
}

/// An exchange that shows a working login: an accepted OAuth token, or the answer that issued one. Of the same client
/// if there is one.
fn login_beside<'a>(context: &Context<'a>, refused: &Seen<'a>, fp: Fingerprint) -> Option<Seen<'a>> {
    let shows = |seen: &&Seen<'a>| {
        let other = seen.fp() != Some(fp);
        let oauth = seen.credential.is_some_and(|sent| sent.credential.kind == Kind::OauthAccess);
        seen.is_anthropic() && other && (oauth && seen.is_accepted() || seen.issued())
    };
    let own = context.seen.iter().filter(shows).find(|seen| context.same_client(seen, refused));
    own.or_else(|| context.seen.iter().filter(|seen| seen.is_message()).find(shows)).copied()
}

/// A key of a helper that had run out: the next one works, and nobody logged in.
pub(super) fn helper(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    let sent = group.credential?;
    let is_key = sent.place.as_str() == "x-api-key" || sent.credential.kind == Kind::ApiKey;
    if !is_key || !group.says.is_about_token() {
        return None;
    }
    let (first, last) = (group.first()?, group.last()?);
    let next = succeeded_by_new_key(context, last)?;
    let summary = format!(
        "{} was refused {} with {}; {} later the client came with another key, {}, and was accepted (#{}), without any \
         login in between: a helper had handed out a key that was no longer valid.",
        context.name(group.fp()),
        times(group.refused.len()),
        answer(first.exchange),
        span(next.ms() - last.ms()),
        context.name(next.fp()),
        next.id(),
    );
    Some(Reading::new(Code::ApikeyhelperStale, Confidence::Medium, summary).with(next.id()).or(&[Code::ApiKeyInvalid]))
}

/// The first success with a key that was never seen before the refusal.
pub(super) fn succeeded_by_new_key<'a>(context: &Context<'a>, refused: &Seen<'a>) -> Option<Seen<'a>> {
    let after = context.after(refused.ms()).filter(|seen| seen.id() != refused.id());
    let mut after = after.filter(|seen| {
        seen.exchange.request.host == refused.exchange.request.host && context.same_client(seen, refused)
    });
    let next = after.find(|seen| seen.is_accepted() && seen.fp().is_some())?;
    let history = context.history(next.fp())?;
    let same_place = next.credential.map(|sent| &sent.place) == refused.credential.map(|sent| &sent.place);
    (same_place && next.fp() != refused.fp() && history.first_seen > refused.at()).then_some(*next)
}

/// The key is simply refused.
pub(super) fn invalid(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    let left_out = group.credential.is_none() && group.says == Says::InvalidApiKey && context.lacks_credentials();
    let first = group.first()?;
    let is_bearer = || group.credential.is_some_and(|sent| sent.credential.kind == Kind::ApiKey);
    let is_key = group.place() == "x-api-key" || is_bearer() && takes_key_as_bearer(first.exchange);
    if !(left_out || is_key && group.says.is_about_token()) {
        return None;
    }
    let name = if left_out { "that this file leaves out".to_owned() } else { context.name(group.fp()) };
    let both = first
        .exchange
        .credentials
        .iter()
        .any(|other| other.place.as_str() == "authorization" && Some(other.credential.fp) == group.fp());
    let stood = if both { ", in both headers as keys of an apiKeyHelper are," } else { "" };
    let mut summary = format!(
        "The API key {name}{stood} was refused with {}, {}.",
        answer(first.exchange),
        since(group.refused.len(), first.at()),
    );
    let others = context.messages().rev().find(|seen| seen.is_accepted() && seen.fp() != group.fp());
    if let Some(other) = others {
        summary.push_str(&format!(
            " Another credential, {}, was accepted in this trace (#{}): two configurations are in use.",
            context.name(other.fp()),
            other.id()
        ));
    }
    let certain = group.says == Says::InvalidApiKey && !both;
    let confidence = if certain { Confidence::High } else { Confidence::Medium };
    Some(Reading::new(Code::ApiKeyInvalid, confidence, summary).or(&[Code::ApikeyhelperStale]))
}
