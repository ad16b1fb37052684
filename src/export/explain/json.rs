//! The catalogue for programs. Within `authtrace-explain/1` keys are added, never taken away or given another meaning.

use super::{Answer, NEXT, entries_of};
use crate::catalogue::{Class, Code, Entry, Family, Fit, entry};
use serde::Serialize;
use std::io::{self, Write};

/// Name and version of this form.
pub const FORMAT: &str = "authtrace-explain/1";

/// Writes one entry as a JSON object and a line break.
///
/// # Errors
/// When the writer fails.
pub fn one(entry: &Entry, out: &mut impl Write) -> io::Result<()> {
    write(&One { format: FORMAT, entry: Explained::of(entry) }, out)
}

/// Writes all entries as a JSON object and a line break, in the order of their families.
///
/// # Errors
/// When the writer fails.
pub fn list(out: &mut impl Write) -> io::Result<()> {
    let entries = Family::ALL.iter().flat_map(|family| entries_of(*family)).map(Explained::of).collect();
    write(&List { format: FORMAT, entries }, out)
}

/// Writes what a pasted text may stand for as a JSON object and a line break.
///
/// # Errors
/// When the writer fails.
pub fn answer(answer: &Answer<'_>, out: &mut impl Write) -> io::Result<()> {
    let candidates = answer.candidates.iter().map(|candidate| {
        let entry = entry(candidate.code);
        Pointed {
            code: candidate.code,
            fit: candidate.fit,
            why: candidate.why,
            title: entry.title,
            decides: entry.decides,
            remedy: entry.remedy,
        }
    });
    let next = NEXT.iter().map(|(command, _)| *command).collect();
    let Answer { nearest, holds_credential, .. } = *answer;
    write(&Candidates { format: FORMAT, candidates: candidates.collect(), nearest, holds_credential, next }, out)
}

#[derive(Serialize)]
struct One<'a> {
    format: &'static str,
    entry: Explained<'a>,
}

#[derive(Serialize)]
struct List<'a> {
    format: &'static str,
    entries: Vec<Explained<'a>>,
}

#[derive(Serialize)]
struct Explained<'a> {
    class: Class,
    #[serde(flatten)]
    entry: &'a Entry,
}

impl<'a> Explained<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self { class: entry.code.class(), entry }
    }
}

#[derive(Serialize)]
struct Candidates<'a> {
    format: &'static str,
    candidates: Vec<Pointed>,
    nearest: &'a [Code],
    holds_credential: bool,
    next: Vec<&'static str>,
}

#[derive(Serialize)]
struct Pointed {
    code: Code,
    fit: Fit,
    why: &'static str,
    title: &'static str,
    decides: &'static str,
    remedy: &'static [&'static str],
}

fn write(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}
