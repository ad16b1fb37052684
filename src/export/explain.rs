//! What is known about the codes, for people and for programs.
//!
//! Comes in: entries of the catalogue, or the candidates for a pasted text. Goes out: text of our own alone; of the pasted
//! text nothing was handed in.

pub mod json;
pub mod markdown;
pub mod text;

#[cfg(test)]
mod tests;

use crate::catalogue::{Candidate, Code, Entry, Family, entry};

/// What can be said about a pasted text.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// What it may stand for, the likeliest first.
    pub candidates: &'a [Candidate],
    /// Codes with a similar name, for a text that nothing is known about.
    pub nearest: &'a [Code],
    /// Whether the text seems to hold a credential.
    pub holds_credential: bool,
}

/// How many candidates are told apart.
const TOLD_APART: usize = 4;

/// What to run next, and why.
const NEXT: &[(&str, &str)] = &[
    ("authtrace run -- claude", "let it fail once more behind authtrace"),
    ("authtrace report", "what the trace shows; with --format md safe to paste into an issue"),
];

/// For a text that holds a credential.
const CREDENTIAL_NOTE: &str = "The text seems to hold a credential. It is neither kept nor shown here, but it may stand in \
    your shell's history and wherever you copied it from. Better replace it.";

/// For a text that nothing is known about.
const UNKNOWN_NOTE: &str = "Nothing in this text is known. Paste the line that begins with \"API Error\", or the words on the \
    screen, or the error as JSON; a status such as 401 alone helps a little.";

fn entries_of(family: Family) -> impl Iterator<Item = &'static Entry> {
    Code::ALL.iter().map(|code| entry(*code)).filter(move |entry| entry.family == family)
}

/// What a version brought.
fn version_line(note: &crate::catalogue::VersionNote) -> String {
    match note.since {
        Some(since) => format!("{} (broken since {since}): {}", note.fixed_in, note.what),
        None => format!("{}: {}", note.fixed_in, note.what),
    }
}
