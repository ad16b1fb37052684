//! Captures of failures that people met, as scenarios: asked in the recorded order, the fake answers as the capture did.

use crate::cases::{cases, diagnose};
use authtrace::analyze::Survey;
use authtrace::compare::Route;
use authtrace::fake::{Body, Play, Reply, Request, Seed};
use authtrace::policy::Grant;
use authtrace::redact::Kind;
use authtrace::replay::{ReplayError, Speed, convert};
use authtrace::scenario::{self, Scenario};
use authtrace::trace::{EndKind, ErrorShape, Exchange, Origin, Timestamp};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

#[test]
fn each_case_is_answered_again_as_it_was() {
    let (mut played, mut wrong) = (0, Vec::new());
    for case in cases() {
        let (survey, _) = diagnose(&case.har);
        let replayed = match convert(&survey, Speed::Unwaited) {
            Ok(replayed) => replayed,
            Err(error) => {
                let nothing =
                    !survey.exchanges().iter().any(|one| one.response.is_some() && one.origin == Origin::Upstream);
                assert!(nothing, "{}: {error}", case.name);
                assert!(matches!(error, ReplayError::Empty | ReplayError::NothingOfAServer { .. }));
                continue;
            }
        };
        wrong.extend(differences(&survey, &replayed.scenario).into_iter().map(|one| format!("{}: {one}", case.name)));
        played += survey.exchanges().len();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(played > 200, "only {played} exchanges");
}

#[test]
fn each_scenario_of_a_case_is_a_good_file_without_a_credential() {
    for case in cases() {
        let (survey, diagnosis) = diagnose(&case.har);
        let Ok(replayed) = convert(&survey, Speed::Times(1.0)) else { continue };
        let text = scenario::write(&replayed.scenario, &replayed.made_from);
        let read = scenario::read(&text).unwrap_or_else(|error| panic!("{}:\n{error}", case.name));
        assert_eq!(read, replayed.scenario, "{}", case.name);
        assert_eq!(read.code, Some(diagnosis.verdict.code));
        for value in text.split(['"', ' ', '\'']).filter(|word| word.contains("sk-ant-") && word.len() > 20) {
            assert!(value.contains("FAKE"), "{}: {value}", case.name);
        }
        assert!(!text.contains('‹'), "{}:\n{text}", case.name);
    }
}

/// What a scenario answers otherwise than the trace did, if it is asked the same.
fn differences(survey: &Survey, scenario: &Scenario) -> Vec<String> {
    let now = Timestamp::from_unix_ms(1_790_000_000_000);
    let staged = scenario.stage(Seed::fixed(1), Seed::fixed(2), now);
    let mut play = Play::new(staged.fake.model, staged.fake.script);
    let mut found = Vec::new();
    for exchange in survey.exchanges() {
        let got = answered(&mut play, exchange, now);
        let Some(wanted) = wanted(exchange) else { continue };
        if got != wanted {
            found.push(format!("#{} {}: {wanted:?} became {got:?}", exchange.id, Route::of(exchange)));
        }
    }
    found
}

/// Status, type and message of an error; no status: no answer.
#[derive(Debug, PartialEq)]
struct Told {
    status: Option<u16>,
    kind: Option<String>,
    message: Option<String>,
}

fn wanted(exchange: &Exchange) -> Option<Told> {
    let status = exchange.status();
    let never = matches!(exchange.end.outcome, EndKind::NotSent | EndKind::Refused | EndKind::Shutdown | EndKind::Cut);
    if exchange.origin != Origin::Upstream || never || status.is_some_and(|status| status < 200) {
        return None;
    }
    let json = |shape| matches!(shape, ErrorShape::Api | ErrorShape::ApiBare | ErrorShape::Oauth);
    let error = exchange.error.as_ref().filter(|error| json(error.shape) || error.shape == ErrorShape::SseEvent);
    let clean = |text: &str| (!text.contains('‹')).then(|| text.to_owned());
    let text = |text: Option<&authtrace::redact::Redacted>| text.and_then(|text| clean(text.as_str()));
    Some(Told {
        status,
        kind: text(error.and_then(|error| error.kind.as_ref())),
        message: text(error.and_then(|error| error.message.as_ref())),
    })
}

fn answered(play: &mut Play, exchange: &Exchange, now: Timestamp) -> Told {
    let route = Route::of(exchange);
    let path = route.path.replace('*', "something");
    let headers = headers(exchange);
    let body = body(&route, exchange).to_string();
    let request = Request {
        method: &route.method,
        host: &route.host,
        path: &path,
        query: None,
        headers: &headers,
        body: body.as_bytes(),
        now,
    };
    let Reply::Response(response) = play.reply(&request).0 else {
        return Told { status: None, kind: None, message: None };
    };
    let bytes = response.body.bytes();
    let text = String::from_utf8_lossy(&bytes);
    let data = text.rsplit("data: ").next().filter(|_| matches!(response.body, Body::Streamed(_)));
    let value: Value = serde_json::from_str(data.unwrap_or(&text).trim()).unwrap_or_default();
    let find = |pointers: [&str; 2]| {
        let found = pointers.iter().find_map(|pointer| value.pointer(pointer)?.as_str());
        found.filter(|text| !text.contains("FAKE")).map(str::to_owned)
    };
    let is_error = wanted(exchange).is_some_and(|told| told.kind.is_some() || told.message.is_some());
    Told {
        status: Some(response.status),
        kind: find(["/error/type", "/error"]).filter(|_| is_error),
        message: find(["/error/message", "/error_description"]).filter(|_| is_error),
    }
}

fn headers(exchange: &Exchange) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-beta", HeaderValue::from_static("oauth-2025-04-20"));
    for sent in &exchange.credentials {
        let prefix = if sent.credential.kind == Kind::ApiKey { "sk-ant-api03-" } else { "sk-ant-oat01-" };
        let value = format!("{prefix}FAKE{}", sent.credential.fp);
        match sent.place.as_str() {
            "x-api-key" => headers.insert("x-api-key", value.parse().unwrap()),
            "authorization" => headers.insert("authorization", format!("Bearer {value}").parse().unwrap()),
            _ => None,
        };
    }
    headers
}

fn body(route: &Route, exchange: &Exchange) -> Value {
    match route.grant {
        Some(Grant::RefreshToken) => {
            json!({"grant_type": "refresh_token", "client_id": "c", "refresh_token": "sk-ant-ort01-FAKE"})
        }
        Some(Grant::AuthorizationCode) => json!({"grant_type": "authorization_code", "client_id": "c", "code": "FAKE"}),
        None => {
            json!({"messages": [{"role": "user", "content": "hi"}], "client_id": "c", "stream": exchange.sse.is_some()})
        }
    }
}
