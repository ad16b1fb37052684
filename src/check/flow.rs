//! Which exchanges take the steps of a flow: one pass, nothing tried twice.

use super::expectation::{Element, Field, Flow, Step, Taking};
use super::fit::{Bindings, fits};
use crate::trace::Exchange;
use std::time::Duration;

/// Where a flow was left, and what was bound by then.
#[derive(Debug, Clone)]
pub(super) struct Left<'a> {
    pub(super) why: Why<'a>,
    pub(super) bound: Bindings,
    /// The last exchange that took a step, by its place among all.
    pub(super) last: Option<usize>,
}

/// How a flow was left. Exchanges are given by their places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Why<'a> {
    /// So many exchanges took the step, and that is too few.
    TooFew { taking: &'a Taking, count: u32 },
    /// This exchange is one too many.
    TooMany { taking: &'a Taking, count: u32, place: usize },
    /// This exchange is what should be absent.
    Present { step: &'a Step, place: usize },
    /// This exchange took the step so long after the one before.
    Untimely { taking: &'a Taking, field: Field, place: usize, after: Duration },
}

/// Follows a flow.
///
/// # Errors
/// Where it was left.
pub(super) fn follow<'a>(flow: &'a Flow, exchanges: &[Exchange]) -> Result<Bindings, Box<Left<'a>>> {
    let mut walk = Walk::new(flow, exchanges);
    for (place, exchange) in exchanges.iter().enumerate() {
        if let Err(why) = walk.meet(place, exchange) {
            return Err(walk.left(why));
        }
    }
    match walk.next_due() {
        Some((taking, count)) => Err(walk.left(Why::TooFew { taking, count })),
        None => Ok(walk.bound),
    }
}

/// A way through a flow.
struct Walk<'a> {
    elements: &'a [Element],
    /// Elements before this one are done with; the one before it may still be open.
    next: usize,
    /// How often the element before `next` was taken.
    count: u32,
    /// Of a group, which steps.
    group: Vec<bool>,
    bound: Bindings,
    last: Option<usize>,
    /// When the last exchange that took a step ended, in milliseconds; before any, when the first exchange began.
    last_end: i64,
}

impl<'a> Walk<'a> {
    fn new(flow: &'a Flow, exchanges: &[Exchange]) -> Self {
        Self {
            elements: &flow.elements,
            next: 0,
            count: 0,
            group: Vec::new(),
            bound: Bindings::default(),
            last: None,
            last_end: exchanges.first().map_or(0, |first| first.at.unix_ms()),
        }
    }

