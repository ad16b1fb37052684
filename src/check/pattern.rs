//! What a path, a host or a status has to be like.

use std::fmt;

/// Text in which `*` stands for any characters, also none and also slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Takes the text as a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether a text is one of those meant. Each part between stars is found once, at its first place: that is enough,
    /// since whatever comes later fits behind an earlier place as well.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut text) = text.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*').filter(|part| !part.is_empty()) {
            let Some((_, behind)) = text.split_once(part) else { return false };
            text = behind;
        }
        text.ends_with(last)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Every one.
    Any,
    /// This one, in small letters.
    Exact(String),
    /// All below this one.
    Below(String),
}

impl HostPattern {
    /// Reads `api.anthropic.com`, `*.anthropic.com` for all below it, or `*`.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        if name == "*" {
            return Ok(Self::Any);
        }
        let (below, name) = name.strip_prefix("*.").map_or((false, name.as_str()), |rest| (true, rest));
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']');
        if name.is_empty() || !name.chars().all(plain) {
            let message =
                "a host is a name alone, such as \"api.anthropic.com\", or \"*.anthropic.com\" for all below it";
            return Err(message.to_owned());
        }
        Ok(if below { Self::Below(name.to_owned()) } else { Self::Exact(name.to_owned()) })
    }

    /// Whether a host is one of them.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => host.eq_ignore_ascii_case(name),
            Self::Below(name) => {
                let front = host.len().checked_sub(name.len()).and_then(|at| host.split_at_checked(at));
                front.is_some_and(|(front, end)| front.ends_with('.') && end.eq_ignore_ascii_case(name))
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

/// Which statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// This one.
    Just(u16),
    /// Those of a class: 2 for 2xx.
    Class(u16),
    /// No answer.
    None,
}

impl StatusPattern {
    /// Reads `401`, `2xx`, `none`.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let class =
            text.strip_suffix("xx").and_then(|digit| digit.parse().ok()).filter(|class| (2..=5).contains(class));
        match (text, class, text.parse()) {
            ("none", ..) => Ok(Self::None),
            (_, Some(class), _) => Ok(Self::Class(class)),
            (_, _, Ok(status)) => Self::number(status),
            _ => Err("a status is a number such as 401, a class such as \"2xx\", or \"none\" for no answer".to_owned()),
        }
    }

    /// One status.
    ///
    /// # Errors
    /// It is no status of an answer.
    pub fn number(status: u16) -> Result<Self, String> {
        match status {
            101 | 200..=599 => Ok(Self::Just(status)),
            _ => Err(format!("{status} is no status of an answer; expected 200 to 599")),
        }
    }

    /// Whether a status, or its absence, is one of them.
    #[must_use]
    pub fn matches(self, status: Option<u16>) -> bool {
        match (self, status) {
            (Self::None, None) => true,
            (Self::Just(wanted), Some(status)) => wanted == status,
            (Self::Class(class), Some(status)) => status / 100 == class,
            _ => false,
        }
    }

    /// Whether each of them refuses for a reason of authentication.
    #[must_use]
    pub fn is_auth_failure(self) -> bool {
        matches!(self, Self::Just(401 | 403 | 407))
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Just(status) => write!(f, "{status}"),
            Self::Class(class) => write!(f, "{class}xx"),
            Self::None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_are_names_or_all_below_one() {
        let below = HostPattern::parse("*.Anthropic.com").unwrap();
        assert!(below.matches("API.anthropic.com") && below.matches("a.b.anthropic.com"));
        assert!(!below.matches("anthropic.com") && !below.matches("evilanthropic.com") && !below.matches("é.com"));
        assert!(HostPattern::parse("claude.ai").unwrap().matches("claude.ai"));
        for bad in ["", "https://x", "*x.com", "x/*", "*."] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn statuses_are_numbers_classes_or_none() {
        let matches = |text: &str, status| StatusPattern::parse(text).unwrap().matches(status);
        assert!(matches("401", Some(401)) && !matches("401", None) && matches("none", None));
        assert!(matches("2xx", Some(204)) && !matches("2xx", Some(304)));
        for bad in ["", "40", "6xx", "x", "2XX", "4x", "70000"] {
            assert!(StatusPattern::parse(bad).is_err(), "{bad}");
        }
    }

    /// By every way in which a star can stand for something.
    fn naive(pattern: &str, text: &str) -> bool {
        match (pattern.chars().next(), text.chars().next()) {
            (None, None) => true,
            (Some('*'), _) => naive(&pattern[1..], text) || (!text.is_empty() && naive(pattern, &text[1..])),
            (Some(wanted), Some(c)) => wanted == c && naive(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_glob_matches_what_some_reading_of_its_stars_matches(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            prop_assert_eq!(Glob::new(&pattern).matches(&text), naive(&pattern, &text));
        }
    }
}
