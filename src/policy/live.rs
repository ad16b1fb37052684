//! What a script can do to traffic that goes to a real server, and what only the fake can.

use super::answer::Answer;
use super::rule::{Rule, Script, Then};

/// A rule that cannot be carried out on live traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLive {
    /// The index of the rule.
    pub rule: usize,
    /// Which part of it.
    pub part: Part,
    /// Why not, and what to do instead.
    pub why: &'static str,
}

/// A part of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Which requests it is for.
    When,
    /// What happens to them.
    Then,
}

impl Script {
    /// The rules that live traffic cannot follow; none: it can be played there.
    #[must_use]
    pub fn not_live(&self) -> Vec<NotLive> {
        let judge = |(rule, one): (usize, &Rule)| one.not_live().map(|(part, why)| NotLive { rule, part, why });
        self.rules.iter().enumerate().filter_map(judge).collect()
    }
}

impl Rule {
    fn not_live(&self) -> Option<(Part, &'static str)> {
        if self.when.grant.is_some() {
            let why = "which grant is asked for stands in the body, and live traffic is decided on at its head; \
                       use the path /v1/oauth/token, or play it against the fake";
            return Some((Part::When, why));
        }
        let why = match &self.then {
            Then::Coded(_) => {
                Some("a server's answer is not compressed anew on live traffic; play it against the fake")
            }
            Then::Accept => Some("only the fake takes any credential; a real server decides by itself"),
            Then::Token(_) => Some("only the fake issues tokens; on live traffic answer with an error, or cut"),
            Then::Error(error) => unsendable(&error.answer("")),
            Then::Html(page) => unsendable(&page.answer()),
            Then::Raw(raw) => unsendable(&raw.answer()),
            Then::Pass | Then::Cut(_) | Then::Truncate { .. } | Then::StreamError { .. } | Then::Slow(_) => None,
        };
        why.map(|why| (Part::Then, why))
    }
}

fn unsendable(answer: &Answer) -> Option<&'static str> {
    if !(200..=599).contains(&answer.status) {
        return Some("the status of an answer is from 200 to 599");
    }
    let fits = |(name, value): &(std::borrow::Cow<'static, str>, String)| is_name(name) && is_value(value);
    (!answer.headers.iter().all(fits)).then_some("a header field has a name or a value that HTTP does not allow")
}

/// A token of RFC 9110 §5.6.2.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// RFC 9110 §5.5, without what is outside ASCII.
fn is_value(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::super::{ApiError, Coding, Cut, Grant, HtmlPage, RawAnswer, TokenOutcome, When};
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_needs_the_fake_is_named_with_its_rule() {
        let always = |then| Rule::always(When::default(), then);
        let bad_field = RawAnswer {
            headers: vec![("x-a".to_owned(), "b\r\nset-cookie: c".to_owned())],
            ..RawAnswer::new(200, "text/plain", b"")
        };
        let rules = vec![
            always(Then::Pass),
            always(Then::Coded(Coding::Gzip)),
            always(Then::Cut(Cut::Reset)),
            always(Then::Token(TokenOutcome::InvalidGrant)),
            Rule::always(When::grant(Grant::RefreshToken), Then::Pass),
            always(Then::Error(ApiError::new(101, "x", "y"))),
            always(Then::Raw(bad_field)),
            always(Then::Truncate { events: 1, cut: Cut::Close }),
            always(Then::Slow(Duration::ZERO)),
            always(Then::StreamError { events: 0, error: ApiError::unauthorized("no") }),
            always(Then::Html(HtmlPage { status: 403, title: "Just a moment...".to_owned(), challenge: true })),
            always(Then::Accept),
        ];
        let refused: Vec<(usize, Part)> =
            Script { rules }.not_live().into_iter().map(|one| (one.rule, one.part)).collect();
        assert_eq!(
            refused,
            [(1, Part::Then), (3, Part::Then), (4, Part::When), (5, Part::Then), (6, Part::Then), (11, Part::Then)]
        );
    }
}
