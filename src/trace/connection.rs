//! One connection of a client: where it went, what the handshakes did, how it ended.

use super::reread;
use super::time::Timestamp;
use crate::redact::Redacted;
use serde::{Deserialize, Serialize};

/// A client's connection to the proxy, from accept to close. Written when it has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Connection {
    /// Number of the connection within the trace, from 1.
    pub id: u64,
    /// Which client of a shared trace: `main`, or the name given at joining.
    #[serde(deserialize_with = "reread::lane")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub lane: Redacted,
    /// The process at the other end, where the operating system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// When it was accepted.
    pub opened: Timestamp,
    /// From accept to close, in microseconds.
    pub duration_us: u64,
    /// Where the client wanted to go; absent when that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What the proxy did with it.
    pub mode: Mode,
    /// The TLS session between client and proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_tls: Option<HandshakeLeg>,
    /// The TLS session between proxy and upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_tls: Option<HandshakeLeg>,
    /// Whether the server name in the ClientHello differs from the CONNECT target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub server_name_mismatch: bool,
    /// Whether the upstream was reached through another proxy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub via_upstream_proxy: bool,
    /// Name resolution, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u64>,
    /// TCP connect (and, through an upstream proxy, its CONNECT), in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// Bytes that the client sent through the proxy (inside TLS for an intercepted connection).
    pub bytes_up: u64,
    /// Bytes that the upstream sent through the proxy (inside TLS for an intercepted connection).
    pub bytes_down: u64,
    /// Requests carried.
    pub requests: u64,
    /// How it ended.
    #[serde(flatten)]
    pub end: ConnectionEnd,
}

/// The process at the client's end of a connection. Where several hold the socket, one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Peer {
    /// Process id.
    pub pid: u32,
    /// Program name without path or arguments; a fingerprint if it is not a widely known one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_program")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub program: Option<Redacted>,
}

/// Host and port that a client asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Target {
    /// Host name or address.
    #[serde(deserialize_with = "reread::host")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub host: Redacted,
    /// Port, 1–65535.
    pub port: u16,
}

/// What the proxy did with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// TLS ended at the proxy; the exchanges inside were recorded.
    Intercepted,
    /// Bytes passed both ways unread.
    Tunnel,
    /// HTTP without TLS, forwarded.
    Plain,
    /// Nothing was forwarded.
    Refused,
}

/// One TLS session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HandshakeLeg {
    /// `TLSv1.2` or `TLSv1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_protocol")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub version: Option<Redacted>,
    /// The protocol that was agreed on (ALPN, RFC 7301); absent if none was.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_protocol")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub alpn: Option<Redacted>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// Duration of the handshake in microseconds.
    pub handshake_us: u64,
}

/// How a connection ended, and why if not well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConnectionEnd {
    /// The kind of end.
    pub outcome: Outcome,
    /// One sentence about the cause, without any byte of a message.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_text")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub detail: Option<Redacted>,
    /// The status with which the proxy (or an upstream proxy) refused the CONNECT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl ConnectionEnd {
    /// Whether authtrace could not serve it for want of file descriptors: with 503 it answers for nothing else.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        self.outcome == Outcome::Internal && self.status == Some(503)
    }
}

/// The kinds of end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Both sides were served and closed.
    Ok,
    /// The CONNECT request was malformed.
    BadConnect,
    /// The target is not allowed (the proxy itself, link-local …).
    BlockedTarget,
    /// A request that is not meant for a proxy.
    NotAProxyRequest,
    /// `https://` in absolute form: the credential travelled to the proxy in the clear; refused.
    HttpsAbsoluteForm,
    /// The proxy password was missing or wrong.
    ProxyAuthRequired,
    /// The first request was malformed, ambiguous or too large.
    BadRequest,
    /// No ClientHello within ten seconds.
    ClientTlsTimeout,
    /// Not TLS where TLS was expected.
    ClientNotTls,
    /// The client ended the handshake after it had seen our certificate.
    ClientDistrustsCa,
    /// The handshake failed for another reason on the client's side.
    ClientTls,
    /// The tunnel was opened and never used.
    UnusedTunnel,
    /// The name of the upstream could not be resolved.
    UpstreamDns,
    /// The upstream could not be connected to.
    UpstreamConnect,
    /// The TLS handshake with the upstream failed.
    UpstreamTls,
    /// The upstream asked for a client certificate.
    UpstreamMtls,
    /// The proxy that we go through refused the tunnel.
    UpstreamProxyRefused,
    /// The upstream broke the connection off.
    UpstreamReset,
    /// The upstream broke the rules of HTTP.
    UpstreamProtocol,
    /// The client broke the connection off.
    ClientAbort,
    /// The client broke the rules of HTTP after the first request.
    ClientProtocol,
    /// The head of a request was not finished in time.
    ClientTimeout,
    /// authtrace was stopped.
    Shutdown,
    /// authtrace could not serve it (out of descriptors, internal error).
    Internal,
}

impl Outcome {
    /// The name as the trace writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::BadConnect => "bad_connect",
            Self::BlockedTarget => "blocked_target",
            Self::NotAProxyRequest => "not_a_proxy_request",
            Self::HttpsAbsoluteForm => "https_absolute_form",
            Self::ProxyAuthRequired => "proxy_auth_required",
            Self::BadRequest => "bad_request",
            Self::ClientTlsTimeout => "client_tls_timeout",
            Self::ClientNotTls => "client_not_tls",
            Self::ClientDistrustsCa => "client_distrusts_ca",
            Self::ClientTls => "client_tls",
            Self::UnusedTunnel => "unused_tunnel",
            Self::UpstreamDns => "upstream_dns",
            Self::UpstreamConnect => "upstream_connect",
            Self::UpstreamTls => "upstream_tls",
            Self::UpstreamMtls => "upstream_mtls",
            Self::UpstreamProxyRefused => "upstream_proxy_refused",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamProtocol => "upstream_protocol",
            Self::ClientAbort => "client_abort",
            Self::ClientProtocol => "client_protocol",
            Self::ClientTimeout => "client_timeout",
            Self::Shutdown => "shutdown",
            Self::Internal => "internal",
        }
    }
}
