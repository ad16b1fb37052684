//! A pasted error text, made comparable. It may hold a credential, so it is wiped when it is dropped, and never shown.

use zeroize::Zeroizing;

/// The longest text that is looked at, in bytes.
const LONGEST: usize = 256 * 1024;

/// Statuses that an error text may name.
const STATUSES: &[u16] = &[
    400, 401, 402, 403, 404, 407, 408, 409, 413, 422, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 529,
];

/// Names of errors (official documentation of the API), and the status that each comes with.
const TYPES: &[(&str, u16)] = &[
    ("authentication_error", 401),
    ("authentication_failed", 401),
    ("permission_error", 403),
    ("invalid_request_error", 400),
    ("billing_error", 402),
    ("rate_limit_error", 429),
    ("overloaded_error", 529),
    ("\"type\":\"api_error\"", 500),
    ("\"type\": \"api_error\"", 500),
    ("timeout_error", 504),
];

/// What a number is not a status before.
const UNITS: &[&str] =
    &["ms", "s", "sec", "seconds", "minutes", "min", "tokens", "kb", "mb", "bytes", "lines", "times"];

/// A text in lower case, with single blanks, plain quotes, without escape sequences and frames, and the statuses in it.
pub(super) struct Pasted {
    text: Zeroizing<String>,
    statuses: Vec<u16>,
}

impl Pasted {
    pub(super) fn new(raw: &str) -> Self {
        let text = normalised(raw);
        let statuses = statuses(&text);
        Self { text, statuses }
    }

    /// The statuses that it names, by number or by the name of an error, in their order.
    pub(super) fn statuses(&self) -> &[u16] {
        &self.statuses
    }

    /// Whether `words` stand in it, beginning where a word begins. Three digits have to be a status.
    pub(super) fn says(&self, words: &str) -> bool {
        if words.len() == 3 && words.bytes().all(|byte| byte.is_ascii_digit()) {
            return words.parse().is_ok_and(|status| self.statuses.contains(&status));
        }
        let inner = words.starts_with(|c: char| c.is_alphanumeric());
        self.text.match_indices(words).any(|(at, _)| !inner || !ends_in_word(self.text.get(..at).unwrap_or_default()))
    }
}

fn ends_in_word(text: &str) -> bool {
    text.chars().next_back().is_some_and(char::is_alphanumeric)
}

fn normalised(raw: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(raw.len().min(LONGEST)));
    let mut chars = raw.char_indices().take_while(|(at, _)| *at < LONGEST).map(|(_, c)| c).peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape_sequence(&mut chars),
            '\\' => match chars.peek().copied() {
                Some('n' | 'r' | 't') => {
                    chars.next();
                    blank(&mut text);
                }
                Some('"' | '/' | '\\') => {}
                _ => text.push('\\'),
            },
            '\u{2018}' | '\u{2019}' => text.push('\''),
            '\u{201c}' | '\u{201d}' => text.push('"'),
            '\u{2010}'..='\u{2014}' => text.push('-'),
            // Frames that terminals draw around a message.
            '\u{2500}'..='\u{259f}' | '\u{239b}'..='\u{23bf}' => blank(&mut text),
            c if c.is_whitespace() || c.is_control() => blank(&mut text),
            c => text.extend(c.to_lowercase()),
        }
    }
    without_request_ids(&text)
}

fn blank(text: &mut String) {
    if !text.is_empty() && !text.ends_with(' ') {
        text.push(' ');
    }
}

/// After ESC: `[`…letter (CSI), `]`…BEL or ESC (OSC), or one character.
fn skip_escape_sequence(chars: &mut impl Iterator<Item = char>) {
    match chars.next() {
        Some('[') => drop(chars.find(|c| ('@'..='~').contains(c))),
        Some(']') => drop(chars.find(|c| matches!(c, '\u{7}' | '\u{1b}' | '\\'))),
        _ => {}
    }
}

/// Digits of a request id are no status.
fn without_request_ids(text: &str) -> Zeroizing<String> {
    let mut kept = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("req_") {
        kept.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    }
    kept.push_str(rest);
    kept
}

