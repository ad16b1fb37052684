//! Hosts that are not Anthropic's: gateways, clouds, MCP servers, and credentials that do not belong there.

use super::context::{Context, Seen};
use super::draft::{answer, since, span, times};
use super::finding::{Confidence, Finding, Severity};
use super::keys::succeeded_by_new_key;
use crate::analyze::endpoint::{Endpoint, Provider, is_ours};
use crate::analyze::says::Says;
use crate::catalogue::Code;
use crate::redact::{Fingerprint, Kind};

/// An OAuth token of Anthropic in a header, or a refresh token anywhere, on its way to somebody else; an API key where
/// nobody asked for messages.
pub(super) fn leaked(context: &Context<'_>) -> Vec<Finding> {
    let leaks: Vec<(&Seen<'_>, Fingerprint)> = context
        .seen
        .iter()
        .filter(|seen| !is_ours(seen.exchange.request.host.as_str()))
        .filter_map(|seen| Some((seen, leaked_credential(seen)?)))
        .collect();
    let Some((first, fp)) = leaks.first() else {
        return Vec::new();
    };
    let summary = format!(
        "The Anthropic credential {} was sent to {}, {}. Whoever runs that host may have it now.",
        context.name(Some(*fp)),
        first.exchange.request.host,
        since(leaks.len(), first.at()),
    );
    let key = context.history(Some(*fp)).is_some_and(|history| history.credential.kind == Kind::ApiKey);
    let confidence = if key { Confidence::Medium } else { Confidence::High };
    let finding = Finding::new(Code::GatewayReceivesAnthropicCredential, Severity::Failure, confidence, summary);
    vec![finding.proved_by(leaks.iter().map(|(seen, _)| seen.id())).about(leaks.iter().map(|(_, fp)| *fp))]
}

fn leaked_credential(seen: &Seen<'_>) -> Option<Fingerprint> {
    let leaks = seen.exchange.credentials.iter().find(|sent| match sent.credential.kind {
        Kind::OauthAccess => !sent.place.as_str().starts_with("body."),
        Kind::OauthRefresh => true,
        // A gateway may well be given a key of its own account.
        Kind::ApiKey => !matches!(seen.provider, Provider::Gateway | Provider::Cloud),
        _ => false,
    });
    leaks.map(|sent| sent.credential.fp)
}

/// Bedrock, Vertex, Foundry, and where their credentials come from.
pub(super) fn cloud(context: &Context<'_>) -> Vec<Finding> {
    let refused = refused_by(context, Provider::Cloud);
    found(context, Code::CloudProviderCredentials, &refused, Confidence::High, |first, when| {
        format!(
            "{} refused the credentials of the cloud account with {}, {when}. This is not the Anthropic \
             login.",
            first.exchange.request.host,
            answer(first.exchange),
        )
    })
}

/// An MCP server or its authorization server.
pub(super) fn mcp(context: &Context<'_>) -> Vec<Finding> {
    let refused = refused_by(context, Provider::Mcp);
    // A first request without a token is how a client learns where to log in.
    let discovered = |seen: &&Seen<'_>| {
        let same_host = |other: &Seen<'_>| other.exchange.request.host == seen.exchange.request.host;
        seen.exchange.credentials.is_empty()
            && context.after(seen.ms()).any(|other| same_host(other) && other.is_accepted())
    };
    let refused: Vec<&Seen<'_>> = refused.into_iter().filter(|seen| !discovered(seen)).collect();
    // Nobody has logged in there yet: the client offers the login, and goes on without that server.
    let unclaimed = refused.iter().all(|seen| seen.exchange.credentials.is_empty() && seen.endpoint != Endpoint::Token);
    let severity = if unclaimed && context.messages_work() { Severity::Warning } else { Severity::Failure };
    let mut found = found(context, Code::McpOauth, &refused, Confidence::High, |first, when| {
        format!(
            "The MCP server at {} refused {} with {}, {when}. Its login is separate from the Anthropic \
             login.",
            first.exchange.request.host,
            if first.fp().is_some() || first.endpoint == Endpoint::Token {
                "its credential"
            } else {
                "a request without a credential"
            },
            answer(first.exchange),
        )
    });
    found.iter_mut().for_each(|finding| finding.severity = severity);
    found
}

