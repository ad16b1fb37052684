//! HTTP/2, through hyper on both legs: fields, data and trailers pass as they are, a reset stays a reset.
//!
//! One upstream connection per client connection. hyper's own additions (date, content-length) are switched off or
//! given no ground.

mod carrier;
mod fault;
mod own;
mod passing;
mod target;

use super::Shared;
use super::journal::ConnectionLog;
use super::leg::Rewind;
use super::passage::Way;
use super::supervise::{Decided, Plan, is_event_stream};
use super::tap::{Channel, Tap};
use super::tls;
use super::watched::Watched;
use crate::facts::Version;
use crate::policy::Cut;
use crate::redact::Redacted;
use crate::trace::{HeadChange, Outcome};
use carrier::{Carrier, OpenStream};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Request, Response, request, response};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use own::{Outgoing, Shaped};
use passing::Passing;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tokio_rustls::{client, server};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Larger than any head of the real client, smaller than what would hurt.
const LARGEST_HEAD: u32 = 256 * 1024;
/// Streams that a client may have open at once.
const STREAMS: u32 = 256;
/// Bytes that one side of a stream may be ahead of the other: 256 KiB with what waits to be sent.
const WINDOW: u32 = 192 * 1024;
const SEND_BUFFER: usize = 64 * 1024;
/// Bytes that all streams of a connection together may be ahead: with less, some that nobody reads hold up the others.
const CONNECTION_WINDOW: u32 = STREAMS * WINDOW;
/// How long the client's connection may take to end once the upstream's has and no stream is open any more.
const PARTING: Duration = Duration::from_secs(1);
/// Time for the last frames before a cut, or before the reset of a stream, to reach the socket.
const SETTLE: Duration = Duration::from_millis(30);

const CLIENT_BROKE_RULES: &str = "the client broke the rules of HTTP/2, or its limits; authtrace ended the connection";
const UPSTREAM_BROKE_RULES: &str = "the upstream broke the rules of HTTP/2, or its limits";

