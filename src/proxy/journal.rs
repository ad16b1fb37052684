//! The record of one connection, built while it lives and emitted exactly once, also when its task is dropped.

use super::Shared;
use super::peer::Answer;
use crate::redact::{self, Redacted};
use crate::trace::{Connection, ConnectionEnd, HandshakeLeg, Mode, Outcome, Record, Target, Timestamp};
use crate::wire::{Authority, Host};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long the record of a connection that has ended waits for the name of its process.
const PEER_PATIENCE: Duration = Duration::from_millis(5);

/// Numbers for connections and exchanges, from 1.
#[derive(Default)]
pub(super) struct Numbers {
    connections: AtomicU64,
    exchanges: AtomicU64,
}

impl Numbers {
    pub(super) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn next_exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// The record of one connection in the making.
pub(super) struct ConnectionLog {
    shared: Arc<Shared>,
    record: Connection,
    peer: Arc<Answer>,
    begun: Instant,
    ended: bool,
    told: bool,
}

impl ConnectionLog {
    /// Of a connection from `peer` to us, at `local`.
    pub(super) fn begin(shared: &Arc<Shared>, peer: SocketAddr, local: SocketAddr) -> Self {
        let peer = shared.peers.ask(&shared.streams, peer, local);
        let end = ConnectionEnd { outcome: Outcome::Internal, detail: None, status: None };
        let record = Connection {
            id: shared.numbers.next_connection(),
            lane: Redacted::literal("main"),
            peer: None,
            opened: Timestamp::now(),
            duration_us: 0,
            target: None,
            mode: Mode::Refused,
            client_tls: None,
            upstream_tls: None,
            server_name_mismatch: false,
            via_upstream_proxy: false,
            dns_us: None,
            connect_us: None,
            bytes_up: 0,
            bytes_down: 0,
            requests: 0,
            end,
        };
        Self { shared: Arc::clone(shared), record, peer, begun: Instant::now(), ended: false, told: false }
    }

    /// Who is at the other end.
    pub(super) fn peer(&self) -> &Arc<Answer> {
        &self.peer
    }

    pub(super) fn id(&self) -> u64 {
        self.record.id
    }

    pub(super) fn lane(&self) -> &Redacted {
        &self.record.lane
    }

    pub(super) fn set_lane(&mut self, lane: Redacted) {
        self.record.lane = lane;
    }

    pub(super) fn set_target(&mut self, target: &Authority) {
        self.record.target = Some(Target { host: shown_host(&self.shared, &target.host), port: target.port });
    }

    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.record.mode = mode;
    }

    pub(super) fn set_dialed(&mut self, dns: Option<Duration>, connect: Duration, via_proxy: bool) {
        self.record.dns_us = dns.map(micros);
        self.record.connect_us = Some(micros(connect));
        self.record.via_upstream_proxy = via_proxy;
    }

    pub(super) fn set_client_tls(&mut self, leg: HandshakeLeg) {
        self.record.client_tls = Some(leg);
    }

    pub(super) fn set_upstream_tls(&mut self, leg: HandshakeLeg) {
        self.record.upstream_tls = Some(leg);
    }

    pub(super) fn set_server_name_mismatch(&mut self) {
        self.record.server_name_mismatch = true;
    }

    pub(super) fn timing(&self) -> (Option<u64>, Option<u64>, Option<u64>) {
        let tls = self.record.upstream_tls.as_ref().map(|leg| leg.handshake_us);
        (self.record.dns_us, self.record.connect_us, tls)
    }

    pub(super) fn add_bytes(&mut self, up: u64, down: u64) {
        self.record.bytes_up += up;
        self.record.bytes_down += down;
    }

    pub(super) fn add_requests(&mut self, count: u64) {
        self.record.requests += count;
    }

    /// The status that refused the request that opened the connection.
    pub(super) fn set_status(&mut self, status: u16) {
        self.record.end.status = Some(status);
    }

    /// How the connection ended. Later calls do nothing.
    pub(super) fn end(&mut self, outcome: Outcome, detail: Option<Redacted>) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.record.duration_us = micros(self.begun.elapsed());
        self.record.end.outcome = outcome;
        self.record.end.detail = detail;
    }

    /// Writes the record of a connection that has ended, once its process is known or not to be known soon.
    pub(super) async fn close(mut self) {
        self.peer.settle(PEER_PATIENCE).await;
        self.tell();
    }

    fn tell(&mut self) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let mut record = Box::new(self.record.clone());
        record.peer = self.peer.known();
        // Also while the task of the connection is panicking, when a second panic would end the process.
        let _ = redact::guard(|| self.shared.sink.emit(Record::Connection(record)));
    }
}

impl Drop for ConnectionLog {
    fn drop(&mut self) {
        let outcome = if self.shared.stopping.is_cancelled() { Outcome::Shutdown } else { Outcome::Internal };
        self.end(outcome, None);
        self.tell();
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn shown_host(shared: &Shared, host: &Host) -> Redacted {
    shared.redactor.host(&host.to_string())
}
