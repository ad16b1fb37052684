//! The marks of a row in their places: side by side while there is room, together where there is not.

use super::lane::Row;
use super::mark::{Answer, Mark, pill};
use super::markup::width;
use super::scale::Scale;
use crate::export::style::thousands;

/// Between two pills.
const GAP: f64 = 3.0;
/// A pill may be moved so far from its time to make room for its neighbours.
const MOST_SHIFT: f64 = 20.0;
/// Pills that are made of more parts, or are longer, become bars.
const MOST_PARTS: usize = 4;
/// More pills than this never have room.
const MOST_PILLS: usize = 100;
const LONGEST_MIXTURE: f64 = 300.0;
/// Width of a bar.
pub(super) const BAR: f64 = 9.0;

/// How a row is drawn.
pub(super) enum Placed {
    /// Every mark with its text, equal neighbours in one.
    Pills(Vec<Pill>),
    /// Counts by time.
    Bars(Vec<Bar>),
}

/// One mark, or several that stand together.
#[derive(Clone, Debug)]
pub(super) struct Pill {
    /// Its middle.
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) parts: Vec<Part>,
    pub(super) caption: Option<String>,
    pub(super) name: String,
    pub(super) evidence: bool,
    ids: Vec<Option<u64>>,
    captions: [String; 2],
}

/// Equal answers in a pill.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) answer: Answer,
    text: String,
    count: usize,
}

/// What was answered in a short time.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    /// Its left border.
    pub(super) x: f64,
    /// How often each answer came, the bad ones last.
    pub(super) counts: Vec<(Answer, usize)>,
    pub(super) name: String,
    pub(super) evidence: bool,
    /// The refusals of this bar and of those right after it that belong to it.
    pub(super) label: Option<String>,
    texts: Vec<Part>,
    first: String,
    ids: Vec<Option<u64>>,
}

impl Part {
    /// `200`, or `200 ×7`.
    pub(super) fn label(&self) -> String {
        match self.count {
            1 => self.text.clone(),
            count => format!("{} ×{}", self.text, thousands(count)),
        }
    }

    pub(super) fn width(&self) -> f64 {
        pill(&self.label())
    }
}

impl Pill {
    fn of(mark: &Mark, x: f64) -> Self {
        let part = Part { answer: mark.answer, text: mark.text.clone(), count: 1 };
        Self {
            x,
            width: part.width(),
            parts: vec![part],
            caption: None,
            name: mark.name.clone(),
            evidence: mark.evidence,
            ids: vec![mark.id],
            captions: mark.captions.clone(),
        }
    }

    fn left(&self) -> f64 {
        self.x - self.width / 2.0
    }

    fn right(&self) -> f64 {
        self.x + self.width / 2.0
    }

    fn is_like(&self, other: &Self) -> bool {
        matches!((self.parts.as_slice(), other.parts.as_slice()), ([a], [b]) if a.answer == b.answer && a.text == b.text)
    }

    /// Takes the later `other` into itself. The pill reaches from the first mark to the last, or as far as its text does.
    fn join(&mut self, other: Self) {
        let (left, right) = (self.left().min(other.left()), self.right().max(other.right()));
        for part in other.parts {
            match self.parts.iter_mut().find(|own| own.answer == part.answer && own.text == part.text) {
                Some(own) => own.count += part.count,
                None => self.parts.push(part),
            }
        }
        let needed: f64 = self.parts.iter().map(Part::width).sum();
        self.width = needed.max(right - left);
        self.x = (left + right) / 2.0;
        self.evidence |= other.evidence;
        self.ids.extend(other.ids);
        self.captions = range(&self.ids);
        self.name = self.parts.iter().map(Part::label).collect::<Vec<_>>().join(", ");
        if let [long, _] = &self.captions
            && !long.is_empty()
        {
            self.name = format!("{long}: {}", self.name);
        }
    }

    pub(super) fn holds(&self, id: u64) -> bool {
        self.ids.contains(&Some(id))
    }
}

impl Bar {
    pub(super) fn holds(&self, id: u64) -> bool {
        self.ids.contains(&Some(id))
    }
}

/// Gives every mark its place between `left` and `right`.
pub(super) fn place(row: &Row, scale: &Scale, left: f64, right: f64) -> Placed {
    let mut pills: Vec<Pill> = Vec::new();
    for mark in &row.marks {
        let pill = Pill::of(mark, scale.x(mark.at));
        match pills.last_mut() {
            Some(last) if last.is_like(&pill) && pill.left() < last.right() + GAP => last.join(pill),
            _ => pills.push(pill),
        }
    }
    if pills.len() > MOST_PILLS {
        return Placed::Bars(bars(row, scale));
    }
    let pills = settle(pills, left, right);
    if pills.iter().any(|pill| pill.parts.len() > MOST_PARTS || (pill.parts.len() > 1 && pill.width > LONGEST_MIXTURE))
    {
        return Placed::Bars(bars(row, scale));
    }
    Placed::Pills(captioned(pills))
}

