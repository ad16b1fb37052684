//! Hand-made traces: what is made of them, what is assumed, and how two of them differ.

use super::*;
use crate::analyze::{Survey, fixture};
use crate::fake::{Play, Seed, Task};
use crate::policy::{Cut, Then};
use crate::scenario::{Given, Scenario, write};
use crate::trace::{Record, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

const API: &str = "api.anthropic.com";
const LOGIN: &str = "platform.claude.com";

/// A trace while it is told: tokens are named by a letter.
struct Tale(Vec<Value>);

impl Tale {
    fn new() -> Self {
        Self(vec![fixture::head()])
    }

    fn without_variables() -> Self {
        let mut head = fixture::head();
        head["variables"] = json!([]);
        Self(vec![head])
    }

    fn message(self, token: char, status: u16) -> Self {
        self.ask("POST", API, "/v1/messages?beta=true", Some(("authorization", "oauth-access", "oat01", token)), status)
    }

    fn key(self, status: u16) -> Self {
        self.ask("POST", API, "/v1/messages", Some(("x-api-key", "api-key", "api03", 'k')), status)
    }

    fn profile(self, token: char, status: u16) -> Self {
        self.ask("GET", API, "/api/oauth/profile", Some(("authorization", "oauth-access", "oat01", token)), status)
    }

    fn refresh(self, old: char, new: Option<char>) -> Self {
        let sent = ("body.refresh_token", "oauth-refresh", "ort01", old);
        let mut tale = self.ask("POST", LOGIN, "/v1/oauth/token", Some(sent), if new.is_some() { 200 } else { 400 });
        let last = tale.0.last_mut().unwrap();
        last["oauth"] = json!({"grant_type": "refresh_token"});
        match new {
            Some(new) => {
                let issued =
                    [("oauth-access", "oat01", "access_token", 0), ("oauth-refresh", "ort01", "refresh_token", 1)];
                last["oauth"]["expires_in"] = json!(3_600);
                last["oauth"]["issued"] = issued
                    .map(|(kind, prefix, place, family)| {
                        let fp = format!("{family}{:07x}", u32::from(new));
                        json!({"place": format!("body.{place}"), "kind": kind, "len": 108, "fp": fp, "prefix": prefix})
                    })
                    .into();
            }
            None => {
                last["error"] = json!({"shape": "oauth", "type": "invalid_grant", "message": "Refresh token not found or \
                    invalid", "tone": "auth"});
            }
        }
        tale
    }

    fn ask(
        mut self,
        method: &str,
        host: &str,
        path: &str,
        sent: Option<(&str, &str, &str, char)>,
        status: u16,
    ) -> Self {
        let id = self.0.len();
        let credentials: Vec<Value> = sent
            .into_iter()
            .map(|(place, kind, prefix, letter)| {
                let family = u8::from(kind == "oauth-refresh");
                let fp = format!("{family}{:07x}", u32::from(letter));
                json!({"place": place, "kind": kind, "len": 108, "fp": fp, "prefix": prefix})
            })
            .collect();
        let mut exchange = json!({
            "record": "exchange", "id": id, "connection": 1, "lane": "main", "at": Timestamp::from_unix_ms(1_795_173_240_000 + i64::try_from(id).unwrap() * 1_000),
            "request": {"method": method, "scheme": "https", "host": host, "port": 443, "path": path, "version": "HTTP/1.1",
                "headers": [{"name": "anthropic-beta", "value": "oauth-2025-04-20"}], "body_bytes": 10},
            "credentials": credentials,
            "response": {"status": status, "version": "HTTP/1.1", "headers": [], "body_bytes": 10},
            "timing": {"send_us": 1, "wait_us": 400_000, "total_us": 500_000, "added_us": 1},
            "origin": "upstream", "end": {"outcome": "complete"},
        });
        if status >= 400 {
            exchange["error"] = json!({"shape": "api", "type": "authentication_error", "message": "Invalid bearer token",
                "tone": "auth"});
        }
        self.0.push(exchange);
        self
    }

    /// Changes the last record.
    fn but(mut self, field: &str, value: Value) -> Self {
        let (parent, name) = field.rsplit_once('/').unwrap_or(("", field));
        let parent = if parent.is_empty() { String::new() } else { format!("/{parent}") };
        self.0.last_mut().unwrap().pointer_mut(&parent).unwrap()[name] = value;
        self
    }

    fn unanswered(mut self, outcome: &str, waited_us: u64) -> Self {
        let last = self.0.last_mut().unwrap().as_object_mut().unwrap();
        last.remove("response");
        last.remove("error");
        self.but("end", json!({"outcome": outcome})).but("timing/total_us", json!(waited_us))
    }

    fn with(mut self, record: Value) -> Self {
        self.0.push(record);
        self
    }

    fn survey(self) -> Survey {
        fixture::survey(&fixture::join(self.0))
    }

    fn replayed(self) -> Replayed {
        convert(&self.survey(), Speed::Unwaited).unwrap()
    }
}

fn text(replayed: &Replayed) -> String {
    let remarks: Vec<String> = replayed.made_from.iter().chain(&replayed.warnings).cloned().collect();
    write(&replayed.scenario, &remarks)
}

#[test]
fn answers_come_in_the_recorded_order_and_the_last_goes_on() {
    let tale =
        Tale::new().profile('a', 200).message('a', 200).message('a', 401).message('a', 401).refresh('a', Some('b'));
    insta::assert_snapshot!(text(&tale.message('b', 200).message('b', 529).replayed()));
}

#[test]
fn waits_are_played_as_fast_as_is_wanted_and_what_nobody_answered_is_not_hurried() {
    let trace = || {
        let tale = Tale::new().refresh('a', None).unanswered("client_abort", 15_000_000);
        tale.refresh('a', None).but("timing/wait_us", json!(3_000_000)).survey()
    };
    let delays = |speed| -> Vec<u64> {
        let rules = convert(&trace(), speed).unwrap().scenario.script.rules;
        rules.iter().map(|rule| u64::try_from(rule.delay.as_millis()).unwrap()).collect()
    };
    assert_eq!(delays(Speed::Times(1.0)), [75_000, 3_000, 0]);
    assert_eq!(delays(Speed::Times(10.0)), [75_000, 300, 0]);
    assert_eq!(delays(Speed::Unwaited), [75_000, 0, 0]);
    assert_eq!(delays(Speed::Times(f64::NAN)), [75_000, 3_000, 0]);
}

#[test]
fn streams_break_off_where_they_did() {
    let sse = json!({"events": 4, "followed": true});
    let torn = Tale::new()
        .message('a', 200)
        .but("sse", sse.clone())
        .but("end", json!({"outcome": "upstream_reset", "stage": "response_body"}));
    let told = torn.message('a', 200).but("sse", sse).but(
        "error",
        json!({"shape": "sse_event", "type": "overloaded_error", "message": "Overloaded", "tone": "other"}),
    );
    let rules = told.replayed().scenario.script.rules;
    assert_eq!(rules[0].then, Then::Truncate { events: 4, cut: Cut::Reset });
    assert!(matches!(&rules[1].then, Then::StreamError { events: 3, error } if error.kind == "overloaded_error"));
}

#[test]
fn hosts_that_were_not_reached_are_not_reached_again() {
    let failed = json!({"record": "connection", "id": 9, "lane": "main", "opened": "2026-11-20T11:14:01.000Z", "duration_us": 10,
        "target": {"host": LOGIN, "port": 443}, "mode": "refused", "bytes_up": 0, "bytes_down": 0, "requests": 0,
        "outcome": "upstream_connect"});
    let replayed = Tale::new().message('a', 401).with(failed.clone()).with(failed).replayed();
    let down = &replayed.scenario.script.rules[0];
    assert_eq!((down.when.host.as_deref(), &down.then, down.times), (Some(LOGIN), &Then::Cut(Cut::Reset), None));
}

#[test]
fn what_is_no_evidence_or_not_there_is_told() {
    let own = Tale::new().message('a', 200).message('a', 403).but("origin", json!("authtrace"));
    let gap = json!({"record": "gap", "at": "2026-11-20T11:14:20.000Z", "lost": 3, "cause": "the disk was too slow"});
    let replayed = own.with(gap).with(json!({"record": "exchange", "id": 99})).replayed();
    assert_eq!(replayed.scenario.script.rules.len(), 1, "the refusal of authtrace is not played");
    insta::assert_snapshot!(replayed.warnings.join("\n"));
}

#[test]
fn what_cannot_be_played_is_refused() {
    assert_eq!(convert(&fixture::survey(&fixture::empty()), Speed::Unwaited), Err(ReplayError::Empty));
    let own = Tale::new().message('a', 403).but("origin", json!("authtrace")).survey();
    assert_eq!(convert(&own, Speed::Unwaited), Err(ReplayError::NothingOfAServer { own: 1, proxy: 0 }));
}

#[test]
fn the_kind_of_login_is_read_off_the_trace() {
    let assumed = |tale: Tale| {
        let client = tale.replayed().scenario.client;
        (client.login, client.expires_in, client.variables.into_keys().collect::<Vec<_>>())
    };
    let hours = 8 * 3_600;
    // A refresh is the first that matters.
    let expired = Tale::new().profile('a', 401).refresh('a', Some('b')).message('b', 200);
    assert_eq!(assumed(expired), (Given::File, -60, vec![]));
    // The token is refused, and renewed then.
    assert_eq!(assumed(Tale::new().message('a', 401).refresh('a', Some('b'))), (Given::File, hours, vec![]));
    // It runs out in the middle.
    assert_eq!(assumed(Tale::new().message('a', 200).refresh('a', Some('b'))), (Given::File, 301, vec![]));
    assert_eq!(assumed(Tale::without_variables().profile('a', 200).message('a', 401)), (Given::File, hours, vec![]));
    // The head names CLAUDE_CODE_OAUTH_TOKEN.
    assert_eq!(assumed(Tale::new().message('a', 401)), (Given::OauthToken, hours, vec![]));
    assert_eq!(assumed(Tale::new().key(401)), (Given::ApiKey, hours, vec![]));
    let shadowed = Tale::new().profile('a', 200).key(401);
    assert_eq!(assumed(shadowed), (Given::File, hours, vec!["ANTHROPIC_API_KEY".to_owned()]));
    let silent = Tale::new().ask("GET", API, "/api/hello", None, 200);
    assert_eq!(assumed(silent), (Given::None, hours, vec![]));
}

#[test]
fn what_a_client_does_is_read_off_the_trace() {
    let assumed = |tale: Tale| tale.replayed().scenario.client;
    let tasks = |tale: Tale| assumed(tale).tasks;
    assert_eq!(tasks(Tale::new().message('a', 401).message('a', 401)), [Task::Message]);
    assert_eq!(tasks(Tale::new().message('a', 200).message('a', 401).message('a', 401)), [Task::Message; 2]);
    let login = Tale::new().refresh('a', None).but("oauth", json!({"grant_type": "authorization_code"}));
    // The system does not tell whose every connection is.
    assert_eq!(tasks(login.message('a', 200).but("peer", json!({"pid": 7}))), [Task::Login, Task::Message]);
    let stale = assumed(Tale::new().key(401).key(200).but("credentials/0/fp", json!("0000abcd")));
    assert_eq!((stale.login, stale.stale), (Given::Helper, 1));
    // A client that renews what is refused, and did not.
    let agent = |tale: Tale, version: &str| {
        let agent = format!("claude-cli/{version} (external, cli)");
        tale.but("request/headers", json!([{"name": "user-agent", "value": agent}]))
    };
    let of = |version| assumed(agent(Tale::without_variables().profile('a', 200).message('a', 401), version)).renewable;
    assert_eq!((of("2.1.328"), of("2.1.107")), (false, true));
    assert!(assumed(agent(Tale::new().message('a', 401).refresh('a', None), "2.1.328")).renewable);
}

#[test]
fn servers_of_others_are_told_to_the_client() {
    let host = "bedrock-runtime.eu-west-1.amazonaws.com";
    let cloud = Tale::new().ask("POST", host, "/model/x/invoke", None, 403).replayed().scenario.client;
    assert_eq!((cloud.login, cloud.variables["AWS_REGION"].as_str()), (Given::None, "eu-west-1"));
    let bearer = Some(("authorization", "unknown", "", 'm'));
    let mcp = Tale::new().message('a', 200).ask("POST", "mcp.example.com", "/mcp", bearer, 401);
    let mcp =
        mcp.but("credentials/0/prefix", Value::Null).but("credentials/0/len", json!("≤32")).replayed().scenario.client;
    assert_eq!(mcp.mcp.map(|server| server.url).as_deref(), Some("https://mcp.example.com/mcp"));
}

#[test]
fn a_client_that_did_not_trust_authtrace_does_not_trust_it_again() {
    let replayed = convert(&fixture::survey(&fixture::untrusted()), Speed::Unwaited).unwrap();
    assert!(!replayed.scenario.client.trusts_proxy);
    assert_eq!(replayed.scenario.code, Some(crate::catalogue::Code::TlsInterceptionUntrusted));
}

#[test]
fn what_is_odd_about_a_credential_is_odd_about_the_made_up_one() {
    let odd = |flag: &str| {
        let client = Tale::new().message('a', 401).but("credentials/0/flags", json!([flag])).replayed().scenario.client;
        client.value.unwrap()
    };
    assert!(odd("quoted").starts_with("\"sk-ant-oat01-FAKE") && odd("quoted").ends_with('"'));
    assert!(odd("inner-space").contains(' '));
    assert!(odd("double-bearer").starts_with("Bearer sk-ant-oat01-FAKE"));
    assert!(!odd("non-ascii").is_ascii());
    assert_eq!(odd("odd-character").len(), 109);
    let short = Tale::new().message('a', 401).but("credentials/0/len", json!(79)).replayed().scenario.client;
    assert_eq!((short.value.unwrap().len(), short.issued), (79, false));
}

#[test]
fn another_host_is_asked_by_the_base_url() {
    let gateway = |host: &str| {
        let tale = Tale::new().ask("POST", host, "/v1/messages", Some(("authorization", "unknown", "", 'x')), 401);
        let tale = tale.but("credentials/0/prefix", Value::Null).but("credentials/0/len", json!("≤32"));
        let client = tale.replayed().scenario.client;
        (client.login, client.variables["ANTHROPIC_BASE_URL"].clone(), client.value.unwrap())
    };
    let (login, url, value) = gateway("api.example.org");
    assert_eq!((login, url.as_str(), value.len()), (Given::OauthToken, "https://api.example.org", 24));
    assert_eq!(gateway("10.0.0.7").1, "https://gateway.example.com");
}

#[test]
fn clients_at_the_same_time_are_played_so_and_others_are_not() {
    let two = |second_at: &str| {
        let tale = Tale::new().refresh('a', Some('b')).but("peer", json!({"pid": 1})).refresh('a', None);
        let tale = tale.but("peer", json!({"pid": 2})).but("at", json!(second_at));
        tale.replayed().scenario.client.processes
    };
    assert_eq!(two("2026-11-20T11:14:04.000Z"), 2);
    assert_eq!(two("2026-11-20T12:14:04.000Z"), 1);
    let unknown = Tale::new().refresh('a', Some('b')).but("peer", json!({"pid": 1})).refresh('a', None);
    assert_eq!(unknown.but("lane", json!("client-2")).replayed().scenario.client.processes, 2);
}

#[test]
fn a_client_that_leaves_the_path_is_told_where() {
    let recorded =
        || Tale::new().profile('a', 200).message('a', 401).refresh('a', Some('b')).message('b', 200).survey();
    let told = |played: Tale| {
        let found: Vec<String> = compare(&recorded(), &played.survey()).iter().map(ToString::to_string).collect();
        found.join("\n")
    };
    let again = |tale: Tale| tale.message('x', 401).refresh('x', Some('y'));
    assert_eq!(told(again(Tale::new()).message('y', 200)), "");
    // What comes for comfort comes when it comes.
    assert_eq!(told(again(Tale::new()).message('y', 200).profile('y', 200).profile('y', 200)), "");
    insta::assert_snapshot!(
        [
            ("the old client asks again with the same token", told(Tale::new().message('x', 401).message('x', 401))),
            ("it gives up", told(Tale::new().message('x', 401))),
            ("it begins with a refresh", told(again(Tale::new().refresh('x', None)).message('y', 200))),
            ("it goes on", told(again(Tale::new()).message('y', 200).message('y', 200).message('y', 200))),
            ("it does not use the new token", told(again(Tale::new()).message('x', 200))),
            ("it is answered otherwise", told(again(Tale::new()).message('y', 500))),
        ]
        .map(|(what, told)| format!("{what}\n{told}\n"))
        .join("\n")
    );
}

#[test]
fn what_the_verdict_rests_on_and_is_never_asked_is_told() {
    let recorded = Tale::new().profile('a', 401).survey();
    let told = |played: Tale| {
        let found: Vec<String> = compare(&recorded, &played.survey()).iter().map(ToString::to_string).collect();
        found.join("\n")
    };
    assert_eq!(told(Tale::new().profile('x', 401)), "");
    let silent = told(Tale::new().ask("GET", API, "/api/hello", None, 200));
    assert_eq!(silent, "exchange 1, GET api.anthropic.com/api/oauth/profile: 401 in the trace; the client never asked");
}

#[test]
fn the_order_among_several_clients_is_chance() {
    let of = |tale: Tale, pid: u32| tale.but("peer", json!({"pid": pid}));
    let one = of(of(of(Tale::new().refresh('a', Some('b')), 1).message('b', 200), 1).refresh('a', None), 2).survey();
    let other = of(of(of(Tale::new().refresh('x', Some('y')), 1).refresh('x', None), 2).message('y', 200), 1).survey();
    assert_eq!(compare(&one, &other), []);
    let more = of(of(Tale::new().refresh('x', None), 1).refresh('x', None), 2).survey();
    let told: Vec<String> = compare(&one, &more).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "exchange 1, POST platform.claude.com/v1/oauth/token (refresh): 200 in the trace, 400 here",
            "the trace has 1 × POST api.anthropic.com/v1/messages more than the clients sent"
        ]
    );
}

