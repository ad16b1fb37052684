//! Why there is no answer, in the words of this program: other tools spell the same causes in many ways.

use super::json::Json;
use crate::redact::Redacted;
use crate::trace::{End, EndKind, Stage};

/// A cause: how it is spelled (part of the text, in capitals), what it is, and a sentence for people.
struct Cause {
    spelled: &'static [&'static str],
    kind: EndKind,
    sentence: &'static str,
}

const fn cause(kind: EndKind, sentence: &'static str, spelled: &'static [&'static str]) -> Cause {
    Cause { spelled, kind, sentence }
}

/// What the client says when it does not accept a certificate.
const DISTRUST: &str = "the client did not accept the certificate that it was shown";

/// The first that fits counts. The names are those of Node, undici, Chrome (`net::ERR_…`), Firefox (`NS_ERROR_…`),
/// Python and the C library.
const CAUSES: &[Cause] = &[
    cause(
        EndKind::NotSent,
        "the client held the request back itself",
        &["BLOCKED_BY", "ERR_BLOCKED", "MIXED_CONTENT", "CORS", "CSP", "NS_ERROR_DOM_BAD_URI"],
    ),
    cause(
        EndKind::TlsFailed,
        DISTRUST,
        &[
            "SELF_SIGNED",
            "SELF SIGNED",
            "UNABLE_TO_GET_ISSUER",
            "UNABLE TO GET",
            "UNABLE_TO_VERIFY",
            "UNABLE TO VERIFY",
            "ERR_CERT_",
            "CERT_HAS_EXPIRED",
            "ERR_TLS_CERT",
            "CERTIFICATE",
            "UNKNOWN_ISSUER",
            "UNKNOWN_CA",
            "DEPTH_ZERO",
            "SEC_ERROR",
        ],
    ),
    cause(EndKind::TlsFailed, "the TLS handshake failed", &["SSL", "TLS", "EPROTO"]),
    cause(
        EndKind::NotResolved,
        "the name of the server could not be resolved",
        &["ENOTFOUND", "EAI_", "NAME_NOT_RESOLVED", "UNKNOWN_HOST", "UNKNOWNHOST", "GETADDRINFO", "NOT KNOWN", "DNS"],
    ),
    cause(
        EndKind::NotConnected,
        "the proxy on the way could not be reached, or it refused the tunnel",
        &["ERR_PROXY", "TUNNEL_CONNECTION", "NS_ERROR_PROXY"],
    ),
    cause(EndKind::NotConnected, "the server refused the connection", &["REFUSED", "CONNECT CALL FAILED"]),
    cause(
        EndKind::NotConnected,
        "there was no way to the server: the network was down or unreachable",
        &["UNREACH", "ENETDOWN", "EHOSTDOWN", "NO ROUTE", "INTERNET_DISCONNECTED", "NS_ERROR_OFFLINE"],
    ),
    cause(
        EndKind::NotConnected,
        "the connection timed out",
        &["ETIMEDOUT", "CONNECTION_TIMED_OUT", "CONNECT_TIMEOUT", "CONNECT TIMEOUT", "NS_ERROR_NET_TIMEOUT"],
    ),
    cause(
        EndKind::UpstreamReset,
        "the network changed or was suspended under way",
        &["NETWORK_CHANGED", "NETWORK_IO_SUSPENDED", "NS_ERROR_NETWORK_LINK"],
    ),
    cause(
        EndKind::TimedOut,
        "no answer came while the client waited",
        &["TIMEOUT", "TIMED_OUT", "TIMED OUT", "TIMEDOUT", "ECONNABORTED"],
    ),
    cause(
        EndKind::UpstreamReset,
        "the connection was reset",
        &["ECONNRESET", "CONNECTION_RESET", "CONNECTION RESET", "NET_RESET", "EPIPE", "BROKEN PIPE"],
    ),
    cause(
        EndKind::UpstreamClosed,
        "the connection was closed before the answer was complete",
        &[
            "EMPTY_RESPONSE",
            "CONNECTION_CLOSED",
            "CONNECTION CLOSED",
            "HANG UP",
            "SERVER DISCONNECTED",
            "OTHER SIDE CLOSED",
            "CONNECTION_ABORTED",
            "INCOMPLETE",
            "CONTENT_LENGTH_MISMATCH",
            "UND_ERR_SOCKET",
            "EOF",
            "NS_ERROR_NET_INTERRUPT",
            "NS_ERROR_NET_PARTIAL",
        ],
    ),
    cause(
        EndKind::UpstreamProtocol,
        "the answer broke the rules of HTTP",
        &["HTTP2", "QUIC", "INVALID_RESPONSE", "INVALID_HTTP", "HPE_", "PROTOCOL_ERROR", "PARSE ERROR", "DECODING"],
    ),
    cause(EndKind::ClientAbort, "the client broke off", &["ABORT", "CANCEL", "CLIENT DISCONNECTED", "KILLED"]),
];

/// How an entry ended.
pub(super) struct Ending {
    pub(super) end: End,
    /// Whether the client refused the certificate that it was shown.
    pub(super) distrust: bool,
}

/// Reads how an entry ended from what the tool noted beside it. `status` is that of the answer, if there was one.
pub(super) fn ending(entry: &Json, status: Option<u16>) -> Ending {
    let response = entry.get("response");
    let noted = [entry.get("_error"), response.get("_error")].into_iter().find_map(Json::word);
    let (kind, sentence) = noted.map_or((EndKind::Unanswered, None), known);
    if let Some(status) = status {
        let broke_off = matches!(
            kind,
            EndKind::ClientAbort
                | EndKind::UpstreamReset
                | EndKind::UpstreamClosed
                | EndKind::UpstreamProtocol
                | EndKind::TimedOut
        );
        let end = match (broke_off, status) {
            (true, _) => end(kind, Stage::ResponseBody, sentence),
            (false, 101) => End { outcome: EndKind::Upgraded, stage: None, detail: None },
            (false, _) => End::complete(),
        };
        return Ending { end, distrust: false };
    }
    let stage = match kind {
        EndKind::NotSent | EndKind::TlsFailed | EndKind::NotResolved | EndKind::NotConnected => Stage::Request,
        _ => Stage::Wait,
    };
    let untold = if noted.is_some() {
        "no answer is recorded; the capture names a cause that is not a known one"
    } else {
        "no answer is recorded, and not why"
    };
    Ending { end: end(kind, stage, Some(sentence.unwrap_or(untold))), distrust: sentence == Some(DISTRUST) }
}

/// The cause that a text names.
fn known(text: &str) -> (EndKind, Option<&'static str>) {
    let capitals = text.to_ascii_uppercase();
    let found = CAUSES.iter().find(|cause| cause.spelled.iter().any(|part| capitals.contains(part)));
    found.map_or((EndKind::Unanswered, None), |cause| (cause.kind, Some(cause.sentence)))
}

fn end(outcome: EndKind, stage: Stage, sentence: Option<&'static str>) -> End {
    End { outcome, stage: Some(stage), detail: sentence.map(Redacted::literal) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::reread;

    fn entry(error: &str) -> Json {
        Json::read(serde_json::json!({"_error": error}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn causes_are_known_in_the_words_of_many_tools() {
        for (text, kind) in [
            ("TIMEOUT_15000", EndKind::TimedOut),
            ("timeout of 15000ms exceeded", EndKind::TimedOut),
            ("net::ERR_TIMED_OUT", EndKind::TimedOut),
            ("ECONNABORTED", EndKind::TimedOut),
            ("ENOTFOUND", EndKind::NotResolved),
            ("getaddrinfo EAI_AGAIN platform.claude.com", EndKind::NotResolved),
            ("net::ERR_NAME_NOT_RESOLVED", EndKind::NotResolved),
            ("NS_ERROR_UNKNOWN_HOST", EndKind::NotResolved),
            ("[Errno -2] Name or service not known", EndKind::NotResolved),
            ("ETIMEDOUT", EndKind::NotConnected),
            ("net::ERR_CONNECTION_TIMED_OUT", EndKind::NotConnected),
            ("ENETUNREACH", EndKind::NotConnected),
            ("connect ECONNREFUSED 127.0.0.1:443", EndKind::NotConnected),
            ("net::ERR_CONNECTION_REFUSED", EndKind::NotConnected),
            ("net::ERR_TUNNEL_CONNECTION_FAILED", EndKind::NotConnected),
            ("net::ERR_INTERNET_DISCONNECTED", EndKind::NotConnected),
            ("ECONNRESET", EndKind::UpstreamReset),
            ("net::ERR_NETWORK_CHANGED", EndKind::UpstreamReset),
            ("socket hang up", EndKind::UpstreamClosed),
            ("net::ERR_EMPTY_RESPONSE", EndKind::UpstreamClosed),
            ("Server disconnected", EndKind::UpstreamClosed),
            ("net::ERR_HTTP2_PROTOCOL_ERROR", EndKind::UpstreamProtocol),
            ("net::ERR_ABORTED", EndKind::ClientAbort),
            ("NS_BINDING_ABORTED", EndKind::ClientAbort),
            ("Client disconnected.", EndKind::ClientAbort),
            ("net::ERR_BLOCKED_BY_CLIENT", EndKind::NotSent),
            ("SELF_SIGNED_CERT_IN_CHAIN", EndKind::TlsFailed),
            ("net::ERR_SSL_PROTOCOL_ERROR", EndKind::TlsFailed),
            ("UNKNOWN", EndKind::Unanswered),
        ] {
            assert_eq!(ending(&entry(text), None).end.outcome, kind, "{text}");
        }
        assert!(ending(&entry("net::ERR_CERT_AUTHORITY_INVALID"), None).distrust);
        assert!(!ending(&entry("net::ERR_SSL_PROTOCOL_ERROR"), None).distrust);
    }

    #[test]
    fn what_was_answered_ends_as_it_was_answered() {
        assert_eq!(ending(&entry("net::ERR_BLOCKED_BY_ORB"), Some(200)).end, End::complete());
        assert_eq!(ending(&entry(""), Some(101)).end.outcome, EndKind::Upgraded);
        let cut = ending(&entry("net::ERR_INCOMPLETE_CHUNKED_ENCODING"), Some(200)).end;
        assert_eq!((cut.outcome, cut.stage), (EndKind::UpstreamClosed, Some(Stage::ResponseBody)));
    }

    #[test]
    fn sentences_survive_being_read_back_and_texts_of_others_do_not_get_in() {
        for cause in CAUSES {
            assert_eq!(reread::text(cause.sentence), cause.sentence);
        }
        let end = ending(&entry("FAKEsecret hunter2"), None).end;
        assert!(!format!("{end:?}").contains("FAKE"));
        assert_eq!(reread::text(end.detail.as_ref().unwrap().as_str()), end.detail.unwrap());
        let untold = ending(&Json::Null, None).end.detail.unwrap();
        assert_eq!(reread::text(untold.as_str()), untold);
    }
}
