//! HAR 1.2, for browsers and whatever else reads it.
//!
//! Bodies are not in it: they were not kept. What HAR has no words for stands in `_authtrace`, of each entry and of the
//! log, so that `authtrace` reads the same facts back. URLs are made valid: a host that is not shown gets a name to stand
//! in for it, and `‹…›` is percent-encoded.

use crate::analyze::{Survey, Unread};
use crate::redact::Redacted;
use crate::trace::{
    Credential, End, ErrorFacts, Exchange, HeaderField, OAuthFacts, Origin, Passage, Peer, Record, Request, RequestIds,
    Response, SseFacts, Timestamp, Timing,
};
use http::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use std::io::{self, Write};

/// Writes the whole trace, an entry a line.
///
/// # Errors
/// When the writer fails.
pub fn write(survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    write!(out, "{{\"log\":{{\"version\":\"1.2\",\"creator\":")?;
    serde_json::to_writer(&mut *out, &Creator { name: "authtrace", version: env!("CARGO_PKG_VERSION") })?;
    write!(out, ",\"pages\":[],\"comment\":\"credentials are fingerprints, bodies were not kept\",\n\"_authtrace\":")?;
    serde_json::to_writer(&mut *out, &Rest::of(survey))?;
    write!(out, ",\n\"entries\":[")?;
    for (index, exchange) in survey.exchanges().iter().enumerate() {
        writeln!(out, "{}", if index == 0 { "" } else { "," })?;
        serde_json::to_writer(&mut *out, &Entry::of(exchange))?;
    }
    writeln!(out, "\n]}}}}")
}

#[derive(Serialize)]
struct Creator {
    name: &'static str,
    version: &'static str,
}

/// What a trace holds besides exchanges.
#[derive(Serialize)]
struct Rest<'a> {
    records: Vec<Record>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unread: &'a [Unread],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    started_date_time: Timestamp,
    time: f64,
    request: HarRequest<'a>,
    response: HarResponse<'a>,
    cache: Nothing,
    timings: Timings,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(rename = "_authtrace")]
    facts: Facts<'a>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HarRequest<'a> {
    method: &'a Redacted,
    url: String,
    http_version: &'a str,
    cookies: [Nothing; 0],
    headers: &'a [HeaderField],
    query_string: Vec<Pair>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post_data: Option<PostData<'a>>,
    headers_size: i64,
    body_size: u64,
}

#[derive(Serialize)]
struct Pair {
    name: String,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostData<'a> {
    mime_type: &'a str,
    text: &'static str,
    comment: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HarResponse<'a> {
    status: u16,
    status_text: &'static str,
    http_version: &'a str,
    cookies: [Nothing; 0],
    headers: &'a [HeaderField],
    content: Content<'a>,
    #[serde(rename = "redirectURL")]
    redirect_url: &'a str,
    headers_size: i64,
    body_size: i64,
    #[serde(rename = "_error", skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    size: u64,
    mime_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'static str>,
}

/// In milliseconds, with a fraction.
#[derive(Serialize)]
struct Timings {
    blocked: f64,
    dns: f64,
    connect: f64,
    ssl: f64,
    send: f64,
    wait: f64,
    receive: f64,
}

/// What HAR has no words for.
#[derive(Serialize)]
struct Facts<'a> {
    exchange: u64,
    connection: u64,
    lane: &'a Redacted,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<&'a Peer>,
    credentials: &'a [Credential],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ErrorFacts>,
    #[serde(skip_serializing_if = "RequestIds::is_empty")]
    request_ids: &'a RequestIds,
    #[serde(skip_serializing_if = "Option::is_none")]
    oauth: Option<&'a OAuthFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sse: Option<&'a SseFacts>,
    timing: Timing,
    origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    passage: Option<&'a Passage>,
    end: &'a End,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    interim: &'a [u16],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    request_trailers: &'a [HeaderField],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    response_trailers: &'a [HeaderField],
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a Redacted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a Redacted>,
}

const NOT_KEPT: &str = "the body was not kept";
const UNKNOWN_TYPE: &str = "x-unknown";

