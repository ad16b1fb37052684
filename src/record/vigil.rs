//! When a flight recorder looks at what it holds, and when it writes it out: decisions over time, without a clock.
//!
//! Two clocks are handed in. What has to pass while things can happen (the settling, the time after a failure) is
//! measured by the one that stands still while the machine sleeps. Whether a failure is an old story is decided by
//! either: after a night's sleep it is not, and a wall clock that is set back does not make it last.

use crate::trace::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a flight recorder waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Quiet after the last sign of a failure before it looks: a refresh takes its time.
    pub settle: Duration,
    /// The longest time from the first sign to the look, while signs go on.
    pub at_most: Duration,
    /// From that look to the writing, so that the trace shows what came of it.
    pub after: Duration,
    /// One code is not written again before it has been quiet for so long.
    pub cool_down: Duration,
    /// What could not be written is tried again after so long.
    pub retry: Duration,
}

impl Default for Times {
    /// 5 seconds, at most 20; 30 seconds after; ten minutes; one minute.
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(5),
            at_most: Duration::from_secs(20),
            after: Duration::from_secs(30),
            cool_down: Duration::from_secs(600),
            retry: Duration::from_secs(60),
        }
    }
}

/// A moment, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// How long the recorder has been running while the machine was awake.
    pub(super) awake: Duration,
    pub(super) wall: Timestamp,
}

impl Now {
    /// The longer of what the two clocks say.
    fn since(self, earlier: Self) -> Duration {
        let wall = self.wall.unix_ms().saturating_sub(earlier.wall.unix_ms());
        let wall = Duration::from_millis(u64::try_from(wall).unwrap_or(0));
        self.awake.saturating_sub(earlier.awake).max(wall)
    }
}

/// One thing that a look has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub code: &'static str,
    /// Whether something that was recorded since the last look proves it.
    pub fresh: bool,
    /// What happened, in a sentence or two.
    pub summary: String,
}

pub(super) struct Vigil {
    times: Times,
    state: State,
    last_sign: Option<Now>,
    /// When each code was seen last that has been written.
    written: BTreeMap<&'static str, Now>,
    /// The codes that were written last.
    latest: Vec<&'static str>,
}

enum State {
    Calm,
    Suspicious { first: Duration, last: Duration },
    Pending { due: Duration, codes: Vec<&'static str> },
}

/// What follows from a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing, or nothing yet.
    Wait,
    /// Write, because of this one.
    Write(Found),
}

impl Vigil {
    pub(super) fn new(times: Times) -> Self {
        Self { times, state: State::Calm, last_sign: None, written: BTreeMap::new(), latest: Vec::new() }
    }

    /// Something was recorded that may be a failure. True: the first sign in a long time, and so of a new story.
    pub(super) fn sign(&mut self, now: Now) -> bool {
        let last = self.last_sign.replace(now);
        match &mut self.state {
            State::Calm => self.state = State::Suspicious { first: now.awake, last: now.awake },
            State::Suspicious { last, .. } => *last = now.awake,
            State::Pending { .. } => {}
        }
        last.is_none_or(|last| now.since(last) >= self.times.cool_down)
    }

    /// When to look next, by the clock that sleeps.
    pub(super) fn due(&self) -> Option<Duration> {
        match &self.state {
            State::Calm => None,
            State::Suspicious { first, last } => Some((*last + self.times.settle).min(*first + self.times.at_most)),
            State::Pending { due, .. } => Some(*due),
        }
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        self.due().is_some_and(|due| now.awake >= due)
    }

    /// Takes what a look has shown. With `now_or_never` nothing is waited for.
    pub(super) fn judge(&mut self, found: &[Found], now: Now, now_or_never: bool) -> Decision {
        let state = std::mem::replace(&mut self.state, State::Calm);
        let awaited = if let State::Pending { codes, .. } = &state { codes.as_slice() } else { &[] };
        let mut new: Vec<&Found> = Vec::new();
        for one in found {
            let told = self.written.get(one.code).is_some_and(|last| now.since(*last) < self.times.cool_down);
            if awaited.contains(&one.code) || one.fresh && !told {
                new.push(one);
            } else if one.fresh {
                self.written.insert(one.code, now);
            }
        }
        let Some(first) = new.first() else { return Decision::Wait };
        if matches!(state, State::Pending { .. }) || now_or_never || self.times.after.is_zero() {
            self.written.retain(|_, last| now.since(*last) < self.times.cool_down);
            self.written.extend(new.iter().map(|one| (one.code, now)));
            self.latest = new.iter().map(|one| one.code).collect();
            return Decision::Write((*first).clone());
        }
        let codes = new.iter().map(|one| one.code).collect();
        self.state = State::Pending { due: now.awake + self.times.after, codes };
        Decision::Wait
    }

