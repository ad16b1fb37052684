//! Logins: the code refused, and what is asked right after the token.

use super::context::{Context, Group, Seen};
use super::draft::{Reading, answer, clock, since, times};
use super::finding::{Confidence, Finding, Severity};
use crate::analyze::endpoint::Endpoint;
use crate::analyze::says::Says;
use crate::catalogue::Code;

/// What follows a login comes within this time, in milliseconds.
const FOLLOWS_MS: i64 = 5 * 60_000;

/// What helps where no code was pasted.
const REFRESHES: &str =
    "Update Claude Code, or the tool that refreshes this login: tokens come from platform.claude.com.";

/// The token endpoint refuses the request itself.
pub(super) fn rejected(context: &Context<'_>) -> Vec<Finding> {
    let refused: Vec<&Seen<'_>> = context.token_requests().filter(|seen| is_rejected(seen)).collect();
    let (Some(first), Some(last)) = (refused.first(), refused.last()) else {
        return Vec::new();
    };
    let what = match first.grant() {
        Some("authorization_code") => "The code from the browser was",
        Some("refresh_token") => "The refresh was",
        _ => "The token request was",
    };
    let host = &first.exchange.request.host;
    let summary = format!(
        "{what} refused by {host} with {}, {}: {}.",
        answer(first.exchange),
        since(refused.len(), first.at()),
        what_is_wrong(first),
    );
    let confidence =
        if last.grant().is_some() || first.status() == 404 { Confidence::High } else { Confidence::Medium };
    let mut finding = Finding::new(Code::TokenRequestRejected, Severity::Failure, confidence, summary);
    if first.is_refresh() {
        REFRESHES.clone_into(&mut finding.remedy);
    }
    vec![finding.proved_by(refused.iter().map(|seen| seen.id())).recovered_if(context.answered_later(last))]
}

/// What the request itself can tell.
fn what_is_wrong(refused: &Seen<'_>) -> &'static str {
    let of_code = refused.grant() == Some("authorization_code");
    let stateless = !refused.exchange.credentials.iter().any(|sent| sent.place.as_str() == "body.state");
    match refused.status() {
        404 => "the token endpoint is not, or no longer, at this address",
        _ if of_code && stateless => "it came without the `state` that belongs to it",
        _ if of_code => "it was wrong, too old or used before, or the request is not complete",
        _ => "something in the request itself is wrong, not the token in it",
    }
}

fn is_rejected(seen: &Seen<'_>) -> bool {
    let refused = (400..500).contains(&seen.status()) && seen.status() != 429 || inside_success(seen);
    let elsewhere = match seen.says {
        Some(Says::Challenge | Says::EdgeForbidden | Says::RateLimited) => true,
        // A refused grant of a refresh is judged by the lineage of its token.
        _ => seen.is_refused_grant(),
    };
    let spent = crate::analyze::lineage::spent(seen.exchange);
    let unknown = seen.is_refresh() && elsewhere && spent.is_none() && seen.says == Some(Says::InvalidGrant);
    refused && !elsewhere || unknown
}

/// An OAuth error that came with a status of success.
fn inside_success(seen: &Seen<'_>) -> bool {
    (200..300).contains(&seen.status()) && seen.says.is_some()
}

/// A login whose token is fine, and whose next step fails: roles, the API key, the profile.
pub(super) fn bootstrap(context: &Context<'_>) -> Vec<Finding> {
    let logins: Vec<&Seen<'_>> = context.token_requests().filter(|seen| seen.issued() && !seen.is_refresh()).collect();
    let mut findings = Vec::new();
    for login in logins {
        let follows = context.after(login.ms()).take_while(|seen| seen.ms() <= login.ms().saturating_add(FOLLOWS_MS));
        let failed: Vec<&Seen<'_>> =
            follows.filter(|seen| context.same_client(seen, login) && fails_login(seen)).collect();
        let (Some(first), Some(last)) = (failed.first(), failed.last()) else { continue };
        let mended = context.after(last.ms()).any(|seen| seen.endpoint == last.endpoint && succeeded(seen));
        let what = match first.endpoint {
            Endpoint::CreateApiKey if succeeded_without_key(first) => "making an API key gave no key".to_owned(),
            Endpoint::CreateApiKey => format!("making an API key was answered {}", answer(first.exchange)),
            Endpoint::Roles => format!("the roles of the account were answered {}", answer(first.exchange)),
            _ => format!("the profile was answered {}", answer(first.exchange)),
        };
        let summary = format!(
            "The login of {} UTC gave a token (#{}), but the step after it failed: {what}, {}.",
            clock(login.at()),
            login.id(),
            times(failed.len()),
        );
        findings.push(
            Finding::new(Code::PostLoginBootstrapFailed, Severity::Failure, Confidence::High, summary)
                .proved_by(std::iter::once(login.id()).chain(failed.iter().map(|seen| seen.id())))
                .recovered_if(mended),
        );
    }
    findings
}

fn fails_login(seen: &Seen<'_>) -> bool {
    let status = seen.status();
    match seen.endpoint {
        // Refusals of these two are judged as groups, by the rule below.
        Endpoint::CreateApiKey => status >= 500 || succeeded_without_key(seen),
        Endpoint::Roles | Endpoint::Profile => status >= 500,
        _ => false,
    }
}

fn succeeded(seen: &Seen<'_>) -> bool {
    (200..300).contains(&seen.status()) && !succeeded_without_key(seen)
}

fn succeeded_without_key(seen: &Seen<'_>) -> bool {
    let issued = seen.exchange.oauth.as_ref().is_some_and(|oauth| !oauth.issued.is_empty());
    seen.endpoint == Endpoint::CreateApiKey && (200..300).contains(&seen.status()) && !issued
}

/// The same step, refused for a role or a permission.
pub(super) fn bootstrap_refused(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    let first = group.first()?;
    let step = match group.endpoint {
        Endpoint::CreateApiKey => "make an API key",
        Endpoint::Roles if first.status() == 403 => "read the roles of the account",
        _ => return None,
    };
    if matches!(group.says, Says::Revoked | Says::Expired | Says::Challenge) {
        return None;
    }
    let login = context.token_requests().rev().find(|seen| seen.issued() && seen.ms() <= first.ms());
    let after = login.map(|login| format!(" after the login (#{})", login.id())).unwrap_or_default();
    let summary =
        format!("The client could not {step}{after}: {}, {}.", answer(first.exchange), times(group.refused.len()));
    let confidence =
        if login.is_some() || group.endpoint == Endpoint::CreateApiKey { Confidence::High } else { Confidence::Medium };
    let reading = Reading::new(Code::PostLoginBootstrapFailed, confidence, summary).or(&[Code::ScopeInsufficient]);
    Some(match login {
        Some(login) => reading.with(login.id()),
        None => reading,
    })
}
