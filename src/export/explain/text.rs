//! The catalogue on a screen.

use super::{Answer, CREDENTIAL_NOTE, NEXT, TOLD_APART, UNKNOWN_NOTE, entries_of, version_line};
use crate::catalogue::{Code, Entry, Family, Fit, entry};
use crate::export::style::{Ink, Style, left, wrap};
use std::io::{self, Write};

/// The widest text; lines longer than that are hard to read.
const WIDEST: usize = 80;

/// The narrowest.
const NARROWEST: usize = 50;

/// Columns of a code in a list.
const CODE: usize = 38;

/// The longest command that is kept on one line, in columns.
const LONGEST_COMMAND: usize = 70;

/// Stands for a blank at which no line is broken.
const KEPT_BLANK: &str = "\u{e000}";

/// Writes one entry.
///
/// # Errors
/// When the writer fails.
pub fn one(entry: &Entry, out: &mut impl Write, style: Style) -> io::Result<()> {
    let mut page = Page { style, out };
    page.line(Ink::Heading, entry.code.as_str())?;
    page.paragraph("", entry.title)?;
    page.blank()?;
    page.paragraph("", entry.meaning)?;
    page.picture("On the wire", entry.wire)?;
    page.list("How it comes about", entry.causes)?;
    page.steps("What to do", entry.remedy)?;
    page.section("How a trace tells", [entry.decides])?;
    page.neighbours("Easily taken for", entry.confused_with)?;
    page.list("Mended in Claude Code", &entry.versions.iter().map(version_line).collect::<Vec<_>>())?;
    page.list("What support asks for", entry.attach)?;
    page.links("Seen in", &entry.evidence.iter().map(|link| link.url()).collect::<Vec<_>>())
}

/// Writes the list of all codes.
///
/// # Errors
/// When the writer fails.
pub fn list(out: &mut impl Write, style: Style) -> io::Result<()> {
    let mut page = Page { style, out };
    for family in Family::ALL {
        page.line(Ink::Heading, family.title())?;
        for entry in entries_of(*family) {
            page.row(entry.code, entry.title)?;
        }
        page.blank()?;
    }
    page.command("authtrace explain CODE", "what it means and what helps")?;
    page.command("authtrace explain \"TEXT\"", "what an error text may stand for")
}

/// Writes what a pasted text may stand for.
///
/// # Errors
/// When the writer fails.
pub fn answer(answer: &Answer<'_>, out: &mut impl Write, style: Style) -> io::Result<()> {
    let mut page = Page { style, out };
    if answer.holds_credential {
        page.warning(CREDENTIAL_NOTE)?;
        page.blank()?;
    }
    if answer.candidates.is_empty() {
        page.paragraph("", UNKNOWN_NOTE)?;
        page.neighbours("Codes with a similar name", answer.nearest)?;
    } else {
        page.candidates(answer)?;
    }
    page.heading("Next")?;
    for (command, why) in NEXT {
        page.command(command, why)?;
    }
    if let Some(first) = answer.candidates.first() {
        page.command(&format!("authtrace explain {}", first.code), "what it means and what helps")?;
    }
    Ok(())
}

struct Page<'a, W> {
    style: Style,
    out: &'a mut W,
}