    /// One exchange: it takes the next step if that is due, else the one that is open; or it is passed over.
    fn meet(&mut self, place: usize, exchange: &Exchange) -> Result<(), Why<'a>> {
        if self.is_satisfied()
            && let Some((at, member)) = self.reachable(exchange)
        {
            self.next = at + 1;
            self.count = 0;
            self.group.clear();
            return self.take(member, place, exchange);
        }
        if let Some(member) = self.open(exchange) {
            return self.take(member, place, exchange);
        }
        if self.is_satisfied()
            && let Some(step) = self.forbidden(exchange)
        {
            return Err(Why::Present { step, place });
        }
        Ok(())
    }

    /// The element that was begun last.
    fn current(&self) -> Option<&'a Element> {
        self.elements.get(self.next.checked_sub(1)?)
    }

    /// Whether the element that was begun last needs no further exchange.
    fn is_satisfied(&self) -> bool {
        match self.current() {
            Some(Element::Taken(taking)) => self.count >= taking.least(),
            Some(Element::AnyOrder(group)) => self.count as usize >= group.len(),
            Some(Element::Absent(_)) | None => true,
        }
    }

    /// The nearest element ahead that an exchange can take, with its step: what need not be taken can be left out.
    fn reachable(&self, exchange: &Exchange) -> Option<(usize, usize)> {
        for (at, element) in self.elements.iter().enumerate().skip(self.next) {
            match element {
                Element::Absent(_) => {}
                Element::Taken(taking) if fits(&taking.step, exchange, &self.bound) => return Some((at, 0)),
                Element::Taken(taking) if taking.least() == 0 => {}
                Element::Taken(_) => return None,
                Element::AnyOrder(group) => {
                    let member = group.iter().position(|taking| fits(&taking.step, exchange, &self.bound))?;
                    return Some((at, member));
                }
            }
        }
        None
    }

    /// The step of the element that was begun last that an exchange can take as well.
    fn open(&self, exchange: &Exchange) -> Option<usize> {
        match self.current()? {
            Element::Taken(taking) => {
                let counts = taking.repeat.is_some() && fits(&taking.step, exchange, &self.bound);
                counts.then_some(0)
            }
            Element::AnyOrder(group) => {
                let free = |at: usize| !self.group.get(at).copied().unwrap_or(false);
                let mut members = group.iter().enumerate();
                members.find(|(at, taking)| free(*at) && fits(&taking.step, exchange, &self.bound)).map(|(at, _)| at)
            }
            Element::Absent(_) => None,
        }
    }

    /// What should be absent before the next step that has to be taken, and is not.
    fn forbidden(&self, exchange: &Exchange) -> Option<&'a Step> {
        for element in self.elements.get(self.next..)? {
            match element {
                Element::Absent(step) if fits(step, exchange, &self.bound) => return Some(step),
                Element::Absent(_) => {}
                Element::Taken(taking) if taking.least() == 0 => {}
                Element::Taken(_) | Element::AnyOrder(_) => return None,
            }
        }
        None
    }

    /// An exchange takes a step of the element that was begun last.
    fn take(&mut self, member: usize, place: usize, exchange: &Exchange) -> Result<(), Why<'a>> {
        let taking = match self.current() {
            Some(Element::Taken(taking)) => taking,
            Some(Element::AnyOrder(group)) => {
                self.group.resize(group.len(), false);
                if let Some(taken) = self.group.get_mut(member) {
                    *taken = true;
                }
                let Some(taking) = group.get(member) else { return Ok(()) };
                taking
            }
            Some(Element::Absent(_)) | None => return Ok(()),
        };
        self.count = self.count.saturating_add(1);
        if taking.repeat.and_then(|repeat| repeat.to).is_some_and(|most| self.count > most) {
            return Err(Why::TooMany { taking, count: self.count, place });
        }
        let after = u64::try_from(exchange.at.unix_ms().saturating_sub(self.last_end)).unwrap_or(0);
        let after = Duration::from_millis(after);
        let untimely = |field| Err(Why::Untimely { taking, field, place, after });
        if taking.within.is_some_and(|most| after > most) {
            return untimely(Field::Within);
        }
        if taking.at_least.is_some_and(|least| after < least) {
            return untimely(Field::AtLeast);
        }
        self.bound.take(&taking.step, exchange, place);
        self.last = Some(place);
        self.last_end = end(exchange);
        Ok(())
    }

    /// The step that still has to be taken when nothing more comes, and how often it was.
    fn next_due(&self) -> Option<(&'a Taking, u32)> {
        if !self.is_satisfied() {
            return match self.current()? {
                Element::Taken(taking) => Some((taking, self.count)),
                Element::AnyOrder(group) => {
                    let free = |at: usize| !self.group.get(at).copied().unwrap_or(false);
                    group.iter().enumerate().find(|(at, _)| free(*at)).map(|(_, taking)| (taking, 0))
                }
                Element::Absent(_) => None,
            };
        }
        self.elements.get(self.next..)?.iter().find_map(|element| match element {
            Element::Taken(taking) if taking.least() > 0 => Some((taking, 0)),
            Element::AnyOrder(group) => group.first().map(|taking| (taking, 0)),
            Element::Taken(_) | Element::Absent(_) => None,
        })
    }

    fn left(self, why: Why<'a>) -> Box<Left<'a>> {
        Box::new(Left { why, bound: self.bound, last: self.last })
    }
}

/// When an exchange ended, in milliseconds of the clock.
pub(super) fn end(exchange: &Exchange) -> i64 {
    let took = i64::try_from(exchange.timing.total_us / 1_000).unwrap_or(i64::MAX);
    exchange.at.unix_ms().saturating_add(took)
}
