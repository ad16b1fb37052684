//! The fake Anthropic: an authorization server and an API that exist on loopback only.
//!
//! In come requests as values (method, host, path, headers, body, the time) or, through [`Fake`], as HTTP/1.1 and
//! HTTP/2 over TLS for any host name, and plaintext HTTP/1.1 as a gateway would take it. Out come answers with the
//! statuses, headers and bodies a client of the real API has to cope with, as a [`Model`] of tokens, keys and grants
//! decides, unless a [`Script`](crate::policy::Script) says otherwise: refusals, cut connections, truncated event streams, delays.
//! [`play`] is the other side of a demonstration: a client that goes through a proxy as Claude Code does.
//!
//! It never dials anything, writes no file, and logs nothing. All credentials it issues contain `FAKE`; it remembers
//! credentials as digests only, so one that a client brings along is not kept. The model and the scripts do no io and
//! read no clock.

mod access;
mod answer;
mod chosen;
mod circumstances;
mod client;
mod control;
mod conversation;
mod credential;
mod error;
mod event;
mod home;
mod login;
mod model;
mod oauth;
mod pace;
mod play;
mod requests;
mod routes;
mod server;
mod session;
mod setup;
#[cfg(test)]
mod tests;
mod tls;
mod tunnel;

pub use answer::{Body, Reply, Request, Response, StreamEnd, Streamed};
pub use circumstances::{Circumstances, Organization, Outage, Reuse, Wording};
pub use client::{ClientConfig, Played, Step, play};
pub use credential::{CredentialKind, Label, Seed};
pub use error::FakeError;
pub use event::{Change, Event, Moment};
pub use model::{Login, Model};
pub use play::{Play, Seen};
pub use server::{Fake, FakeConfig};
pub use setup::{ClientSetup, Handed, McpServer, Task};
