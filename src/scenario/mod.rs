//! Failures to play: a file that says what the fake Anthropic is like, what it does wrong and when, and what the client
//! is given.
//!
//! In comes TOML; out comes a [`Scenario`] of values that [`crate::fake`] and [`crate::policy`] take, or the place of
//! the mistake with a caret under it. The built-in ones are files of the same format, named by the verdict that they
//! lead to.
//!
//! It never opens a file or a socket, and starts nothing.

mod builtin;
mod client;
mod error;
mod format;
mod home;
mod read;
mod stage;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub use crate::fake::Handed;
pub use crate::place::Place;
pub use builtin::{Builtin, beside, builtin, builtins, called, nearest, not_played};
pub use client::Client;
pub use error::ScenarioError;
pub use format::{Against, Given};
pub use home::{HomeFile, home_files};
pub use read::{Scenario, Server, read};
pub use stage::Staged;
pub use text::describe;
pub use write::write;

/// The version of the format that this program reads.
pub const FORMAT: u32 = 1;
