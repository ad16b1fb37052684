//! Two traces side by side, for a screen: what differs, line by line, then what is worse.

pub mod json;
mod lines;
pub mod markdown;
#[cfg(test)]
mod tests;

use super::style::{Ink, Style, clean, columns, counted, fit, left, wrap};
use crate::analyze::{Survey, matters};
use crate::catalogue::Class;
use crate::compare::{Comparison, FindingChange, Regression, Standing};
use lines::{Line, Mark, Shown, lines, shown};
use std::io::{self, Write};

/// The two traces, with the names that people know them by.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// The first.
    pub before: Side<'a>,
    /// The second.
    pub after: Side<'a>,
}

/// A trace.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The file.
    pub name: &'a str,
    /// What is in it.
    pub survey: &'a Survey,
}

/// Lines that are the same, shown before and behind one that is not.
const CONTEXT: usize = 2;
/// Lines that are not the same: more than these are counted.
const CHANGED: usize = 200;
/// The names in front of values.
const NAME: usize = 13;

/// Writes how two traces differ. If they do not, that is one line.
///
/// # Errors
/// When the writer fails.
pub fn report(sides: Sides<'_>, comparison: &Comparison, out: &mut impl Write, style: Style) -> io::Result<()> {
    let mut page = Page { sides, comparison, style, out };
    if comparison.is_same() {
        let line = format!("{}\n", page.same());
        return page.out.write_all(style.paint(Ink::Good, &line).as_bytes()).and_then(|()| page.limits());
    }
    page.head()?;
    page.flows()?;
    page.beside()?;
    page.changes()?;
    page.regressions()?;
    page.limits()
}

struct Page<'a, W> {
    sides: Sides<'a>,
    comparison: &'a Comparison,
    style: Style,
    out: &'a mut W,
}

impl<W: Write> Page<'_, W> {
    fn same(&self) -> String {
        same(self.comparison)
    }

    fn head(&mut self) -> io::Result<()> {
        let Sides { before, after } = self.sides;
        let verdicts = &self.comparison.verdicts;
        for (name, side, verdict) in [("A", before, &verdicts.0), ("B", after, &verdicts.1)] {
            let ink = if verdict.code.class() == Class::Failure { Ink::Bad } else { Ink::Good };
            let client = client(side.survey).map(|client| format!("{client}  ")).unwrap_or_default();
            let (code, room) = (verdict.code.as_str(), self.style.width.saturating_sub(3));
            let rest = room.saturating_sub(columns(&client) + columns(code) + 2);
            let file = clean(side.name);
            let file = if columns(&file) > rest { tail(&file, rest.max(12)) } else { file.into_owned() };
            let name = self.style.paint(Ink::Heading, name);
            writeln!(self.out, "{name}  {file}  {client}{}", self.style.paint(ink, code))?;
        }
        Ok(())
    }

    fn flows(&mut self) -> io::Result<()> {
        let several = self.comparison.flows.len() > 1;
        for (at, flow) in self.comparison.flows.iter().enumerate() {
            writeln!(self.out)?;
            let lines = lines(self.sides, flow);
            if several {
                writeln!(self.out, "{}", self.style.paint(Ink::Heading, &format!("client {}", at + 1)))?;
            }
            if lines.iter().all(|line| line.mark == Mark::Same) {
                let requests = counted(lines.iter().map(|line| line.count).sum(), "request");
                writeln!(self.out, "the flow is the same in both: {requests}")?;
                continue;
            }
            Table::of(&lines, self.style).write(&lines, self.out)?;
        }
        Ok(())
    }

    fn beside(&mut self) -> io::Result<()> {
        let text = beside(self.comparison);
        writeln!(self.out)?;
        self.named("beside", &text)?;
        for row in self.comparison.beside.rows.iter().filter(|row| row.is_newly_refused() || row.is_mended()) {
            let (ink, how) = if row.is_mended() { (Ink::Good, "mended") } else { (Ink::Bad, "refused") };
            let before = lines::statuses(&row.before);
            let text = format!("{}: {before} → {}  {how}", row.route, lines::statuses(&row.after));
            writeln!(self.out, "{:NAME$}{}", "", self.style.paint(ink, &clean(&text)))?;
        }
        Ok(())
    }

    fn changes(&mut self) -> io::Result<()> {
        let Comparison { verdicts, findings, exit_codes, renamed, .. } = self.comparison;
        if verdicts.0.code != verdicts.1.code {
            self.named("verdict", &format!("{} → {}", verdicts.0.code, verdicts.1.code))?;
        }
        for (at, change) in findings.iter().enumerate() {
            self.named(if at == 0 { "findings" } else { "" }, &finding(change))?;
        }
        if exit_codes.0 != exit_codes.1 {
            self.named("exit code", &format!("{} → {}", code(exit_codes.0), code(exit_codes.1)))?;
        }
        let names: Vec<String> =
            renamed.iter().take(6).map(|(one, other)| format!("{one} in A is {other} in B")).collect();
        if !names.is_empty() {
            let more = if renamed.len() > names.len() { ", …" } else { "" };
            self.named("credentials", &format!("{}{more}", names.join(", ")))?;
        }
        Ok(())
    }

    fn named(&mut self, name: &str, text: &str) -> io::Result<()> {
        let lines = wrap(&clean(text), self.style.width.saturating_sub(NAME).max(38));
        let name = left(name, NAME);
        let name = self.style.paint(Ink::Dim, &name);
        writeln!(self.out, "{name}{}", lines.join(&format!("\n{:NAME$}", "")))
    }

    fn regressions(&mut self) -> io::Result<()> {
        let regressions = &self.comparison.regressions;
        writeln!(self.out)?;
        if regressions.is_empty() {
            let text = self.style.paint(Ink::Good, "no regression: what differs is no worse than it was");
            return writeln!(self.out, "{text}");
        }
        let title = self.style.paint(Ink::Bad, &counted(regressions.len(), "regression"));
        writeln!(self.out, "{title}")?;
        for one in regressions {
            let text = wrap(&clean(&sentence(one)), self.style.width.saturating_sub(4).max(38)).join("\n    ");
            writeln!(self.out, "{} {text}", self.style.paint(Ink::Bad, "  ✗"))?;
        }
        Ok(())
    }

    fn limits(&mut self) -> io::Result<()> {
        for limit in &self.comparison.limits {
            let text = wrap(&format!("note: {}", clean(&limit.to_string())), self.style.width.max(38)).join("\n      ");
            writeln!(self.out, "{}", self.style.paint(Ink::Warning, &text))?;
        }
        Ok(())
    }
}

