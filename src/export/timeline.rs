//! The columns of a timeline.

use super::cells;
use super::style::{Ink, Style, clean, columns, duration, fit, left, right};
use crate::analyze::{Failure, Survey};
use crate::trace::Exchange;

/// The widths of the columns of a timeline. No line is wider than the screen, if that has sixty columns.
pub(super) struct Layout<'a> {
    survey: &'a Survey,
    style: Style,
    time: usize,
    lane: usize,
    number: usize,
    method: usize,
    target: usize,
    status: usize,
    took: usize,
    label: usize,
    /// What is left for label and error together.
    tail: usize,
}

/// Screens narrower than this show times of the timeline without milliseconds, and, if several clients are shown, no
/// durations.
const ROOM_FOR_MILLISECONDS: usize = 90;
const DURATION: usize = 9;
/// The least that a target is cut to.
const TARGET: usize = 12;

impl<'a> Layout<'a> {
    pub(super) fn of(rows: &[&Exchange], survey: &'a Survey, style: Style) -> Self {
        let widest = |cell: &dyn Fn(&Exchange) -> usize| rows.iter().map(|exchange| cell(exchange)).max().unwrap_or(0);
        let lanes = survey.lanes();
        let several = lanes.len() > 1;
        let narrow = style.width < ROOM_FOR_MILLISECONDS;
        let time = if narrow { 8 } else { 12 };
        let lane =
            if several { lanes.iter().map(|lane| columns(lane.as_str()) + 2).max().unwrap_or(0).min(14) } else { 0 };
        let number = widest(&|exchange| exchange.id.to_string().len() + 1);
        let method = widest(&|exchange| columns(exchange.request.method.as_str())).min(8);
        let status = widest(&|exchange| columns(&cells::status(exchange)));
        let took = if narrow && several { 0 } else { DURATION };
        let labels = |exchange: &Exchange| columns(&cells::credentials(exchange, survey.labels()));
        // Rows without an error end with the label, so that it may take the room of both.
        let alone = widest(&|exchange| if cells::error(exchange).is_empty() { labels(exchange) } else { 0 });
        let label = widest(&|exchange| if cells::error(exchange).is_empty() { 0 } else { labels(exchange) }).min(24);
        let error = widest(&|exchange| columns(&cells::error(exchange))).min(28);
        let taken = 2 + time + 2 + lane + number + 2 + method + 1 + 2 + status + took + 2;
        let tail = alone.min(36).max(if error > 0 { label + 2 + error } else { 0 });
        let room = style.width.max(60).saturating_sub(taken);
        let target = widest(&|exchange| {
            columns(&cells::target(exchange.request.host.as_str(), exchange.request.path.as_str(), usize::MAX))
        });
        let target = target.min(room.saturating_sub(tail).max(TARGET));
        let tail = room.saturating_sub(target);
        let label = label.min(tail.saturating_sub(2 + error.min(12)));
        Self { survey, style, time, lane, number, method, target, status, took, label, tail }
    }

    /// One line; what proves the verdict is marked.
    pub(super) fn line(&self, exchange: &Exchange, proof: bool) -> String {
        let style = self.style;
        let request = &exchange.request;
        let lane = if self.lane == 0 { String::new() } else { left(&clean(exchange.lane.as_str()), self.lane) };
        let number = right(&format!("#{}", exchange.id), self.number);
        let method = left(&clean(request.method.as_str()), self.method);
        let target = left(&cells::target(request.host.as_str(), request.path.as_str(), self.target), self.target);
        let status = style.paint(ink(exchange), &left(&cells::status(exchange), self.status));
        let took = right(&duration(exchange.timing.total_us), self.took);
        let clock = exchange.at.clock();
        let time = style.paint(Ink::Dim, clock.get(..self.time).unwrap_or(&clock));
        let mark = if proof { style.paint(Ink::Heading, "›") } else { " ".to_owned() };
        let tail = self.tail(exchange);
        format!("{mark} {time}  {lane}{number}  {method} {target}  {status}{took}  {tail}").trim_end().to_owned()
    }

    /// Credentials and error.
    fn tail(&self, exchange: &Exchange) -> String {
        let label = cells::credentials(exchange, self.survey.labels());
        let error = cells::error(exchange);
        if error.is_empty() {
            return fit(&label, self.tail).into_owned();
        }
        let error = fit(&error, self.tail.saturating_sub(self.label + 2)).into_owned();
        format!("{}  {}", left(&label, self.label), self.style.paint(ink(exchange), &error))
    }
}

/// How a line about an exchange is coloured.
pub(super) fn ink(exchange: &Exchange) -> Ink {
    match exchange.status() {
        _ if Failure::of_exchange(exchange).is_some() => Ink::Bad,
        Some(200..300) if exchange.error.is_none() => Ink::Good,
        Some(100..400) if exchange.error.is_none() => Ink::Plain,
        _ => Ink::Warning,
    }
}