impl<W: Write> Page<'_, W> {
    fn width(&self) -> usize {
        self.style.width.clamp(NARROWEST, WIDEST)
    }

    fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    fn line(&mut self, ink: Ink, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", self.style.paint(ink, text))
    }

    fn heading(&mut self, text: &str) -> io::Result<()> {
        self.blank()?;
        self.line(Ink::Heading, text)
    }

    fn warning(&mut self, text: &str) -> io::Result<()> {
        for line in wrap(text, self.width()) {
            self.line(Ink::Warning, &line)?;
        }
        Ok(())
    }

    /// Wrapped text; its first line begins with `mark`, the others with as many blanks.
    fn paragraph(&mut self, mark: &str, text: &str) -> io::Result<()> {
        let indent = mark.chars().count();
        let lines = wrap(&kept_together(text), self.width().saturating_sub(indent));
        for (at, line) in lines.iter().map(|line| line.replace(KEPT_BLANK, " ")).enumerate() {
            if at == 0 {
                writeln!(self.out, "{mark}{line}")?;
            } else {
                writeln!(self.out, "{:indent$}{line}", "")?;
            }
        }
        Ok(())
    }

    fn section<'t>(&mut self, heading: &str, paragraphs: impl IntoIterator<Item = &'t str>) -> io::Result<()> {
        self.heading(heading)?;
        paragraphs.into_iter().try_for_each(|text| self.paragraph("  ", text))
    }

    fn picture(&mut self, heading: &str, lines: &[&str]) -> io::Result<()> {
        self.heading(heading)?;
        lines.iter().try_for_each(|line| writeln!(self.out, "  {}", self.style.paint(Ink::Dim, line)))
    }

    fn list(&mut self, heading: &str, items: &[impl AsRef<str>]) -> io::Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        self.heading(heading)?;
        items.iter().try_for_each(|item| self.paragraph("  - ", item.as_ref()))
    }

    /// Links stay whole, so that a terminal can follow them.
    fn links(&mut self, heading: &str, links: &[String]) -> io::Result<()> {
        if links.is_empty() {
            return Ok(());
        }
        self.heading(heading)?;
        links.iter().try_for_each(|link| writeln!(self.out, "  {link}"))
    }

    fn steps(&mut self, heading: &str, steps: &[&str]) -> io::Result<()> {
        self.heading(heading)?;
        (1_usize..).zip(steps).try_for_each(|(number, step)| self.paragraph(&format!("  {number}. "), step))
    }

    fn neighbours(&mut self, heading: &str, codes: &[Code]) -> io::Result<()> {
        if codes.is_empty() {
            return Ok(());
        }
        self.heading(heading)?;
        codes.iter().try_for_each(|code| self.row(*code, entry(*code).title))
    }

    fn row(&mut self, code: Code, text: &str) -> io::Result<()> {
        self.painted_row(Ink::Plain, code, text)
    }

    /// The code, and beside it the text, wrapped in its column; below it on a narrow screen.
    fn painted_row(&mut self, ink: Ink, code: Code, text: &str) -> io::Result<()> {
        let room = self.width().saturating_sub(CODE + 2);
        if room < 30 {
            writeln!(self.out, "  {}", self.style.paint(ink, code.as_str()))?;
            return self.paragraph("      ", text);
        }
        let mut name = self.style.paint(ink, &left(code.as_str(), CODE));
        for line in wrap(text, room) {
            writeln!(self.out, "  {name}{line}")?;
            name = left("", CODE);
        }
        Ok(())
    }

    fn candidates(&mut self, answer: &Answer<'_>) -> io::Result<()> {
        let named = answer.candidates.first().is_some_and(|candidate| candidate.fit > Fit::Possible);
        let heading =
            if named { "What it may stand for, the likeliest first" } else { "What often comes with this status" };
        self.line(Ink::Heading, heading)?;
        for candidate in answer.candidates {
            let ink = if candidate.fit == Fit::Named { Ink::Heading } else { Ink::Plain };
            self.painted_row(ink, candidate.code, if named { candidate.why } else { entry(candidate.code).title })?;
        }
        self.heading("How a trace tells them apart")?;
        for candidate in answer.candidates.iter().take(TOLD_APART) {
            writeln!(self.out, "  {}", candidate.code)?;
            self.paragraph("      ", entry(candidate.code).decides)?;
        }
        Ok(())
    }

    fn command(&mut self, command: &str, why: &str) -> io::Result<()> {
        let (pad, long) = (30, command.chars().count() > 28);
        if long || self.width() < 70 {
            writeln!(self.out, "  {}", self.style.paint(Ink::Good, command))?;
            return self.paragraph("      ", why);
        }
        let mut name = self.style.paint(Ink::Good, &left(command, pad));
        for line in wrap(why, self.width().saturating_sub(pad + 2)) {
            writeln!(self.out, "  {name}{line}")?;
            name = left("", pad);
        }
        Ok(())
    }
}

/// The text with its commands, between backticks, in one piece.
fn kept_together(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| {
        let command = at % 2 == 1 && part.chars().count() <= LONGEST_COMMAND;
        if command { part.replace(' ', KEPT_BLANK) } else { part.to_owned() }
    });
    parts.collect::<Vec<_>>().join("`")
}
