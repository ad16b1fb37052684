//! What is known about each failure, independent of any trace.
//!
//! Comes in: a [`Code`], or a text that somebody pasted. Goes out: its [`Entry`] (what it means, how it looks on the wire,
//! what helps), or the [`Candidate`]s for the text, in words of our own. Never here: I/O, anything of a trace, a value of a
//! user: of a pasted text nothing is kept or given back.

mod candidates;
mod code;
mod entries;
mod entry;
mod pasted;
pub mod versions;

pub use candidates::{Candidate, Fit, candidates, nearest};
pub use code::{Class, Code, UnknownCode};
pub use entries::entry;
pub use entry::{Entry, Evidence, Family, Wording};
pub use pasted::holds_credential;
pub use versions::VersionNote;

#[cfg(test)]
mod tests;
