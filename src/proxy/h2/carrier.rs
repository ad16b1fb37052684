//! What the streams of one connection share, and what becomes of them.

use super::{UPSTREAM_BROKE_RULES, fault, lock};
use crate::facts::Extractor;
use crate::policy::Cut;
use crate::proxy::passage::Meter;
use crate::proxy::tap::{Channel, Tap};
use crate::redact::Redacted;
use crate::trace::EndKind;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(super) struct Carrier {
    pub(super) channel: Arc<Channel>,
    extractor: Mutex<Extractor>,
    pub(super) carried: AtomicU64,
    /// Streams that have not ended.
    open: AtomicU64,
    stream_ended: Notify,
    /// Whether a stream ended by the upstream's reset, or by the end of its connection.
    pub(super) broken: AtomicBool,
    /// Set when the connection is to be cut on purpose, and how.
    pub(super) cut: OnceLock<Cut>,
    pub(super) cut_now: CancellationToken,
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
}

impl Carrier {
    pub(super) fn new(channel: Arc<Channel>) -> Self {
        Self {
            extractor: Mutex::new(Extractor::new(Arc::clone(&channel.shared.redactor))),
            channel,
            carried: AtomicU64::new(0),
            open: AtomicU64::new(0),
            stream_ended: Notify::new(),
            broken: AtomicBool::new(false),
            cut: OnceLock::new(),
            cut_now: CancellationToken::new(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
        }
    }

    pub(super) fn has_open_streams(&self) -> bool {
        self.open.load(Ordering::Acquire) > 0
    }

    pub(super) fn upstream_failed(&self, tap: &Mutex<Tap>, error: &hyper::Error) {
        self.broken.store(true, Ordering::Release);
        let (outcome, detail) = match fault::broke_rules(error) {
            true => (EndKind::UpstreamProtocol, UPSTREAM_BROKE_RULES),
            false => (EndKind::UpstreamReset, "the upstream reset the stream"),
        };
        lock(tap).break_off(outcome, Some(Redacted::literal(detail)));
    }

    pub(super) fn upstream_refused(&self, tap: &Mutex<Tap>) {
        let detail = Redacted::literal("the upstream was about to end the connection and did not take the request");
        lock(tap).break_off(EndKind::UpstreamReset, Some(detail));
    }

    /// Until no stream is open.
    pub(super) async fn idle(&self) {
        loop {
            let mut ended = pin!(self.stream_ended.notified());
            ended.as_mut().enable();
            if !self.has_open_streams() {
                return;
            }
            ended.await;
        }
    }

    /// Ends the whole connection.
    pub(super) fn cut(&self, how: Cut) {
        let _ = self.cut.set(how);
        self.cut_now.cancel();
    }

    pub(super) fn meter(&self) -> Meter {
        Meter::of_fields(self.channel.shared.seed)
    }

    pub(super) fn extractor(&self) -> MutexGuard<'_, Extractor> {
        self.extractor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a stream for as long as it lives.
pub(super) struct OpenStream(Arc<Carrier>);

impl OpenStream {
    pub(super) fn new(carrier: &Arc<Carrier>) -> Self {
        carrier.open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(carrier))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.stream_ended.notify_waiters();
    }
}
