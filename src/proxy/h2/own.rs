//! Streams of HTTP/2 that the server does not see, and event streams that go out otherwise.

use super::carrier::{Carrier, OpenStream};
use super::passing::Passing;
use super::{fields, lock};
use crate::facts::Version;
use crate::proxy::supervise::{Decided, MARK, Next, Own, OwnAnswer, Shape, ShapeEnd, Shaper};
use crate::proxy::tap::Tap;
use crate::redact::Direction;
use crate::trace::{End, EndKind};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request, response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::time::{Sleep, sleep};

/// The body of an answer.
pub(super) enum Outgoing {
    /// The server's.
    Passing(Passing),
    /// Ours.
    Own(Full<Bytes>),
    /// The server's event stream, shaped.
    Shaped(Box<Shaped>),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Passing(body) => Pin::new(body).poll_frame(cx),
            Self::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Shaped(body) => body.poll(cx).map(|frame| frame.map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Passing(body) => body.is_end_stream(),
            Self::Own(body) => body.is_end_stream(),
            Self::Shaped(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passing(body) => body.size_hint(),
            Self::Own(body) => body.size_hint(),
            Self::Shaped(_) => SizeHint::default(),
        }
    }
}

/// What becomes of a request; none: nobody decides, and it passes.
pub(super) async fn decide(carrier: &Carrier, tap: &mut Tap, method: &str, target: &str) -> Option<Decided> {
    let supervisor = carrier.channel.shared.supervisor.as_ref()?;
    let question = tap.question(method.as_bytes(), target.as_bytes())?;
    tap.hold_back();
    // A client that goes away while somebody is asked takes its stream, and with it this future, along.
    Some(Arc::clone(supervisor).decide(question, Arc::new(AtomicBool::new(false))).await)
}

/// Has the server send its stream without a coding.
pub(super) fn decline_codings(headers: &mut HeaderMap) {
    if headers.contains_key(header::ACCEPT_ENCODING) {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}

/// Answers in the server's place.
pub(super) async fn answer(
    carrier: &Arc<Carrier>,
    mut tap: Tap,
    head: &request::Parts,
    body: Incoming,
    own: Own,
) -> Response<Outgoing> {
    let waits =
        head.headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if !waits {
        swallow(carrier, &mut tap, body).await;
    }
    tap.request_sent(Instant::now());
    let answer = match own {
        Own::Answer(answer) => answer,
        Own::Cut(cut, told) => {
            tap.answered_by_us(told);
            tap.break_off(EndKind::Cut, None);
            carrier.cut(cut);
            // The connection's task drops this stream with the connection.
            return std::future::pending().await;
        }
    };
    tap.answered_by_us(answer.told.clone());
    tap.status_known(answer.status, false);
    tap.answer_begun(Instant::now());
    tap.response_head(&mut carrier.extractor(), answer.status, Version::Http2, &answer.raw_fields());
    let has_body = answer.has_body(head.method == http::Method::HEAD);
    if has_body {
        tap.count_response(answer.body.len());
        tap.response_data(&answer.body);
    }
    tap.end(End::complete());
    response_of(&answer, has_body)
}

/// Reads a request's body to its end; nothing of it goes on.
async fn swallow(carrier: &Carrier, tap: &mut Tap, mut body: Incoming) {
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            tap.count_request(data.len());
            if tap.reads_request() {
                tap.request_data(data);
            }
        }
        if let Some(trailers) = frame.trailers_ref() {
            tap.request_trailers(carrier.extractor().trailers(&fields(trailers), Direction::Request));
        }
    }
}

fn response_of(answer: &OwnAnswer, has_body: bool) -> Response<Outgoing> {
    let body = if has_body { answer.body.clone() } else { Bytes::new() };
    let mut response = Response::new(Outgoing::Own(Full::new(body)));
    // What a status or a field cannot be was refused with its scenario.
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in answer.raw_fields() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// An event stream of the server that goes out otherwise.
pub(super) struct Shaped {
    inner: Incoming,
    shaper: Shaper,
    next: Option<(Bytes, Pin<Box<Sleep>>)>,
    tap: Arc<Mutex<Tap>>,
    carrier: Arc<Carrier>,
    _open: OpenStream,
}

impl Shaped {
    /// The answer with that stream.
    pub(super) fn answer(
        mut head: response::Parts,
        inner: Incoming,
        shape: Shape,
        tap: Arc<Mutex<Tap>>,
        carrier: Arc<Carrier>,
        open: OpenStream,
    ) -> Response<Outgoing> {
        head.headers.remove(header::CONTENT_LENGTH);
        if let Ok(mark) = HeaderName::from_bytes(MARK.as_bytes()) {
            head.headers.insert(mark, HeaderValue::from_static(shape.mark()));
        }
        {
            let mut tap = lock(&tap);
            tap.answered_by_us(shape.told.clone());
            let status = head.status.as_u16();
            tap.response_head(&mut carrier.extractor(), status, Version::Http2, &fields(&head.headers));
        }
        let shaped = Self { inner, shaper: Shaper::new(shape), next: None, tap, carrier, _open: open };
        Response::from_parts(head, Outgoing::Shaped(Box::new(shaped)))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        loop {
            if let Some((_, pause)) = &mut self.next {
                ready!(pause.as_mut().poll(cx));
                let Some((piece, _)) = self.next.take() else { continue };
                let mut tap = lock(&self.tap);
                tap.count_response(piece.len());
                if tap.reads_response() {
                    tap.response_data(&piece);
                }
                return Poll::Ready(Some(Frame::data(piece)));
            }
            match self.shaper.next() {
                Next::Piece(piece, pause) => self.next = Some((piece, Box::pin(sleep(pause)))),
                Next::More => match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            self.shaper.push(data);
                        }
                    }
                    Some(Err(_)) => self.shaper.finish(false),
                    None => self.shaper.finish(true),
                },
                Next::End(ShapeEnd::Complete) => {
                    lock(&self.tap).end(End::complete());
                    return Poll::Ready(None);
                }
                Next::End(ShapeEnd::Cut(cut)) => {
                    lock(&self.tap).break_off(EndKind::Cut, None);
                    self.carrier.cut(cut);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Drop for Shaped {
    fn drop(&mut self) {
        lock(&self.tap).abandon();
    }
}
