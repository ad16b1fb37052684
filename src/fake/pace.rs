//! Bodies that come in pieces over time, and connections that end in the middle.

use super::answer::{Body, StreamEnd, Streamed};
use crate::policy::Cut;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use rustix::net::sockopt::set_socket_linger;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

/// Time between the last piece and the cut behind it, for the piece to reach the socket.
const SETTLE: Duration = Duration::from_millis(30);

/// Ends one connection from within one of its exchanges. Whoever serves the connection drops it on `ended`.
#[derive(Clone)]
pub(super) struct Cutter {
    token: CancellationToken,
    // A second descriptor of the socket: hyper holds the first.
    socket: Arc<Mutex<Option<OwnedFd>>>,
}

impl Cutter {
    pub(super) fn new(stream: &TcpStream) -> Self {
        let socket = stream.as_fd().try_clone_to_owned().ok();
        Self { token: CancellationToken::new(), socket: Arc::new(Mutex::new(socket)) }
    }

    pub(super) fn cut(&self, how: Cut) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Cut::Reset, Some(socket)) = (how, &socket) {
            // With no time to linger the last close sends RST. Should the option fail, it is a FIN.
            set_socket_linger(socket, Some(Duration::ZERO)).ok();
        }
        drop(socket);
        self.token.cancel();
    }

    pub(super) async fn ended(&self) {
        self.token.cancelled().await;
    }

    /// Gives up the second descriptor, so that the connection closes when hyper closes it.
    pub(super) fn release(&self) {
        drop(self.socket.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// An answer's body for hyper.
pub(super) struct Paced {
    pieces: VecDeque<Bytes>,
    gap: Duration,
    end: StreamEnd,
    whole: bool,
    pause: Option<Pin<Box<Sleep>>>,
    begun: bool,
    cutter: Cutter,
}

impl Paced {
    pub(super) fn new(body: Body, default_gap: Duration, cutter: Cutter) -> Self {
        let (pieces, gap, end, whole) = match body {
            Body::Full(bytes) if bytes.is_empty() => (VecDeque::new(), Duration::ZERO, StreamEnd::Complete, true),
            Body::Full(bytes) => (VecDeque::from([bytes]), Duration::ZERO, StreamEnd::Complete, true),
            Body::Streamed(Streamed { pieces, gap, end }) => (pieces.into(), gap.unwrap_or(default_gap), end, false),
        };
        Self { pieces, gap, end, whole, pause: None, begun: false, cutter }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let last = this.pieces.is_empty();
        if last && this.end == StreamEnd::Complete {
            return Poll::Ready(None);
        }
        if this.begun && !this.whole {
            let gap = if last { this.gap.max(SETTLE) } else { this.gap };
            let pause = this.pause.get_or_insert_with(|| Box::pin(sleep(gap)));
            ready!(pause.as_mut().poll(context));
            this.pause = None;
        }
        this.begun = true;
        match (this.pieces.pop_front(), this.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, StreamEnd::Complete) => Poll::Ready(None),
            (None, StreamEnd::Cut(how)) => {
                this.cutter.cut(how);
                // The connection's task drops this body with the connection: nobody is to be woken.
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.end == StreamEnd::Complete
    }

    fn size_hint(&self) -> SizeHint {
        if self.whole {
            SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
        } else {
            SizeHint::default()
        }
    }
}
