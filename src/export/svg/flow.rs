//! The chart: time to the right, one lane per credential.

use super::lane::{Ending, Lane, Lanes, Life, MOST_PROCESSES, Tint, ended};
use super::mark::Answer;
use super::markup::{Anchor, Canvas, Rect, fitted, line, number, polygon};
use super::row::{BAR, Bar, Part, Pill, Placed, place};
use super::scale::Scale;
use crate::analyze::Survey;
use crate::export::style::duration;

/// Borders of the chart.
const GUTTER: f64 = 24.0;
const LEFT: f64 = 262.0;
const RIGHT: f64 = 1_176.0;
const AXIS: f64 = 44.0;
const ROW: f64 = 48.0;
const BETWEEN_LANES: f64 = 8.0;
/// From the top of a row to the middle of its marks.
const MIDDLE: f64 = 29.0;
const HALF: f64 = 11.0;
/// From the middle of a mark to the border of the band behind it.
const BAND: f64 = 15.5;
/// The highest bar.
const BAR_HEIGHT: f64 = 28.0;

/// A chart with everything in its place.
pub(super) struct Flow {
    lanes: Vec<(f64, f64, Lane, Vec<Placed>)>,
    scale: Scale,
    top: f64,
    bottom: f64,
}

impl Flow {
    /// Places the lanes below `top`.
    pub(super) fn place(lanes: Lanes, survey: &Survey, top: f64) -> Self {
        let scale = Scale::new(moments(&lanes, survey), LEFT, RIGHT);
        let mut y = top + AXIS;
        let mut placed = Vec::new();
        for lane in lanes.lanes {
            let rows: Vec<Placed> = lane.rows.iter().map(|row| place(row, &scale, LEFT + 2.0, RIGHT - 2.0)).collect();
            let text = 25.0 + 14.0 * lane.facts.len() as f64;
            let height = (ROW * rows.len() as f64).max(text);
            placed.push((y, height, lane, rows));
            y += height + BETWEEN_LANES;
        }
        Self { lanes: placed, scale, top, bottom: y - BETWEEN_LANES }
    }

    pub(super) fn bottom(&self) -> f64 {
        self.bottom
    }

    /// Every answer that occurs in it.
    pub(super) fn answers(&self) -> Vec<Answer> {
        let marks = self.lanes.iter().flat_map(|(.., lane, _)| &lane.rows).flat_map(|row| &row.marks);
        let mut answers: Vec<Answer> = marks.map(|mark| mark.answer).collect();
        answers.sort_unstable();
        answers.dedup();
        answers
    }

    pub(super) fn has_bars(&self) -> bool {
        self.lanes.iter().flat_map(|(.., rows)| rows).any(|row| matches!(row, Placed::Bars(_)))
    }

    /// Whether it has a credential with a lane of its own.
    pub(super) fn has_life(&self) -> bool {
        self.lanes.iter().any(|(.., lane, _)| lane.life.is_some())
    }

    /// Whether a credential was sent on after its end.
    pub(super) fn has_afterlife(&self) -> bool {
        self.lanes.iter().filter_map(|(.., lane, _)| lane.life).any(|life| afterlife(&life).is_some())
    }

    pub(super) fn draw(&self, canvas: &mut Canvas) {
        self.axis(canvas);
        for (at, (y, height, lane, rows)) in self.lanes.iter().enumerate() {
            self.lane(canvas, at, (*y, *height), lane, rows);
        }
        for at in 0..self.lanes.len() {
            self.arrow(canvas, at);
        }
        for (y, _, lane, rows) in &self.lanes {
            for (at, row) in rows.iter().enumerate() {
                let y = y + ROW * at as f64;
                match row {
                    Placed::Pills(pills) => pills.iter().for_each(|one| draw_pill(canvas, one, y + MIDDLE)),
                    Placed::Bars(bars) => draw_bars(canvas, bars, y + MIDDLE + HALF, lane.rows.len() > 1),
                }
            }
        }
    }

