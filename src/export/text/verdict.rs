//! What it comes down to, and what to do.

use super::{NAME, Page};
use crate::analyze::{Finding, Severity};
use crate::export::cells;
use crate::export::conclusion::{self, Conclusion};
use crate::export::groups::program;
use crate::export::selection::{Shown, select};
use crate::export::style::{Ink, clean, columns, counted, fit, left, wrap};
use crate::export::svg::verdict::{State, state};
use crate::trace::{Connection, Exchange};
use std::io::{self, Write};

/// The least that a target is cut to.
const TARGET: usize = 12;

/// Exchanges that prove the verdict and are shown; `--full` shows all.
const PROOF: usize = 6;

impl<W: Write> Page<'_, W> {
    pub(super) fn verdict(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        let verdict = conclusion.verdict;
        let state = state(verdict);
        let (sign, ink) = (state.sign(), ink(state));
        let title = self.style.paint(ink, &format!("{sign} {}", verdict.code));
        let room = self.style.width.saturating_sub(columns(verdict.code.as_str()) + 4);
        match columns(conclusion.known.title) <= room {
            true => writeln!(self.out, "{title}  {}", conclusion.known.title)?,
            false => writeln!(self.out, "{title}\n  {}", conclusion.known.title)?,
        }
        writeln!(self.out)?;
        for line in wrap(&clean(&verdict.summary), self.room(2)) {
            writeln!(self.out, "  {line}")?;
        }
        writeln!(self.out)?;
        self.value("certainty", &conclusion::certainty(verdict))?;
        if verdict.recovered {
            self.value("recovered", "yes, what failed worked again later in this trace")?;
        }
        self.proof(conclusion)?;
        self.advice(conclusion)
    }

    fn proof(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        let exchanges = conclusion.evidence(self.survey);
        let room = if self.style.full { usize::MAX } else { PROOF / 2 };
        let number = exchanges.iter().map(|exchange| exchange.id.to_string().len() + 1).max().unwrap_or_default();
        let mut name = "evidence";
        for line in select(&exchanges, room, room, |_| false) {
            let (text, id) = match line {
                Shown::Item(exchange) => self.proving(exchange, number),
                Shown::LeftOut(count) => (format!("… {}", counted(count, "more exchange")), String::new()),
            };
            self.proof_line(name, &text, &id)?;
            name = "";
        }
        let connections = conclusion.connections(self.survey);
        for line in select(&connections, room, room, |_| false) {
            let text = match line {
                Shown::Item(connection) => connected(connection),
                Shown::LeftOut(count) => format!("… {}", counted(count, "more connection")),
            };
            self.value(name, &text)?;
            name = "";
        }
        Ok(())
    }

    /// An exchange in one line, and its id.
    fn proving(&self, exchange: &Exchange, number: usize) -> (String, String) {
        let clock = exchange.at.clock();
        let start = format!(
            "{}  {}  {}  ",
            left(&format!("#{}", exchange.id), number),
            clock.get(..8).unwrap_or(&clock),
            left(&cells::status(exchange), 4).trim_end(),
        );
        let label = cells::credentials(exchange, self.survey.labels());
        let method = clean(exchange.request.method.as_str());
        let room = self.style.width.saturating_sub(NAME + 2 + columns(&start) + columns(&method) + 1);
        let cells = [label, cells::error(exchange)].into_iter().filter(|cell| !cell.is_empty());
        let tail: String = cells.map(|cell| format!("  {cell}")).collect();
        let tail = fit(&tail, room.saturating_sub(TARGET));
        let room = room.saturating_sub(columns(&tail)).min(48);
        let target = cells::target(exchange.request.host.as_str(), exchange.request.path.as_str(), room);
        let id = exchange.request_ids.best().map(|id| clean(id.as_str()).into_owned()).unwrap_or_default();
        (format!("{start}{method} {target}{tail}"), id)
    }

    /// The id behind the line, or below it where there is no room.
    fn proof_line(&mut self, name: &str, text: &str, id: &str) -> io::Result<()> {
        let name = self.style.paint(Ink::Dim, &left(name, NAME));
        if id.is_empty() {
            return writeln!(self.out, "  {name}{text}");
        }
        let fits = NAME + 2 + columns(text) + 2 + columns(id) <= self.style.width;
        let id = self.style.paint(Ink::Dim, id);
        match fits {
            true => writeln!(self.out, "  {name}{text}  {id}"),
            false => writeln!(self.out, "  {name}{text}\n  {}    {id}", " ".repeat(NAME)),
        }
    }

    fn advice(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        if let Some(remedy) = conclusion.remedy() {
            let ink = self.style.paint(Ink::Heading, "what to do");
            self.entry(&ink, "what to do", &clean(remedy))?;
        }
        for (at, step) in conclusion.further().iter().enumerate() {
            self.value(if at == 0 { "or" } else { "" }, step)?;
        }
        if let Some(caveat) = conclusion.finding.and_then(|finding| finding.caveat) {
            self.value("but", caveat)?;
        }
        if let Some(version) = conclusion.finding.and_then(|finding| finding.version.as_ref()) {
            self.value("version", &conclusion::version(version))?;
        }
        for (at, (code, title)) in conclusion.otherwise().iter().enumerate() {
            let name = if at == 0 { "or it is" } else { "" };
            self.value(name, &format!("{code}: {title}"))?;
        }
        if !conclusion.attach().is_empty() {
            let text = format!("to a report, besides this one: {}", conclusion.attach().join("; "));
            self.value("attach", &text)?;
        }
        Ok(())
    }

    pub(super) fn other_findings(&mut self, conclusion: &Conclusion<'_>) -> io::Result<()> {
        let others: Vec<&Finding> = conclusion.others().collect();
        if others.is_empty() {
            return Ok(());
        }
        self.heading("Also found")?;
        for finding in others {
            self.other(finding)?;
        }
        Ok(())
    }

    fn other(&mut self, finding: &Finding) -> io::Result<()> {
        let ink = match finding.severity {
            Severity::Failure if !finding.recovered => Ink::Bad,
            Severity::Failure | Severity::Warning => Ink::Warning,
            Severity::Note => Ink::Dim,
        };
        let severity = self.style.paint(ink, &left(conclusion::severity(finding.severity), NAME));
        let recovered = if finding.recovered { ", recovered" } else { "" };
        let references = conclusion::references(finding);
        let references = if references.is_empty() { references } else { format!("  {references}") };
        let first = format!("{} ({}{recovered}){references}", finding.code, conclusion::word(finding.confidence));
        for (at, line) in wrap(&first, self.room(NAME + 2)).iter().enumerate() {
            let name = if at == 0 { severity.clone() } else { " ".repeat(NAME) };
            writeln!(self.out, "  {name}{line}")?;
        }
        self.value("", &clean(&finding.summary))?;
        if finding.severity != Severity::Note && !finding.remedy.is_empty() {
            self.value("", &format!("→ {}", clean(&finding.remedy)))?;
        }
        Ok(())
    }
}

fn ink(state: State) -> Ink {
    match state {
        State::Well => Ink::Good,
        State::Mended | State::Unknown => Ink::Warning,
        State::Failed => Ink::Bad,
    }
}

fn connected(connection: &Connection) -> String {
    let clock = connection.opened.clock();
    let by = program(connection).map(|program| format!(", {program}")).unwrap_or_default();
    format!(
        "connection {}  {}  {}{by}: {}",
        connection.id,
        clock.get(..8).unwrap_or(&clock),
        cells::host_and_port(connection.target.as_ref()),
        connection.end.outcome.as_str()
    )
}
