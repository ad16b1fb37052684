//! Errors, in whatever form a server on the way states them.

use super::json::{self, Text, Value};
use super::route::Route;
use super::tone::{self, Words};
use crate::redact::{Redacted, Redactor};
use crate::trace::{ErrorFacts, ErrorShape};
use zeroize::Zeroizing;

type Held = Zeroizing<String>;

/// Characters of a text or title that are worth keeping.
const LONGEST: usize = 2_000;

/// What decides how an error is read, besides its body.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    pub(super) route: Route,
    pub(super) status: u16,
    /// Whether the content type says HTML.
    pub(super) html: bool,
    /// Whether the edge says that it sent a challenge (`cf-mitigated`).
    pub(super) challenged: bool,
}

/// An error in the server's words. Raw: it does not leave this room.
pub(super) struct Stated {
    pub(super) shape: ErrorShape,
    kind: Option<Held>,
    message: Option<Held>,
    code: Option<Held>,
    id: Option<Held>,
    pub(super) id_null: bool,
}

impl Stated {
    fn bare(shape: ErrorShape) -> Self {
        Self { shape, kind: None, message: None, code: None, id: None, id_null: false }
    }

    /// Reads a whole body, or the start of it.
    pub(super) fn in_body(body: &[u8], setting: Setting) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
        match body.first() {
            None => Self::bare(ErrorShape::Empty),
            Some(b'{' | b'[') => Self::in_json(body, setting.route),
            Some(_) if is_binary(body) => Self::bare(ErrorShape::Unreadable),
            Some(b'<') => Self::in_markup(&String::from_utf8_lossy(body), setting.html),
            Some(_) => {
                let message = String::from_utf8_lossy(body).chars().take(LONGEST).collect();
                Self { message: Some(Zeroizing::new(message)), ..Self::bare(ErrorShape::Text) }
            }
        }
    }

    /// Reads the data of an `event: error`.
    pub(super) fn in_event(data: &[u8], setting: Setting) -> Self {
        Self { shape: ErrorShape::SseEvent, ..Self::in_body(data, setting) }
    }

    /// A body of which nothing could be decoded.
    pub(super) fn unreadable() -> Self {
        Self::bare(ErrorShape::Unreadable)
    }

    fn in_json(body: &[u8], route: Route) -> Self {
        let mut stated = Json::read(body).into_stated(route);
        // Gateways put the answer of the server behind them into their own message.
        let inner = stated.message.as_ref().and_then(|message| {
            let start = memchr::memmem::find(message.as_bytes(), b"{\"")?;
            let inner = Json::read(message.as_bytes().get(start..)?);
            (inner.kind.is_some() && inner.message.is_some()).then_some(inner)
        });
        if let Some(inner) = inner {
            stated.kind = inner.kind;
            stated.message = inner.message;
            stated.code = inner.code.or(stated.code);
            stated.id = stated.id.or(inner.id);
        }
        stated
    }

    fn in_markup(text: &str, says_html: bool) -> Self {
        let lower = Zeroizing::new(text.to_ascii_lowercase());
        let is_html =
            says_html || ["<html", "<!doctype html", "<head", "<title", "<body"].iter().any(|t| lower.contains(t));
        if is_html {
            let message = element(text, &lower, "title").or_else(|| element(text, &lower, "h1"));
            return Self { message, ..Self::bare(ErrorShape::Html) };
        }
        let kind = element(text, &lower, "code");
        let message = element(text, &lower, "message");
        Self { kind, message, ..Self::bare(ErrorShape::Text) }
    }

    /// The facts that may be kept.
    pub(super) fn facts(&self, redactor: &Redactor, setting: Setting) -> ErrorFacts {
        let lower = |held: &Option<Held>| {
            let start = held.iter().flat_map(|held| held.chars()).take(LONGEST);
            Zeroizing::new(start.map(|c| c.to_ascii_lowercase()).collect::<String>())
        };
        let (kind, message, code) = (lower(&self.kind), lower(&self.message), lower(&self.code));
        let tone = tone::tone(&Words {
            shape: self.shape,
            status: setting.status,
            route: setting.route,
            challenged: setting.challenged,
            kind: &kind,
            message: &message,
            code: &code,
        });
        let kind = self.kind.as_ref().map(|kind| match self.shape {
            ErrorShape::Oauth => redactor.oauth_error(kind),
            _ => redactor.error_type(kind),
        });
        ErrorFacts {
            shape: self.shape,
            kind,
            message: self.message.as_ref().map(|message| redactor.message(message)),
            code: self.code.as_ref().map(|code| redactor.error_type(code)),
            tone,
        }
    }

    /// Whether it is an error by its form alone, whatever the status.
    pub(super) fn is_oauth_error(&self) -> bool {
        matches!(self.shape, ErrorShape::Oauth | ErrorShape::Api | ErrorShape::ApiBare)
    }

    /// The body's own `request_id`.
    pub(super) fn request_id(&self, redactor: &Redactor) -> Option<Redacted> {
        self.id.as_ref().map(|id| redactor.request_id(id))
    }
}

/// What a JSON body says, place by place.
#[derive(Default)]
struct Json {
    outer_type_is_error: bool,
    error_is_object: bool,
    /// Whether the error object has fields that the API's own never has.
    foreign: bool,
    kind: Option<Held>,
    message: Option<Held>,
    code: Option<Held>,
    error_text: Option<Held>,
    description: Option<Held>,
    other_kind: Option<Held>,
    other_message: Option<Held>,
    id: Option<Held>,
    id_null: bool,
}

