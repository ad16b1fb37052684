//! One entry becomes an exchange: its raw parts are put together as they were on the wire, and read by the rules by which
//! the proxy reads them.

use super::address::{self, Address};
use super::failure::{self, Ending};
use super::json::Json;
use super::timing;
use crate::facts::{
    self, BodyFacts, Extractor, RawField, RequestFacts, RequestSource, ResponseFacts, ResponseSource, Route, Version,
};
use crate::redact::{Redacted, Redactor};
use crate::trace::{EndKind, ErrorShape, Exchange, Origin, RequestIds, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// A field of a head, raw.
type Field = (Zeroizing<String>, Zeroizing<String>);

/// A body as far as it is there.
enum Body {
    Kept(Zeroizing<Vec<u8>>),
    /// The tool says how long it was, and did not keep it.
    LeftOut,
    None,
}

/// Makes the exchange of an entry. Its numbers, its lane and, for an entry that authtrace wrote, its facts are the
/// caller's to set.
pub(super) fn exchange(
    entry: &Json,
    address: &Address<'_>,
    at: Timestamp,
    lane: Redacted,
    extractor: &mut Extractor,
) -> (Exchange, bool) {
    let (request, response) = (entry.get("request"), entry.get("response"));
    let status = status(response);
    let Ending { end, distrust } = failure::ending(entry, status);
    let complete = end.outcome == EndKind::Complete;

    for secret in address.secrets() {
        extractor.redactor().learn(&secret);
    }
    let method = request.get("method").word().unwrap_or_default();
    let target = target(method, address, request);
    let fields = request_fields(request);
    let headers = raw(&fields);
    let source = RequestSource {
        method: method.as_bytes(),
        scheme: address.scheme,
        host: address.host,
        port: address.port,
        target: target.as_bytes(),
        version: version(request, &fields),
        headers: &headers,
    };
    let RequestFacts { request: mut asked, credentials: mut sent, client_request_id } = extractor.request(&source);
    let body = request_body(request);
    asked.body_bytes = length(request.get("bodySize"), &body);
    let asked_facts = match &body {
        Body::Kept(bytes) => {
            let decoded = without_coding(&headers, bytes);
            read(
                facts::request_body(&RequestSource { headers: &decoded, ..source }),
                bytes,
                extractor.redactor(),
                complete,
            )
        }
        Body::LeftOut | Body::None => BodyFacts::default(),
    };
    sent.extend(asked_facts.credentials);

    let mut answered = None;
    let mut ids = RequestIds::default();
    let mut answer_facts = BodyFacts::default();
    if let Some(status) = status {
        let fields = response_fields(response);
        let headers = raw(&fields);
        let source = ResponseSource { status, version: version(response, &fields), headers: &headers };
        let ResponseFacts { response: mut head, ids: of_head } = extractor.response(&source);
        let body = response_body(response);
        head.body_bytes = length(response.get("bodySize"), &body);
        answer_facts = answer(Route::of(target.as_bytes()), &source, &body, extractor.redactor(), complete);
        ids = of_head;
        answered = Some(head);
    }
    answer_facts.add_ids(&mut ids);
    ids.client = client_request_id;
    let refused_by_proxy = status == Some(407) || (method == "CONNECT" && status.is_some_and(|status| status >= 300));
    let exchange = Exchange {
        id: 0,
        connection: 0,
        lane,
        peer: None,
        at,
        request: asked,
        credentials: sent,
        response: answered,
        error: answer_facts.error,
        request_ids: ids,
        oauth: facts::merge_oauth(asked_facts.oauth, answer_facts.oauth),
        sse: answer_facts.sse,
        timing: timing::timing(entry, status.is_some()),
        origin: if refused_by_proxy { Origin::UpstreamProxy } else { Origin::Upstream },
        passage: None,
        end,
    };
    (exchange, distrust)
}

/// The status of the answer; 0 and whatever else is none stand for no answer.
pub(super) fn status(response: &Json) -> Option<u16> {
    response
        .get("status")
        .count()
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (100..1000).contains(status))
}

