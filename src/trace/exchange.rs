//! One exchange: a request, its answer, and what was read off both.

use super::connection::Peer;
use super::facts::{ErrorFacts, OAuthFacts, RequestIds, SseFacts};
use super::passage::Passage;
use super::reread;
use super::time::Timestamp;
use crate::redact::{self, Redacted};
use serde::{Deserialize, Serialize, Serializer};
use std::ops::Deref;
use std::sync::Arc;

/// A request whose head has been forwarded, where its end is not written along with it; its [`Exchange`] follows when it
/// has ended. Only the last moments before a crash are read from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RequestStart {
    /// Number of the exchange within the trace, from 1.
    pub id: u64,
    /// The connection that carries it.
    pub connection: u64,
    /// When its first byte arrived.
    pub at: Timestamp,
    /// Method.
    #[serde(deserialize_with = "reread::identifier")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub method: Redacted,
    /// Host.
    #[serde(deserialize_with = "reread::host")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub host: Redacted,
    /// Path and query as a template.
    #[serde(deserialize_with = "reread::path")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub path: Redacted,
}

/// A request and its answer, complete in itself. Written when it has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Exchange {
    /// Number of the exchange within the trace, from 1.
    pub id: u64,
    /// The connection that carried it; 0 if the capture of another tool does not tell.
    pub connection: u64,
    /// Which client of a shared trace.
    #[serde(deserialize_with = "reread::lane")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub lane: Redacted,
    /// The process that asked, where it was known when the exchange ended; else its connection's record may say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// When the first byte of the request arrived.
    pub at: Timestamp,
    /// What was asked.
    pub request: Request,
    /// Every credential that the request carried, in the order of the headers, then of the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
    /// What was answered; absent if no head of a final answer arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// The error in the answer, wherever it stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorFacts>,
    /// The ids by which the server's operators find this request.
    #[serde(default, skip_serializing_if = "RequestIds::is_empty")]
    pub request_ids: RequestIds,
    /// What a token endpoint was asked and answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuthFacts>,
    /// The events of a streamed answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sse: Option<SseFacts>,
    /// Where the time went.
    pub timing: Timing,
    /// Who answered.
    pub origin: Origin,
    /// Whether both messages went out as they came in; absent for what authtrace answered itself or did not capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<Passage>,
    /// How it ended.
    pub end: End,
}

/// The request of an exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Request {
    /// Method.
    #[serde(deserialize_with = "reread::identifier")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub method: Redacted,
    /// `https` or `http`.
    #[serde(deserialize_with = "reread::identifier")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub scheme: Redacted,
    /// Host.
    #[serde(deserialize_with = "reread::host")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub host: Redacted,
    /// Port.
    pub port: u16,
    /// Path and query as a template.
    #[serde(deserialize_with = "reread::path")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub path: Redacted,
    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2` or `HTTP/3`; empty if the capture of another tool does not tell.
    #[serde(deserialize_with = "reread::text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub version: Redacted,
    /// Fields in their order.
    #[cfg_attr(test, schemars(with = "Vec<HeaderField>"))]
    pub headers: Headers,
    /// Bytes of the body as they passed, without chunk framing.
    pub body_bytes: u64,
    /// Trailer fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<HeaderField>,
}

/// The answer of an exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Response {
    /// Status of the final answer.
    pub status: u16,
    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2` or `HTTP/3`; empty if the capture of another tool does not tell.
    #[serde(deserialize_with = "reread::text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub version: Redacted,
    /// Statuses of interim answers (1xx) before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interim: Vec<u16>,
    /// Fields in their order.
    #[cfg_attr(test, schemars(with = "Vec<HeaderField>"))]
    pub headers: Headers,
    /// Bytes of the body as they passed, without chunk framing.
    pub body_bytes: u64,
    /// Trailer fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<HeaderField>,
}

/// A field of a head. Both parts are what may be shown; a value that may not is a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeaderField {
    /// Name as it was spelled, if it is a known one.
    #[cfg_attr(test, schemars(with = "String"))]
    pub name: Redacted,
    /// Value, redacted.
    #[cfg_attr(test, schemars(with = "String"))]
    pub value: Redacted,
}

/// The fields of a head. A copy shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<HeaderField>")]
pub struct Headers(Arc<Vec<HeaderField>>);

