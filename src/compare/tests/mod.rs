//! Pairs of traces by value: what differs, and what of it is a regression.

pub(crate) mod story;

use super::*;
use crate::analyze::{Survey, diagnose, matters};
use proptest::prelude::*;
use story::{Tale, healed, looping, pairs};

fn compared(before: &Survey, after: &Survey) -> Comparison {
    let (one, other) = (diagnose(before), diagnose(after));
    compare(Seen { survey: before, diagnosis: &one }, Seen { survey: after, diagnosis: &other })
}

fn of(before: &Tale, after: &Tale) -> Comparison {
    compared(&before.survey(), &after.survey())
}

fn kinds(comparison: &Comparison) -> Vec<&'static str> {
    comparison.regressions.iter().map(|one| one.kind.as_str()).collect()
}

/// The rows of the only flow: numbers of the exchanges, and what changed.
fn rows(comparison: &Comparison) -> Vec<String> {
    let [flow] = comparison.flows.as_slice() else { panic!("{:?}", comparison.flows) };
    let place = |place: Option<usize>| place.map_or("-".to_owned(), |place| (place + 1).to_string());
    let shown = flow.rows.iter().map(|row| {
        let changes: Vec<&str> = row.changes.iter().map(|change| change.as_str()).collect();
        format!("{} {} {}", place(row.before), place(row.after), changes.join(", ")).trim_end().to_owned()
    });
    shown.collect()
}

#[test]
fn what_is_worse_is_a_regression_and_nothing_else() {
    for (name, before, after, expected) in pairs() {
        let comparison = of(&before, &after);
        let mut found = kinds(&comparison);
        found.dedup();
        assert_eq!(found, expected, "{name}: {:#?}", comparison.regressions);
    }
}

#[test]
fn a_trace_is_no_other_than_itself() {
    for (name, before, after, _) in pairs() {
        for tale in [before, after] {
            let comparison = of(&tale, &tale);
            assert!(comparison.is_same() && comparison.is_same_flow(), "{name}: {comparison:#?}");
        }
    }
}

#[test]
fn a_loop_stands_beside_the_request_that_it_repeats() {
    let comparison = of(&healed(1), &looping(2));
    let rows = rows(&comparison);
    assert_eq!(rows[..4], ["2 2", "3 - gone", "4 3 refused, other credential", "- 4 new"]);
    assert_eq!(rows.len(), 12);
}

#[test]
fn tokens_are_the_same_by_where_they_come_from() {
    let before = Tale::new(1).message('a', 200).refresh('a', Some('b')).message('b', 200).message('b', 200);
    let after =
        |last: char| Tale::new(2).message('x', 200).refresh('x', Some('y')).message('y', 200).message(last, 200);
    assert!(of(&before, &after('y')).is_same());
    assert_eq!(rows(&of(&before, &after('x'))).last().unwrap(), "4 4 other credential");
    assert_eq!(rows(&of(&before, &after('z'))).last().unwrap(), "4 4 other credential");
    // What was sent in the first trace alone shifts the letters, and nothing else.
    let more = Tale::new(1).profile('q', 200).message('a', 200);
    assert_eq!(of(&more, &Tale::new(2).message('x', 200)).renamed, [("oat-B".to_owned(), "oat-A".to_owned())]);
}

#[test]
fn clients_are_told_apart_and_found_again() {
    let racing = |key, first: u32, second: u32| {
        let tale = Tale::new(key).message('a', 401).by(first).message('a', 401).by(second);
        tale.refresh('a', Some('b')).by(first).refresh('a', None).by(second).message('b', 200).by(first)
    };
    // The one that loses the race is the other process.
    let interleaved = Tale::new(2)
        .message('a', 401)
        .by(8)
        .message('a', 401)
        .by(9)
        .refresh('a', Some('b'))
        .by(9)
        .message('b', 200)
        .by(9)
        .refresh('a', None)
        .by(8);
    let comparison = of(&racing(1, 4, 5), &interleaved);
    assert_eq!(comparison.flows.len(), 2);
    assert!(comparison.is_same_flow(), "{comparison:#?}");
    let alone = of(
        &racing(1, 4, 5),
        &Tale::new(2).message('a', 401).by(7).refresh('a', Some('b')).by(7).message('b', 200).by(7),
    );
    assert_eq!(alone.flows.len(), 2);
    assert_eq!(alone.flows[1].rows.iter().filter(|row| row.changes == [Change::Gone]).count(), 2);
}

