//! Bearer tokens over time: fresh, old, expired, out of date, or never any good.

use super::context::{Context, Group, Seen};
use super::draft::{Reading, answer, clock, span, times};
use super::finding::Confidence;
use crate::analyze::endpoint::Endpoint;
use crate::analyze::lineage::{CredentialHistory, Origin};
use crate::analyze::says::Says;
use crate::catalogue::Code;
use crate::redact::Kind;

/// A refusal so soon after the issue concerns a fresh token, in milliseconds.
const FRESH_MS: i64 = 15 * 60_000;
/// Clocks that differ by more than this misjudge an expiry, in milliseconds (FAILURE_MODES §1.3).
pub(super) const SKEW_MS: i64 = 5 * 60_000;
/// After so much time without a success a token may well have expired, in milliseconds.
const OLD_MS: i64 = 60 * 60_000;
/// So much quiet after a refusal shows that nothing followed, in milliseconds.
const QUIET_MS: i64 = 30_000;

fn is_bearer(group: &Group<'_>) -> bool {
    // What the server calls expired it has known, whatever a tool that blanks credentials left of it.
    if group.says == Says::Expired && matches!(group.kind(), None | Some(Kind::Unknown)) {
        return group.place() != "x-api-key";
    }
    group.place() == "authorization" && group.kind() == Some(Kind::OauthAccess) && group.says.is_about_token()
}

fn token(context: &Context<'_>, group: &Group<'_>) -> String {
    if group.fp().is_none() { "A token that this file leaves out".to_owned() } else { context.name(group.fp()) }
}

/// Issued in this trace, and refused from the first message on.
pub(super) fn fresh(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    if !is_bearer(group) {
        return None;
    }
    let history = context.history(group.fp())?;
    let first = group.first()?;
    let (Origin::Login { exchange } | Origin::Refresh { exchange, .. }) = history.origin else {
        return None;
    };
    let age = first.ms() - history.first_seen.unix_ms();
    if age > FRESH_MS || accepted_before(context, group, first) {
        return None;
    }
    let by = if matches!(history.origin, Origin::Login { .. }) { "a login" } else { "a refresh" };
    let summary = format!(
        "{} was issued by {by} (#{exchange}) and refused {} later, {}, with {}: the token that was sent is the one that \
         was issued, so the cause is on the server's side or in the account.",
        context.name(group.fp()),
        span(age),
        times(group.refused.len()),
        answer(first.exchange),
    );
    Some(Reading::new(Code::FreshTokenRejected, Confidence::High, summary).with(exchange))
}

/// Whether the endpoints that matter accepted the token before the refusal.
fn accepted_before(context: &Context<'_>, group: &Group<'_>, refused: &Seen<'_>) -> bool {
    last_success(context, group, refused).is_some()
}

/// The last success before the refusal at an endpoint that judges a token as messages do.
fn last_success<'a>(context: &Context<'a>, group: &Group<'a>, refused: &Seen<'a>) -> Option<Seen<'a>> {
    let counts = |seen: &&Seen<'a>| {
        let judges =
            matches!(seen.endpoint, Endpoint::Messages | Endpoint::Sessions) || seen.endpoint == group.endpoint;
        seen.is_accepted() && judges && seen.ms() <= refused.ms()
    };
    context.uses(group.fp()?).rev().find(counts).copied()
}

