//! The lines of a flow: what is alike in a row is one line with a count.

use super::{Side, Sides};
use crate::compare::{Change, CredentialChange, Flow, Row, Statuses};
use crate::export::cells;
use crate::export::style::{clean, duration};
use crate::trace::Exchange;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Same,
    New,
    Gone,
    Changed,
    Better,
    Worse,
}

impl Mark {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Same => " ",
            Self::New => "+",
            Self::Gone => "-",
            Self::Changed => "~",
            Self::Better => "✓",
            Self::Worse => "!",
        }
    }

    fn of(changes: &[Change]) -> Self {
        let any = |wanted: &[Change]| changes.iter().any(|change| wanted.contains(change));
        match changes {
            [] => Self::Same,
            [Change::New] => Self::New,
            [Change::Gone] => Self::Gone,
            _ if any(&[Change::Refused, Change::Failed]) => Self::Worse,
            _ if any(&[Change::Mended]) => Self::Better,
            _ => Self::Changed,
        }
    }
}

/// A request, or several in a row that are alike.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) mark: Mark,
    /// Method, host and path.
    pub(super) request: String,
    /// Number, status and credential in the first trace, or nothing.
    pub(super) before: String,
    /// In the second.
    pub(super) after: String,
    pub(super) changes: Vec<Change>,
    /// What was and is, where that needs a line of its own.
    pub(super) details: Vec<String>,
    /// How many.
    pub(super) count: usize,
    method: String,
    host: String,
    path: String,
}

impl Line {
    /// The request in at most so many columns.
    pub(super) fn target(&self, width: usize) -> String {
        let method = clean(&self.method);
        let room = width.saturating_sub(method.chars().count() + 1);
        format!("{method} {}", cells::target(&self.host, &self.path, room))
    }

    /// What changed, in a few words, and how often in a row.
    pub(super) fn words(&self) -> String {
        let changes = self.changes.iter().map(|change| change.as_str()).collect::<Vec<_>>().join(", ");
        let times = if self.count > 1 { format!(" ×{}", self.count) } else { String::new() };
        format!("{changes}{times}").trim_start().to_owned()
    }
}

/// The lines of a flow.
pub(super) fn lines(sides: Sides<'_>, flow: &Flow) -> Vec<Line> {
    let alike = |one: &&Row, other: &&Row| Alike::of(sides, one) == Alike::of(sides, other);
    let rows: Vec<&Row> = flow.rows.iter().collect();
    rows.chunk_by(alike).filter_map(|run| line(sides, run)).collect()
}

/// What lines that are counted together have in common.
#[derive(PartialEq)]
struct Alike<'a> {
    changes: &'a [Change],
    target: Option<(&'a str, &'a str, &'a str)>,
    before: Option<(String, String)>,
    after: Option<(String, String)>,
}

impl<'a> Alike<'a> {
    fn of(sides: Sides<'a>, row: &'a Row) -> Self {
        let (before, after) = (exchange(sides.before, row.before), exchange(sides.after, row.after));
        let cells = |side: Side<'a>, exchange: Option<&'a Exchange>| Some(cells_of(side, exchange?));
        Self {
            changes: &row.changes,
            target: after.or(before).map(target),
            before: cells(sides.before, before),
            after: cells(sides.after, after),
        }
    }
}

fn line(sides: Sides<'_>, run: &[&Row]) -> Option<Line> {
    let row = run.first()?;
    let (before, after) = (exchange(sides.before, row.before), exchange(sides.after, row.after));
    let (method, host, path) = target(after.or(before)?);
    let cell = |side: Side<'_>, exchange: Option<&Exchange>| {
        let Some(exchange) = exchange else { return String::new() };
        let (status, credential) = cells_of(side, exchange);
        format!("#{} {status} {credential}", exchange.id).trim_end().to_owned()
    };
    Some(Line {
        mark: Mark::of(&row.changes),
        request: format!("{} {}", clean(method), cells::target(host, path, usize::MAX)),
        before: cell(sides.before, before),
        after: cell(sides.after, after),
        changes: row.changes.clone(),
        details: before.zip(after).map(|(before, after)| details(before, after, &row.changes)).unwrap_or_default(),
        count: run.len(),
        method: method.to_owned(),
        host: host.to_owned(),
        path: path.to_owned(),
    })
}

