//! What was asked beside the flow: telemetry, settings, the profile. It comes when it comes, so that its order and its
//! number say little.

use super::outcome::Outcome;
use super::route::Route;
use crate::analyze::{Endpoint, Survey, endpoint, matters};
use std::collections::BTreeMap;

/// How often a route was answered how; none: no answer.
pub type Statuses = BTreeMap<Option<u16>, usize>;

/// What was asked beside the flow, in both traces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// Requests of telemetry.
    pub telemetry: (usize, usize),
    /// All others.
    pub requests: (usize, usize),
    /// The routes of these, but for telemetry, by name.
    pub rows: Vec<BesideRow>,
}

/// One route beside the flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BesideRow {
    /// Method, host and path.
    pub route: Route,
    /// How it was answered in the first trace; empty: it was not asked.
    pub before: Statuses,
    /// In the second.
    pub after: Statuses,
    /// Whether one was refused for a reason of authentication, in the first trace and in the second.
    pub refused: (bool, bool),
    /// The first exchange of the second trace that was refused, by its number.
    pub first_refused: Option<u64>,
}

impl BesideRow {
    /// Asked in both, or in the second alone, and refused there and not before.
    #[must_use]
    pub fn is_newly_refused(&self) -> bool {
        self.refused == (false, true)
    }

    /// Refused in the first, and asked in the second without being refused.
    #[must_use]
    pub fn is_mended(&self) -> bool {
        self.refused == (true, false) && !self.after.is_empty()
    }
}

impl Beside {
    pub(super) fn of(before: &Survey, after: &Survey) -> Self {
        let mut beside = Self::default();
        let mut rows: BTreeMap<String, BesideRow> = BTreeMap::new();
        let of_before = before.exchanges().iter().map(|exchange| (exchange, false));
        let of_after = after.exchanges().iter().map(|exchange| (exchange, true));
        for (exchange, is_after) in of_before.chain(of_after).filter(|(exchange, _)| !matters(exchange)) {
            if endpoint(exchange) == Endpoint::Telemetry {
                count(&mut beside.telemetry, is_after);
                continue;
            }
            count(&mut beside.requests, is_after);
            let route = Route::of(exchange);
            let row = rows.entry(route.to_string()).or_insert_with(|| BesideRow {
                route,
                before: Statuses::new(),
                after: Statuses::new(),
                refused: (false, false),
                first_refused: None,
            });
            let statuses = if is_after { &mut row.after } else { &mut row.before };
            *statuses.entry(exchange.status()).or_default() += 1;
            if Outcome::of(exchange) == Outcome::Refused {
                *(if is_after { &mut row.refused.1 } else { &mut row.refused.0 }) = true;
                row.first_refused = row.first_refused.or(is_after.then_some(exchange.id));
            }
        }
        beside.rows = rows.into_values().collect();
        beside
    }
}

fn count(counts: &mut (usize, usize), is_after: bool) {
    *(if is_after { &mut counts.1 } else { &mut counts.0 }) += 1;
}