/// A newer token is there, and the old one goes on being sent.
pub(super) fn not_used(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    if !is_bearer(group) && group.kind() != Some(Kind::Unknown) {
        return None;
    }
    let last = group.last()?;
    let history = context.history(group.fp())?;
    let issue = context.token_requests().rev().find(|seen| {
        // What is older than the login may be sent after it for the first time.
        let older =
            seen.ms() >= history.first_seen.unix_ms() || !seen.is_refresh() && history.origin == Origin::Brought;
        seen.issued() && seen.ms() < last.ms() && older && issued_access(seen, group)
    })?;
    let by_login = !issue.is_refresh();
    let foreign = context.different_clients(issue, last);
    if !by_login && foreign {
        return None;
    }
    let seen_before = issue.ms() >= history.first_seen.unix_ms();
    let after = group.refused.iter().filter(|seen| seen.ms() > issue.ms()).count();
    let age = span(last.ms() - issue.ms());
    let new = super::context::issued_by(issue.exchange);
    let used = new.iter().any(|fp| context.uses(*fp).any(|seen| seen.is_message() && seen.is_accepted()));
    let what = if by_login { "A login" } else { "A refresh" };
    let who = if foreign { "another process" } else { "the client" };
    let mut summary = format!(
        "{what} succeeded at {} UTC (#{}), and {} later {who} still sent the old {}: refused {} since, with {}.",
        clock(issue.at()),
        issue.id(),
        age,
        context.name(group.fp()),
        times(after),
        answer(last.exchange),
    );
    if used {
        summary.push_str(" The new token itself works.");
    }
    let certain = by_login && (seen_before || !foreign);
    let confidence = if certain { Confidence::High } else { Confidence::Medium };
    let reading = Reading::new(Code::NewLoginNotUsed, confidence, summary).with(issue.id());
    Some(if seen_before { reading } else { reading.or(&[Code::StaticTokenRejected]) })
}

fn issued_access(seen: &Seen<'_>, group: &Group<'_>) -> bool {
    let issued = seen.exchange.oauth.iter().flat_map(|oauth| &oauth.issued);
    let mut access = issued.filter(|one| one.credential.kind == Kind::OauthAccess).peekable();
    access.peek().is_some() && access.all(|one| Some(one.credential.fp) != group.fp())
}

/// The clocks differ, or a lifetime that was granted is denied.
pub(super) fn misjudged(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    if !is_bearer(group) {
        return None;
    }
    let first = group.first()?;
    let skew = context.survey.clock_difference_of(first.exchange).filter(|ms| ms.abs() > SKEW_MS);
    // A clock explains an expiry. Words that may mean one leave it open; others do not speak of time at all.
    let of_time = match group.says {
        Says::Expired => Some(Confidence::High),
        Says::InvalidCredentials | Says::OtherAuth => {
            (!issued_recently(context.history(group.fp()), first)).then_some(Confidence::Medium)
        }
        _ => None,
    };
    if let Some((ms, confidence)) = skew.zip(of_time) {
        let way = if ms > 0 { "behind" } else { "ahead of" };
        let summary = format!(
            "This machine's clock was {} {way} the server's when {} was refused with {}: the client misjudges when its \
             token expires.",
            span(ms),
            token(context, group),
            answer(first.exchange),
        );
        return Some(
            Reading::new(Code::LocalExpiryMisjudged, confidence, summary).or(&[Code::AccessTokenExpiredNotRefreshed]),
        );
    }
    let history = context.history(group.fp())?;
    let expires = history.expires()?;
    let left = expires.unix_ms() - first.ms();
    (group.says == Says::Expired && left > SKEW_MS).then(|| {
        let summary = format!(
            "{} was called expired {} before its lifetime, as granted when it was issued, was over.",
            context.name(group.fp()),
            span(left),
        );
        Reading::new(Code::LocalExpiryMisjudged, Confidence::Medium, summary)
            .or(&[Code::TokenRejectedBeforeExpiry, Code::AccessTokenExpiredNotRefreshed])
    })
}

/// The server says expired, and no refresh followed.
pub(super) fn expired(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    if !is_bearer(group) {
        return None;
    }
    let first = group.first()?;
    let told = group.says == Says::Expired;
    let success = last_success(context, group, first);
    let idle = success.map(|seen| first.ms() - seen.ms());
    let old = idle.is_some_and(|idle| idle >= OLD_MS) && !issued_recently(context.history(group.fp()), first);
    if !told && (!old || works_again(context, group)) {
        return None;
    }
    let quiet = context.end.unix_ms() - group.last_ms() >= QUIET_MS || group.refused.len() >= 2;
    let confidence = match (told, quiet) {
        (true, true) => Confidence::High,
        (true, false) | (false, true) => Confidence::Medium,
        (false, false) => Confidence::Low,
    };
    let since = match (success, idle) {
        (Some(seen), Some(idle)) => format!(" It had last been accepted {} before (#{}).", span(idle), seen.id()),
        _ => String::new(),
    };
    let summary = format!(
        "{} was refused {} with {}, and no refresh followed: the client goes on with a token that has run out.{since}",
        token(context, group),
        times(group.refused.len()),
        answer(first.exchange),
    );
    let reading = Reading::new(Code::AccessTokenExpiredNotRefreshed, confidence, summary);
    let reading = match success {
        Some(seen) => reading.with(seen.id()),
        None => reading,
    };
    let next: &[Code] = if told { &[Code::LocalExpiryMisjudged] } else { &[Code::TokenRejectedBeforeExpiry] };
    Some(reading.or(next))
}

