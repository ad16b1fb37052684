//! What is known about each failure, independent of any trace.
//!
//! Comes in: nothing. Goes out: the [`Code`]s. Never here: I/O, anything of a trace, a value of a user.

mod code;

pub use code::{Class, Code, UnknownCode};
