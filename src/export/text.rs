//! A trace on one screen.

mod credentials;
mod failures;
mod verdict;

use super::cells;
use super::conclusion::Conclusion;
use super::groups::FailureGroups;
use super::phrases::{clock, foreign_tool, listed, missing, played, result, shortened, span};
use super::selection::{Shown, select};
use super::style::{Ink, Style, bytes, clean, columns, counted, duration, left, right, wrap};
use super::timeline::Layout;
use crate::analyze::{Diagnosis, Failure, Spread, Survey};
use crate::trace::{Exchange, Origin};
use std::collections::HashSet;
use std::io::{self, Write};

/// Exchanges that are always shown at the beginning and at the end of a long trace.
const FIRST: usize = 20;
const LAST: usize = 40;
/// Failures between these that are shown, from the first on and up to the last.
const FAILURES: usize = 20;

/// Writes the report for a screen: the verdict with its evidence and what to do, other findings, timeline, failures with
/// their ids, connections that came to nothing, credentials, times, whether authtrace had a part in it, what was left out.
/// Sections without content are left out.
///
/// # Errors
/// When the writer fails.
pub fn report(survey: &Survey, diagnosis: &Diagnosis, out: &mut impl Write, style: Style) -> io::Result<()> {
    let groups = FailureGroups::of(survey);
    let conclusion = Conclusion::of(diagnosis);
    let mut page = Page { survey, style, out };
    page.verdict(&conclusion)?;
    page.other_findings(&conclusion)?;
    page.head(&groups)?;
    page.timeline(&conclusion)?;
    super::client_view::text(survey, page.out, style)?;
    page.failures(&groups)?;
    page.failed_connections(&groups)?;
    page.credentials(diagnosis)?;
    page.times()?;
    page.receipt()?;
    page.notes()?;
    page.left_out()
}

struct Page<'a, W> {
    survey: &'a Survey,
    style: Style,
    out: &'a mut W,
}

/// The width of the names in front of values.
const NAME: usize = 12;

