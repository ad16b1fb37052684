//! Answers of our own to a client, and our own request to an upstream proxy.
//!
//! Every answer names authtrace, so that it cannot pass for a server's.

use crate::wire::Authority;

/// The field by which an answer of ours is known.
pub(super) const MARK: &str = "X-Authtrace";

/// The answer to a CONNECT that succeeded. Only a status line, as RFC 9110 §9.3.6 asks (no length, no coding).
pub(super) const TUNNEL_GRANTED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// An error of ours: `code` for programs, `text` for people (what happened, what to do next).
pub(super) fn refusal(status: u16, code: &str, text: &str) -> Vec<u8> {
    let ours = [(b"Proxy-Authenticate".as_slice(), b"Basic realm=\"authtrace\"".as_slice())];
    render(status, code, text, if status == 407 { &ours } else { &[] })
}

/// The refusal of the proxy that we go through: its status and its challenges, our words.
pub(super) fn upstream_proxy_refusal(status: u16, text: &str, fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let challenges: Vec<(&[u8], &[u8])> =
        fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"proxy-authenticate")).copied().collect();
    render(status, "upstream_proxy_refused", text, &challenges)
}

fn render(status: u16, code: &str, text: &str, challenges: &[(&[u8], &[u8])]) -> Vec<u8> {
    let body = format!("authtrace: {text}\n");
    let mut answer = format!("HTTP/1.1 {status} {}\r\n", reason(status)).into_bytes();
    for (name, value) in challenges {
        answer.extend_from_slice(name);
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value);
        answer.extend_from_slice(b"\r\n");
    }
    let rest = format!(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{MARK}: {code}\r\n\r\n{body}",
        length = body.len(),
    );
    answer.extend_from_slice(rest.as_bytes());
    answer
}

/// Our CONNECT to the upstream proxy.
pub(super) fn connect_request(target: &Authority, authorization: Option<&str>) -> Vec<u8> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(value) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_ours_says_so_and_has_its_length() {
        let answer = String::from_utf8(refusal(502, "upstream_dns", "the name could not be resolved")).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(head.contains("X-Authtrace: upstream_dns"));
        assert!(body.starts_with("authtrace: "));
    }
}
