//! One direction of a relay: a buffer that is filled from one leg and drained into the other.
//!
//! ```text
//!   0 … written … approved … filled … capacity
//!         └ may be sent ┘└ not looked at ┘
//! ```

use super::buffers;
use super::leg::{Eof, Leg, alert_of, eof_of};
use super::passage::{Meter, Passed};
use crate::trace::HeadChange;
use rustls::AlertDescription;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

pub(super) struct Pump {
    buffer: Vec<u8>,
    written: usize,
    approved: usize,
    filled: usize,
    /// How far the buffer was ever filled.
    reached: usize,
    must_flush: bool,
    /// How the source stopped sending.
    pub(super) eof: Option<Eof>,
    /// Whether the end has been passed on.
    pub(super) closed: bool,
    /// The TLS alert with which the source ended, if it sent one.
    pub(super) alert: Option<AlertDescription>,
    /// Whether the sink takes nothing any more; what comes is thrown away.
    pub(super) sink_gone: bool,
    /// Whether it was a reset that the sink answered with. The kernel tells it once: a read after it sees a plain end.
    pub(super) sink_reset: bool,
    /// Bytes that came in.
    pub(super) bytes: u64,
    /// Follows the message that passes, where it is recorded.
    meter: Option<Box<Meter>>,
    /// Where the approved head ends that has not been sent whole.
    head_end: Option<usize>,
}

impl Pump {
    /// With bytes that were read before the relay began.
    pub(super) fn new(early: Vec<u8>) -> Self {
        let filled = early.len();
        Self {
            buffer: early,
            written: 0,
            approved: 0,
            filled,
            reached: filled,
            must_flush: false,
            eof: None,
            closed: false,
            alert: None,
            sink_gone: false,
            sink_reset: false,
            bytes: filled as u64,
            meter: None,
            head_end: None,
        }
    }

    /// Takes down what comes in and what goes out.
    pub(super) fn metered(self, meter: Meter) -> Self {
        let mut metered = self;
        metered.meter = Some(Box::new(meter));
        metered
    }

    /// What has passed of the message that ends here; `ended`: it is complete, and not broken off.
    pub(super) fn take_passed(&mut self, ended: bool) -> Option<Passed> {
        let whole = ended && !self.sink_gone && self.is_drained();
        self.meter.as_mut().map(|meter| meter.take(whole))
    }

