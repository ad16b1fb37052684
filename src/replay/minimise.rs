//! The smallest scenario that still does it: delta debugging over rules and events (ddmin: Zeller and Hildebrandt,
//! "Simplifying and Isolating Failure-Inducing Input", 2002), then each that is left is made simpler.

use crate::policy::{ApiError, RawAnswer, RequestIdShape, Rule, Script, Then};
use crate::scenario::{Client, Scenario, Server};
use std::time::Duration;

/// What a minimisation came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimised {
    /// The smallest scenario found; the one that was given if it does not do it.
    pub scenario: Scenario,
    /// How often the oracle was asked.
    pub trials: usize,
    /// Whether what was given does it at all. If not, nothing was tried but that.
    pub holds: bool,
    /// Whether nothing simpler was left to be tried; else the trials had been used up.
    pub complete: bool,
}

/// Leaves out and simplifies what the oracle does not need, with at most `trials` questions. The oracle says whether a
/// scenario still does it; it is not asked twice about the same one. The same answers give the same result.
pub fn minimise(scenario: &Scenario, trials: usize, oracle: impl FnMut(&Scenario) -> bool) -> Minimised {
    let mut search =
        Search { best: scenario.clone(), oracle, asked: Vec::new(), left: trials, used: 0, ran_out: false };
    let holds = search.ask(scenario);
    if holds {
        // What was needed for a part that is gone now may be gone, too.
        loop {
            let before = search.best.clone();
            search.leave_out_parts();
            search.simplify_surroundings();
            search.simplify_rules();
            if search.best == before || search.ran_out {
                break;
            }
        }
    }
    Minimised { scenario: search.best, trials: search.used, holds, complete: holds && !search.ran_out }
}

struct Search<F> {
    best: Scenario,
    oracle: F,
    asked: Vec<Scenario>,
    left: usize,
    used: usize,
    ran_out: bool,
}

/// A rule or an event, by its index.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Rule(usize),
    Event(usize),
}

impl<F: FnMut(&Scenario) -> bool> Search<F> {
    /// Whether it still does it; if so, it is the best so far.
    fn accept(&mut self, candidate: Scenario) -> bool {
        if candidate == self.best || self.asked.contains(&candidate) {
            return false;
        }
        let good = self.ask(&candidate);
        if good {
            self.best = candidate;
        }
        good
    }

    fn ask(&mut self, candidate: &Scenario) -> bool {
        if self.left == 0 {
            self.ran_out = true;
            return false;
        }
        self.left -= 1;
        self.used += 1;
        let good = (self.oracle)(candidate);
        if !good {
            self.asked.push(candidate.clone());
        }
        good
    }

    /// ddmin: halves, then smaller pieces, until no single part can be left out.
    fn leave_out_parts(&mut self) {
        let mut pieces = 2;
        loop {
            let parts = parts(&self.best);
            if parts.is_empty() || self.ran_out {
                return;
            }
            pieces = pieces.min(parts.len());
            let size = parts.len().div_ceil(pieces);
            let without = |piece: usize| {
                let kept = parts.iter().enumerate().filter(|(at, _)| at / size != piece).map(|(_, part)| *part);
                with_parts(&self.best, &kept.collect::<Vec<_>>())
            };
            let candidates: Vec<Scenario> = (0..parts.len().div_ceil(size)).map(without).collect();
            if candidates.into_iter().any(|candidate| self.accept(candidate)) {
                pieces = pieces.saturating_sub(1).max(2);
            } else if size == 1 {
                return;
            } else {
                pieces = pieces.saturating_mul(2);
            }
        }
    }

    /// What the client is given and what the server is like, as usual as can be.
    fn simplify_surroundings(&mut self) {
        let (client, server) = (Client::default(), Server::default());
        self.change(|scenario| scenario.server = server.clone());
        self.change(|scenario| scenario.client.variables.clear());
        self.change(|scenario| (scenario.client.processes, scenario.client.shared_home) = (1, false));
        self.change(|scenario| scenario.client.processes = scenario.client.processes.min(2));
        self.change(|scenario| scenario.client.tasks.clone_from(&client.tasks));
        self.change(|scenario| scenario.client.tasks.truncate(2));
        self.change(|scenario| scenario.client.mcp = None);
        self.change(|scenario| scenario.client.stale = scenario.client.stale.min(1));
        self.change(|scenario| scenario.client.expires_in = client.expires_in);
        self.change(|scenario| (scenario.client.value, scenario.client.issued) = (None, true));
        self.change(|scenario| scenario.client = client.clone());
        self.change(|scenario| scenario.server.circumstances = server.circumstances);
        self.change(|scenario| scenario.server.terms = server.terms);
        self.change(|scenario| scenario.server.scopes = None);
        self.change(|scenario| scenario.server.clock = 0);
        for name in self.best.client.variables.keys().cloned().collect::<Vec<_>>() {
            self.change(|scenario| drop(scenario.client.variables.remove(&name)));
        }
    }

