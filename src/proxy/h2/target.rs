//! For whom a request is, when it says so twice.

use super::own::Outgoing;
use crate::proxy::reply;
use crate::proxy::tap::{Channel, Tap};
use crate::redact::Redacted;
use crate::trace::{EndKind, Origin};
use crate::wire::{self, Refusal};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request};
use http_body_util::Full;

const DEFAULT_PORT: u16 = 443;

/// What `:authority` says if that is not the host that the connection is for: the record would not show it otherwise.
pub(super) fn other_authority<'a>(head: &'a request::Parts, channel: &Channel) -> Option<&'a [u8]> {
    let named = head.uri.authority()?.as_str();
    if channel.port == DEFAULT_PORT && named.eq_ignore_ascii_case(&channel.host) {
        return None;
    }
    let expected = format!("{}:{}", channel.host, channel.port);
    (!wire::is_same_authority(named.as_bytes(), expected.as_bytes(), DEFAULT_PORT)).then_some(named.as_bytes())
}

/// Whether `:authority` says it, without user information, and `host` repeats it once if it does; otherwise a request is
/// malformed (RFC 9113 §8.3.1).
pub(super) fn check(head: &request::Parts) -> Result<(), Refusal> {
    let authority = head.uri.authority().ok_or(Refusal::BadTarget)?.as_str();
    if authority.contains('@') {
        return Err(Refusal::TargetUserInfo);
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else { return Ok(()) };
    if hosts.next().is_some() {
        return Err(Refusal::RepeatedHost);
    }
    match wire::is_same_authority(host.as_bytes(), authority.as_bytes(), DEFAULT_PORT) {
        true => Ok(()),
        false => Err(Refusal::HostMismatch),
    }
}

/// Answers such a request as authtrace does over HTTP/1, and tells it.
pub(super) fn refuse(refusal: Refusal, mut tap: Tap) -> Response<Outgoing> {
    let told = match refusal {
        Refusal::BadTarget => {
            "the request does not say for which host it is (:authority), and was not sent to the server"
        }
        Refusal::TargetUserInfo => {
            "the request has a name or a password in front of the host (:authority), and was not sent to the server"
        }
        Refusal::RepeatedHost => "the request has more than one host field, and was not sent to the server",
        _ => "the request names two hosts (:authority and host), and was not sent to the server",
    };
    tap.set_origin(Origin::Authtrace);
    tap.break_off(EndKind::Refused, Some(Redacted::literal(told)));
    let mut answer = Response::new(Outgoing::Own(Full::new(Bytes::from(format!("authtrace: {told}\n")))));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(reply::MARK, HeaderValue::from_static(refusal.code()));
    answer
}
