//! The catalogue as GitHub Flavored Markdown: one entry, or the page of the documentation.

use super::{Answer, CREDENTIAL_NOTE, NEXT, TOLD_APART, UNKNOWN_NOTE, entries_of, version_line};
use crate::catalogue::{Code, Entry, Family, entry};
use std::io::{self, Write};

/// The least weight of words that the page names.
const TELLING: u8 = 60;

/// What stands before the catalogue in the documentation.
const INTRODUCTION: &str = "\
# Failures of authentication

What authtrace recognises, how it looks on the wire, and what helps. The same texts are printed by `authtrace explain CODE`;
`authtrace explain \"TEXT\"` finds the codes for an error text.

In the pictures `oat-A` is an access token, `ort-A` a refresh token, `key-A` an API key, `sid-A` a web session; what is indented
is an answer. Facts come from public threads, from the public change log of Claude Code and from runs of two of its versions
(2.1.107 and 2.1.328) against a made-up server; what was only reported says so. Nothing here is an official statement.

This page is generated; `AUTHTRACE_UPDATE_DOCS=1 cargo test --test it explain` writes it anew.
";

/// Writes one entry, without links to others.
///
/// # Errors
/// When the writer fails.
pub fn one(entry: &Entry, out: &mut impl Write) -> io::Result<()> {
    body(entry, out, false)
}

/// Writes the page of the documentation: the list, and every entry with an anchor of its name.
///
/// # Errors
/// When the writer fails.
pub fn page(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{INTRODUCTION}")?;
    table(out, true)?;
    for family in Family::ALL {
        writeln!(out, "## {}\n", family.title())?;
        for entry in entries_of(*family) {
            body(entry, out, true)?;
        }
    }
    Ok(())
}

/// Writes the list of all codes.
///
/// # Errors
/// When the writer fails.
pub fn list(out: &mut impl Write) -> io::Result<()> {
    table(out, false)
}

/// Writes what a pasted text may stand for.
///
/// # Errors
/// When the writer fails.
pub fn answer(answer: &Answer<'_>, out: &mut impl Write) -> io::Result<()> {
    if answer.holds_credential {
        writeln!(out, "> {CREDENTIAL_NOTE}\n")?;
    }
    if answer.candidates.is_empty() {
        writeln!(out, "{UNKNOWN_NOTE}\n")?;
        for code in answer.nearest {
            writeln!(out, "- `{code}`: {}", prose(entry(*code).title))?;
        }
    } else {
        writeln!(out, "| code | why |\n|---|---|")?;
        for candidate in answer.candidates {
            writeln!(out, "| `{}` | {} |", candidate.code, prose(candidate.why))?;
        }
        writeln!(out, "\nHow a trace tells them apart:\n")?;
        for candidate in answer.candidates.iter().take(TOLD_APART) {
            writeln!(out, "- `{}`: {}", candidate.code, prose(entry(candidate.code).decides))?;
        }
    }
    writeln!(out, "\nNext:\n")?;
    NEXT.iter().try_for_each(|(command, why)| writeln!(out, "- `{command}`: {why}"))
}

fn table(out: &mut impl Write, linked: bool) -> io::Result<()> {
    for family in Family::ALL {
        writeln!(out, "| {} | |\n|---|---|", family.title())?;
        for entry in entries_of(*family) {
            writeln!(out, "| {} | {} |", name(entry.code, linked), prose(entry.title))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn body(entry: &Entry, out: &mut impl Write, linked: bool) -> io::Result<()> {
    writeln!(out, "### {}\n\n**{}.** {}\n", entry.code, prose(entry.title), prose(entry.meaning))?;
    writeln!(out, "```text\n{}\n```\n", entry.wire.join("\n"))?;
    items(out, "How it comes about", entry.causes.iter().map(|cause| prose(cause)))?;
    writeln!(out, "What to do:\n")?;
    for (number, step) in (1_usize..).zip(entry.remedy) {
        writeln!(out, "{number}. {}", prose(step))?;
    }
    writeln!(out, "\nHow a trace tells: {}\n", prose(entry.decides))?;
    let neighbours: Vec<String> = entry.confused_with.iter().map(|code| name(*code, linked)).collect();
    writeln!(out, "Easily taken for: {}\n", neighbours.join(", "))?;
    let words = entry.wordings.iter().filter(|wording| wording.weight >= TELLING);
    items(out, "Words that point here", words.map(|wording| said(wording.all)))?;
    items(out, "Mended in Claude Code", entry.versions.iter().map(|note| prose(&version_line(note))))?;
    items(out, "What support asks for", entry.attach.iter().map(|item| prose(item)))?;
    let links: Vec<String> =
        entry.evidence.iter().map(|link| format!("[{}]({})", prose(&link.label()), link.url())).collect();
    if !links.is_empty() {
        writeln!(out, "Seen in: {}\n", links.join(", "))?;
    }
    Ok(())
}

fn items(out: &mut impl Write, heading: &str, items: impl Iterator<Item = String>) -> io::Result<()> {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "{heading}:\n")?;
    items.iter().try_for_each(|item| writeln!(out, "- {item}"))?;
    writeln!(out)
}

fn name(code: Code, linked: bool) -> String {
    if linked { format!("[{code}](#{code})") } else { format!("`{code}`") }
}

fn said(words: &[&str]) -> String {
    words.iter().map(|words| format!("`{words}`")).collect::<Vec<_>>().join(" and ")
}

/// A text of the catalogue, in which nothing but its code spans is markup.
fn prose(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            escaped.push_str(&format!("`{part}`"));
            continue;
        }
        for c in part.chars() {
            // An underscore within a word is none of Markdown's, and no text begins a line with a number sign.
            if matches!(c, '<' | '>' | '*' | '[' | ']' | '|' | '~' | '\\') {
                escaped.push('\\');
            }
            escaped.push(c);
        }
    }
    escaped
}
