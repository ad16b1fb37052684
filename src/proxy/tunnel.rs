//! A blind tunnel: bytes both ways, counted, never looked at.

use super::journal::ConnectionLog;
use super::leg::{Eof, Leg, Rewind};
use super::pump::Pump;
use crate::trace::Outcome;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Passes bytes until both sides have stopped, or either breaks off.
pub(super) async fn pass(log: &mut ConnectionLog, client: Rewind, upstream: Rewind) {
    let mut tunnel = Tunnel { log, client, upstream, up: Pump::new(Vec::new()), down: Pump::new(Vec::new()) };
    let outcome = poll_fn(|cx| tunnel.poll(cx)).await;
    let unused = tunnel.up.bytes == 0 && tunnel.down.bytes == 0;
    drop(tunnel);
    log.end(if unused && outcome == Outcome::Ok { Outcome::UnusedTunnel } else { outcome }, None);
}

struct Tunnel<'a> {
    log: &'a mut ConnectionLog,
    client: Rewind,
    upstream: Rewind,
    up: Pump,
    down: Pump,
}

/// Also when the tunnel is killed, what it carried is told.
impl Drop for Tunnel<'_> {
    fn drop(&mut self) {
        self.log.add_bytes(self.up.bytes, self.down.bytes);
    }
}

impl Tunnel<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let up = poll_direction(cx, &mut self.up, &mut self.client, &mut self.upstream);
        let down = poll_direction(cx, &mut self.down, &mut self.upstream, &mut self.client);
        if self.up.eof == Some(Eof::Reset) || self.down.sink_gone {
            self.upstream.reset_on_close();
            return Poll::Ready(Outcome::ClientAbort);
        }
        // What the upstream sent before it broke off is delivered first.
        let reset = self.down.eof == Some(Eof::Reset) || self.up.sink_reset;
        if reset && down.is_ready() {
            self.client.reset_on_close();
            return Poll::Ready(Outcome::UpstreamReset);
        }
        if up.is_ready() && down.is_ready() { Poll::Ready(Outcome::Ok) } else { Poll::Pending }
    }
}

/// Ready when the source has stopped and the sink knows it.
fn poll_direction(cx: &mut Context<'_>, pump: &mut Pump, source: &mut Rewind, sink: &mut Rewind) -> Poll<()> {
    loop {
        let drained = match pump.poll_drain(cx, sink) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => {
                pump.sink_failed(&error);
                return Poll::Ready(());
            }
            Poll::Pending => false,
        };
        pump.compact();
        if let Some(manner) = pump.eof {
            if !drained {
                return Poll::Pending;
            }
            if !pump.closed {
                if sink.poll_close_write(cx, manner).is_pending() {
                    return Poll::Pending;
                }
                pump.closed = true;
            }
            return Poll::Ready(());
        }
        match pump.poll_fill(cx, source) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(_) => {
                let all = pump.unread().len();
                pump.approve(all);
            }
        }
    }
}
