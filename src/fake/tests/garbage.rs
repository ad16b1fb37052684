//! Whatever comes in, what goes out has the shape of the API.

use super::server::{fake, message_head};
use crate::fake::*;
use crate::policy::{Rule, Script, Then, TokenOutcome, When};
use crate::trace::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HOSTS: [&str; 6] =
    ["api.anthropic.com", "platform.claude.com", "console.anthropic.com", "claude.com", "gateway.example.com", ""];
const PATHS: [&str; 14] = [
    "/",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/models",
    "/v1/oauth/token",
    "/v1/oauth/token/revoke",
    "/oauth/authorize",
    "/cai/oauth/authorize",
    "/oauth/code/callback",
    "/api/oauth/profile",
    "/api/oauth/claude_cli/create_api_key",
    "/api/event_logging/batch",
    "/api/eval/sdk-x",
    "/api/oauth/usage",
];
const FIELDS: [&str; 7] =
    ["authorization", "x-api-key", "content-type", "anthropic-beta", "anthropic-version", "host", "x-odd"];

fn play(login: &mut Option<Login>) -> Play {
    let mut model = Model::new(Seed::fixed(4));
    *login = Some(model.log_in(Timestamp::from_unix_ms(1_790_000_000_000), 3_600));
    let lost = Rule {
        skip: 3,
        ..Rule::once(When::grant(crate::policy::Grant::RefreshToken), Then::Token(TokenOutcome::InvalidGrant))
    };
    Play::new(model, Script { rules: vec![lost] })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        "(Bearer|bearer|Basic|) ?(sk-ant-(oat01|ort01|api03)-FAKE)?[ -~]{0,10}".prop_map(String::into_bytes),
        Just(b"application/x-www-form-urlencoded".to_vec()),
        Just(b"oauth-2025-04-20".to_vec()),
        Just(b"LOGIN".to_vec()),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let grant = "(refresh_token|authorization_code|password|)";
    let form = format!("grant_type={grant}&(refresh_token|code|token)=[%a-f0-9#&=+]{{0,12}}&client_id=c?");
    let json = format!(
        r#"\{{"grant_type":"{grant}","code":"[a-z#]{{0,5}}","refresh_token":("x"|5|null),"client_id":"c","expires_in":("9"|-1|99999999999|null)\}}"#
    );
    prop_oneof![
        vec(any::<u8>(), 0..200),
        string_regex(&form).unwrap().prop_map(String::into_bytes),
        string_regex(&json).unwrap().prop_map(String::into_bytes),
        prop_oneof![
            Just("[[[[[[".to_owned()),
            Just("[".repeat(5_000)),
            Just(r#"{"messages":[],"stream":"yes","model":7}"#.to_owned()),
            Just(r#"{"messages":{},"stream":true}"#.to_owned()),
            Just("null".to_owned()),
            Just("\u{feff}{}".to_owned()),
        ]
        .prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn every_request_gets_an_answer_of_the_right_shape(
        method in prop_oneof![Just("POST".to_owned()), Just("GET".to_owned()), Just("HEAD".to_owned()), "[A-Z]{1,8}"],
        host in prop_oneof![3 => proptest::sample::select(&HOSTS[..]).prop_map(str::to_owned), 1 => "\\PC{0,10}"],
        path in prop_oneof![3 => proptest::sample::select(&PATHS[..]).prop_map(str::to_owned), 1 => "/\\PC{0,20}"],
        query in proptest::option::of("[ -~]{0,40}"),
        fields in vec((proptest::sample::select(&FIELDS[..]), value()), 0..5),
        body in body(),
        seconds in -100_000..100_000_i64,
    ) {
        let mut login = None;
        let mut play = play(&mut login);
        let token = login.map(|login| format!("Bearer {}", login.access_token)).unwrap_or_default();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = if value == b"LOGIN" { token.clone().into_bytes() } else { value };
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        let now = Timestamp::from_unix_ms(1_790_000_000_000 + seconds * 1_000);
        let request = Request {
            method: &method, host: &host, path: &path, query: query.as_deref(), headers: &headers, body: &body, now,
        };
        let (Reply::Response(answer), _, seen) = play.reply(&request) else { panic!("nothing here cuts") };
        prop_assert_eq!(seen.status, Some(answer.status));
        prop_assert!((200..600).contains(&answer.status) && answer.header("date").is_some());
        for (_, value) in &answer.headers {
            prop_assert!(HeaderValue::from_str(value).is_ok(), "{value:?}");
        }
        if answer.status >= 400 {
            prop_assert_eq!(answer.header("content-type"), Some("application/json"));
            let body: Value = serde_json::from_slice(&answer.body.bytes()).unwrap();
            let error = &body["error"];
            prop_assert!(error["type"].is_string() && error["message"].is_string() || error.is_string(), "{body}");
        }
    }
}

#[tokio::test]
async fn what_is_not_http_ends_its_own_connection_alone() {
    let (fake, login) = fake(Script::default()).await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(2 << 20));
    let fields: String = (0..2_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let cases: [&[u8]; 9] = [
        b"\0\xff\xfe garbage \r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: many\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nshort",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for garbage in cases {
        let mut stream = TcpStream::connect(fake.plaintext_addr()).await.unwrap();
        // The other side may close before it has read everything.
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "no end of {:?}", &garbage[..20.min(garbage.len())]);
        let refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 4");
        assert!(refused, "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(fake.requests().len(), 0);
    let answer = ask(&fake, message_head(&login, r#"{"messages":[{"role":"user","content":"hi"}]}"#).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

async fn ask(fake: &Fake, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(fake.plaintext_addr()).await.unwrap();
    // A server that has heard enough answers before it has read everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large() {
    let (fake, login) = fake(Script::default()).await;
    let body = "x".repeat(32 * 1024 * 1024 + 1);
    let answer = ask(&fake, message_head(&login, &body).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#""type":"request_too_large""#), "{answer}");
}

#[tokio::test]
async fn each_mistake_of_a_client_has_its_error() {
    let (fake, login) = fake(Script::default()).await;
    let of = |head: String| {
        let fake = &fake;
        async move {
            let answer = ask(fake, head.as_bytes()).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let body: Value = serde_json::from_str(body).unwrap();
            let status = head.split(' ').nth(1).unwrap().to_owned();
            let (kind, message) = (&body["error"]["type"], &body["error"]["message"]);
            format!("{status} {} {}", kind.as_str().unwrap(), message.as_str().unwrap())
        }
    };
    let plain = |line: &str| format!("{line} HTTP/1.1\r\nHost: api.anthropic.com\r\nConnection: close\r\n\r\n");
    let mut told = Vec::new();
    for head in [
        message_head(&login, "{"),
        message_head(&login, "[]"),
        message_head(&login, "{}"),
        message_head(&login, r#"{"messages":"hi"}"#),
        message_head(&login, "\u{0}\u{1}binary"),
        plain("GET /v1/messages"),
        plain("DELETE /v1/models"),
        plain("POST /v1/messages"),
        plain("GET /no/such/path"),
        plain("GET /v1/oauth/token").replace("api.anthropic", "platform.claude"),
        plain("POST /v1/oauth/token").replace("api.anthropic", "platform.claude"),
    ] {
        told.push(of(head).await);
    }
    insta::assert_snapshot!(told.join("\n"));
}
