//! Flows that are broken on purpose, each with the exchange and the field that a message has to name.

use super::story::{API, Asked, CONTRACT, LOGIN, NEW, OLD, OTHER, check, healed, message, refresh, trace};
use crate::analyze::Survey;
use crate::check::{Field, MissKind, Report};

/// A broken flow.
pub(crate) struct Broken {
    pub(crate) name: &'static str,
    asked: Vec<Asked>,
    expectations: String,
    kind: MissKind,
    exchange: Option<u64>,
    field: Option<Field>,
}

impl Broken {
    pub(crate) fn survey(&self) -> Survey {
        trace(self.asked.clone())
    }

    pub(crate) fn report(&self) -> Report {
        check(&self.survey(), &self.expectations)
    }
}

/// The contract held against other traffic.
fn traffic(name: &'static str, asked: Vec<Asked>, exchange: u64, field: Field) -> Broken {
    let expectations = CONTRACT.to_owned();
    Broken { name, asked, expectations, kind: MissKind::Flow, exchange: Some(exchange), field: Some(field) }
}

/// The good traffic held against steps that it does not follow.
fn steps(name: &'static str, steps: &str, exchange: Option<u64>, field: Option<Field>) -> Broken {
    let expectations = format!("format = 1\n\n[[flow]]\nname = \"{}\"\nstep = [\n{steps}\n]\n", name.replace('_', " "));
    Broken { name, asked: healed(), expectations, kind: MissKind::Flow, exchange, field }
}

fn rule(name: &'static str, asked: Vec<Asked>, rule: &str, kind: MissKind, exchange: Option<u64>) -> Broken {
    Broken { name, asked, expectations: format!("format = 1\n{rule}\n"), kind, exchange, field: None }
}

/// Good traffic with one request changed.
fn with(at: usize, change: Asked) -> Vec<Asked> {
    let mut asked = healed();
    asked[at] = change;
    asked
}

