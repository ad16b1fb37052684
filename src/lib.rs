//! authtrace: a local HTTPS proxy that shows why Claude Code says 401.
//!
//! A developer puts it in front of Claude Code (`authtrace run -- claude`). It records every auth header, as a
//! fingerprint, and every answer of the hosts in scope, and it never lets a credential out. This crate is the program's
//! library; the program itself is the thin `cli` on top.
//!
//! # The rooms
//!
//! In the order in which data moves; a test holds which room may use which.
//!
//! | room | job |
//! |---|---|
//! | [`config`] | options, resolved once |
//! | [`launch`] | the child: environment, trust files, terminal, signals |
//! | [`proxy`] | connections: accepted, dialled, intercepted or tunnelled, relayed |
//! | [`wire`] | HTTP/1.x as bytes: heads, framing; strict, no io |
//! | [`ca`] | the certificate authority of a run and what it may sign |
//! | [`redact`] | what may be written down: secrets, fingerprints, grammars |
//! | [`facts`] | bytes of heads and bodies → redacted facts |
//! | [`trace`] | the vocabulary of a trace, and its lines |
//! | [`import`] | captures of other tools (HAR) → records of a trace |
//! | [`record`] | the writer of the trace |
//! | [`catalogue`] | what is known about each failure |
//! | [`analyze`] | a trace, surveyed and judged |
//! | [`trigger`] | what a flight recorder waits for, and whether it has come |
//! | [`compare`] | two traces side by side: what is new, gone, refused, and what of it is a regression |
//! | [`check`] | expectations, and whether a trace keeps them |
//! | [`case`] | a case of `authtrace test`: scenario, command, expectations |
//! | [`doctor`] | is everything in place: environment, files, client, upstream, clock |
//! | [`export`] | what a person or a program reads of it |
//! | [`place`] | where something stands in a file that a person wrote |
//! | [`policy`] | what is done to a request instead of what a server would do: rules with a memory |
//! | [`scenario`] | files that say what is played: TOML → fake, rules, events |
//! | [`replay`] | a trace → the scenario that plays it again; where a client left the recorded path |
//! | [`fake`] | an Anthropic on loopback, for the demo and the tests |
//! | [`harness`] | fake, proxy and recorder in one value, for tests of other programs |
//!
//! # How a credential stays inside
//!
//! Raw bytes exist in a connection's own task only. What leaves it is of the types of [`trace`], and their text is
//! [`redact::Redacted`], which only the [`redact::Redactor`] makes. A value seen as a credential is remembered as hashes
//! of its parts, and every line is searched for it before it is written.
//!
//! # In tests of other programs
//!
//! [`harness`] puts a fake Anthropic, the proxy and a recorder into one value, plays a failure to a client, and holds what
//! went over the wire against expectations:
//!
//! ```
//! use authtrace::harness::blocking::Harness;
//!
//! let harness = Harness::start("expired-then-refreshed")?;
//! harness.play()?; // or: harness.run(harness.command("my-tool").arg("hi"), a_minute)?
//! harness.finish()?.assert("format = 1\n[limits]\nauth_failures = 1\nrefreshes = 1\n");
//! # Ok::<(), authtrace::harness::HarnessError>(())
//! ```
//!
//! # Traces and HAR
//!
//! A trace of authtrace is read by [`trace::Reader`], a HAR of another tool by [`import::har`]; both make an
//! [`analyze::Survey`], and [`analyze::diagnose`] says what it shows:
//!
//! ```
//! use authtrace::analyze::{Survey, diagnose};
//! use authtrace::catalogue::Code;
//! use authtrace::import::har;
//! use authtrace::redact::Redactor;
//! use std::sync::Arc;
//!
//! let file = br#"{"log":{"version":"1.2","creator":{"name":"a browser","version":"1"},"entries":[]}}"#;
//! let imported = har::read(file.as_slice(), &Arc::new(Redactor::plain()))?;
//! let diagnosis = diagnose(&imported.records.into_iter().collect::<Survey>());
//! assert_eq!(diagnosis.verdict.code, Code::NoAuthenticatedRequest);
//! # Ok::<(), authtrace::import::ImportError>(())
//! ```

pub mod analyze;
pub mod ca;
pub mod case;
pub mod catalogue;
pub mod check;
pub mod compare;
pub mod config;
pub mod doctor;
pub mod export;
pub mod facts;
pub mod fake;
pub mod harness;
pub mod import;
pub mod launch;
pub mod place;
pub mod policy;
pub mod proxy;
pub mod record;
pub mod redact;
pub mod replay;
pub mod scenario;
pub mod trace;
pub mod trigger;
pub mod wire;
