//! Refreshes: refused, unanswered, in competition, lost.

use super::context::{Context, Group, Seen};
use super::draft::{Reading, answer, clock, since, span, times};
use super::finding::{Confidence, Finding, Severity};
use crate::analyze::endpoint;
use crate::analyze::lineage::{Origin, spent};
use crate::analyze::says::Says;
use crate::catalogue::Code;
use crate::redact::{Fingerprint, Kind};
use crate::trace::{EndKind, Exchange, Outcome};
use std::collections::{HashMap, HashSet};

/// Two refreshes with one token within this time compete, in milliseconds (FAILURE_MODES §1.5).
const RACE_MS: i64 = 60_000;
/// Refreshes that take each other's tokens away follow on one another within this time, in milliseconds; a token that is
/// left in peace lives for hours.
const STORM_MS: i64 = 60 * 60_000;
/// A client that waits for the token endpoint gives up after 15 s; what ends in this range was given up.
const GIVEN_UP_MS: std::ops::RangeInclusive<u64> = 13_000..=17_000;
/// An answer that takes longer than this is an outage, whoever ended the waiting, in milliseconds.
const SLOW_MS: u64 = 8_000;
/// A refusal of a message so long after (or, the second value, before) a failed refresh is its consequence.
const CONSEQUENCE_MS: (i64, i64) = (10 * 60_000, 2 * 60_000);

/// `invalid_grant`: the lineage of the refresh token tells whether it was raced, lost, or never any good.
pub(super) fn refused(context: &Context<'_>) -> Vec<Finding> {
    let mut attempts: HashMap<Fingerprint, Vec<&Seen<'_>>> = HashMap::new();
    let mut refused = Vec::new();
    for seen in context.token_requests().filter(|seen| seen.is_refresh()) {
        let Some(token) = spent(seen.exchange) else { continue };
        let of_token = attempts.entry(token).or_default();
        if seen.is_refused_grant() && !of_token.iter().any(|seen| seen.is_refused_grant()) {
            refused.push((seen, token));
        }
        of_token.push(seen);
    }
    refused.into_iter().filter_map(|(first, token)| Some(judge(context, first, token, attempts.get(&token)?))).collect()
}

