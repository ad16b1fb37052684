//! The fields of the form for bugs of Claude Code, as far as a trace can fill them in.

use super::markup::{Document, code, prose, sentence};
use super::{mention, request, room};
use crate::analyze::{Failure, Survey};
use crate::catalogue::Family;
use crate::export::cells;
use crate::export::conclusion::{self, Conclusion};
use crate::export::groups::FailureGroups;
use crate::export::style::{clean, counted, thousands};
use crate::export::wording;
use crate::trace::{Connection, Exchange, Timestamp};

/// Stands where only the user knows what happened.
const FILL_IN: &str = "**⟨please fill in⟩**";

/// What Claude Code calls itself.
const CLIENT: &str = "claude-cli/";

pub(super) fn fields(page: &mut Document, survey: &Survey, conclusion: &Conclusion<'_>, groups: &FailureGroups<'_>) {
    page.heading("What's Wrong?");
    wrong(page, survey, conclusion, groups);
    page.heading("What Should Happen?");
    page.paragraph(expected(conclusion));
    errors(page, survey, groups);
    page.heading("Steps to Reproduce");
    steps(page, survey, conclusion);
    page.heading("Is this a regression?");
    page.paragraph(&format!("{FILL_IN} (a trace does not tell which version it last worked with)"));
    page.heading("Claude Code Version");
    page.paragraph(&version(survey));
    page.heading("Platform");
    page.paragraph(platform(survey).unwrap_or(FILL_IN));
    page.heading("Operating System");
    let os = survey.head().map(|head| head.os.as_str()).filter(|os| !os.is_empty());
    page.paragraph(&os.map_or_else(|| FILL_IN.to_owned(), code));
    page.heading("Terminal/Shell");
    page.paragraph(&format!("{FILL_IN} (not recorded)"));
}

fn wrong(page: &mut Document, survey: &Survey, conclusion: &Conclusion<'_>, groups: &FailureGroups<'_>) {
    page.paragraph(&sentence(&conclusion.verdict.summary));
    let mut lines = vec![format!(
        "{}: {} ({})",
        code(conclusion.verdict.code.as_str()),
        prose(conclusion.known.title),
        prose(&conclusion::certainty(conclusion.verdict))
    )];
    if conclusion.verdict.recovered {
        lines.push("what failed worked again later".to_owned());
    }
    let refused = || groups.exchanges.iter().flatten();
    if let Some(first) = refused().min_by_key(|exchange| (exchange.at, exchange.id)) {
        lines.push(format!("first failure: {}", mention(first)));
        match survey.accepted_before(first) {
            Some(good) => lines.push(format!("last accepted before it: {}", mention(good))),
            None => lines.push("nothing with a credential was accepted before it".to_owned()),
        }
    }
    if let Some(last) = refused().max_by_key(|exchange| (exchange.at, exchange.id)) {
        lines.push(format!("last failure: {}", mention(last)));
        match survey.accepted_after(last) {
            Some(good) => lines.push(format!("first accepted after it: {}", mention(good))),
            None => lines.push("nothing with a credential was accepted after it".to_owned()),
        }
    }
    page.list(room::WRONG, lines);
}

