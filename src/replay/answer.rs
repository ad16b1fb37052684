//! An answer, rebuilt from what is recorded of it.

use crate::analyze::{Endpoint, endpoint};
use crate::compare::Route;
use crate::fake::{Model, Reply, Seed};
use crate::policy::{
    ApiError, Cut, Envelope, HtmlPage, RawAnswer, RequestIdShape, Rule, Script, Then, TokenOutcome, TokenTerms, When,
};
use crate::redact::Kind;
use crate::trace::{EndKind, ErrorFacts, ErrorShape, Exchange, Origin, Stage, Timestamp};
use serde_json::json;
use std::time::Duration;

/// What is played of one exchange.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Played {
    /// What happens.
    pub(super) then: Then,
    /// How long it takes before.
    pub(super) wait: Wait,
}

/// How long it took before the server did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// So long; played faster if a faster play is wanted.
    Answered(Duration),
    /// The client, or somebody on the way, gave up after so long. How long tells one failure from another, so that it is
    /// never played faster.
    GivenUp(Duration),
}

/// Why an exchange is not played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// authtrace answered it, or cut it: no evidence of anything.
    Own,
    /// A proxy on the way answered it, which is no part of a scenario.
    Proxy,
    /// Nothing came of it that a server did.
    Nothing,
}

/// How long a server keeps silent for a client that gave up: so much longer than the client waited then.
const SILENCE: Duration = Duration::from_secs(60);

/// What is played of an exchange. `usual` are the terms on which the server grants tokens if no rule says otherwise.
pub(super) fn played(exchange: &Exchange, route: &Route, usual: TokenTerms) -> Result<Played, Left> {
    match exchange.origin {
        Origin::Authtrace => return Err(Left::Own),
        Origin::UpstreamProxy => return Err(Left::Proxy),
        Origin::Upstream => {}
    }
    if exchange.end.outcome == EndKind::Cut {
        return Err(Left::Own);
    }
    let Some(response) = &exchange.response else { return unanswered(exchange) };
    let wait = Wait::Answered(micros(exchange.timing.wait_us.unwrap_or(0)));
    let broken = match exchange.end.outcome {
        EndKind::UpstreamReset => Some(Cut::Reset),
        EndKind::UpstreamClosed => Some(Cut::Close),
        _ => None,
    };
    // Where a login is sent back to holds its code: the model makes that, as it makes the body of a success.
    let sent_back = endpoint(exchange) == Endpoint::Authorize && response.status == 302 && is_known(route);
    let success = (200..300).contains(&response.status);
    let then = match (&exchange.error, broken) {
        (Some(error), _) if error.shape == ErrorShape::SseEvent => {
            let events = exchange.sse.as_ref().map_or(1, |sse| sse.events);
            let events = usize::try_from(events.saturating_sub(1)).unwrap_or(0);
            Then::StreamError { events, error: ApiError::new(200, kind_of(error), &message_of(error)) }
        }
        (None, Some(cut)) if success && exchange.end.stage == Some(Stage::ResponseBody) => match &exchange.sse {
            Some(sse) => Then::Truncate { events: usize::try_from(sse.events).unwrap_or(usize::MAX), cut },
            // Nobody but a stream can be broken off here, and the client has nothing of such an answer.
            None => Then::Cut(cut),
        },
        (None, _) if sent_back => Then::Accept,
        (None, _) if success => served(exchange, route, usual, response.status),
        (Some(error), _) => refused(exchange, error, response.status),
        (None, _) => Then::Raw(raw(exchange, response.status, b"")),
    };
    // A status that no answer ends with was an upgrade, or nonsense.
    if (200..600).contains(&response.status) { Ok(Played { then, wait }) } else { Err(Left::Nothing) }
}

fn unanswered(exchange: &Exchange) -> Result<Played, Left> {
    let total = micros(exchange.timing.total_us);
    let (then, wait) = match exchange.end.outcome {
        EndKind::UpstreamReset
        | EndKind::NotResolved
        | EndKind::NotConnected
        | EndKind::TlsFailed
        | EndKind::Unanswered => (Then::Cut(Cut::Reset), Wait::GivenUp(total)),
        EndKind::UpstreamClosed | EndKind::UpstreamProtocol => (Then::Cut(Cut::Close), Wait::GivenUp(total)),
        EndKind::ClientAbort | EndKind::TimedOut => {
            (Then::Cut(Cut::Close), Wait::GivenUp(total.saturating_add(SILENCE)))
        }
        _ => return Err(Left::Nothing),
    };
    Ok(Played { then, wait })
}

