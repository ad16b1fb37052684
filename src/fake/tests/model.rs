use super::motivating_bug;
use crate::fake::*;
use crate::policy::*;
use crate::redact::Kind;
use crate::trace::Timestamp;
use http::HeaderMap;
use serde_json::{Value, json};
use std::time::Duration;

const NOW: i64 = 1_790_000_000_000;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(NOW + seconds * 1000)
}

/// A request to be changed by `with_*` and sent to a play.
pub(super) struct Ask {
    method: &'static str,
    host: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    headers: HeaderMap,
    body: Vec<u8>,
    now: Timestamp,
}

pub(super) fn ask(method: &'static str, host: &'static str, path: &'static str) -> Ask {
    Ask { method, host, path, query: None, headers: HeaderMap::new(), body: Vec::new(), now: at(0) }
}

pub(super) fn message(token: &str) -> Ask {
    ask("POST", "api.anthropic.com", "/v1/messages")
        .with("authorization", &format!("Bearer {token}"))
        .with("anthropic-beta", "claude-code-20250219,oauth-2025-04-20")
        .with_json(&json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]}))
}

pub(super) fn profile(token: &str) -> Ask {
    ask("GET", "api.anthropic.com", "/api/oauth/profile").with("authorization", &format!("Bearer {token}"))
}

pub(super) fn refresh(token: &str) -> Ask {
    token_request(&json!({"grant_type": "refresh_token", "refresh_token": token, "client_id": "c"}))
}

pub(super) fn token_request(body: &Value) -> Ask {
    ask("POST", "platform.claude.com", "/v1/oauth/token").with_json(body)
}

impl Ask {
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    pub(super) fn with_json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.with("content-type", "application/json")
    }

    pub(super) fn asking(mut self, query: &'static str) -> Self {
        self.query = Some(query);
        self
    }

    pub(super) fn at(mut self, seconds: i64) -> Self {
        self.now = at(seconds);
        self
    }

    pub(super) fn to(&self, play: &mut Play) -> (Reply, Duration, Seen) {
        play.reply(&Request {
            method: self.method,
            host: self.host,
            path: self.path,
            query: self.query,
            headers: &self.headers,
            body: &self.body,
            now: self.now,
        })
    }

    pub(super) fn answer(&self, play: &mut Play) -> Response {
        match self.to(play).0 {
            Reply::Response(response) => response,
            Reply::Cut(cut) => panic!("{cut:?} instead of an answer"),
        }
    }

    pub(super) fn status(&self, play: &mut Play) -> u16 {
        self.answer(play).status
    }

    pub(super) fn json(&self, play: &mut Play) -> Value {
        serde_json::from_slice(&self.answer(play).body.bytes()).unwrap()
    }

    pub(super) fn message(&self, play: &mut Play) -> (u16, String) {
        let answer = self.answer(play);
        let body: Value = serde_json::from_slice(&answer.body.bytes()).unwrap();
        (answer.status, body["error"]["message"].as_str().unwrap_or_default().to_owned())
    }
}

pub(super) fn with_login(script: Script) -> (Play, Login) {
    let mut model = Model::new(Seed::fixed(1));
    let login = model.log_in(at(0), 28_800);
    (Play::new(model, script), login)
}

#[test]
fn made_up_credentials_look_like_credentials_and_say_fake() {
    let (mut play, login) = with_login(Script::default());
    let key = play.model().api_key_for_console();
    for (value, prefix) in [
        (&login.access_token, "sk-ant-oat01-FAKE"),
        (&login.refresh_token, "sk-ant-ort01-FAKE"),
        (&key, "sk-ant-api03-FAKE"),
    ] {
        assert!(value.starts_with(prefix));
        assert_eq!(value.len(), 108);
        assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }
    assert_eq!(play.model().issued_values(), [login.access_token, login.refresh_token, key]);
}

#[test]
fn the_seed_decides_every_value() {
    let login = |seed| Model::new(seed).log_in(at(0), 1).access_token;
    assert_eq!(login(Seed::fixed(5)), login(Seed::fixed(5)));
    assert_ne!(login(Seed::fixed(5)), login(Seed::fixed(6)));
    assert_ne!(login(Seed::random().unwrap()), login(Seed::random().unwrap()));
}

#[test]
fn a_refresh_rotates_both_tokens_and_a_reuse_is_an_invalid_grant() {
    let (mut play, login) = with_login(Script::default());
    let first = refresh(&login.refresh_token).json(&mut play);
    let (access, next) = (first["access_token"].as_str().unwrap(), first["refresh_token"].as_str().unwrap());
    assert_ne!(access, login.access_token);
    assert_ne!(next, login.refresh_token);
    assert_eq!(first["expires_in"], 28_800);
    assert_eq!(message(access).status(&mut play), 200);

    let again = refresh(&login.refresh_token).answer(&mut play);
    assert_eq!(again.status, 400);
    assert_eq!(
        again.body.bytes(),
        br#"{"error": "invalid_grant", "error_description": "Refresh token not found or invalid"}"#
    );
    assert_eq!(again.header("request-id"), None);
    assert_eq!(refresh(next).status(&mut play), 200);
}

