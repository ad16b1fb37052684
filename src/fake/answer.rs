//! Requests and answers as values.

use crate::policy::{Answer, Cut};
use crate::trace::Timestamp;
use bytes::Bytes;
use http::HeaderMap;
use std::borrow::Cow;
use std::time::Duration;

/// One request as the model sees it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// The host asked for, lower case, without a port.
    pub host: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: Option<&'a str>,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
    /// The server's clock.
    pub now: Timestamp,
}

impl Request<'_> {
    /// The value of a header field, if it is there once or more and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether any field of this name has `item` in its comma-separated list.
    pub(super) fn lists(&self, name: &str, item: &str) -> bool {
        self.headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim() == item)
    }

    /// The body as JSON, or null if it is none.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.body).unwrap_or_default()
    }
}

/// What the fake does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It answers.
    Response(Response),
    /// It ends the connection without an answer.
    Cut(Cut),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields in order, without those that frame the body.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body.
    pub body: Body,
}

impl Response {
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    pub(super) fn text(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("content-type".into(), content_type.to_owned())], body: Body::Full(body.into()) }
    }

    /// The first value of a header field.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        Self { status: answer.status, headers: answer.headers, body: Body::Full(answer.body) }
    }
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// All at once.
    Full(Bytes),
    /// In pieces, over time.
    Streamed(Streamed),
}

impl Body {
    /// All bytes that would be sent.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Full(bytes) => bytes.to_vec(),
            Self::Streamed(streamed) => streamed.pieces.concat(),
        }
    }
}

/// A body sent in pieces: one server-sent event each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streamed {
    /// The pieces.
    pub pieces: Vec<Bytes>,
    /// The pause before each piece but the first; none means the server's own default.
    pub gap: Option<Duration>,
    /// What follows the last piece.
    pub end: StreamEnd,
}

/// The end of a streamed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// A proper end of the message.
    Complete,
    /// The connection is cut.
    Cut(Cut),
}
