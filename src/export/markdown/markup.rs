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

    /// A field of the form.
    pub(super) fn heading(&mut self, text: &str) {
        self.headed("###", text);
    }

    /// A section within a field.
    pub(super) fn subheading(&mut self, text: &str) {
        self.headed("####", text);
    }

    fn headed(&mut self, level: &str, text: &str) {
        let before = if self.text.is_empty() || self.text.ends_with("\n\n") { "" } else { "\n" };
        self.text.push_str(&format!("{before}{level} {text}\n\n"));
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

    /// Numbered steps.
    pub(super) fn steps(&mut self, lines: impl IntoIterator<Item = String>) {
        for (at, line) in lines.into_iter().enumerate() {
            self.text.push_str(&format!("{}. {line}\n", at + 1));
        }
    }

    /// Plain text between fences, in at most about `room` characters; says how many lines it leaves out.
    pub(super) fn fenced(&mut self, room: usize, lines: impl IntoIterator<Item = String>) {
        self.text.push_str("```text\n");
        let left_out = self.lines(room, lines.into_iter().map(|line| format!("{}\n", one_line(&line))));
        if left_out > 0 {
            self.text.push_str(&format!("… and {}\n", counted(left_out, "more line")));
        }
        self.text.push_str("```\n\n");
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
pub(in crate::export) fn code(value: &str) -> String {
    let value = one_line(value);
    if value.is_empty() { "–".to_owned() } else { format!("`{value}`") }
}

/// A sentence of our own in which values may occur.
pub(in crate::export) fn prose(text: &str) -> String {
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

/// A sentence about this trace as `analyze` writes it: what stands between backticks or quotation marks (words of a
/// server) is code, and behind `#` stands the number of an exchange.
pub(in crate::export) fn sentence(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((at, open)) = rest.char_indices().find(|(_, c)| matches!(c, '`' | '“')) {
        let (before, behind) =
            (rest.get(..at).unwrap_or_default(), rest.get(at + open.len_utf8()..).unwrap_or_default());
        let close = if open == '`' { '`' } else { '”' };
        let (inside, after) = behind.split_once(close).unwrap_or((behind, ""));
        shown.push_str(&spaced(before));
        shown.push_str(&code(inside));
        rest = after;
    }
    shown + &spaced(rest)
}

/// A piece of a sentence that keeps its distance to the code beside it.
fn spaced(text: &str) -> String {
    let before = if text.starts_with(' ') { " " } else { "" };
    let after = if text.len() > 1 && text.ends_with(' ') { " " } else { "" };
    format!("{before}{}{after}", prose(&numbered(text)))
}

/// `#3` as `No. 3`: on GitHub the former would point at another issue.
fn numbered(text: &str) -> String {
    let mut parts = text.split('#');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(if part.starts_with(|first: char| first.is_ascii_digit()) { "No. " } else { "#" });
        shown.push_str(part);
    }
    shown
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

    #[test]
    fn a_sentence_shows_code_as_code_and_numbers_of_exchanges_as_such() {
        assert_eq!(sentence("see `x-api-key` in #3, #4."), "see `x-api-key` in No. 3, No. 4.");
        assert_eq!(sentence("`a` and `b`"), "`a` and `b`");
        assert_eq!(sentence("401 “Invalid `x`”, twice"), "401 `Invalid ˋxˋ`, twice");
        assert_eq!(sentence("a lone ` and #x <b>"), "a lone `and #x <b>`");
    }

    proptest! {
        #[test]
        fn a_sentence_holds_no_markup_besides_code(text in "\\PC{0,60}|[`“”|\\\\\n\r<@# ]{0,20}") {
            let shown = sentence(&text);
            prop_assert!(shown.matches('`').count().is_multiple_of(2));
            for outside in shown.split('`').step_by(2) {
                let bare = outside.replace("\\<", "").replace("@\u{2060}", "").replace("#\u{2060}", "");
                let markup = bare.contains(['<', '@', '#', '\n', '|']);
                prop_assert!(!markup, "{}", shown);
            }
        }

        #[test]
        fn a_value_is_one_code_span_in_one_cell(value in "\\PC{0,60}|[`|\\\\\n\r<@#]{0,20}") {
            let shown = code(&value);
            let inside = shown.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or_default();
            let harmless = !inside.contains(['`', '|', '\n', '\r']);
            prop_assert!(harmless);
        }
    }
}