#[test]
fn without_rotation_the_old_refresh_token_stays_good() {
    let (mut play, login) = with_login(Script::default());
    play.model().set_token_terms(TokenTerms { rotates: false, lifetime: 60, ..TokenTerms::default() });
    for _ in 0..2 {
        let given = refresh(&login.refresh_token).json(&mut play);
        assert_eq!(given.get("refresh_token"), None);
        assert_eq!(given["expires_in"], 60);
    }
}

#[test]
fn a_token_ends_at_its_expiry_to_the_millisecond() {
    let (mut play, login) = with_login(Script::default());
    let mut last = message(&login.access_token);
    last.now = Timestamp::from_unix_ms(NOW + 28_800_000 - 1);
    assert_eq!(last.status(&mut play), 200);
    let answer = message(&login.access_token).at(28_800).answer(&mut play);
    assert_eq!(answer.status, 401);
    let body: Value = serde_json::from_slice(&answer.body.bytes()).unwrap();
    assert_eq!(body["error"]["message"], "OAuth access token has expired. Re-authenticate to continue.");
    assert_eq!(body.get("request_id"), Some(&Value::Null));
    assert_eq!(answer.header("request-id"), None);
}

#[test]
fn a_login_by_code_needs_the_code_once_with_its_state_and_verifier() {
    let (mut play, _) = with_login(Script::default());
    // The pair of RFC 7636 appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let code = play.model().authorize("state-1", Some(challenge), "user:inference");
    let with = |state: &str, verifier: &str| {
        token_request(&json!({"grant_type": "authorization_code", "code": code, "client_id": "c", "state": state,
            "code_verifier": verifier, "redirect_uri": "http://localhost:1/callback", "expires_in": 31_536_000}))
    };
    assert_eq!(with("state-2", verifier).status(&mut play), 400);
    assert_eq!(with("state-1", "another").status(&mut play), 400);
    let given = with("state-1", verifier).json(&mut play);
    assert_eq!(given["expires_in"], 31_536_000);
    assert_eq!(given["scope"], "user:inference");
    assert_eq!(with("state-1", verifier).status(&mut play), 400, "a second use");

    let token = given["access_token"].as_str().unwrap();
    assert_eq!(message(token).status(&mut play), 200);
    assert_eq!(
        profile(token).message(&mut play),
        (403, "OAuth token does not meet scope requirement user:profile".to_owned())
    );
}

#[test]
fn the_token_endpoint_takes_a_form_on_both_hosts_and_refuses_what_it_cannot_read() {
    for host in ["platform.claude.com", "console.anthropic.com"] {
        let (mut play, login) = with_login(Script::default());
        let mut form = ask("POST", host, "/v1/oauth/token").with("content-type", "application/x-www-form-urlencoded");
        form.body =
            format!("grant_type=refresh%5Ftoken&client_id=a+b&refresh_token={}", login.refresh_token).into_bytes();
        assert_eq!(form.status(&mut play), 200);
        for body in ["", "{", "[]", "grant_type", "grant_type=&client_id=c", "%ff=%zz&client_id=c"] {
            form.body = body.as_bytes().to_vec();
            assert_eq!(form.message(&mut play), (400, "Invalid request format".to_owned()), "{body}");
        }
    }
    let (mut play, login) = with_login(Script::default());
    let elsewhere = Ask { host: "api.anthropic.com", ..refresh(&login.refresh_token) };
    assert_eq!(elsewhere.status(&mut play), 404);
}

#[test]
fn revoking_the_refresh_token_ends_the_whole_login_and_no_other() {
    let (mut play, login) = with_login(Script::default());
    let other = play.model().log_in(at(0), 28_800);
    let revoke = ask("POST", "platform.claude.com", "/v1/oauth/token/revoke")
        .with_json(&json!({"token": login.refresh_token, "token_type_hint": "refresh_token", "client_id": "c"}));
    assert_eq!(revoke.status(&mut play), 200);
    assert_eq!(refresh(&login.refresh_token).status(&mut play), 400);
    let refused = message(&login.access_token).message(&mut play);
    assert_eq!(refused, (401, "OAuth access token has been revoked.".to_owned()));
    assert_eq!(message(&other.access_token).status(&mut play), 200);
}

