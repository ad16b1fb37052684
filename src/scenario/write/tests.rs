//! Values written, and read back.

use super::*;
use crate::catalogue::Code;
use crate::fake::{Change, Outage};
use crate::policy::Script;
use crate::scenario::{builtins, read};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

fn read_back(scenario: &Scenario) -> Scenario {
    let text = write(scenario, &["made by a test\nof two lines".to_owned()]);
    let read = read(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Scenario { warnings: Vec::new(), ..read }
}

#[test]
fn every_built_in_scenario_survives() {
    for one in builtins() {
        let scenario = read(one.text).unwrap();
        assert_eq!(read_back(&scenario), scenario, "{}", one.name);
    }
}

#[test]
fn it_looks_like_a_file_that_a_person_wrote() {
    let text = "format = 1\ncode = \"refresh-race\"\ntitle = \"Two \\\"clients\\\"\"\nabout = \"\"\"\nFirst.\nSecond.\n\"\"\"\n\
                [client]\nexpires_in = \"-1m\"\nprocesses = 2\nvariables = { DISABLE_A = \"1\" }\n\
                [server]\ntoken_lifetime = \"90m\"\nscopes = [\"a\", \"b\"]\n\
                [[event]]\nafter = { path = \"/v1/*\", times = 2 }\ndo = \"log-out\"\n\
                [[rule]]\nwhen = { host = \"h\", attempt = \"2..\", elapsed = \"..30s\" }\ntimes = 3\ndelay = \"1500ms\"\n\
                answer = { status = 429, type = \"t\", message = \"m\", shape = \"bare\", headers = { \"retry-after\" = \"5\" } }\n\
                [[rule]]\nwhen = { grant = \"refresh-token\" }\ngranted = { rotation = \"reusable\" }\n\
                [[rule]]\naccept = true\n";
    let scenario = read(text).unwrap();
    insta::assert_snapshot!(write(&scenario, &["from a trace of three exchanges".to_owned()]));
}

fn word() -> impl Strategy<Value = String> {
    "[a-z]{1,6}"
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,12}", "[a\"\\\\\n\t\r\u{1}#' ]{0,8}"]
}

fn time() -> impl Strategy<Value = Duration> {
    (0..4_000_000_u64, prop_oneof![Just(1), Just(1_000), Just(60)])
        .prop_map(|(n, unit)| Duration::from_millis((n * unit).min(86_400_000 * 300)))
}

fn path() -> impl Strategy<Value = PathPattern> {
    ("/[a-z/]{0,8}", any::<bool>())
        .prop_map(|(path, whole)| if whole { PathPattern::Exact(path) } else { PathPattern::Prefix(path) })
}

fn when() -> impl Strategy<Value = When> {
    let span = || (1..5_u32, of(5..9_u32)).prop_map(|(from, to)| Span { from, to });
    let elapsed = (time(), of(time())).prop_map(|(from, to)| Span { from, to: to.map(|to| from + to) });
    (
        (of("[A-Z]{1,5}"), of("[a-z.]{1,8}"), of(path()), of(span()), of(elapsed), of(word())),
        (of(any::<bool>()), of(any::<bool>())),
    )
        .prop_map(|((method, host, path, attempt, elapsed, state), (grant, credential))| When {
            method,
            host,
            path,
            credential: credential.map(|key| if key { Kind::ApiKey } else { Kind::OauthAccess }),
            grant: grant.map(|code| if code { Grant::AuthorizationCode } else { Grant::RefreshToken }),
            attempt,
            elapsed,
            state,
        })
}

fn fields() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    btree_map("[a-z][a-z-]{0,8}", "[ -~]{0,12}", 0..3)
}

fn error() -> impl Strategy<Value = ApiError> {
    (200..600_u16, text(), text(), 0..3_u8, 0..3_u8, fields()).prop_map(
        |(status, kind, message, envelope, id, headers)| ApiError {
            envelope: [Envelope::Typed, Envelope::Untyped, Envelope::OAuth][usize::from(envelope)],
            request_id: [RequestIdShape::Present, RequestIdShape::Null, RequestIdShape::Missing][usize::from(id)],
            headers: headers.into_iter().collect(),
            ..ApiError::new(status, &kind, &message)
        },
    )
}

