//! Lines for each thing that happens while the proxy runs, and for each finding when it becomes certain.

mod findings;

use super::cells;
use super::style::{Ink, Style, clean, columns, counted, duration, fit, left, right, wrap};
use super::timeline::ink;
use super::wording;
use crate::analyze::{Failure, Labels, Recent};
use crate::trace::{Connection, Exchange, Note, NoteKind, Record, Timestamp};
use findings::Findings;

/// What is said at once of a note: what authtrace did on purpose, and what it could not do.
#[must_use]
pub fn of_note(note: &Note) -> Option<String> {
    match note.kind {
        NoteKind::Policy => Some(note.text.as_str().to_owned()),
        NoteKind::Limit => Some(format!("{}; {}", note.text, wording::SHORTAGE)),
        _ => None,
    }
}

/// The name of the only client of a trace that nobody joined.
const ONLY_LANE: &str = "main";

/// Records that are remembered: a few megabytes, however long the proxy runs. What is found out later than that many
/// records after its cause, the report finds out.
const REMEMBERED: usize = 1_000;

/// A shortage of file descriptors is told again if there was none for so long.
const SHORT_AGAIN_MS: i64 = 600_000;

/// So few records are looked through in no time.
const LITTLE: usize = 256;
/// How often more than these are looked through while they are replaced once.
const LOOKS: usize = 32;

/// Reads along with a running proxy.
pub struct Watch {
    style: Style,
    recent: Recent,
    findings: Findings,
    /// Records that may have begun or ended a finding, since it was looked for.
    unsaid: usize,
    /// Those of them that issued or renewed tokens.
    renewals: Vec<Record>,
    /// Whether clients are told apart: from the first one on that joined.
    lanes: bool,
    /// When file descriptors were last seen to be short.
    short: Option<Timestamp>,
}

