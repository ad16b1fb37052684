//! What is worth knowing beside a verdict.

use super::context::{Context, Seen};
use super::draft::{answer, clock, span, times};
use super::finding::{Confidence, Finding, Severity};
use super::lifetime::SKEW_MS;
use super::shape::has_oauth_beta;
use crate::analyze::endpoint::Endpoint;
use crate::analyze::lineage::Origin;
use crate::analyze::says::header;
use crate::catalogue::Code;
use crate::redact::{Fingerprint, Kind};
use crate::trace::Outcome;
use std::collections::{HashMap, HashSet};

/// A refused credential that comes so often in a row is worth a word.
const REPEATED: usize = 3;
/// A clock that differs by more than this is worth a word, in milliseconds.
const NOTED_SKEW_MS: i64 = 60_000;

pub(super) fn all(context: &Context<'_>) -> Vec<Finding> {
    [
        two_credentials,
        subscription_unused,
        beta_missing,
        hidden_refresh,
        absolute_form,
        partly_proxied,
        clock_skew,
        telemetry,
    ]
    .iter()
    .filter_map(|rule| rule(context))
    .chain(repeated(context))
    .chain(retry_after(context))
    .collect()
}

fn note(code: Code, severity: Severity, summary: String, exchanges: impl IntoIterator<Item = u64>) -> Finding {
    Finding::new(code, severity, Confidence::High, summary).proved_by(exchanges)
}

/// Both headers, different values.
fn two_credentials(context: &Context<'_>) -> Option<Finding> {
    let pair = |seen: &Seen<'_>| -> Option<(Fingerprint, Fingerprint)> {
        let stands = |place: &str| seen.exchange.credentials.iter().find(|sent| sent.place.as_str() == place);
        let (key, bearer) = (stands("x-api-key")?.credential.fp, stands("authorization")?.credential.fp);
        (key != bearer).then_some((key, bearer))
    };
    let met: Vec<(&Seen<'_>, (Fingerprint, Fingerprint))> =
        context.seen.iter().filter_map(|seen| Some((seen, pair(seen)?))).collect();
    let (_, (key, bearer)) = met.first()?;
    let summary = format!(
        "{} carried both `x-api-key` ({}) and `authorization` ({}), with different values: two variables are set, and the \
         server decides which one counts.",
        if met.len() == 1 { "One request".to_owned() } else { format!("{} requests", met.len()) },
        context.name(Some(*key)),
        context.name(Some(*bearer)),
    );
    Some(
        note(Code::TwoCredentialsSent, Severity::Warning, summary, met.iter().map(|(seen, _)| seen.id()))
            .about([*key, *bearer]),
    )
}

/// A key pays for what the subscription would have covered.
fn subscription_unused(context: &Context<'_>) -> Option<Finding> {
    let with = |seen: &&Seen<'_>, kind: Kind| {
        seen.is_accepted() && seen.credential.is_some_and(|sent| sent.credential.kind == kind)
    };
    // A key that a login made is how a Console login works.
    let made = |seen: &Seen<'_>| {
        context.history(seen.fp()).is_some_and(|history| matches!(history.origin, Origin::KeyCreation { .. }))
    };
    let key = context.messages().find(|seen| with(seen, Kind::ApiKey) && !made(seen))?;
    let of_login =
        |seen: &&Seen<'_>| seen.is_anthropic() && with(seen, Kind::OauthAccess) && context.same_client(seen, key);
    let login = context.seen.iter().find(of_login);
    let names =
        |name: &str| context.survey.head().is_some_and(|head| head.variables.iter().any(|one| one.as_str() == name));
    let (why, evidence) = match login {
        Some(login) => {
            (format!("an OAuth login is there, too ({}, #{})", context.name(login.fp()), login.id()), Some(login.id()))
        }
        None if names("ANTHROPIC_API_KEY") && names("CLAUDE_CODE_OAUTH_TOKEN") => {
            ("both ANTHROPIC_API_KEY and CLAUDE_CODE_OAUTH_TOKEN are set".to_owned(), None)
        }
        None => return None,
    };
    let summary = format!(
        "Messages are sent with the API key {} although {why}: the key is billed, and the subscription is not used.",
        context.name(key.fp())
    );
    Some(
        note(Code::SubscriptionUnused, Severity::Note, summary, std::iter::once(key.id()).chain(evidence))
            .about(key.fp()),
    )
}