/// The request target: for CONNECT host and port, else path and query. A query that stands in `queryString` alone is
/// put behind the path.
fn target<'a>(method: &str, address: &'a Address<'_>, request: &Json) -> Cow<'a, str> {
    if method == "CONNECT" {
        return format!("{}:{}", address.host, address.port).into();
    }
    let pairs = request.get("queryString").items();
    if address.target.contains('?') || pairs.is_empty() {
        return Cow::Borrowed(&address.target);
    }
    format!("{}?{}", address.target, *form(pairs)).into()
}

fn request_fields(request: &Json) -> Vec<Field> {
    let mut fields = fields(request.get("headers"));
    let cookies = request.get("cookies").items();
    if !cookies.is_empty() && !has(&fields, "cookie") {
        let pairs: Vec<_> = cookies.iter().map(|cookie| pair(cookie, "=")).collect();
        let joined = pairs.iter().map(|pair| pair.as_str()).collect::<Vec<_>>().join("; ");
        fields.push((Zeroizing::new("cookie".to_owned()), Zeroizing::new(joined)));
    }
    fields
}

/// Browsers join repeated `Set-Cookie` fields by line breaks.
fn response_fields(response: &Json) -> Vec<Field> {
    let mut split = Vec::new();
    for (name, value) in fields(response.get("headers")) {
        if name.eq_ignore_ascii_case("set-cookie") {
            let lines = value.lines().map(|line| (name.clone(), Zeroizing::new(line.to_owned())));
            split.extend(lines);
        } else {
            split.push((name, value));
        }
    }
    if !has(&split, "set-cookie") {
        let cookies = response.get("cookies").items().iter();
        split.extend(cookies.map(|cookie| (Zeroizing::new("set-cookie".to_owned()), pair(cookie, "="))));
    }
    split
}

/// Name and value of every field; the pseudo-fields of HTTP/2 (RFC 9113 §8.3) are the request line, not fields.
fn fields(list: &Json) -> Vec<Field> {
    let fields = list.items().iter().filter_map(|field| {
        let name = field.get("name").word().filter(|name| !name.starts_with(':'))?;
        Some((Zeroizing::new(name.to_owned()), scalar(field.get("value"))))
    });
    fields.collect()
}

fn has(fields: &[Field], name: &str) -> bool {
    fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

fn raw(fields: &[Field]) -> Vec<RawField<'_>> {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

/// The bytes of a body that is kept decoded while its head names a coding: only what is no text can still be coded.
fn without_coding<'a>(headers: &[RawField<'a>], body: &[u8]) -> Vec<RawField<'a>> {
    let text = std::str::from_utf8(body).is_ok();
    let coding = |name: &[u8]| name.eq_ignore_ascii_case(b"content-encoding");
    headers.iter().copied().filter(|(name, _)| !(text && coding(name))).collect()
}

fn request_body(request: &Json) -> Body {
    let data = request.get("postData");
    match data.get("text").text() {
        Some(text) if !text.is_empty() => Body::Kept(bytes(text, data.get("encoding"))),
        _ if !data.get("params").items().is_empty() => {
            let pairs = data.get("params").items();
            let body = json_in_form(pairs).unwrap_or_else(|| form(pairs));
            Body::Kept(Zeroizing::new(body.as_bytes().to_vec()))
        }
        _ if request.get("bodySize").count().is_some_and(|size| size > 0) => Body::LeftOut,
        _ => Body::None,
    }
}

fn response_body(response: &Json) -> Body {
    let content = response.get("content");
    match content.get("text").text() {
        Some(text) if !text.is_empty() => Body::Kept(bytes(text, content.get("encoding"))),
        _ if [content.get("size"), response.get("bodySize")]
            .into_iter()
            .any(|size| size.count().is_some_and(|size| size > 0)) =>
        {
            Body::LeftOut
        }
        _ => Body::None,
    }
}