fn statuses(text: &str) -> Vec<u16> {
    let mut found = Vec::new();
    let mut at = 0;
    for run in text.split(|c: char| !c.is_ascii_digit()) {
        let end = at + run.len();
        let status = run.parse().ok().filter(|status| run.len() == 3 && STATUSES.contains(status));
        if let Some(status) = status {
            let (before, after) = (text.get(..at).unwrap_or_default(), text.get(end..).unwrap_or_default());
            if stands_alone(before, after) && !found.contains(&status) {
                found.push(status);
            }
        }
        at = end + text.get(end..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    }
    let named = TYPES.iter().filter(|(name, _)| text.contains(name)).map(|(_, status)| *status);
    for status in named {
        if !found.contains(&status) {
            found.push(status);
        }
    }
    found
}

/// Whether digits between these are no part of a version, a time, a path, a place in a file or a quantity.
fn stands_alone(before: &str, after: &str) -> bool {
    let mut back = before.chars().rev();
    let (last, last_but_one) = (back.next(), back.next());
    let begins = match last {
        None => true,
        Some(':') => !last_but_one.is_some_and(|c| c.is_ascii_digit()),
        Some(c) => !c.is_alphanumeric() && !matches!(c, '.' | '-' | '/' | '#' | '$' | '_' | '+'),
    };
    let mut on = after.chars();
    let (first, second) = (on.next(), on.next());
    let ends = match first {
        None => true,
        Some('.' | ',') => !second.is_some_and(|c| c.is_ascii_digit()),
        Some(c) => !c.is_alphanumeric() && !matches!(c, ':' | '-' | '/' | '_' | '%') || c == ':' && second == Some(' '),
    };
    let next_word = after.trim_start().split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    begins && ends && !UNITS.contains(&next_word) && !before.trim_end().ends_with("line")
}

/// Whether a text seems to hold a credential that is not masked, so that its owner can be told.
#[must_use]
pub fn holds_credential(text: &str) -> bool {
    has_long_value(text, "sk-ant-", 16) || has_long_value(text, "Bearer ", 20) || has_long_value(text, "eyJ", 40)
}

/// Whether `mark` is followed by at least `length` characters of a token.
fn has_long_value(text: &str, mark: &str, length: usize) -> bool {
    text.match_indices(mark).any(|(at, _)| {
        let value = text.get(at + mark.len()..).unwrap_or_default();
        let of_token = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        value.chars().take_while(of_token).count() >= length
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_become_comparable() {
        for (raw, wanted) in [
            ("  Not logged in \u{b7}\n Please run /login ", "not logged in \u{b7} please run /login "),
            ("\u{1b}[31mInvalid\u{1b}[0m API\tkey", "invalid api key"),
            ("\u{1b}]8;;https://x\u{7}link", "link"),
            (r#"{\"type\":\"error\",\n\"a\":1}"#, r#"{"type":"error", "a":1}"#),
            ("You\u{2019}ve hit", "you've hit"),
            ("│ ⎿  API Error │", "api error "),
            ("id req_011CAFAKE401 here", "id  here"),
        ] {
            assert_eq!(Pasted::new(raw).text.as_str(), wanted, "{raw:?}");
        }
    }

    #[test]
    fn statuses_are_told_from_other_numbers() {
        for (raw, wanted) in [
            ("API Error: 401 {\"type\":\"error\"}", vec![401]),
            ("Request failed with status code 400", vec![400]),
            ("\"api_error_status\":401,\"num_turns\":1", vec![401]),
            ("api_error_status:401", vec![401]),
            ("Request rejected (429) \u{b7} Too many", vec![429]),
            ("HTTP/1.1 503 Service Unavailable, then 401.", vec![503, 401]),
            ("error=403; 401: Unauthorized", vec![403, 401]),
            ("{\"type\":\"permission_error\"}", vec![403]),
            ("2.1.401 at 12:401, cli.js:500:12, 500 ms, 401-2, #401, line 404, 4010, a401, $500, 400 tokens", vec![]),
            ("\"request_id\":\"req_401\"", vec![]),
            ("401", vec![401]),
        ] {
            assert_eq!(Pasted::new(raw).statuses(), wanted, "{raw:?}");
        }
    }

    #[test]
    fn words_begin_where_a_word_begins() {
        let pasted = Pasted::new("The rewritten MCP-server said UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
        assert!(pasted.says("mcp") && pasted.says("unable_to_get_issuer_cert") && !pasted.says("written"));
    }

    #[test]
    fn credentials_are_noticed_and_stand_ins_are_not() {
        assert!(holds_credential("Headers.append: \"Bearer sk-ant-oat01-FAKEfakeFAKEfakeFAKE\""));
        assert!(holds_credential("authorization: Bearer FAKE0123456789FAKE0123456789"));
        for harmless in
            ["sk-ant-oat…", "sk-ant-api03-***", "Invalid bearer token", "Bearer ‹oat01 len=108 fp=018a79dc›"]
        {
            assert!(!holds_credential(harmless), "{harmless}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(raw in "[\\PC\u{1b}\n\\\\\"\\[\\]0-9:.]{0,200}") {
            let pasted = Pasted::new(&raw);
            let calm = !pasted.text.as_str().chars().any(char::is_control);
            prop_assert!(calm);
            prop_assert!(pasted.statuses().iter().all(|status| STATUSES.contains(status)));
        }
    }
}
