//! Versions of the client: which is newer, and which lacks a mend.

use serde::Serialize;
use std::cmp::Ordering;

/// A mend in Claude Code, from its public change log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VersionNote {
    /// The first version that has the fault, where that is known.
    pub since: Option<&'static str>,
    /// The first version without it.
    pub fixed_in: &'static str,
    /// What was mended.
    pub what: &'static str,
}

impl VersionNote {
    /// Whether `client` has the fault. A text that is no version has none.
    #[must_use]
    pub fn affects(&self, client: &str) -> bool {
        let old_enough = compare(client, self.fixed_in) == Some(Ordering::Less);
        let new_enough = self.since.is_none_or(|since| compare(client, since).is_some_and(Ordering::is_ge));
        old_enough && new_enough
    }
}

/// Compares two versions number by number, so that `2.1.39` comes before `2.1.211`. Missing numbers are 0; a pre-release
/// (`2.1.0-beta.1`) comes before its release, build data (`+…`) does not count. `None` if one is no version.
#[must_use]
pub fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (Version::parse(one)?, Version::parse(other)?);
    let by_number = (0..one.numbers.len().max(other.numbers.len()))
        .map(|at| one.number(at).cmp(&other.number(at)))
        .find(|order| order.is_ne());
    Some(by_number.unwrap_or_else(|| one.by_pre_release(&other)))
}

struct Version<'a> {
    numbers: Vec<u64>,
    pre_release: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text.split('+').next()?;
        let (numbers, pre_release) = match text.split_once('-') {
            Some((numbers, pre_release)) => (numbers, Some(pre_release)),
            None => (text, None),
        };
        let plain = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let numbers: Option<Vec<u64>> =
            numbers.split('.').map(|part| plain(&part).then(|| part.parse().ok())?).collect();
        Some(Self { numbers: numbers?, pre_release })
    }

    fn number(&self, at: usize) -> u64 {
        self.numbers.get(at).copied().unwrap_or_default()
    }

    fn by_pre_release(&self, other: &Self) -> Ordering {
        match (self.pre_release, other.pre_release) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(other)) => by_identifiers(one, other),
        }
    }
}

/// The order of pre-releases (Semantic Versioning 2.0.0, §11.4): numbers by size and before words, words by bytes, and
/// fewer before more.
fn by_identifiers(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        let order = match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => match (one.parse::<u64>(), other.parse::<u64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => one.cmp(other),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_compare_by_number() {
        for (one, other, order) in [
            ("2.1.39", "2.1.211", Ordering::Less),
            ("2.1.328", "2.1.107", Ordering::Greater),
            ("2.1", "2.1.0", Ordering::Equal),
            ("v2.1.81", " 2.1.81 ", Ordering::Equal),
            ("1.0.88", "2.0.0", Ordering::Less),
            ("2.1.0-beta.2", "2.1.0", Ordering::Less),
            ("2.1.0-beta.2", "2.1.0-beta.11", Ordering::Less),
            ("2.1.0-beta", "2.1.0-beta.1", Ordering::Less),
            ("2.1.0-1", "2.1.0-alpha", Ordering::Less),
            ("2.1.0+build7", "2.1.0", Ordering::Equal),
        ] {
            assert_eq!(compare(one, other), Some(order), "{one} {other}");
        }
        for none in ["", "latest", "2.x", "2..1", "-1", "2.1.99999999999999999999999", "2.+1"] {
            assert_eq!(compare(none, "2.1.0"), None, "{none:?}");
        }
    }

    #[test]
    fn a_mend_affects_what_is_older_and_not_older_than_the_fault() {
        let mend = VersionNote { since: Some("2.1.121"), fixed_in: "2.1.123", what: "" };
        let affected = ["2.1.120", "2.1.121", "2.1.122", "2.1.123", "odd"].map(|client| mend.affects(client));
        assert_eq!(affected, [false, true, true, false, false]);
        let always = VersionNote { since: None, ..mend };
        assert_eq!(
            ["1.0.0", "2.1.122", "2.1.123", "odd"].map(|client| always.affects(client)),
            [true, true, false, false]
        );
    }

    proptest! {
        #[test]
        fn the_order_turns_around(one in "[0-9]{1,4}(\\.[0-9]{1,4}){0,3}(-[a-z0-9]{1,3}(\\.[0-9]{1,2})?)?", other in "[0-9]{1,4}(\\.[0-9]{1,4}){0,3}(-[a-z0-9]{1,3})?") {
            let order = compare(&one, &other);
            prop_assert!(order.is_some());
            prop_assert_eq!(order.map(Ordering::reverse), compare(&other, &one));
            prop_assert_eq!(compare(&one, &one), Some(Ordering::Equal));
        }

        #[test]
        fn any_text_is_survived(one in "\\PC{0,20}", other in "[0-9.+-]{0,12}") {
            let _ = compare(&one, &other);
        }
    }
}
