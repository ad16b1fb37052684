//! What the server is like, and what becomes of it.

use super::model::{ask, at, message, profile, refresh, token_request, with_login};
use crate::fake::*;
use crate::policy::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;

fn in_the_words_of(wording: Wording) -> (Play, Login) {
    let mut model =
        Model::new(Seed::fixed(1)).with_circumstances(Circumstances { wording, ..Circumstances::default() });
    let login = model.log_in(at(0), 60);
    (Play::new(model, Script::default()), login)
}

#[test]
fn each_time_has_its_sentences() {
    for (wording, expired, revoked) in [
        (Wording::Year2025, (401, "OAuth token has expired."), (403, "OAuth token has been revoked.")),
        (Wording::Summer2026, (401, "OAuth access token has expired."), (401, "OAuth access token has been revoked.")),
    ] {
        let (mut play, login) = in_the_words_of(wording);
        assert_eq!(message(&login.access_token).status(&mut play), 200);
        let (status, text) = message(&login.access_token).at(61).message(&mut play);
        assert!((status, text.starts_with(expired.1)) == (expired.0, true), "{status} {text}");
        play.model().revoke_all();
        let (status, text) = message(&login.access_token).message(&mut play);
        assert!((status, text.starts_with(revoked.1)) == (revoked.0, true), "{status} {text}");
    }
}

#[test]
fn an_organisation_bars_messages_and_nothing_else() {
    let (mut play, login) = with_login(Script::default());
    let key = play.model().api_key_for_console();
    let with_key = || {
        ask("POST", "api.anthropic.com", "/v1/messages")
            .with("x-api-key", &key)
            .with_json(&json!({"messages": [{"role": "user", "content": "hi"}]}))
    };
    for (organization, with_token, of_key) in [
        (Organization::Active, 200, 200),
        (Organization::Disabled, 400, 400),
        (Organization::OauthNotAllowed, 403, 200),
        (Organization::NoCredit, 200, 400),
    ] {
        play.model().set_organization(organization);
        assert_eq!(message(&login.access_token).status(&mut play), with_token, "{organization:?}");
        assert_eq!(with_key().status(&mut play), of_key, "{organization:?}");
        assert_eq!(profile(&login.access_token).status(&mut play), 200);
    }
}

#[test]
fn a_spent_refresh_token_may_end_its_whole_family() {
    for (reuse, after) in [(Reuse::Refused, 200), (Reuse::RevokesFamily, 400)] {
        let mut model =
            Model::new(Seed::fixed(1)).with_circumstances(Circumstances { reuse, ..Circumstances::default() });
        let (first, other) = (model.log_in(at(0), 60), model.log_in(at(0), 60));
        let mut play = Play::new(model, Script::default());
        let next = refresh(&first.refresh_token).json(&mut play);
        assert_eq!(refresh(&first.refresh_token).status(&mut play), 400);
        assert_eq!(refresh(next["refresh_token"].as_str().unwrap()).status(&mut play), after);
        assert_eq!(refresh(&other.refresh_token).status(&mut play), 200, "another login");
    }
}

#[test]
fn a_setup_token_is_good_for_messages_and_for_a_year() {
    let (mut play, _) = with_login(Script::default());
    let token = play.model().setup_token(at(0));
    assert_eq!(message(&token).at(364 * 24 * 3600).status(&mut play), 200);
    assert_eq!(message(&token).at(366 * 24 * 3600).status(&mut play), 401);
    let (status, text) = profile(&token).message(&mut play);
    assert!(status == 403 && text.contains("user:profile"), "{status} {text}");
}

#[test]
fn a_login_goes_from_the_page_to_the_tokens() {
    let (mut play, _) = with_login(Script::default());
    let verifier = "FAKE-verifier-of-a-login";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let page = |query: String| {
        let query: &'static str = query.leak();
        ask("GET", "claude.com", "/cai/oauth/authorize").asking(query)
    };
    let good = format!(
        "code=true&client_id=c&response_type=code&redirect_uri=http%3A%2F%2Flocalhost%3A4711%2Fcallback\
         &scope=user%3Ainference+user%3Aprofile&code_challenge={challenge}&code_challenge_method=S256&state=s%2B1"
    );
    let answer = page(good.clone()).answer(&mut play);
    let target = answer.header("location").unwrap();
    let (code, state) =
        target.strip_prefix("http://localhost:4711/callback?code=").unwrap().split_once("&state=").unwrap();
    assert_eq!((answer.status, state), (302, "s%2B1"));
    let exchange = |code: &str, state: &str| {
        token_request(&json!({"grant_type": "authorization_code", "code": code, "state": state, "client_id": "c",
            "code_verifier": verifier, "redirect_uri": "http://localhost:4711/callback"}))
    };
    assert_eq!(exchange(code, "another").status(&mut play), 400);
    let tokens = exchange(code, "s+1").json(&mut play);
    assert_eq!(tokens["scope"], "user:inference user:profile");
    assert_eq!(message(tokens["access_token"].as_str().unwrap()).status(&mut play), 200);
    assert_eq!(exchange(code, "s+1").status(&mut play), 400, "a code works once");

    for (part, bad) in
        [("state=s%2B1", "state="), ("S256", "plain"), ("localhost", "elsewhere.example"), ("client_id=c&", "")]
    {
        assert_eq!(page(good.replace(part, bad)).status(&mut play), 400, "{bad}");
    }
}

#[test]
fn events_come_with_time_and_with_requests() {
    let (play, login) = with_login(Script::default());
    let outage = |status| Change::Outage(Some(Outage { status }));
    let mut play = play.with_events(vec![
        Event { at: Moment::Elapsed(Duration::from_secs(60)), change: outage(503) },
        Event { at: Moment::Elapsed(Duration::from_secs(120)), change: Change::Outage(None) },
        Event { at: Moment::Requests { path: PathPattern::parse("/v1/messages"), count: 5 }, change: Change::Revoke },
    ]);
    let statuses: Vec<u16> =
        [0, 59, 61, 119, 121, 122].map(|second| message(&login.access_token).at(second).status(&mut play)).to_vec();
    assert_eq!(statuses, [200, 200, 503, 503, 200, 401]);
}

#[test]
fn a_renewal_elsewhere_spends_the_refresh_token() {
    let (mut play, login) = with_login(Script::default());
    play.model().renew_elsewhere(at(0));
    assert_eq!(message(&login.access_token).status(&mut play), 200);
    assert_eq!(refresh(&login.refresh_token).status(&mut play), 400);
}