/// An OAuth token without its opt-in, accepted nevertheless.
fn beta_missing(context: &Context<'_>) -> Option<Finding> {
    let met: Vec<&Seen<'_>> = context
        .messages()
        .filter(|seen| {
            let oauth = seen.credential.is_some_and(|sent| {
                sent.credential.kind == Kind::OauthAccess && sent.place.as_str() == "authorization"
            });
            oauth && seen.is_accepted() && !has_oauth_beta(seen.exchange)
        })
        .collect();
    let first = met.first()?;
    let summary = format!(
        "{} was sent {} without the OAuth opt-in in `anthropic-beta`, and accepted. ANTHROPIC_AUTH_TOKEN does that; the \
         API refuses it with 401 at other times.",
        context.name(first.fp()),
        times(met.len()),
    );
    Some(note(Code::BearerWithoutOauthBeta, Severity::Note, summary, met.iter().map(|seen| seen.id())))
}

/// The client prints the 401 of a message; the reason is the refresh before it.
fn hidden_refresh(context: &Context<'_>) -> Option<Finding> {
    let mut failed = context.token_requests().rev().filter(|seen| seen.is_refresh() && !seen.issued());
    // A client may try once more after what it shows.
    let (failed, shown) = failed.find_map(|failed| Some((failed, refused_after(context, failed)?)))?;
    let summary = format!(
        "The client shows {} (#{}). Behind it stands the refresh of {} UTC, #{}, which got {} and which it does not show.",
        answer(shown.exchange),
        shown.id(),
        clock(failed.at()),
        failed.id(),
        answer(failed.exchange),
    );
    Some(note(Code::RefreshFailureHidden, Severity::Note, summary, [failed.id(), shown.id()]))
}

fn refused_after<'a, 'b>(context: &'b Context<'a>, failed: &Seen<'a>) -> Option<&'b Seen<'a>> {
    context.messages().find(|seen| seen.is_refused() && seen.ms() >= failed.ms() && context.same_client(seen, failed))
}

fn absolute_form(context: &Context<'_>) -> Option<Finding> {
    let met: Vec<_> =
        context.survey.connections().iter().filter(|one| one.end.outcome == Outcome::HttpsAbsoluteForm).collect();
    met.first()?;
    let summary = format!(
        "A client sent an https:// request to the proxy in the clear, {}, as some libraries do when only ALL_PROXY is set. \
         authtrace refused it; the credential in it went no further than this machine.",
        times(met.len()),
    );
    let mut finding = note(Code::HttpsAbsoluteForm, Severity::Warning, summary, []);
    finding.connections = met.iter().take(12).map(|one| one.id).collect();
    Some(finding)
}

/// Token traffic and side calls, but never a message, of a client that failed or goes past the proxy.
fn partly_proxied(context: &Context<'_>) -> Option<Finding> {
    let authenticated = |seen: &&Seen<'_>| {
        seen.is_anthropic() && (seen.is_accepted() || seen.issued()) && seen.endpoint != Endpoint::Telemetry
    };
    let calls: Vec<u64> = context.seen.iter().filter(authenticated).map(Seen::id).collect();
    let exit = context.survey.end().and_then(|end| end.exit_code);
    let messages = context.seen.iter().any(Seen::is_message);
    if calls.is_empty() || messages || exit.is_none() && !context.survey.is_imported() {
        return None;
    }
    let login = context.token_requests().any(|seen| seen.issued() && !seen.is_refresh());
    let why = if login {
        "a login alone looks like this; if a prompt was sent, it went past the proxy"
    } else {
        "if a prompt was sent, its messages went past the proxy"
    };
    let summary = format!("Requests with a credential were seen, but never a message: {why}.");
    Some(note(Code::PartlyProxied, Severity::Note, summary, calls)).map(|mut finding| {
        finding.confidence = Confidence::Low;
        finding
    })
}

fn clock_skew(context: &Context<'_>) -> Option<Finding> {
    let difference = context.survey.clock_difference()?;
    let ms = difference.median_ms;
    if ms.abs() < NOTED_SKEW_MS {
        return None;
    }
    let way = if ms > 0 { "behind" } else { "ahead of" };
    let by = match difference.answers {
        1 => "by one answer".to_owned(),
        answers => format!("median of {answers} answers"),
    };
    let summary = format!("This machine's clock is {} {way} the servers' ({by}).", span(ms));
    let severity = if ms.abs() > SKEW_MS { Severity::Warning } else { Severity::Note };
    Some(note(Code::ClockSkew, severity, summary, []))
}