/// A success. The model makes the body; where it knows no such endpoint, an empty object has to do.
fn served(exchange: &Exchange, route: &Route, usual: TokenTerms, status: u16) -> Then {
    if status != 200 || !is_known(route) {
        return Then::Raw(RawAnswer {
            headers: Vec::new(),
            ..raw(exchange, status, body_of_success(exchange).as_bytes())
        });
    }
    match terms(exchange) {
        Some(terms) if terms != usual => Then::Token(TokenOutcome::Granted(terms)),
        _ => Then::Accept,
    }
}

/// The terms of a grant, if tokens were granted.
pub(super) fn terms(exchange: &Exchange) -> Option<TokenTerms> {
    let oauth = exchange.oauth.as_ref()?;
    let issued = |kind: Kind| oauth.issued.iter().any(|one| one.credential.kind == kind);
    let granted = exchange.status() == Some(200) && exchange.error.is_none() && issued(Kind::OauthAccess);
    let usual = TokenTerms::default();
    let lifetime = oauth.expires_in.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(usual.lifetime);
    granted.then_some(TokenTerms { lifetime, rotates: issued(Kind::OauthRefresh), ..usual })
}

/// Whether the fake has such an endpoint.
fn is_known(route: &Route) -> bool {
    let script = Script { rules: vec![Rule::always(When::default(), Then::Accept)] };
    let mut play = crate::fake::Play::new(Model::new(Seed::fixed(0)), script);
    let request = crate::fake::Request {
        method: &route.method,
        host: &route.host,
        path: &route.path,
        query: None,
        headers: &http::HeaderMap::new(),
        body: b"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
        now: Timestamp::from_unix_ms(0),
    };
    !matches!(play.reply(&request).0, Reply::Response(response) if response.status == 404)
}

fn body_of_success(exchange: &Exchange) -> String {
    let issued = exchange.oauth.as_ref().is_some_and(|oauth| !oauth.issued.is_empty());
    let json = exchange.response.as_ref().is_some_and(|response| response.body_bytes > 0);
    match (issued, json) {
        // Another authorization server than the one that is played.
        (true, _) => {
            json!({"token_type": "Bearer", "access_token": "FAKE-access-token", "expires_in": 3_600}).to_string()
        }
        (false, true) => "{}".to_owned(),
        (false, false) => String::new(),
    }
}

fn refused(exchange: &Exchange, error: &ErrorFacts, status: u16) -> Then {
    let (kind, message) = (error.kind.is_some(), error.message.is_some());
    let envelope = match error.shape {
        ErrorShape::Api => Some(Envelope::Typed),
        ErrorShape::ApiBare => Some(Envelope::Untyped),
        ErrorShape::Oauth => Some(Envelope::OAuth),
        _ => None,
    };
    match (error.shape, envelope) {
        (_, Some(envelope)) if kind && message && error.code.is_none() => Then::Error(ApiError {
            headers: headers(exchange),
            ..ApiError::new(status, kind_of(error), &message_of(error))
                .with_envelope(envelope)
                .with_request_id(id_shape(exchange))
        }),
        (ErrorShape::Html, _) if headers(exchange).is_empty() => {
            Then::Html(HtmlPage { status, title: message_of(error), challenge: is_challenge(exchange) })
        }
        _ => Then::Raw(raw(exchange, status, body(exchange, error).as_bytes())),
    }
}

