//! The room that decides what may be written down.
//!
//! In: raw bytes of header fields, targets, hosts, error messages and body fields. Out: [`Redacted`] text,
//! [`Credential`]s (kind, length, fingerprint, flags) and finished lines that went through the taint net
//! ([`Redactor::seal`]). Every rule is an allow-list: what is not known to be harmless becomes a keyed fingerprint
//! such as `‹len≤32 fp=3f9c21ab›`. Every function maps its own output to itself, so that a trace can be redacted again
//! when it is read ([`reread`]).
//!
//! This room never does I/O, never returns a character of a credential besides its public prefix, never fails: what it
//! cannot judge it leaves out. It knows no other room.

mod cookies;
mod credentials;
mod fingerprint;
mod grammar;
mod headers;
mod host;
mod identifier;
mod kind;
mod marker;
mod message;
mod path;
mod program;
mod redacted;
mod redactor;
pub mod reread;
mod routes;
mod secret;
mod syntax;
mod taint;
mod vocabulary;
mod words;

#[cfg(test)]
mod tests;

pub use credentials::HeaderCredential;
pub use fingerprint::Fingerprint;
pub use kind::{Credential, Flag, Kind, Length};
pub use redacted::Redacted;
pub use redactor::{Direction, Keep, Options, RedactError, Redactor, guard};
pub use secret::Secret;
pub use taint::Sealed;
