//! What tests over real sockets share: an origin and a client that send scripted bytes and keep what they received,
//! certificates, a proxy in this process, and a sink that keeps records.
//!
//! Nothing here parses HTTP: a test says which bytes go out and compares which bytes came in.

pub(crate) mod claude;
mod collector;
mod pki;
pub(crate) mod program;
mod proxy;
mod seed;
mod tools;
mod wire;

pub(crate) use collector::Collector;
pub(crate) use pki::{Identity, Pki, client_config, client_config_of, server};
pub(crate) use proxy::{PASSWORD, Setup, TestProxy, handshake};
pub(crate) use seed::Seed;
pub(crate) use tools::tool;
pub(crate) use wire::{Ending, Origin, Wire};

use std::future::Future;
use std::time::Duration;

/// A host that the test proxy may intercept.
pub(crate) const HOST: &str = "api.example.test";

/// Longer than anything that is waited for; a test that needs it hangs.
pub(crate) const AT_MOST: Duration = Duration::from_secs(10);

/// Waits for an event that has to come.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(AT_MOST, event).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain: {what}"),
    }
}
