//! Heads.

use super::*;
use std::sync::Arc;

const TOKEN: &str =
    "Bearer sk-ant-oat01-FAKEfakeFAKEfake-access-00123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ-abcdefghijklmn-FAKE0000000";

fn request<'a>(headers: &'a [RawField<'a>]) -> RequestSource<'a> {
    RequestSource {
        method: b"POST",
        scheme: Scheme::Https,
        host: "api.anthropic.com",
        port: 443,
        target: b"/v1/messages?beta=true",
        version: Version::Http11,
        headers,
    }
}

#[test]
fn a_head_becomes_facts_without_its_credential() {
    let headers: &[RawField<'_>] = &[
        (b"Accept", b"application/json"),
        (b"Authorization", TOKEN.as_bytes()),
        (b"x-client-request-id", b"0f8fad5b-d9cb-469f-a165-70867728950e"),
    ];
    let facts = Extractor::new(Arc::new(redactor())).request(&request(headers));
    assert_eq!(facts.request.method, "POST");
    assert_eq!(facts.request.host, "api.anthropic.com");
    assert_eq!(facts.request.version, "HTTP/1.1");
    assert_eq!(facts.request.headers.len(), 3);
    assert_eq!(facts.credentials.len(), 1);
    assert_eq!(facts.credentials[0].place, "authorization");
    assert_eq!(facts.client_request_id.as_ref().unwrap(), &"0f8fad5b-d9cb-469f-a165-70867728950e");
    assert!(!format!("{facts:?}").contains("FAKE"));
}

#[test]
fn repeated_heads_give_what_fresh_ones_give() {
    let redactor = Arc::new(redactor());
    let mut kept = Extractor::new(Arc::clone(&redactor));
    for round in 0..200_u32 {
        let id = format!("0f8fad5b-d9cb-469f-a165-{round:012x}");
        let length = (round % 7).to_string();
        let key = format!("sk-ant-api03-FAKE{round:091}");
        let mut headers: Vec<RawField<'_>> = vec![
            (b"Accept", b"application/json"),
            (b"Authorization", TOKEN.as_bytes()),
            (b"X-Client-Request-Id", id.as_bytes()),
            (b"content-length", length.as_bytes()),
            (b"cookie", b"a=FAKEFAKE"),
            (b"cookie", b"b=FAKEFAKE"),
        ];
        if round % 3 == 0 {
            headers.swap(0, 3);
            headers.push((b"x-api-key", key.as_bytes()));
        }
        let seen = kept.request(&request(&headers));
        let fresh = Extractor::new(Arc::clone(&redactor)).request(&request(&headers));
        assert_eq!(seen.request, fresh.request);
        assert_eq!(seen.credentials, fresh.credentials);
        assert_eq!(seen.client_request_id, fresh.client_request_id);
    }
}

/// A key made of words.
fn phrase() -> String {
    ["FAKE", "velvet", "harbor", "monkey", "lantern"].join(" ")
}

#[test]
fn what_is_in_use_is_not_forgotten() {
    let redactor = Arc::new(redactor());
    let mut kept = Extractor::new(Arc::clone(&redactor));
    let key = phrase();
    let headers: &[RawField<'_>] = &[(b"x-api-key", key.as_bytes())];
    let source = RequestSource { target: b"/v1/messages?state=FAKE-state-0a1b2c3d4e5f", ..request(headers) };
    for round in 0..10_u32 {
        kept.request(&source);
        for other in 0..1000_u32 {
            redactor.learn(format!("FAKE{:08x}", (round * 1000 + other).wrapping_mul(2_654_435_761)).as_bytes());
        }
    }
    let said = redactor.message(&key);
    assert!(!said.as_str().contains("monkey"), "{said}");
    assert_eq!(redactor.seal("FAKE-state-0a1b2c3d4e5f".to_owned()).hits(), 1);
}

#[test]
fn an_answer_makes_nothing_forgotten_that_its_request_holds() {
    let redactor = Arc::new(redactor());
    let mut extractor = Extractor::new(Arc::clone(&redactor));
    extractor.request(&request(&[(b"x-api-key", phrase().as_bytes())]));
    let cookie = |n: u64| {
        let random =
            (0..480).map(|word: u64| format!("{:016x}", (n * 480 + word + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        format!("a={}", random.collect::<String>()).into_bytes()
    };
    let cookies: Vec<_> = (0..30).map(cookie).collect();
    let headers: Vec<RawField<'_>> = cookies.iter().map(|cookie| (&b"set-cookie"[..], &cookie[..])).collect();
    let before = redactor.memory();
    extractor.response(&ResponseSource { status: 401, version: Version::Http11, headers: &headers });
    assert!(redactor.memory() >= before + 2, "the answer fills its own room");
    let said = redactor.message(&phrase());
    assert!(!said.as_str().contains("monkey"), "{said}");
}

#[test]
fn ids_are_taken_from_the_answer() {
    let headers: &[RawField<'_>] = &[
        (b"x-request-id", b"req_011CFAKEfakeFAKEfake9999"),
        (b"Request-Id", b"req_011CFAKEfakeFAKEfake0123"),
        (b"cf-ray", b"8c0000000000abcd-FRA"),
    ];
    let source = ResponseSource { status: 401, version: Version::Http2, headers };
    let facts = Extractor::new(Arc::new(redactor())).response(&source);
    assert_eq!(facts.ids.header.unwrap(), "req_011CFAKEfakeFAKEfake0123");
    assert_eq!(facts.ids.edge.unwrap(), "8c0000000000abcd-FRA");
    assert_eq!((facts.response.status, facts.response.version.as_str()), (401, "HTTP/2"));
}

#[test]
fn unknown_methods_are_not_shown() {
    let facts = Extractor::new(Arc::new(redactor())).request(&RequestSource { method: b"FAKESECRET", ..request(&[]) });
    assert!(!facts.request.method.as_str().contains("FAKE"));
}