/// Serves one connection to its end.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    client: Box<server::TlsStream<Rewind>>,
    upstream: Box<client::TlsStream<Rewind>>,
    channel: Arc<Channel>,
) -> (Outcome, Option<Redacted>) {
    let executor = Streams::new(shared);
    let _with_this_connection = executor.ended.clone().drop_guard();
    let certificate_asked = channel.client_certificate_asked;
    let (client, client_watch) = Watched::new(client);
    let (upstream, upstream_watch) = Watched::new(upstream);
    let handshake = hyper::client::conn::http2::Builder::new(executor.clone())
        .max_header_list_size(LARGEST_HEAD)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .handshake(TokioIo::new(upstream))
        .await;
    let Ok((sender, upstream)) = handshake else {
        return (Outcome::UpstreamReset, Some(Redacted::literal("the upstream broke off at the beginning of HTTP/2")));
    };
    let carrier = Arc::new(Carrier::new(channel));
    let service = service_fn({
        let carrier = Arc::clone(&carrier);
        move |request| pass(Arc::clone(&carrier), sender.clone(), request)
    });
    let serving = hyper::server::conn::http2::Builder::new(executor)
        .auto_date_header(false)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(LARGEST_HEAD)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(client), service);
    let (mut serving, mut upstream) = (pin!(serving), pin!(upstream));
    let mut outcome = (Outcome::Ok, None);
    let (mut upstream_open, mut upstream_failed) = (true, false);
    let (mut leaving, mut parted, mut cutting) = (false, false, false);
    let mut parting = pin!(sleep(Duration::MAX));
    loop {
        tokio::select! {
            biased;
            served = &mut serving => {
                if client_watch.is_reset() {
                    upstream_watch.reset_on_close();
                }
                if served.is_err() && outcome.0 == Outcome::Ok {
                    outcome = match &served {
                        Err(error) if fault::broke_rules(error) => {
                            (Outcome::ClientProtocol, Some(Redacted::literal(CLIENT_BROKE_RULES)))
                        }
                        _ if carrier.has_open_streams() => (Outcome::ClientAbort, None),
                        _ => outcome,
                    };
                }
                break;
            }
            ended = &mut upstream, if upstream_open => {
                upstream_open = false;
                let end = upstream_watch.end();
                if certificate_asked && end.is_some_and(|end| end.alert.is_some()) {
                    outcome = (Outcome::UpstreamMtls, Some(Redacted::literal(tls::MTLS_HINT)));
                }
                upstream_failed = ended.is_err();
                if ended.as_ref().is_err_and(fault::broke_rules) {
                    outcome = (Outcome::UpstreamProtocol, Some(Redacted::literal(UPSTREAM_BROKE_RULES)));
                }
                if upstream_watch.is_reset() {
                    carrier.broken.fetch_or(carrier.has_open_streams(), Ordering::AcqRel);
                    carrier.channel.upstream_gone.store(true, Ordering::Release);
                    client_watch.reset_on_close();
                    break;
                }
                if ended.is_ok() && end.is_none() {
                    // GOAWAY: what is open comes to its end (RFC 9113 §6.8), and so the client is told.
                    leaving = true;
                    serving.as_mut().graceful_shutdown();
                }
            }
            // Every stream has ended with the code that the upstream gave, or its reader has taken the rest of it; now
            // the connection ends.
            () = carrier.idle(), if !upstream_open && !parted => {
                (leaving, parted) = (true, true);
                serving.as_mut().graceful_shutdown();
                parting.as_mut().reset(tokio::time::Instant::now() + PARTING);
            }
            () = &mut parting, if parted || cutting => break,
            () = carrier.cut_now.cancelled(), if !cutting => {
                cutting = true;
                outcome = (Outcome::Ok, Some(Redacted::literal("authtrace cut the connection on purpose")));
                if carrier.cut.get() == Some(&Cut::Reset) {
                    client_watch.reset_on_close();
                }
                upstream_watch.reset_on_close();
                parting.as_mut().reset(tokio::time::Instant::now() + SETTLE);
            }
            () = shared.stopping.cancelled(), if !leaving => {
                leaving = true;
                outcome = (Outcome::Shutdown, None);
                serving.as_mut().graceful_shutdown();
            }
        }
    }
    upstream_failed |= !upstream_open && upstream_watch.end().is_some();
    if outcome.0 == Outcome::Ok && upstream_failed && carrier.broken.load(Ordering::Acquire) {
        outcome = (Outcome::UpstreamReset, Some(Redacted::literal("the upstream broke the connection off")));
    }
    log.add_requests(carrier.carried.load(Ordering::Relaxed));
    log.add_bytes(carrier.up.load(Ordering::Relaxed), carrier.down.load(Ordering::Relaxed));
    if outcome.0 == Outcome::Ok && carrier.carried.load(Ordering::Relaxed) == 0 {
        let detail = "the client finished the handshake and closed without a well-formed request";
        return (Outcome::UnusedTunnel, Some(Redacted::literal(detail)));
    }
    outcome
}

/// Spawns the streams of one connection, which end with it.
#[derive(Clone)]
struct Streams {
    tracker: TaskTracker,
    ended: CancellationToken,
}

impl Streams {
    fn new(shared: &Shared) -> Self {
        Self { tracker: shared.streams.clone(), ended: CancellationToken::new() }
    }
}

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let ended = self.ended.clone();
        self.tracker.spawn(async move {
            ended.run_until_cancelled(stream).await;
        });
    }
}

