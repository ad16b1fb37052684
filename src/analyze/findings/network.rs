//! Before any request: proxies that want credentials, and certificates that are not trusted.

use super::context::Context;
use super::draft::{since, times};
use super::finding::{Confidence, Finding, Severity};
use crate::analyze::endpoint::{Endpoint, is_anthropic};
use crate::catalogue::Code;
use crate::trace::{Connection, EndKind, Origin, Outcome};

/// The last moments of a run, in milliseconds.
const LAST_MS: i64 = 1_000;

/// A proxy on the way answered 407.
pub(super) fn proxy_auth(context: &Context<'_>) -> Vec<Finding> {
    let connections = context.survey.connections();
    let upstream: Vec<&Connection> = connections
        .iter()
        .filter(|one| one.end.outcome == Outcome::UpstreamProxyRefused && one.end.status == Some(407))
        .collect();
    let ours: Vec<&Connection> =
        connections.iter().filter(|one| one.end.outcome == Outcome::ProxyAuthRequired).collect();
    let inside: Vec<u64> = context
        .seen
        .iter()
        .filter(|seen| seen.status() == 407 && seen.exchange.origin != Origin::Authtrace)
        .map(super::context::Seen::id)
        .collect();
    let mut findings = Vec::new();
    if let Some(first) = upstream.first() {
        let schemes = first.end.detail.as_ref().filter(|detail| names_schemes(detail.as_str()));
        let schemes = schemes.map(|detail| format!(" ({detail})")).unwrap_or_default();
        let summary = format!(
            "The proxy on the way to {} answered CONNECT with 407{schemes}, {}: it wants credentials that \
             it did not get. Nothing reached the server.",
            host(first),
            since(upstream.len(), first.opened),
        );
        findings.push(of_connections(context, Code::ProxyAuthRequired, Confidence::High, summary, &upstream));
    } else if !inside.is_empty() {
        let summary =
            format!("A proxy between here and the server answered 407, {}: it wants credentials.", times(inside.len()));
        findings.push(
            Finding::new(Code::ProxyAuthRequired, Severity::Failure, Confidence::Medium, summary).proved_by(inside),
        );
    }
    if let Some(first) = ours.first() {
        let summary = format!(
            "A client came to authtrace itself without the password of this run, or with that of an earlier one, and was \
             refused: {}.",
            since(ours.len(), first.opened),
        );
        let mut finding = of_connections(context, Code::ProxyAuthRequired, Confidence::High, summary, &ours);
        finding.severity = if context.seen.is_empty() { Severity::Failure } else { Severity::Warning };
        findings.push(finding);
    }
    findings
}

/// A client broke off when it saw the certificate.
pub(super) fn untrusted(context: &Context<'_>) -> Vec<Finding> {
    let connections = context.survey.connections();
    let distrusted = |one: &&Connection| {
        let unknown_ca = one.end.detail.as_ref().is_some_and(|detail| {
            let detail = detail.as_str().to_ascii_lowercase();
            [
                "unknown ca",
                "unknown_ca",
                "bad certificate",
                "bad_certificate",
                "certificate unknown",
                "certificate_unknown",
            ]
            .iter()
            .any(|alert| detail.contains(alert))
        });
        let distrusts = one.end.outcome == Outcome::ClientDistrustsCa && !is_departure(context, one);
        distrusts || one.end.outcome == Outcome::ClientTls && unknown_ca
    };
    let clients: Vec<&Connection> = connections.iter().filter(distrusted).collect();
    let upstream: Vec<&Connection> = connections.iter().filter(|one| one.end.outcome == Outcome::UpstreamTls).collect();
    let mut findings = Vec::new();
    for distrusting in by_host(&clients) {
        let Some(first) = distrusting.first() else { continue };
        let program = first.peer.as_ref().and_then(|peer| peer.program.as_ref());
        let who = program.map_or_else(|| "A client".to_owned(), ToString::to_string);
        let summary = format!(
            "{who} broke off the TLS handshake with {} when it saw the certificate, {}: it does not trust the CA that \
             signed it.",
            host(first),
            since(distrusting.len(), first.opened),
        );
        let doubtful = distrusting.iter().all(|one| is_silent(one) && has_trusted(context, one));
        let confidence = if doubtful { Confidence::Medium } else { Confidence::High };
        findings.push(of_connections(context, Code::TlsInterceptionUntrusted, confidence, summary, &distrusting));
    }
    if let Some(first) = upstream.first() {
        let detail = first.end.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        let summary = format!(
            "authtrace did not trust the certificate that {} showed it, {}{detail}. Something between here \
             and the server looks into TLS, or the server's chain is not complete.",
            host(first),
            since(upstream.len(), first.opened),
        );
        findings.push(of_connections(context, Code::TlsInterceptionUntrusted, Confidence::Medium, summary, &upstream));
    }
    let failed: Vec<u64> = context
        .seen
        .iter()
        .filter(|seen| seen.exchange.end.outcome == EndKind::TlsFailed)
        .map(super::context::Seen::id)
        .collect();
    if findings.is_empty() && !failed.is_empty() {
        let summary = format!(
            "The TLS handshake failed {}: the client or a proxy did not accept a certificate.",
            times(failed.len())
        );
        findings.push(
            Finding::new(Code::TlsInterceptionUntrusted, Severity::Failure, Confidence::Medium, summary)
                .proved_by(failed),
        );
    }
    findings
}