/// The host of a custom base URL refuses what it was given.
pub(super) fn gateway(context: &Context<'_>) -> Vec<Finding> {
    let mut hosts: Vec<Vec<&Seen<'_>>> = Vec::new();
    for seen in refused_by(context, Provider::Gateway) {
        let host = &seen.exchange.request.host;
        match hosts.iter_mut().find(|of_host| of_host.first().is_some_and(|first| first.exchange.request.host == *host))
        {
            Some(of_host) => of_host.push(seen),
            None => hosts.push(vec![seen]),
        }
    }
    hosts.iter().flat_map(|refused| one_gateway(context, refused)).collect()
}

fn one_gateway(context: &Context<'_>, refused: &[&Seen<'_>]) -> Vec<Finding> {
    let Some((first, last)) = refused.first().zip(refused.last()) else {
        return Vec::new();
    };
    if let Some(next) = succeeded_by_new_key(context, last) {
        let summary = format!(
            "{} refused {} {} with {}; {} later the client came with another, {}, and was accepted (#{}).",
            first.exchange.request.host,
            context.name(first.fp()),
            times(refused.len()),
            answer(first.exchange),
            span(next.ms() - last.ms()),
            context.name(next.fp()),
            next.id(),
        );
        let finding = Finding::new(Code::ApikeyhelperStale, Severity::Failure, Confidence::Medium, summary);
        let evidence = refused.iter().map(|seen| seen.id()).chain([next.id()]);
        return vec![finding.proved_by(evidence).recovered_if(true).or(&[Code::GatewayKeyRejected])];
    }
    found(context, Code::GatewayKeyRejected, refused, Confidence::High, |first, when| {
        let places: Vec<&str> = first.exchange.credentials.iter().map(|sent| sent.place.as_str()).collect();
        let sent = if places.is_empty() {
            "no credential".to_owned()
        } else {
            format!("a credential in `{}`", places.join("` and `"))
        };
        format!(
            "The gateway {} was sent {sent} and answered {}, {when}. A gateway checks keys of its own; the Anthropic login plays no part.",
            first.exchange.request.host,
            answer(first.exchange),
        )
    })
}

fn refused_by<'a, 'b>(context: &'b Context<'a>, provider: Provider) -> Vec<&'b Seen<'a>> {
    let refuses = |seen: &&Seen<'a>| {
        let refused = seen.is_refused() || matches!(seen.status(), 401 | 403);
        let limited = matches!(seen.says, Some(Says::RateLimited | Says::Overloaded | Says::ServerError));
        seen.provider == provider && refused && !limited
    };
    context.seen.iter().filter(refuses).collect()
}

fn found(
    context: &Context<'_>,
    code: Code,
    refused: &[&Seen<'_>],
    confidence: Confidence,
    summary: impl Fn(&Seen<'_>, String) -> String,
) -> Vec<Finding> {
    let Some((first, last)) = refused.first().zip(refused.last()) else {
        return Vec::new();
    };
    let host = &last.exchange.request.host;
    let later = context.after(last.ms()).any(|seen| seen.exchange.request.host == *host && seen.is_accepted());
    let same = |seen: &&&Seen<'_>| {
        seen.exchange.request.host == first.exchange.request.host && answer(seen.exchange) == answer(first.exchange)
    };
    let alike = refused.iter().filter(same).count();
    let mut summary = summary(first, since(alike, first.at()));
    if alike < refused.len() {
        summary.push_str(&format!(
            " Others like it were refused {}, in other words or at other hosts.",
            times(refused.len() - alike)
        ));
    }
    let finding = Finding::new(code, Severity::Failure, confidence, summary);
    let credentials = refused.iter().filter_map(|seen| seen.fp());
    vec![finding.proved_by(refused.iter().map(|seen| seen.id())).about(credentials).recovered_if(later)]
}
