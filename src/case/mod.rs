//! A case of `authtrace test`: a scenario, a command, and what is expected of the trace.
//!
//! In comes the text of a file of TOML; out comes a [`Case`], or the first mistake with its place. Environment variables
//! that the command names are asked of whoever calls. Never here: files (paths are as they are written), processes, the
//! process's own environment, a trace.

mod format;
mod read;
#[cfg(test)]
mod tests;
mod word;

pub use read::{CaseError, read};
pub use word::Word;

use crate::check::{Expectations, KnownMiss, Source};
use std::time::Duration;

/// The version of the format that this program reads.
pub const FORMAT: u32 = 1;

/// How long a command may take if a case does not say.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// A case as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What it shows, in a few words.
    pub title: Option<String>,
    /// A built-in scenario by its name, or a file.
    pub scenario: Named,
    /// The program and its arguments; at least one word.
    pub command: Vec<Word>,
    /// Where the command runs.
    pub folder: Option<Named>,
    /// How long it may take.
    pub timeout: Duration,
    /// What is expected here.
    pub expected: Option<Expectations>,
    /// Files with more of it.
    pub expect_files: Vec<Named>,
    /// What of it is known to be missed.
    pub misses: Vec<KnownMiss>,
}

/// A name or a path in a case, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// As it is written.
    pub text: String,
    /// Where.
    pub source: Source,
}
