//! Header fields: name by name, value by value.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::grammar::{Grammar, RULES, Rule, Side};
use super::identifier;
use super::marker;
use super::redacted::Redacted;
use super::redactor::{Direction, Keep, RedactError, Redactor, TOO_LONG, too_long};
use super::syntax;

impl Redactor {
    /// The name and the value of one header field as they may be written down.
    ///
    /// A name from the closed list stands as it was sent, another one as a fingerprint. A value stands verbatim only if
    /// the whole of it matches the grammar that belongs to the name; lists are judged item by item; credentials show
    /// scheme, kind, length and fingerprint, and are learned.
    #[must_use]
    pub fn header(&self, name: &[u8], value: &[u8], direction: Direction) -> (Redacted, Redacted) {
        self.field(name, value, Some(direction))
    }

    pub(super) fn field(&self, name: &[u8], value: &[u8], direction: Option<Direction>) -> (Redacted, Redacted) {
        let known = lookup(name);
        let shown = match known {
            Some(entry) => entry.shown(name),
            None => self.unknown_name(name),
        };
        if value.is_empty() {
            return (shown, Redacted::literal(""));
        }
        if value.len() > TOO_LONG {
            return (shown, Redacted::vouched(&too_long(value.len())));
        }
        let rule = known.map(|entry| entry.rule);
        if let Some((_, _, grammar)) = rule
            && let Some(text) = self.credential_value(grammar, value)
        {
            return (shown, Redacted::vouched(&text));
        }
        let kept =
            self.keep().iter().any(|(keep, regex)| name.eq_ignore_ascii_case(keep.as_bytes()) && regex.is_match(value));
        if kept && let Ok(text) = std::str::from_utf8(value) {
            return (shown, Redacted::vouched(text));
        }
        let value = match rule {
            Some((_, side, grammar)) if fits(side, direction) => self.plain_value(grammar, value),
            _ => None,
        }
        .unwrap_or_else(|| Redacted::vouched(&self.opaque(value)));
        (shown, value)
    }

    fn unknown_name(&self, name: &[u8]) -> Redacted {
        match self.keep().iter().find(|(keep, _)| name.eq_ignore_ascii_case(keep.as_bytes())) {
            Some((keep, _)) => Redacted::vouched(keep),
            None => Redacted::vouched(&self.labelled("name", name)),
        }
    }

    /// The value if its grammar lets it through, wholly or item by item; `None` if it is to be fingerprinted.
    fn plain_value(&self, grammar: Grammar, value: &[u8]) -> Option<Redacted> {
        let whole = |matches: bool| matches.then(|| verbatim(value)).flatten();
        match grammar {
            Grammar::Opaque | Grammar::Credential | Grammar::Authorization | Grammar::Cookie | Grammar::SetCookie => {
                None
            }
            Grammar::Integer => whole(syntax::integer(value)),
            Grammar::Decimal => whole(syntax::decimal(value)),
            Grammar::Word(words) => whole(syntax::in_list(value, words)),
            Grammar::Words(words) => Some(self.list(value, |item| syntax::weighted_word(item, words))),
            Grammar::HttpDate => whole(syntax::http_date(value)),
            Grammar::Timestamp => whole(syntax::timestamp(value)),
            Grammar::RetryAfter => whole(syntax::decimal(value) || syntax::http_date(value)),
            Grammar::RequestId => whole(syntax::request_id(value)),
            Grammar::SessionId => whole(syntax::session_id(value)),
            Grammar::Beta => Some(self.list(value, syntax::beta)),
            Grammar::Date => whole(syntax::date(value)),
            Grammar::UserAgent => whole(syntax::user_agent(value)),
            Grammar::MediaType => match multipart(value) {
                Some(end) => {
                    let boundary = self.opaque(&value[end..]);
                    Some(Redacted::vouched(&format!("multipart/form-data; boundary={boundary}")))
                }
                None => whole(syntax::media_type(value)),
            },
            Grammar::Accept => Some(self.list(value, syntax::media_range)),
            Grammar::Version => whole(syntax::version(value)),
            Grammar::Host => std::str::from_utf8(value).ok().map(|host| self.host(host)),
            Grammar::Location => match value {
                b"*" | b"null" => verbatim(value),
                _ => Some(self.path(value)),
            },
            Grammar::Challenge => Some(Redacted::vouched(&self.challenge(value))),
            Grammar::CfRay => whole(syntax::cf_ray(value)),
            Grammar::Via => Some(self.list(value, syntax::via)),
            Grammar::TraceParent => whole(syntax::trace_parent(value)),
            Grammar::Model => whole(std::str::from_utf8(value).is_ok_and(identifier::is_model)),
        }
    }

