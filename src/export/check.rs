//! Whether expectations hold, for a screen: what holds in a line each, then each miss as a compiler tells of a mistake,
//! with the line of the expectation, the exchange that comes nearest, and what happened around it.

mod folders;
pub mod github;
pub mod json;
pub mod junit;
pub mod markdown;
mod plain;
pub mod sarif;
mod suite;
pub mod tap;
#[cfg(test)]
mod tests;

pub use folders::Folders;
pub use suite::{Checked, Failure, FailureKind, Judged, State, Suite};

use super::style::{Ink, Style, clean, wrap};
use super::timeline::Layout;
use crate::analyze::Survey;
use crate::check::{Difference, Field, Miss, Outcome, Report, Source};
use crate::trace::Exchange;
use std::collections::HashSet;
use std::io::{self, Write};

/// Writes what came of the expectations.
///
/// # Errors
/// When the writer fails.
pub fn report(survey: &Survey, report: &Report, out: &mut impl Write, style: Style) -> io::Result<()> {
    let mut page = Page { survey, style, out };
    for outcome in report.outcomes.iter().filter(|outcome| outcome.miss.is_none()) {
        writeln!(page.out, "{} {}", style.paint(Ink::Good, "✓"), clean(&outcome.expected))?;
    }
    for outcome in &report.outcomes {
        if let Some(miss) = &outcome.miss {
            page.missed(outcome, miss)?;
        }
    }
    page.total(report)
}

/// Writes what is told of one miss.
fn miss(survey: &Survey, outcome: &Outcome, miss: &Miss, out: &mut impl Write, style: Style) -> io::Result<()> {
    Page { survey, style, out }.missed(outcome, miss)
}

struct Page<'a, W> {
    survey: &'a Survey,
    style: Style,
    out: &'a mut W,
}

impl<W: Write> Page<'_, W> {
    fn missed(&mut self, outcome: &Outcome, miss: &Miss) -> io::Result<()> {
        let title = format!("✗ {}", clean(&outcome.expected));
        writeln!(self.out, "\n{}", self.style.paint(Ink::Bad, &title))?;
        for line in wrap(&clean(&miss.message), self.style.width.saturating_sub(4).max(38)) {
            writeln!(self.out, "  {line}")?;
        }
        if let Some(source) = miss.source.as_ref().or(outcome.source.as_ref()) {
            self.excerpt(source)?;
        }
        if let Some(exchange) = miss.exchange {
            self.exchange(exchange, miss.difference.as_ref())?;
        }
        self.around(miss)
    }

    fn excerpt(&mut self, source: &Source) -> io::Result<()> {
        let place = &source.place;
        let margin = " ".repeat(place.line.to_string().len());
        writeln!(self.out, "  {margin}--> {}:{}:{}", clean(&source.name), place.line, place.column)?;
        for line in place.excerpt().lines() {
            writeln!(self.out, "  {}", clean(line))?;
        }
        Ok(())
    }

    fn exchange(&mut self, id: u64, difference: Option<&Difference>) -> io::Result<()> {
        let Some(Difference { field, expected, found }) = difference else { return Ok(()) };
        let name = self.style.paint(Ink::Heading, field.as_str());
        let wanted = !matches!(field, Field::Repeat | Field::Absent | Field::Within | Field::AtLeast);
        writeln!(self.out, "  {}: #{id}", if wanted { "nearest" } else { "exchange" })?;
        writeln!(self.out, "  {name}: expected {}, found {}", clean(expected), clean(found))
    }

    /// The timeline around it.
    fn around(&mut self, miss: &Miss) -> io::Result<()> {
        let shown: HashSet<u64> = miss.around.iter().copied().collect();
        let rows: Vec<&Exchange> = self.survey.exchanges().iter().filter(|one| shown.contains(&one.id)).collect();
        let layout = Layout::of(&rows, self.survey, self.style);
        if !rows.is_empty() {
            writeln!(self.out)?;
        }
        for exchange in rows {
            writeln!(self.out, "{}", layout.line(exchange, miss.exchange == Some(exchange.id)))?;
        }
        Ok(())
    }

    fn total(&mut self, report: &Report) -> io::Result<()> {
        let (all, missed) = (report.outcomes.len(), report.missed());
        let line = match missed {
            0 => self.style.paint(Ink::Good, &format!("all {all} expectations hold")),
            _ => self.style.paint(Ink::Bad, &format!("{missed} of {all} expectations missed")),
        };
        let gap = if missed == 0 { "" } else { "\n" };
        writeln!(self.out, "{gap}{line}")
    }
}
