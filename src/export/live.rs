//! One line for each thing that happens while the proxy runs.

use super::cells;
use super::style::{Ink, Style, clean, columns, counted, duration, left, right};
use super::timeline::ink;
use super::wording;
use crate::analyze::Failure;
use crate::trace::{Connection, Exchange, Record};

pub use crate::analyze::Labels;

/// The name of the only client of a trace that nobody joined.
const ONLY_LANE: &str = "main";

/// The line for a record, without its line break: for an exchange, a connection that failed, or records that were lost.
/// Labels are given in the order of the records, as [`Survey`](crate::analyze::Survey) gives them.
#[must_use]
pub fn line(record: &Record, labels: &mut Labels, style: Style) -> Option<String> {
    labels.take(record);
    match record {
        Record::Exchange(exchange) => Some(exchange_line(exchange, labels, style)),
        Record::Connection(connection) => {
            Failure::of_connection(connection).map(|_| connection_line(connection, style))
        }
        Record::Gap(gap) => {
            let lost = counted(usize::try_from(gap.lost).unwrap_or(usize::MAX), "record");
            let text = format!("{lost} lost: {}", clean(gap.cause.as_str()));
            Some(format!("{}  {}", time(&gap.at.clock(), style), style.paint(Ink::Warning, &text)))
        }
        Record::Trace(_) | Record::Request(_) | Record::Note(_) | Record::End(_) => None,
    }
}

fn exchange_line(exchange: &Exchange, labels: &Labels, style: Style) -> String {
    let lane = lane(exchange.lane.as_str());
    let method = left(&clean(exchange.request.method.as_str()), 4);
    let status = left(&cells::status(exchange), 4);
    let took = right(&duration(exchange.timing.total_us), 8);
    let label = format!("{:<5}", cells::credentials(exchange, labels));
    let error = cells::error(exchange);
    // time, lane, method, target, status, duration, label, error
    let tail = columns(&label) + if error.is_empty() { 0 } else { 2 + columns(&error) };
    let taken = 12 + 2 + columns(&lane) + columns(&method) + 1 + 2 + 4 + 1 + 8 + 2 + tail.max(28);
    let room = style.width.saturating_sub(taken).clamp(16, 60);
    let target = left(&cells::target(exchange.request.host.as_str(), exchange.request.path.as_str(), room), room);
    let ink = ink(exchange);
    let time = time(&exchange.at.clock(), style);
    let (status, error) = (style.paint(ink, &status), style.paint(ink, &error));
    format!("{time}  {lane}{method} {target}  {status} {took}  {label}  {error}").trim_end().to_owned()
}

fn connection_line(connection: &Connection, style: Style) -> String {
    let outcome = connection.end.outcome;
    let text = format!(
        "{}  {}: {}",
        style.paint(Ink::Bad, outcome.as_str()),
        cells::host_and_port(connection.target.as_ref()),
        wording::what(outcome)
    );
    format!("{}  {}{text}", time(&connection.opened.clock(), style), lane(connection.lane.as_str()))
}

fn time(clock: &str, style: Style) -> String {
    style.paint(Ink::Dim, clock)
}

fn lane(name: &str) -> String {
    if name == ONLY_LANE { String::new() } else { format!("{}  ", left(&clean(name), 8)) }
}