/// Telemetry that was refused says nothing about the login.
fn telemetry(context: &Context<'_>) -> Option<Finding> {
    let refused: Vec<u64> = context.survey.telemetry_refusals().map(|exchange| exchange.id).collect();
    if refused.is_empty() {
        return gateway_key_at_the_side(context);
    }
    let summary = format!(
        "Telemetry was refused {}; the client sends it with or without a credential, and nothing depends on it.",
        times(refused.len())
    );
    Some(note(Code::TelemetryNoise, Severity::Note, summary, refused))
}

/// With a custom base URL, what is asked at the side still goes to Anthropic, with the key of the gateway.
fn gateway_key_at_the_side(context: &Context<'_>) -> Option<Finding> {
    let refused = context.seen.iter().filter(|seen| seen.is_refused() && context.is_of_gateway(seen));
    let refused: Vec<u64> = refused.map(Seen::id).collect();
    let summary = format!(
        "The key of the gateway was refused {} where Anthropic is asked for settings and the like; messages go to the \
         gateway and do not depend on it.",
        times(refused.len())
    );
    (!refused.is_empty()).then(|| note(Code::TelemetryNoise, Severity::Note, summary, refused))
}

/// The same refused credential, again and again, by one process or by several one after the other.
fn repeated(context: &Context<'_>) -> Vec<Finding> {
    let mut runs: HashMap<Fingerprint, Vec<&Seen<'_>>> = HashMap::new();
    let mut found: Vec<Vec<&Seen<'_>>> = Vec::new();
    for seen in context.messages() {
        let Some(fp) = seen.fp() else { continue };
        let run = runs.entry(fp).or_default();
        if seen.is_refused() {
            run.push(seen);
        } else if seen.is_accepted() {
            found.push(std::mem::take(run));
        }
    }
    found.extend(runs.into_values());
    found.retain(|run| run.len() >= REPEATED);
    found.sort_by_key(|run| run.first().map(|seen| seen.id()));
    let longest = found.into_iter().max_by_key(Vec::len);
    longest.and_then(|run| repetition(context, &run)).into_iter().collect()
}

fn repetition(context: &Context<'_>, run: &[&Seen<'_>]) -> Option<Finding> {
    let (first, last) = (run.first()?, run.last()?);
    let processes: HashSet<usize> = run.iter().map(|seen| seen.process).collect();
    let who = match processes.len() {
        1 => "The client".to_owned(),
        several => format!("{several} clients"),
    };
    let summary = format!(
        "{who} sent the refused {} {} in a row without changing it, over {}.",
        context.name(first.fp()),
        times(run.len()),
        span(last.ms() - first.ms()),
    );
    Some(
        note(Code::RefusedCredentialRepeated, Severity::Note, summary, run.iter().map(|seen| seen.id()))
            .about(first.fp()),
    )
}

/// The client came back before the time that the server had named.
fn retry_after(context: &Context<'_>) -> Vec<Finding> {
    let mut early = Vec::new();
    let mut waiting: HashMap<(usize, &str), (&Seen<'_>, i64)> = HashMap::new();
    for seen in &context.seen {
        let route = (seen.process, seen.exchange.request.path.as_str());
        if let Some((asked, seconds)) = waiting.remove(&route) {
            let answered =
                asked.ms().saturating_add(i64::try_from(asked.exchange.timing.total_us / 1_000).unwrap_or(0));
            if seen.ms() >= answered && (seen.ms() - answered) < seconds.saturating_mul(950) {
                early.push((asked, seen, seconds));
            }
        }
        let seconds = header(seen.exchange, "retry-after").and_then(|value| value.parse::<i64>().ok());
        if let Some(seconds) = seconds.filter(|s| *s > 0 && seen.status() >= 400) {
            waiting.insert(route, (seen, seconds));
        }
    }
    let Some((asked, came, seconds)) = early.first() else {
        return Vec::new();
    };
    let summary = format!(
        "The server asked to wait {seconds} s (#{}), and the client came back after {} (#{}); {} in this trace.",
        asked.id(),
        span(came.ms() - asked.ms()),
        came.id(),
        times(early.len()),
    );
    let evidence = early.iter().flat_map(|(asked, came, _)| [asked.id(), came.id()]);
    vec![note(Code::RetryAfterIgnored, Severity::Note, summary, evidence)]
}