/// Moves pills that touch apart a little, and joins those that would have to go too far.
fn settle(mut pills: Vec<Pill>, left: f64, right: f64) -> Vec<Pill> {
    loop {
        let wanted: Vec<f64> = pills.iter().map(|pill| pill.x).collect();
        let mut edge = left;
        for pill in &mut pills {
            pill.x = pill.x.max(edge + pill.width / 2.0);
            edge = pill.right() + GAP;
        }
        let mut edge = right;
        for pill in pills.iter_mut().rev() {
            pill.x = pill.x.min(edge - pill.width / 2.0);
            edge = pill.left() - GAP;
        }
        let moved = pills.iter().zip(&wanted).map(|(pill, wanted)| (pill.x - wanted).abs());
        let worst = moved.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, by)| *by > MOST_SHIFT);
        for (pill, wanted) in pills.iter_mut().zip(wanted) {
            if worst.is_some() {
                pill.x = wanted;
            }
        }
        let Some((at, _)) = worst else { return pills };
        if pills.len() < 2 {
            return pills;
        }
        let at = nearest_neighbour(&pills, at);
        let second = pills.remove(at + 1);
        if let Some(first) = pills.get_mut(at) {
            first.join(second);
        }
    }
}

/// The earlier one of the pill at `at` and the neighbour that is nearer to it.
fn nearest_neighbour(pills: &[Pill], at: usize) -> usize {
    let distance = |a: usize, b: usize| match (pills.get(a), pills.get(b)) {
        (Some(a), Some(b)) => b.left() - a.right(),
        _ => f64::INFINITY,
    };
    let before = at.checked_sub(1).map_or(f64::INFINITY, |before| distance(before, at));
    if before <= distance(at, at + 1) { at.saturating_sub(1) } else { at }
}

/// Gives captions to those pills over which one has room: first to the evidence, then to what was refused.
fn captioned(mut pills: Vec<Pill>) -> Vec<Pill> {
    let mut order: Vec<usize> = (0..pills.len()).collect();
    let rank = |pill: &Pill| (!pill.evidence, !pill.parts.iter().any(|part| part.answer == Answer::Refused));
    order.sort_by_key(|at| pills.get(*at).map(rank));
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for at in order {
        let Some(pill) = pills.get_mut(at) else { continue };
        let free = pill.captions.iter().find_map(|caption| {
            let half = width(caption, 10.5) / 2.0 + 2.0;
            let place = (pill.x - half, pill.x + half);
            let fits = taken.iter().all(|other| place.1 <= other.0 || other.1 <= place.0);
            (!caption.is_empty() && fits).then(|| (caption.clone(), place))
        });
        if let Some((caption, place)) = free {
            pill.caption = Some(caption);
            taken.push(place);
        }
    }
    pills
}

fn bars(row: &Row, scale: &Scale) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    for mark in &row.marks {
        let x = (scale.x(mark.at) / BAR).floor() * BAR;
        if bars.last().is_none_or(|bar| bar.x < x) {
            bars.push(Bar {
                x,
                counts: Vec::new(),
                name: String::new(),
                evidence: false,
                label: None,
                texts: Vec::new(),
                first: crate::trace::Timestamp::from_unix_ms(mark.at).clock(),
                ids: Vec::new(),
            });
        }
        let Some(bar) = bars.last_mut() else { continue };
        bar.evidence |= mark.evidence;
        bar.ids.push(mark.id);
        match bar.counts.iter_mut().find(|(answer, _)| *answer == mark.answer) {
            Some((_, count)) => *count += 1,
            None => bar.counts.push((mark.answer, 1)),
        }
        match bar.texts.iter_mut().find(|part| part.text == mark.text) {
            Some(part) => part.count += 1,
            None => bar.texts.push(Part { answer: mark.answer, text: mark.text.clone(), count: 1 }),
        }
    }
    for bar in &mut bars {
        bar.counts.sort_unstable();
        let counts = bar.texts.iter().map(Part::label).collect::<Vec<_>>().join(", ");
        bar.name = format!("{} UTC, {}: {counts}", bar.first, range(&bar.ids)[0]);
    }
    label(&mut bars);
    bars
}

/// Says how often what was refused, over the first of several bars that stand too near for a label each.
fn label(bars: &mut [Bar]) {
    const APART: f64 = 74.0;
    let mut from = 0;
    while let Some(start) = bars.get(from).map(|bar| bar.x) {
        let near = bars.iter().skip(from).take_while(|bar| bar.x < start + APART).count().max(1);
        let group = bars.get(from..from + near).unwrap_or_default();
        let mut refused: Vec<Part> = Vec::new();
        for part in group.iter().flat_map(|bar| &bar.texts).filter(|part| part.answer == Answer::Refused) {
            match refused.iter_mut().find(|other| other.text == part.text) {
                Some(other) => other.count += part.count,
                None => refused.push(part.clone()),
            }
        }
        let Some(worst) = refused.into_iter().max_by_key(|part| part.count) else {
            from += 1;
            continue;
        };
        if group.first().is_some_and(|bar| !bar.texts.iter().any(|part| part.answer == Answer::Refused)) {
            from += 1;
            continue;
        }
        if let Some(bar) = bars.get_mut(from) {
            bar.label = Some(worst.label());
        }
        from += near;
    }
}

/// `#3–#9`, in a long and a short form.
fn range(ids: &[Option<u64>]) -> [String; 2] {
    let known = || ids.iter().flatten();
    match (known().min(), known().max()) {
        (Some(first), Some(last)) if first != last => [format!("#{first}–#{last}"), format!("#{first}…")],
        (Some(only), Some(_)) => [format!("#{only}"), format!("#{only}")],
        _ => [String::new(), String::new()],
    }
}