    /// What has not been looked at.
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.approved..self.filled).unwrap_or_default()
    }

    /// What stands in a range that [`Self::approve`] returned, until [`Self::compact`].
    pub(super) fn bytes_at(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Lets the next bytes pass; returns where they stand.
    pub(super) fn approve(&mut self, count: usize) -> std::ops::Range<usize> {
        let range = self.advance(count);
        if let Some(meter) = &mut self.meter {
            meter.body_read(self.buffer.get(range.clone()).unwrap_or_default());
        }
        range
    }

    /// As [`Self::approve`], for a whole head.
    pub(super) fn approve_head(&mut self, count: usize) -> std::ops::Range<usize> {
        let range = self.advance(count);
        if let Some(meter) = &mut self.meter {
            meter.head_read(self.buffer.get(range.clone()).unwrap_or_default());
            self.head_end = Some(range.end);
        }
        range
    }

    /// Lets the next bytes go nowhere, once all before them have been sent; returns where they stand.
    pub(super) fn discard(&mut self, count: usize) -> std::ops::Range<usize> {
        let range = self.advance(count);
        self.written = self.approved;
        range
    }

    /// Has bytes that did not come in go out next.
    pub(super) fn inject(&mut self, bytes: &[u8]) {
        self.splice(self.approved, bytes);
        self.filled += bytes.len();
        self.approved += bytes.len();
    }

    fn advance(&mut self, count: usize) -> std::ops::Range<usize> {
        let begin = self.approved;
        self.approved = (begin + count).min(self.filled);
        begin..self.approved
    }

    /// Lets another head pass in the place of the next `count` bytes.
    pub(super) fn replace_head(&mut self, count: usize, with: &[u8], changes: Vec<HeadChange>) {
        let end = (self.approved + count).min(self.filled);
        let removed = end - self.approved;
        if let Some(meter) = &mut self.meter {
            meter.head_read(self.buffer.get(self.approved..end).unwrap_or_default());
            meter.head_replaced(with, changes);
            self.head_end = Some(self.approved + with.len());
        }
        self.splice(end, with);
        self.filled = self.filled - removed + with.len();
        self.approved += with.len();
    }

    /// Puts bytes in the place of what has not been looked at, up to `end`.
    fn splice(&mut self, end: usize, with: &[u8]) {
        let parts = [self.buffer.get(..self.approved), Some(with), self.buffer.get(end..self.filled)];
        let whole = parts.into_iter().flatten().collect::<Vec<_>>().concat();
        buffers::give_back(std::mem::replace(&mut self.buffer, whole), self.reached);
        self.reached = self.buffer.len();
    }

    /// What was read and not passed on, for whoever goes on with the connection.
    pub(super) fn take_unread(&mut self) -> Vec<u8> {
        let unread = self.unread().to_vec();
        self.filled = self.approved;
        self.bytes -= unread.len() as u64;
        unread
    }

    /// Whether a read would find room without asking for more memory.
    pub(super) fn has_room(&self) -> bool {
        self.filled < self.buffer.len() || self.buffer.is_empty()
    }

    /// The sink refused what it was given.
    pub(super) fn sink_failed(&mut self, error: &io::Error) {
        self.sink_gone = true;
        self.sink_reset = error.kind() == io::ErrorKind::ConnectionReset;
    }

    pub(super) fn is_drained(&self) -> bool {
        self.written == self.approved && !self.must_flush
    }

    /// Sends what may be sent. Ready when nothing is left.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>, sink: &mut impl Leg) -> Poll<io::Result<()>> {
        if self.sink_gone {
            self.written = self.approved;
            self.must_flush = false;
            self.head_end = None;
        }
        while self.written < self.approved {
            let chunk = self.buffer.get(self.written..self.approved).unwrap_or_default();
            let sent = ready!(Pin::new(&mut *sink).poll_write(cx, chunk))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.note_sent(sent);
            self.written += sent;
            self.must_flush = true;
        }
        if self.must_flush {
            ready!(Pin::new(sink).poll_flush(cx))?;
            self.must_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    fn note_sent(&mut self, count: usize) {
        let Some(meter) = &mut self.meter else { return };
        let mut sent = self.buffer.get(self.written..self.written + count).unwrap_or_default();
        if let Some(end) = self.head_end {
            let (head, rest) = sent.split_at(end.saturating_sub(self.written).min(sent.len()));
            let last = self.written + head.len() >= end;
            meter.head_written(head, last);
            sent = rest;
            if last {
                self.head_end = None;
            }
        }
        meter.body_written(sent);
    }

    /// Gives sent bytes' room back.
    pub(super) fn compact(&mut self) {
        if self.written == self.filled {
            self.written = 0;
            self.approved = 0;
            self.filled = 0;
        } else if self.written > 0 && (self.filled == self.buffer.len() || self.written == self.approved) {
            self.buffer.copy_within(self.written..self.filled, 0);
            self.approved -= self.written;
            self.filled -= self.written;
            self.head_end = self.head_end.map(|end| end.saturating_sub(self.written));
            self.written = 0;
        }
    }

    /// Nothing is under way: keeps no room.
    pub(super) fn rest(&mut self) {
        if self.filled == 0 && !self.buffer.is_empty() {
            buffers::give_back(std::mem::take(&mut self.buffer), self.reached);
        }
    }

    /// Reads once. Ready with the number of bytes, 0 at the end (then [`Self::eof`] says in which manner).
    /// Not ready either when the buffer is full of what the sink does not take.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>, source: &mut impl Leg) -> Poll<usize> {
        if self.eof.is_some() {
            return Poll::Ready(0);
        }
        if self.buffer.is_empty() {
            // A connection that waits has no room of its own.
            ready!(source.poll_readable(cx));
            self.buffer = buffers::take();
            self.reached = 0;
        }
        if self.filled == self.buffer.len() {
            if self.written < self.approved {
                return Poll::Pending;
            }
            // A head that does not fit: its size is bounded by whoever looks for its end.
            let larger = (self.buffer.len() * 2).max(buffers::SMALL);
            self.enlarge(larger);
        }
        let Some(room) = self.buffer.get_mut(self.filled..) else { return Poll::Pending };
        let capacity = room.len();
        let mut room = ReadBuf::new(room);
        let count = match ready!(Pin::new(source).poll_read(cx, &mut room)) {
            Ok(()) => room.filled().len(),
            Err(error) => {
                self.eof = Some(eof_of(&error));
                self.alert = alert_of(&error);
                return Poll::Ready(0);
            }
        };
        if count == 0 {
            self.eof = Some(Eof::Clean);
            return Poll::Ready(0);
        }
        self.filled += count;
        self.reached = self.reached.max(self.filled);
        self.bytes += count as u64;
        if count == capacity && self.buffer.len() < buffers::LARGE {
            self.enlarge(buffers::LARGE);
        }
        Poll::Ready(count)
    }

    fn enlarge(&mut self, len: usize) {
        buffers::enlarge(&mut self.buffer, self.reached, len);
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        buffers::give_back(std::mem::take(&mut self.buffer), self.reached);
    }
}