    /// A comma-separated list; items that `known` does not accept become fingerprints.
    pub(super) fn list(&self, value: &[u8], known: impl Fn(&[u8]) -> bool) -> Redacted {
        if value.split(|b| *b == b',').all(|item| known(item.trim_ascii()))
            && let Some(text) = verbatim(value)
        {
            return text;
        }
        let mut text = String::with_capacity(value.len());
        for (index, item) in marker::split(value, b',').into_iter().enumerate() {
            if index > 0 {
                text.push_str(if item.first() == Some(&b' ') { ", " } else { "," });
            }
            let item = item.trim_ascii();
            match std::str::from_utf8(item) {
                Ok(plain) if known(item) => text.push_str(plain),
                _ => text.push_str(&self.opaque(item)),
            }
        }
        Redacted::vouched(&text)
    }
}

fn fits(side: Side, direction: Option<Direction>) -> bool {
    !matches!(
        (side, direction),
        (Side::Request, Some(Direction::Response)) | (Side::Response, Some(Direction::Request))
    )
}

/// Values that the busiest headers nearly always have: no allocation for them.
const COMMON: [&str; 16] = [
    "application/json",
    "text/event-stream; charset=utf-8",
    "cli",
    "true",
    "0",
    "1",
    "600",
    "*/*",
    "keep-alive",
    "close",
    "js",
    "node",
    "x64",
    "Linux",
    "gzip",
    "cloudflare",
];

fn verbatim(value: &[u8]) -> Option<Redacted> {
    if value.len() <= 32
        && let Some(common) = COMMON.iter().find(|common| common.as_bytes() == value)
    {
        return Some(Redacted::literal(common));
    }
    let printable = value.iter().all(|b| (b' '..=b'~').contains(b));
    printable.then(|| std::str::from_utf8(value).ok()).flatten().map(Redacted::vouched)
}

/// Where the boundary starts in `multipart/form-data; boundary=…`.
fn multipart(value: &[u8]) -> Option<usize> {
    const HEAD: &[u8] = b"multipart/form-data; boundary=";
    value.get(..HEAD.len())?.eq_ignore_ascii_case(HEAD).then_some(HEAD.len())
}

/// A known name with the spellings that it is usually sent in.
pub(super) struct Entry {
    pub(super) rule: Rule,
    train: Redacted,
}

impl Entry {
    fn shown(&self, name: &[u8]) -> Redacted {
        let lower = self.rule.0;
        if name == lower.as_bytes() {
            Redacted::literal(lower)
        } else if name == self.train.as_str().as_bytes() {
            self.train.clone()
        } else {
            std::str::from_utf8(name).map_or(Redacted::literal(lower), Redacted::vouched)
        }
    }
}

/// The longest name of the table is shorter than this.
const LONGEST_NAME: usize = 64;

/// The rules by the length of their names.
static BY_LENGTH: LazyLock<Vec<Vec<Entry>>> = LazyLock::new(|| {
    let mut table: Vec<Vec<Entry>> = (0..LONGEST_NAME).map(|_| Vec::new()).collect();
    for rule in RULES {
        if let Some(row) = table.get_mut(rule.0.len()) {
            row.push(Entry { rule: *rule, train: Redacted::vouched(&train_case(rule.0)) });
        }
    }
    table
});

fn train_case(lower: &str) -> String {
    let mut start = true;
    let capital = |c: char| {
        let shown = if start { c.to_ascii_uppercase() } else { c };
        start = c == '-';
        shown
    };
    lower.chars().map(capital).collect()
}

/// The rule for a name in any case.
pub(super) fn lookup(name: &[u8]) -> Option<&'static Entry> {
    let row = BY_LENGTH.get(name.len())?;
    let last = name.last()?.to_ascii_lowercase();
    row.iter().find(|entry| {
        entry.rule.0.as_bytes().last() == Some(&last) && name.eq_ignore_ascii_case(entry.rule.0.as_bytes())
    })
}

/// Accepts a `[[keep]]` entry unless its header can carry a credential.
pub(super) fn checked_keep(
    number: usize,
    entry: &Keep,
    compile: impl Fn(&str) -> Option<Regex>,
) -> Result<(String, Regex), RedactError> {
    let name = entry.name.to_ascii_lowercase();
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(token) {
        return Err(RedactError::KeepName(number));
    }
    let listed = lookup(name.as_bytes()).is_some_and(|entry| entry.rule.2.carries_credentials());
    let telling = [
        "auth",
        "token",
        "secret",
        "cookie",
        "password",
        "api-key",
        "apikey",
        "credential",
        "signature",
        "session",
        "jwt",
    ];
    if listed || telling.iter().any(|word| name.contains(word)) {
        return Err(RedactError::KeepCredential(Redacted::vouched(&name)));
    }
    let regex = compile(&entry.grammar).ok_or(RedactError::KeepGrammar(number))?;
    Ok((name, regex))
}

impl Grammar {
    fn carries_credentials(self) -> bool {
        matches!(self, Self::Credential | Self::Authorization | Self::Cookie | Self::SetCookie)
    }
}