fn bytes(text: &str, encoding: &Json) -> Zeroizing<Vec<u8>> {
    if encoding.word().is_some_and(|name| name.eq_ignore_ascii_case("base64")) {
        let packed: Zeroizing<Vec<u8>> =
            Zeroizing::new(text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
        if let Ok(bytes) = STANDARD.decode(&*packed) {
            return Zeroizing::new(bytes);
        }
    }
    Zeroizing::new(text.as_bytes().to_vec())
}

/// As the tool counted it on the wire, else as it is kept.
fn length(size: &Json, body: &Body) -> u64 {
    match (size.count(), body) {
        (Some(size), _) if size > 0 => size,
        (_, Body::Kept(bytes)) => bytes.len() as u64,
        (size, _) => size.unwrap_or(0),
    }
}

fn read(mut reader: facts::BodyReader, body: &[u8], redactor: &Redactor, complete: bool) -> BodyFacts {
    reader.push(body, 0);
    reader.finish(redactor, complete)
}

fn answer(route: Route, source: &ResponseSource<'_>, body: &Body, redactor: &Redactor, complete: bool) -> BodyFacts {
    let bytes = match body {
        Body::Kept(bytes) => bytes.as_slice(),
        Body::LeftOut | Body::None => &[],
    };
    let decoded = without_coding(source.headers, bytes);
    let reader = facts::response_body(route, &ResponseSource { headers: &decoded, ..*source });
    let mut facts = read(reader, bytes, redactor, complete);
    if let (Body::LeftOut, Some(error)) = (body, &mut facts.error)
        && error.shape == ErrorShape::Empty
    {
        error.shape = ErrorShape::Unreadable;
    }
    // When the events came is not in the capture.
    facts.first_event_us = None;
    if let Some(sse) = &mut facts.sse {
        (sse.span_us, sse.longest_gap_us) = (None, None);
        sse.followed &= matches!(body, Body::Kept(_));
    }
    facts
}

fn version(message: &Json, fields: &[Field]) -> Version {
    let name = message.get("httpVersion").word().unwrap_or_default().to_ascii_lowercase();
    let number = name.strip_prefix("http/").unwrap_or(&name);
    let pseudo =
        message.get("headers").items().iter().any(|field| field.get("name").word().is_some_and(|n| n.starts_with(':')));
    match number {
        "1.0" => Version::Http10,
        "1.1" => Version::Http11,
        "2" | "2.0" | "h2" | "h2c" => Version::Http2,
        "3" | "3.0" | "quic" => Version::Http3,
        _ if number.starts_with("h3") => Version::Http3,
        _ if pseudo && !fields.is_empty() => Version::Http2,
        _ => Version::Unknown,
    }
}

/// Pairs as a form has them (`application/x-www-form-urlencoded`).
fn form(pairs: &[Json]) -> Zeroizing<String> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut joined = Zeroizing::new(String::new());
    for pair in pairs {
        let (name, value) = (scalar(pair.get("name")), scalar(pair.get("value")));
        if !joined.is_empty() {
            joined.push('&');
        }
        joined.push_str(&encoded(&name));
        joined.push('=');
        joined.push_str(&Zeroizing::new(encoded(&value)));
    }
    joined
}

/// JSON that was labelled as a form: its tool took all of it for the name of a field.
fn json_in_form(pairs: &[Json]) -> Option<Zeroizing<String>> {
    let [one] = pairs else { return None };
    let name = scalar(one.get("name"));
    (name.trim_start().starts_with('{') && scalar(one.get("value")).is_empty()).then_some(name)
}

fn pair(cookie: &Json, between: &str) -> Zeroizing<String> {
    let (name, value) = (scalar(cookie.get("name")), scalar(cookie.get("value")));
    Zeroizing::new(format!("{}{between}{}", *name, *value))
}

fn scalar(value: &Json) -> Zeroizing<String> {
    match value {
        Json::Text(text) => text.clone(),
        Json::Number(number) => Zeroizing::new(number.to_string()),
        Json::Bool(truth) => Zeroizing::new(truth.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => Zeroizing::new(String::new()),
    }
}

/// The URL of a request; what stands in it for a redacted part is decoded.
pub(super) fn url(request: &Json) -> Cow<'_, str> {
    address::with_markers(request.get("url").word().unwrap_or_default())
}