fn judge(context: &Context<'_>, first: &Seen<'_>, token: Fingerprint, attempts: &[&Seen<'_>]) -> Finding {
    let refused: Vec<&&Seen<'_>> = attempts.iter().filter(|seen| seen.is_refused_grant()).collect();
    let name = context.name(Some(token));
    let evidence = attempts.iter().map(|seen| seen.id());
    let recovered = refused.last().is_some_and(|last| context.answered_later(last));
    let finding = |code: Code, confidence: Confidence, summary: String| {
        Finding::new(code, Severity::Failure, confidence, summary)
            .proved_by(evidence.clone())
            .about([token])
            .recovered_if(recovered)
    };
    let count = times(refused.len());
    if let Some(won) = attempts.iter().find(|seen| seen.issued()) {
        let apart = (first.ms() - won.ms()).abs();
        let other = context.different_clients(first, won);
        let same = !other && context.is_told_apart(first) && context.is_told_apart(won);
        if apart <= RACE_MS && !same {
            let who = match context.names_apart(won, first).filter(|_| other) {
                Some((winner, loser)) => format!("Two processes, {winner} and {loser},"),
                None if other => "Two processes".to_owned(),
                None => "Two requests, probably of different processes,".to_owned(),
            };
            let confidence = if other { Confidence::High } else { Confidence::Medium };
            let summary = format!(
                "{who} presented the single-use refresh token {name} within {}: #{} got new tokens, #{} was refused with \
                 {}. Sessions that share one login compete for it.",
                span(apart),
                won.id(),
                first.id(),
                answer(first.exchange),
            );
            return finding(Code::RefreshRace, confidence, summary).or(&[Code::RefreshResultLost]);
        }
        let who = if other { "another process" } else { "the client" };
        let summary = format!(
            "The server exchanged {name} for new tokens at {} UTC (#{}); {} later {who} presented the old one again and \
             was refused {count} with {}. The new tokens were not kept, or not shared.",
            clock(won.at()),
            won.id(),
            span(first.ms() - won.ms()),
            answer(first.exchange),
        );
        return finding(Code::RefreshResultLost, Confidence::High, summary).or(&[Code::RefreshRace]);
    }
    if let Some(lost) = attempts.iter().find(|seen| seen.exchange.response.is_none() && seen.ms() < first.ms()) {
        let summary = format!(
            "A refresh with {name} went out at {} UTC and its answer never arrived (#{}); the next one with the same \
             token, {} later, was refused with {}. The server had rotated the token, and the client never learned it.",
            clock(lost.at()),
            lost.id(),
            span(first.ms() - lost.ms()),
            answer(first.exchange),
        );
        return finding(Code::RefreshResultLost, Confidence::High, summary).or(&[Code::RefreshTokenInvalid]);
    }
    let issued = context.history(Some(token)).and_then(|history| history.origin.exchange());
    let others = context.has_several_clients();
    let confidence = if issued.is_some() || others { Confidence::Medium } else { Confidence::High };
    let before = match issued {
        Some(id) => format!("It had been issued by #{id} and was not used before"),
        None => "It was not used before in this trace".to_owned(),
    };
    let summary = format!(
        "The refresh token {name} was refused {count} with {}. {before}: too old, revoked, or used up by a copy elsewhere.",
        answer(first.exchange),
    );
    let found =
        finding(Code::RefreshTokenInvalid, confidence, summary).or(&[Code::RefreshResultLost, Code::RefreshRace]);
    found.proved_by(issued)
}

/// No answer from the token endpoint: given up after the client's 15 s, or cut off at once.
pub(super) fn unanswered(context: &Context<'_>) -> Vec<Finding> {
    let silent = || context.token_requests().filter(|seen| seen.exchange.response.is_none());
    let refused: HashSet<Fingerprint> = context
        .token_requests()
        .filter(|seen| seen.is_refused_grant())
        .filter_map(|seen| spent(seen.exchange))
        .collect();
    let lost = |seen: &&Seen<'_>| spent(seen.exchange).is_some_and(|token| refused.contains(&token));
    let (slow, cut): (Vec<&Seen<'_>>, Vec<&Seen<'_>>) =
        silent().filter(|seen| !lost(seen)).partition(|seen| was_given_up(seen.exchange));
    let mut findings = Vec::new();
    if let (Some(first), Some(last)) = (slow.first(), slow.last()) {
        let summary = format!(
            "The token endpoint gave no answer, {}; the client gave up after {}.",
            since(slow.len(), first.at()),
            span(i64::try_from(first.exchange.timing.total_us / 1_000).unwrap_or(0)),
        );
        findings.push(
            Finding::new(Code::TokenEndpointOutage, severity(context, first, last), Confidence::High, summary)
                .proved_by(slow.iter().map(|seen| seen.id()))
                .recovered_if(context.answered_later(last))
                .or(&[Code::RefreshNetworkFailure]),
        );
    }
    if let (Some(first), Some(last)) = (cut.first(), cut.last()) {
        let what = if first.is_refresh() { "The refresh" } else { "The token request" };
        let summary = format!(
            "{what} got no answer, {}: {}. The network failed, not the login.",
            since(cut.len(), first.at()),
            why_unanswered(first.exchange.end.outcome),
        );
        let confidence = if is_network(first.exchange) { Confidence::High } else { Confidence::Medium };
        findings.push(
            Finding::new(Code::RefreshNetworkFailure, severity(context, first, last), confidence, summary)
                .proved_by(cut.iter().map(|seen| seen.id()))
                .about(spent(first.exchange))
                .recovered_if(context.answered_later(last))
                .or(&[Code::RefreshResultLost, Code::NoAuthenticatedRequest]),
        );
    }
    findings
}

/// A client that gets its tokens at the next attempt shows nothing to its user.
fn severity(context: &Context<'_>, first: &Seen<'_>, last: &Seen<'_>) -> Severity {
    if context.got_over(first, last) { Severity::Warning } else { Severity::Failure }
}

fn why_unanswered(end: EndKind) -> &'static str {
    match end {
        EndKind::NotResolved => "the name of the host was not found",
        EndKind::NotConnected => "no connection came about",
        EndKind::TimedOut => "it took too long",
        EndKind::UpstreamReset => "the connection was reset",
        EndKind::UpstreamClosed => "the connection was closed",
        EndKind::TlsFailed => "the TLS handshake failed",
        EndKind::ClientAbort => "the client broke it off",
        _ => "it is not recorded why",
    }
}