#[rustfmt::skip]
pub(crate) fn broken() -> Vec<Broken> {
    vec![
        traffic("the_refresh_is_refused", with(2, refresh(2.0, 400, None)), 3, Field::Status),
        traffic("it_refreshes_twice", {
            let mut asked = healed();
            asked.insert(3, refresh(2.5, 200, Some(OTHER)));
            asked
        }, 4, Field::Repeat),
        traffic("it_goes_on_with_the_old_token", with(3, message(3.0, OLD, 200)).into_iter().take(4).collect(), 4, Field::IssuedBy),
        traffic("the_new_token_is_refused", with(3, message(3.0, NEW, 401)).into_iter().take(4).collect(), 4, Field::Status),
        traffic("it_takes_too_long_to_retry", with(3, message(30.0, NEW, 200)).into_iter().take(4).collect(), 4, Field::Within),
        traffic("the_retry_gets_no_answer", with(3, message(3.0, NEW, 200).unanswered()).into_iter().take(4).collect(), 4, Field::Status),
        steps("a_step_before_its_time", "  { grant = \"refresh-token\" },\n  { path = \"/v1/messages\", status = 401 },", Some(4), Some(Field::Status)),
        steps("nobody_asks", "  { path = \"/v1/messages\" },\n  { path = \"/api/oauth/claude_cli/roles\", status = 200 },", None, None),
        steps("a_step_that_came_too_early", "  { path = \"/v1/messages\", status = 401 },\n  { path = \"/v1/messages\", status = 200, repeat = \"2..\" },\n  { grant = \"refresh-token\" },", Some(3), Some(Field::Order)),
        steps("another_method", "  { path = \"/v1/messages\", status = 401 },\n  { method = \"PUT\", path = \"/v1/oauth/token\" },", Some(3), Some(Field::Method)),
        steps("another_host", "  { host = \"console.anthropic.com\", path = \"/v1/oauth/token\" },", Some(3), Some(Field::Host)),
        steps("another_grant", "  { path = \"/v1/oauth/token\", grant = \"authorization-code\" },", Some(3), Some(Field::Grant)),
        steps("another_error", "  { path = \"/v1/messages\", status = 401, error = \"permission_error\" },", Some(2), Some(Field::Error)),
        steps("another_kind", "  { path = \"/v1/messages\", status = 200, kind = \"api-key\" },", Some(1), Some(Field::Kind)),
        steps("a_credential_where_none_should_be", "  { path = \"/v1/messages\", credential = \"none\" },", Some(1), Some(Field::Credential)),
        steps("not_the_same_credential", "  { path = \"/v1/messages\", status = 401, credential = \"$old\" },\n  { path = \"/v1/messages\", credential = \"$old\" },", Some(4), Some(Field::Credential)),
        steps("no_other_credential", "  { path = \"/v1/messages\", status = 200, credential = \"$old\" },\n  { grant = \"refresh-token\" },\n  { path = \"/v1/messages\", credential = \"$new\", not = \"$old\" },\n  { path = \"/v1/messages\", not = [\"$old\", \"$new\"] },", Some(5), Some(Field::Not)),
        steps("a_header_is_missing", "  { path = \"/v1/messages\", header = [\"anthropic-beta\", \"x-api-key\"] },", Some(1), Some(Field::Header)),
        steps("what_should_be_absent_comes", "  { path = \"/v1/messages\", status = 401 },\n  { grant = \"refresh-token\", absent = true },", Some(3), Some(Field::Absent)),
        steps("too_few", "  { path = \"/v1/messages\", status = 401, repeat = \"2..4\" },", Some(3 + 1), Some(Field::Status)),
        steps("too_soon", "  { path = \"/v1/messages\", status = 401 },\n  { grant = \"refresh-token\", at_least = \"5s\" },", Some(3), Some(Field::AtLeast)),
        steps("one_of_a_group_is_missing_before_the_other", "  { any_order = [\n    { grant = \"refresh-token\" },\n    { path = \"/v1/messages\", status = 401, error = \"permission_error\" },\n  ] },", Some(2), Some(Field::Error)),
        steps("one_of_a_group_is_missing", "  { any_order = [\n    { grant = \"refresh-token\" },\n    { path = \"/v1/messages\", status = 529 },\n  ] },", Some(1), Some(Field::Status)),
        rule("too_many_auth_failures", vec![message(0.0, OLD, 401), message(1.0, OLD, 401), message(2.0, OLD, 401)], "exit_code = \"any\"\n[limits]\nauth_failures = 1", MissKind::Limit, Some(2)),
        rule("a_loop", vec![message(0.0, OLD, 401), message(1.0, OLD, 401), message(2.0, OLD, 401), message(3.0, OLD, 401)], "[limits]\nretries_per_credential = 2", MissKind::Limit, Some(4)),
        rule("it_refreshes_too_often", vec![refresh(0.0, 200, Some(NEW)), refresh(1.0, 200, Some(OTHER))], "[limits]\nrefreshes = 1", MissKind::Limit, Some(2)),
        rule("it_asks_too_often", healed(), "[limits]\nrequests = 4", MissKind::Limit, Some(5)),
        rule("it_takes_too_long", healed(), "[limits]\nseconds = 3", MissKind::Limit, Some(5)),
        rule("no_answer", with(4, message(4.0, NEW, 200).unanswered()), "unanswered = 0", MissKind::Limit, Some(5)),
        rule("a_token_goes_astray", with(4, message(4.0, NEW, 200).to("gateway.example.com", "/v1/messages")), "[hosts]\noauth-refresh = [\"platform.claude.com\"]\nany = [\"*.anthropic.com\"]", MissKind::Host, Some(5)),
        rule("a_denied_finding", vec![message(0.0, OLD, 401), message(1.0, OLD, 401)], "[findings]\ndeny = [\"auth-failure\"]", MissKind::Finding, Some(2)),
        rule("a_finding_that_is_not_there", healed(), "[findings]\nrequire = [\"refresh-token-invalid\"]", MissKind::Finding, None),
        rule("another_exit_code", healed(), "exit_code = 1", MissKind::ExitCode, None),
        rule("nothing_used", vec![message(0.0, OLD, 200).without_credential()], "", MissKind::NothingObserved, None),
    ]
}

#[test]
fn each_broken_flow_is_caught_with_its_exchange_and_field() {
    for one in broken() {
        let report = one.report();
        let misses: Vec<_> = report.outcomes.iter().filter_map(|outcome| outcome.miss.as_ref()).collect();
        let named = misses.iter().find(|miss| miss.kind == one.kind);
        let miss = named.unwrap_or_else(|| panic!("{}: {misses:#?}", one.name));
        let field = miss.difference.as_ref().map(|difference| difference.field);
        assert_eq!((miss.exchange, field), (one.exchange, one.field), "{}: {miss:#?}", one.name);
        if let Some(difference) = &miss.difference {
            assert_ne!(difference.expected, difference.found, "{}", one.name);
        }
        if let Some(exchange) = miss.exchange {
            assert!(miss.around.contains(&exchange), "{}: {miss:#?}", one.name);
        }
    }
}

#[test]
fn the_contract_is_kept_by_what_it_is_written_for() {
    let report = check(&trace(healed()), CONTRACT);
    assert!(report.held(), "{report:#?}");
    let elsewhere =
        trace(vec![message(0.0, OLD, 200).to(API, "/v1/messages"), refresh(1.0, 200, Some(NEW)).to(LOGIN, "/x")]);
    assert!(!check(&elsewhere, CONTRACT).held());
}
