//! How the messages of an exchange passed: what came in on one leg, and what went out on the other.

use crate::redact::Fingerprint;
use serde::{Deserialize, Serialize};

/// The passage of both messages of an exchange.
///
/// It shows that authtrace handed on what it was handed. The two sides of a message are taken down apart from each other:
/// `read` where its bytes are met first, before anything of ours is done to them; `written` from what the outgoing leg
/// accepted. What it does not show: what the other machine received (TLS and TCP see to that), and for HTTP/2 what the
/// library does between the frames of a leg and the data it hands over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Passage {
    /// The request, from the client to the upstream.
    pub request: MessagePassage,
    /// The answer, from the upstream to the client; absent if no head of a final answer arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<MessagePassage>,
}

/// The passage of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessagePassage {
    /// How the head went out; for an answer, the interim heads (1xx) before it included.
    pub head: HeadPassage,
    /// What was changed in it on purpose, if it was [`HeadPassage::Rewritten`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub head_changes: Vec<HeadChange>,
    /// Whether the message came to its end and all of it was accepted. If not, the two sides of the body may differ in
    /// length, and then their digests cannot be compared.
    pub whole: bool,
    /// The body as it came in.
    pub read: BodyPassage,
    /// The body as it went out.
    pub written: BodyPassage,
}

/// A body on one of the two legs. In HTTP/1.x everything behind the head counts: payload, chunk framing, trailers, and
/// the bytes of another protocol after an upgrade; in HTTP/2 the payload of DATA frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BodyPassage {
    /// Bytes.
    pub bytes: u64,
    /// A keyed digest of them; absent if there are none. It says one thing: whether `read` and `written` of this message
    /// are the same. The key is random, is in no file, and the digest also depends on the exchange and the direction:
    /// neither can a body be guessed from it, nor do equal bodies of two exchanges show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub digest: Option<Fingerprint>,
}

/// How the head of a message went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HeadPassage {
    /// Byte for byte as it came.
    Verbatim,
    /// HTTP/2: the same fields with the same values, coded anew (RFC 7541); fields of one name stand together.
    SameFields,
    /// As `head_changes` say, and otherwise byte for byte.
    Rewritten,
    /// Not whole, since the connection or the stream broke off.
    Partial,
    /// Otherwise than it was to be. That is a fault of authtrace.
    Altered,
}

/// What a proxy changes in the head of a request that is in absolute form (RFC 9112 §3.2.2), or for a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HeadChange {
    /// The target: `http://host/path` became `/path`.
    AbsoluteForm,
    /// `Proxy-Authorization` and `Proxy-Connection`, which were for authtrace, were left out.
    ProxyFields,
    /// A `Host` was added, since there was none.
    HostAdded,
    /// Our own `Proxy-Authorization` for the proxy that authtrace goes through was put in.
    UpstreamProxyFields,
    /// `Accept-Encoding` became `identity`, so that a rule of a scenario could be carried out on the event stream.
    AcceptEncoding,
}

impl MessagePassage {
    /// Whether something went out otherwise than it came in, and that cannot be explained by a message that broke off.
    #[must_use]
    pub fn is_altered(&self) -> bool {
        let bodies_differ = if self.whole || self.read.bytes == self.written.bytes {
            self.read != self.written
        } else {
            self.written.bytes > self.read.bytes
        };
        bodies_differ || self.head == HeadPassage::Altered
    }
}
