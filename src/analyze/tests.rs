use super::fixture::{self, records, survey};
use super::*;
use crate::trace::{Outcome, Record};
use proptest::prelude::*;

fn labelled(survey: &Survey) -> Vec<String> {
    survey.credentials().iter().map(|row| row.label.to_string()).collect()
}

#[test]
fn a_healthy_run_has_no_failure() {
    let survey = survey(&fixture::healthy());
    assert!(survey.failures().is_empty());
    assert_eq!(survey.exchanges().len(), 5);
    assert_eq!(survey.statuses().into_iter().collect::<Vec<_>>(), [(200, 5)]);
    assert_eq!(labelled(&survey), ["oat-A"]);
    let tunnelled = survey.tunnelled();
    assert_eq!(tunnelled.len(), 1);
    assert_eq!((tunnelled[0].target.host.as_str(), tunnelled[0].bytes_down), ("github.com", 40_211));
    assert_eq!(survey.unfinished().count(), 0);
}

#[test]
fn refused_credentials_are_followed_through_a_refresh() {
    let survey = survey(&fixture::refused_after_refresh());
    let failed: Vec<u64> = survey.failures().iter().filter_map(|failure| Some(failure.exchange()?.id)).collect();
    assert_eq!(failed, [2, 4, 5], "telemetry does not count");
    assert_eq!(survey.telemetry_refusals().map(|exchange| exchange.id).collect::<Vec<_>>(), [6]);

    let rows = survey.credentials();
    let facts: Vec<_> = rows
        .iter()
        .map(|row| (row.label.to_string(), row.uses, row.accepted, row.refused, row.first_refused, row.issued_by))
        .collect();
    assert_eq!(
        facts,
        [
            ("oat-A".to_owned(), 3, 1, 1, Some(2), None),
            ("ort-A".to_owned(), 1, 1, 0, None, None),
            ("oat-B".to_owned(), 2, 0, 2, Some(4), Some(3)),
            ("ort-B".to_owned(), 0, 0, 0, None, Some(3)),
        ]
    );
    let first = survey.failures()[0].exchange().unwrap();
    assert_eq!(survey.accepted_before(first).map(|good| good.id), Some(1));
    let last = survey.failures()[2].exchange().unwrap();
    assert_eq!(survey.accepted_after(last).map(|good| good.id), None);
}

/// Whatever authtrace answered itself: the findings are those of a trace without it.
#[test]
fn an_answer_of_authtraces_own_proves_nothing() {
    let lines = |own: bool| {
        let refused = |id, clock: &str| {
            let sent = fixture::access("3f9c21ab");
            fixture::refuse(fixture::message(id, clock, &sent, 401, 1_000), "OAuth token has expired.")
        };
        let mut records = vec![fixture::head(), refused(1, "02.301"), refused(2, "03.301"), refused(3, "05.301")];
        if own {
            for (id, status, fp) in
                [(4, 403, "3f9c21ab"), (5, 401, "3f9c21ab"), (6, 200, "3f9c21ab"), (7, 401, "b81e07d4")]
            {
                let sent = fixture::access(fp);
                let mut exchange = fixture::message(id, &format!("{id:02}.900"), &sent, status, 1_000);
                if status != 200 {
                    exchange = fixture::refuse(exchange, "authtrace stopped this request");
                }
                exchange["origin"] = serde_json::json!("authtrace");
                records.push(exchange);
            }
        }
        fixture::join(records)
    };
    let (with, without) = (survey(&lines(true)), survey(&lines(false)));
    let verdicts = |survey: &Survey| {
        let Diagnosis { verdict, findings, .. } = diagnose(survey);
        format!("{verdict:?} {findings:?}")
    };
    assert_eq!(verdicts(&with), verdicts(&without));
    let failed =
        |survey: &Survey| survey.failures().iter().filter_map(|one| Some(one.exchange()?.id)).collect::<Vec<_>>();
    assert_eq!(failed(&with), [1, 2, 3]);
    let row = &with.credentials()[0];
    assert_eq!((row.uses, row.accepted, row.refused), (6, 0, 3));
    assert_eq!(with.receipt().answered_by_us, [4, 5, 6, 7]);
}

#[test]
fn connections_that_came_to_nothing_are_failures_and_unused_tunnels_are_not() {
    let survey = survey(&fixture::untrusted());
    let outcomes: Vec<_> = survey.failures().iter().filter_map(|f| Some(f.connection()?.end.outcome)).collect();
    let distrust = Outcome::ClientDistrustsCa;
    assert_eq!(outcomes, [distrust, distrust, distrust, Outcome::ProxyAuthRequired, Outcome::UpstreamProxyRefused]);
}

#[test]
fn what_is_torn_or_unfinished_is_kept_as_a_fact() {
    let survey = survey(&fixture::two_lanes());
    assert_eq!(survey.exchanges().iter().map(|exchange| exchange.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5], "by time");
    assert_eq!(survey.unfinished().map(|start| start.id).collect::<Vec<_>>(), [6]);
    assert_eq!(survey.unread().iter().map(|unread| unread.line).collect::<Vec<_>>(), [9, 10]);
    assert_eq!(survey.gaps()[0].lost, 3);
    assert!(survey.end().is_none());
    assert_eq!(survey.lanes().iter().map(|lane| lane.as_str()).collect::<Vec<_>>(), ["alpha", "beta"]);
}

#[test]
fn an_exchange_ends_its_request_whichever_comes_first() {
    let mut survey = Survey::default();
    let start = r#"{"record":"request","id":1,"connection":1,"at":"2026-11-20T11:14:02.301Z","method":"POST","host":"api.anthropic.com","path":"/v1/messages"}"#;
    let start: Record = serde_json::from_str(start).unwrap();
    let exchange = fixture::message(1, "02.301", &fixture::access("3f9c21ab"), 200, 1);
    let exchange: Record = serde_json::from_value(exchange).unwrap();
    survey.take(&start);
    assert_eq!(survey.unfinished().count(), 1);
    survey.take(&exchange);
    survey.take(&start);
    assert_eq!(survey.unfinished().count(), 0);
}

#[test]
fn the_clock_difference_is_the_median_over_the_answers() {
    // Every answer says 11:14:04; the waits of the fixture put the local clock at 04.4, 04.3, 04.9 … seconds.
    let difference = survey(&fixture::refused_after_refresh()).clock_difference().unwrap();
    assert_eq!(difference.answers, 6);
    assert!((-1_500..1_500).contains(&difference.median_ms), "{difference:?}");
    assert_eq!(survey(&fixture::empty()).clock_difference(), None);
}

proptest! {
    #[test]
    fn the_order_of_the_records_does_not_change_the_order_of_the_exchanges(
        shuffled in Just(records(&fixture::two_lanes_records())).prop_shuffle()
    ) {
        let mut survey = Survey::default();
        for record in &shuffled {
            survey.take(record);
        }
        prop_assert_eq!(survey.exchanges().iter().map(|exchange| exchange.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        prop_assert_eq!(survey.failures().len(), 1);
        prop_assert_eq!(survey.credentials().len(), 3);
    }
}
