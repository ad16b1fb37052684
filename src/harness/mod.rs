//! authtrace inside the tests of other programs: a fake Anthropic, the proxy and a recorder on free ports, in one value.
//!
//! In come the name of a scenario and a client: a command, anything in this process that speaks HTTP, or the built-in
//! client. Out comes what went over the wire, as values ([`Observed`]), and whether it is what was expected ([`Checked`]).
//!
//! ```
//! # use authtrace::harness::{Harness, HarnessError};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), HarnessError> {
//! let harness = Harness::start("expired-then-refreshed").await?;
//! harness.play().await?; // or: harness.run(harness.command("claude").args(["-p", "hi"]), a_minute).await?
//! let observed = harness.finish().await?;
//!
//! let messages = observed.exchanges().iter().filter(|one| one.path() == "/v1/messages");
//! assert_eq!(messages.map(|message| message.status()).collect::<Vec<_>>(), [Some(401), Some(200)]);
//! observed.assert(
//!     r#"
//!     format = 1
//!     [limits]
//!     auth_failures = 1
//!     [[flow]]
//!     name = "an expired token is refreshed exactly once, and the request retried"
//!     step = [
//!       { path = "/v1/messages", status = 401, credential = "$old" },
//!       { name = "refresh", grant = "refresh-token", status = 200, repeat = 1 },
//!       { path = "/v1/messages", status = 200, credential = "$new", issued_by = "refresh" },
//!     ]
//!     "#,
//! );
//! # Ok(())
//! # }
//! ```
//!
//! Without async, with the same names:
//!
//! ```
//! use authtrace::harness::blocking::Harness;
//!
//! let harness = Harness::start("token-revoked")?;
//! harness.play()?;
//! let observed = harness.finish()?;
//! assert_eq!(observed.verdict().code.as_str(), "token-revoked");
//! # Ok::<(), authtrace::harness::HarnessError>(())
//! ```
//!
//! # Who can be the client
//!
//! - **A command**: [`Harness::command`] makes one with a home of its own, a made-up login in it, the proxy and its
//!   certificates in the environment, and nothing of the user's credentials, exactly as `authtrace run --scenario` does.
//!   [`Harness::run`] runs it with a time limit, and leaves no process behind.
//! - **A program that is started in another way**: [`Harness::environment`] is the whole environment as a map.
//! - **A client in this process**: [`Harness::proxy_url`] and [`Harness::ca_pem`]; [`Harness::base_url`] for a client, or
//!   a gateway, that takes the address of the API and knows no proxy.
//! - **The built-in client**: [`Harness::play`], in milliseconds.
//!
//! Servers of your own, such as a gateway in front of the API, take the place of the fake host by host:
//! [`Builder::gateway`], [`Builder::upstream`]. Whatever is not named is the fake: nothing leaves the machine through the proxy.
//!
//! # In parallel
//!
//! A harness shares nothing with another one: ports, keys, homes and records are its own, and nothing of the process is
//! changed (no variable, no signal handler, no logger, no panic hook). Dropping one ends it: its ports, its files, the
//! commands that [`Harness::run`] has started, and on Linux whatever else was started with its environment. A command does
//! not outlive a test that is killed.
//!
//! # The parts
//!
//! [`Stage`], [`Session`] and [`play()`] are what a harness is made of, and what the program's own commands use: a scenario
//! with its fake and its homes, a proxy at work, and the built-in client.
//!
//! Never here: a credential of the user's, a request to a server that nobody named, a trace on disk unless it is asked for
//! ([`Builder::trace_file`]).

pub mod blocking;
mod builder;
mod command;
mod error;
mod observed;
mod play;
mod reverse;
mod running;
mod scene;
mod session;
mod stage;

pub use crate::analyze::{Diagnosis, Label, Survey, Verdict};
pub use crate::check::{Expectations, Report};
pub use crate::fake::{Change, Fake, Played};
pub use crate::launch::Outcome;
pub use crate::trace::{Connection, Credential, Exchange};
pub use builder::Builder;
pub use command::Ran;
pub use error::HarnessError;
pub use observed::{Checked, Observed};
pub use play::play;
pub use running::Harness;
pub use scene::{SceneError, is_file, load, text};
pub use session::{Beginning, ProxyLogin, Session, Surroundings, lane_name};
pub use stage::{Ports, Stage, isolate, usual_scenario};