async fn pass(
    carrier: Arc<Carrier>,
    mut sender: SendRequest<Passing>,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, Box<dyn Error + Send + Sync>> {
    let begun = Instant::now();
    let open = OpenStream::new(&carrier);
    let first = carrier.carried.fetch_add(1, Ordering::Relaxed) == 0;
    let mut tap = Tap::begin(&carrier.channel, begun, first);
    let (mut head, body) = request.into_parts();
    let mut meter = carrier.meter();
    meter.parts_read(request_parts(&head));
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut named = fields(&head.headers);
    named.extend(
        target::other_authority(&head, &carrier.channel).map(|authority| (b":authority".as_slice(), authority)),
    );
    let method = head.method.as_str().as_bytes();
    tap.request_head(&mut carrier.extractor(), method, target.as_bytes(), Version::Http2, &named);
    if let Err(refusal) = target::check(&head) {
        return Ok(target::refuse(refusal, tap));
    }
    let mut shape = None;
    if let Some(Decided { plan, watch, delayed }) = own::decide(&carrier, &mut tap, head.method.as_str(), target).await
    {
        tap.watched_by(watch);
        match plan {
            Plan::Pass => tap.let_pass(delayed),
            Plan::Own(own) => return Ok(own::answer(&carrier, tap, &head, body, own).await),
            Plan::Shape(one) => {
                tap.let_pass(delayed);
                own::decline_codings(&mut head.headers);
                meter.parts_replaced(request_parts(&head), vec![HeadChange::AcceptEncoding]);
                shape = Some(one);
            }
        }
    }
    meter.parts_written(request_parts(&head));
    tap.follow(Way::Up, meter);
    let tap = Arc::new(Mutex::new(tap));
    let body = Passing::new(body, Way::Up, &tap, &carrier, None);
    let sent = sender.send_request(Request::from_parts(head, body));
    lock(&tap).add_held(begun, Instant::now());
    let answer = match sent.await {
        Ok(answer) => answer,
        Err(error) if fault::was_refused(&error) => {
            carrier.upstream_refused(&tap);
            // What the client would do after the upstream's GOAWAY, it may do after this: ask again elsewhere.
            return Err(h2::Error::from(h2::Reason::REFUSED_STREAM).into());
        }
        Err(error) => {
            carrier.upstream_failed(&tap, &error);
            return Err(error.into());
        }
    };
    let arrived = Instant::now();
    let (head, body) = answer.into_parts();
    let stream = is_event_stream(head.headers.get("content-type").map(http::HeaderValue::as_bytes));
    lock(&tap).status_known(head.status.as_u16(), stream);
    let plain = head.headers.get("content-encoding").is_none_or(|coding| coding == "identity");
    if stream
        && plain
        && let Some(shape) = shape
    {
        lock(&tap).answer_begun(arrived);
        return Ok(Shaped::answer(head, body, shape, tap, carrier, open));
    }
    let mut meter = carrier.meter();
    meter.parts_read(response_parts(&head));
    {
        let mut tap = lock(&tap);
        tap.answer_begun(arrived);
        tap.response_head(&mut carrier.extractor(), head.status.as_u16(), Version::Http2, &fields(&head.headers));
        tap.add_held(arrived, Instant::now());
        meter.parts_written(response_parts(&head));
        tap.follow(Way::Down, meter);
    }
    let body = Passing::new(body, Way::Down, &tap, &carrier, Some(open));
    Ok(Response::from_parts(head, Outgoing::Passing(body)))
}

/// Everything that the head of a request says, in the order in which it is kept.
fn request_parts(head: &request::Parts) -> impl Iterator<Item = &[u8]> {
    let uri = &head.uri;
    let target = [
        Some(head.method.as_str()),
        uri.scheme_str(),
        uri.authority().map(Authority::as_str),
        uri.path_and_query().map(PathAndQuery::as_str),
    ];
    target.into_iter().map(|part| part.unwrap_or_default().as_bytes()).chain(field_parts(&head.headers))
}

fn response_parts(head: &response::Parts) -> impl Iterator<Item = &[u8]> {
    std::iter::once(head.status.as_str().as_bytes()).chain(field_parts(&head.headers))
}

fn field_parts(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()])
}

fn fields(headers: &HeaderMap) -> Vec<(&[u8], &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect()
}

fn lock(tap: &Mutex<Tap>) -> MutexGuard<'_, Tap> {
    tap.lock().unwrap_or_else(PoisonError::into_inner)
}