fn exchange<'a>(side: Side<'a>, place: Option<usize>) -> Option<&'a Exchange> {
    side.survey.exchanges().get(place?)
}

fn target(exchange: &Exchange) -> (&str, &str, &str) {
    let request = &exchange.request;
    let path = request.path.as_str();
    (request.method.as_str(), request.host.as_str(), path.split('?').next().unwrap_or(path))
}

/// Status and credential.
fn cells_of(side: Side<'_>, exchange: &Exchange) -> (String, String) {
    let credentials = cells::credentials(exchange, side.survey.labels());
    (cells::status(exchange), credentials)
}

fn details(before: &Exchange, after: &Exchange, changes: &[Change]) -> Vec<String> {
    let detail = |change: &Change| match change {
        Change::Host => Some((before.request.host.to_string(), after.request.host.to_string())),
        Change::Error => Some((cells::error(before), cells::error(after))),
        Change::Credential(CredentialChange::Kind(one, other)) => Some((one.to_string(), other.to_string())),
        Change::Slower => {
            let wait = |exchange: &Exchange| exchange.timing.wait_us.map(duration).unwrap_or_default();
            Some((wait(before), wait(after)))
        }
        Change::Refused | Change::Failed if !cells::error(after).is_empty() => {
            Some((String::new(), cells::error(after)))
        }
        _ => None,
    };
    let told = changes.iter().filter_map(|change| {
        let (was, is) = detail(change)?;
        let told = if was.is_empty() { is } else { format!("{}: {was} → {is}", change.as_str()) };
        Some(clean(&told).into_owned())
    });
    told.collect()
}

/// `200 ×3, 401`; nothing was asked: `not asked`.
pub(super) fn statuses(statuses: &Statuses) -> String {
    if statuses.is_empty() {
        return "not asked".to_owned();
    }
    let one = |(status, count): (&Option<u16>, &usize)| {
        let status = status.map_or("no answer".to_owned(), |status| status.to_string());
        if *count == 1 { status } else { format!("{status} ×{count}") }
    };
    statuses.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A line of a shortened table.
#[derive(Debug)]
pub(super) enum Shown<'a> {
    Line(&'a Line),
    /// So many requests are the same.
    Same(usize),
    /// So many that differ have no room.
    LeftOut(usize),
}

/// Lines that differ, at most so many, with some that do not around them.
pub(super) fn shown(lines: &[Line], context: usize, most: usize) -> Vec<Shown<'_>> {
    let differs = |at: usize| lines.get(at).is_some_and(|line| line.mark != Mark::Same);
    let near: Vec<bool> = {
        let mut near = vec![false; lines.len()];
        for at in (0..lines.len()).filter(|at| differs(*at)) {
            let from = at.saturating_sub(context);
            near.iter_mut().take(at + context + 1).skip(from).for_each(|near| *near = true);
        }
        near
    };
    let (mut shown, mut room) = (Vec::new(), most);
    for (line, near) in lines.iter().zip(near) {
        if near && room > 0 {
            room -= usize::from(line.mark != Mark::Same);
            shown.push(Shown::Line(line));
            continue;
        }
        match (shown.last_mut(), line.mark == Mark::Same) {
            (Some(Shown::Same(count)), true) | (Some(Shown::LeftOut(count)), false) => *count += line.count,
            (Some(Shown::LeftOut(_)), true) => {}
            (_, true) => shown.push(Shown::Same(line.count)),
            (_, false) => shown.push(Shown::LeftOut(line.count)),
        }
    }
    shown
}
