//! Which errors are recognised, in which forms, and what they are said to speak about.

use super::*;
use crate::trace::{ErrorShape, Tone};

fn api(kind: &str, message: &str) -> String {
    format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":null}}"#)
}

fn bare(kind: &str, message: &str) -> String {
    format!(r#"{{"error":{{"type":"{kind}","message":"{message}"}}}}"#)
}

/// Status, body, shape, type.
fn refusals() -> Vec<(u16, String, ErrorShape, &'static str)> {
    use ErrorShape::{Api, ApiBare, Oauth};
    let auth = |message: &str| (401, api("authentication_error", message), Api, "authentication_error");
    let permission = |message: &str| (403, api("permission_error", message), Api, "permission_error");
    let invalid = |message: &str| (400, api("invalid_request_error", message), Api, "invalid_request_error");
    vec![
        auth("OAuth token has expired. Please obtain a new token or refresh your existing token."),
        auth("OAuth access token has expired. Re-authenticate to continue."),
        auth("Invalid authentication credentials"),
        auth("Invalid bearer token"),
        auth("OAuth access token is invalid."),
        auth("Invalid OAuth token. The provided token was not found or is malformed."),
        auth("OAuth access token has been revoked."),
        auth("invalid x-api-key"),
        auth("OAuth authentication is currently not supported."),
        auth("OAuth authentication is currently not allowed for this organization."),
        auth("Authentication failed"),
        permission("OAuth token has been revoked. Please obtain a new token."),
        permission("OAuth authentication is currently not allowed for this organization."),
        permission("OAuth token does not meet scope requirement user:profile"),
        permission("Your account does not have access to Claude Code. Please run /login."),
        (
            403,
            r#"{"type":"error","error":{"type":"permission_error","message":"Session is not fresh enough to grant elevated access. Sign in again to continue.","details":{"error_code":"session_stale_relogin"}},"request_id":null}"#.to_owned(),
            Api,
            "permission_error",
        ),
        (403, bare("forbidden", "Request not allowed"), ApiBare, "forbidden"),
        invalid("This organization has been disabled."),
        invalid("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."),
        invalid("This credential is only authorized for use with Claude Code and cannot be used for other API requests."),
        (
            400,
            r#"{"error": "invalid_grant", "error_description": "Refresh token not found or invalid"}"#.to_owned(),
            Oauth,
            "invalid_grant",
        ),
    ]
}

/// Status and body of what has nothing to do with authentication.
fn others() -> Vec<(u16, String)> {
    vec![
        (429, bare("rate_limit_error", "Rate limited. Please try again later.")),
        (429, api("rate_limit_error", "This request would exceed your account's rate limit. Please try again later.")),
        (429, api("rate_limit_error", "Extra usage is required for long context requests.")),
        (400, api("invalid_request_error", "Extra usage is required for long context requests.")),
        (529, api("overloaded_error", "Overloaded")),
        (500, api("api_error", "Internal server error")),
        (502, "<html><head><title>502 Bad Gateway</title></head></html>".to_owned()),
        (503, "upstream connect error or disconnect/reset before headers. reset reason: overflow".to_owned()),
        (504, api("timeout_error", "Request timed out")),
        (500, String::new()),
        (404, api("not_found_error", "model: claude-none")),
        (413, api("request_too_large", "Request exceeds the maximum size")),
        (400, api("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")),
        (400, api("invalid_request_error", "messages.0.content: credential fields are not permitted")),
        (
            400,
            api(
                "invalid_request_error",
                "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens",
            ),
        ),
        (400, api("invalid_request_error", "Error")),
    ]
}

#[test]
fn every_refusal_is_recalled_in_every_coding() {
    for (label, encode) in codings().into_iter().chain(mislabelled()) {
        for (status, body, shape, kind) in refusals() {
            let encoded = encode(body.as_bytes());
            for piece in [encoded.len(), 1] {
                let facts = Answer { coding: label, ..Answer::json(status) }.read(&encoded, piece);
                let error = facts.error.unwrap();
                let seen = (error.shape, error.kind.as_ref().map(|kind| kind.as_str()), error.tone);
                assert_eq!(seen, (shape, Some(kind), Tone::Auth), "{label:?} by {piece}: {body}");
                assert!(error.message.is_some());
                assert_eq!(facts.request_id_null, body.contains("request_id"), "{body}");
            }
        }
    }
}

#[test]
fn what_is_not_about_authentication_is_not_said_to_be() {
    for (status, body) in others() {
        let facts = Answer::json(status).read(body.as_bytes(), 5);
        assert_eq!(facts.error.unwrap().tone, Tone::Other, "{status} {body}");
    }
}

#[test]
fn every_form_of_an_error_has_its_shape() {
    use ErrorShape::{Api, ApiBare, Empty, Html, Oauth, OtherJson, Text, Unreadable};
    for (status, body, shape, kind, tone) in [
        (401, "", Empty, None, Tone::Auth),
        (407, "", Empty, None, Tone::Auth),
        (401, " \r\n", Empty, None, Tone::Auth),
        (401, "Unauthorized", Text, None, Tone::Auth),
        (403, "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>", Html, None, Tone::Auth),
        (401, r#"{"error":{"message":"key not valid","code":401}}"#, OtherJson, None, Tone::Auth),
        (
            400,
            r#"{"error":{"message":"bad","type":"invalid_request_error","param":"x","code":null}}"#,
            OtherJson,
            None,
            Tone::Other,
        ),
        (403, r#"{"detail":"Not authenticated"}"#, OtherJson, None, Tone::Auth),
        (422, r#"{"detail":[{"loc":["body"],"msg":"field required","type":"missing"}]}"#, OtherJson, None, Tone::Other),
        (
            401,
            r#"{"message":"Please carry the API secret key in the 'Authorization' field"}"#,
            OtherJson,
            None,
            Tone::Auth,
        ),
        (
            400,
            r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"expired"}"#,
            OtherJson,
            None,
            Tone::Auth,
        ),
        (403, r#"{"message":"The security token included in the request is invalid."}"#, OtherJson, None, Tone::Auth),
        (400, r#"{"error":"invalid_client"}"#, Oauth, Some("invalid_client"), Tone::Auth),
        (401, r#"[{"error":{"code":401,"message":"no","status":"UNAUTHENTICATED"}}]"#, OtherJson, None, Tone::Auth),
        (
            403,
            r#"{"error":{"type":"forbidden","message":"Request not allowed"}}"#,
            ApiBare,
            Some("forbidden"),
            Tone::Auth,
        ),
        (
            401,
            "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"mess\u{0}",
            Api,
            Some("authentication_error"),
            Tone::Auth,
        ),
        (401, "\u{0}\u{1}\u{2}binary", Unreadable, None, Tone::Auth),
        (
            500,
            r#"{"error":{"message":"litellm.AuthenticationError: {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"invalid x-api-key\"}}","code":"500"}}"#,
            OtherJson,
            Some("authentication_error"),
            Tone::Auth,
        ),
        (
            403,
            "<?xml version=\"1.0\"?><Error><Code>ExpiredToken</Code><Message>no</Message></Error>",
            Text,
            None,
            Tone::Auth,
        ),
    ] {
        let error = Answer::json(status).read(body.as_bytes(), 3).error.unwrap();
        assert_eq!((error.shape, error.tone), (shape, tone), "{status} {body}");
        if kind.is_some() {
            assert_eq!(error.kind.as_ref().map(|k| k.as_str()), kind, "{body}");
        }
    }
}

#[test]
fn the_words_of_an_error_are_kept() {
    let body = r#"{"type":"error","error":{"type":"authentication_error","message":"Invalid bearer token"},"request_id":"req_011CFAKEfakeFAKEfake0123"}"#;
    let facts = Answer::json(401).read(body.as_bytes(), 1);
    assert_eq!(facts.error.unwrap().message.unwrap(), "Invalid bearer token");
    assert_eq!(facts.request_id.unwrap(), "req_011CFAKEfakeFAKEfake0123");
    let escaped = r#"{"typ\u0065":"error","error":{"type":"authentic\u0061tion_error","message":"Invalid \u0062earer tok\u0065n"}}"#;
    let error = Answer::json(401).read(escaped.as_bytes(), 1).error.unwrap();
    assert_eq!((error.shape, error.message.unwrap().as_str()), (ErrorShape::Api, "Invalid bearer token"));
    let page = "<HTML><HEAD><TITLE>Access denied &amp; blocked</TITLE>";
    let error = Answer { content_type: "text/html", ..Answer::json(403) }.read(page.as_bytes(), 1).error.unwrap();
    assert_eq!(error.shape, ErrorShape::Html);
    assert_eq!(error.message.unwrap(), "Access denied & blocked");
    let stale = &refusals()[15].1;
    let error = Answer::json(403).read(stale.as_bytes(), 9).error.unwrap();
    assert_eq!(error.code.unwrap(), "session_stale_relogin");
}

#[test]
fn a_body_cut_anywhere_behind_its_type_still_tells_it() {
    let body = api("authentication_error", "Invalid bearer token");
    let known = body.find("\",\"message").unwrap() + 1;
    for end in known..body.len() {
        for (label, encode) in codings() {
            let encoded = encode(&body.as_bytes()[..end]);
            let error =
                Answer { coding: label, complete: false, ..Answer::json(401) }.read(&encoded, 11).error.unwrap();
            assert_eq!(error.kind.unwrap(), "authentication_error", "{label} {end}");
        }
    }
}

#[test]
fn huge_and_bottomless_documents_are_read_as_far_as_they_matter() {
    let start = r#"{"type":"error","error":{"type":"authentication_error","message":"Invalid bearer token"},"x":"#;
    let deep = format!("{start}{}", "[".repeat(100_000));
    let deeper = format!("{start}{}", "{\"a\":".repeat(100_000));
    let long = format!("{start}\"{}\"}}", "y".repeat(3 << 20));
    let deep_first = format!("{{\"x\":{}{},{}", "[".repeat(20_000), "]".repeat(20_000), &start[1..]);
    for body in [deep, deeper, long, deep_first] {
        for (label, encode) in codings() {
            let error =
                Answer { coding: label, ..Answer::json(401) }.read(&encode(body.as_bytes()), 16_384).error.unwrap();
            assert_eq!(error.kind.unwrap(), "authentication_error", "{label}");
        }
    }
}

#[test]
fn invalid_utf_8_does_not_hide_an_error() {
    let mut body = br#"{"type":"error","error":{"type":"authentication_error","message":"Invalid "#.to_vec();
    body.extend_from_slice(b"\xff\xfe\xc3\"}}");
    let error = Answer::json(401).read(&body, 4).error.unwrap();
    assert_eq!(error.kind.unwrap(), "authentication_error");
}

#[test]
fn a_challenge_is_told_by_the_edge_or_the_status() {
    let headers: &[RawField<'_>] = &[(b"content-type", b"text/html"), (b"CF-Mitigated", b"challenge")];
    let page = b"<html><title>Just a moment...</title>";
    let read = |status, headers| {
        let response = ResponseSource { status, version: Version::Http11, headers };
        let mut reader = response_body(Route::Other, &response);
        reader.push(page, 0);
        reader.finish(&redactor(), true).error.unwrap().tone
    };
    assert_eq!(read(429, headers), Tone::Auth);
    assert_eq!(read(403, &headers[..1]), Tone::Auth);
    assert_eq!(read(429, &headers[..1]), Tone::Other);
    assert_eq!(read(502, &headers[..1]), Tone::Other);
}

#[test]
fn answers_that_matter_to_nobody_are_not_read() {
    let response =
        ResponseSource { status: 200, version: Version::Http11, headers: &[(b"content-type", b"application/json")] };
    assert!(!response_body(Route::Messages, &response).wants_data());
    assert!(!response_body(Route::Other, &response).wants_data());
    assert!(response_body(Route::Token, &response).wants_data());
    let mut reader = response_body(Route::Other, &ResponseSource { status: 401, ..response });
    reader.push(&vec![b' '; 64 * 1024], 0);
    assert!(!reader.wants_data(), "enough is enough");
}
