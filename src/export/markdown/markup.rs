//! GitHub Flavored Markdown in which no value becomes markup.

use crate::export::style::{clean, columns, counted, fit};

/// The longest value.
const LONGEST: usize = 400;

/// A document that is written section by section, each within its room.
#[derive(Default)]
pub(super) struct Document {
    text: String,
}

impl Document {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn heading(&mut self, text: &str) {
        let before = if self.text.is_empty() || self.text.ends_with("\n\n") { "" } else { "\n" };
        self.text.push_str(&format!("{before}### {text}\n\n"));
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        self.text.push_str(&format!("{text}\n\n"));
    }

    /// A list in at most about `room` characters; says how many lines it leaves out.
    pub(super) fn list(&mut self, room: usize, lines: impl IntoIterator<Item = String>) {
        let left_out = self.lines(room, lines.into_iter().map(|line| format!("- {line}\n")));
        if left_out > 0 {
            self.text.push_str(&format!("- … and {}\n", counted(left_out, "more line")));
        }
    }

    /// A table in at most about `room` characters; says how many rows it leaves out.
    pub(super) fn table(&mut self, room: usize, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        self.text.push_str(&format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len())));
        let left_out = self.lines(room, rows.map(|cells| format!("| {} |\n", cells.join(" | "))));
        self.text.push('\n');
        if left_out > 0 {
            self.paragraph(&format!("… and {} for which there is no room here", counted(left_out, "more row")));
        }
    }

    fn lines(&mut self, mut room: usize, lines: impl Iterator<Item = String>) -> usize {
        let mut left_out = 0;
        for line in lines {
            match room.checked_sub(columns(&line)) {
                Some(rest) if left_out == 0 => {
                    room = rest;
                    self.text.push_str(&line);
                }
                _ => left_out += 1,
            }
        }
        left_out
    }
}

/// A value as code: nothing in it is a link, a mention, a number of an issue or a tag. A backtick and a bar, which would
/// end the code or the cell, are replaced by their likes; `–` stands for nothing.
pub(super) fn code(value: &str) -> String {
    let value = one_line(value);
    if value.is_empty() { "–".to_owned() } else { format!("`{value}`") }
}

/// A sentence of our own in which values may occur.
pub(super) fn prose(text: &str) -> String {
    let mut escaped = String::new();
    for c in one_line(text).chars() {
        match c {
            '@' | '#' => {
                escaped.push(c);
                // Between the sign and the name this breaks mentions and references, unseen.
                escaped.push('\u{2060}');
            }
            '\\' | '*' | '_' | '<' | '>' | '[' | ']' | '!' | '&' | '~' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped.replace("://", ":\u{2060}//").replace("www.", "www\u{2060}.")
}

fn one_line(value: &str) -> String {
    let spaced: String = value.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }).collect();
    let likes: String = clean(spaced.trim())
        .chars()
        .map(|c| match c {
            '`' => 'ˋ',
            '|' => '¦',
            _ => c,
        })
        .collect();
    fit(&likes, LONGEST).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_ends_the_code_or_the_cell() {
        assert_eq!(code("a`b|c\nd"), "`aˋb¦c d`");
        assert_eq!(code("  "), "–");
        assert_eq!(code("@user #12 <b> [x](http://y)"), "`@user #12 <b> [x](http://y)`");
        assert_eq!(code("trailing\\"), "`trailing\\`");
    }

    #[test]
    fn prose_shows_its_characters_and_nothing_else() {
        assert_eq!(prose("<b>*x*</b>"), "\\<b\\>\\*x\\*\\</b\\>");
        assert_eq!(prose("@user #12"), "@\u{2060}user #\u{2060}12");
    }

    proptest! {
        #[test]
        fn a_value_is_one_code_span_in_one_cell(value in "\\PC{0,60}|[`|\\\\\n\r<@#]{0,20}") {
            let shown = code(&value);
            let inside = shown.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or_default();
            let harmless = !inside.contains(['`', '|', '\n', '\r']);
            prop_assert!(harmless);
        }
    }
}
