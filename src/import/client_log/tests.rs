use super::{families, read};
use crate::import::ImportError;
use crate::redact::Redactor;
use crate::trace::{
    ClientEventKind as Kind, ClientFailure, ClientLog, ExtraFile, ExtraState, FailureClass, KeptBecause, LockTrouble,
};
use proptest::prelude::*;
use std::io::{BufReader, Read};

const ID: &str = "adfb6487-ec19-4a23-b8e9-096e66c94533";

fn log(text: &str) -> ClientLog {
    read(text.as_bytes(), None, &Redactor::plain()).unwrap()
}

fn kind(text: &str) -> Option<Kind> {
    families::recognise(text, &Redactor::plain())
}

fn failure(text: &str) -> ClientFailure {
    match kind(&format!("Error in API request: {text}")) {
        Some(Kind::GaveUp { failure }) => failure,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_request_names_its_path_its_id_and_its_purpose() {
    let Some(Kind::Request { path, client_id, purpose }) =
        kind(&format!("[API REQUEST] /v1/messages x-client-request-id={ID} source=generate_session_title"))
    else {
        panic!("no request");
    };
    assert_eq!((path.as_str(), client_id.unwrap().as_str()), ("/v1/messages", ID));
    assert_eq!(purpose.unwrap().as_str(), "generate_session_title");
    // Later versions may say less, or more.
    let Some(Kind::Request { client_id, purpose, .. }) = kind("[API REQUEST] /v1/messages source=new_thing more=1")
    else {
        panic!("no request");
    };
    assert_eq!((client_id, purpose), (None, None));
    assert_eq!(kind("[API REQUEST] gzip in blocks switched off (status): none"), None);
}

#[test]
fn failures_are_told_apart() {
    use FailureClass::{Answered, Connection, LoginGone, NoCredential, Other, Untrusted};
    for (text, class, status, code) in [
        (
            r#"401 401 {"type":"error","error":{"type":"authentication_error","message":"x"}}"#,
            Answered,
            Some(401),
            None,
        ),
        (r#"401 {"type":"error","error":{"type":"authentication_error"}} and more"#, Answered, Some(401), None),
        ("502 <html><body>502 Bad Gateway</body></html>", Answered, Some(502), None),
        ("Request failed with status code 400", Answered, Some(400), None),
        (r#"{"error":"invalid_grant","error_description":"x"}"#, Answered, None, None),
        ("undefined Connection error.", Connection, None, None),
        ("read ECONNRESET", Connection, None, Some("ECONNRESET")),
        ("code=ECONNREFUSED, message=no", Connection, None, Some("ECONNREFUSED")),
        ("code=SELF_SIGNED_CERT_IN_CHAIN (SSL error), message=x", Untrusted, None, Some("SELF_SIGNED_CERT_IN_CHAIN")),
        ("unable to verify the first certificate", Untrusted, None, Some("UNABLE_TO_VERIFY_LEAF_SIGNATURE")),
        ("OAuth refresh token is no longer valid; run /login to re-authenticate", LoginGone, None, None),
        ("Could not resolve authentication method. Expected one of apiKey, authToken", NoCredential, None, None),
        ("999 strange", Other, None, None),
        ("", Other, None, None),
    ] {
        let failure = failure(text);
        let code_of = failure.code.as_ref().map(|code| code.as_str());
        assert_eq!((failure.class, failure.status, code_of), (class, status, code), "{text}");
    }
    let refused = failure(
        r#"401 {"type":"error","error":{"type":"authentication_error","message":"Invalid bearer token"},"request_id":"req_011CxyntvB62zsJNXRqTV3qb"}"#,
    );
    assert_eq!(refused.kind.unwrap().as_str(), "authentication_error");
    assert_eq!(refused.message.unwrap().as_str(), "Invalid bearer token");
    assert_eq!(refused.request_id.unwrap().as_str(), "req_011CxyntvB62zsJNXRqTV3qb");
    // A code that a body quotes is not one of the connection.
    assert_eq!(failure(r#"500 {"error":{"message":"read ECONNRESET"}}"#).code, None);
}

#[test]
fn attempts_count_from_what_the_client_says() {
    for (text, expected) in
        [("1/11): 401 x", Some((1, 11))), ("3/3): y", Some((3, 3))), ("x/3): y", None), ("1 of 2: y", None)]
    {
        let found = match kind(&format!("API error (attempt {text}")) {
            Some(Kind::AttemptFailed { attempt, of, .. }) => Some((attempt, of)),
            _ => None,
        };
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn certificates_are_ours_only_out_of_a_folder_of_a_run() {
    for (path, expected) in [
        ("undefined", ExtraFile::None),
        ("/run/user/1000/authtrace-28474-7843067e8527ddac/ca.pem", ExtraFile::Authtrace),
        ("/etc/ssl/company.pem", ExtraFile::Other),
        ("/home/dev/authtrace-notes.pem", ExtraFile::Other),
    ] {
        let Some(Kind::CertificateStores { stores, extra }) =
            kind(&format!("CA certs: stores=bundled,system, extraCertsPath={path}"))
        else {
            panic!("no stores");
        };
        assert_eq!(extra, expected, "{path}");
        assert_eq!(stores.iter().map(|store| store.as_str()).collect::<Vec<_>>(), ["bundled", "system"]);
    }
    assert_eq!(
        kind("CA certs: Failed to read NODE_EXTRA_CA_CERTS file (/x): Error: ENOENT"),
        Some(Kind::ExtraCertificates { state: ExtraState::Unreadable })
    );
    assert_eq!(kind("CA certs: Dropped 4 expired certificate(s) from system store"), None);
}

#[test]
fn rarer_lines_of_the_login() {
    let lock = |trouble| Some(Kind::RenewalLock { trouble });
    assert_eq!(kind("OAuth refresh lock compromised: ECOMPROMISED"), lock(LockTrouble::Compromised));
    assert_eq!(kind("OAuth refresh failed while lock compromised: x"), lock(LockTrouble::Compromised));
    assert_eq!(kind("OAuth refresh legacy-lock acquire failed: x"), lock(LockTrouble::NotAcquired));
    assert_eq!(kind("OAuth refresh new-lock release failed: x"), lock(LockTrouble::NotReleased));
    assert_eq!(kind("OAuth refresh CAS save failed: x"), None);
    assert_eq!(kind("OAuth dead-token disk clear failed: x"), Some(Kind::LoginNotWiped));
    assert_eq!(
        kind("OAuth 401: the login this session is using was refused. … it may be a different account."),
        Some(Kind::RefusedTokenKept { because: KeptBecause::OtherAccount })
    );
    assert_eq!(
        kind("Proxy response (407) !== 200 when HTTP Tunneling"),
        Some(Kind::ProxyTrouble { status: Some(407) })
    );
}

#[test]
fn lines_are_counted_whatever_they_hold() {
    let text = format!(
        "2026-11-20T11:14:02.100Z [DEBUG] [API:auth] OAuth token check starting\n\
         2026-11-20T11:14:02.200Z [ERROR] Something else: sk-ant-oat01-FAKE\n    at a stack trace\n\
         2026-11-20T11:14:02.300Z [DEBUG] unknown session_id={ID}\r\n\
         2026-11-20T11:14:03.000Z [DEBUG] [API:auth] OAuth token check com"
    );
    let log = log(&text);
    assert_eq!((log.lines, log.understood, log.errors_not_understood, log.continued), (5, 1, 1, 1));
    assert_eq!(log.from.unwrap().to_string(), "2026-11-20T11:14:02.100Z");
    assert_eq!(log.to.unwrap().to_string(), "2026-11-20T11:14:03.000Z");
    assert_eq!(log.session.unwrap().as_str(), ID);
    assert_eq!((log.events[0].line, &log.events[0].kind), (1, &Kind::TokenCheckBegun));
}

#[test]
fn the_session_may_be_the_name_of_the_file() {
    let line = "2026-11-20T11:14:02.100Z [DEBUG] x";
    let named = |name| read(line.as_bytes(), Some(name), &Redactor::plain()).unwrap().session;
    assert_eq!(named(&format!("{ID}.txt")).unwrap().as_str(), ID);
    assert_eq!(named("debug.log"), None);
}

#[test]
fn what_is_no_log_is_refused() {
    let redactor = Redactor::plain();
    assert!(matches!(read(&b""[..], None, &redactor), Err(ImportError::Empty)));
    for text in ["{\"log\":{}}", "hello\nworld\n", "2026-11-20 11:14:02 INFO x\n"] {
        assert!(matches!(read(text.as_bytes(), None, &redactor), Err(ImportError::NotClientLog)), "{text}");
    }
}

/// Gives the same piece again and again.
struct Again<'a> {
    piece: &'a [u8],
    at: usize,
    left: usize,
}

impl Read for Again<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len()).min(self.left);
        buffer[..count].copy_from_slice(&rest[..count]);
        self.left -= count;
        self.at = (self.at + count) % self.piece.len();
        Ok(count)
    }
}

#[test]
fn a_hundred_megabytes_pass_by_line_after_line() {
    let long = format!("2026-11-20T11:14:02.200Z [DEBUG] tool result {}\n", "x".repeat(2_000_000));
    let piece =
        format!("2026-11-20T11:14:02.100Z [DEBUG] [API:auth] OAuth token check starting\n{long}\u{1f980} half\n");
    let input = Again { piece: piece.as_bytes(), at: 0, left: 100_000_000 };
    let log = read(BufReader::new(input), None, &Redactor::plain()).unwrap();
    assert_eq!(log.understood, 50);
    assert!((148..=150).contains(&log.lines), "{}", log.lines);
}

#[test]
fn events_are_kept_up_to_a_bound_and_counted_beyond() {
    let piece = b"2026-11-20T11:14:02.100Z [DEBUG] CA certs: Loaded 7 bundled root certificates\n";
    let input = Again { piece, at: 0, left: piece.len() * (super::EVENTS + 3) };
    let log = read(BufReader::new(input), None, &Redactor::plain()).unwrap();
    assert_eq!((log.events.len(), log.left_out), (super::EVENTS, 3));
}

proptest! {
    #[test]
    fn nothing_in_a_log_makes_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..400), begin in "(OAuth |API error \\(attempt |CA certs: |\\[API REQUEST\\] /|Error in API request:)?") {
        let mut text = format!("2026-11-20T11:14:02.100Z [ERROR] {begin}").into_bytes();
        text.extend_from_slice(&bytes);
        let log = read(&text[..], None, &Redactor::plain()).unwrap();
        let breaks = bytes.iter().filter(|byte| **byte == b'\n').count();
        let last_is_empty = bytes.last() == Some(&b'\n');
        prop_assert_eq!(log.lines, (breaks + 1 - usize::from(last_is_empty)) as u64);
    }

    #[test]
    fn an_error_object_is_read_wherever_it_ends(message in "[a-z ]{0,40}", tail in "[ -~]{0,30}") {
        let json = serde_json::json!({"type": "error", "error": {"type": "api_error", "message": message}});
        prop_assert_eq!(failure(&format!("500 {json}{tail}")).kind.unwrap().as_str(), "api_error");
    }
}
