//! Heads: header fields and the credentials in them.

use super::memo::{Line, Memo};
use super::source::{RequestSource, ResponseSource, Scheme, Version};
use crate::redact::{Direction, Redacted, Redactor};
use crate::trace::{self, Credential, HeaderField, RequestIds};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What the head of a request says.
#[derive(Clone, Debug)]
pub struct RequestFacts {
    /// The request; its body's length and its trailers come later.
    pub request: trace::Request,
    /// Credentials in the headers, in their order.
    pub credentials: Vec<Credential>,
    /// `x-client-request-id`.
    pub client_request_id: Option<Redacted>,
}

/// What the head of an answer says.
#[derive(Clone, Debug)]
pub struct ResponseFacts {
    /// The answer; its body's length, interim statuses and trailers come later.
    pub response: trace::Response,
    /// The ids in its headers.
    pub ids: RequestIds,
}

/// The last target, raw and redacted.
struct Target {
    raw: Zeroizing<Vec<u8>>,
    shown: Redacted,
    /// What the redactor said of its memory then.
    memory: u64,
}

/// Makes facts of the heads of one connection.
///
/// On a connection that is kept open most lines of a head repeat those of the one before: they are remembered, raw and
/// redacted, so that a repeated line costs a comparison. The raw side is bounded and wiped.
pub struct Extractor {
    redactor: Arc<Redactor>,
    answers: Redactor,
    requests: Memo,
    responses: Memo,
    target: Option<Target>,
    host: Option<(String, Redacted)>,
}

impl Extractor {
    /// For one connection.
    #[must_use]
    pub fn new(redactor: Arc<Redactor>) -> Self {
        let answers = redactor.for_answers();
        Self { redactor, answers, requests: Memo::default(), responses: Memo::default(), target: None, host: None }
    }

    /// The redactor that is used.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Reads the head of a request.
    pub fn request(&mut self, source: &RequestSource<'_>) -> RequestFacts {
        let host = self.host(source.host);
        let path = self.path(source.target);
        let redactor = &*self.redactor;
        let mut headers = Vec::with_capacity(source.headers.len());
        let mut credentials = Vec::new();
        let mut client_request_id = None;
        self.requests.rewind(redactor.memory());
        for (name, value) in source.headers {
            let redact = |name: &[u8], value: &[u8]| redact(redactor, name, value, Direction::Request);
            self.requests.line(name, value, redact, |line| {
                if name.eq_ignore_ascii_case(b"x-client-request-id") {
                    client_request_id = Some(line.field.value.clone());
                }
                credentials.extend_from_slice(&line.credentials);
                headers.push(line.field.clone());
            });
        }
        let request = trace::Request {
            method: redactor.method(source.method),
            scheme: match source.scheme {
                Scheme::Http => Redacted::literal("http"),
                Scheme::Https => Redacted::literal("https"),
            },
            host,
            port: source.port,
            path,
            version: version(source.version),
            headers: headers.into(),
            body_bytes: 0,
            trailers: Vec::new(),
        };
        RequestFacts { request, credentials, client_request_id }
    }

    /// Reads the head of an answer.
    pub fn response(&mut self, source: &ResponseSource<'_>) -> ResponseFacts {
        let redactor = &self.answers;
        let mut headers = Vec::with_capacity(source.headers.len());
        let mut ids = RequestIds::default();
        self.responses.rewind(redactor.memory());
        for (name, value) in source.headers {
            let redact = |name: &[u8], value: &[u8]| redact(redactor, name, value, Direction::Response);
            self.responses.line(name, value, redact, |line| {
                if name.eq_ignore_ascii_case(b"request-id") {
                    ids.header = Some(line.field.value.clone());
                } else if name.eq_ignore_ascii_case(b"x-request-id") {
                    ids.header.get_or_insert_with(|| line.field.value.clone());
                } else if name.eq_ignore_ascii_case(b"cf-ray") {
                    ids.edge = Some(line.field.value.clone());
                }
                headers.push(line.field.clone());
            });
        }
        let response = trace::Response {
            status: source.status,
            version: version(source.version),
            interim: Vec::new(),
            headers: headers.into(),
            body_bytes: 0,
            trailers: Vec::new(),
        };
        ResponseFacts { response, ids }
    }

    /// Reads trailer fields.
    pub fn trailers(&mut self, fields: &[(&[u8], &[u8])], direction: Direction) -> Vec<HeaderField> {
        let redactor = match direction {
            Direction::Request => &self.redactor,
            Direction::Response => &self.answers,
        };
        fields.iter().map(|(name, value)| redact(redactor, name, value, direction).field).collect()
    }

    fn host(&mut self, host: &str) -> Redacted {
        match &self.host {
            Some((raw, redacted)) if raw == host => redacted.clone(),
            _ => {
                let redacted = self.redactor.host(host);
                self.host = Some((host.to_owned(), redacted.clone()));
                redacted
            }
        }
    }

    fn path(&mut self, target: &[u8]) -> Redacted {
        let memory = self.redactor.memory();
        match &self.target {
            Some(last) if last.raw.as_slice() == target && last.memory == memory => last.shown.clone(),
            _ => {
                let shown = self.redactor.path(target);
                if target.len() <= 1024 {
                    self.target = Some(Target { raw: Zeroizing::new(target.to_vec()), shown: shown.clone(), memory });
                }
                shown
            }
        }
    }
}

fn redact(redactor: &Redactor, name: &[u8], value: &[u8], direction: Direction) -> Line {
    // First the credentials: what they teach the redactor holds for the fields that follow.
    let found = redactor.credentials(name, value);
    let (shown, value) = redactor.header(name, value, direction);
    let credentials = if found.is_empty() {
        Vec::new()
    } else {
        let place = place(name).unwrap_or_else(|| shown.clone());
        found
            .into_iter()
            .map(|found| Credential { place: place.clone(), scheme: found.scheme, credential: found.credential })
            .collect()
    };
    Line { field: HeaderField { name: shown, value }, credentials }
}

/// Headers that carry credentials, as the trace names them.
const PLACES: [&str; 16] = [
    "authorization",
    "x-api-key",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "api-key",
    "x-goog-api-key",
    "x-amz-security-token",
    "cf-aig-authorization",
    "helicone-auth",
    "cf-access-client-id",
    "cf-access-client-secret",
    "mcp-session-id",
    "sec-websocket-protocol",
    "x-auth-token",
    "x-access-token",
];

fn place(name: &[u8]) -> Option<Redacted> {
    let known = PLACES.iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))?;
    Some(Redacted::literal(known))
}

fn version(version: Version) -> Redacted {
    match version {
        Version::Http10 => Redacted::literal("HTTP/1.0"),
        Version::Http11 => Redacted::literal("HTTP/1.1"),
        Version::Http2 => Redacted::literal("HTTP/2"),
        Version::Http3 => Redacted::literal("HTTP/3"),
        Version::Unknown => Redacted::literal(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_words_that_a_reader_of_the_trace_knows() {
        for known in PLACES {
            assert_eq!(Redactor::plain().place(known), known);
        }
    }
}
