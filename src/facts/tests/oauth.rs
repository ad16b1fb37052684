//! Token endpoints.

use super::*;
use crate::redact::Kind;
use crate::trace::Credential;

const REFRESH: &str =
    "sk-ant-ort01-FAKEfakeFAKEfake-refresh-0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ-abcdefghijklmn-FAKE0000000";
const ACCESS: &str =
    "sk-ant-oat01-FAKEfakeFAKEfake-access-00123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ-abcdefghijklmn-FAKE0000000";
const CLIENT: &str = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";

fn places(credentials: &[Credential]) -> Vec<(&str, Kind)> {
    credentials.iter().map(|found| (found.place.as_str(), found.credential.kind)).collect()
}

#[test]
fn a_refresh_is_read_as_json_and_as_a_form() {
    let json = format!(
        r#"{{"grant_type":"refresh_token","refresh_token":"{REFRESH}","client_id":"{CLIENT}","scope":"user:profile user:inference"}}"#
    );
    let form = format!(
        "grant_type=refresh_token&refresh_token={REFRESH}&client_id={CLIENT}&scope=user%3Aprofile+user%3Ainference"
    );
    let camel = format!(
        r#"{{"grantType":"refresh_token","refreshToken":"{REFRESH}","clientId":"{CLIENT}","scopes":["user:profile","user:inference"]}}"#
    );
    let read = asked("/v1/oauth/token", "application/json", json.as_bytes());
    let oauth = read.oauth.as_ref().unwrap();
    assert_eq!(oauth.grant_type.as_ref().unwrap(), &"refresh_token");
    assert_eq!(oauth.client_id.as_ref().unwrap(), &CLIENT);
    assert_eq!(oauth.scope_requested.as_ref().unwrap(), &"user:profile user:inference");
    assert_eq!(places(&read.credentials), [("body.refresh_token", Kind::OauthRefresh)]);
    assert_eq!(asked("/oauth/token", "application/x-www-form-urlencoded", form.as_bytes()), read);
    assert_eq!(asked("/token", "text/plain", camel.as_bytes()), read);
}

#[test]
fn a_pasted_code_is_two_values() {
    let body = r##"{"grant_type":"authorization_code","code":"FAKEcode0123456789abcdef#FAKEstate0123456789abcdef","redirect_uri":"http://localhost:1/callback","code_verifier":"FAKEverifier0123456789abcdefghijklmnopqrstuv","state":"FAKEstate0123456789abcdef"}"##;
    let read = asked("/v1/oauth/token", "application/json", body.as_bytes());
    assert_eq!(
        places(&read.credentials),
        [("body.code", Kind::OauthCode), ("body.state", Kind::State), ("body.code_verifier", Kind::PkceVerifier)]
    );
}

#[test]
fn what_is_issued_is_read_whatever_the_coding() {
    let body = format!(
        r#"{{"token_type":"Bearer","access_token":"{ACCESS}","expires_in":28800,"refresh_token":"{REFRESH}","scope":"user:inference user:profile","organization":{{"uuid":"0f8fad5b-d9cb-469f-a165-70867728950e"}},"account":{{"email_address":"fake@example.com"}}}}"#
    );
    for (coding, encode) in codings() {
        let facts =
            Answer { target: "/v1/oauth/token", coding, ..Answer::json(200) }.read(&encode(body.as_bytes()), 13);
        let oauth = facts.oauth.unwrap();
        assert_eq!(oauth.expires_in, Some(28_800), "{coding}");
        assert_eq!(oauth.token_type.unwrap(), "Bearer");
        assert_eq!(oauth.scope_granted.unwrap(), "user:inference user:profile");
        assert_eq!(
            places(&oauth.issued),
            [("body.access_token", Kind::OauthAccess), ("body.refresh_token", Kind::OauthRefresh)]
        );
        assert_eq!(facts.error, None);
    }
}

