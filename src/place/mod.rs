//! Where something stands in a file that a person wrote, and how that is shown: the line, and a caret under it.
//!
//! In come the text of a file and a range of its bytes; out comes a [`Place`]. What looks like a credential is masked:
//! whoever names the wrong file should not find its content on the screen.

use std::fmt;
use std::ops::Range;

/// A line of more bytes is not shown: a caret far to the right points at nothing, and every name in a long list would keep
/// all of it.
const SHOWN: usize = 1000;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The text of the line; empty if it is too long to be shown.
    pub text: String,
    /// How many characters the mistake has on that line, at least 1.
    pub width: usize,
}

impl Place {
    /// The place of a range of bytes.
    #[must_use]
    pub fn of(text: &str, span: Range<usize>) -> Self {
        let start = floor(text, span.start.min(text.len()));
        let end = floor(text, span.end.clamp(start, text.len()));
        let (before, rest) = text.split_at(start);
        let from = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = rest.find('\n').map_or(text.len(), |at| start + at);
        let slice = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let shown = if line_end - from > SHOWN { "" } else { slice(from, line_end) };
        Self {
            line: before.matches('\n').count() + 1,
            column: slice(from, start).chars().count() + 1,
            text: visible(shown.trim_end_matches('\r')),
            width: slice(start, end.min(line_end)).chars().count().max(1),
        }
    }

    /// The line with its number, and a caret under what is meant; three lines, the last without a line break.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        if self.text.is_empty() && self.column > 1 {
            return format!("{margin} |\n{number} | (too long to be shown)\n{margin} |");
        }
        let before = " ".repeat(self.column.saturating_sub(1));
        format!("{margin} |\n{number} | {}\n{margin} | {before}{}", self.text, "^".repeat(self.width))
    }
}

/// Characters with which a text could steer the terminal or hide a part of itself, as dots; columns stay what they are. For names of
/// files that the user has given, which may well look like anything.
#[must_use]
pub fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '\n' => ' ',
        c if is_unseen(c) => '·',
        c => c,
    };
    text.chars().map(plain).collect()
}

/// Whether a character steers a terminal or hides others: controls, direction marks, zero widths.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{00ad}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

/// The same, and what looks like a credential as dots, too.
#[must_use]
pub fn visible(text: &str) -> String {
    let plain: Vec<char> = plain(text).chars().collect();
    plain.chunk_by(|one, next| is_of_token(*one) == is_of_token(*next)).flat_map(masked).collect()
}

/// A word that may be a credential, as dots behind its first characters; a made-up one says `FAKE`.
fn masked(word: &[char]) -> Vec<char> {
    const MARK: [char; 7] = ['s', 'k', '-', 'a', 'n', 't', '-'];
    const MADE_UP: [char; 4] = ['F', 'A', 'K', 'E'];
    let has = |kind: fn(&char) -> bool| word.iter().any(kind);
    let mixed = has(char::is_ascii_digit) && has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    let made_up = word.windows(MADE_UP.len()).any(|part| part == MADE_UP);
    let mark = word.windows(MARK.len()).position(|part| part == MARK);
    let kept = match mark {
        _ if made_up => word.len(),
        Some(at) => at + MARK.len(),
        None if mixed && word.len() >= 32 => MARK.len(),
        None => word.len(),
    };
    word.iter().enumerate().map(|(at, c)| if at < kept { *c } else { '·' }).collect()
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '/' | '=')
}

/// The nearest boundary of a character at or before a byte.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}, column {}", self.line, self.column)?;
        write!(f, "{} ", self.excerpt())
    }
}

/// What a reader of TOML says is wrong, in words for somebody who writes no Rust.
#[must_use]
pub fn in_words(message: &str) -> String {
    const TYPES: [(&str, &str); 6] = [
        ("expected u64", "expected a whole number from 0 up"),
        ("expected u32", "expected a whole number from 0 up"),
        ("expected u16", "expected a whole number from 0 up"),
        ("expected i64", "expected a whole number"),
        ("expected a boolean", "expected true or false"),
        ("expected a sequence", "expected a list"),
    ];
    TYPES.iter().fold(message.to_owned(), |told, (rust, plain)| told.replace(rust, plain))
}

/// The name that has most in common with a mistyped one, if any is near.
#[must_use]
pub fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let close = names.map(|name| (strsim::damerau_levenshtein(text, name), name)).min()?;
    (close.0 <= 3.max(text.len() / 4)).then_some(close.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_what_is_meant() {
        let text = "a = 1\nlänge = \"x\"\n";
        let at = text.find('"').unwrap();
        let place = Place::of(text, at..at + 3);
        assert_eq!((place.line, place.column, place.width), (2, 9, 3));
        assert_eq!(place.excerpt(), "  |\n2 | länge = \"x\"\n  |         ^^^");
    }

    #[test]
    fn a_line_that_is_too_long_is_not_shown() {
        let place = Place::of(&format!("a = 1\nb = [{}1]\n", "1, ".repeat(400)), 11..12);
        assert_eq!((place.line, place.column, place.width), (2, 6, 1));
        assert_eq!(place.excerpt(), "  |\n2 | (too long to be shown)\n  |");
    }

    #[test]
    fn nothing_that_may_be_a_credential_is_shown() {
        let token = "sk-ant-oat01-AAAABBBBCCCCDDDD";
        let shown = Place::of(&format!("{{\"accessToken\":\"{token}\"}}\u{1b}\u{202e}"), 0..1).to_string();
        assert!(!shown.contains("oat01") && shown.contains("\"sk-ant-··"), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
        assert!(
            visible(&"Ab0".repeat(20)).ends_with("···") && visible("api.anthropic.com/v1/messages").ends_with("ges")
        );
    }
}
