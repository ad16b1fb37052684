//! What is wrong with a file, and where.

use std::fmt;
use std::ops::Range;

/// A mistake in a scenario: line and column from 1, the line itself, and a caret under the mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{message}")]
pub struct ScenarioError {
    /// Where; none if the mistake has no one place.
    pub place: Place,
    /// What is wrong and what was expected.
    pub message: String,
}

impl ScenarioError {
    pub(super) fn at(text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { place: Place::of(text, span), message: masked(&visible(&message.into())) }
    }

    /// The same without the characters that the carets point at: they may be somebody's credential.
    pub(super) fn with_mistake_hidden(mut self) -> Self {
        let hidden = self.place.column..self.place.column + self.place.width;
        let shown = |(at, c)| if hidden.contains(&(at + 1)) { '·' } else { c };
        self.place.text = self.place.text.chars().enumerate().map(shown).collect();
        self
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The text of the line.
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
        Self {
            line: before.matches('\n').count() + 1,
            column: slice(from, start).chars().count() + 1,
            text: masked(&visible(slice(from, line_end).trim_end_matches('\r'))),
            width: slice(start, end.min(line_end)).chars().count().max(1),
        }
    }
}

/// Control characters, with which a file could steer the terminal, as dots; columns stay what they are.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => ' ',
            c if c.is_control() => '·',
            c => c,
        })
        .collect()
}

/// What looks like a credential of Anthropic's that nobody made up, as dots; columns stay what they are.
fn masked(text: &str) -> String {
    const MARK: &str = "sk-ant-";
    let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.find(MARK).map(|at| rest.split_at(at)) {
        let (token, after) = from.split_at(from.find(|c| !of_token(c)).unwrap_or(from.len()));
        shown.push_str(before);
        if token.contains("FAKE") {
            shown.push_str(token);
        } else {
            shown.push_str(MARK);
            shown.extend(token.chars().skip(MARK.len()).map(|_| '·'));
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
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
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "line {}, column {}", self.line, self.column)?;
        writeln!(f, "{margin} |\n{number} | {}", self.text)?;
        write!(f, "{margin} | {}{} ", " ".repeat(self.column - 1), "^".repeat(self.width))
    }
}