/// Everything of a scenario that a client may be answered with, asked for without an end.
#[test]
fn a_long_trace_becomes_few_rules_and_answers_for_ever() {
    let survey = fixture::survey(&fixture::long(3_000, 50));
    let scenario = convert(&survey, Speed::Unwaited).unwrap().scenario;
    assert!(scenario.script.rules.len() < 130, "{}", scenario.script.rules.len());
    let now = Timestamp::from_unix_ms(0);
    let mut play = Play::new(scenario.stage(Seed::fixed(1), Seed::fixed(2), now).fake.model, scenario.script.clone());
    let headers = http::HeaderMap::new();
    let request = crate::fake::Request {
        method: "POST",
        host: API,
        path: "/v1/messages",
        query: None,
        headers: &headers,
        body: b"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
        now,
    };
    let answers: Vec<_> = (0..4_000).map(|_| play.reply(&request)).collect();
    assert_eq!(answers.iter().filter(|(_, _, seen)| seen.status == Some(401)).count(), 60 + 1_000);
    assert!(answers.iter().all(|(_, delay, _)| *delay == Duration::ZERO));
}

proptest::proptest! {
    /// Whatever a trace holds, it becomes a scenario that is a good file, or is refused; and it does not differ from itself.
    #[test]
    fn no_trace_is_too_odd(steps in proptest::collection::vec((0..9_u8, 0..4_u8, 100..600_u16), 0..12)) {
        let tale = steps.iter().fold(Tale::new(), |tale, (what, token, status)| {
            let token = char::from(b'a' + token);
            match what {
                0 => tale.refresh(token, None),
                1 => tale.refresh(token, Some(token.to_ascii_uppercase())),
                2 => tale.message(token, *status).unanswered("upstream_reset", 1_000),
                3 => tale.message(token, *status).unanswered("client_abort", 1_000),
                4 => tale.key(*status),
                5 => tale.profile(token, *status).but("error", json!({"shape": "html", "message": "<a>", "tone": "other"})),
                6 => tale.message(token, *status).but("error", json!({"shape": "text", "message": "a ‹len≤32 fp=3f9c21ab› b", "tone": "other"})),
                7 => tale.message(token, *status).but("end", json!({"outcome": "upstream_closed", "stage": "response_body"})),
                _ => tale.message(token, *status),
            }
        });
        let survey = tale.survey();
        proptest::prop_assert_eq!(compare(&survey, &survey), []);
        if let Ok(replayed) = convert(&survey, Speed::Times(2.0)) {
            let read: Scenario = crate::scenario::read(&text(&replayed)).unwrap();
            proptest::prop_assert_eq!(&read, &replayed.scenario);
            proptest::prop_assert!(!text(&replayed).contains('‹'));
        }
    }
}

