//! What the client believed, beside what happened: for a screen, and as lines for an issue.

mod sentences;

use super::selection::{Shown, select};
use super::style::{Ink, Style, columns, counted, wrap};
use crate::analyze::{ClientView, Survey};
use sentences::{Row, Sentences};
use std::io::{self, Write};

/// Rows that are always shown at the beginning and at the end of a long log.
const FIRST: usize = 15;
const LAST: usize = 25;

/// The heading of the section, in every form.
pub(super) const HEADING: &str = "What the client believed";

/// Writes the section for a screen; nothing without a debug log.
///
/// # Errors
/// When the writer fails.
pub(super) fn text(survey: &Survey, out: &mut impl Write, style: Style) -> io::Result<()> {
    let Some(view) = survey.client_view() else { return Ok(()) };
    let sentences = Sentences::new(survey, &view, |id| format!("#{id}"));
    writeln!(out, "\n{}", style.paint(Ink::Heading, HEADING))?;
    for line in sentences.disagreements() {
        lines(out, style, ("  ! ", "    "), Ink::Warning, &line)?;
    }
    for line in sentences.facts() {
        lines(out, style, ("  ", "    "), Ink::Dim, &line)?;
    }
    for shown in shown(&view, &sentences, style.full) {
        match shown {
            Shown::Item(row) => {
                let indent = " ".repeat(columns(&row.clock) + 4);
                let first = format!("  {}  ", row.clock);
                let ink = if row.bad { Ink::Plain } else { Ink::Dim };
                lines(out, style, (&first, &indent), ink, &row.text())?;
            }
            Shown::LeftOut(count) => {
                let text = format!("  … {}, shown with --full", counted(count, "more line"));
                writeln!(out, "{}", style.paint(Ink::Dim, &text))?;
            }
        }
    }
    Ok(())
}

/// Lines for an issue, with the numbers of exchanges as they are written there; none without a debug log. Values of the
/// log and the trace stand in them as they are: the caller makes them harmless.
pub(super) fn lines_of_an_issue(survey: &Survey) -> Vec<String> {
    let Some(view) = survey.client_view() else { return Vec::new() };
    let sentences = Sentences::new(survey, &view, |id| format!("No. {id}"));
    let mut lines = sentences.disagreements();
    lines.extend(sentences.facts());
    lines.extend(shown(&view, &sentences, false).into_iter().map(|shown| match shown {
        Shown::Item(row) => format!("{} {}", row.clock, row.text()),
        Shown::LeftOut(count) => format!("… {}", counted(count, "more line")),
    }));
    lines
}

fn shown(view: &ClientView, sentences: &Sentences<'_>, full: bool) -> Vec<Shown<Row>> {
    let (first, last) = if full { (usize::MAX, 0) } else { (FIRST, LAST) };
    let rows = select(&view.rows, first, last, |_| false);
    rows.into_iter()
        .map(|shown| match shown {
            Shown::Item(row) => Shown::Item(sentences.row(row)),
            Shown::LeftOut(count) => Shown::LeftOut(count),
        })
        .collect()
}

/// A sentence, wrapped behind its first piece and indented below it.
fn lines(out: &mut impl Write, style: Style, (first, next): (&str, &str), ink: Ink, text: &str) -> io::Result<()> {
    let room = style.width.saturating_sub(columns(first)).max(30);
    for (at, part) in wrap(text, room).iter().enumerate() {
        let before = if at == 0 { first } else { next };
        writeln!(out, "{before}{}", style.paint(ink, part))?;
    }
    Ok(())
}