    /// Each rule with as little said as can be. Its path stays: a rule for everything would tell nobody anything.
    fn simplify_rules(&mut self) {
        for at in 0..self.best.script.rules.len() {
            for simpler in [
                |rule: &mut Rule| rule.delay = Duration::ZERO,
                |rule: &mut Rule| (rule.times, rule.skip) = (None, 0),
                |rule: &mut Rule| rule.times = None,
                |rule: &mut Rule| rule.times = rule.times.map(|times| times.min(1)),
                |rule: &mut Rule| rule.when.host = None,
                |rule: &mut Rule| rule.when.method = None,
                |rule: &mut Rule| rule.when.grant = None,
                |rule: &mut Rule| rule.when.credential = None,
                without_headers,
                with_usual_id,
                without_message,
            ] {
                self.change(|scenario| scenario.script.rules.get_mut(at).into_iter().for_each(simpler));
            }
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Scenario)) {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.accept(candidate);
    }
}

fn without_headers(rule: &mut Rule) {
    if let Then::Error(ApiError { headers, .. }) | Then::Raw(RawAnswer { headers, .. }) = &mut rule.then {
        headers.clear();
    }
}

fn with_usual_id(rule: &mut Rule) {
    if let Then::Error(error) = &mut rule.then {
        error.request_id = RequestIdShape::Present;
    }
}

fn without_message(rule: &mut Rule) {
    match &mut rule.then {
        Then::Error(error) | Then::StreamError { error, .. } => error.message.clear(),
        Then::Raw(raw) => raw.body.clear(),
        Then::Html(page) => page.title.clear(),
        _ => {}
    }
}

fn parts(scenario: &Scenario) -> Vec<Part> {
    let rules = (0..scenario.script.rules.len()).map(Part::Rule);
    rules.chain((0..scenario.events.len()).map(Part::Event)).collect()
}

fn with_parts(scenario: &Scenario, kept: &[Part]) -> Scenario {
    let rules = scenario.script.rules.iter().enumerate().filter(|(at, _)| kept.contains(&Part::Rule(*at)));
    let events = scenario.events.iter().enumerate().filter(|(at, _)| kept.contains(&Part::Event(*at)));
    Scenario {
        script: Script { rules: rules.map(|(_, rule)| rule.clone()).collect() },
        events: events.map(|(_, event)| event.clone()).collect(),
        ..scenario.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::read;
    use proptest::prelude::*;

    /// Rules for `/0`, `/1` and so on, and two events.
    fn noisy(count: usize) -> Scenario {
        let rules: String = (0..count)
            .map(|n| {
                format!(
                    "[[rule]]\nwhen = {{ host = \"h\", path = \"/{n}\" }}\ntimes = 3\ndelay = \"2s\"\nanswer = {{ status = 500, \
                     type = \"api_error\", message = \"no\", headers = {{ retry-after = \"5\" }} }}\n"
                )
            })
            .collect();
        let text = format!(
            "format = 1\ntitle = \"x\"\n[client]\nexpires_in = \"-1m\"\nvariables = {{ DISABLE_A = \"1\" }}\n\
             [[event]]\nat = \"1s\"\ndo = \"revoke\"\n[[event]]\nat = \"2s\"\ndo = \"expire\"\n{rules}"
        );
        read(&text).unwrap()
    }

    fn has(scenario: &Scenario, n: usize) -> bool {
        let path = crate::policy::PathPattern::Exact(format!("/{n}"));
        scenario.script.rules.iter().any(|rule| rule.when.path.as_ref() == Some(&path))
    }

    #[test]
    fn only_what_is_needed_is_left() {
        let found = minimise(&noisy(20), 1_000, |candidate| {
            has(candidate, 3) && has(candidate, 17) && candidate.client.expires_in < 0
        });
        assert!(found.holds && found.complete);
        insta::assert_snapshot!(crate::scenario::write(&found.scenario, &[format!("{} trials", found.trials)]));
    }

    #[test]
    fn what_does_not_do_it_is_left_alone() {
        let given = noisy(3);
        let found = minimise(&given, 100, |_| false);
        assert_eq!(found, Minimised { scenario: given, trials: 1, holds: false, complete: false });
    }

    #[test]
    fn trials_are_bounded_and_the_best_so_far_is_kept() {
        let mut asked = 0;
        let found = minimise(&noisy(40), 9, |candidate| {
            asked += 1;
            has(candidate, 3) && has(candidate, 4)
        });
        assert_eq!((found.trials, asked), (9, 9));
        assert!(found.holds && !found.complete && has(&found.scenario, 3) && has(&found.scenario, 4));
        assert!(found.scenario.script.rules.len() < 40);
    }

    proptest! {
        #[test]
        fn the_result_does_it_and_no_part_of_it_can_go(needed in proptest::collection::btree_set(0..12_usize, 0..5)) {
            let does = |candidate: &Scenario| needed.iter().all(|n| has(candidate, *n));
            let found = minimise(&noisy(12), 10_000, does);
            prop_assert!(found.complete && does(&found.scenario));
            prop_assert_eq!(found.scenario.script.rules.len(), needed.len());
            prop_assert!(found.scenario.events.is_empty());
            prop_assert_eq!(&found, &minimise(&noisy(12), 10_000, does));
        }
    }
}