    /// What was decided last could not be written: it is still to be, and no old story.
    pub(super) fn put_off(&mut self, now: Now) {
        let codes = std::mem::take(&mut self.latest);
        self.written.retain(|code, _| !codes.contains(code));
        self.state = State::Pending { due: now.awake + self.times.retry, codes };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_000_000_000;

    /// So many seconds after the start, on a machine that never slept.
    fn at(seconds: u64) -> Now {
        slept(seconds, 0)
    }

    /// The same after a sleep.
    fn slept(awake: u64, asleep: i64) -> Now {
        let wall = START + i64::try_from(awake).unwrap() * 1_000 + asleep * 1_000;
        Now { awake: Duration::from_secs(awake), wall: Timestamp::from_unix_ms(wall) }
    }

    fn found(code: &'static str, fresh: bool) -> Vec<Found> {
        vec![Found { code, fresh, summary: String::new() }]
    }

    fn writes(decision: &Decision) -> bool {
        matches!(decision, Decision::Write(_))
    }

    /// From the first sign to the trace.
    fn story(vigil: &mut Vigil, code: &'static str, begins: Now) -> bool {
        vigil.sign(begins);
        let later = |seconds| Now {
            awake: begins.awake + Duration::from_secs(seconds),
            wall: Timestamp::from_unix_ms(begins.wall.unix_ms() + i64::try_from(seconds).unwrap() * 1_000),
        };
        assert!(!vigil.is_due(later(4)) && vigil.is_due(later(5)));
        let first = vigil.judge(&found(code, true), later(5), false);
        assert_eq!(first, Decision::Wait);
        vigil.is_due(later(35)) && writes(&vigil.judge(&found(code, false), later(35), false))
    }

    #[test]
    fn it_looks_when_things_have_settled_and_soon_when_they_do_not() {
        let mut vigil = Vigil::new(Times::default());
        assert_eq!(vigil.due(), None);
        for second in 0..60 {
            vigil.sign(at(second));
            let due = vigil.due().unwrap();
            assert_eq!(due, Duration::from_secs(20.min(second + 5)));
        }
    }

    #[test]
    fn what_has_healed_before_the_writing_is_not_written() {
        let mut vigil = Vigil::new(Times::default());
        vigil.sign(at(0));
        assert_eq!(vigil.judge(&found("token-revoked", true), at(5), false), Decision::Wait);
        assert_eq!(vigil.due(), Some(Duration::from_secs(35)));
        assert_eq!(vigil.judge(&[], at(35), false), Decision::Wait);
        assert_eq!(vigil.due(), None);
    }

    #[test]
    fn a_loop_is_written_once_and_another_code_beside_it() {
        let mut vigil = Vigil::new(Times::default());
        assert!(story(&mut vigil, "token-revoked", at(0)));
        // All night long, every minute.
        for minute in 1..600 {
            let now = at(60 * minute);
            assert!(!vigil.sign(now), "the same story");
            assert_eq!(vigil.judge(&found("token-revoked", true), now, false), Decision::Wait);
            assert_eq!(vigil.due(), None, "nothing is pending");
        }
        assert!(story(&mut vigil, "refresh-race", at(60 * 600)));
        assert!(story(&mut vigil, "token-revoked", at(60 * 620)), "after ten quiet minutes it is news");
    }

    #[test]
    fn an_old_finding_is_no_news() {
        let mut vigil = Vigil::new(Times::default());
        vigil.sign(at(0));
        assert_eq!(vigil.judge(&found("token-revoked", false), at(5), false), Decision::Wait);
        assert_eq!(vigil.due(), None);
    }

    #[test]
    fn a_night_of_sleep_ends_a_story_and_does_not_shorten_what_is_waited_for() {
        let mut vigil = Vigil::new(Times::default());
        let night = 8 * 3_600;
        assert!(story(&mut vigil, "token-revoked", at(0)));
        vigil.sign(at(40));
        assert!(!vigil.is_due(slept(41, night)), "settling goes on after the sleep");
        assert_eq!(vigil.judge(&found("token-revoked", true), slept(45, night), false), Decision::Wait);
        assert_eq!(vigil.due(), Some(Duration::from_secs(75)));
        assert!(vigil.sign(slept(76, 2 * night)));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_it_quiet_for_ever() {
        let mut vigil = Vigil::new(Times::default());
        assert!(story(&mut vigil, "token-revoked", at(0)));
        let year = 365 * 86_400;
        vigil.sign(slept(100, -year));
        assert_eq!(vigil.judge(&[], slept(105, -year), false), Decision::Wait);
        assert!(story(&mut vigil, "token-revoked", slept(700, -year)));
    }

    #[test]
    fn what_could_not_be_written_is_tried_again_and_at_the_end() {
        let mut vigil = Vigil::new(Times::default());
        assert!(story(&mut vigil, "token-revoked", at(0)));
        vigil.put_off(at(35));
        vigil.sign(at(36));
        assert!(!vigil.is_due(at(94)) && vigil.is_due(at(95)));
        assert!(writes(&vigil.judge(&found("token-revoked", true), at(95), false)));
        vigil.put_off(at(95));
        assert!(writes(&vigil.judge(&found("token-revoked", false), at(96), true)));
    }

    #[test]
    fn at_the_end_nothing_is_waited_for() {
        let mut vigil = Vigil::new(Times::default());
        vigil.sign(at(0));
        assert!(writes(&vigil.judge(&found("token-revoked", true), at(1), true)));
    }
}