impl<'a> Rest<'a> {
    fn of(survey: &'a Survey) -> Self {
        let head = survey.head().cloned().map(|head| Record::Trace(Box::new(head)));
        let connections = survey.connections().iter().map(|one| Record::Connection(Box::new(one.clone())));
        let unfinished = survey.unfinished().cloned().map(Record::Request);
        let gaps = survey.gaps().iter().cloned().map(Record::Gap);
        let notes = survey.notes().iter().cloned().map(Record::Note);
        let end = survey.end().cloned().map(Record::End);
        let records = head.into_iter().chain(connections).chain(unfinished).chain(gaps).chain(notes).chain(end);
        Self { records: records.collect(), unread: survey.unread() }
    }
}

impl<'a> Entry<'a> {
    fn of(exchange: &'a Exchange) -> Self {
        let timings = Timings::of(&exchange.timing, exchange.response.is_some());
        Self {
            started_date_time: exchange.at,
            time: timings.sum(),
            request: HarRequest::of(&exchange.request),
            response: HarResponse::of(exchange.response.as_ref(), &exchange.end),
            cache: Nothing {},
            timings,
            connection: (exchange.connection != 0).then(|| exchange.connection.to_string()),
            facts: Facts::of(exchange),
        }
    }
}

impl<'a> HarRequest<'a> {
    fn of(request: &'a Request) -> Self {
        let post_data = (request.body_bytes > 0).then(|| PostData {
            mime_type: field(&request.headers, "content-type").unwrap_or(UNKNOWN_TYPE),
            text: "",
            comment: NOT_KEPT,
        });
        Self {
            method: &request.method,
            url: url(request),
            http_version: version(&request.version),
            cookies: [],
            headers: &request.headers,
            query_string: query(request.path.as_str()),
            post_data,
            headers_size: -1,
            body_size: request.body_bytes,
        }
    }
}

impl<'a> HarResponse<'a> {
    fn of(response: Option<&'a Response>, end: &End) -> Self {
        let broken = end.stage.is_some().then(|| end.outcome.as_str());
        let Some(response) = response else {
            return Self {
                status: 0,
                status_text: "",
                http_version: "unknown",
                cookies: [],
                headers: &[],
                content: Content { size: 0, mime_type: UNKNOWN_TYPE, comment: None },
                redirect_url: "",
                headers_size: -1,
                body_size: -1,
                error: Some(broken.unwrap_or("unanswered")),
            };
        };
        let status = StatusCode::from_u16(response.status).ok();
        Self {
            status: response.status,
            status_text: status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
            http_version: version(&response.version),
            cookies: [],
            headers: &response.headers,
            content: Content {
                size: response.body_bytes,
                mime_type: field(&response.headers, "content-type").unwrap_or(UNKNOWN_TYPE),
                comment: (response.body_bytes > 0).then_some(NOT_KEPT),
            },
            redirect_url: field(&response.headers, "location").unwrap_or_default(),
            headers_size: -1,
            body_size: i64::try_from(response.body_bytes).unwrap_or(i64::MAX),
            error: broken,
        }
    }
}

impl Timings {
    /// HAR counts the TLS handshake into `connect`. Without an answer all the time was spent waiting for it.
    fn of(timing: &Timing, answered: bool) -> Self {
        let connect = timing.connect_us.map(|tcp| tcp.saturating_add(timing.tls_us.unwrap_or(0)));
        let waited = timing.total_us.saturating_sub(timing.send_us);
        Self {
            blocked: -1.0,
            dns: ms(timing.dns_us),
            connect: ms(connect.or(timing.tls_us)),
            ssl: ms(timing.tls_us),
            send: ms(Some(timing.send_us)),
            wait: ms(Some(if answered { timing.wait_us.unwrap_or(0) } else { waited })),
            receive: ms(Some(timing.receive_us.unwrap_or(0))),
        }
    }

    fn sum(&self) -> f64 {
        let us: f64 = [self.dns, self.connect, self.send, self.wait, self.receive]
            .into_iter()
            .filter(|part| *part > 0.0)
            .map(|part| (part * 1000.0).round())
            .sum();
        us / 1000.0
    }
}

