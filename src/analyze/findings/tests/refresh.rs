//! Raced, lost, or never any good.

use super::*;

fn two_clients(apart: i64) -> Tale {
    Tale::new().lane("one").refresh(0, 'r', 's', 28_800).lane("two").invalid_grant(apart, 'r')
}

#[test]
fn two_clients_race_within_a_minute_and_lose_each_other_after_it() {
    assert_eq!(two_clients(1_000).verdict(), (Code::RefreshRace, Confidence::High));
    assert_eq!(two_clients(MINUTE).verdict(), (Code::RefreshRace, Confidence::High));
    assert_eq!(two_clients(MINUTE + 1).verdict(), (Code::RefreshResultLost, Confidence::High));
}

#[test]
fn the_loser_of_a_race_may_come_first() {
    let tale = Tale::new().lane("two").invalid_grant(0, 'r').lane("one").refresh(300, 'r', 's', 28_800);
    assert_eq!(tale.code(), Code::RefreshRace);
}

#[test]
fn one_client_that_sends_an_answered_token_again_has_lost_the_new_one() {
    let tale = Tale::new().lane("other").ok(0, 'z').lane("one").refresh(5, 'r', 's', 28_800).invalid_grant(20_000, 'r');
    assert_eq!(tale.code(), Code::RefreshResultLost);
}

#[test]
fn where_processes_are_not_told_apart_two_refreshes_at_once_are_probably_of_two() {
    let unnamed = Tale::new().refresh(0, 'r', 's', 28_800).invalid_grant(2_000, 'r');
    assert_eq!(unnamed.verdict(), (Code::RefreshRace, Confidence::Medium));
    let named = Tale::new().lane("one").refresh(0, 'r', 's', 28_800).invalid_grant(2_000, 'r');
    assert_eq!(named.verdict(), (Code::RefreshResultLost, Confidence::High));
}

#[test]
fn a_refused_token_without_a_past_is_invalid_and_less_surely_so_if_it_was_issued_here() {
    assert_eq!(Tale::new().invalid_grant(0, 'r').verdict(), (Code::RefreshTokenInvalid, Confidence::High));
    let issued = Tale::new().refresh(0, 'r', 's', 28_800).ok(5, 's').invalid_grant(8 * HOUR, 's');
    assert_eq!(issued.verdict(), (Code::RefreshTokenInvalid, Confidence::Medium));
}

#[test]
fn a_refresh_without_an_answer_is_lost_only_if_its_token_is_refused_later() {
    let cut = Tale::new().silent_refresh(0, 'r', "upstream_reset", 40);
    assert_eq!(cut.code(), Code::RefreshNetworkFailure);
    assert_eq!(cut.clone().invalid_grant(20_000, 'r').code(), Code::RefreshResultLost);
    assert_eq!(cut.lane("other").invalid_grant(20_000, 'q').code(), Code::RefreshTokenInvalid);
}

#[test]
fn fourteen_seconds_of_silence_are_an_outage_and_an_error_at_once_is_the_network() {
    for (outcome, took, code) in [
        ("timed_out", 14_000, Code::TokenEndpointOutage),
        ("client_abort", 15_000, Code::TokenEndpointOutage),
        ("timed_out", 16_000, Code::TokenEndpointOutage),
        ("not_resolved", 3, Code::RefreshNetworkFailure),
        ("not_connected", 2_000, Code::RefreshNetworkFailure),
        ("upstream_reset", 15_000, Code::RefreshNetworkFailure),
    ] {
        assert_eq!(Tale::new().silent_refresh(0, 'r', outcome, took).code(), code, "{outcome} after {took} ms");
    }
}

#[test]
fn what_the_token_endpoint_says_comes_before_the_401_that_follows() {
    for (status, code) in
        [(429, Code::TokenEndpointRateLimited), (500, Code::TokenEndpointOutage), (404, Code::TokenRequestRejected)]
    {
        let tale = Tale::new().refused(0, 'a', EXPIRED).failing_refresh(500, 'r', status).refused(3_000, 'a', EXPIRED);
        assert_eq!(tale.verdict(), (code, Confidence::High), "{status}");
    }
}

#[test]
fn a_siblings_refresh_explains_the_refusal_of_the_token_before() {
    let tale = Tale::new()
        .lane("two")
        .ok(0, 'r')
        .lane("one")
        .ok(10, 'r')
        .refresh(MINUTE, 'r', 's', 28_800)
        .ok(MINUTE + 5, 's')
        .lane("two")
        .refused(5 * MINUTE, 'r', GENERIC);
    assert_eq!(tale.code(), Code::RefreshRace);
}

#[test]
fn processes_that_refresh_in_turns_compete_though_each_refusal_mends_itself() {
    let storm = |gap: i64| {
        let turn = |tale: Tale, nth: i64, lane: &'static str, old: char, mine: char, new: char| {
            let at = nth * gap;
            tale.lane(lane).refused(at - 2_000, mine, EXPIRED).refresh(at, old, new, 28_800).ok(at + 1_000, new)
        };
        let begun = Tale::new().lane("one").refresh(0, 'a', 'b', 28_800).ok(1_000, 'b');
        let tale = turn(begun, 1, "two", 'b', 'a', 'c');
        turn(turn(tale, 2, "one", 'c', 'b', 'd'), 3, "two", 'd', 'c', 'e')
    };
    assert_eq!(storm(4 * MINUTE).verdict(), (Code::RefreshRace, Confidence::High));
    assert_eq!(storm(8 * HOUR).code(), Code::Healthy, "that is how long a token lives");
}

#[test]
fn who_was_not_told_is_no_other_client() {
    let sure = |peers: [Option<u32>; 2]| {
        let asked = Tale::new().ok(0, 'a').invalid_grant(1_000, 'r').text();
        let mut lines: Vec<Value> = asked.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (exchange, peer) in lines.iter_mut().filter(|line| line["record"] == "exchange").zip(peers) {
            exchange["peer"] = peer.map_or(Value::Null, |pid| json!({ "pid": pid, "program": "node" }));
        }
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        let verdict = diagnose(&survey(&text.join("\n"))).verdict;
        (verdict.code, verdict.confidence)
    };
    assert_eq!(sure([Some(1), Some(1)]), (Code::RefreshTokenInvalid, Confidence::High));
    assert_eq!(sure([Some(1), None]), (Code::RefreshTokenInvalid, Confidence::High));
    assert_eq!(sure([Some(1), Some(2)]), (Code::RefreshTokenInvalid, Confidence::Medium));
}
