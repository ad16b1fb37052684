//! The columns of a timeline.

use super::cells;
use super::style::{Ink, Style, clean, columns, duration, left, right};
use crate::analyze::{Failure, Survey};
use crate::trace::Exchange;

/// The widths of the columns of a timeline.
pub(super) struct Layout<'a> {
    survey: &'a Survey,
    style: Style,
    time: usize,
    lane: usize,
    number: usize,
    method: usize,
    target: usize,
    status: usize,
    label: usize,
}

/// Screens narrower than this show times of the timeline without milliseconds.
const ROOM_FOR_MILLISECONDS: usize = 90;
const DURATION: usize = 9;

impl<'a> Layout<'a> {
    pub(super) fn of(rows: &[&Exchange], survey: &'a Survey, style: Style) -> Self {
        let widest = |cell: &dyn Fn(&Exchange) -> usize| rows.iter().map(|exchange| cell(exchange)).max().unwrap_or(0);
        let lanes = survey.lanes();
        let several = lanes.len() > 1;
        let time = if style.width < ROOM_FOR_MILLISECONDS { 8 } else { 12 };
        let lane =
            if several { lanes.iter().map(|lane| columns(lane.as_str()) + 2).max().unwrap_or(0).min(14) } else { 0 };
        let number = widest(&|exchange| exchange.id.to_string().len() + 1);
        let method = widest(&|exchange| columns(exchange.request.method.as_str())).min(8);
        let status = widest(&|exchange| columns(&cells::status(exchange)));
        // Rows without an error end with the label, so that its width does not matter there.
        let label = widest(&|exchange| {
            let ends_here = cells::error(exchange).is_empty();
            if ends_here { 0 } else { columns(&cells::credentials(exchange, survey.labels())) }
        });
        let label = label.min(24);
        let error = widest(&|exchange| columns(&cells::error(exchange))).min(28);
        let taken = 2 + time + 2 + lane + number + 2 + method + 1 + 2 + status + DURATION + 2 + label + 2 + error;
        let target = widest(&|exchange| {
            columns(&cells::target(exchange.request.host.as_str(), exchange.request.path.as_str(), usize::MAX))
        });
        let target = target.min(style.width.saturating_sub(taken).max(16));
        Self { survey, style, time, lane, number, method, target, status, label }
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
        let took = right(&duration(exchange.timing.total_us), DURATION);
        let label = format!("{:<1$}", cells::credentials(exchange, self.survey.labels()), self.label);
        let error = style.paint(ink(exchange), &cells::error(exchange));
        let clock = exchange.at.clock();
        let time = style.paint(Ink::Dim, clock.get(..self.time).unwrap_or(&clock));
        let mark = if proof { style.paint(Ink::Heading, "›") } else { " ".to_owned() };
        format!("{mark} {time}  {lane}{number}  {method} {target}  {status}{took}  {label}  {error}")
            .trim_end()
            .to_owned()
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
