//! The proxy: clients connect, upstreams are dialled, bytes pass, and what passed is told to an [`EventSink`].
//!
//! Comes in: TCP connections on loopback. Goes out: the same bytes on connections to the upstream, and one record per
//! connection and per exchange. HTTP/1.x passes verbatim through `relay`; HTTP/2 through hyper (`h2`); hosts out of
//! scope pass unread (`tunnel`). Never here: a raw byte in a log line or a channel, a retry, a connection shared
//! between clients, an answer of our own where a server should have answered (but what `supervise` decides, which says so).

mod access;
mod buffers;
mod bypass;
mod connect;
mod dial;
mod forward;
mod h2;
mod intercept;
mod journal;
mod leg;
mod listener;
mod passage;
mod peer;
mod pump;
mod relay;
mod reply;
mod scope;
mod shortage;
mod socket;
mod supervise;
mod tap;
mod tls;
mod tunnel;
mod watched;

pub use access::{Access, Lane};
pub use bypass::Bypass;
pub use dial::{ConnectTo, UpstreamProxy};
pub use listener::{Listening, Proxy, ProxyHandle};
pub use peer::Peers;
pub use scope::Intercept;
pub use supervise::{Choice, Guarding, Held, OnGuard, Policy};
pub use tls::UpstreamTrust;

use crate::ca::LeafStore;
use crate::redact::Redactor;
use crate::trace::EventSink;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Everything the proxy has to know, resolved.
pub struct ProxyConfig {
    /// Where to listen; loopback only.
    pub listen: SocketAddr,
    /// Whose traffic is read.
    pub intercept: Intercept,
    /// Certificates for intercepted hosts.
    pub leaves: Arc<LeafStore>,
    /// Which upstream certificates are accepted.
    pub upstream_trust: UpstreamTrust,
    /// Targets that are dialled elsewhere, first match wins.
    pub connect_to: Vec<ConnectTo>,
    /// The proxy to go through, if any.
    pub upstream_proxy: Option<UpstreamProxy>,
    /// Who may use the proxy.
    pub access: Access,
    /// Waiting times.
    pub patience: Patience,
    /// What is done to requests on purpose; none: everything passes.
    pub policy: Option<Policy>,
}

/// How long the proxy waits for whom.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a name server.
    pub dns: Duration,
    /// For a TCP connection, and for the answer of an upstream proxy.
    pub connect: Duration,
    /// For a ClientHello after the tunnel was granted, and for either handshake.
    pub handshake: Duration,
    /// For the rest of a head after its first byte.
    pub head: Duration,
    /// For open exchanges when the proxy is stopped.
    pub drain: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            dns: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

/// What `--connect-to` takes.
const FORM: &str = "HOST:PORT:HOST2:PORT2";

/// Why the proxy cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The address is not a loopback address.
    #[error("{0} is not a loopback address; authtrace listens on 127.0.0.1 or [::1] only, since it sees credentials")]
    NotLoopback(SocketAddr),
    /// The port is taken, or may not be used.
    #[error("cannot listen on {address}: {source}; choose another port with --listen, or leave it out for a free one")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// A value of `--connect-to` is malformed. It is not shown: what is no list of hosts and ports may have a password in it.
    #[error(
        "a value of --connect-to is not of the form {FORM} (an empty HOST or PORT matches any, addresses in brackets, no \
         scheme, user or path)"
    )]
    ConnectTo,
    /// The upstream proxy's URL is malformed.
    #[error("the upstream proxy {shown:?} cannot be used: {why}; expected http://[USER:PASSWORD@]HOST:PORT")]
    UpstreamProxy {
        /// The URL without its user information.
        shown: String,
        /// What is wrong.
        why: &'static str,
    },
    /// TLS towards the upstream cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// No root certificate to verify upstreams with.
    #[error(
        "no usable root certificates: {0}; install the system's (the package ca-certificates), or name a PEM file with --upstream-ca"
    )]
    NoRoots(String),
    /// A PEM file of `--upstream-ca` cannot be used.
    #[error("cannot read certificates from {path}: {why}")]
    UpstreamCa {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

/// What every connection's task shares.
struct Shared {
    intercept: Intercept,
    leaves: Arc<LeafStore>,
    dialer: dial::Dialer,
    tls: tls::TlsConfigs,
    access: Access,
    patience: Patience,
    redactor: Arc<Redactor>,
    sink: Arc<dyn EventSink>,
    numbers: journal::Numbers,
    peers: Peers,
    /// Of the digests of what passes.
    seed: u64,
    supervisor: Option<Arc<supervise::Supervisor>>,
    shortages: shortage::Notes,
    stopping: tokio_util::sync::CancellationToken,
    /// Tasks that connections spawn: HTTP/2 has one for every stream, and the look for peers is one.
    streams: tokio_util::task::TaskTracker,
}
