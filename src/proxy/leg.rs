//! One leg of a relayed connection: a socket, with or without TLS, and the ways in which it can end.

use rustls::AlertDescription;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

/// A socket whose first bytes have been read already.
pub(super) struct Rewind {
    stream: TcpStream,
    early: Vec<u8>,
    taken: usize,
}

/// How the other side stopped sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Eof {
    /// As its protocol asks: a FIN without TLS, a close_notify with it.
    Clean,
    /// A bare FIN inside a TLS session.
    Cut,
    /// A reset, or another failure of the transport.
    Reset,
}

/// A leg of a relay.
pub(super) trait Leg: AsyncRead + AsyncWrite + Unpin + Send {
    /// The socket below.
    fn socket(&mut self) -> &mut TcpStream;

    /// Stops sending in the manner in which the other leg stopped.
    fn poll_close_write(&mut self, cx: &mut Context<'_>, manner: Eof) -> Poll<io::Result<()>> {
        match manner {
            Eof::Clean => Pin::new(self).poll_shutdown(cx),
            Eof::Cut => Pin::new(self.socket()).poll_shutdown(cx),
            Eof::Reset => {
                self.reset_on_close();
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Whether a read would bring something, or the end.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Makes the kernel send a reset when the socket is closed.
    fn reset_on_close(&mut self) {
        let _ = self.socket().set_zero_linger();
    }
}

impl Rewind {
    pub(super) fn new(stream: TcpStream, early: Vec<u8>) -> Self {
        Self { stream, early, taken: 0 }
    }

    pub(super) fn early(&self) -> &[u8] {
        self.early.get(self.taken..).unwrap_or_default()
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        let mut early = self.early;
        early.drain(..self.taken.min(early.len()));
        (self.stream, early)
    }
}

impl AsyncRead for Rewind {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let this = &mut *self;
        let left = this.early.get(this.taken..).unwrap_or_default();
        let now = left.len().min(buf.remaining());
        buf.put_slice(left.get(..now).unwrap_or_default());
        this.taken += now;
        if this.taken >= this.early.len() {
            this.early = Vec::new();
            this.taken = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewind {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Leg for Rewind {
    fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.early().is_empty() { self.stream.poll_read_ready(cx).map(drop) } else { Poll::Ready(()) }
    }
}

impl<L: Leg + ?Sized> Leg for Box<L> {
    fn socket(&mut self) -> &mut TcpStream {
        (**self).socket()
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_readable(cx)
    }
}

impl Leg for server::TlsStream<Rewind> {
    fn socket(&mut self) -> &mut TcpStream {
        &mut self.get_mut().0.stream
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (below, session) = self.get_mut();
        if session.wants_read() { below.poll_readable(cx) } else { Poll::Ready(()) }
    }
}

impl Leg for client::TlsStream<Rewind> {
    fn socket(&mut self) -> &mut TcpStream {
        &mut self.get_mut().0.stream
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (below, session) = self.get_mut();
        if session.wants_read() { below.poll_readable(cx) } else { Poll::Ready(()) }
    }
}

/// The fatal alert that a failed read brought, if one did (RFC 8446 §6.2).
pub(super) fn alert_of(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// Reads the manner of an end off a failed read.
pub(super) fn eof_of(error: &io::Error) -> Eof {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Eof::Cut,
        _ => Eof::Reset,
    }
}
