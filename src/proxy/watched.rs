//! A leg that remembers how it ended, for a library that does not tell.

use super::leg::{Eof, Leg, alert_of, eof_of};
use rustix::net::sockopt::set_socket_linger;
use rustls::AlertDescription;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The leg itself, to be given away.
pub(super) struct Watched<L> {
    leg: L,
    end: Arc<OnceLock<LegEnd>>,
}

/// What is kept of a leg that was given away.
pub(super) struct Watch {
    socket: Option<OwnedFd>,
    end: Arc<OnceLock<LegEnd>>,
}

/// How the other side of a leg stopped sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LegEnd {
    pub(super) manner: Eof,
    pub(super) alert: Option<AlertDescription>,
}

impl<L: Leg> Watched<L> {
    pub(super) fn new(mut leg: L) -> (Self, Watch) {
        let end = Arc::new(OnceLock::new());
        let socket = leg.socket().as_fd().try_clone_to_owned().ok();
        (Self { leg, end: Arc::clone(&end) }, Watch { socket, end })
    }

    fn broke(&self, error: &io::Error) {
        let _ = self.end.set(LegEnd { manner: eof_of(error), alert: alert_of(error) });
    }
}

impl Watch {
    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<LegEnd> {
        self.end.get().copied()
    }

    /// Whether the other side reset the connection, or ended it with an alert.
    pub(super) fn is_reset(&self) -> bool {
        self.end().is_some_and(|end| end.manner == Eof::Reset)
    }

    /// Makes the kernel send a reset when the socket is closed.
    pub(super) fn reset_on_close(&self) {
        if let Some(socket) = &self.socket {
            let _ = set_socket_linger(socket, Some(Duration::ZERO));
        }
    }
}

impl<L: Leg> AsyncRead for Watched<L> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let room = buf.remaining();
        let read = ready!(Pin::new(&mut self.leg).poll_read(cx, buf));
        match &read {
            Err(error) => self.broke(error),
            Ok(()) if buf.filled().len() == before && room > 0 => {
                let _ = self.end.set(LegEnd { manner: Eof::Clean, alert: None });
            }
            Ok(()) => {}
        }
        Poll::Ready(read)
    }
}

impl<L: Leg> AsyncWrite for Watched<L> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.leg).poll_write(cx, buf));
        if let Err(error) = &written {
            self.broke(error);
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.leg).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.leg).poll_shutdown(cx)
    }
}