fn was_given_up(exchange: &Exchange) -> bool {
    let waited = exchange.timing.total_us / 1_000;
    let by_client = matches!(exchange.end.outcome, EndKind::TimedOut | EndKind::ClientAbort | EndKind::Unanswered);
    by_client && (GIVEN_UP_MS.contains(&waited) || waited >= SLOW_MS)
        || exchange.end.outcome == EndKind::Shutdown && waited >= SLOW_MS
}

fn is_network(exchange: &Exchange) -> bool {
    matches!(
        exchange.end.outcome,
        EndKind::NotResolved
            | EndKind::NotConnected
            | EndKind::TimedOut
            | EndKind::UpstreamReset
            | EndKind::UpstreamClosed
            | EndKind::TlsFailed
    )
}

/// The host of the token endpoint could not even be connected to; Claude Code asks it for nothing but tokens.
pub(super) fn unreachable(context: &Context<'_>) -> Vec<Finding> {
    let failed = context.survey.connections().iter().filter(|connection| {
        let host = connection.target.as_ref().map_or("", |target| target.host.as_str());
        let down = matches!(connection.end.outcome, Outcome::UpstreamDns | Outcome::UpstreamConnect);
        down && matches!(host, "platform.claude.com" | "console.anthropic.com")
    });
    let failed: Vec<_> = failed.collect();
    let (Some(first), Some(last)) = (failed.first(), failed.last()) else {
        return Vec::new();
    };
    let host = first.target.as_ref().map_or("", |target| target.host.as_str());
    let how = if first.end.outcome == Outcome::UpstreamDns { "its name was not found" } else { "it did not answer" };
    let summary = format!(
        "{host}, which issues and renews tokens, could not be reached, {}: {how}.",
        since(failed.len(), first.opened),
    );
    let later = context.token_requests().any(|seen| seen.at() > last.opened && seen.issued());
    let mut finding = Finding::new(Code::RefreshNetworkFailure, Severity::Failure, Confidence::High, summary);
    finding.connections = failed.iter().take(12).map(|connection| connection.id).collect();
    vec![finding.recovered_if(later)]
}

/// A sibling process refreshed, and this one goes on with the token of before.
pub(super) fn sibling_rotated(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    let last = group.last()?;
    let bearer = group.kind() == Some(Kind::OauthAccess) && group.says.is_about_token();
    let issue = context.token_requests().rev().filter(|_| bearer).find(|seen| {
        seen.is_refresh() && seen.issued() && seen.ms() < last.ms() && context.different_clients(seen, last)
    })?;
    let history = context.history(group.fp())?;
    let related = match history.replaced_by {
        Some((_, by)) => by == issue.id(),
        None => {
            matches!(history.origin, Origin::Brought) && context.uses(group.fp()?).any(|seen| seen.ms() < issue.ms())
        }
    };
    let summary = format!(
        "Another process refreshed at {} UTC (#{}); {} later this one still sent {}, from before, and got {}.",
        clock(issue.at()),
        issue.id(),
        span(last.ms() - issue.ms()),
        context.name(group.fp()),
        answer(last.exchange),
    );
    related.then(|| {
        Reading::new(Code::RefreshRace, Confidence::Medium, summary)
            .with(issue.id())
            .or(&[Code::AccessTokenExpiredNotRefreshed, Code::NewLoginNotUsed])
    })
}

