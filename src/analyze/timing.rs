//! Where the time went, and whose clock is wrong.

use crate::trace::{Exchange, Origin};
use serde::Serialize;
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// The spread of a duration. Percentiles are values that occurred (nearest rank).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Spread {
    /// How many values.
    pub count: u64,
    /// The median, in microseconds.
    pub p50_us: u64,
    /// What 99 of 100 do not exceed, in microseconds.
    pub p99_us: u64,
    /// The largest, in microseconds.
    pub max_us: u64,
}

/// Where the time of the exchanges went. Only what an upstream answered counts; absent: nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimingSummary {
    /// From the last byte of the request to the first of the answer.
    pub wait: Option<Spread>,
    /// From the first byte of the request to the end.
    pub total: Option<Spread>,
    /// The part of it that the heads spent inside the proxy.
    pub added: Option<Spread>,
}

/// How far the servers' clocks are from this machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClockDifference {
    /// Server minus this machine in milliseconds, the median; good to about half a second, since `Date` has seconds.
    pub median_ms: i64,
    /// How many answers had a `Date`.
    pub answers: u64,
}

pub(super) fn summarise(exchanges: &[Exchange]) -> TimingSummary {
    let answered =
        || exchanges.iter().filter(|exchange| exchange.origin != Origin::Authtrace && exchange.response.is_some());
    TimingSummary {
        wait: spread(answered().filter_map(|exchange| exchange.timing.wait_us).collect()),
        total: spread(answered().map(|exchange| exchange.timing.total_us).collect()),
        added: spread(answered().map(|exchange| exchange.timing.added_us).collect()),
    }
}

pub(super) fn spread(mut values: Vec<u64>) -> Option<Spread> {
    values.sort_unstable();
    let rank = |percent: usize| values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Spread { count: values.len() as u64, p50_us: rank(50)?, p99_us: rank(99)?, max_us: *values.last()? })
}

pub(super) fn clock_difference(exchanges: &[Exchange]) -> Option<ClockDifference> {
    let upstream = exchanges.iter().filter(|exchange| exchange.origin == Origin::Upstream);
    let mut differences: Vec<i64> = upstream.filter_map(difference).collect();
    differences.sort_unstable();
    let median_ms = *differences.get(differences.len() / 2)?;
    Some(ClockDifference { median_ms, answers: differences.len() as u64 })
}

/// Server minus local in milliseconds at the moment at which the answer began. `Date` is cut to the second, so that the
/// server's clock was half a second further on the average.
pub(super) fn difference(exchange: &Exchange) -> Option<i64> {
    let headers = &exchange.response.as_ref()?.headers;
    let field = headers.iter().find(|field| field.name.as_str().eq_ignore_ascii_case("date"))?;
    let server = http_date(field.value.as_str())?.checked_add(500)?;
    let until_answer = exchange.timing.send_us.checked_add(exchange.timing.wait_us?)?;
    let local = exchange.at.unix_ms().checked_add(i64::try_from(until_answer / 1000).ok()?)?;
    server.checked_sub(local)
}

/// Milliseconds since 1970 of an `IMF-fixdate` (RFC 9110 §5.6.7); servers must send no other form.
fn http_date(text: &str) -> Option<i64> {
    const FORM: &[BorrowedFormatItem<'_>] =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let at = PrimitiveDateTime::parse(text, FORM).ok()?.assume_utc();
    at.unix_timestamp().checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_date_that_rfc_9110_gives_as_its_example() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        for other in ["", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 CET"]
        {
            assert_eq!(http_date(other), None, "{other}");
        }
    }

    #[test]
    fn percentiles_of_few_values() {
        assert_eq!(spread(vec![]), None);
        assert_eq!(spread(vec![7]), Some(Spread { count: 1, p50_us: 7, p99_us: 7, max_us: 7 }));
        assert_eq!(spread(vec![4, 1, 3, 2]), Some(Spread { count: 4, p50_us: 2, p99_us: 4, max_us: 4 }));
        let hundred = spread((1..=100).collect()).unwrap();
        assert_eq!((hundred.p50_us, hundred.p99_us, hundred.max_us), (50, 99, 100));
    }

    proptest! {
        #[test]
        fn percentiles_occur_and_are_in_order(values in prop::collection::vec(any::<u64>(), 1..200)) {
            let spread = spread(values.clone()).unwrap();
            prop_assert!(values.contains(&spread.p50_us) && values.contains(&spread.p99_us));
            prop_assert!(spread.p50_us <= spread.p99_us && spread.p99_us <= spread.max_us);
        }
    }
}
