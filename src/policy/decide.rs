//! Which rule takes a request, given those that came before it.

use super::rule::{Grant, Rule, Script, Then, When};
use crate::redact::Kind;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// The state that every script begins in.
pub const START: &str = "start";

/// So many pairs of credential and route are counted; a further one is at its first attempt for ever.
const COUNTED: usize = 10_000;

/// What a rule may ask about a request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// The host, lower case, without a port.
    pub host: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The kind of the credential in the header fields.
    pub credential: Option<Kind>,
    /// Tells credentials apart: equal for equal values. That of the body, for a token request.
    pub identity: Option<u64>,
    /// What a token request asks for.
    pub grant: Option<Grant>,
    /// Since the beginning.
    pub elapsed: Duration,
}

/// What was decided about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The index of the rule; none: the server answers.
    pub rule: Option<usize>,
    /// How long to wait first.
    pub delay: Duration,
    /// What to do then.
    pub then: Then,
}

/// A script and what it has met so far.
#[derive(Debug)]
pub struct Decider {
    script: Script,
    /// How many requests each rule matched.
    met: Vec<u32>,
    state: String,
    attempts: HashMap<u64, u32>,
}

impl Decider {
    /// The beginning: no rule has been used.
    #[must_use]
    pub fn new(script: Script) -> Self {
        let met = vec![0; script.rules.len()];
        Self { script, met, state: START.to_owned(), attempts: HashMap::new() }
    }

    /// What is to be done to a request. Rules count it, and the state changes.
    pub fn decide(&mut self, asked: &Asked<'_>) -> Decision {
        let attempt = self.count_attempt(asked);
        let Some(index) = self.rule(asked, attempt) else {
            return Decision { rule: None, delay: Duration::ZERO, then: Then::Pass };
        };
        let rule = self.script.rules.get(index);
        if let Some(state) = rule.and_then(|rule| rule.enters.as_ref()) {
            state.clone_into(&mut self.state);
        }
        let then = rule.map_or(Then::Pass, |rule| rule.then.clone());
        Decision { rule: Some(index), delay: rule.map_or(Duration::ZERO, |rule| rule.delay), then }
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The rules, and how many requests each has matched.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, u32)> {
        self.script.rules.iter().zip(self.met.iter().copied())
    }

    /// The rule that takes the request; every rule that it reaches counts it.
    fn rule(&mut self, asked: &Asked<'_>, attempt: u32) -> Option<usize> {
        for (index, (rule, met)) in self.script.rules.iter().zip(&mut self.met).enumerate() {
            if !rule.when.matches(asked, attempt, &self.state) {
                continue;
            }
            let nth = *met;
            *met = met.saturating_add(1);
            let last = rule.times.map(|times| rule.skip.saturating_add(times));
            if nth >= rule.skip && last.is_none_or(|last| nth < last) {
                return Some(index);
            }
        }
        None
    }

    fn count_attempt(&mut self, asked: &Asked<'_>) -> u32 {
        let mut hasher = DefaultHasher::new();
        (asked.identity, asked.method, asked.host, asked.path).hash(&mut hasher);
        let key = hasher.finish();
        if self.attempts.len() >= COUNTED && !self.attempts.contains_key(&key) {
            return 1;
        }
        let count = self.attempts.entry(key).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

impl When {
    fn matches(&self, asked: &Asked<'_>, attempt: u32, state: &str) -> bool {
        let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        is(&self.method, asked.method)
            && is(&self.host, asked.host)
            && is(&self.state, state)
            && self.path.as_ref().is_none_or(|pattern| pattern.matches(asked.path))
            && self.credential.is_none_or(|kind| asked.credential == Some(kind))
            && self.grant.is_none_or(|wanted| asked.grant == Some(wanted))
            && self.attempt.is_none_or(|span| span.holds(attempt))
            && self.elapsed.is_none_or(|span| span.holds(asked.elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::{Cut, PathPattern, Span};
    use super::*;

    fn asked<'a>(path: &'a str, identity: u64, seconds: u64) -> Asked<'a> {
        Asked {
            method: "POST",
            host: "api.anthropic.com",
            path,
            credential: Some(Kind::OauthAccess),
            identity: Some(identity),
            grant: None,
            elapsed: Duration::from_secs(seconds),
        }
    }

    fn decider(rules: Vec<Rule>) -> Decider {
        Decider::new(Script { rules })
    }

    fn cut(when: When) -> Rule {
        Rule::always(when, Then::Cut(Cut::Reset))
    }

    #[test]
    fn the_first_rule_that_is_not_used_up_decides() {
        let mut play = decider(vec![
            Rule { skip: 1, times: Some(1), ..cut(When::path("/v1/")) },
            Rule::once(When::path("/v1/messages"), Then::Pass).after(Duration::from_secs(2)),
        ]);
        let rules: Vec<_> = (0..4).map(|n| play.decide(&asked("/v1/messages", n, 0)).rule).collect();
        assert_eq!(rules, [Some(1), Some(0), None, None]);
        let counts: Vec<u32> = play.rules().map(|(_, met)| met).collect();
        assert_eq!(counts, [4, 3]);
    }

    #[test]
    fn attempts_are_counted_for_each_credential_and_route() {
        let mut play = decider(vec![cut(When { attempt: Some(Span::since(2)), ..When::default() })]);
        let mut hit = |path, identity| play.decide(&asked(path, identity, 0)).rule.is_some();
        assert!(!hit("/a", 1) && !hit("/b", 1) && !hit("/a", 2));
        assert!(hit("/a", 1) && hit("/b", 1) && hit("/a", 2));
    }

    #[test]
    fn a_rule_may_wait_for_a_time_or_a_state() {
        let during = Span { from: Duration::from_secs(5), to: Some(Duration::from_secs(9)) };
        let mut play = decider(vec![
            Rule {
                enters: Some("down".to_owned()),
                ..cut(When { elapsed: Some(during), state: Some(START.to_owned()), ..When::default() })
            },
            Rule {
                enters: Some(START.to_owned()),
                ..Rule::once(When { state: Some("down".to_owned()), ..When::default() }, Then::Pass)
            },
        ]);
        let mut rule = |seconds| play.decide(&asked("/", 1, seconds)).rule;
        assert_eq!(
            [rule(4), rule(5), rule(6), rule(9), rule(10), rule(11)],
            [None, Some(0), Some(1), Some(0), None, None]
        );
        assert_eq!(play.state(), "down");
    }

    #[test]
    fn a_star_at_the_end_stands_for_the_rest() {
        let exact = PathPattern::parse("/v1/messages");
        assert!(exact.matches("/v1/messages") && !exact.matches("/v1/messages/count_tokens"));
        assert!(PathPattern::parse("/v1/*").matches("/v1/messages") && !PathPattern::parse("/v1/*").matches("/v2/"));
    }
}