/// Processes that refresh in turns, each taking the other's token away: every refusal mends itself, and the next is
/// already on its way.
pub(super) fn storm(context: &Context<'_>) -> Vec<Finding> {
    let robbed: Vec<(&Seen<'_>, &Seen<'_>)> = context
        .seen
        .iter()
        .filter(|seen| seen.is_anthropic() && seen.is_refused() && seen.says.is_some_and(Says::is_about_token))
        .filter_map(|seen| Some((seen, robber(context, seen)?)))
        .collect();
    let robbers: HashSet<u64> = robbed.iter().map(|(_, by)| by.id()).collect();
    let (Some((first, by)), Some((last, _))) = (robbed.first(), robbed.last()) else {
        return Vec::new();
    };
    let took = last.ms() - first.ms();
    if robbers.len() < 2 || took > STORM_MS {
        return Vec::new();
    }
    let summary = format!(
        "Processes that share one login refreshed in turns: {} within {}, a token was refused because another process had \
         just replaced it, first at {} UTC (#{}, after #{}).",
        times(robbed.len()),
        span(took),
        clock(first.at()),
        first.id(),
        by.id(),
    );
    let confidence = if context.is_told_apart(first) { Confidence::High } else { Confidence::Medium };
    let evidence = robbed.iter().flat_map(|(seen, by)| [seen.id(), by.id()]);
    vec![Finding::new(Code::RefreshRace, Severity::Failure, confidence, summary).proved_by(evidence)]
}

/// The refresh of another client, not long before, that replaced the refused token.
fn robber<'a, 'b>(context: &'b Context<'a>, refused: &Seen<'a>) -> Option<&'b Seen<'a>> {
    let (_, by) = context.history(refused.fp())?.replaced_by?;
    let by = context.by_id(by).filter(|by| by.is_refresh() && context.different_clients(by, refused))?;
    (0..STORM_MS).contains(&(refused.ms() - by.ms())).then_some(by)
}

/// Whether a failure of the token endpoint stands behind these refusals. They are its consequence then, and its
/// evidence.
pub(super) fn explains(context: &Context<'_>, group: &Group<'_>, findings: &mut [Finding]) -> bool {
    let consequence = group.kind() == Some(Kind::OauthAccess)
        && group.says.is_about_token()
        && group.says != Says::Revoked
        && group.place() == "authorization";
    let Some(first) = group.first().filter(|_| consequence) else {
        return false;
    };
    let issued_here = context.history(group.fp()).is_some_and(|history| history.origin != Origin::Brought);
    let causes = |finding: &&mut Finding| is_of_token_endpoint(finding.code) && !finding.exchanges.is_empty();
    for finding in findings.iter_mut().filter(causes) {
        let near = finding.exchanges.iter().filter_map(|id| context.by_id(*id)).any(|cause| {
            let since = first.ms() - cause.ms();
            let in_time = (-CONSEQUENCE_MS.1..=CONSEQUENCE_MS.0).contains(&since);
            let failed = !cause.issued() && cause.endpoint == endpoint::Endpoint::Token;
            in_time && failed && context.same_client(cause, first)
        });
        if near && !issued_here {
            *finding = finding.clone().proved_by(group.refused.iter().map(Seen::id)).about(group.fp());
            return true;
        }
    }
    false
}

fn is_of_token_endpoint(code: Code) -> bool {
    matches!(
        code,
        Code::RefreshTokenInvalid
            | Code::RefreshRace
            | Code::RefreshResultLost
            | Code::RefreshNetworkFailure
            | Code::TokenEndpointRateLimited
            | Code::TokenEndpointOutage
            | Code::TokenRequestRejected
            | Code::EdgeChallengeHtml
            | Code::RequestForbiddenEdge
    )
}
