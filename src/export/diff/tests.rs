//! What people and programs read of two traces.

use super::{Side, Sides, json, markdown, report};
use crate::analyze::diagnose;
use crate::compare::tests::story::{Tale, pairs};
use crate::compare::{Comparison, Seen, compare};
use crate::export::Style;
use crate::export::style::columns;

fn compared<T>(before: &Tale, after: &Tale, tell: impl FnOnce(Sides<'_>, &Comparison) -> T) -> T {
    let (one, other) = (before.survey(), after.survey());
    let (before, after) = (diagnose(&one), diagnose(&other));
    let comparison = compare(Seen { survey: &one, diagnosis: &before }, Seen { survey: &other, diagnosis: &after });
    let sides = Sides {
        before: Side { name: "before.jsonl", survey: &one },
        after: Side { name: "after.jsonl", survey: &other },
    };
    tell(sides, &comparison)
}

fn human(before: &Tale, after: &Tale, style: Style) -> String {
    let mut out = Vec::new();
    compared(before, after, |sides, comparison| report(sides, comparison, &mut out, style)).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn on_a_screen() {
    for (name, before, after, _) in pairs() {
        for width in [80, 140] {
            let text = human(&before, &after, Style { width, ..Style::default() });
            for line in text.lines() {
                assert!(columns(line) <= width, "{name}: {line}");
            }
            if width == 140 || name == "never_refreshed" || name == "to_a_gateway" {
                insta::assert_snapshot!(format!("{name}_{width}"), text);
            }
        }
    }
}

#[test]
fn without_colours_nothing_is_lost() {
    for (name, before, after, _) in pairs() {
        let plain = human(&before, &after, Style::default());
        let coloured = human(&before, &after, Style { color: true, ..Style::default() });
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain, "{name}");
    }
}

#[test]
fn for_an_issue_and_for_programs() {
    let pairs = pairs();
    let (_, before, after, _) = pairs.iter().find(|(name, ..)| *name == "never_refreshed").unwrap();
    let (mut md, mut programs) = (Vec::new(), Vec::new());
    compared(before, after, |sides, comparison| {
        markdown::report(sides, comparison, &mut md).unwrap();
        json::report(sides, comparison, &mut programs).unwrap();
    });
    insta::assert_snapshot!("markdown", String::from_utf8(md).unwrap());
    insta::assert_snapshot!("json", String::from_utf8(programs).unwrap());
}

#[test]
fn what_does_not_fit_is_counted() {
    let long = |key, status| {
        (0..2_000).fold(Tale::new(key), |tale, at| tale.message(if at % 2 == 0 { 'a' } else { 'b' }, status))
    };
    let text = human(&long(1, 200), &long(2, 401), Style::default());
    assert!(text.lines().count() < 600 && text.contains("… 1,800 more requests that differ"), "{text}");
    let (one, other) = (long(1, 200), long(2, 200).message('a', 401));
    let text = human(&one, &other, Style::default());
    assert!(text.contains("… 1,998 requests the same") && text.lines().count() < 25, "{text}");
}