#[test]
fn each_wrong_credential_is_refused_in_the_words_of_the_api() {
    let (mut play, login) = with_login(Script::default());
    let key = play.model().api_key_for_console();
    let bare = || {
        ask("POST", "api.anthropic.com", "/v1/messages")
            .with_json(&json!({"messages": [{"role": "user", "content": "hi"}]}))
    };
    let cases = [
        (bare(), "x-api-key header is required"),
        (bare().with("x-api-key", &login.access_token), "invalid x-api-key"),
        (bare().with("x-api-key", "sk-ant-api03-FAKE-other"), "invalid x-api-key"),
        (bare().with("authorization", &format!("Bearer {key}")), "Invalid bearer token"),
        (bare().with("authorization", "Bearer"), "Invalid bearer token"),
        (bare().with("authorization", &format!("Bearer Bearer {}", login.access_token)), "Invalid bearer token"),
        (
            bare().with("authorization", &format!("Bearer {}", login.access_token)),
            "OAuth authentication is currently not supported.",
        ),
    ];
    for (ask, words) in cases {
        assert_eq!(ask.message(&mut play), (401, words.to_owned()));
    }
    // The same key in both fields, as a key helper is sent.
    let both = bare().with("x-api-key", &key).with("authorization", &format!("Bearer {key}"));
    assert_eq!(both.status(&mut play), 200);
    play.model().refuse(0);
    let refused = profile(&login.access_token).message(&mut play);
    assert_eq!(refused, (401, "Invalid authentication credentials".to_owned()));
}

#[test]
fn strangers_are_taken_only_when_that_is_asked_for_and_never_kept() {
    let stranger = "sk-ant-oat01-FAKE-brought-along";
    let mut strict = Play::new(Model::new(Seed::fixed(1)), Script::default());
    assert_eq!(message(stranger).status(&mut strict), 401);

    let mut open = Play::new(Model::new(Seed::fixed(1)).adopting_strangers(), Script::default());
    assert_eq!(message(stranger).status(&mut open), 200);
    let (_, _, seen) = message(stranger).to(&mut open);
    assert_eq!(seen.credential, Some(Label::Known(CredentialKind::AccessToken, 0)));
    assert_eq!(message("something else").status(&mut open), 401);
    assert!(open.model().issued_values().is_empty());

    assert_eq!(refresh("sk-ant-ort01-FAKE-brought-along").status(&mut open), 200);
    assert_eq!(refresh("sk-ant-ort01-FAKE-brought-along").status(&mut open), 400);
    let next = message(&open.model().issued_values()[0].clone()).to(&mut open).2;
    assert_eq!(next.credential, Some(Label::Known(CredentialKind::AccessToken, 1)));
}

#[test]
fn a_stream_runs_from_message_start_to_message_stop() {
    let (mut play, login) = with_login(Script::default());
    let answer = message(&login.access_token).answer(&mut play);
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert!(answer.header("request-id").unwrap().starts_with("req_011C"));
    assert_eq!(answer.header("anthropic-ratelimit-unified-status"), Some("allowed"));
    assert_eq!(answer.header("date"), Some("Mon, 21 Sep 2026 14:13:20 GMT"));
    let text = String::from_utf8(answer.body.bytes()).unwrap();
    let (mut names, mut said) = (Vec::new(), String::new());
    for event in text.split_terminator("\n\n") {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"], name);
        said.push_str(data["delta"]["text"].as_str().unwrap_or_default());
        names.push(name.to_owned());
    }
    names.dedup();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert_eq!(said, "Hello from the fake.");
}

#[test]
fn rules_apply_in_order_each_as_often_as_it_says() {
    let error = |status| Then::Error(ApiError::new(status, "api_error", "x"));
    let script = Script {
        rules: vec![
            Rule { skip: 1, times: Some(2), ..Rule::always(When::path("/v1/messages"), error(500)) },
            Rule::once(When::path("/v1/messages"), error(529)),
            Rule::always(When { credential: Some(Kind::ApiKey), ..When::default() }, error(403)),
            Rule::always(When::grant(Grant::RefreshToken), Then::Token(TokenOutcome::InvalidGrant)),
        ],
    };
    let (mut play, login) = with_login(script);
    let got: Vec<_> = (0..5).map(|_| message(&login.access_token).to(&mut play).2).collect();
    let got: Vec<_> = got.iter().map(|seen| (seen.status.unwrap(), seen.rule)).collect();
    assert_eq!(got, [(529, Some(1)), (500, Some(0)), (500, Some(0)), (200, None), (200, None)]);
    let keyed = ask("GET", "api.anthropic.com", "/").with("x-api-key", "sk-ant-api03-FAKE");
    assert_eq!(keyed.status(&mut play), 403);
    let refused = refresh(&login.refresh_token).to(&mut play).2;
    assert_eq!((refused.status, refused.rule, refused.grant), (Some(400), Some(3), Some(Grant::RefreshToken)));
    assert_eq!(refused.body_credential, Some(Label::Known(CredentialKind::RefreshToken, 0)));
}

