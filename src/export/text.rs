//! A trace on one screen.

use super::cells;
use super::groups::{FailureGroups, program};
use super::phrases::{
    capitalised, clock, foreign_tool, kebab, listed, mention, missing, origin, result, shortened, span,
};
use super::selection::{Shown, select};
use super::style::{Ink, Style, bytes, clean, columns, counted, duration, left, right, thousands, wrap};
use super::timeline::Layout;
use super::wording;
use crate::analyze::{Failure, Spread, Survey};
use crate::redact::Redacted;
use crate::trace::{Connection, Exchange, Origin, RequestIds};
use std::io::{self, Write};

/// Exchanges that are always shown at the beginning and at the end of a long trace.
const FIRST: usize = 20;
const LAST: usize = 40;

/// Writes the report for a screen: head, timeline, failures with their ids, connections that came to nothing,
/// credentials, times, what was left out. Sections without content are left out.
///
/// # Errors
/// When the writer fails.
pub fn report(survey: &Survey, out: &mut impl Write, style: Style) -> io::Result<()> {
    let groups = FailureGroups::of(survey);
    let mut page = Page { survey, style, out };
    page.head(&groups)?;
    page.timeline()?;
    page.failures(&groups)?;
    page.failed_connections(&groups)?;
    page.credentials()?;
    page.times()?;
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
        writeln!(self.out, "{}", self.style.paint(Ink::Heading, &title))?;
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

    fn timeline(&mut self) -> io::Result<()> {
        let exchanges = self.survey.exchanges();
        if exchanges.is_empty() {
            return Ok(());
        }
        self.heading("Timeline (UTC)")?;
        let (first, last) = if self.style.full { (usize::MAX, 0) } else { (FIRST, LAST) };
        let shown = select(exchanges, first, last, |exchange| Failure::of_exchange(exchange).is_some());
        let rows: Vec<&Exchange> = shown
            .iter()
            .filter_map(|line| if let Shown::Item(exchange) = line { Some(*exchange) } else { None })
            .collect();
        let layout = Layout::of(&rows, self.survey, self.style);
        for line in &shown {
            match line {
                Shown::Item(exchange) => writeln!(self.out, "{}", layout.line(exchange))?,
                Shown::LeftOut(count) => {
                    let text = format!("  … {} without a failure, shown with --full", counted(*count, "more exchange"));
                    writeln!(self.out, "{}", self.style.paint(Ink::Dim, &text))?;
                }
            }
        }
        if rows.iter().any(|exchange| exchange.origin != Origin::Upstream) {
            let text = "  * not answered by the server, but by authtrace or by the proxy that it goes through";
            writeln!(self.out, "{}", self.style.paint(Ink::Dim, text))?;
        }
        Ok(())
    }

    fn failures(&mut self, groups: &FailureGroups<'_>) -> io::Result<()> {
        let Some(refused) = groups.refused() else {
            return self.telemetry();
        };
        self.heading(&capitalised(&refused))?;
        for group in &groups.exchanges {
            self.failure(group)?;
            writeln!(self.out)?;
        }
        let all = || groups.exchanges.iter().flatten();
        if let Some(good) = all().min_by_key(|e| (e.at, e.id)).and_then(|first| self.survey.accepted_before(first)) {
            self.value("last good", &format!("{} before the first failure", mention(good)))?;
        }
        let after = all().max_by_key(|e| (e.at, e.id)).and_then(|last| self.survey.accepted_after(last));
        let text = match after {
            Some(good) => format!("{} after the last failure", mention(good)),
            None => "nothing with a credential was accepted after the last failure".to_owned(),
        };
        self.value("next good", &text)?;
        self.telemetry()
    }

    fn failure(&mut self, group: &[&Exchange]) -> io::Result<()> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return Ok(());
        };
        let title = format!("{} {}", cells::status(first), cells::error(first));
        let request = format!(
            "{} {}",
            clean(first.request.method.as_str()),
            cells::target(first.request.host.as_str(), first.request.path.as_str(), usize::MAX)
        );
        writeln!(self.out, "{}  {request}", self.style.paint(Ink::Bad, &format!("✗ {}", title.trim_end())))?;
        let seen = match group.len() {
            1 => format!("#{} at {}", first.id, first.at.clock()),
            2 => format!("#{} at {} and #{} at {}", first.id, first.at.clock(), last.id, last.at.clock()),
            n => format!(
                "{} times, #{} at {} to #{} at {}",
                thousands(n),
                first.id,
                first.at.clock(),
                last.id,
                last.at.clock()
            ),
        };
        self.value("seen", &seen)?;
        if let Some(message) = first.error.as_ref().and_then(|error| error.message.as_ref()) {
            self.value("message", &clean(message.as_str()))?;
        }
        if first.origin != Origin::Upstream {
            self.value("answered by", origin(first.origin))?;
        }
        if first.credentials.is_empty() {
            self.value("credential", "none was sent")?;
        }
        for sent in &first.credentials {
            let label =
                self.survey.credential_label(sent.credential.fp).map(|label| label.to_string()).unwrap_or_default();
            let flags: Vec<String> = sent.credential.flags.iter().map(kebab).collect();
            let flags = if flags.is_empty() { String::new() } else { format!("  ({})", flags.join(", ")) };
            self.value("credential", &format!("{label} {} in {}{flags}", sent.credential, clean(sent.place.as_str())))?;
        }
        self.ids("request-id", group, |ids| ids.header.as_ref())?;
        if group.iter().any(|e| e.request_ids.body.is_some() && e.request_ids.body != e.request_ids.header) {
            self.ids("in the body", group, |ids| ids.body.as_ref())?;
        }
        if group.iter().all(|exchange| exchange.request_ids.best().is_none()) {
            self.value("request-id", "none in the answer: it may not have reached the API")?;
        }
        self.ids("client's id", group, |ids| ids.client.as_ref())?;
        self.ids("cf-ray", group, |ids| ids.edge.as_ref())
    }

    fn ids(
        &mut self,
        name: &str,
        group: &[&Exchange],
        id: impl Fn(&RequestIds) -> Option<&Redacted>,
    ) -> io::Result<()> {
        let all: Vec<String> = group
            .iter()
            .filter_map(|exchange| {
                let text = clean(id(&exchange.request_ids)?.as_str()).into_owned();
                Some(if group.len() > 1 { format!("{text} (#{})", exchange.id) } else { text })
            })
            .collect();
        if all.is_empty() {
            return Ok(());
        }
        let room = if self.style.full { usize::MAX } else { 3 };
        let shown: Vec<String> = select(&all, room, 1, |_| false)
            .into_iter()
            .map(|line| match line {
                Shown::Item(text) => text.clone(),
                Shown::LeftOut(count) => format!("{} more", thousands(count)),
            })
            .collect();
        self.value(name, &shown.join(", "))
    }

    fn telemetry(&mut self) -> io::Result<()> {
        let refusals: Vec<String> =
            self.survey.telemetry_refusals().map(|exchange| format!("#{}", exchange.id)).collect();
        if refusals.is_empty() {
            return Ok(());
        }
        let text = format!(
            "{} refused, which does not touch the login: {}",
            counted(refusals.len(), "telemetry call"),
            shortened(&refusals, 8)
        );
        writeln!(self.out)?;
        self.value("telemetry", &text)
    }

    fn failed_connections(&mut self, groups: &FailureGroups<'_>) -> io::Result<()> {
        let Some(unconnected) = groups.unconnected() else {
            return Ok(());
        };
        self.heading(&capitalised(&unconnected))?;
        for (at, group) in groups.connections.iter().enumerate() {
            if at > 0 {
                writeln!(self.out)?;
            }
            self.failed_connection(group)?;
        }
        Ok(())
    }

    fn failed_connection(&mut self, group: &[&Connection]) -> io::Result<()> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return Ok(());
        };
        let outcome = first.end.outcome;
        let title = self.style.paint(Ink::Bad, &format!("✗ {}", outcome.as_str()));
        writeln!(self.out, "{title}  {}: {}", cells::host_and_port(first.target.as_ref()), wording::what(outcome))?;
        let by = match (program(first), &first.peer) {
            (Some(program), Some(peer)) => format!(", by {program} (pid {})", peer.pid),
            _ => String::new(),
        };
        let seen = match group.len() {
            1 => format!("at {}{by}", first.opened.clock()),
            n => format!("{} times, {} to {}{by}", thousands(n), first.opened.clock(), last.opened.clock()),
        };
        self.value("seen", &seen)?;
        if let Some(status) = first.end.status {
            self.value("status", &status.to_string())?;
        }
        if let Some(detail) = &first.end.detail {
            self.value("detail", &clean(detail.as_str()))?;
        }
        match wording::next(outcome, program(first).as_deref(), first.end.status) {
            Some(next) => self.value("try", &next),
            None => Ok(()),
        }
    }

    fn credentials(&mut self) -> io::Result<()> {
        let rows = self.survey.credentials();
        if rows.is_empty() {
            return Ok(());
        }
        self.heading("Credentials")?;
        let width = rows.iter().map(|row| columns(&row.label.to_string())).max().unwrap_or_default();
        let marker = rows.iter().map(|row| columns(&row.credential.to_string())).max().unwrap_or_default().min(40);
        let shown = if self.style.full {
            select(&rows, usize::MAX, 0, |_| false)
        } else {
            select(&rows, 8, 8, |row| row.refused > 0)
        };
        for line in shown {
            let row = match line {
                Shown::Item(row) => row,
                Shown::LeftOut(count) => {
                    writeln!(self.out, "  … {}", counted(count, "more credential"))?;
                    continue;
                }
            };
            let mut facts = Vec::new();
            match row.issued_by {
                Some(id) => facts.push(format!("issued by #{id}")),
                None => facts.push("there before".to_owned()),
            }
            if row.uses == 0 {
                facts.push("never used".to_owned());
            } else {
                facts.push(format!("used {}×", row.uses));
            }
            if row.accepted > 0 {
                facts.push(format!("accepted {}×", row.accepted));
            }
            if let Some(id) = row.first_refused {
                facts.push(format!("refused {}×, first in #{id}", row.refused));
            }
            if !row.places.is_empty() {
                facts.push(format!("in {}", listed(row.places.iter())));
            }
            if !row.credential.flags.is_empty() {
                let flags: Vec<String> = row.credential.flags.iter().map(kebab).collect();
                facts.push(format!("looks {}", flags.join(", ")));
            }
            let label = left(&row.label.to_string(), width);
            let ink = if row.refused > 0 { Ink::Bad } else { Ink::Plain };
            let start = format!("  {}  {}  ", self.style.paint(ink, &label), left(&row.credential.to_string(), marker));
            let indent = width + marker + 6;
            for (at, facts) in wrap(&facts.join(", "), self.room(indent)).iter().enumerate() {
                let start = if at == 0 { start.clone() } else { " ".repeat(indent) };
                writeln!(self.out, "{start}{facts}")?;
            }
        }
        Ok(())
    }

    fn times(&mut self) -> io::Result<()> {
        let timing = self.survey.timing();
        let rows = [("until an answer", timing.wait), ("in all", timing.total), ("added by authtrace", timing.added)];
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
        for (at, line) in wrap(text, self.room(NAME + 2)).iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            writeln!(self.out, "  {}{line}", self.style.paint(Ink::Dim, &left(name, NAME)))?;
        }
        Ok(())
    }

    fn room(&self, taken: usize) -> usize {
        self.style.width.saturating_sub(taken).max(30)
    }
}
