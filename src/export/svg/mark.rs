//! What stands for a request: a shape and a short text by its answer, never a colour alone.

use super::markup::width;
use crate::analyze::{Failure, Survey};
use crate::export::style::{clean, duration};
use crate::export::{cells, wording};
use crate::trace::{Connection, EndKind, Exchange, Outcome};

/// How a request was answered, as far as it is drawn differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::export) enum Answer {
    /// Accepted.
    Good,
    /// An answer that says neither.
    Plain,
    /// Too many requests, or a failure of the server.
    Trouble,
    /// No answer.
    Silent,
    /// Refused for a reason of authentication.
    Refused,
}

impl Answer {
    pub(in crate::export) fn of(exchange: &Exchange) -> Self {
        match exchange.status() {
            _ if Failure::of_exchange(exchange).is_some() => Self::Refused,
            None => Self::Silent,
            Some(429 | 500..) => Self::Trouble,
            Some(200..300) if exchange.error.is_none() => Self::Good,
            Some(..400) if exchange.error.is_some() => Self::Trouble,
            Some(_) => Self::Plain,
        }
    }

    /// The name of its class in the style sheets.
    pub(in crate::export) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Plain => "plain",
            Self::Trouble => "trouble",
            Self::Silent => "silent",
            Self::Refused => "refused",
        }
    }

    /// What it is called in a legend.
    pub(in crate::export) fn meaning(self) -> &'static str {
        match self {
            Self::Good => "accepted",
            Self::Plain => "other answer",
            Self::Trouble => "limit or server error",
            Self::Silent => "no answer",
            Self::Refused => "refused",
        }
    }
}

/// A request, or a connection that came to nothing, as a mark in a row.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// The exchange; absent: a connection.
    pub(super) id: Option<u64>,
    pub(super) at: i64,
    pub(super) answer: Answer,
    /// The status, or the way it ended in a word.
    pub(super) text: String,
    /// Its number and what it asked for.
    pub(super) captions: [String; 2],
    /// Everything in a sentence.
    pub(super) name: String,
    /// Whether the top finding rests on it.
    pub(super) evidence: bool,
}

impl Mark {
    pub(super) fn of_exchange(exchange: &Exchange, survey: &Survey, evidence: bool) -> Self {
        let (id, what) = (exchange.id, purpose(exchange));
        let short = format!("#{id}");
        let long = if what.is_empty() { short.clone() } else { format!("#{id} {what}") };
        Self {
            id: Some(id),
            at: exchange.at.unix_ms(),
            answer: Answer::of(exchange),
            text: text(exchange),
            captions: [long, short],
            name: sentence(exchange, survey),
            evidence,
        }
    }

    pub(super) fn of_connection(connection: &Connection, evidence: bool) -> Self {
        let outcome = connection.end.outcome;
        let target = cells::host_and_port(connection.target.as_ref());
        let program = connection.peer.as_ref().and_then(|peer| peer.program.as_ref());
        let program = program.map(|program| clean(program.as_str()).into_owned()).unwrap_or_default();
        Self {
            id: None,
            at: connection.opened.unix_ms(),
            answer: if is_auth(outcome) { Answer::Refused } else { Answer::Silent },
            text: cause(outcome, connection.end.status).into_owned(),
            captions: [program, String::new()],
            name: format!("{} UTC, connection to {target}: {}", connection.opened.clock(), wording::what(outcome)),
            evidence,
        }
    }
}

/// How wide a mark with this text is.
pub(super) fn pill(text: &str) -> f64 {
    (width(text, 12.6) + 14.0).max(36.0)
}

/// What a request is for, in a word or two.
pub(in crate::export) fn purpose(exchange: &Exchange) -> String {
    let grant = exchange.oauth.as_ref().and_then(|oauth| oauth.grant_type.as_ref());
    match grant.map(|grant| grant.as_str()) {
        Some("refresh_token") => return "refresh".to_owned(),
        Some("authorization_code") => return "login".to_owned(),
        _ => {}
    }
    let path = exchange.request.path.as_str();
    let path = path.split('?').next().unwrap_or(path);
    if path.starts_with("/api/event_logging/") {
        return "telemetry".to_owned();
    }
    let is_word =
        |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let last = path.rsplit('/').find(is_word).unwrap_or_default();
    clean(last).chars().take(16).collect()
}

fn text(exchange: &Exchange) -> String {
    match exchange.status() {
        Some(status) if status < 400 && exchange.error.is_some() => format!("{} error", cells::status(exchange)),
        Some(_) => cells::status(exchange),
        None => match exchange.end.outcome {
            EndKind::Complete | EndKind::Upgraded | EndKind::Unanswered => "no answer",
            EndKind::ClientAbort => "aborted",
            EndKind::UpstreamReset => "reset",
            EndKind::UpstreamClosed => "closed",
            EndKind::UpstreamProtocol => "not HTTP",
            EndKind::Refused => "bad request",
            EndKind::Shutdown => "stopped",
            EndKind::Cut => "cut by us",
            EndKind::NotResolved => "no DNS",
            EndKind::NotConnected => "no route",
            EndKind::TlsFailed => "no TLS",
            EndKind::TimedOut => "timeout",
            EndKind::NotSent => "not sent",
        }
        .to_owned(),
    }
}

/// One exchange in a sentence, for a pointer that rests on it and for those who cannot see it.
fn sentence(exchange: &Exchange, survey: &Survey) -> String {
    let request = &exchange.request;
    let target = cells::target(request.host.as_str(), request.path.as_str(), 120);
    let error = cells::error(exchange);
    let message = exchange.error.as_ref().and_then(|error| error.message.as_ref());
    let mut parts = vec![
        format!("#{} {} UTC {} {target}", exchange.id, exchange.at.clock(), clean(request.method.as_str())),
        format!("{} {error}", cells::status(exchange)).trim_end().to_owned(),
    ];
    parts.extend(message.map(|message| clean(message.as_str()).chars().take(160).collect()));
    let credentials = cells::credentials(exchange, survey.labels());
    parts.push(if credentials.is_empty() { "no credential".to_owned() } else { credentials });
    parts.push(duration(exchange.timing.total_us));
    parts.join(" · ")
}

fn is_auth(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::ProxyAuthRequired | Outcome::ClientDistrustsCa | Outcome::UpstreamProxyRefused)
}

fn cause(outcome: Outcome, status: Option<u16>) -> std::borrow::Cow<'static, str> {
    if let Some(status) = status {
        return status.to_string().into();
    }
    match outcome {
        Outcome::ClientDistrustsCa => "no trust",
        Outcome::ProxyAuthRequired => "407",
        Outcome::UpstreamDns => "no DNS",
        Outcome::UpstreamConnect => "no route",
        Outcome::UpstreamTls | Outcome::ClientTls | Outcome::ClientTlsTimeout | Outcome::ClientNotTls => "no TLS",
        Outcome::UpstreamMtls => "wants cert",
        Outcome::UpstreamReset => "reset",
        _ => "failed",
    }
    .into()
}