    fn axis(&self, canvas: &mut Canvas) {
        let y = self.top + AXIS - 8.0;
        canvas.text(GUTTER, y - 6.0, "quiet small", Anchor::Start, "time (UTC), not to scale");
        for cut in self.scale.breaks() {
            let top = y - 33.0;
            let place = Rect { x: cut.left, y: top, width: cut.right - cut.left, height: self.bottom - top };
            canvas.rect(place, "break", 0.0);
            for x in [cut.left, cut.right] {
                canvas.path("tear", &tear(x, top, self.bottom));
            }
            let middle = (cut.left + cut.right) / 2.0;
            canvas.text(middle, y - 20.0, "small strong", Anchor::Middle, &idle(cut.ms));
            canvas.text(middle, y - 6.0, "quiet small", Anchor::Middle, "idle");
        }
        for tick in self.scale.ticks() {
            canvas.path("grid", &line(&[(tick.x, y), (tick.x, self.bottom)]));
            canvas.text(tick.x, y - 6.0, "small clock", Anchor::Middle, &tick.clock);
            if let Some(date) = &tick.date {
                canvas.text(tick.x, y - 20.0, "quiet small clock", Anchor::Middle, date);
            }
        }
        canvas.path("axis", &line(&[(LEFT, y), (RIGHT, y)]));
    }

    fn lane(&self, canvas: &mut Canvas, at: usize, (y, height): (f64, f64), lane: &Lane, rows: &[Placed]) {
        let stripe = if at.is_multiple_of(2) { "stripe" } else { "stripe odd" };
        canvas.rect(Rect { x: GUTTER - 10.0, y, width: RIGHT - GUTTER + 20.0, height }, stripe, 6.0);
        canvas.rect(Rect { x: GUTTER - 10.0, y, width: 4.0, height }, &format!("edge {}", lane.tint.class()), 2.0);
        if let Some(life) = &lane.life {
            self.life(canvas, life, lane, rows, y);
        }
        canvas.text(GUTTER + 4.0, y + 18.0, "lane", Anchor::Start, &lane.title);
        let tagged = lane.rows.iter().any(|row| row.process.is_some());
        let room = LEFT - GUTTER - if tagged { 44.0 } else { 12.0 };
        for (at, fact) in lane.facts.iter().enumerate() {
            canvas.text(
                GUTTER + 4.0,
                y + 34.0 + 14.0 * at as f64,
                "quiet small",
                Anchor::Start,
                &fitted(fact, 11.0, room),
            );
        }
        for (at, row) in lane.rows.iter().enumerate() {
            let middle = y + ROW * at as f64 + MIDDLE;
            if let Some(process) = row.process {
                canvas.text(LEFT - 8.0, middle + 4.0, "tag", Anchor::End, &tag(process));
            }
            if at > 0 {
                let border = y + ROW * at as f64 + 2.0;
                canvas.path("between", &line(&[(LEFT - 30.0, border), (RIGHT, border)]));
            }
        }
    }

    /// The time in which the credential was good as a band; behind it, while it was sent all the same, hatched.
    fn life(&self, canvas: &mut Canvas, life: &Life, lane: &Lane, rows: &[Placed], y: f64) {
        let class = lane.tint.class();
        let (top, tall) = (y + MIDDLE - BAND, ROW * (rows.len().max(1) - 1) as f64 + 2.0 * BAND);
        let left = self.birth(life, rows);
        let end = life.ended.map_or(RIGHT, |(at, _)| behind(self.scale.x(at), rows)).max(left + 6.0);
        canvas.rect(Rect { x: left, y: top, width: end - left, height: tall }, &format!("life {class}"), 6.0);
        if let Some((from, to)) = afterlife(life) {
            let (from, to) = (self.scale.x(from).max(left), self.scale.x(to) + 24.0);
            canvas.rect(Rect { x: from, y: top, width: to.min(RIGHT) - from, height: tall }, "afterlife", 6.0);
        }
        if let Some((_, ending)) = life.ended {
            let class = match ending {
                Ending::Refused => "end refused",
                Ending::Replaced => "end replaced",
                Ending::Revoked => "end revoked",
            };
            canvas.path(class, &line(&[(end, top), (end, top + tall)]));
        }
        let within =
            self.scale.span().zip(life.expires).filter(|((first, last), expires)| first <= expires && expires <= last);
        if let Some((_, expires)) = within {
            let x = self.scale.x(expires);
            canvas.named("expiry", "runs out by its lifetime", |canvas| {
                canvas.path("expires", &line(&[(x, top), (x, top + tall)]));
                canvas.path("flag", &polygon(&[(x, top), (x + 9.0, top), (x, top + 9.0)]));
            });
        }
    }

    /// Where the band of a credential begins: at its issue or its first use, in front of the first mark.
    fn birth(&self, life: &Life, rows: &[Placed]) -> f64 {
        let born = self.scale.x(life.born) - 6.0;
        let first = rows.iter().filter_map(|row| match row {
            Placed::Pills(pills) => pills.first().map(|pill| pill.x - pill.width / 2.0 - 5.0),
            Placed::Bars(bars) => bars.first().map(|bar| bar.x - 3.0),
        });
        first.fold(born, f64::min).max(LEFT - 4.0)
    }

