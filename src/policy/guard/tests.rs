//! The guard by values, and held against a plain count of the same outcomes.

use super::*;
use proptest::prelude::*;

const MESSAGES: &str = "/v1/messages";
const TOKEN: &str = "/v1/oauth/token";

fn asked(path: &str, identity: u64, seconds: u64) -> Asked<'_> {
    Asked {
        method: "POST",
        host: "api.anthropic.com",
        path,
        credential: None,
        identity: Some(identity),
        grant: None,
        elapsed: Duration::from_secs(seconds),
    }
}

fn guard(refusals: u32) -> Guard {
    Guard::new(Limits { refusals: Some(refusals), ..Limits::default() }, vec!["gateway.example".to_owned()])
}

/// Asks, and is answered with this status at once. Whether it passed.
fn ask(guard: &mut Guard, asked: &Asked<'_>, status: u16) -> bool {
    let verdict = guard.decide(asked);
    assert_ne!(verdict, Verdict::Wait, "nobody else is asking");
    if matches!(verdict, Verdict::Stop(_)) {
        return false;
    }
    let subject = guard.subject(asked);
    let answered = Answered::of(subject, status, false);
    guard.observe(&Outcome { subject, answered, late: false, elapsed: asked.elapsed });
    true
}

#[test]
fn a_credential_that_is_refused_in_a_row_is_stopped_and_others_are_not() {
    let mut guard = guard(3);
    let passed: Vec<bool> = (0..6).map(|at| ask(&mut guard, &asked(MESSAGES, 1, at), 401)).collect();
    assert_eq!(passed, [true, true, true, false, false, false]);
    assert!(ask(&mut guard, &asked(MESSAGES, 2, 9), 200));
    assert!(ask(&mut guard, &asked("/api/oauth/profile", 1, 9), 200), "the model and the account are counted apart");
    assert!(!ask(&mut guard, &asked(MESSAGES, 1, 9), 200), "the other's success is not its own");
}

#[test]
fn only_the_first_that_is_stopped_is_told() {
    let mut guard = guard(1);
    ask(&mut guard, &asked(MESSAGES, 1, 0), 403);
    let told = |guard: &mut Guard| guard.decide(&asked(MESSAGES, 1, 0));
    let stop = |first| Verdict::Stop(Stop { reason: Reason::Refusals(1), first });
    assert_eq!([told(&mut guard), told(&mut guard)], [stop(true), stop(false)]);
}

#[test]
fn other_hosts_telemetry_and_other_statuses_do_not_count() {
    let mut guard = guard(1);
    for host in ["example.com", "notanthropic.com", "anthropic.com.example"] {
        assert_eq!(guard.subject(&Asked { host, ..asked(MESSAGES, 1, 0) }), Subject::Unwatched);
    }
    for host in ["anthropic.com", "platform.claude.com", "gateway.example"] {
        assert_ne!(guard.subject(&Asked { host, ..asked(MESSAGES, 1, 0) }), Subject::Unwatched);
    }
    for status in [400, 404, 407, 429, 500, 529, 302] {
        assert!(ask(&mut guard, &asked(MESSAGES, 1, 0), status));
    }
    assert!((0..5).all(|at| ask(&mut guard, &asked("/api/event_logging/batch", 1, at), 401)));
    assert!(ask(&mut guard, &asked(MESSAGES, 1, 0), 401));
    assert!(!ask(&mut guard, &asked(MESSAGES, 1, 0), 401));
}

#[test]
fn a_success_of_a_stream_counts_at_its_end_and_an_error_in_it_is_a_refusal() {
    let mut guard = guard(2);
    let subject = guard.subject(&asked(MESSAGES, 1, 0));
    let end = |answered| Outcome { subject, answered, late: true, elapsed: Duration::ZERO };
    for _ in 0..2 {
        assert_eq!(guard.decide(&asked(MESSAGES, 1, 0)), Verdict::Pass);
        guard.observe(&Outcome { late: false, ..end(Answered::of(subject, 200, true)) });
        guard.observe(&end(Answered::Refused));
    }
    assert!(matches!(guard.decide(&asked(MESSAGES, 1, 0)), Verdict::Stop(_)));
    guard.observe(&end(Answered::Accepted));
    assert_eq!(guard.decide(&asked(MESSAGES, 1, 0)), Verdict::Pass);
}

#[test]
fn a_token_endpoint_is_stopped_whoever_asks_until_nobody_has_asked_for_a_while() {
    let mut guard = guard(2);
    let passed: Vec<bool> =
        [0, 1, 2, 50, 100].map(|at| ask(&mut guard, &asked(TOKEN, at, at), if at == 0 { 400 } else { 503 })).to_vec();
    assert_eq!(passed, [true, true, false, false, false]);
    assert!(ask(&mut guard, &asked(TOKEN, 9, 161), 200));
}

