//! Text from a trace, a file or a program, fit for files that other programs read.

use super::super::style::clean;
use super::suite::{Checked, Failure, FailureKind, Told};
use crate::check::{Miss, Outcome};

/// The group of what is expected of every trace, and stands in no file.
pub(super) const ALWAYS: &str = "every trace";

/// On one line, without characters that steer or hide.
pub(super) fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }).collect();
    lawful(&clean(spaced.trim()))
}

/// Line by line, each without characters that steer or hide.
pub(super) fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| lawful(&clean(&line.replace('\t', "    ")))).collect();
    lines.join("\n")
}

/// Without the two characters besides the controls that XML 1.0 §2.2 and YAML 1.2 §5.1 do not allow.
fn lawful(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

/// What an outcome belongs to: the file or the option in which it is written.
pub(super) fn group(outcome: &Outcome) -> String {
    outcome.source.as_ref().map_or_else(|| ALWAYS.to_owned(), |source| one_line(&source.name))
}

/// What came instead, with the exchange and the field, in lines.
pub(super) fn explained(miss: &Miss, told: &Told) -> String {
    let mut text = one_line(&miss.message);
    let id = told.request_id.as_deref().map(|id| format!(" (request-id {})", one_line(id))).unwrap_or_default();
    match (miss.exchange, &miss.difference) {
        (Some(exchange), Some(difference)) => text.push_str(&format!(
            "\nexchange #{exchange}{id}, {}: expected {}, found {}",
            difference.field,
            one_line(&difference.expected),
            one_line(&difference.found)
        )),
        (Some(exchange), None) => text.push_str(&format!("\nexchange #{exchange}{id}")),
        (None, _) => {}
    }
    text
}

/// What went wrong beside the expectations; of what simply was not run, that.
pub(super) fn failure_of(one: &Checked) -> Option<Failure> {
    let not_run = || Failure { kind: FailureKind::NotRun, message: "it was not run".to_owned(), source: None };
    match (&one.failure, &one.judged) {
        (Some(failure), _) => Some(failure.clone()),
        (None, None) => Some(not_run()),
        (None, Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_steers_and_nothing_breaks_a_line(text in "(.|[\u{0}-\u{a0}\u{200b}-\u{206f}\u{fffe}\u{ffff}]){0,40}") {
            let (line, all) = (one_line(&text), lines(&text));
            let bad = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{202e}' | '\u{2028}');
            prop_assert!(!line.contains(bad), "{:?}", line);
            prop_assert!(!all.replace('\n', "").contains(bad), "{:?}", all);
        }
    }
}