    /// From the request that issued a credential to where its lane begins.
    fn arrow(&self, canvas: &mut Canvas, at: usize) {
        let Some((y, _, lane, rows)) = self.lanes.get(at) else { return };
        let (Some(id), Some(life)) = (lane.issued_by, lane.life) else { return };
        let spent = self.lanes.iter().position(|(.., other, _)| other.fp.is_some() && other.fp == lane.out_of);
        let others = (0..self.lanes.len()).filter(|other| *other != at && Some(*other) != spent);
        let Some((source, from_y, half)) = spent.into_iter().chain(others).find_map(|other| self.find(id, other))
        else {
            return;
        };
        // Side by side, so that each can be followed.
        let aside = if lane.tint == Tint::Refresh { 12.0 } else { 7.0 };
        let start = (source + half - aside, if from_y < *y { from_y + HALF } else { from_y - HALF });
        let to = (self.birth(&life, rows), y + MIDDLE);
        let class = lane.tint.class();
        if to.0 - start.0 > 10.0 {
            canvas.path(&format!("arrow {class}"), &line(&[start, (start.0, to.1), (to.0 - 2.0, to.1)]));
            canvas.path(&format!("head {class}"), &polygon(&[(to.0 - 8.0, to.1 - 4.5), to, (to.0 - 8.0, to.1 + 4.5)]));
        } else {
            let x = start.0.max(to.0 + 6.0);
            let down = if from_y < *y { y + MIDDLE - BAND } else { y + MIDDLE + BAND };
            let tip = if from_y < *y { -8.0 } else { 8.0 };
            canvas.path(&format!("arrow {class}"), &line(&[start, (start.0, down + tip), (x, down)]));
            canvas.path(&format!("head {class}"), &polygon(&[(x - 4.5, down + tip), (x + 4.5, down + tip), (x, down)]));
        }
    }

    /// Where an exchange is drawn in a lane: the middle of its mark, and half of the mark's width.
    fn find(&self, id: u64, lane: usize) -> Option<(f64, f64, f64)> {
        let (y, _, _, rows) = self.lanes.get(lane)?;
        rows.iter().enumerate().find_map(|(at, row)| {
            let middle = y + ROW * at as f64 + MIDDLE;
            match row {
                Placed::Pills(pills) => {
                    pills.iter().find(|pill| pill.holds(id)).map(|pill| (pill.x, middle, pill.width / 2.0))
                }
                Placed::Bars(bars) => bars.iter().find(|bar| bar.holds(id)).map(|bar| (bar.x + BAR / 2.0, middle, 7.0)),
            }
        })
    }
}

/// Every time that has to have a place: of requests, of births, of connections.
fn moments(lanes: &Lanes, survey: &Survey) -> Vec<i64> {
    let marks = lanes.lanes.iter().flat_map(|lane| &lane.rows).flat_map(|row| &row.marks).map(|mark| mark.at);
    let issuing = survey
        .exchanges()
        .iter()
        .filter(|exchange| exchange.oauth.as_ref().is_some_and(|oauth| !oauth.issued.is_empty()));
    let births = lanes.lanes.iter().filter_map(|lane| lane.life).map(|life| life.born);
    marks.chain(issuing.map(ended)).chain(births).collect()
}

/// The place, or the end of a mixture of marks that hides it.
fn behind(x: f64, rows: &[Placed]) -> f64 {
    let pills = rows.iter().filter_map(|row| if let Placed::Pills(pills) = row { Some(pills) } else { None });
    let hiding = pills.flatten().filter(|pill| pill.parts.len() > 1 && (pill.x - x).abs() < pill.width / 2.0);
    hiding.map(|pill| pill.x + pill.width / 2.0 + 4.0).fold(x, f64::max)
}

/// The time in which a credential was sent although it had ended.
fn afterlife(life: &Life) -> Option<(i64, i64)> {
    let (end, _) = life.ended?;
    (life.last > end).then_some((end, life.last))
}