/// What a user may expect where this kind of thing went wrong.
fn expected(conclusion: &Conclusion<'_>) -> &'static str {
    match conclusion.known.family {
        Family::Refresh => {
            "The access token is renewed once, the new tokens are kept and used, also by other sessions of the same login, \
             and the message is answered. If that cannot be, the client says why."
        }
        Family::Login => {
            "A token that was just issued, by a login or a refresh, is used and accepted, and the message is answered."
        }
        Family::Token => {
            "A token that was issued and not revoked is accepted for as long as it was granted; one that is refused is \
             renewed, or the client says why that cannot be."
        }
        Family::Key => "The credential that was meant is sent in its own header, and accepted.",
        Family::Account => "The account's state is said in words that tell what to do, and no retry is made in vain.",
        Family::Service => "The request reaches the API and is answered by it.",
        Family::Network => "The client gets through to the API, or says which proxy or certificate stands in the way.",
        Family::Elsewhere => "Each server gets the credential that is meant for it, and accepts it.",
        Family::Label | Family::Observation => "Messages are answered.",
    }
}

/// The answers as they came, one line for each kind of failure.
fn errors(page: &mut Document, survey: &Survey, groups: &FailureGroups<'_>) {
    if groups.exchanges.is_empty() && groups.connections.is_empty() {
        return;
    }
    page.heading("Error Messages/Logs");
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    lines.extend(groups.exchanges.iter().filter_map(|group| Some((group.first()?.at, refusal(group, survey)))));
    lines.extend(groups.connections.iter().filter_map(|group| Some((group.first()?.opened, failed(group)))));
    lines.sort_by_key(|(at, _)| *at);
    page.fenced(room::LOG, lines.into_iter().map(|(_, line)| line));
}

fn refusal(group: &[&Exchange], survey: &Survey) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let ids = &first.request_ids;
    let named = [("request-id", ids.best()), ("client's id", ids.client.as_ref()), ("cf-ray", ids.edge.as_ref())];
    let ids: Vec<String> = named.iter().filter_map(|(name, id)| Some(format!("{name} {}", id.as_ref()?))).collect();
    let error = cells::error(first);
    let message = first.error.as_ref().and_then(|error| error.message.as_ref());
    let label = cells::credentials(first, survey.labels());
    let parts = [
        format!("{}  No. {}", first.at, first.id),
        format!(
            "{} {}",
            first.request.method,
            cells::target(first.request.host.as_str(), first.request.path.as_str(), 100)
        ),
        format!("{} {error}", cells::status(first)).trim_end().to_owned(),
        if label.is_empty() { "no credential".to_owned() } else { format!("with {label}") },
        ids.join(", "),
        repeated(group.len(), group.last().map(|last| last.at)),
        // Last, since a long line is cut at its end.
        message.map(|message| format!("\"{}\"", clean(message.as_str()))).unwrap_or_default(),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn failed(group: &[&Connection]) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let detail = first.end.detail.as_ref().map(|detail| clean(detail.as_str()).into_owned()).unwrap_or_default();
    let parts = [
        format!("{}  connection to {}", first.opened, cells::host_and_port(first.target.as_ref())),
        format!("{}: {}", first.end.outcome.as_str(), wording::what(first.end.outcome)),
        detail,
        repeated(group.len(), group.last().map(|last| last.opened)),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn repeated(count: usize, last: Option<Timestamp>) -> String {
    match (count, last) {
        (2.., Some(last)) => format!("({} times, last at {})", thousands(count), last.clock()),
        _ => String::new(),
    }
}

fn steps(page: &mut Document, survey: &Survey, conclusion: &Conclusion<'_>) {
    let mut lines = vec![format!("{FILL_IN}: the command, and what you did (neither is recorded)")];
    let proof = conclusion.evidence(survey);
    for exchange in proof.iter().take(8) {
        let answer = match exchange.status() {
            Some(_) => format!("{} {}", cells::status(exchange), cells::error(exchange)).trim_end().to_owned(),
            None => cells::error(exchange),
        };
        let label = cells::credentials(exchange, survey.labels());
        let with = if label.is_empty() { String::new() } else { format!(" with {}", code(&label)) };
        lines.push(format!("{} UTC: {}{with} → {}", exchange.at.clock(), request(exchange), code(&answer)));
    }
    if proof.len() > 8 {
        lines.push(format!("… {}, see the timeline", counted(proof.len() - 8, "more exchange")));
    }
    if proof.is_empty()
        && let Some(first) = survey.failures().iter().find_map(Failure::connection)
    {
        let target = code(&cells::host_and_port(first.target.as_ref()));
        lines.push(format!("{} UTC: a connection to {target} comes to nothing", first.opened.clock()));
    }
    page.steps(lines);
}

fn version(survey: &Survey) -> String {
    let mut versions: Vec<&str> = Vec::new();
    for client in survey.clients() {
        let version = client.as_str().split_once(CLIENT).and_then(|(_, behind)| behind.split([' ', ',', '(']).next());
        if let Some(version) = version.filter(|version| !versions.contains(version)) {
            versions.push(version);
        }
    }
    match versions.as_slice() {
        [] => format!("{FILL_IN} (no request of Claude Code was seen)"),
        several => several.iter().take(6).map(|version| code(version)).collect::<Vec<_>>().join(", "),
    }
}

/// Which of the platforms of the form was asked.
fn platform(survey: &Survey) -> Option<&'static str> {
    let hosts = survey.hosts();
    let asked = |parts: &[&str]| hosts.iter().any(|row| parts.iter().any(|part| row.host.as_str().contains(part)));
    if asked(&["anthropic.com", "claude.ai", "claude.com"]) {
        Some("Anthropic API")
    } else if asked(&["amazonaws.com", "api.aws"]) {
        Some("AWS Bedrock")
    } else if asked(&["googleapis.com"]) {
        Some("Google Vertex AI")
    } else if hosts.is_empty() {
        None
    } else {
        Some("Other")
    }
}
