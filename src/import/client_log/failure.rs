//! Why something failed, out of the text of an error.

use crate::redact::{Redacted, Redactor};
use crate::trace::{ClientFailure, FailureClass};
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

/// Codes of Node, Bun and OpenSSL for a certificate that is not trusted, with what their messages say instead.
const UNTRUSTED: &[(&str, &str)] = &[
    ("SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain"),
    ("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"),
    ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate"),
    ("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unable to get local issuer certificate"),
    ("UNABLE_TO_GET_ISSUER_CERT", "unable to get issuer certificate"),
    ("CERT_HAS_EXPIRED", "certificate has expired"),
    ("CERT_NOT_YET_VALID", "certificate is not yet valid"),
    ("ERR_TLS_CERT_ALTNAME_INVALID", "does not match certificate's altnames"),
    ("PERMITTED_VIOLATION", "permitted subtree violation"),
];

/// Codes of a connection that came to nothing.
const CONNECTION: &[&str] = &[
    "ECONNRESET",
    "ECONNREFUSED",
    "ECONNABORTED",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ETIMEDOUT",
    "EPIPE",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ERR_PROXY_TUNNEL",
    "UnsupportedProxyProtocol",
    "ConnectionRefused",
    "ConnectionClosed",
    "FailedToOpenSocket",
    "UND_ERR_ABORTED",
    "UND_ERR_SOCKET",
    "UND_ERR_CONNECT_TIMEOUT",
    "UND_ERR_HEADERS_TIMEOUT",
    "UND_ERR_BODY_TIMEOUT",
    "ERR_BAD_RESPONSE",
];

/// What the client says once it has no login left.
const LOGIN_GONE: [&str; 3] =
    ["refresh token is no longer valid", "session expired and could not be refreshed", "Login expired"];
/// What it says when it never had one.
const NO_CREDENTIAL: [&str; 2] = ["Could not resolve authentication method", "Not logged in"];

/// Reads what stands behind the colon of a line.
pub(super) fn read(text: &str, redactor: &Redactor) -> ClientFailure {
    let text = text.trim_start_matches([':', ' ']);
    let mut failure = body(text, redactor).unwrap_or_default();
    failure.status = status(text);
    failure.code = code(text).map(Redacted::literal);
    failure.class = class(text, &failure);
    failure
}

fn class(text: &str, failure: &ClientFailure) -> FailureClass {
    let untrusted = failure.code.as_ref().is_some_and(|code| UNTRUSTED.iter().any(|(known, _)| *code == *known));
    if failure.status.is_some() || failure.kind.is_some() {
        FailureClass::Answered
    } else if untrusted {
        FailureClass::Untrusted
    } else if LOGIN_GONE.iter().any(|words| text.contains(words)) {
        FailureClass::LoginGone
    } else if NO_CREDENTIAL.iter().any(|words| text.contains(words)) {
        FailureClass::NoCredential
    } else if failure.code.is_some() || text.contains("Connection error") || text.contains("Connection dropped") {
        FailureClass::Connection
    } else {
        FailureClass::Other
    }
}

/// `401 401 {…}`, `Request failed with status code 401`.
fn status(text: &str) -> Option<u16> {
    let front = || text.get(..3).filter(|_| text.as_bytes().get(3).is_none_or(|byte| *byte == b' '));
    let behind = || text.split_once("with status code ").and_then(|(_, rest)| rest.get(..3));
    let status = front().and_then(|digits| digits.parse().ok()).or_else(|| behind()?.parse().ok())?;
    (100..600).contains(&status).then_some(status)
}

fn code(text: &str) -> Option<&'static str> {
    // A body may quote anything: codes stand outside of it.
    let text = text.split('{').next().unwrap_or(text);
    let has_word = |word: &str| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|part| part == word);
    let untrusted =
        || UNTRUSTED.iter().find(|(code, says)| has_word(code) || text.contains(says)).map(|(code, _)| *code);
    untrusted().or_else(|| CONNECTION.iter().copied().find(|code| has_word(code)))
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    error: Option<ErrorField>,
    #[serde(default)]
    request_id: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorField {
    Object {
        #[serde(default, rename = "type")]
        kind: Option<Zeroizing<String>>,
        #[serde(default)]
        message: Option<Zeroizing<String>>,
    },
    /// RFC 6749 §5.2.
    Code(Zeroizing<String>),
    Unknown(IgnoredAny),
}

/// The error object of the API or of a token endpoint; what follows it does not matter.
fn body(text: &str, redactor: &Redactor) -> Option<ClientFailure> {
    let json = text.get(text.find('{')?..)?;
    let body: Body = serde_json::Deserializer::from_str(json).into_iter().next()?.ok()?;
    let mut failure = ClientFailure {
        request_id: body.request_id.filter(|id| !id.is_empty()).map(|id| redactor.request_id(&id)),
        ..ClientFailure::default()
    };
    match body.error {
        Some(ErrorField::Object { kind, message }) => {
            failure.kind = kind.map(|kind| redactor.error_type(&kind));
            failure.message = message.map(|message| redactor.message(&message));
        }
        Some(ErrorField::Code(code)) => failure.kind = Some(redactor.oauth_error(&code)),
        Some(ErrorField::Unknown(_)) | None => {}
    }
    Some(failure)
}
