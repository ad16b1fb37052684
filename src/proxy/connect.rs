//! The first request of a connection: who asks, for what, and what becomes of it.

use super::access::Admission;
use super::dial::{DialFailure, Dialed, Purpose};
use super::journal::{ConnectionLog, shown_host};
use super::leg::Rewind;
use super::relay::{self, Form, RelayEnd};
use super::shortage::Shortage;
use super::tap::{Channel, Tap};
use super::{Shared, forward, intercept, reply, tunnel};
use crate::facts::{Extractor, Scheme, Version};
use crate::redact::Redacted;
use crate::trace::{End, Mode, Origin, Outcome};
use crate::wire::{self, Authority, HeadReader, Limits, Refusal, RequestHead};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// First byte of a TLS record that carries a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves one accepted connection to its end.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, local: SocketAddr) {
    let mut log = ConnectionLog::begin(&shared, peer, local);
    let _ = stream.set_nodelay(true);
    admit(&shared, &mut log, stream, peer, local).await;
    log.close().await;
}

async fn admit(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    mut stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
) {
    let opening = match read_opening(shared, &mut stream).await {
        Ok(opening) => opening,
        Err(NoOpening::Closed) => {
            return log.end(Outcome::UnusedTunnel, Some(Redacted::literal("the client connected and sent nothing")));
        }
        Err(NoOpening::Stopped) => return log.end(Outcome::Shutdown, None),
        Err(NoOpening::Late) => {
            return log
                .end(Outcome::ClientTimeout, Some(Redacted::literal("the first request was not finished in time")));
        }
        Err(NoOpening::Refused { refusal, connect }) => {
            let outcome = if connect { Outcome::BadConnect } else { Outcome::BadRequest };
            return refuse(shared, log, stream, refusal, outcome).await;
        }
    };
    let authorization = opening.field(b"proxy-authorization");
    match Box::pin(shared.access.decide(authorization, peer, local)).await {
        Admission::Granted(lane) => log.set_lane(lane),
        Admission::Denied(why) => {
            let text = "a proxy password is needed; use the variables that authtrace printed or set";
            log.set_status(407);
            write_and_close(stream, &reply::refusal(407, "proxy_auth_required", text)).await;
            return log.end(Outcome::ProxyAuthRequired, Some(Redacted::literal(why)));
        }
        Admission::Unknown(shortage) => return refuse_short(shared, log, stream, shortage).await,
    }
    dispatch(shared, log, stream, opening).await;
}

/// The first request, with what was read behind it.
pub(super) struct Opening {
    pub(super) head: RequestHead,
    /// Everything that was read; the head is its beginning.
    pub(super) read: Vec<u8>,
}

impl Opening {
    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        let field = self.head.fields.iter().find(|field| field.name.of(&self.read).eq_ignore_ascii_case(name))?;
        Some(field.value.of(&self.read))
    }

    fn target(&self) -> &[u8] {
        self.head.target.of(&self.read)
    }
}

enum NoOpening {
    Closed,
    Late,
    Stopped,
    /// `connect`: it was to become a CONNECT.
    Refused {
        refusal: Refusal,
        connect: bool,
    },
}

async fn read_opening(shared: &Shared, stream: &mut TcpStream) -> Result<Opening, NoOpening> {
    let mut read = Vec::with_capacity(1_024);
    let mut heads = HeadReader::default();
    let receive = async {
        loop {
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return Err(NoOpening::Closed),
                Ok(_) => {}
            }
            match heads.request(&read, &Limits::default()) {
                Ok(Some(head)) => return Ok(head),
                Ok(None) => {}
                Err(refusal) => {
                    return Err(NoOpening::Refused { refusal, connect: read.starts_with(b"CONNECT ") });
                }
            }
        }
    };
    let head = tokio::select! {
        received = timeout(shared.patience.head, receive) => received.map_err(|_| NoOpening::Late)??,
        () = shared.stopping.cancelled() => return Err(NoOpening::Stopped),
    };
    Ok(Opening { head, read })
}

