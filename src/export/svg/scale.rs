//! Moments → places on the time axis.
//!
//! An auth flow is bursts of requests and hours without one. So the axis is not to scale: a moment never stands left of
//! an earlier one, moments that differ stand apart as far as there is room, and idle time is cut out and shown as a break.

use crate::trace::Timestamp;

/// Width of a break.
const BREAK: f64 = 58.0;
/// Room between the first and last moments of a burst and its borders.
const INSET: f64 = 35.0;
/// A burst is at least so wide.
const NARROWEST: f64 = 90.0;
/// At most so many breaks.
const MOST_BREAKS: usize = 6;
/// What is shorter is no break, in milliseconds.
const SHORTEST_BREAK_MS: i64 = 30_000;
/// Idle time is so many times the usual pause.
const UNUSUAL: i64 = 6;
/// Labels of the axis stand at least so far apart.
const BETWEEN_LABELS: f64 = 92.0;

/// The time axis.
#[derive(Clone, Debug, Default)]
pub(super) struct Scale {
    /// Moments in milliseconds since 1970 and their places, ascending.
    knots: Vec<(i64, f64)>,
    bursts: Vec<Burst>,
    breaks: Vec<Break>,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    first: i64,
    last: i64,
}

/// Idle time that is cut out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Break {
    /// Where it begins.
    pub(super) left: f64,
    /// Where it ends.
    pub(super) right: f64,
    /// How long it is, in milliseconds.
    pub(super) ms: i64,
}

/// A labelled place of the axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) x: f64,
    /// The time of the day.
    pub(super) clock: String,
    /// The date, where a new one begins.
    pub(super) date: Option<String>,
}

impl Scale {
    /// An axis from `left` to `right` on which all of these moments have a place.
    pub(super) fn new(moments: impl IntoIterator<Item = i64>, left: f64, right: f64) -> Self {
        let mut moments: Vec<i64> = moments.into_iter().collect();
        moments.sort_unstable();
        moments.dedup();
        let bursts = split(&moments);
        let mut scale = Self::default();
        let breaks = bursts.len().saturating_sub(1);
        let room = right - left - count(breaks) * BREAK;
        let weights: Vec<f64> = bursts.iter().map(|burst| count(burst.len()).powf(0.75)).collect();
        let widths = shares(&weights, room);
        let mut x = left;
        for (burst, width) in bursts.iter().zip(widths) {
            if let (Some(before), Some(first)) = (scale.bursts.last(), burst.first()) {
                let ms = first.saturating_sub(before.last);
                scale.breaks.push(Break { left: x, right: x + BREAK, ms });
                x += BREAK;
            }
            scale.place(burst, x, width);
            x += width;
        }
        scale
    }

    /// The moments of a burst, from their order and their distances: neighbours stay apart, and a long pause is longer.
    fn place(&mut self, burst: &[i64], left: f64, width: f64) {
        let (Some(first), Some(last)) = (burst.first(), burst.last()) else { return };
        self.bursts.push(Burst { first: *first, last: *last });
        let pauses: Vec<f64> = burst.windows(2).map(|pair| pause(pair).sqrt()).collect();
        let all: f64 = pauses.iter().sum();
        let by_order = (40.0 / count(burst.len())).min(0.55);
        let each = by_order / count(pauses.len().max(1));
        let room = (width - 2.0 * INSET).max(0.0);
        let mut at = if pauses.is_empty() { 0.5 } else { 0.0 };
        self.knots.push((*first, left + INSET + at * room));
        for (moment, pause) in burst.iter().skip(1).zip(pauses) {
            at += each + (1.0 - by_order) * pause / all.max(f64::MIN_POSITIVE);
            self.knots.push((*moment, left + INSET + at * room));
        }
    }

    /// Where a moment stands; what lies outside of all moments stands at the end that is nearer.
    pub(super) fn x(&self, moment: i64) -> f64 {
        let at = self.knots.partition_point(|(knot, _)| *knot <= moment);
        let before = at.checked_sub(1).and_then(|at| self.knots.get(at));
        match (before, self.knots.get(at)) {
            (Some(before), Some(after)) => {
                let part = difference(before.0, moment) / difference(before.0, after.0).max(1.0);
                before.1 + part * (after.1 - before.1)
            }
            (Some(only), None) | (None, Some(only)) => only.1,
            (None, None) => 0.0,
        }
    }

    pub(super) fn breaks(&self) -> &[Break] {
        &self.breaks
    }

    /// From the first moment to the last.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        Some((self.knots.first()?.0, self.knots.last()?.0))
    }

    /// Labelled places: the beginning of each burst, and round times as far as there is room.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let mut ticks: Vec<Tick> = Vec::new();
        let mut date = String::new();
        for burst in &self.bursts {
            let (left, right) = (self.x(burst.first), self.x(burst.last));
            let step = step(burst.last.saturating_sub(burst.first), ((right - left) / BETWEEN_LABELS).max(1.0));
            let first = burst.first.div_euclid(step).saturating_add(1).saturating_mul(step);
            let round = (0..200).map_while(|n| {
                let moment = first.saturating_add(step.saturating_mul(n));
                (moment <= burst.last).then_some(moment)
            });
            for moment in std::iter::once(burst.first).chain(round) {
                let x = self.x(moment);
                if ticks.last().is_some_and(|last| x - last.x < BETWEEN_LABELS) && moment != burst.first {
                    continue;
                }
                let text = Timestamp::from_unix_ms(moment).to_string();
                let day = text.get(..10).unwrap_or_default();
                let new_date = (day != date).then(|| day.to_owned());
                date = day.to_owned();
                let digits = if step < 1_000 && moment.rem_euclid(1_000) != 0 { 11..23 } else { 11..19 };
                ticks.push(Tick { x, clock: text.get(digits).unwrap_or_default().to_owned(), date: new_date });
            }
        }
        ticks
    }
}

