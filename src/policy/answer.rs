//! Answers that a rule gives, in the shapes that the API, its token endpoint and the edge in front of them use.

use super::coding::Coding;
use bytes::Bytes;
use serde_json::{Value, json};
use std::borrow::Cow;

/// A whole answer, without the fields that frame its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header fields in order.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body, coded as the fields say.
    pub body: Bytes,
}

impl Answer {
    fn new(status: u16, content_type: &str, body: &[u8], coding: Coding) -> Self {
        let mut headers = vec![("content-type".into(), content_type.to_owned())];
        headers.extend(coding.name().map(|name| ("content-encoding".into(), name.to_owned())));
        Self { status, headers, body: coding.encode(body).into() }
    }

    fn push(&mut self, name: &'static str, value: String) {
        self.headers.push((name.into(), value));
    }

    fn extend(&mut self, fields: &[(String, String)]) {
        self.headers.extend(fields.iter().map(|(name, value)| (name.clone().into(), value.clone())));
    }
}

/// What stands around the error object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Envelope {
    /// `{"type":"error","error":{…}}`, the documented shape.
    #[default]
    Typed,
    /// `{"error":{…}}`, as the edge and the token endpoint's rate limit answer.
    Untyped,
    /// `{"error": "…", "error_description": "…"}` (RFC 6749 §5.2), with the spaces the token endpoint writes.
    OAuth,
}

/// Where the request id shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestIdShape {
    /// In the `request-id` header field and in the body.
    #[default]
    Present,
    /// `null` in the body, and in no header field.
    Null,
    /// Nowhere.
    Missing,
}

/// An error answer of the API or of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The status code.
    pub status: u16,
    /// `error.type`, such as `authentication_error`.
    pub kind: String,
    /// `error.message`.
    pub message: String,
    /// The shape of the body.
    pub envelope: Envelope,
    /// Where the request id shows.
    pub request_id: RequestIdShape,
    /// The value of `x-should-retry`, if it is sent.
    pub should_retry: Option<bool>,
    /// The value of `retry-after` in seconds, if it is sent.
    pub retry_after: Option<u32>,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// How the body is compressed.
    pub coding: Coding,
}

impl ApiError {
    /// An error in the documented shape with a request id.
    #[must_use]
    pub fn new(status: u16, kind: &str, message: &str) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            message: message.to_owned(),
            envelope: Envelope::Typed,
            request_id: RequestIdShape::Present,
            should_retry: None,
            retry_after: None,
            headers: Vec::new(),
            coding: Coding::Identity,
        }
    }

    /// 401 `authentication_error`.
    #[must_use]
    pub fn unauthorized(message: &str) -> Self {
        Self::new(401, "authentication_error", message)
    }

    /// 403 `permission_error`, not to be tried again.
    #[must_use]
    pub fn forbidden(message: &str) -> Self {
        Self { should_retry: Some(false), ..Self::new(403, "permission_error", message) }
    }

    /// 400 `invalid_grant` of the token endpoint for a refresh token that is no longer one.
    #[must_use]
    pub fn invalid_grant() -> Self {
        Self {
            envelope: Envelope::OAuth,
            request_id: RequestIdShape::Missing,
            ..Self::new(400, "invalid_grant", "Refresh token not found or invalid")
        }
    }

    /// The same with the request id shown otherwise.
    #[must_use]
    pub fn with_request_id(self, request_id: RequestIdShape) -> Self {
        Self { request_id, ..self }
    }

    /// The same in another shape.
    #[must_use]
    pub fn with_envelope(self, envelope: Envelope) -> Self {
        Self { envelope, ..self }
    }

    /// The same, compressed.
    #[must_use]
    pub fn with_coding(self, coding: Coding) -> Self {
        Self { coding, ..self }
    }

    /// The error object, as it also stands in an event stream.
    #[must_use]
    pub fn object(&self) -> Value {
        json!({"type": self.kind, "message": self.message})
    }

    /// The same as an event of a stream, as it comes after a 200.
    #[must_use]
    pub fn event(&self) -> Bytes {
        format!("event: error\ndata: {}\n\n", json!({"type": "error", "error": self.object()})).into()
    }

    /// The answer, given the id of the request.
    #[must_use]
    pub fn answer(&self, request_id: &str) -> Answer {
        let mut answer = Answer::new(self.status, "application/json", self.body(request_id).as_bytes(), self.coding);
        if self.request_id == RequestIdShape::Present {
            answer.push("request-id", request_id.to_owned());
        }
        if let Some(again) = self.should_retry {
            answer.push("x-should-retry", again.to_string());
        }
        if let Some(seconds) = self.retry_after {
            answer.push("retry-after", seconds.to_string());
        }
        answer.extend(&self.headers);
        answer
    }

    fn body(&self, request_id: &str) -> String {
        let (kind, message) = (json!(self.kind), json!(self.message));
        match self.envelope {
            // In the order of the real ones, type first.
            Envelope::Typed | Envelope::Untyped => {
                let outer = if self.envelope == Envelope::Typed { r#""type":"error","# } else { "" };
                let id = match self.request_id {
                    RequestIdShape::Present => format!(r#","request_id":{}"#, json!(request_id)),
                    RequestIdShape::Null => r#","request_id":null"#.to_owned(),
                    RequestIdShape::Missing => String::new(),
                };
                format!(r#"{{{outer}"error":{{"type":{kind},"message":{message}}}{id}}}"#)
            }
            Envelope::OAuth => format!(r#"{{"error": {kind}, "error_description": {message}}}"#),
        }
    }
}

/// An HTML page, as an edge in front of the API sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlPage {
    /// The status code.
    pub status: u16,
    /// The title, also the heading.
    pub title: String,
    /// Whether `cf-mitigated: challenge` is sent.
    pub challenge: bool,
}

impl HtmlPage {
    /// The answer.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let title = self.title.replace('&', "&amp;").replace('<', "&lt;");
        let body = format!(
            "<!DOCTYPE html><html lang=\"en-US\"><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        );
        let mut answer = Answer::new(self.status, "text/html; charset=UTF-8", body.as_bytes(), Coding::Identity);
        if self.challenge {
            answer.push("cf-mitigated", "challenge".to_owned());
        }
        answer
    }
}

/// An answer given word for word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status code.
    pub status: u16,
    /// The value of `content-type`.
    pub content_type: String,
    /// Further header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it is compressed.
    pub coding: Coding,
}

impl RawAnswer {
    /// A body of a type, as it is.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: &[u8]) -> Self {
        Self {
            status,
            content_type: content_type.to_owned(),
            headers: Vec::new(),
            body: body.to_vec(),
            coding: Coding::Identity,
        }
    }

    /// The answer.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let mut answer = Answer::new(self.status, &self.content_type, &self.body, self.coding);
        answer.extend(&self.headers);
        answer
    }
}