#[test]
fn a_budget_ends_and_can_be_granted_anew() {
    let limits = Limits { requests: Some(2), time: Some(Duration::from_secs(10)), ..Limits::default() };
    let mut guard = Guard::new(limits, Vec::new());
    assert!(ask(&mut guard, &asked(MESSAGES, 1, 100), 200) && ask(&mut guard, &asked("/", 1, 101), 200));
    assert!(ask(&mut guard, &asked("/api/event_logging/batch", 1, 101), 200));
    let last = asked(MESSAGES, 1, 102);
    let Verdict::Stop(stop) = guard.decide(&last) else { panic!() };
    assert_eq!(stop, Stop { reason: Reason::Requests(2), first: true });
    guard.forgive(&last, stop.reason);
    assert!(ask(&mut guard, &last, 200));
    let Verdict::Stop(stop) = guard.decide(&asked(MESSAGES, 1, 110)) else { panic!() };
    assert_eq!(stop.reason, Reason::Time(Duration::from_secs(10)));
    guard.forgive(&last, stop.reason);
    assert!(ask(&mut guard, &asked(MESSAGES, 1, 111), 200));
}

#[test]
fn the_fifth_refusal_in_a_row_is_worth_one_word() {
    let mut guard = Guard::new(Limits::default(), Vec::new());
    let mut verdicts = Vec::new();
    for at in 0..8 {
        let asked = asked(MESSAGES, 1, at);
        verdicts.push(guard.decide(&asked));
        let subject = guard.subject(&asked);
        guard.observe(&Outcome { subject, answered: Answered::Refused, late: false, elapsed: asked.elapsed });
    }
    let warned: Vec<usize> = (0..8).filter(|at| verdicts[*at] == Verdict::Warn { refused: 5 }).collect();
    assert_eq!((warned, guard.refused(&asked(MESSAGES, 1, 9))), (vec![5], 8));
}

#[test]
fn who_goes_on_after_a_stop_gets_as_many_again() {
    let mut guard = guard(2);
    let one = asked(MESSAGES, 1, 0);
    assert!(ask(&mut guard, &one, 401) && ask(&mut guard, &one, 401));
    let Verdict::Stop(stop) = guard.decide(&one) else { panic!() };
    guard.forgive(&one, stop.reason);
    assert!(ask(&mut guard, &one, 401) && ask(&mut guard, &one, 401));
    let Verdict::Stop(again) = guard.decide(&one) else { panic!() };
    assert!(again.first);
}

proptest! {
    /// One after the other: a request is stopped exactly when its credential was refused so many times in a row before.
    #[test]
    fn stops_what_a_plain_count_stops(most in 1_u32..6, steps in prop::collection::vec((0_u64..3, 0_usize..4), 0..200)) {
        let mut guard = guard(most);
        let mut rows = [0_u32; 3];
        for (identity, status) in steps {
            let status = [200, 401, 403, 500][status];
            let row = &mut rows[usize::try_from(identity).unwrap()];
            let passed = ask(&mut guard, &asked(MESSAGES, identity, 0), status);
            prop_assert_eq!(passed, *row < most);
            match status {
                _ if !passed => {}
                200 => *row = 0,
                401 | 403 => *row += 1,
                _ => {}
            }
        }
    }

    /// However requests of a credential that is always refused overlap, no more pass than the limit says, or than were
    /// on their way when the first was refused.
    #[test]
    fn requests_that_overlap_do_not_pass_the_limit(most in 1_u32..6, steps in prop::collection::vec(any::<bool>(), 1..100)) {
        let mut guard = guard(most);
        let one = asked(MESSAGES, 1, 0);
        let subject = guard.subject(&one);
        let (mut passed, mut on_the_way, mut refused, mut before) = (0_u32, 0_u32, 0_u32, 0_u32);
        for ask in steps {
            if ask {
                match guard.decide(&one) {
                    Verdict::Pass | Verdict::Warn { .. } => {
                        passed += 1;
                        on_the_way += 1;
                        before += u32::from(refused == 0);
                    }
                    Verdict::Wait => prop_assert!(on_the_way > 0, "it waits for nobody"),
                    Verdict::Stop(_) => prop_assert!(refused >= most),
                }
            } else if on_the_way > 0 {
                on_the_way -= 1;
                refused += 1;
                guard.observe(&Outcome { subject, answered: Answered::Refused, late: false, elapsed: Duration::ZERO });
            }
        }
        prop_assert!(passed <= most.max(before), "{passed} of {most}, {before} before");
    }

    /// Whatever else happens, a credential that is accepted now and then is never stopped.
    #[test]
    fn healthy_traffic_is_never_touched(most in 2_u32..6, refused in prop::collection::vec(0_u32..6, 1..60)) {
        let mut guard = guard(most);
        for (at, row) in (0_u64..).zip(refused) {
            for _ in 0..row.min(most - 1) {
                prop_assert!(ask(&mut guard, &asked(MESSAGES, 1, at), 401));
                prop_assert!(ask(&mut guard, &asked("/api/event_logging/batch", 1, at), 401));
            }
            prop_assert!(ask(&mut guard, &asked(MESSAGES, 1, at), 200));
        }
    }
}