/// The end of a file name, which tells more than its beginning.
fn tail(name: &str, width: usize) -> String {
    let skipped = columns(name).saturating_sub(width.saturating_sub(1));
    format!("…{}", name.chars().skip(skipped).collect::<String>())
}

/// What the client calls itself where it matters, without remarks in brackets.
fn client(survey: &Survey) -> Option<String> {
    let of_flow = survey.exchanges().iter().find(|exchange| matters(exchange))?;
    let agent = of_flow.request.headers.iter().find(|field| field.name.as_str().eq_ignore_ascii_case("user-agent"))?;
    let name = agent.value.as_str().split(' ').next()?;
    Some(clean(&fit(name, 32)).into_owned())
}

/// That two traces show the same.
fn same(comparison: &Comparison) -> String {
    let requests = comparison.flows.iter().map(|flow| flow.rows.len()).sum();
    let clients = match comparison.flows.len() {
        0 | 1 => String::new(),
        several => format!(" of {several} clients"),
    };
    format!("the same auth flow: {}{clients}, {}", counted(requests, "request"), comparison.verdicts.1.code)
}

/// What was asked beside the flow, in counts.
fn beside(comparison: &Comparison) -> String {
    let beside = &comparison.beside;
    let count = |(before, after): (usize, usize), what: &str| {
        if before == after { counted(after, what) } else { format!("{before} → {}", counted(after, what)) }
    };
    let only = |is: fn(&crate::compare::BesideRow) -> bool| beside.rows.iter().filter(|row| is(row)).count();
    let telemetry = count(beside.telemetry, "request");
    let mut text = format!("{}, {telemetry} of telemetry", count(beside.requests, "other request"));
    let (new, gone) = (only(|row| row.before.is_empty()), only(|row| row.after.is_empty()));
    if new + gone > 0 {
        text.push_str(&format!("; {new} of their routes in B alone, {gone} in A alone"));
    }
    text
}

fn code(code: Option<i32>) -> String {
    code.map_or_else(|| "not recorded".to_owned(), |code| code.to_string())
}

