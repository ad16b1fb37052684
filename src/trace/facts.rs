//! What is read out of bodies: errors, request ids, token-endpoint facts, events.

use super::exchange::Credential;
use super::reread;
use crate::redact::Redacted;
use serde::{Deserialize, Serialize};

/// An error as the answer stated it. No verdict: what it means is decided later, from the whole trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorFacts {
    /// The form in which the error came.
    pub shape: ErrorShape,
    /// `error.type`, or the OAuth `error` code.
    #[serde(
        rename = "type",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "reread::maybe_identifier"
    )]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub kind: Option<Redacted>,
    /// `error.message`, `error_description`, or the title of an HTML page.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_text")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub message: Option<Redacted>,
    /// `error.details.error_code`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_identifier")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub code: Option<Redacted>,
    /// What the error speaks about.
    pub tone: Tone,
}

/// The forms in which servers on the way state an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorShape {
    /// `{"type":"error","error":{"type":…,"message":…}}`, the API's own.
    Api,
    /// The same without the outer `type`: an edge or an older service.
    ApiBare,
    /// `{"error":"…","error_description":"…"}` (RFC 6749 §5.2).
    Oauth,
    /// An `event: error` inside a streamed answer.
    SseEvent,
    /// JSON of another form.
    OtherJson,
    /// A web page.
    Html,
    /// Plain text.
    Text,
    /// No body.
    Empty,
    /// A body that could not be read (unknown coding, broken, too deep).
    Unreadable,
}

/// What an error speaks about, as far as its own words say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// The credential, the grant, the permission or the state of the account.
    Auth,
    /// Anything else.
    Other,
}

impl ErrorFacts {
    /// Whether the error speaks about authentication, authorisation or the state of the account.
    #[must_use]
    pub fn is_auth(&self) -> bool {
        self.tone == Tone::Auth
    }
}

/// The ids by which the server's operators find a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RequestIds {
    /// The `request-id` (or `x-request-id`) header of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_request_id")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub header: Option<Redacted>,
    /// `request_id` in the body of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_request_id")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub body: Option<Redacted>,
    /// Whether the body had a `request_id` that was null.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub body_null: bool,
    /// The client's own `x-client-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_request_id")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub client: Option<Redacted>,
    /// The edge's id (`cf-ray`).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_edge_id")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub edge: Option<Redacted>,
}

impl RequestIds {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The id to quote to the server's operators: the header's, else the body's.
    #[must_use]
    pub fn best(&self) -> Option<&Redacted> {
        self.header.as_ref().or(self.body.as_ref())
    }
}

/// What a token, revocation or key-creation endpoint was asked and answered. No value, only credentials as facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OAuthFacts {
    /// `grant_type` of the request.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_identifier")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub grant_type: Option<Redacted>,
    /// `client_id` of the request: the public ones verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_identifier")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub client_id: Option<Redacted>,
    /// Scopes asked for.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_scope")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub scope_requested: Option<Redacted>,
    /// Scopes granted.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_scope")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub scope_granted: Option<Redacted>,
    /// Lifetime of the issued access token in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// `token_type` of the answer, or the `token_type_hint` of a revocation.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_identifier")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub token_type: Option<Redacted>,
    /// What the answer issued.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issued: Vec<OAuthToken>,
}

/// A credential that an answer issued.
pub type OAuthToken = Credential;

/// The events of a `text/event-stream` (WHATWG HTML, server-sent events).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SseFacts {
    /// Events seen.
    pub events: u64,
    /// Names and how often, in the order of their first appearance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<EventCount>,
    /// From the first event to the last, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_us: Option<u64>,
    /// The longest pause between two events, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_gap_us: Option<u64>,
    /// Whether the stream could be followed to its end (known coding, within bounds).
    pub followed: bool,
}

/// How often an event name was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventCount {
    /// Event name.
    #[serde(deserialize_with = "reread::identifier")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub name: Redacted,
    /// How often.
    pub count: u64,
}