#[test]
fn records_of_one_kind_alone_are_no_reason_to_fall() {
    let end = serde_json::from_value::<Record>(json!({"record": "end", "connections": 0, "exchanges": 0, "lost": 0}));
    let survey: Survey = [end.unwrap()].into_iter().collect();
    let _ = convert(&survey, Speed::Unwaited);
}

/// Many answered messages, then the same token is refused; another client has nothing to do with it.
fn recorded_for_days(good: usize) -> Tale {
    let mut tale = Tale::new();
    for _ in 0..good {
        tale = tale.message('a', 200).key(200);
    }
    tale.message('a', 401).message('a', 401).key(200)
}

#[test]
fn of_many_exchanges_the_part_is_played_that_the_verdict_rests_on() {
    let whole = recorded_for_days(20).survey();
    let verdict = crate::analyze::diagnose(&whole).verdict.code;
    let part = excerpt(whole);
    assert_eq!(crate::analyze::diagnose(&part.survey).verdict.code, verdict);
    let statuses: Vec<u16> = part.survey.exchanges().iter().filter_map(crate::trace::Exchange::status).collect();
    assert_eq!(statuses, [200, 200, 401, 401]);
    assert!(part.left_out.unwrap().starts_with("39 of 43 exchanges have no part in the verdict"));
    let scenario = convert(&part.survey, Speed::Unwaited).unwrap().scenario;
    assert_eq!((scenario.client.login, scenario.client.tasks), (Given::OauthToken, vec![Task::Message; 3]));
}

#[test]
fn a_short_trace_and_one_without_a_failure_are_played_whole() {
    for tale in
        [Tale::new().message('a', 200).message('a', 401), (0..30).fold(Tale::new(), |tale, _| tale.message('a', 200))]
    {
        let whole = tale.survey();
        let count = whole.exchanges().len();
        let part = excerpt(whole);
        assert_eq!((part.survey.exchanges().len(), part.left_out), (count, None));
    }
}