async fn dispatch(shared: &Arc<Shared>, log: &mut ConnectionLog, stream: TcpStream, opening: Opening) {
    if opening.head.method.of(&opening.read) == b"CONNECT" {
        match wire::connect_target(opening.target()) {
            Ok(target) => connect(shared, log, stream, opening, &target).await,
            Err(refusal) => refuse(shared, log, stream, refusal, Outcome::BadConnect).await,
        }
        return;
    }
    match wire::absolute_form(opening.target()).transpose() {
        Ok(Some(named)) if named.scheme == wire::Scheme::Https => {
            Box::pin(refuse_https(shared, log, stream, &opening, &named.authority)).await;
        }
        Ok(Some(named)) => Box::pin(forward::serve(shared, log, stream, opening.read, named.authority)).await,
        Ok(None) => {
            let text =
                "this is a proxy, not a web server; set HTTPS_PROXY to this address, or run: authtrace run -- claude";
            answer(log, stream, 400, "not_a_proxy_request", text, Outcome::NotAProxyRequest).await;
        }
        Err(refusal) => refuse(shared, log, stream, refusal, Outcome::BadRequest).await,
    }
}

async fn connect(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    mut stream: TcpStream,
    opening: Opening,
    target: &Authority,
) {
    log.set_target(target);
    let dialed = match Box::pin(shared.dialer.dial(target, Purpose::Tunnel)).await {
        Ok(dialed) => dialed,
        Err(failure) => return Box::pin(refuse_tunnel(shared, log, stream, &opening, target, failure)).await,
    };
    log.set_dialed(dialed.dns, dialed.connect, dialed.via_proxy);
    if stream.write_all(reply::TUNNEL_GRANTED).await.is_err() {
        return log
            .end(Outcome::ClientAbort, Some(Redacted::literal("the client closed before the tunnel was granted")));
    }
    let early = opening.read.get(opening.head.len..).unwrap_or_default().to_vec();
    drop(opening);
    let client = Rewind::new(stream, early);
    match look_inside(shared, &client, target).await {
        Inside::Tls => intercept::serve(shared, log, client, dialed, target).await,
        Inside::Plain => Box::pin(relay_plain(shared, log, client, dialed, target)).await,
        Inside::Unread => {
            log.set_mode(Mode::Tunnel);
            tunnel::pass(log, client, Rewind::new(dialed.stream, dialed.early)).await;
        }
    }
}

enum Inside {
    Tls,
    Plain,
    Unread,
}

/// Port 80 of a host in scope, and a gateway that is spoken to without TLS: the first byte tells.
async fn look_inside(shared: &Shared, client: &Rewind, target: &Authority) -> Inside {
    let tls = shared.intercept.covers_tls(&target.host);
    if !shared.intercept.covers_plain(&target.host) {
        return Inside::Unread;
    }
    if tls && target.port == 443 {
        return Inside::Tls;
    }
    let first = match client.early().first() {
        Some(first) => Some(*first),
        None => {
            let mut first = [0_u8; 1];
            match timeout(shared.patience.handshake, client.stream().peek(&mut first)).await {
                Ok(Ok(1)) => first.first().copied(),
                _ => None,
            }
        }
    };
    match first {
        Some(TLS_HANDSHAKE) | None if tls => Inside::Tls,
        Some(TLS_HANDSHAKE) | None => Inside::Unread,
        // An empty line may come before a request (RFC 9112 §2.2).
        Some(letter) if letter.is_ascii_uppercase() || letter == b'\r' => Inside::Plain,
        Some(_) if tls => Inside::Tls,
        Some(_) => Inside::Unread,
    }
}

async fn relay_plain(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    client: Rewind,
    dialed: Dialed,
    target: &Authority,
) {
    log.set_mode(Mode::Plain);
    let channel = Arc::new(Channel::new(shared, log, Scheme::Http, target.host.to_string(), target.port));
    let upstream = Rewind::new(dialed.stream, dialed.early);
    let RelayEnd { outcome, detail, .. } =
        relay::run(shared, log, client, upstream, channel, Form::Origin, Vec::new()).await;
    log.end(outcome, detail);
}

