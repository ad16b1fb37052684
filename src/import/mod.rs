//! Captures of other tools become records of a trace.
//!
//! Comes in: a file as another tool wrote it ([`har`], or the debug log of the client, [`client_log`]), and the redactor of
//! this run. Goes out: the same records that the
//! proxy makes, made by the same rules ([`crate::facts`]), in the order of time. Raw text lives as long as the one entry
//! that is being read, and is wiped with it; header lines that repeat are remembered a little longer, as on a connection of
//! the proxy. What a capture does not say stays absent; what could not be read is named by
//! its place. Never here: files, sockets, a verdict, any byte of the input in an error.

pub mod client_log;
pub mod har;

use std::io;

/// What was read of a capture.
#[derive(Debug, Default)]
pub struct Imported {
    /// The first line of a trace, then connections and exchanges by time, then notes and the last line.
    pub records: Vec<crate::trace::Record>,
    /// What could not be read, by place.
    pub unread: Vec<Unread>,
    /// Different credentials that were seen.
    pub credentials: usize,
}

/// A place in the input that could not be read; what stands around it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1; 0 if it is not known.
    pub column: u64,
    /// What is wrong, without any byte of the input.
    pub why: String,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The operating system refused.
    #[error("reading stopped at line {line}: {source}")]
    Io {
        /// Line, from 1.
        line: u64,
        /// What it said.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Not the beginning of a HAR.
    #[error("line {line}, column {column}: {expected}")]
    NotHar {
        /// Line, from 1.
        line: u64,
        /// Column in characters, from 1.
        column: u64,
        /// What was expected there, and what to do.
        expected: &'static str,
    },
    /// No line has the form of a debug log of Claude Code.
    #[error(
        "no line of it begins as those of Claude Code's debug log do (2026-01-31T23:59:59.123Z [DEBUG] …); \
         make one with: claude --debug-file FILE"
    )]
    NotClientLog,
}