impl Json {
    fn read(body: &[u8]) -> Self {
        let mut json = Self::default();
        json::scan(body, &mut |path, value| {
            let key = (path.len(), path.key(0), path.key(1), path.key(2));
            match value {
                Value::Text(text) => json.text(key, text),
                Value::Object => json.error_is_object |= path.is(&["error"]),
                Value::Null => json.id_null |= path.is(&["request_id"]),
                Value::Word(_) => json.foreign |= path.is(&["error", "code"]),
            }
        });
        json
    }

    fn text(&mut self, key: (usize, &[u8], &[u8], &[u8]), text: Text<'_>) {
        match key {
            (1, b"type", ..) if !self.outer_type_is_error && text.whole => {
                let kind = text.unescape();
                if *kind == "error" {
                    self.outer_type_is_error = true;
                } else {
                    self.other_kind.get_or_insert(kind);
                }
            }
            (1, b"error", ..) => set(&mut self.error_text, text),
            (2, b"error", b"type", _) => set_whole(&mut self.kind, text),
            (2, b"error", b"message", _) => set(&mut self.message, text),
            (3, b"error", b"details", b"error_code") => set_whole(&mut self.code, text),
            (2, b"error", b"code" | b"status" | b"param", _) => {
                self.foreign = true;
                set_whole(&mut self.other_kind, text);
            }
            (1, b"request_id" | b"requestId", ..) | (2, b"error", b"request_id", _) => set_whole(&mut self.id, text),
            (1, b"error_description", ..) | (2, b"error", b"error_description" | b"description", _) => {
                set(&mut self.description, text);
            }
            (1, b"__type" | b"code" | b"error_code" | b"errorCode" | b"status", ..) if text.whole => {
                // AWS names the model in front: `com.amazon.coral.service#ExpiredTokenException`.
                let kind = text.unescape();
                let short = kind.rsplit('#').next().unwrap_or_default().to_owned();
                self.other_kind.get_or_insert(Zeroizing::new(short));
            }
            (
                1,
                b"message" | b"Message" | b"detail" | b"msg" | b"error_message" | b"errorMessage" | b"error_msg"
                | b"title" | b"reason",
                ..,
            )
            | (2, b"detail" | b"errors" | b"details", b"message" | b"msg" | b"detail" | b"title", _) => {
                set(&mut self.other_message, text);
            }
            _ => {}
        }
    }

    fn into_stated(self, route: Route) -> Stated {
        let is_code = |text: &Held| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && !text.is_empty();
        let (id, id_null, code) = (self.id, self.id_null, self.code);
        let (shape, kind, message) = if self.error_is_object {
            let shape = match (self.outer_type_is_error, self.kind.is_some() && !self.foreign) {
                (true, _) => ErrorShape::Api,
                (false, true) => ErrorShape::ApiBare,
                (false, false) => ErrorShape::OtherJson,
            };
            (shape, self.kind.or(self.other_kind), self.message.or(self.description).or(self.other_message))
        } else if let Some(error) = self.error_text {
            let spoken = self.description.is_some() || route.carries_credentials() || self.other_message.is_none();
            if is_code(&error) && spoken {
                (ErrorShape::Oauth, Some(error), self.description.or(self.other_message))
            } else if is_code(&error) {
                (ErrorShape::OtherJson, Some(error), self.other_message)
            } else {
                (ErrorShape::OtherJson, self.other_kind, self.other_message.or(Some(error)))
            }
        } else {
            let message = self.other_message.or(self.description);
            let shape = ErrorShape::OtherJson;
            return Stated { shape, kind: self.other_kind, message, code, id, id_null };
        };
        Stated { shape, kind, message, code, id, id_null }
    }
}

fn set(slot: &mut Option<Held>, text: Text<'_>) {
    if slot.is_none() {
        *slot = Some(text.unescape());
    }
}

fn set_whole(slot: &mut Option<Held>, text: Text<'_>) {
    if text.whole {
        set(slot, text);
    }
}

/// Whether text of any language is unlikely: NUL, or many bytes that are no UTF-8.
fn is_binary(body: &[u8]) -> bool {
    let head = body.get(..4096).unwrap_or(body);
    let invalid: usize = head.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    memchr::memchr(0, head).is_some() || invalid * 10 > head.len()
}

/// The text of the first element called `name`, with the common character references resolved.
fn element(text: &str, lower: &str, name: &str) -> Option<Held> {
    let start = lower.match_indices('<').map(|(at, _)| at + 1).find(|at| {
        lower.get(*at..).and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with(['>', ' ', '\n']))
    })?;
    let open = start + lower.get(start..)?.find('>')? + 1;
    let inner = text.get(open..)?;
    let inner = inner.get(..inner.find('<').unwrap_or(inner.len()))?.trim();
    let mut out = Zeroizing::new(inner.chars().take(LONGEST).collect::<String>());
    for (reference, meant) in
        [("&#39;", "'"), ("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
    {
        if out.contains(reference) {
            out = Zeroizing::new(out.replace(reference, meant));
        }
    }
    (!out.is_empty()).then_some(out)
}
