//! HTTP/2, through hyper on both legs: fields, data and trailers pass as they are, a reset stays a reset.
//!
//! One upstream connection per client connection. hyper's own additions (date, content-length) are switched off or
//! given no ground.

use super::Shared;
use super::journal::ConnectionLog;
use super::leg::Rewind;
use super::tap::{Channel, Tap};
use crate::facts::{Extractor, Version};
use crate::redact::Redacted;
use crate::trace::{End, EndKind, Outcome};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio_rustls::{client, server};

/// Larger than any head of the real client, smaller than what would hurt.
const LARGEST_HEAD: u32 = 256 * 1024;
/// Streams that a client may have open at once.
const STREAMS: u32 = 256;

/// Serves one connection to its end.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    client: server::TlsStream<Rewind>,
    upstream: client::TlsStream<Rewind>,
    channel: Arc<Channel>,
) -> (Outcome, Option<Redacted>) {
    let handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .max_header_list_size(LARGEST_HEAD)
        .handshake(TokioIo::new(upstream))
        .await;
    let Ok((sender, upstream)) = handshake else {
        return (Outcome::UpstreamReset, Some(Redacted::literal("the upstream broke off at the beginning of HTTP/2")));
    };
    let carrier = Arc::new(Carrier {
        channel,
        extractor: Mutex::new(Extractor::new(Arc::clone(&shared.redactor))),
        carried: AtomicU64::new(0),
        up: AtomicU64::new(0),
        down: AtomicU64::new(0),
    });
    let service = service_fn({
        let carrier = Arc::clone(&carrier);
        move |request| pass(Arc::clone(&carrier), sender.clone(), request)
    });
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .auto_date_header(false)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(client), service);
    let (mut serving, mut upstream) = (pin!(serving), pin!(upstream));
    let mut outcome = (Outcome::Ok, None);
    let mut upstream_open = true;
    let mut leaving = false;
    loop {
        tokio::select! {
            biased;
            served = &mut serving => {
                if served.is_err() && outcome.0 == Outcome::Ok {
                    outcome = (Outcome::ClientAbort, None);
                }
                break;
            }
            ended = &mut upstream, if upstream_open => {
                upstream_open = false;
                if ended.is_err() {
                    outcome = (Outcome::UpstreamReset, Some(Redacted::literal("the upstream broke the connection off")));
                    break;
                }
                serving.as_mut().graceful_shutdown();
            }
            () = shared.stopping.cancelled(), if !leaving => {
                leaving = true;
                outcome = (Outcome::Shutdown, None);
                serving.as_mut().graceful_shutdown();
            }
        }
    }
    log.add_requests(carrier.carried.load(Ordering::Relaxed));
    log.add_bytes(carrier.up.load(Ordering::Relaxed), carrier.down.load(Ordering::Relaxed));
    outcome
}

/// What the streams of one connection share.
struct Carrier {
    channel: Arc<Channel>,
    extractor: Mutex<Extractor>,
    carried: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

impl Carrier {
    fn extractor(&self) -> MutexGuard<'_, Extractor> {
        self.extractor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass(
    carrier: Arc<Carrier>,
    mut sender: SendRequest<Passing>,
    request: Request<Incoming>,
) -> Result<Response<Passing>, hyper::Error> {
    let begun = Instant::now();
    let first = carrier.carried.fetch_add(1, Ordering::Relaxed) == 0;
    let mut tap = Tap::begin(&carrier.channel, begun, first);
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    tap.request_head(
        &mut carrier.extractor(),
        head.method.as_str().as_bytes(),
        target.as_bytes(),
        Version::Http2,
        &fields(&head.headers),
    );
    let tap = Arc::new(Mutex::new(tap));
    let body = Passing::new(body, Direction::Up, &tap, &carrier);
    let sent = sender.send_request(Request::from_parts(head, body));
    lock(&tap).add_held(begun, Instant::now());
    let answer = match sent.await {
        Ok(answer) => answer,
        Err(error) => {
            lock(&tap).break_off(EndKind::UpstreamReset, Some(Redacted::literal("the upstream reset the stream")));
            return Err(error);
        }
    };
    let arrived = Instant::now();
    let (head, body) = answer.into_parts();
    {
        let mut tap = lock(&tap);
        tap.answer_begun(arrived);
        tap.response_head(&mut carrier.extractor(), head.status.as_u16(), Version::Http2, &fields(&head.headers));
        tap.add_held(arrived, Instant::now());
    }
    Ok(Response::from_parts(head, Passing::new(body, Direction::Down, &tap, &carrier)))
}

fn fields(headers: &HeaderMap) -> Vec<(&[u8], &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect()
}

fn lock(tap: &Mutex<Tap>) -> MutexGuard<'_, Tap> {
    tap.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// A body that passes frame by frame, and tells its exchange.
struct Passing {
    inner: Incoming,
    direction: Direction,
    tap: Arc<Mutex<Tap>>,
    carrier: Arc<Carrier>,
    ended: bool,
}

impl Passing {
    fn new(inner: Incoming, direction: Direction, tap: &Arc<Mutex<Tap>>, carrier: &Arc<Carrier>) -> Self {
        let mut body =
            Self { inner, direction, tap: Arc::clone(tap), carrier: Arc::clone(carrier), ended: false };
        if body.inner.is_end_stream() {
            body.end();
        }
        body
    }

    fn note(&self, frame: &Frame<Bytes>) {
        let mut tap = lock(&self.tap);
        if let Some(data) = frame.data_ref() {
            match self.direction {
                Direction::Up => {
                    self.carrier.up.fetch_add(data.len() as u64, Ordering::Relaxed);
                    tap.count_request(data.len());
                    if tap.reads_request() {
                        tap.request_data(data);
                    }
                }
                Direction::Down => {
                    self.carrier.down.fetch_add(data.len() as u64, Ordering::Relaxed);
                    tap.count_response(data.len());
                    if tap.reads_response() {
                        tap.response_data(data);
                    }
                }
            }
        }
        if let Some(trailers) = frame.trailers_ref() {
            let trailers = self.carrier.extractor().trailers(&fields(trailers));
            match self.direction {
                Direction::Up => tap.request_trailers(trailers),
                Direction::Down => tap.response_trailers(trailers),
            }
        }
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let mut tap = lock(&self.tap);
        match self.direction {
            Direction::Up => tap.request_sent(Instant::now()),
            Direction::Down => tap.end(End::complete()),
        }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.note(frame);
                if self.inner.is_end_stream() {
                    self.end();
                }
            }
            Some(Err(_)) if self.direction == Direction::Down => {
                lock(&self.tap).break_off(EndKind::UpstreamReset, Some(Redacted::literal("the upstream reset the stream")));
            }
            Some(Err(_)) => lock(&self.tap).break_off(EndKind::ClientAbort, None),
            None => self.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    /// Unknown on purpose: from a known size hyper would make a content-length that the sender did not send.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if self.direction == Direction::Down && !self.ended {
            lock(&self.tap).break_off(EndKind::ClientAbort, None);
        }
    }
}
