//! A body of HTTP/2 on its way: each frame is told to its exchange and goes on as it is.

use super::carrier::{Carrier, OpenStream};
use super::{SETTLE, fields, lock};
use crate::proxy::passage::Way;
use crate::proxy::tap::Tap;
use crate::redact::Direction;
use crate::trace::End;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::time::{Sleep, sleep};

/// A body that passes frame by frame, and tells its exchange.
pub(super) struct Passing {
    inner: Incoming,
    way: Way,
    tap: Arc<Mutex<Tap>>,
    carrier: Arc<Carrier>,
    open: Option<OpenStream>,
    ended: bool,
    /// The upstream's reset, which follows what came before it: h2 drops what it has not written of a stream that is
    /// reset.
    failed: Option<(hyper::Error, Pin<Box<Sleep>>)>,
}

impl Passing {
    pub(super) fn new(
        inner: Incoming,
        way: Way,
        tap: &Arc<Mutex<Tap>>,
        carrier: &Arc<Carrier>,
        open: Option<OpenStream>,
    ) -> Self {
        let mut body =
            Self { inner, way, tap: Arc::clone(tap), carrier: Arc::clone(carrier), open, ended: false, failed: None };
        if body.inner.is_end_stream() {
            body.end();
        }
        body
    }

    fn note(&self, frame: &Frame<Bytes>) {
        let mut tap = lock(&self.tap);
        if let Some(data) = frame.data_ref() {
            if let Some(meter) = tap.meter(self.way) {
                meter.body_read(data);
            }
            match self.way {
                Way::Up => {
                    self.carrier.up.fetch_add(data.len() as u64, Ordering::Relaxed);
                    tap.count_request(data.len());
                    if tap.reads_request() {
                        tap.request_data(data);
                    }
                }
                Way::Down => {
                    self.carrier.down.fetch_add(data.len() as u64, Ordering::Relaxed);
                    tap.count_response(data.len());
                    if tap.reads_response() {
                        tap.response_data(data);
                    }
                }
            }
        }
        if let Some(trailers) = frame.trailers_ref() {
            let mut extractor = self.carrier.extractor();
            match self.way {
                Way::Up => tap.request_trailers(extractor.trailers(&fields(trailers), Direction::Request)),
                Way::Down => tap.response_trailers(extractor.trailers(&fields(trailers), Direction::Response)),
            }
        }
    }

    /// The frame goes on now.
    fn note_handed_on(&self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref()
            && let Some(meter) = lock(&self.tap).meter(self.way)
        {
            meter.body_written(data);
        }
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.open = None;
        let mut tap = lock(&self.tap);
        match self.way {
            Way::Up => {
                tap.request_sent(Instant::now());
                tap.passed_whole(self.way);
            }
            Way::Down => {
                tap.passed_whole(self.way);
                tap.end(End::complete());
            }
        }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.failed.is_none() {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    self.note(&frame);
                    self.note_handed_on(&frame);
                    if self.inner.is_end_stream() {
                        self.end();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(error)) if self.way == Way::Down => {
                    self.carrier.upstream_failed(&self.tap, &error);
                    self.failed = Some((error, Box::pin(sleep(SETTLE))));
                }
                Some(Err(error)) => {
                    lock(&self.tap).abandon();
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.end();
                    return Poll::Ready(None);
                }
            }
        }
        if let Some((_, settled)) = &mut self.failed {
            ready!(settled.as_mut().poll(cx));
        }
        Poll::Ready(self.failed.take().map(|(error, _)| Err(error)))
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
        if self.way == Way::Down && !self.ended {
            lock(&self.tap).abandon();
        }
    }
}
