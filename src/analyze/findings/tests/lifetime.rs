//! Ages, clocks and quiet (FAILURE_MODES §1.3, §1.4).

use super::*;

#[test]
fn a_generic_refusal_after_an_hour_is_an_expiry_and_before_it_is_not() {
    let after = |ms: i64| Tale::new().ok(0, 'a').refused(ms, 'a', GENERIC).refused(ms + 2_000, 'a', GENERIC);
    assert_eq!(after(HOUR).verdict(), (Code::AccessTokenExpiredNotRefreshed, Confidence::Medium));
    assert_eq!(after(HOUR - 1).verdict(), (Code::TokenRejectedBeforeExpiry, Confidence::Low));
}

#[test]
fn within_its_granted_lifetime_a_token_is_refused_early_however_old_it_is() {
    let tale = Tale::new().refresh(0, 'r', 'a', 28_800).ok(5, 'a').refused(2 * HOUR, 'a', GENERIC);
    assert_eq!(tale.verdict(), (Code::TokenRejectedBeforeExpiry, Confidence::High));
}

#[test]
fn half_a_minute_of_quiet_or_a_second_refusal_shows_that_no_refresh_followed() {
    let once = Tale::new().refused(0, 'a', EXPIRED);
    let telemetry = |at: i64| once.clone().ask(at, "/api/event_logging/v2/batch", None, 200, None);
    assert_eq!(once.verdict(), (Code::AccessTokenExpiredNotRefreshed, Confidence::Medium));
    assert_eq!(telemetry(29_000).verdict().1, Confidence::Medium);
    assert_eq!(telemetry(30_000).verdict().1, Confidence::High);
    assert_eq!(once.clone().refused(1_000, 'a', EXPIRED).verdict().1, Confidence::High);
}

#[test]
fn clocks_are_blamed_beyond_five_minutes() {
    let with = |difference: i64| {
        Tale::new().refused(0, 'a', EXPIRED).dated(difference).refused(2_000, 'a', EXPIRED).dated(difference)
    };
    assert_eq!(with(4 * MINUTE).code(), Code::AccessTokenExpiredNotRefreshed);
    assert_eq!(with(6 * MINUTE).verdict(), (Code::LocalExpiryMisjudged, Confidence::High));
    assert_eq!(with(-6 * MINUTE).verdict(), (Code::LocalExpiryMisjudged, Confidence::High));
}

#[test]
fn expired_before_the_lifetime_is_over_is_a_misjudgement() {
    let refused = |at: i64| Tale::new().refresh(0, 'r', 'a', 3_600).ok(5, 'a').refused(at, 'a', EXPIRED);
    assert_eq!(refused(30 * MINUTE).code(), Code::LocalExpiryMisjudged);
    assert_eq!(refused(HOUR + 1).code(), Code::AccessTokenExpiredNotRefreshed);
}

#[test]
fn a_token_is_fresh_for_a_quarter_of_an_hour() {
    let refused = |at: i64| Tale::new().login(0, 'a', 28_800).refused(at, 'a', BEARER);
    assert_eq!(refused(3_000).verdict(), (Code::FreshTokenRejected, Confidence::High));
    assert_ne!(refused(16 * MINUTE).code(), Code::FreshTokenRejected);
    let worked = Tale::new().login(0, 'a', 28_800).ok(1_000, 'a').refused(3_000, 'a', BEARER);
    assert_ne!(worked.code(), Code::FreshTokenRejected, "it had worked");
}

#[test]
fn the_old_token_after_a_login_is_a_login_not_used() {
    let other =
        Tale::new().lane("one").refused(0, 'a', BEARER).lane("two").login(MINUTE, 'b', 28_800).lane("one").refused(
            2 * MINUTE,
            'a',
            BEARER,
        );
    assert_eq!(other.verdict(), (Code::NewLoginNotUsed, Confidence::High));
}

#[test]
fn a_token_from_outside_that_never_worked_is_a_fixed_one() {
    let tale = Tale::new().refused(0, 'a', BEARER).refused(600, 'a', BEARER);
    assert_eq!(tale.verdict(), (Code::StaticTokenRejected, Confidence::High));
    let forbidden = Tale::new().ask(0, "/v1/messages", Some('a'), 403, Some("Your account has no access."));
    assert_eq!(forbidden.code(), Code::AuthFailureUnexplained, "403 speaks of the account, not of the token");
}

#[test]
fn a_wrong_clock_explains_an_expiry_and_no_other_refusal() {
    let static_one = Tale::new().refused(0, 'a', BEARER).dated(10 * MINUTE).refused(600, 'a', BEARER);
    assert_eq!(static_one.code(), Code::StaticTokenRejected);
    let generic = Tale::new().refused(0, 'a', GENERIC).dated(10 * MINUTE).refused(600, 'a', GENERIC);
    assert_eq!(generic.verdict(), (Code::LocalExpiryMisjudged, Confidence::Medium));
    let good = Tale::new().refresh(0, 'r', 'a', 28_800).ok(5, 'a').refused(HOUR, 'a', GENERIC).dated(10 * MINUTE);
    assert_eq!(good.code(), Code::TokenRejectedBeforeExpiry);
}

#[test]
fn where_the_clock_is_right_nobody_is_told_to_set_it() {
    let remedy = |difference: i64| {
        let tale = Tale::new().refresh(0, 'r', 'a', 28_800).ok(5, 'a').refused(HOUR, 'a', EXPIRED).dated(difference);
        tale.diagnosis().findings.first().unwrap().remedy.clone()
    };
    assert!(remedy(10 * MINUTE).starts_with("Set the clock right"));
    assert!(remedy(0).starts_with("If the clock is right, log in again"));
}

#[test]
fn a_token_of_before_may_be_sent_for_the_first_time_after_the_login() {
    let own = Tale::new().login(0, 'b', 28_800).refused(9_000, 'a', BEARER).refused(9_600, 'a', BEARER);
    assert_eq!(own.verdict(), (Code::NewLoginNotUsed, Confidence::High));
    let others = Tale::new().lane("one").login(0, 'b', 28_800).lane("two").refused(9_000, 'a', BEARER);
    assert_eq!(others.verdict(), (Code::NewLoginNotUsed, Confidence::Medium), "it may be a fixed token of its own");
}