/// The moments in bursts: cut where a pause is much longer than most.
fn split(moments: &[i64]) -> Vec<&[i64]> {
    let mut pauses: Vec<(i64, usize)> =
        moments.windows(2).enumerate().map(|(at, pair)| (pause_ms(pair), at + 1)).collect();
    pauses.sort_unstable();
    let usual = pauses.get(pauses.len().saturating_sub(1) / 2).map_or(0, |pause| pause.0);
    let idle = usual.saturating_mul(UNUSUAL).max(SHORTEST_BREAK_MS);
    let longest = pauses.iter().rev().take(MOST_BREAKS).filter(|pause| pause.0 >= idle);
    let mut cuts: Vec<usize> = longest.map(|pause| pause.1).collect();
    cuts.sort_unstable();
    let mut bursts = Vec::new();
    let mut from = 0;
    for cut in cuts.into_iter().chain([moments.len()]) {
        bursts.extend(moments.get(from..cut).filter(|burst| !burst.is_empty()));
        from = cut;
    }
    bursts
}

/// The room in shares by weight, none below [`NARROWEST`].
fn shares(weights: &[f64], room: f64) -> Vec<f64> {
    let spare = (room - NARROWEST * count(weights.len())).max(0.0);
    // A single moment needs no more than the least.
    let wants: Vec<f64> = weights.iter().map(|weight| if *weight <= 1.0 { 0.0 } else { *weight }).collect();
    let all: f64 = wants.iter().sum();
    let each = spare / count(weights.len().max(1));
    wants.iter().map(|want| NARROWEST + if all > 0.0 { spare * want / all } else { each }).collect()
}

/// The smallest round step of which at most `most` fit into a time.
fn step(ms: i64, most: f64) -> i64 {
    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const STEPS: [i64; 25] = [
        10,
        50,
        100,
        200,
        500,
        SECOND,
        2 * SECOND,
        5 * SECOND,
        10 * SECOND,
        15 * SECOND,
        30 * SECOND,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        2 * HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        7 * DAY,
        30 * DAY,
    ];
    let fits = |step: &&i64| difference(0, ms) / difference(0, **step) <= most;
    STEPS.iter().find(fits).copied().unwrap_or(365 * DAY)
}

fn pause(pair: &[i64]) -> f64 {
    difference(0, pause_ms(pair))
}

fn pause_ms(pair: &[i64]) -> i64 {
    match pair {
        [before, after] => after.saturating_sub(*before),
        _ => 0,
    }
}

/// Exact up to 2⁵³ ms; beyond, a pixel does not matter.
fn difference(from: i64, to: i64) -> f64 {
    to.saturating_sub(from) as f64
}

fn count(of: usize) -> f64 {
    of as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_night_is_cut_out() {
        let scale = Scale::new([0, 2_000, 8 * HOUR, 8 * HOUR + 700], 0.0, 1_000.0);
        assert_eq!(scale.breaks().iter().map(|cut| cut.ms).collect::<Vec<_>>(), [8 * HOUR - 2_000]);
        assert_eq!(scale.ticks().iter().filter(|tick| tick.clock == "08:00:00").count(), 1);
    }

    #[test]
    fn even_pauses_are_no_breaks() {
        let scale = Scale::new((0..20).map(|n| n * HOUR), 0.0, 1_000.0);
        assert_eq!(scale.breaks(), []);
    }

    #[test]
    fn dates_stand_where_they_begin() {
        let scale = Scale::new([23 * HOUR, 23 * HOUR + 500, 26 * HOUR], 0.0, 1_000.0);
        let dates: Vec<_> = scale.ticks().into_iter().filter_map(|tick| tick.date).collect();
        assert_eq!(dates, ["1970-01-01", "1970-01-02"]);
    }

    proptest! {
        #[test]
        fn later_is_further_right_and_inside(moments in prop::collection::vec(any::<i64>(), 1..300), asked in any::<i64>()) {
            let scale = Scale::new(moments.clone(), 100.0, 1_100.0);
            let mut sorted = moments;
            sorted.sort_unstable();
            for pair in sorted.windows(2) {
                prop_assert!(scale.x(pair[0]) <= scale.x(pair[1]));
            }
            for moment in sorted.iter().chain([&asked]) {
                let x = scale.x(*moment);
                prop_assert!((99.9..=1_100.1).contains(&x), "{}", x);
            }
            prop_assert!(scale.ticks().len() < 40);
        }

        #[test]
        fn labels_do_not_touch(moments in prop::collection::vec(0_i64..40 * HOUR, 1..60)) {
            let ticks = Scale::new(moments, 0.0, 900.0).ticks();
            for pair in ticks.windows(2) {
                prop_assert!(pair[1].x - pair[0].x >= 70.0, "{:?}", pair);
            }
        }
    }
}
