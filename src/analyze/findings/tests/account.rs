//! What the server says in so many words, what is cosmetic, and what counts as an incident.

use super::*;

fn state(message: &str, status: u16) -> Code {
    Tale::new().ask(0, "/v1/messages?beta=true", Some('a'), status, Some(message)).code()
}

#[test]
fn account_states_are_told_by_their_words_and_not_by_their_status() {
    for (message, code) in [
        ("This organization has been disabled.", Code::OrganizationDisabled),
        ("Your credit balance is too low to access the Anthropic API.", Code::CreditBalanceTooLow),
        ("OAuth authentication is currently not allowed for this organization.", Code::OauthNotAllowedForOrg),
        ("OAuth token has been revoked. Please obtain a new token.", Code::TokenRevoked),
        ("OAuth token does not meet scope requirement user:inference", Code::ScopeInsufficient),
    ] {
        for status in [401, 403] {
            assert_eq!(state(message, status), code, "{status} {message}");
        }
    }
}

#[test]
fn revoked_is_stronger_than_anything_inferred() {
    let revoked = "OAuth access token has been revoked.";
    let tale = Tale::new().login(0, 'a', 28_800).ok(5, 'a').refused(HOUR, 'a', revoked).invalid_grant(HOUR + 500, 'a');
    assert_eq!(tale.code(), Code::TokenRevoked);
}

#[test]
fn a_refusal_at_the_side_is_cosmetic_while_messages_work() {
    let scope = "OAuth token does not meet scope requirement user:profile";
    let usage = |tale: Tale| tale.ask(1_000, "/api/oauth/usage", Some('a'), 403, Some(scope));
    assert_eq!(usage(Tale::new().ok(0, 'a')).code(), Code::Healthy);
    assert_eq!(usage(Tale::new()).code(), Code::ScopeInsufficient);
    assert_ne!(usage(Tale::new().refused(0, 'a', GENERIC)).code(), Code::Healthy);
}

#[test]
fn refused_telemetry_is_noise() {
    let path = "/api/event_logging/v2/batch";
    let alone = Tale::new().ask(0, path, Some('a'), 401, Some(EXPIRED));
    assert_eq!(alone.code(), Code::TelemetryNoise);
    assert_eq!(alone.ok(500, 'a').code(), Code::Healthy);
}

#[test]
fn five_minutes_make_an_incident() {
    let message = "/v1/messages?beta=true";
    let apart = |ms: i64| Tale::new().ask(0, message, Some('a'), 503, None).refused(ms, 'a', GENERIC);
    assert_eq!(apart(2_000).code(), Code::UpstreamOutageMixed401);
    assert_eq!(apart(5 * MINUTE).code(), Code::UpstreamOutageMixed401);
    assert_ne!(apart(5 * MINUTE + 1).code(), Code::UpstreamOutageMixed401);
    let other = Tale::new().ask(0, message, Some('b'), 503, None).refused(2_000, 'a', GENERIC);
    assert_ne!(other.code(), Code::UpstreamOutageMixed401, "it takes the same token");
}

#[test]
fn limits_and_failures_of_the_server_are_no_failures_of_authentication() {
    for (status, code) in [(429, Code::RateLimited), (529, Code::Overloaded), (500, Code::ServerError)] {
        assert_eq!(Tale::new().ask(0, "/v1/messages", Some('a'), status, None).code(), code);
    }
}

#[test]
fn one_place_that_refuses_what_another_accepts_is_the_servers_contradiction() {
    let poll = "/v1/environments/env_x/work/poll";
    let tale = Tale::new().ok(0, 'a').ask(1_000, poll, Some('a'), 401, Some("Authentication failed")).ok(2_000, 'a');
    assert_eq!(tale.code(), Code::EndpointInconsistent401);
}

#[test]
fn a_key_as_bearer_is_right_where_the_version_of_the_api_wants_it() {
    let refused = |version: &str| {
        let key = json!({
            "place": "authorization", "kind": "api-key", "len": 108, "fp": "c0000061", "prefix": "api03",
            "flags": ["wrong-kind-for-header"],
        });
        let mut line = Tale::new().exchange(0, "api.anthropic.com", "/v1/messages", &[key], 401);
        line["request"]["headers"] = json!([{"name": "anthropic-version", "value": version}]);
        line["error"] = json!({"shape": "api", "type": "authentication_error", "message": BEARER, "tone": "auth"});
        Tale::new().with(line).code()
    };
    assert_eq!(refused("2023-06-01"), Code::CredentialInWrongHeader);
    assert_eq!(refused("2026-10-21"), Code::ApiKeyInvalid);
}
