//! Exchanges as text, lenient enough that any bytes are some:
//!
//! ```text
//! POST https://api.anthropic.com/v1/messages
//! authorization: Bearer sk-ant-oat01-§
//!
//! {"model":"claude-opus-4-1"}
//! ===
//! 401
//! content-type: application/json
//! +x-trailer: of the answer
//!
//! {"type":"error","error":{"type":"authentication_error","message":"no"}}
//! ===
//! GET …
//! ```

use authtrace::facts::{RawField, RequestSource, ResponseSource, Scheme, Version};

/// Exchanges of one input at most.
const MOST: usize = 6;

/// One exchange.
pub struct Raw<'a> {
    pub method: &'a [u8],
    pub scheme: Scheme,
    pub host: String,
    pub target: &'a [u8],
    pub headers: Vec<RawField<'a>>,
    pub body: &'a [u8],
    pub status: u16,
    pub answer_headers: Vec<RawField<'a>>,
    pub answer: &'a [u8],
    pub trailers: Vec<RawField<'a>>,
}

impl<'a> Raw<'a> {
    /// All exchanges of a text.
    pub fn all(data: &'a [u8]) -> Vec<Self> {
        let mut parts = split(data, b"\n===\n").into_iter();
        let mut all = Vec::new();
        while let Some(asked) = parts.next().filter(|_| all.len() < MOST) {
            all.push(Self::of(asked, parts.next().unwrap_or_default()));
        }
        all
    }

    fn of(asked: &'a [u8], answered: &'a [u8]) -> Self {
        let (first, headers, body) = message(asked);
        let (method, url) = cut(first, b' ').unwrap_or((first, b""));
        let (scheme, rest) = match url.strip_prefix(b"http://") {
            Some(rest) => (Scheme::Http, rest),
            None => (Scheme::Https, url.strip_prefix(b"https://").unwrap_or(url)),
        };
        let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        let (first, answered_headers, answer) = message(answered);
        let status = std::str::from_utf8(first).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(200);
        let (mut answer_headers, mut trailers) = (Vec::new(), Vec::new());
        for (name, value) in answered_headers {
            match name.strip_prefix(b"+") {
                Some(name) => trailers.push((name, value)),
                None => answer_headers.push((name, value)),
            }
        }
        let target = if target.is_empty() { b"/".as_slice() } else { target };
        let host = String::from_utf8_lossy(host).into_owned();
        Self { method, scheme, host, target, headers, body, status, answer_headers, answer, trailers }
    }

    pub fn request(&self) -> RequestSource<'_> {
        RequestSource {
            method: self.method,
            scheme: self.scheme,
            host: &self.host,
            port: 443,
            target: self.target,
            version: Version::Http11,
            headers: &self.headers,
        }
    }

    pub fn response(&self) -> ResponseSource<'_> {
        ResponseSource { status: self.status, version: Version::Http2, headers: &self.answer_headers }
    }
}

/// First line, fields, body.
fn message(text: &[u8]) -> (&[u8], Vec<RawField<'_>>, &[u8]) {
    let (first, mut rest) = line(text);
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (text, after) = line(rest);
        rest = after;
        if text.is_empty() {
            break;
        }
        let (name, value) = cut(text, b':').unwrap_or((text, b""));
        fields.push((name, value.trim_ascii()));
    }
    (first, fields, rest)
}

fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = cut(text, b'\n').unwrap_or((text, b""));
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// What stands before and after the first `mark`.
pub fn cut(text: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == mark)?;
    Some((&text[..at], &text[at + 1..]))
}

fn split<'a>(mut text: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = text.windows(mark.len()).position(|window| window == mark) {
        parts.push(&text[..at]);
        text = &text[at + mark.len()..];
    }
    parts.push(text);
    parts
}

/// Whether a body is unpacked without a label: how gzip (RFC 1952 §2.3.1) and Zstandard (RFC 8878 §3.1.1) begin.
pub fn begins_packed(body: &[u8]) -> bool {
    body.starts_with(b"\x1f\x8b") || body.starts_with(b"(\xb5")
}
