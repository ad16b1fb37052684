//! HTTP without TLS, asked of us as of a proxy: forwarded to its origin, or to the proxy that we go through.

use super::Shared;
use super::connect::{answer, refuse_short, write_and_close};
use super::dial::Purpose;
use super::journal::ConnectionLog;
use super::leg::Rewind;
use super::relay::{self, Form};
use super::reply;
use super::tap::Channel;
use crate::facts::Scheme;
use crate::redact::Redacted;
use crate::trace::{Mode, Outcome};
use crate::wire::{self, Authority, Limits};
use std::sync::Arc;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// Serves a connection whose first request names `authority`; later requests may name others, each is dialled anew.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    stream: TcpStream,
    read: Vec<u8>,
    authority: Authority,
) {
    log.set_mode(Mode::Plain);
    let mut client = Rewind::new(stream, Vec::new());
    let mut early = read;
    let mut authority = authority;
    loop {
        log.set_target(&authority);
        let dialed = match shared.dialer.dial(&authority, Purpose::PlainHttp).await {
            Ok(dialed) => dialed,
            Err(failure) => {
                log.set_mode(Mode::Refused);
                let stream = client.into_parts().0;
                if let Some(shortage) = failure.shortage {
                    return refuse_short(shared, log, stream, shortage).await;
                }
                log.set_status(failure.status);
                let text = reply::refusal(failure.status, failure.outcome.as_str(), failure.detail);
                write_and_close(stream, &text).await;
                return log.end(failure.outcome, Some(Redacted::literal(failure.detail)));
            }
        };
        log.set_dialed(dialed.dns, dialed.connect, dialed.via_proxy);
        let form = form_of(shared, &authority, dialed.via_proxy);
        let channel = Channel::new(shared, log, Scheme::Http, authority.host.to_string(), authority.port);
        let recorded = shared.intercept.covers_plain(&authority.host);
        let channel = Arc::new(if recorded { channel } else { channel.unread() });
        let upstream = Rewind::new(dialed.stream, dialed.early);
        let end = relay::run_on(shared, log, &mut client, upstream, channel, form, early).await;
        let Some(unread) = end.unread else { return log.end(end.outcome, end.detail) };
        match next_authority(&unread) {
            Some(next) => authority = next,
            None => {
                let text = "a connection that carries plain HTTP cannot carry a request of another kind";
                return answer(log, client.into_parts().0, 400, "not_a_proxy_request", text, Outcome::ClientProtocol)
                    .await;
            }
        }
        early = unread;
    }
}

fn form_of(shared: &Shared, authority: &Authority, via_proxy: bool) -> Form {
    if !via_proxy {
        return Form::Absolute(authority.clone());
    }
    let authorization = shared.dialer.upstream_proxy().and_then(|proxy| proxy.authorization());
    Form::ThroughProxy(authority.clone(), authorization.map(|value| Zeroizing::new(value.to_owned())))
}

fn next_authority(unread: &[u8]) -> Option<Authority> {
    let head = wire::request_head(unread, &Limits::default()).ok()??;
    let named = wire::absolute_form(head.target.of(unread))?.ok()?;
    (named.scheme == wire::Scheme::Http).then_some(named.authority)
}