impl From<Vec<HeaderField>> for Headers {
    fn from(fields: Vec<HeaderField>) -> Self {
        Self(Arc::new(fields))
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Deref for Headers {
    type Target = [HeaderField];

    fn deref(&self) -> &[HeaderField] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a HeaderField;
    type IntoIter = std::slice::Iter<'a, HeaderField>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A credential as it was used: where it stood, and what may be known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Credential {
    /// The header or body field that held it, such as `authorization` or `body.refresh_token`.
    #[serde(deserialize_with = "reread::place")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub place: Redacted,
    /// The authentication scheme, for headers that have one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_scheme")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub scheme: Option<Redacted>,
    /// Kind, length, fingerprint and flags.
    #[serde(flatten)]
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub credential: redact::Credential,
}

impl Credential {
    /// Whether both are the same secret, wherever they stood.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.credential.fp == other.credential.fp
    }
}

/// Where the time of an exchange went. Microseconds on the monotonic clock; absent: it did not happen (again).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Timing {
    /// Name resolution, for the first exchange of a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u64>,
    /// TCP connect, for the first exchange of a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// TLS handshake with the upstream, for the first exchange of a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u64>,
    /// From the first byte of the request to its last.
    pub send_us: u64,
    /// From the last byte of the request to the first of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_us: Option<u64>,
    /// From the first byte of the request to the first event of a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_event_us: Option<u64>,
    /// From the first byte of the answer to its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_us: Option<u64>,
    /// From the first byte of the request to the end.
    pub total_us: u64,
    /// The part of it that the heads of both messages spent inside the proxy.
    pub added_us: u64,
}

/// Who answered an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The server that the client asked, or something on the way to it.
    Upstream,
    /// authtrace itself.
    Authtrace,
    /// The proxy that authtrace was told to go through.
    UpstreamProxy,
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct End {
    /// The kind of end.
    pub outcome: EndKind,
    /// How far it had come, if it was not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// One sentence about the cause, without any byte of a message.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_text")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub detail: Option<Redacted>,
}

/// The kinds of end of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndKind {
    /// Request and answer passed whole.
    Complete,
    /// The connection became another protocol's (101), and has been closed.
    Upgraded,
    /// The client broke off.
    ClientAbort,
    /// The upstream reset the connection or the stream.
    UpstreamReset,
    /// The upstream closed before the answer was whole.
    UpstreamClosed,
    /// The upstream broke the rules of HTTP.
    UpstreamProtocol,
    /// The client broke the rules of HTTP.
    Refused,
    /// authtrace was stopped.
    Shutdown,
    /// authtrace cut it on purpose: a rule of a scenario, or the guard.
    Cut,
    /// The name of the server could not be resolved. Seen in captures of other tools only, as the ones that follow.
    NotResolved,
    /// The server could not be connected to.
    NotConnected,
    /// The TLS handshake with the server, or with whatever stood in its place, came to nothing.
    TlsFailed,
    /// No answer came while the client waited.
    TimedOut,
    /// The client held the request back itself.
    NotSent,
    /// No answer is recorded, and not why.
    Unanswered,
}

/// How far an exchange had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The request was still being sent.
    Request,
    /// The request was sent; no answer had begun.
    Wait,
    /// The head of the answer had begun.
    ResponseHead,
    /// The body of the answer had begun.
    ResponseBody,
}

impl EndKind {
    /// The name as the trace writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Upgraded => "upgraded",
            Self::ClientAbort => "client_abort",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamClosed => "upstream_closed",
            Self::UpstreamProtocol => "upstream_protocol",
            Self::Refused => "refused",
            Self::Shutdown => "shutdown",
            Self::Cut => "cut",
            Self::NotResolved => "not_resolved",
            Self::NotConnected => "not_connected",
            Self::TlsFailed => "tls_failed",
            Self::TimedOut => "timed_out",
            Self::NotSent => "not_sent",
            Self::Unanswered => "unanswered",
        }
    }
}

impl End {
    /// Request and answer passed whole.
    #[must_use]
    pub fn complete() -> Self {
        Self { outcome: EndKind::Complete, stage: None, detail: None }
    }
}

impl Exchange {
    /// The status of the final answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|response| response.status)
    }

    /// The method of the request.
    #[must_use]
    pub fn method(&self) -> &str {
        self.request.method.as_str()
    }

    /// The host that was asked.
    #[must_use]
    pub fn host(&self) -> &str {
        self.request.host.as_str()
    }

    /// The path that was asked for, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = self.request.path.as_str();
        path.split_once('?').map_or(path, |(path, _)| path)
    }

    /// The type of the error that was answered, such as `authentication_error`.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.error.as_ref()?.kind.as_ref().map(Redacted::as_str)
    }

    /// The credential that decides: the one in `x-api-key`, else that in `authorization`, else the first one, which may
    /// stand in the body.
    #[must_use]
    pub fn credential(&self) -> Option<&Credential> {
        let stands = |place: &str| self.credentials.iter().find(|sent| sent.place.as_str() == place);
        stands("x-api-key").or_else(|| stands("authorization")).or_else(|| self.credentials.first())
    }

    /// Whether the answer refuses for a reason of authentication or authorisation, as far as one exchange shows it.
    #[must_use]
    pub fn is_auth_failure(&self) -> bool {
        matches!(self.status(), Some(401 | 403 | 407)) || self.error.as_ref().is_some_and(ErrorFacts::is_auth)
    }
}