/// Whether its granted lifetime was certainly not over.
fn issued_recently(history: Option<&CredentialHistory>, refused: &Seen<'_>) -> bool {
    history.and_then(CredentialHistory::expires).is_some_and(|expires| refused.at() < expires)
}

fn works_again(context: &Context<'_>, group: &Group<'_>) -> bool {
    let last = group.last_ms();
    group.fp().is_some_and(|fp| {
        context.uses(fp).any(|seen| seen.is_accepted() && seen.endpoint == group.endpoint && seen.ms() > last)
    })
}

/// It worked, and is refused although its time is not up.
pub(super) fn early(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    if !is_bearer(group) {
        return None;
    }
    let first = group.first()?;
    let success = last_success(context, group, first);
    let again = works_again(context, group);
    let success = match success {
        Some(seen) => seen,
        None if again => *first,
        None => return None,
    };
    let known = issued_recently(context.history(group.fp()), first);
    let confidence = match (known, again) {
        (true, _) => Confidence::High,
        (false, true) => Confidence::Medium,
        (false, false) => Confidence::Low,
    };
    let why = match (known, again) {
        (true, _) => "well within the lifetime it was issued with",
        (false, true) => "and was accepted again later",
        (false, false) => "though the server does not call it expired",
    };
    let before = if success.id() == first.id() {
        String::new()
    } else {
        format!(" after it had been accepted {} before (#{})", span(first.ms() - success.ms()), success.id())
    };
    let summary = format!(
        "{} was refused {} with {}{before}, {why}.",
        context.name(group.fp()),
        times(group.refused.len()),
        answer(first.exchange),
    );
    Some(
        Reading::new(Code::TokenRejectedBeforeExpiry, confidence, summary)
            .with(success.id())
            .or(&[Code::AccessTokenExpiredNotRefreshed, Code::RefreshRace]),
    )
}

/// Refused from the first request on, and never renewed: a token that somebody put there.
pub(super) fn fixed(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    if !is_bearer(group) {
        return None;
    }
    let history = context.history(group.fp())?;
    if history.origin != Origin::Brought || accepted_before(context, group, group.first()?) {
        return None;
    }
    let first = group.first()?;
    // A 403 in unknown words speaks of an account or a right, not of the token.
    if group.says == Says::OtherAuth && first.status() == 403 {
        return None;
    }
    let asked_profile = context.uses(group.fp()?).any(|seen| seen.endpoint == Endpoint::Profile && seen.is_accepted());
    let confidence = match (group.says, asked_profile) {
        (_, true) | (Says::OtherAuth, _) => Confidence::Low,
        (Says::InvalidBearer | Says::TokenNotFound, false) if group.refused.len() >= 2 => Confidence::High,
        _ => Confidence::Medium,
    };
    if let Some((by, issue)) = history.replaced_by {
        let summary = format!(
            "{} was refused {} with {}, and then replaced by {} (#{issue}).",
            context.name(group.fp()),
            times(group.refused.len()),
            answer(first.exchange),
            context.name(Some(by)),
        );
        let reading = Reading::new(Code::TokenRejectedBeforeExpiry, Confidence::Low, summary);
        return Some(reading.with(issue).or(&[Code::StaticTokenRejected]));
    }
    let summary = format!(
        "{} ({}) was refused from the first request on, {}, with {}; nothing in this trace issued or renewed it. It is a \
         token from the environment, or a stored login that is no longer valid.",
        context.name(group.fp()),
        history.credential,
        times(group.refused.len()),
        answer(first.exchange),
    );
    Some(
        Reading::new(Code::StaticTokenRejected, confidence, summary)
            .or(&[Code::AccessTokenExpiredNotRefreshed, Code::BearerMalformed]),
    )
}
