//! Characters on a screen: colours, widths, durations, and nothing that steers a terminal.

use crate::place::is_unseen;
use anstyle::AnsiColor;
use std::borrow::Cow;

/// How a report for a screen looks. The caller decides, also about `NO_COLOR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour.
    pub color: bool,
    /// Columns of the screen.
    pub width: usize,
    /// Whether to show every exchange of a long trace.
    pub full: bool,
}

impl Default for Style {
    /// Without colours, 100 columns, long traces shortened.
    fn default() -> Self {
        Self { color: false, width: 100, full: false }
    }
}

/// What a piece of text is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// A heading.
    Heading,
    /// Something that fails.
    Bad,
    /// Something that may fail.
    Warning,
    /// Something that works.
    Good,
    /// Something beside the point.
    Dim,
    /// Anything else.
    Plain,
}

impl Style {
    /// The words of `text` in lines that fit the screen, those behind the first indented; each with its line break.
    #[must_use]
    pub fn paragraph(self, text: &str) -> String {
        let lines = wrap(text, self.width.saturating_sub(2).max(38));
        lines.join("\n  ") + "\n"
    }

    /// The text with the colour of its meaning, if colours are wanted.
    #[must_use]
    pub fn paint(self, ink: Ink, text: &str) -> String {
        let style = match ink {
            Ink::Heading => anstyle::Style::new().bold(),
            Ink::Bad => AnsiColor::Red.on_default().bold(),
            Ink::Warning => AnsiColor::Yellow.on_default(),
            Ink::Good => AnsiColor::Green.on_default(),
            Ink::Dim => anstyle::Style::new().dimmed(),
            Ink::Plain => return text.to_owned(),
        };
        if self.color && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// The text without characters that steer a terminal or hide others: controls, direction marks, zero widths.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_unseen) {
        Cow::Owned(text.chars().map(|c| if is_unseen(c) { '�' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// How many columns the text takes. What the redaction lets through is one column per character.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// The text, cut to `width` columns with `…` at its end if it is longer.
pub(super) fn fit(text: &str, width: usize) -> Cow<'_, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        short.push('…');
    }
    Cow::Owned(short)
}

/// The text, cut or filled with blanks to exactly `width` columns.
pub(super) fn left(text: &str, width: usize) -> String {
    format!("{:<width$}", fit(text, width))
}

/// The text, cut or filled with blanks on the left to exactly `width` columns.
pub(super) fn right(text: &str, width: usize) -> String {
    format!("{:>width$}", fit(text, width))
}

/// The words of `text` in lines of at most `width` columns; a longer word has a line of its own.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Microseconds for people: `0.34 ms`, `312 ms`, `1.2 s`, `3 min 4 s`, `2 h 5 min`.
pub(super) fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("0.{:02} ms", us / 10),
        1_000..10_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
        60_000_000..3_600_000_000 => format!("{} min {} s", us / 60_000_000, us / 1_000_000 % 60),
        _ => format!("{} h {} min", us / 3_600_000_000, us / 60_000_000 % 60),
    }
}

/// Bytes for people, in powers of 1000.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{}.{} kB", count / 1_000, count % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", count / 1_000_000_000, count % 1_000_000_000 / 100_000_000),
    }
}

/// `1 exchange`, `2,345 exchanges`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

/// `2345` as `2,345`.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_well() {
        let shown = [0, 340, 1_250, 312_400, 1_234_567, 184_000_000, 7_500_000_000].map(duration);
        assert_eq!(shown, ["0.00 ms", "0.34 ms", "1.2 ms", "312 ms", "1.2 s", "3 min 4 s", "2 h 5 min"]);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn escapes_and_direction_marks_become_visible() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\nd\u{9b}e"), "a�[31mb�c�d�e");
    }

    proptest! {
        #[test]
        fn cells_are_as_wide_as_they_should_be(text in "\\PC{0,40}", width in 0_usize..60) {
            prop_assert_eq!(columns(&left(&text, width)), width);
            prop_assert_eq!(columns(&right(&text, width)), width);
        }

        #[test]
        fn wrapping_loses_no_word(text in "([a-z]{1,12} ){0,20}", width in 1_usize..40) {
            let lines = wrap(&text, width);
            prop_assert_eq!(lines.join(" "), text.trim());
            prop_assert!(lines.iter().all(|line| columns(line) <= width || !line.contains(' ')));
        }
    }
}