impl Watch {
    /// Nothing has happened.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self {
            style,
            recent: Recent::new(REMEMBERED),
            findings: Findings::default(),
            unsaid: 0,
            renewals: Vec::new(),
            lanes: false,
            short: None,
        }
    }

    /// Takes the records of one write; none: nothing has come for a while. Gives a line for each exchange, each connection
    /// that failed, and records that were lost; behind them what has become certain. Labels are those of a report on the
    /// same records.
    pub fn take(&mut self, records: &[Record]) -> Vec<String> {
        let mut lines = Vec::new();
        for record in records {
            self.recent.take(record);
            self.lanes |= lane_of(record).is_some_and(|lane| lane != ONLY_LANE);
            lines.extend(self.line(record));
            self.note(record);
        }
        if self.is_worth_a_look(records.is_empty()) {
            lines.extend(self.findings.news(&self.recent.survey(), &self.renewals, self.style));
            self.unsaid = 0;
            self.renewals.clear();
        }
        lines
    }

    fn note(&mut self, record: &Record) {
        if !self.findings.may_change(record) {
            return;
        }
        self.unsaid += 1;
        if matches!(record, Record::Exchange(exchange) if exchange.oauth.is_some()) {
            self.renewals.push(record.clone());
        }
    }

    /// The rules look at everything that is remembered, so that much of it has to be matched by much that is new; in a
    /// pause one record is enough.
    fn is_worth_a_look(&self, pause: bool) -> bool {
        let much = self.recent.len().saturating_sub(LITTLE) / LOOKS;
        self.unsaid > 0 && (pause || self.unsaid > much)
    }

    fn line(&mut self, record: &Record) -> Option<String> {
        match record {
            Record::Connection(connection) if connection.end.is_shortage() => {
                let detail = connection.end.detail.as_ref().map(|detail| detail.as_str()).unwrap_or_default();
                self.shortage(connection.opened, &format!("{detail}; {}", wording::SHORTAGE))
            }
            Record::Note(note) if note.kind == NoteKind::Limit => self.shortage(note.at, &of_note(note)?),
            Record::Exchange(exchange) => Some(self.exchange(exchange)),
            Record::Connection(connection) => Failure::of_connection(connection).map(|_| self.connection(connection)),
            Record::Gap(gap) => {
                let lost = counted(usize::try_from(gap.lost).unwrap_or(usize::MAX), "record");
                let text = format!("{lost} lost: {}", clean(gap.cause.as_str()));
                Some(format!("{}  {}", self.time(&gap.at.clock()), self.style.paint(Ink::Warning, &text)))
            }
            Record::Note(note) => Some(self.warning(note.at, &of_note(note)?)),
            Record::Trace(_) | Record::Request(_) | Record::End(_) => None,
        }
    }

    /// Once for all that suffer from it, and again when it comes back.
    fn shortage(&mut self, at: Timestamp, text: &str) -> Option<String> {
        let told = self.short.is_some_and(|last| at.unix_ms().saturating_sub(last.unix_ms()) < SHORT_AGAIN_MS);
        self.short = self.short.max(Some(at));
        (!told).then(|| self.warning(at, text))
    }

    fn warning(&self, at: Timestamp, text: &str) -> String {
        let lines = wrap(&clean(text), self.style.width.saturating_sub(14).max(30));
        let text = self.style.paint(Ink::Warning, &lines.join(&format!("\n{}", " ".repeat(14))));
        format!("{}  {text}", self.time(&at.clock()))
    }

    fn exchange(&self, exchange: &Exchange) -> String {
        let lane = self.lane(exchange.lane.as_str());
        let method = left(&clean(exchange.request.method.as_str()), 4);
        let status = left(&cells::status(exchange), 4);
        let took = right(&duration(exchange.timing.total_us), 8);
        // time, lane, method, target, status, duration
        let taken = 12 + 2 + columns(&lane) + columns(&method) + 1 + 2 + 4 + 1 + 8 + 2;
        let room = self.style.width.saturating_sub(taken);
        // The columns stand where they stand, whatever comes at the end.
        let tail = if room > 2 * WIDE_TAIL { WIDE_TAIL } else { TAIL };
        let target_room = room.saturating_sub(tail).clamp(12, 60);
        let host = exchange.request.host.as_str();
        let target = left(&cells::target(host, exchange.request.path.as_str(), target_room), target_room);
        let tail = self.tail(exchange, room.saturating_sub(target_room).max(12));
        let time = self.time(&exchange.at.clock());
        let status = self.style.paint(ink(exchange), &status);
        format!("{time}  {lane}{method} {target}  {status} {took}  {tail}").trim_end().to_owned()
    }

    /// Credentials and error.
    fn tail(&self, exchange: &Exchange, room: usize) -> String {
        let label = cells::credentials(exchange, self.labels());
        let error = cells::error(exchange);
        if error.is_empty() {
            return fit(&label, room).into_owned();
        }
        let error = fit(&error, room.saturating_sub(LABEL + 2)).into_owned();
        let label = fit(&label, room.saturating_sub(columns(&error) + 2)).into_owned();
        format!("{}  {}", left(&label, columns(&label).max(LABEL)), self.style.paint(ink(exchange), &error))
    }

    /// What follows the name of the outcome is wrapped below it.
    fn connection(&self, connection: &Connection) -> String {
        let outcome = connection.end.outcome;
        let target = cells::host_and_port(connection.target.as_ref());
        let text = format!("{}  {target}: {}", outcome.as_str(), wording::what(outcome));
        let lane = self.lane(connection.lane.as_str());
        let indent = 12 + 2 + columns(&lane);
        let mut lines = wrap(&text, self.style.width.saturating_sub(indent + 2).max(30)).into_iter();
        let first = lines.next().unwrap_or_default();
        let rest = first.strip_prefix(outcome.as_str()).unwrap_or_default();
        let name = self.style.paint(Ink::Bad, outcome.as_str());
        let mut shown = format!("{}  {lane}{name}{rest}", self.time(&connection.opened.clock()));
        for line in lines {
            shown.push_str(&format!("\n{}{line}", " ".repeat(indent + 2)));
        }
        shown
    }

    fn labels(&self) -> &Labels {
        self.recent.labels()
    }

    fn time(&self, clock: &str) -> String {
        self.style.paint(Ink::Dim, clock)
    }

    fn lane(&self, name: &str) -> String {
        if self.lanes { format!("{}  ", left(&clean(name), 8)) } else { String::new() }
    }
}

/// Columns for credentials and error, also on a wide screen.
const TAIL: usize = 27;
const WIDE_TAIL: usize = 40;
/// Columns of the label of one credential.
const LABEL: usize = 5;

fn lane_of(record: &Record) -> Option<&str> {
    match record {
        Record::Exchange(exchange) => Some(exchange.lane.as_str()),
        Record::Connection(connection) => Some(connection.lane.as_str()),
        _ => None,
    }
}