fn then() -> impl Strategy<Value = Then> {
    let cut = || any::<bool>().prop_map(|close| if close { Cut::Close } else { Cut::Reset });
    let raw = (200..600_u16, text(), text(), fields()).prop_map(|(status, kind, body, headers)| {
        Then::Raw(RawAnswer {
            headers: headers.into_iter().collect(),
            ..RawAnswer::new(status, &kind, body.as_bytes())
        })
    });
    prop_oneof![
        Just(Then::Pass),
        Just(Then::Accept),
        error().prop_map(Then::Error),
        raw,
        (200..600_u16, text(), any::<bool>()).prop_map(|(status, title, challenge)| Then::Html(HtmlPage {
            status,
            title,
            challenge
        })),
        cut().prop_map(Then::Cut),
        (0..9_usize, cut()).prop_map(|(events, cut)| Then::Truncate { events, cut }),
        (0..9_usize, text(), text()).prop_map(|(events, kind, message)| Then::StreamError {
            events,
            error: ApiError::new(200, &kind, &message)
        }),
        time().prop_map(Then::Slow),
        Just(Then::Token(TokenOutcome::InvalidGrant)),
        Just(Then::Token(TokenOutcome::Lost(Cut::Reset))),
        terms().prop_map(|terms| Then::Token(TokenOutcome::Granted(terms))),
    ]
}

fn terms() -> impl Strategy<Value = TokenTerms> {
    (0..100_000_u32, any::<bool>(), any::<bool>()).prop_map(|(lifetime, rotates, refused)| TokenTerms {
        lifetime,
        rotates,
        refused,
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    (when(), 0..3_u32, of(1..9_u32), time(), then(), of(word()))
        .prop_map(|(when, skip, times, delay, then, enters)| Rule { when, skip, times, delay, then, enters })
}

fn event() -> impl Strategy<Value = Event> {
    let at = prop_oneof![
        time().prop_map(Moment::Elapsed),
        (path(), 1..9_u32).prop_map(|(path, count)| Moment::Requests { path, count })
    ];
    let change = prop_oneof![
        Just(Change::Revoke),
        Just(Change::Refuse),
        Just(Change::Expire),
        Just(Change::LogOut),
        Just(Change::RenewElsewhere),
        Just(Change::Outage(Some(Outage { status: 503 }))),
        Just(Change::Outage(None)),
        Just(Change::Organization(Organization::Disabled)),
    ];
    (at, change).prop_map(|(at, change)| Event { at, change })
}

fn client() -> impl Strategy<Value = Client> {
    let login = prop_oneof![
        Just(Given::File),
        Just(Given::None),
        Just(Given::OauthToken),
        Just(Given::ApiKey),
        Just(Given::AuthToken),
        Just(Given::Helper),
    ];
    let variables = btree_map("DISABLE_[A-H]{1,5}", text(), 0..3);
    let plain = (login, -100_000..100_000_i64, any::<bool>(), any::<bool>(), variables, 1..17_u32);
    let tasks = vec(prop_oneof![Just(Task::Message), Just(Task::Login), Just(Task::LostLogin)], 1..4);
    let mcp = of(of(Just("FAKE token".to_owned()))
        .prop_map(|token| McpServer { url: "https://mcp.example/mcp".to_owned(), token }));
    let rest = (0..4_u32, any::<bool>(), any::<bool>(), tasks, mcp, any::<bool>());
    (plain, rest).prop_map(|(plain, rest)| {
        let (login, expires_in, issued, own, variables, processes) = plain;
        let (stale, renewable, shared_home, tasks, mcp, trusts_proxy) = rest;
        let own = own && !matches!(login, Given::File | Given::None);
        Client {
            login,
            expires_in,
            issued,
            value: own.then(|| "\"FAKE value\"".to_owned()),
            stale: if login == Given::Helper { stale } else { 0 },
            renewable: renewable || login != Given::File,
            variables,
            processes,
            shared_home: shared_home && processes > 1,
            tasks,
            mcp,
            trusts_proxy,
        }
    })
}

fn server() -> impl Strategy<Value = Server> {
    (0..3_u8, 0..4_u8, any::<bool>(), terms(), of("[a-z:]{1,5}( [a-z:]{1,5}){0,2}"), -90_000..90_000_i64).prop_map(
        |(wording, organization, revokes, terms, scopes, clock)| Server {
            circumstances: Circumstances {
                wording: [Wording::Year2025, Wording::Spring2026, Wording::Summer2026][usize::from(wording)],
                organization: [
                    Organization::Active,
                    Organization::Disabled,
                    Organization::OauthNotAllowed,
                    Organization::NoCredit,
                ][usize::from(organization)],
                reuse: if revokes { Reuse::RevokesFamily } else { Reuse::Refused },
            },
            terms,
            scopes,
            clock,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        code in of(0..Code::ALL.len()), title in text(), about in of(text()), client in client(), server in server(),
        events in vec(event(), 0..3), rules in vec(rule(), 0..4),
    ) {
        let scenario = Scenario {
            code: code.map(|code| Code::ALL[code]),
            title,
            about,
            against: Against::Fake,
            client,
            server,
            events,
            script: Script { rules },
            warnings: Vec::new(),
        };
        prop_assert_eq!(read_back(&scenario), scenario);
    }
}