/// Answers a CONNECT whose upstream was not reached; what a proxy on the way answered is recorded as its own.
async fn refuse_tunnel(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    stream: TcpStream,
    opening: &Opening,
    target: &Authority,
    failure: DialFailure,
) {
    if let Some(refusal) = &failure.refusal {
        let fields = relay::fields_of(&refusal.head, &refusal.response.fields);
        let channel = Arc::new(Channel::new(shared, log, Scheme::Https, target.host.to_string(), target.port));
        let mut extractor = Extractor::new(Arc::clone(&shared.redactor));
        let mut tap = Tap::begin(&channel, Instant::now(), true);
        tap.set_origin(Origin::UpstreamProxy);
        tap.request_head(&mut extractor, b"CONNECT", opening.target(), Version::Http11, &[]);
        tap.response_head(&mut extractor, refusal.status, Version::Http11, &fields);
        tap.end(End::complete());
        log.add_requests(1);
        let answer = reply::upstream_proxy_refusal(refusal.status, failure.detail, &fields);
        log.set_status(refusal.status);
        write_and_close(stream, &answer).await;
        return log.end(failure.outcome, Some(Redacted::literal(failure.detail)));
    }
    if let Some(shortage) = failure.shortage {
        return refuse_short(shared, log, stream, shortage).await;
    }
    let text = format!("{}: {} ({})", failure.detail, shown_host(shared, &target.host), failure.outcome.as_str());
    log.set_status(failure.status);
    write_and_close(stream, &reply::refusal(failure.status, failure.outcome.as_str(), &text)).await;
    log.end(failure.outcome, Some(Redacted::literal(failure.detail)));
}

/// Tells a client that descriptors have run out.
pub(super) async fn refuse_short(shared: &Shared, log: &mut ConnectionLog, stream: TcpStream, shortage: Shortage) {
    shared.shortages.tell(&*shared.sink, shortage);
    log.set_status(503);
    write_and_close(stream, &reply::refusal(503, Outcome::Internal.as_str(), &shortage.told())).await;
    log.end(Outcome::Internal, Some(Redacted::literal(shortage.detail())));
}

/// A client that knows only `ALL_PROXY` sends `GET https://…`: its credential has travelled to us in the clear.
async fn refuse_https(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    stream: TcpStream,
    opening: &Opening,
    target: &Authority,
) {
    log.set_target(target);
    if shared.intercept.covers_tls(&target.host) {
        let channel = Arc::new(Channel::new(shared, log, Scheme::Https, target.host.to_string(), target.port));
        let mut extractor = Extractor::new(Arc::clone(&shared.redactor));
        let mut tap = Tap::begin(&channel, Instant::now(), true);
        tap.set_origin(Origin::Authtrace);
        let fields = relay::fields_of(&opening.read, &opening.head.fields);
        let method = opening.head.method.of(&opening.read);
        let origin_form = relay::origin_form_of(opening.target());
        tap.request_head(&mut extractor, method, origin_form, Version::Http11, &fields);
        tap.response_head(&mut extractor, 400, Version::Http11, &[(b"x-authtrace", b"https_absolute_form")]);
        tap.end(End::complete());
        log.add_requests(1);
    }
    let text = "this client asked for an https:// address in the clear instead of opening a tunnel, which sends its \
                credentials unencrypted to the proxy; unset ALL_PROXY and set HTTPS_PROXY (authtrace run does both)";
    answer(log, stream, 400, "https_absolute_form", text, Outcome::HttpsAbsoluteForm).await;
}

/// A first request that cannot be passed on: what is wrong with it is told and recorded, never with which bytes.
async fn refuse(shared: &Shared, log: &mut ConnectionLog, stream: TcpStream, refusal: Refusal, outcome: Outcome) {
    let why = refusal.to_string();
    log.set_status(refusal.status());
    write_and_close(stream, &reply::refusal(refusal.status(), refusal.code(), &why)).await;
    log.end(outcome, Some(shared.redactor.message(&why)));
}

/// An answer of ours, and the end of the connection.
pub(super) async fn answer(
    log: &mut ConnectionLog,
    stream: TcpStream,
    status: u16,
    code: &str,
    text: &str,
    outcome: Outcome,
) {
    log.set_status(status);
    write_and_close(stream, &reply::refusal(status, code, text)).await;
    log.end(outcome, None);
}

/// Writes, and reads on for a moment: closing over unread bytes would make the kernel reset the connection, and the
/// answer could be lost.
pub(super) async fn write_and_close(mut stream: TcpStream, answer: &[u8]) {
    let talk = async {
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        let mut rest = vec![0_u8; 4_096];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    let _ = timeout(Duration::from_secs(1), talk).await;
}