#[test]
fn a_lost_refresh_has_rotated_the_token_all_the_same() {
    let lost = Then::Token(TokenOutcome::Lost(Cut::Reset));
    let (mut play, login) = with_login(Script { rules: vec![Rule::once(When::grant(Grant::RefreshToken), lost)] });
    let (reply, _, seen) = refresh(&login.refresh_token).to(&mut play);
    assert_eq!((reply, seen.status), (Reply::Cut(Cut::Reset), None));
    assert_eq!(refresh(&login.refresh_token).status(&mut play), 400);
}

#[test]
fn tokens_granted_on_special_terms_are_so_once() {
    let terms = TokenTerms { refused: true, lifetime: 900, ..TokenTerms::default() };
    let then = Then::Token(TokenOutcome::Granted(terms));
    let (mut play, login) = with_login(Script { rules: vec![Rule::once(When::grant(Grant::RefreshToken), then)] });
    let first = refresh(&login.refresh_token).json(&mut play);
    assert_eq!(first["expires_in"], 900);
    assert_eq!(message(first["access_token"].as_str().unwrap()).status(&mut play), 401);
    let second = refresh(first["refresh_token"].as_str().unwrap()).json(&mut play);
    assert_eq!(second["expires_in"], 28_800);
    assert_eq!(message(second["access_token"].as_str().unwrap()).status(&mut play), 200);
}

#[test]
fn what_is_accepted_is_served_whatever_it_brings() {
    let (mut play, login) = with_login(Script { rules: vec![Rule::always(When::default(), Then::Accept)] });
    play.model().log_out_everywhere();
    play.model().set_outage(Some(crate::fake::Outage { status: 503 }));
    assert_eq!(message(&login.access_token).status(&mut play), 200);
    assert_eq!(message("sk-ant-oat01-FAKE-of-nobody").status(&mut play), 200);
    for token in [login.refresh_token.as_str(), "sk-ant-ort01-FAKE-of-nobody"] {
        let granted = refresh(token).json(&mut play);
        assert!(granted["refresh_token"].as_str().is_some_and(|new| new != token), "{granted}");
    }
}

#[test]
fn error_bodies_take_every_shape() {
    let base = || ApiError::new(403, "forbidden", "Request not allowed");
    let cases = [
        (
            base().with_envelope(Envelope::Untyped).with_request_id(RequestIdShape::Missing),
            json!({"error": {"type": "forbidden", "message": "Request not allowed"}}),
        ),
        (
            base().with_request_id(RequestIdShape::Null),
            json!({"type": "error", "error": {"type": "forbidden", "message": "Request not allowed"}, "request_id": null}),
        ),
    ];
    for (error, wanted) in cases {
        let (mut play, login) = with_login(Script { rules: vec![Rule::always(When::default(), Then::Error(error))] });
        let answer = message(&login.access_token).answer(&mut play);
        assert_eq!(serde_json::from_slice::<Value>(&answer.body.bytes()).unwrap(), wanted);
        assert_eq!(answer.header("request-id"), None);
    }
    let (mut play, login) = with_login(Script { rules: vec![Rule::always(When::default(), Then::Error(base()))] });
    let answer = message(&login.access_token).answer(&mut play);
    let body: Value = serde_json::from_slice(&answer.body.bytes()).unwrap();
    assert_eq!(body["request_id"].as_str(), answer.header("request-id"));
    assert!(body["request_id"].is_string());
}

#[test]
fn an_edge_page_carries_no_request_id() {
    let page = HtmlPage { status: 403, title: "Just a moment...".to_owned(), challenge: true };
    let (mut play, login) = with_login(Script { rules: vec![Rule::always(When::default(), Then::Html(page))] });
    let answer = message(&login.access_token).answer(&mut play);
    assert_eq!((answer.status, answer.header("cf-mitigated")), (403, Some("challenge")));
    assert_eq!(answer.header("request-id"), None);
    assert!(String::from_utf8(answer.body.bytes()).unwrap().contains("<title>Just a moment...</title>"));
}

#[test]
fn the_motivating_bug_refuses_fresh_tokens_and_lets_the_profile_by() {
    let (mut play, login) = with_login(motivating_bug());
    assert_eq!(profile(&login.access_token).status(&mut play), 200);
    assert_eq!(message(&login.access_token).status(&mut play), 401);
    let given = refresh(&login.refresh_token).json(&mut play);
    let fresh = given["access_token"].as_str().unwrap();
    assert_eq!(profile(fresh).status(&mut play), 200);
    let (status, words) = message(fresh).message(&mut play);
    assert_eq!((status, words.as_str()), (401, "Invalid authentication credentials"));
}