impl<'a> Facts<'a> {
    fn of(exchange: &'a Exchange) -> Self {
        let (host, path) = (&exchange.request.host, &exchange.request.path);
        let said_by_url = path.as_str().starts_with('/') && !path.as_str().contains('#');
        Self {
            exchange: exchange.id,
            connection: exchange.connection,
            lane: &exchange.lane,
            peer: exchange.peer.as_ref(),
            credentials: &exchange.credentials,
            error: exchange.error.as_ref(),
            request_ids: &exchange.request_ids,
            oauth: exchange.oauth.as_ref(),
            sse: exchange.sse.as_ref(),
            timing: exchange.timing,
            origin: exchange.origin,
            passage: exchange.passage.as_ref(),
            end: &exchange.end,
            interim: exchange.response.as_ref().map_or(&[], |response| &response.interim),
            request_trailers: &exchange.request.trailers,
            response_trailers: exchange.response.as_ref().map_or(&[], |response| &response.trailers),
            host: (!is_plain_host(host.as_str())).then_some(host),
            path: (!said_by_url).then_some(path),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
fn ms(us: Option<u64>) -> f64 {
    us.map_or(-1.0, |us| us as f64 / 1000.0)
}

fn version(version: &Redacted) -> &str {
    if version.as_str().is_empty() { "unknown" } else { version.as_str() }
}

fn field<'a>(headers: &'a [HeaderField], name: &str) -> Option<&'a str> {
    headers.iter().find(|field| field.name.as_str().eq_ignore_ascii_case(name)).map(|field| field.value.as_str())
}

/// What may stand in a path or query (RFC 3986 §3.3), and `%`, which begins what is encoded already.
const URL: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

fn url(request: &Request) -> String {
    let (scheme, path) = (request.scheme.as_str(), request.path.as_str());
    let port = match (scheme, request.port) {
        ("https", 443) | ("http", 80) => String::new(),
        (_, port) => format!(":{port}"),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{}{port}{slash}{}", stand_in(request.host.as_str()), utf8_percent_encode(path, URL))
}

fn is_plain_host(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

/// A host as it may stand in a URL: `‹host fp=3f9c21ab›.com` becomes `host-fp-3f9c21ab.com`.
fn stand_in(host: &str) -> String {
    if is_plain_host(host) {
        return host.to_owned();
    }
    if host.contains(':') && host.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) {
        return format!("[{host}]");
    }
    let plain = host.replace([' ', '='], "-");
    let plain: String = plain.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    if plain.is_empty() { "unknown".to_owned() } else { plain }
}

/// Names and values of a query; an equals sign inside `‹…›` separates nothing.
fn query(path: &str) -> Vec<Pair> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut inside = false;
        let at = pair.find(|c| {
            inside = (inside || c == '‹') && c != '›';
            c == '=' && !inside
        });
        let (name, value) =
            at.map_or((pair, ""), |at| (pair.get(..at).unwrap_or(pair), pair.get(at + 1..).unwrap_or("")));
        Pair { name: name.to_owned(), value: value.to_owned() }
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_taken_apart_outside_of_markers() {
        let pairs: Vec<_> = query("/x?beta=true&‹key fp=3f9c21ab›=‹len≤8 fp=3f9c21ab›&y#z")
            .into_iter()
            .map(|pair| (pair.name, pair.value))
            .collect();
        let want = [("beta", "true"), ("‹key fp=3f9c21ab›", "‹len≤8 fp=3f9c21ab›"), ("y", "")];
        assert_eq!(pairs, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(query("/x").is_empty());
    }

    #[test]
    fn hosts_stand_in_urls() {
        for (host, want) in [
            ("api.anthropic.com", "api.anthropic.com"),
            ("‹host fp=3f9c21ab›.com", "host-fp-3f9c21ab.com"),
            ("::1", "[::1]"),
            ("", "unknown"),
        ] {
            assert_eq!(stand_in(host), want);
        }
    }

    #[test]
    fn times_add_up() {
        let timing = Timing {
            dns_us: Some(1_500),
            connect_us: Some(2_000),
            tls_us: Some(3_000),
            send_us: 250,
            wait_us: Some(100_000),
            total_us: 200_000,
            ..Timing::default()
        };
        let timings = Timings::of(&timing, true);
        assert_eq!((timings.connect, timings.ssl, timings.sum()), (5.0, 3.0, 106.75));
        let timings = Timings::of(&timing, false);
        assert_eq!(timings.wait, 199.75);
    }
}
