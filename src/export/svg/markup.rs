//! SVG and HTML in which no value becomes markup.

use crate::export::style::clean;
use std::fmt::Write as _;

/// The text as it may stand in an element or in a quoted attribute, of XML and of HTML alike. Characters that steer or
/// hide others, and those that XML does not know (XML 1.0 §2.2), become visible.
pub(in crate::export) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// How a text stands to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing that grows by elements. `class` and path data are of this program's own making; `text` is anything.
#[derive(Default)]
pub(super) struct Canvas {
    markup: String,
}

impl Canvas {
    pub(super) fn into_markup(self) -> String {
        self.markup
    }

    pub(super) fn text(&mut self, x: f64, y: f64, class: &str, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        self.line(&format!(
            "<text x=\"{}\" y=\"{}\" class=\"{class}\"{anchor}>{}</text>",
            number(x),
            number(y),
            escape(text)
        ));
    }

    pub(super) fn rect(&mut self, place: Rect, class: &str, radius: f64) {
        self.line(&format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" class=\"{class}\"/>",
            number(place.x),
            number(place.y),
            number(place.width.max(0.0)),
            number(place.height),
            number(radius)
        ));
    }

    pub(super) fn path(&mut self, class: &str, data: &str) {
        self.line(&format!("<path d=\"{data}\" class=\"{class}\"/>"));
    }

    /// What stands in `inner` as one thing with a name: told when it is pointed at, and to those who cannot see it.
    pub(super) fn named(&mut self, class: &str, name: &str, inner: impl FnOnce(&mut Self)) {
        let name = escape(name);
        self.line(&format!("<g class=\"{class}\" role=\"img\" aria-label=\"{name}\"><title>{name}</title>"));
        inner(self);
        self.line("</g>");
    }

    fn line(&mut self, markup: &str) {
        self.markup.push_str(markup);
        self.markup.push('\n');
    }
}

/// A rectangle by its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Points as path data: `M` to the first, `L` to the others.
pub(super) fn line(points: &[(f64, f64)]) -> String {
    let mut data = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let step = if at == 0 { 'M' } else { 'L' };
        let _ = write!(data, "{step}{} {}", number(*x), number(*y));
    }
    data
}

/// The same, closed.
pub(super) fn polygon(points: &[(f64, f64)]) -> String {
    line(points) + "Z"
}

/// A coordinate with one decimal at most.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// How wide a text is at a size in pixels, rather too much than too little: fonts differ.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars()
        .map(|c| if matches!(c, 'i' | 'l' | 'j' | '.' | ',' | ':' | ' ' | '|' | '\'') { 0.34 } else { 0.6 })
        .sum::<f64>()
        * size
}

/// The text, cut with `…` to what fits into so many pixels.
pub(super) fn fitted(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = width("…", size);
    for c in text.chars() {
        used += width(c.encode_utf8(&mut [0; 4]), size);
        if used > room {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, -0.01, 1.0, 2.25, -3.5].map(number), ["0", "0", "1", "2.2", "-3.5"]);
    }

    proptest! {
        #[test]
        fn nothing_that_is_escaped_ends_its_place(text in any::<String>()) {
            let safe = escape(&text);
            prop_assert!(!safe.contains(['<', '>', '"', '\'']));
            prop_assert!(!safe.chars().any(char::is_control));
            for (at, _) in safe.match_indices('&') {
                let entity = &safe[at..];
                prop_assert!(["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|known| entity.starts_with(known)));
            }
        }

        #[test]
        fn what_is_fitted_fits(text in "\\PC{0,60}", room in 20.0..400.0_f64) {
            prop_assert!(width(&fitted(&text, 11.0, room), 11.0) <= room);
        }
    }
}