fn draw_pill(canvas: &mut Canvas, pill: &Pill, middle: f64) {
    let class = if pill.evidence { "mark evidence" } else { "mark" };
    canvas.named(class, &pill.name, |canvas| {
        let left = pill.x - pill.width / 2.0;
        if pill.evidence {
            let ring =
                Rect { x: left - 4.5, y: middle - HALF - 4.5, width: pill.width + 9.0, height: 2.0 * HALF + 9.0 };
            canvas.rect(ring, "ring", 8.0);
        }
        let needed: f64 = pill.parts.iter().map(Part::width).sum();
        let mut x = left;
        for part in &pill.parts {
            let width = part.width() * pill.width / needed;
            shape(canvas, part.answer, x, middle, width);
            let class = format!("answer {}", part.answer.class());
            canvas.text(x + width / 2.0, middle + 4.0, &class, Anchor::Middle, &part.label());
            x += width;
        }
        if let Some(caption) = &pill.caption {
            let class = if pill.evidence { "caption strong" } else { "caption" };
            canvas.text(pill.x, middle - HALF - 7.5, class, Anchor::Middle, caption);
        }
    });
}

/// The outline that goes with an answer: round if it was accepted, a stop sign if it was refused.
pub(super) fn shape(canvas: &mut Canvas, answer: Answer, x: f64, middle: f64, width: f64) {
    let (top, bottom, right) = (middle - HALF, middle + HALF, x + width);
    let class = format!("shape {}", answer.class());
    match answer {
        Answer::Good => canvas.rect(Rect { x, y: top, width, height: 2.0 * HALF }, &class, HALF),
        Answer::Plain => canvas.rect(Rect { x, y: top, width, height: 2.0 * HALF }, &class, 2.0),
        Answer::Silent => canvas.rect(Rect { x, y: top, width, height: 2.0 * HALF }, &class, 4.0),
        Answer::Trouble => {
            let points = [
                (x, middle),
                (x + 7.0, top),
                (right - 7.0, top),
                (right, middle),
                (right - 7.0, bottom),
                (x + 7.0, bottom),
            ];
            canvas.path(&class, &polygon(&points));
        }
        Answer::Refused => {
            let c = 6.0;
            let points = [
                (x + c, top),
                (right - c, top),
                (right, top + c),
                (right, bottom - c),
                (right - c, bottom),
                (x + c, bottom),
                (x, bottom - c),
                (x, top + c),
            ];
            canvas.path(&class, &polygon(&points));
        }
    }
}

fn draw_bars(canvas: &mut Canvas, bars: &[Bar], bottom: f64, low: bool) {
    let total = |bar: &Bar| bar.counts.iter().map(|(_, count)| *count as f64).sum::<f64>();
    let most = bars.iter().map(total).fold(1.0, f64::max);
    let highest = if low { BAR_HEIGHT - 4.0 } else { BAR_HEIGHT };
    for bar in bars {
        canvas.named("bar", &bar.name, |canvas| {
            let all = total(bar);
            let height = (highest * (all / most).sqrt()).max(4.0);
            let mut y = bottom;
            for (answer, count) in &bar.counts {
                let part = (height * *count as f64 / all).max(3.0);
                y -= part;
                canvas.rect(
                    Rect { x: bar.x + 0.5, y, width: BAR - 1.0, height: part },
                    &format!("shape {}", answer.class()),
                    0.0,
                );
            }
            if bar.evidence {
                canvas.rect(Rect { x: bar.x - 0.5, y: bottom + 1.5, width: BAR + 1.0, height: 3.5 }, "underline", 0.0);
            }
            if let Some(label) = &bar.label {
                canvas.text(bar.x + BAR / 2.0, bottom - highest - 4.0, "caption bad", Anchor::Start, label);
            }
        });
    }
}

/// A torn border.
fn tear(x: f64, top: f64, bottom: f64) -> String {
    let mut points = Vec::new();
    let mut y = top;
    let mut side = 2.0;
    while y < bottom {
        points.push((x + side, y));
        side = -side;
        y += 6.0;
    }
    points.push((x + side, bottom));
    line(&points)
}

/// `8 h 2 min`, `3 d 4 h`.
fn idle(ms: i64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        1_440.. => format!("{} d {} h", minutes / 1_440, minutes / 60 % 24),
        60.. if minutes % 60 == 0 => format!("{} h", minutes / 60),
        60.. => format!("{} h {} min", minutes / 60, minutes % 60),
        1.. if ms % 60_000 < 1_000 => format!("{minutes} min"),
        _ => duration(u64::try_from(ms).unwrap_or(0).saturating_mul(1_000)),
    }
}

/// The short name of a process in the picture.
pub(super) fn tag(process: usize) -> String {
    if process < MOST_PROCESSES { format!("P{}", process + 1) } else { "others".to_owned() }
}

/// Where the chart begins on the left, for what stands below it.
pub(super) fn margin() -> (f64, f64) {
    (GUTTER, RIGHT)
}

/// A number of pixels, for the frame.
pub(super) fn pixels(value: f64) -> String {
    number(value.ceil())
}
