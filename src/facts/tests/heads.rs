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
