//! The end of a relay: when it has come, how it is passed on, and what the records say of it.

use super::{Answering, PARTING, Relay, RelayEnd, Stop, current_of};
use crate::proxy::leg::Leg;
use crate::proxy::{reply, tls};
use crate::redact::Redacted;
use crate::trace::{End, EndKind, Outcome, Stage};
use crate::wire::Refusal;
use std::future::Future as _;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

impl<C: Leg, U: Leg> Relay<'_, C, U> {
    /// When both sides have stopped, or the relay is drained of exchanges while it is being stopped; also when one side
    /// has stopped, nothing is in flight, and the other has had time to stop as well.
    pub(super) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sending = self.exchanges.iter().any(|current| !current.asked || current.upgraded);
        let idle = self.exchanges.is_empty() && self.down.is_drained();
        if self.down.closed && (self.up.closed || self.up.sink_gone) {
            return Poll::Ready(());
        }
        if self.draining && idle && self.up.is_drained() {
            return Poll::Ready(());
        }
        let upstream_over = self.down.closed && !sending;
        let client_over = self.up.closed && idle;
        if !(upstream_over || client_over) {
            self.parting = None;
            return Poll::Pending;
        }
        self.parting.get_or_insert_with(|| Box::pin(sleep(PARTING))).as_mut().poll(cx)
    }

    pub(super) async fn conclude(mut self: Box<Self>, stop: Stop) -> RelayEnd {
        let (outcome, detail) = self.read_stop(stop);
        match stop {
            Stop::ClientGone => self.upstream.reset_on_close(),
            Stop::UpstreamGone | Stop::UpstreamRefused(_) => {
                self.client.reset_on_close();
                self.upstream.reset_on_close();
            }
            Stop::ClientRefused(refusal) => {
                self.upstream.reset_on_close();
                self.refuse(refusal).await;
            }
            Stop::Cut(cut) => self.cut(cut).await,
            Stop::OtherAuthority => {}
            Stop::HeadTimeout | Stop::Finished | Stop::Drained => self.part().await,
        }
        let unread = matches!(stop, Stop::OtherAuthority).then(|| self.up.take_unread());
        RelayEnd { outcome, detail, unread }
    }

    /// Ends in good order what has not been ended.
    async fn part(&mut self) {
        let parting = async {
            if !self.down.closed {
                let _ = self.client.shutdown().await;
            }
            if !self.up.closed && !self.up.sink_gone {
                let _ = self.upstream.shutdown().await;
            }
        };
        let _ = timeout(PARTING, parting).await;
    }

    /// The connection's outcome; what was in flight ends accordingly.
    fn read_stop(&mut self, stop: Stop) -> (Outcome, Option<Redacted>) {
        let client_stopped = self.up.eof.is_some() && !self.upstream_first;
        let (kind, outcome, detail) = match stop {
            Stop::Finished if self.exchanges.iter().all(|current| current.upgraded) => {
                (EndKind::Upgraded, Outcome::Ok, None)
            }
            // The answer came before the request was complete, and nobody wants the rest of that.
            Stop::Finished if self.exchanges.iter().all(|current| current.answered) => {
                (EndKind::Complete, Outcome::Ok, None)
            }
            Stop::Finished if client_stopped => (EndKind::ClientAbort, Outcome::ClientAbort, None),
            Stop::Finished => (
                EndKind::UpstreamClosed,
                Outcome::UpstreamReset,
                Some(Redacted::literal("the upstream closed the connection before the answer was complete")),
            ),
            Stop::ClientGone => (EndKind::ClientAbort, Outcome::ClientAbort, None),
            Stop::UpstreamGone if self.down.alert.is_some() && self.channel.client_certificate_asked => {
                (EndKind::UpstreamReset, Outcome::UpstreamMtls, Some(Redacted::literal(tls::MTLS_HINT)))
            }
            Stop::UpstreamGone => (
                EndKind::UpstreamReset,
                Outcome::UpstreamReset,
                Some(Redacted::literal("the upstream reset the connection")),
            ),
            Stop::ClientRefused(refusal) => (EndKind::Refused, Outcome::ClientProtocol, self.explain(refusal)),
            Stop::UpstreamRefused(refusal) => {
                (EndKind::UpstreamProtocol, Outcome::UpstreamProtocol, self.explain(refusal))
            }
            Stop::HeadTimeout => (
                EndKind::ClientAbort,
                Outcome::ClientTimeout,
                Some(Redacted::literal("the head of a request was not finished in time")),
            ),
            Stop::OtherAuthority => (EndKind::Complete, Outcome::Ok, None),
            Stop::Drained => (EndKind::Shutdown, Outcome::Shutdown, None),
            Stop::Cut(_) => {
                (EndKind::Cut, Outcome::Ok, Some(Redacted::literal("authtrace cut the connection on purpose")))
            }
        };
        // A client that has its answer may leave with the rest of its request unsent, however the upstream takes that.
        let has_left = matches!(stop, Stop::ClientGone) || matches!(stop, Stop::UpstreamGone) && client_stopped;
        let idle = self.exchanges.is_empty() || has_left && self.exchanges.iter().all(|current| current.answered);
        self.tell_what_passed();
        for mut current in self.exchanges.drain(..) {
            match current.upgraded && kind != EndKind::UpstreamProtocol {
                true => current.tap.end(End { outcome: EndKind::Upgraded, stage: None, detail: None }),
                false if kind == EndKind::Complete || has_left && current.answered => current.tap.end(End::complete()),
                // The record of what was cut says why by itself.
                false if kind == EndKind::Cut => current.tap.break_off(kind, None),
                false if current.answered => {
                    current.tap.end(End { outcome: kind, stage: Some(Stage::Request), detail: detail.clone() });
                }
                false => current.tap.break_off(kind, detail.clone()),
            }
        }
        match stop {
            _ if outcome == Outcome::UpstreamMtls => (outcome, detail),
            Stop::ClientGone if self.carried == 0 && self.up.alert.is_some_and(tls::refuses_certificate) => (
                Outcome::ClientDistrustsCa,
                Some(Redacted::literal(
                    "the client finished the handshake and then refused our certificate with a TLS alert",
                )),
            ),
            Stop::ClientGone | Stop::UpstreamGone if idle && self.carried > 0 => (Outcome::Ok, None),
            // The command has ended, and with it its connections: that is no doing of ours.
            Stop::Drained if idle && client_stopped && self.carried > 0 => (Outcome::Ok, None),
            Stop::Finished if self.carried == 0 && !client_stopped => (
                Outcome::UnusedTunnel,
                Some(Redacted::literal("the upstream closed before the client had sent a request")),
            ),
            Stop::Finished | Stop::ClientGone if self.carried == 0 => (
                Outcome::UnusedTunnel,
                Some(Redacted::literal("the client finished the handshake and closed without a request")),
            ),
            _ => (outcome, detail),
        }
    }

    fn explain(&self, refusal: Refusal) -> Option<Redacted> {
        Some(self.channel.shared.redactor.message(&refusal.to_string()))
    }

    /// An answer of ours to a request that cannot be passed on, if no other answer is under way.
    async fn refuse(&mut self, refusal: Refusal) {
        let answer = reply::refusal(refusal.status(), refusal.code(), &refusal.to_string());
        let talk = async {
            let begun = current_of(&mut self.exchanges).is_some_and(|current| current.tap.is_being_answered());
            if self.down.is_drained() && matches!(self.answering, Answering::Head) && !begun {
                self.client.write_all(&answer).await?;
                self.client.shutdown().await?;
                // Closing over unread bytes would make the kernel reset, and the answer could be lost.
                let mut rest = vec![0_u8; 4_096];
                while self.client.read(&mut rest).await? > 0 {}
            }
            Ok::<(), std::io::Error>(())
        };
        let _ = timeout(Duration::from_secs(1), talk).await;
    }
}
