//! What is known about each failure, independent of any trace.
//!
//! Comes in: a [`Code`]. Goes out: its [`Entry`]: what it means, how it looks on the wire, what helps. Never here: I/O,
//! anything of a trace, a value of a user.

mod code;
mod entries;
mod entry;
pub mod versions;

pub use code::{Class, Code, UnknownCode};
pub use entries::entry;
pub use entry::{Entry, Evidence, Family, Wording};
pub use versions::VersionNote;

#[cfg(test)]
mod tests;
