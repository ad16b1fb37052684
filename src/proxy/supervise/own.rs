//! Answers that authtrace gives in the server's place, and how they look on the wire. Each says whose it is.

use crate::policy::{Answer, ApiError, Cut, Reason, RequestIdShape};
use crate::redact::Redacted;
use bytes::Bytes;
use std::borrow::Cow;

/// The field by which an answer of ours is known.
pub(in crate::proxy) const MARK: &str = "X-Authtrace";

/// Values of that field: a rule of the scenario, and somebody who was asked.
pub(super) const BY_SCENARIO: &str = "scenario";
pub(super) const BY_ASKING: &str = "guard_asked";

/// The value of that field for a limit of the guard.
pub(super) fn by_guard(reason: Reason) -> &'static str {
    match reason {
        Reason::Refusals(_) => "guard_refusals",
        Reason::TokenRefusals(_) => "guard_token_refusals",
        Reason::Requests(_) => "guard_requests",
        Reason::Time(_) => "guard_seconds",
    }
}

/// What becomes of a request that the server does not see; with a sentence for its record.
pub(in crate::proxy) enum Own {
    /// It is answered.
    Answer(OwnAnswer),
    /// Its connection ends.
    Cut(Cut, Redacted),
}

/// An answer of ours.
pub(in crate::proxy) struct OwnAnswer {
    pub(in crate::proxy) status: u16,
    /// Fields in order, without those that frame the body.
    pub(in crate::proxy) fields: Vec<(Cow<'static, str>, String)>,
    pub(in crate::proxy) body: Bytes,
    /// Why, for the record.
    pub(in crate::proxy) told: Redacted,
}

impl OwnAnswer {
    pub(super) fn new(answer: Answer, by: &'static str, told: Redacted) -> Self {
        let mut fields = answer.headers;
        fields.retain(|(name, _)| !frames(name) && !name.eq_ignore_ascii_case(MARK));
        fields.push((MARK.into(), by.to_owned()));
        Self { status: answer.status, fields, body: answer.body, told }
    }

    /// An error after which the client does not try again. Both versions of Claude Code looked at give up at once on a
    /// 403 in the API's form, whatever the credential, and do not renew a token because of it.
    pub(super) fn ending(error: ApiError, by: &'static str, told: Redacted) -> Self {
        let error = ApiError { should_retry: Some(false), ..error.with_request_id(RequestIdShape::Missing) };
        Self::new(error.answer(""), by, told)
    }

    /// The fields as they stand in the record.
    pub(in crate::proxy) fn raw_fields(&self) -> Vec<(&[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    }

    /// Whether a body may follow the head (RFC 9110 §6.4.1).
    pub(in crate::proxy) fn has_body(&self, to_head: bool) -> bool {
        !to_head && !matches!(self.status, 204 | 304)
    }

    /// The message in HTTP/1.1; `close`: it is the last on its connection.
    pub(in crate::proxy) fn message(&self, to_head: bool, close: bool) -> Vec<u8> {
        let status = http::StatusCode::from_u16(self.status).ok();
        let reason = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
        let mut message = format!("HTTP/1.1 {} {reason}\r\n", self.status).into_bytes();
        for (name, value) in self.raw_fields() {
            push_field(&mut message, name, value);
        }
        if !matches!(self.status, 204 | 304) {
            push_field(&mut message, b"Content-Length", self.body.len().to_string().as_bytes());
        }
        if close {
            push_field(&mut message, b"Connection", b"close");
        }
        message.extend_from_slice(b"\r\n");
        if self.has_body(to_head) {
            message.extend_from_slice(&self.body);
        }
        message
    }
}

pub(in crate::proxy) fn push_field(message: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        message.extend_from_slice(part);
    }
}

/// Whether a field says where the body ends, or what becomes of the connection.
pub(in crate::proxy) fn frames(name: &str) -> bool {
    ["content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_ours_is_framed_and_says_whose_it_is() {
        let told = Redacted::literal("told");
        let error = ApiError {
            headers: vec![("Content-Length".to_owned(), "7".to_owned()), ("x-authtrace".to_owned(), "no".to_owned())],
            ..ApiError::forbidden("no")
        };
        let answer = OwnAnswer::ending(error, by_guard(Reason::Refusals(3)), told);
        let text = |to_head, close| String::from_utf8(answer.message(to_head, close)).unwrap();
        let (head, body) = text(false, true).split_once("\r\n\r\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n") && head.ends_with("\r\nConnection: close"), "{head}");
        assert_eq!(head.matches("ontent-").count(), 2, "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert!(
            head.contains("\r\nX-Authtrace: guard_refusals\r\n")
                && !head.contains("x-authtrace")
                && head.contains("x-should-retry: false"),
            "{head}"
        );
        assert!(!body.contains("request_id"), "{body}");
        assert!(text(true, false).ends_with("\r\n\r\n") && !text(true, false).contains("Connection"));
    }
}