#[test]
fn hosts_without_a_name_are_counted() {
    let hidden = |tale: Tale, fp: &str| tale.message('a', 200).at(&format!("‹host fp={fp}›.internal"));
    let one = hidden(Tale::new(1), "0a1b2c3d");
    assert!(of(&one, &hidden(Tale::new(2), "99887766")).is_same());
    let two = hidden(hidden(Tale::new(2), "99887766"), "11223344");
    assert_eq!(kinds(&of(&one, &two)), ["host"]);
}

#[test]
fn a_refresh_token_may_not_go_where_only_access_tokens_went() {
    let gateway = "gateway.example.com";
    let before = Tale::new(1).message('a', 200).at(gateway).refresh('a', Some('b')).message('b', 200);
    let after = Tale::new(2).message('a', 200).at(gateway).refresh('a', Some('b')).at(gateway).message('b', 200);
    let comparison = of(&before, &after);
    assert_eq!(kinds(&comparison), ["host"]);
    assert!(comparison.regressions[0].message.contains("was sent no refresh token before"), "{comparison:#?}");
}

#[test]
fn what_cannot_be_said_is_said() {
    let whole = healed(1).survey();
    let lines = healed(2).lines();
    let without_end = lines.lines().filter(|line| !line.contains("\"record\":\"end\""));
    let torn = crate::analyze::fixture::survey(&without_end.map(|line| format!("{line}\n")).collect::<String>());
    let comparison = compared(&whole, &torn);
    assert_eq!(comparison.limits, [Limit::AfterNotWhole("it has no end")]);
}

#[test]
fn ten_thousand_requests_each_take_no_quadratic_time() {
    let long = |key, every: usize| {
        (0..10_000).fold(Tale::new(key), |tale, at| match at % every {
            0 => tale.message('a', 401).refresh('a', Some('b')),
            1..=3 => tale.message('b', 529),
            _ => tale.message('b', 200),
        })
    };
    let (before, after) = (long(1, 50).survey(), long(2, 47).survey());
    let (one, other) = (diagnose(&before), diagnose(&after));
    let began = std::time::Instant::now();
    let comparison = compare(Seen { survey: &before, diagnosis: &one }, Seen { survey: &after, diagnosis: &other });
    let took = began.elapsed();
    let rows: usize = comparison.flows.iter().map(|flow| flow.rows.len()).sum();
    assert!(rows < 14_000, "{rows}");
    // Without optimisation and beside other tests; a table of all would have two hundred million cells.
    assert!(took.as_secs() < 20, "{took:?}");
}

fn tale(key: u32, steps: &[u8]) -> Tale {
    steps.iter().fold(Tale::new(key), |tale, step| match step {
        0 => tale.message('a', 200),
        1 => tale.message('a', 401),
        2 => tale.refresh('a', Some('b')),
        3 => tale.message('b', 200),
        4 => tale.message('b', 401),
        5 => tale.refresh('a', None),
        6 => tale.profile('a', 200),
        _ => tale.telemetry(200),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every request stands in one row, in its order; the same requests with other fingerprints are the same.
    #[test]
    fn nothing_is_lost(one in proptest::collection::vec(0_u8..8, 0..12), other in proptest::collection::vec(0_u8..8, 0..12)) {
        let (before, after) = (tale(1, &one), tale(2, &other));
        let comparison = of(&before, &after);
        let places = |of: fn(&Row) -> Option<usize>| comparison.flows.iter().flat_map(|flow| &flow.rows).filter_map(of).collect::<Vec<_>>();
        let own = |tale: &Tale| {
            let survey = tale.survey();
            (0..survey.exchanges().len()).filter(|at| matters(&survey.exchanges()[*at])).collect::<Vec<_>>()
        };
        prop_assert_eq!(places(|row| row.before), own(&before));
        prop_assert_eq!(places(|row| row.after), own(&after));
        prop_assert!(of(&before, &tale(3, &one)).is_same());
        // What is worse in one direction may be worse in the other, too, but no trace is worse than one that it equals.
        prop_assert!(comparison.regressions.is_empty() || !comparison.is_same_flow());
    }
}