fn finding(change: &FindingChange) -> String {
    let how = |standing: Standing| match (standing.is_failure, standing.recovered) {
        (true, false) => "a failure",
        (true, true) => "a failure that recovered",
        (false, _) => "no failure",
    };
    let code = change.code;
    match (change.before, change.after) {
        (None, Some(now)) => format!("+ {code}, {}", how(now)),
        (Some(then), None) => format!("- {code}, {}", how(then)),
        (Some(then), Some(now)) => format!("~ {code}: was {}, is {}", how(then), how(now)),
        (None, None) => code.to_string(),
    }
}

/// A regression with the exchange that shows it.
fn sentence(regression: &Regression) -> String {
    let at = regression.exchange.map(|exchange| format!(" (B #{exchange})")).unwrap_or_default();
    format!("{}: {}{at}", regression.kind.as_str(), regression.message)
}

/// The columns of the lines of one flow.
struct Table {
    style: Style,
    before: usize,
    after: usize,
    request: usize,
}

/// Columns of the mark in front, and between two columns.
const MARK: usize = 2;
const GAP: usize = 2;
/// Columns that words about what changed may take.
const WORDS: usize = 30;

impl Table {
    fn of(lines: &[Line], style: Style) -> Self {
        let room = style.width.max(60);
        let widest = |cell: &dyn Fn(&Line) -> &str| lines.iter().map(|line| columns(cell(line))).max().unwrap_or(0);
        let (before, after) = (widest(&|line| &line.before).max(1), widest(&|line| &line.after).max(1));
        let words = lines.iter().map(|line| columns(&line.words())).max().unwrap_or(0).min(WORDS);
        let most = room * 19 / 100;
        let (before, after) = (before.min(most.max(15)), after.min(most.max(15)));
        let taken = MARK + before + after + words + 3 * GAP;
        let request = widest(&|line| &line.request).min(room.saturating_sub(taken).max(16));
        Self { style, before, after, request }
    }

    fn write(&self, lines: &[Line], out: &mut impl Write) -> io::Result<()> {
        let head = format!("{:MARK$}{}  {}  B", "", left("", self.request), left("A", self.before));
        writeln!(out, "{}", self.style.paint(Ink::Dim, head.trim_end()))?;
        let mut told: &[String] = &[];
        for shown in shown(lines, CONTEXT, if self.style.full { usize::MAX } else { CHANGED }) {
            match shown {
                Shown::Line(line) => {
                    self.line(line, line.details != told, out)?;
                    told = &line.details;
                }
                Shown::Same(count) => {
                    writeln!(
                        out,
                        "{:MARK$}{}",
                        "",
                        self.style.paint(Ink::Dim, &format!("… {} the same", counted(count, "request")))
                    )?;
                }
                Shown::LeftOut(count) => {
                    let text = format!("… {} that differ; --format json has all", counted(count, "more request"));
                    writeln!(out, "{:MARK$}{}", "", self.style.paint(Ink::Warning, &text))?;
                }
            }
        }
        Ok(())
    }

    fn line(&self, line: &Line, with_details: bool, out: &mut impl Write) -> io::Result<()> {
        let ink = match line.mark {
            Mark::Worse => Ink::Bad,
            Mark::Better => Ink::Good,
            Mark::Changed => Ink::Warning,
            Mark::New | Mark::Gone => Ink::Heading,
            Mark::Same => Ink::Plain,
        };
        let request = left(&line.target(self.request), self.request);
        let (before, after) = (cell(&line.before, self.before), cell(&line.after, self.after));
        let text = format!("{} {request}  {before}  {after}  {}", line.mark.as_str(), line.words());
        writeln!(out, "{}", self.style.paint(ink, text.trim_end()))?;
        for detail in line.details.iter().filter(|_| with_details) {
            let detail = fit(detail, self.style.width.max(60).saturating_sub(MARK + 2)).into_owned();
            writeln!(out, "{:MARK$}  {}", "", self.style.paint(Ink::Dim, &detail))?;
        }
        Ok(())
    }
}

/// Number, status and credential in so many columns: what was issued goes first.
fn cell(text: &str, width: usize) -> String {
    let sent = text.split('→').next().filter(|_| columns(text) > width);
    left(sent.unwrap_or(text), width)
}
