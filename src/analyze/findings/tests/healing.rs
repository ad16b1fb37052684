//! What mends itself, and what only a user's hand does (FAILURE_MODES §1.13).

use super::*;

fn healed_after(ms: i64) -> Tale {
    Tale::new().refused(0, 'a', EXPIRED).refresh(500, 'a', 'b', 28_800).ok(ms, 'b')
}

#[test]
fn a_refresh_and_a_success_within_a_minute_are_health() {
    assert_eq!(healed_after(1_000).verdict(), (Code::Healthy, Confidence::High));
    assert_eq!(healed_after(MINUTE).code(), Code::Healthy);
}

#[test]
fn later_than_a_minute_it_was_a_failure_that_recovered() {
    let verdict = healed_after(MINUTE + 1).diagnosis().verdict;
    assert_ne!(verdict.code, Code::Healthy);
    assert!(verdict.recovered);
}

#[test]
fn one_refresh_serves_all_processes_that_share_a_login() {
    let tale = Tale::new()
        .lane("one")
        .refused(0, 'a', EXPIRED)
        .lane("two")
        .refused(100, 'a', EXPIRED)
        .lane("one")
        .refresh(500, 'a', 'b', 28_800)
        .ok(900, 'b');
    assert_eq!(tale.clone().lane("two").ok(1_000, 'b').code(), Code::Healthy);
    assert_ne!(tale.clone().lane("two").ok(1_000, 'x').code(), Code::Healthy, "another token is not what it issued");
    assert_ne!(tale.lane("two").refused(1_000, 'a', EXPIRED).code(), Code::Healthy);
}

#[test]
fn a_refresh_that_works_at_the_second_attempt_is_no_outage() {
    let within = Tale::new().failing_refresh(0, 'a', 500).refresh(2_000, 'a', 'b', 28_800).ok(3_000, 'b');
    assert_eq!(within.code(), Code::Healthy);
    assert!(within.diagnosis().findings.iter().any(|finding| finding.code == Code::TokenEndpointOutage));
    let cut = Tale::new().silent_refresh(0, 'a', "upstream_reset", 40).refresh(2_000, 'a', 'b', 28_800).ok(3_000, 'b');
    assert_eq!(cut.code(), Code::Healthy);
    let late = Tale::new().failing_refresh(0, 'a', 500).refresh(MINUTE + 1, 'a', 'b', 28_800).ok(2 * MINUTE, 'b');
    assert_eq!(late.code(), Code::TokenEndpointOutage);
    assert!(late.diagnosis().verdict.recovered);
}

#[test]
fn a_login_by_hand_does_not_undo_the_failure_before_it() {
    let tale = Tale::new().invalid_grant(0, 'a').login(30_000, 'b', 28_800).ok(35_000, 'b');
    let verdict = tale.diagnosis().verdict;
    assert_eq!((verdict.code, verdict.recovered), (Code::RefreshTokenInvalid, true));
}

#[test]
fn a_token_that_is_refused_as_soon_as_the_refresh_gave_it_is_not_healed() {
    let tale = Tale::new().refused(0, 'a', GENERIC).refresh(500, 'a', 'b', 28_800).refused(900, 'b', GENERIC);
    assert_eq!(tale.verdict(), (Code::FreshTokenRejected, Confidence::High));
}

#[test]
fn a_request_that_was_wrong_in_itself_had_a_good_credential() {
    let mut tale = Tale::new();
    let mut exchange = tale.exchange(0, API, "/v1/messages", &[fixture::access("a0000061")], 404);
    exchange["error"] = json!({"shape": "api", "type": "not_found_error", "message": "model: x", "tone": "other"});
    tale = tale.with(exchange);
    assert_eq!(tale.verdict(), (Code::Healthy, Confidence::Medium));
}

#[test]
fn a_process_that_takes_up_its_siblings_token_by_itself_is_well() {
    let sibling = Tale::new().lane("one").refresh(0, 'a', 'b', 28_800).ok(300, 'b').lane("two");
    let late = sibling.clone().refused(2_000, 'a', GENERIC);
    assert_eq!(late.clone().ok(3_000, 'b').code(), Code::Healthy);
    assert_ne!(late.clone().ok(3_000, 'x').code(), Code::Healthy, "another token is not what it issued");
    assert_ne!(late.clone().ok(2_000 + MINUTE + 1, 'b').code(), Code::Healthy, "later than a minute");
    assert_ne!(late.code(), Code::Healthy);
    let stuck = sibling.ok(400, 'b').refused(2 * MINUTE, 'a', GENERIC).ok(2 * MINUTE + 1_000, 'b');
    assert_ne!(stuck.code(), Code::Healthy, "the refresh was long before");
}

#[test]
fn a_script_that_asks_with_one_process_each_is_one_client() {
    let tale = |programs: [&str; 3]| {
        let asked = healed_after(1_000).text();
        let mut lines: Vec<Value> = asked.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let exchanges = lines.iter_mut().filter(|line| line["record"] == "exchange");
        for (number, (exchange, program)) in exchanges.zip(programs).enumerate() {
            exchange["peer"] = json!({ "pid": 100 + number, "program": program });
        }
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        let survey = survey(&text.join("\n"));
        diagnose(&survey).verdict.code
    };
    assert_eq!(tale(["curl"; 3]), Code::Healthy);
    assert_ne!(tale(["claude", "node", "node"]), Code::Healthy, "another program's refresh is not this one's");
}