/// The body of an error that no simpler form says.
fn body(exchange: &Exchange, error: &ErrorFacts) -> String {
    let message = message_of(error);
    let id = exchange.request_ids.body.is_some().then_some("req_011CFAKEFAKEFAKEFAKEFAKE");
    match error.shape {
        ErrorShape::Api | ErrorShape::ApiBare => {
            let mut object = json!({"type": kind_of(error), "message": message});
            if let (Some(code), Some(fields)) = (&error.code, object.as_object_mut()) {
                fields.insert("details".to_owned(), json!({"error_code": shown(code.as_str())}));
            }
            let mut body = if error.shape == ErrorShape::Api {
                json!({"type": "error", "error": object})
            } else {
                json!({"error": object})
            };
            if let (Some(fields), true) = (body.as_object_mut(), id.is_some() || exchange.request_ids.body_null) {
                fields.insert("request_id".to_owned(), json!(id));
            }
            body.to_string()
        }
        ErrorShape::Oauth if error.message.is_none() => json!({"error": kind_of(error)}).to_string(),
        ErrorShape::Oauth => json!({"error": kind_of(error), "error_description": message}).to_string(),
        ErrorShape::OtherJson => match &error.kind {
            Some(kind) => json!({"code": shown(kind.as_str()), "message": message}).to_string(),
            None => json!({"message": message}).to_string(),
        },
        ErrorShape::Html => {
            let title = message.replace('&', "&amp;").replace('<', "&lt;");
            format!("<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n")
        }
        ErrorShape::Text => message,
        ErrorShape::Empty | ErrorShape::Unreadable | ErrorShape::SseEvent => String::new(),
    }
}

fn raw(exchange: &Exchange, status: u16, body: &[u8]) -> RawAnswer {
    let mut kept = headers(exchange);
    if is_challenge(exchange) {
        kept.push(("cf-mitigated".to_owned(), "challenge".to_owned()));
        kept.sort();
    }
    let content_type =
        header(exchange, "content-type").unwrap_or(match exchange.error.as_ref().map(|error| error.shape) {
            Some(ErrorShape::Html) => "text/html; charset=UTF-8",
            Some(ErrorShape::Text | ErrorShape::Empty | ErrorShape::Unreadable) => "text/plain",
            _ => "application/json",
        });
    RawAnswer { headers: kept, ..RawAnswer::new(status, content_type, body) }
}

/// Header fields that steer a client. What names a moment in time is over, and left out.
fn headers(exchange: &Exchange) -> Vec<(String, String)> {
    const STEERING: [&str; 5] = ["retry-after", "retry-after-ms", "x-should-retry", "www-authenticate", "location"];
    let steers =
        |name: &str| STEERING.contains(&name) || name.starts_with("anthropic-ratelimit-") && !name.ends_with("-reset");
    let mut kept: Vec<(String, String)> = Vec::new();
    for field in exchange.response.iter().flat_map(|response| &response.headers) {
        let (name, value) = (field.name.as_str().to_ascii_lowercase(), field.value.as_str());
        if steers(&name) && !value.contains('‹') && !kept.iter().any(|(known, _)| *known == name) {
            kept.push((name, value.to_owned()));
        }
    }
    kept.sort();
    kept
}

fn header<'a>(exchange: &'a Exchange, name: &str) -> Option<&'a str> {
    let fields = &exchange.response.as_ref()?.headers;
    let value = fields.iter().find(|field| field.name.as_str().eq_ignore_ascii_case(name))?.value.as_str();
    (!value.contains('‹')).then_some(value)
}

fn is_challenge(exchange: &Exchange) -> bool {
    header(exchange, "cf-mitigated").is_some_and(|value| value.eq_ignore_ascii_case("challenge"))
}

fn id_shape(exchange: &Exchange) -> RequestIdShape {
    let ids = &exchange.request_ids;
    match (ids.body_null, ids.header.is_some() || ids.body.is_some()) {
        (true, _) => RequestIdShape::Null,
        (false, true) => RequestIdShape::Present,
        (false, false) => RequestIdShape::Missing,
    }
}

fn kind_of(error: &ErrorFacts) -> &str {
    error.kind.as_ref().map(|kind| kind.as_str()).filter(|kind| !kind.contains('‹')).unwrap_or("unknown_error")
}

fn message_of(error: &ErrorFacts) -> String {
    error.message.as_ref().map(|message| shown(message.as_str())).unwrap_or_default()
}

/// Text with a made-up word wherever something was taken out of it.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, marker)) = rest.split_once('‹') {
        out.push_str(before);
        out.push_str("FAKE");
        rest = marker.split_once('›').map_or("", |(_, behind)| behind);
    }
    out.push_str(rest);
    out
}

fn micros(us: u64) -> Duration {
    Duration::from_micros(us)
}