/// Whether the detail of a refusal says which authentication the proxy wants.
fn names_schemes(detail: &str) -> bool {
    ["Basic", "Digest", "Negotiate", "NTLM", "Kerberos", "Bearer"].iter().any(|scheme| detail.contains(scheme))
}

/// Whether the client may have closed the connection during the handshake because a signal ended it: in the last second,
/// without a word.
fn is_departure(context: &Context<'_>, connection: &Connection) -> bool {
    let Some(end) = context.survey.end() else { return false };
    let closed = connection.opened.unix_ms().saturating_add_unsigned(connection.duration_us / 1_000);
    let at_the_end = end.at.is_some_and(|at| at.unix_ms().saturating_sub(closed) <= LAST_MS);
    let by_signal = end.exit_code.is_some_and(|code| code > 128);
    at_the_end && by_signal && is_silent(connection)
}

/// Whether it was closed without a TLS alert that says why.
fn is_silent(connection: &Connection) -> bool {
    connection.end.detail.as_ref().is_none_or(|detail| !detail.as_str().contains("alert"))
}

/// Whether the same process has finished a handshake with that host before. One part of it may trust what another does
/// not, so that is a doubt and no more.
fn has_trusted(context: &Context<'_>, connection: &Connection) -> bool {
    let Some(peer) = &connection.peer else { return false };
    context.survey.connections().iter().any(|one| {
        one.client_tls.is_some()
            && one.opened < connection.opened
            && host(one) == host(connection)
            && one.peer.as_ref().is_some_and(|other| other.pid == peer.pid)
    })
}

fn by_host<'a>(connections: &[&'a Connection]) -> Vec<Vec<&'a Connection>> {
    let mut groups: Vec<Vec<&Connection>> = Vec::new();
    for one in connections {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| host(first) == host(one))) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// A failure if that host never answered a request with a credential, or if it is Anthropic's and no message was ever
/// sent (one part of a client may trust what another does not); else something at the side, such as `git` or `npm` in a
/// run whose own requests are fine.
fn of_connections(
    context: &Context<'_>,
    code: Code,
    confidence: Confidence,
    summary: String,
    failed: &[&Connection],
) -> Finding {
    let Some((first, last)) = failed.first().zip(failed.last()) else {
        return Finding::new(code, Severity::Note, Confidence::Low, summary);
    };
    let answered = |seen: &super::context::Seen<'_>| {
        let exchange = seen.exchange;
        exchange.request.host.as_str() == host(first)
            && exchange.origin == Origin::Upstream
            && exchange.response.is_some()
            && (seen.fp().is_some() || seen.endpoint == Endpoint::Token)
    };
    let of_anthropic = is_anthropic(host(first));
    let no_message = context.messages().next().is_none();
    let works = context.seen.iter().any(answered) && !(of_anthropic && no_message);
    let later = works && context.after(last.opened.unix_ms()).any(answered);
    let severity = if (of_anthropic || no_message) && !works { Severity::Failure } else { Severity::Warning };
    let mut finding = Finding::new(code, severity, confidence, summary).recovered_if(later);
    finding.connections = failed.iter().take(12).map(|connection| connection.id).collect();
    finding
}

fn host(connection: &Connection) -> &str {
    connection.target.as_ref().map_or("the server", |target| target.host.as_str())
}