#[test]
fn keys_codes_and_revocations() {
    let key = r#"{"raw_key":"sk-ant-api03-FAKEfakeFAKEfake0123456789FAKEfakeFAKEfake0123456789FAKEfakeFAKEfake0123456789FAKE-FAKEAA"}"#;
    let facts = Answer { target: "/api/oauth/claude_cli/create_api_key", ..Answer::json(200) }.read(key.as_bytes(), 5);
    assert_eq!(places(&facts.oauth.unwrap().issued), [("body.raw_key", Kind::ApiKey)]);
    let redirect = r#"{"redirect_uri":"https:\/\/platform.claude.com\/oauth\/code\/callback?code=FAKEcode0123456789&state=FAKEstate%2D0123"}"#;
    let facts = Answer { target: "/v1/oauth/x/authorize", ..Answer::json(200) }.read(redirect.as_bytes(), 5);
    assert_eq!(places(&facts.oauth.unwrap().issued), [("body.code", Kind::OauthCode), ("body.state", Kind::State)]);
    let revoke = format!(r#"{{"token":"{REFRESH}","token_type_hint":"refresh_token","client_id":"{CLIENT}"}}"#);
    let read = asked("/v1/oauth/token/revoke", "application/json", revoke.as_bytes());
    assert_eq!(places(&read.credentials), [("body.token", Kind::OauthRefresh)]);
    assert_eq!(read.oauth.unwrap().token_type.unwrap(), "refresh_token");
}

#[test]
fn other_bodies_are_not_looked_at() {
    let body = format!(r#"{{"refresh_token":"{REFRESH}"}}"#);
    assert_eq!(asked("/v1/messages", "application/json", body.as_bytes()), BodyFacts::default());
    let facts = Answer { target: "/api/oauth/profile", ..Answer::json(200) }.read(body.as_bytes(), 5);
    assert_eq!(facts, BodyFacts::default());
}

#[test]
fn a_refused_grant_is_an_error_with_any_status() {
    let body = br#"{"error":"invalid_grant","error_description":"Refresh token not found or invalid"}"#;
    for status in [200, 400, 401, 500] {
        let facts = Answer { target: "/v1/oauth/token", ..Answer::json(status) }.read(body, 5);
        let error = facts.error.unwrap();
        assert_eq!(error.kind.as_ref().unwrap(), &"invalid_grant");
        assert!(error.is_auth());
    }
    let rejected = br#"{"type":"error","error":{"type":"invalid_request_error","message":"Invalid request format"}}"#;
    let facts = Answer { target: "/v1/oauth/token", ..Answer::json(400) }.read(rejected, 5);
    assert!(facts.error.unwrap().is_auth());
}

#[test]
fn asked_and_answered_become_one() {
    let asked = asked("/v1/oauth/token", "application/json", br#"{"grant_type":"refresh_token"}"#).oauth;
    let answer = Answer { target: "/v1/oauth/token", ..Answer::json(200) };
    let answered = answer.read(br#"{"expires_in":"3600.5","token_type":"bearer"}"#, 9).oauth;
    let merged = merge_oauth(asked.clone(), answered).unwrap();
    assert_eq!(merged.grant_type, asked.as_ref().unwrap().grant_type);
    assert_eq!(merged.expires_in, Some(3_600));
    assert_eq!(merge_oauth(asked.clone(), None), asked);
    assert_eq!(merge_oauth(None, None), None);
}

#[test]
fn only_fingerprints_tell_two_secrets_apart() {
    let body = |access: &str| format!(r#"{{"access_token":"{access}","expires_in":1,"scope":"user:inference"}}"#);
    let answer = Answer { target: "/v1/oauth/token", ..Answer::json(200) };
    let one = answer.read(body(ACCESS).as_bytes(), 7);
    let two = answer.read(body(&ACCESS.replace("-access-", "-ACCESS-")).as_bytes(), 7);
    assert_ne!(one, two);
    let (mut one, mut two) = (one.oauth.unwrap(), two.oauth.unwrap());
    for facts in [&mut one, &mut two] {
        facts.issued[0].credential.fp = crate::redact::Fingerprint::parse("00000000").unwrap();
    }
    assert_eq!(one, two);
}

#[test]
fn a_value_that_is_cut_off_is_no_credential() {
    let body = format!(r#"{{"expires_in":60,"access_token":"{}"#, &ACCESS[..60]);
    let facts = Answer { target: "/v1/oauth/token", complete: false, ..Answer::json(200) }.read(body.as_bytes(), 7);
    let oauth = facts.oauth.unwrap();
    assert_eq!((oauth.expires_in, oauth.issued.len()), (Some(60), 0));
}

#[test]
fn the_code_of_an_error_is_not_issued() {
    for (status, body) in [
        (400, r#"{"error":{"message":"no","code":"invalid_request_body"}}"#),
        (401, r#"{"code":"token_expired","message":"no","state":"failed-FAKE"}"#),
        (200, r#"{"code":0,"token":null}"#),
        (403, "<html><a href=\"/x?a=1&code=FAKEFAKEFAKE&state=FAKEFAKE\">"),
    ] {
        let facts = Answer { target: "/v1/oauth/token", ..Answer::json(status) }.read(body.as_bytes(), 7);
        assert_eq!(facts.oauth, None, "{body}");
    }
}
