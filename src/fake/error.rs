//! What can go wrong in the fake and its client.

use std::io;
use std::net::SocketAddr;
use thiserror::Error;

/// Why the fake could not start, or its client could not finish.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FakeError {
    /// No loopback port could be had.
    #[error("cannot listen on loopback")]
    Listen(#[source] io::Error),
    /// The address that was asked for cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Others could reach it there.
    #[error("{0} is not a loopback address; the fake is for this machine alone, such as 127.0.0.1:4010")]
    NotLoopback(SocketAddr),
    /// The root or a leaf certificate could not be made.
    #[error("cannot make the fake's certificates")]
    Certificate(#[from] rcgen::Error),
    /// rustls refused the certificate, the key or the protocol versions.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// The system has no randomness to give.
    #[error("no random seed: {0}")]
    Random(getrandom::Error),
    /// The client was given no usable certificate to trust.
    #[error("the CA to trust is not a PEM certificate")]
    CaPem,
    /// TLS in the tunnel did not come about: the certificate is not trusted, or the other side broke off or is silent.
    #[error("no TLS with {host}")]
    Handshake {
        /// The host the client wanted.
        host: String,
        /// What rustls or the system said.
        #[source]
        source: io::Error,
    },
    /// The scripted client takes `https` URLs without a port of their own alone.
    #[error("the built-in client goes to https:// URLs on port 443 only")]
    NotHttps,
    /// The proxy could not be reached, or the connection to it broke.
    #[error("connection to {host} through the proxy failed")]
    Connection {
        /// The host the client wanted.
        host: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The proxy answered CONNECT with something else than 2xx.
    #[error("the proxy refused the tunnel to {host} with status {status}")]
    TunnelRefused {
        /// The host the client wanted.
        host: String,
        /// The status of the answer.
        status: u16,
    },
    /// The proxy's answer to CONNECT is not HTTP.
    #[error("the proxy's answer to CONNECT {host} is not HTTP/1")]
    TunnelGarbled {
        /// The host the client wanted.
        host: String,
    },
    /// The exchange broke off.
    #[error("exchange with {host} failed")]
    Exchange {
        /// The host the client talked to.
        host: String,
        /// What hyper said.
        #[source]
        source: hyper::Error,
    },
    /// A request of the client could not be built.
    #[error("cannot build the request")]
    Request(#[from] http::Error),
}

impl FakeError {
    /// A failure that a client meets on the way is part of the play; one of the proxy itself ends it.
    pub(super) fn tolerated(self) -> Result<(), Self> {
        match self {
            Self::Exchange { .. } | Self::Handshake { .. } => Ok(()),
            // It could not dial, which a client takes for a failure of the network.
            Self::TunnelRefused { status: 500..=599, .. } => Ok(()),
            other => Err(other),
        }
    }
}
