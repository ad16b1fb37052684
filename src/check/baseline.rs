//! A trace held against another one that is good: nothing may be worse than there.

use super::evaluate::Subject;
use super::expectation::Source;
use super::report::{Miss, MissKind, Outcome};
use crate::compare::{Limit, Regression, Seen, compare};
use crate::place::Place;

/// How many exchanges are shown at the end of a trace, where a regression has none of its own.
const LAST: usize = 3;

/// One outcome for each regression, or one that holds. `name` is what the user calls the good trace.
#[must_use]
pub fn against_baseline(name: &str, baseline: Seen<'_>, seen: Seen<'_>) -> Vec<Outcome> {
    let comparison = compare(baseline, seen);
    let subject = Subject::new(seen.survey, seen.diagnosis);
    let source = Source { name: "--baseline".to_owned(), place: Place::of(name, 0..name.len()) };
    let expected = format!("no regression against {}", crate::place::visible(name));
    let outcome = |kind: &str, miss| Outcome {
        expected: if kind.is_empty() { expected.clone() } else { format!("{expected} ({kind})") },
        source: Some(source.clone()),
        miss,
    };
    let gap = comparison.limits.iter().find_map(|limit| match limit {
        Limit::BeforeNotWhole(why) => Some(Miss {
            kind: MissKind::Gap,
            message: format!("the baseline is not whole, so that nothing can be held against it: {why}"),
            source: None,
            exchange: None,
            difference: None,
            around: Vec::new(),
        }),
        Limit::AfterNotWhole(_) | Limit::NotAligned => None,
    });
    let missed = comparison.regressions.iter().map(|one| (one.kind.as_str(), miss(&subject, one)));
    let misses: Vec<(&str, Miss)> = gap.map(|gap| ("gap", gap)).into_iter().chain(missed).collect();
    match misses.is_empty() {
        true => vec![outcome("", None)],
        false => misses.into_iter().map(|(kind, miss)| outcome(kind, Some(miss))).collect(),
    }
}

fn miss(subject: &Subject<'_>, regression: &Regression) -> Miss {
    let place = regression.exchange.and_then(|id| subject.place_of(id));
    Miss {
        kind: MissKind::Baseline,
        message: regression.message.clone(),
        source: None,
        exchange: regression.exchange.filter(|_| place.is_some()),
        difference: None,
        around: place.map_or_else(|| subject.last(LAST), |place| subject.around(place)),
    }
}