#[cfg(test)]
mod tests {
    use super::super::leg::Rewind;
    use super::*;
    use crate::redact::Redactor;
    use crate::trace::{HeadPassage, MessagePassage};
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    const HEAD: usize = 6;
    const SENT: &[u8] = b"HEAD\r\nand a body";

    async fn pair() -> (TcpStream, Rewind) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (near.unwrap(), Rewind::new(accepted.unwrap().0, Vec::new()))
    }

    type Accident = fn(&mut Pump);

    /// Passes a message, with an accident after it was read; what went out, and what is told of it.
    async fn pass(accident: impl FnOnce(&mut Pump)) -> (Vec<u8>, MessagePassage) {
        let ((mut client, mut source), (mut upstream, mut sink)) = (pair().await, pair().await);
        let mut pump = Pump::new(Vec::new()).metered(Meter::of_bytes(1));
        client.write_all(SENT).await.unwrap();
        while pump.unread().len() < SENT.len() {
            poll_fn(|cx| pump.poll_fill(cx, &mut source)).await;
        }
        pump.approve_head(HEAD);
        pump.approve(SENT.len() - HEAD);
        accident(&mut pump);
        poll_fn(|cx| pump.poll_drain(cx, &mut sink)).await.unwrap();
        let passed = pump.take_passed(true).unwrap();
        drop(sink);
        let mut received = Vec::new();
        upstream.read_to_end(&mut received).await.unwrap();
        (received, passed.tell(&Redactor::plain(), 1, super::super::passage::Way::Up))
    }

    #[tokio::test]
    async fn what_happens_to_bytes_inside_is_told() {
        let (received, passage) = pass(|_| {}).await;
        assert_eq!(received, SENT);
        assert!(!passage.is_altered() && passage.whole && passage.head == HeadPassage::Verbatim, "{passage:?}");
        let accidents: [(Accident, &[u8]); 4] = [
            (|pump| pump.buffer[8] ^= 0x20, b"HEAD\r\nanD a body"),
            (|pump| pump.buffer[2] = b'O', b"HEOD\r\nand a body"),
            (|pump| pump.approved -= 1, b"HEAD\r\nand a bod"),
            (|pump| pump.written += HEAD + 1, b"nd a body"),
        ];
        for (accident, expected) in accidents {
            let (received, passage) = pass(accident).await;
            assert_eq!(received, expected);
            assert!(passage.is_altered(), "{passage:?}");
        }
    }
}