impl<W: Write> Page<'_, W> {
    fn head(&mut self, groups: &FailureGroups<'_>) -> io::Result<()> {
        let survey = self.survey;
        let title = match survey.head() {
            Some(head) => match foreign_tool(head) {
                Some(tool) => format!("HAR of {}, {}", clean(&tool), span(survey)),
                None => format!("{} on {}, {}", clean(head.tool.as_str()), clean(head.os.as_str()), span(survey)),
            },
            None => "a trace without its first line".to_owned(),
        };
        self.heading(&title)?;
        if let Some(played) = played(survey) {
            self.value("played", &played)?;
        }
        let hosts: Vec<String> =
            survey.hosts().iter().map(|row| format!("{} ({})", clean(row.host.as_str()), row.exchanges)).collect();
        match (hosts.is_empty(), survey.head()) {
            (false, _) => self.value("read", &hosts.join(", "))?,
            (true, Some(head)) => self.value("to be read", &listed(head.intercept.iter()))?,
            (true, None) => {}
        }
        let tunnelled: Vec<String> = survey
            .tunnelled()
            .iter()
            .map(|row| {
                let volume = bytes(row.bytes_up.saturating_add(row.bytes_down));
                format!("{} ({volume})", cells::host_and_port(Some(&row.target)))
            })
            .collect();
        if !tunnelled.is_empty() {
            self.value("not read", &shortened(&tunnelled, 6))?;
        }
        let clients: Vec<String> = survey.clients().iter().map(|client| clean(client.as_str()).into_owned()).collect();
        if !clients.is_empty() {
            self.value("clients", &shortened(&clients, 4))?;
        }
        let good = groups.exchanges.is_empty() && groups.connections.is_empty();
        let ink = if good { Ink::Plain } else { Ink::Bad };
        let result = self.style.paint(ink, &result(survey, groups));
        writeln!(self.out, "  {}{result}", left("result", NAME))
    }

    fn timeline(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        let exchanges = self.survey.exchanges();
        if exchanges.is_empty() {
            return Ok(());
        }
        self.heading("Timeline (UTC)")?;
        let (first, last) = if self.style.full { (usize::MAX, 0) } else { (FIRST, LAST) };
        let proof = conclusion.finding.map_or(&[][..], |finding| &finding.exchanges);
        let failed = |exchange: &&Exchange| Failure::of_exchange(exchange).is_some();
        let mut telling: HashSet<u64> = proof.iter().copied().collect();
        telling.extend(exchanges.iter().filter(failed).take(FAILURES / 2).map(|exchange| exchange.id));
        telling.extend(exchanges.iter().rev().filter(failed).take(FAILURES / 2).map(|exchange| exchange.id));
        let shown = select(exchanges, first, last, |exchange| telling.contains(&exchange.id));
        let rows: Vec<&Exchange> = shown
            .iter()
            .filter_map(|line| if let Shown::Item(exchange) = line { Some(*exchange) } else { None })
            .collect();
        let layout = Layout::of(&rows, self.survey, self.style);
        for line in &shown {
            match line {
                Shown::Item(exchange) => {
                    writeln!(self.out, "{}", layout.line(exchange, proof.contains(&exchange.id)))?;
                }
                Shown::LeftOut(count) => {
                    let text = format!("  … {}, shown with --full", counted(*count, "more exchange"));
                    writeln!(self.out, "{}", self.style.paint(Ink::Dim, &text))?;
                }
            }
        }
        if rows.iter().any(|exchange| exchange.origin != Origin::Upstream) {
            let text = "* not answered by the server, but by authtrace or by the proxy that it goes through";
            for line in wrap(text, self.room(2)) {
                writeln!(self.out, "  {}", self.style.paint(Ink::Dim, &line))?;
            }
        }
        Ok(())
    }

    fn times(&mut self) -> io::Result<()> {
        let timing = self.survey.timing();
        let rows = [("until an answer", timing.wait), ("in all", timing.total)];
        if rows.iter().all(|(_, spread)| spread.is_none()) {
            return Ok(());
        }
        self.heading(&format!(
            "{} {}",
            left("Time", 20),
            ["median", "99 of 100", "longest"].map(|name| right(name, 11)).concat()
        ))?;
        for (name, spread) in rows {
            let Some(Spread { p50_us, p99_us, max_us, .. }) = spread else {
                continue;
            };
            let values = [p50_us, p99_us, max_us].map(|us| right(&duration(us), 11)).concat();
            writeln!(self.out, "  {} {values}", left(name, 18))?;
        }
        match self.survey.clock_difference() {
            Some(difference) => {
                let ink = if difference.median_ms.abs() >= 5_000 { Ink::Warning } else { Ink::Plain };
                writeln!(self.out, "  {}", self.style.paint(ink, &clock(difference)))
            }
            None => Ok(()),
        }
    }

    fn notes(&mut self) -> io::Result<()> {
        if self.survey.notes().is_empty() {
            return Ok(());
        }
        self.heading("Notes")?;
        let shown = if self.style.full { (usize::MAX, 0) } else { (8, 4) };
        for line in select(self.survey.notes(), shown.0, shown.1, |_| false) {
            match line {
                Shown::Item(note) => {
                    self.value(note.at.clock().get(..8).unwrap_or_default(), &clean(note.text.as_str()))?
                }
                Shown::LeftOut(count) => writeln!(self.out, "  … {}", counted(count, "more note"))?,
            }
        }
        Ok(())
    }

    fn left_out(&mut self) -> io::Result<()> {
        let missing = missing(self.survey);
        if missing.is_empty() {
            return Ok(());
        }
        self.heading("Missing from this trace")?;
        for line in missing {
            for (at, part) in wrap(&line, self.room(2)).iter().enumerate() {
                let indent = if at == 0 { "  " } else { "    " };
                writeln!(self.out, "{indent}{}", self.style.paint(Ink::Warning, part))?;
            }
        }
        Ok(())
    }

    fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n{}", self.style.paint(Ink::Heading, text.trim_end()))
    }

    /// A name and its value, wrapped and indented below each other.
    fn value(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.entry(&self.style.paint(Ink::Dim, name), name, text)
    }

    /// The same with the name as `painted`.
    fn entry(&mut self, painted: &str, name: &str, text: &str) -> io::Result<()> {
        let gap = " ".repeat(NAME.saturating_sub(columns(name)).max(1));
        for (at, line) in wrap(text, self.room(NAME + 2)).iter().enumerate() {
            match at {
                0 => writeln!(self.out, "  {painted}{gap}{line}")?,
                _ => writeln!(self.out, "  {}{line}", " ".repeat(NAME))?,
            }
        }
        Ok(())
    }

    fn room(&self, taken: usize) -> usize {
        self.style.width.saturating_sub(taken).max(30)
    }
}
