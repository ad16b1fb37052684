//! The listening socket, and the life of the proxy: accept, serve, drain, stop.

use super::dial::Dialer;
use super::journal::Numbers;
use super::passage::random_seed;
use super::peer::Peers;
use super::shortage::{Notes, Shortage};
use super::supervise::Supervisor;
use super::tls::TlsConfigs;
use super::{ProxyConfig, ProxyError, Shared, connect};
use crate::redact::{Redacted, Redactor};
use crate::trace::{EventSink, Note, NoteKind, Record, Timestamp};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pause after an accept that failed, so that a full table of descriptors does not make the loop spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The least time between two words about that.
const TELL_AGAIN: Duration = Duration::from_secs(1);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// A socket that listens: who connects waits in its queue until a [`Proxy`] serves it.
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// Binds the socket, inside a runtime.
    ///
    /// # Errors
    /// When the address is not loopback or not free.
    pub fn bind(address: SocketAddr) -> Result<Self, ProxyError> {
        if !address.ip().is_loopback() {
            return Err(ProxyError::NotLoopback(address));
        }
        let failed = |source| ProxyError::Listen { address, source };
        let listener = bind_socket(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }
}

/// A bound proxy that does not serve yet.
pub struct Proxy {
    listener: TcpListener,
    address: SocketAddr,
    drain: Duration,
    shared: Arc<Shared>,
}

/// A serving proxy.
pub struct ProxyHandle {
    address: SocketAddr,
    drain: Duration,
    stopping: CancellationToken,
    killed: CancellationToken,
    tracker: TaskTracker,
    streams: TaskTracker,
    accepting: JoinHandle<()>,
    peers: Peers,
}

impl Proxy {
    /// Binds the socket.
    ///
    /// # Errors
    /// When the address is not loopback or not free, or TLS cannot be set up.
    pub fn bind(config: ProxyConfig, redactor: Arc<Redactor>, sink: Arc<dyn EventSink>) -> Result<Self, ProxyError> {
        Self::on(Listening::bind(config.listen)?, config, redactor, sink)
    }

    /// On a socket that listens already; the configuration's address is not used.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn on(
        Listening { listener, address }: Listening,
        config: ProxyConfig,
        redactor: Arc<Redactor>,
        sink: Arc<dyn EventSink>,
    ) -> Result<Self, ProxyError> {
        let guard_local = !config.access.is_required();
        let dialer = Dialer::new(config.connect_to, config.upstream_proxy, config.patience, guard_local);
        dialer.set_own_address(address);
        let peers = Peers::new(Arc::clone(&redactor));
        let supervise = |policy| Arc::new(Supervisor::new(policy, Arc::clone(&redactor), Arc::clone(&sink)));
        let supervisor = config.policy.map(supervise);
        let shared = Shared {
            intercept: config.intercept,
            leaves: config.leaves,
            dialer,
            tls: TlsConfigs::new(&config.upstream_trust)?,
            access: config.access,
            patience: config.patience,
            supervisor,
            shortages: Notes::default(),
            redactor,
            sink,
            numbers: Numbers::default(),
            seed: random_seed(),
            peers,
            stopping: CancellationToken::new(),
            streams: TaskTracker::new(),
        };
        Ok(Self { listener, address, drain: config.patience.drain, shared: Arc::new(shared) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves in tasks of the current runtime until the handle is stopped.
    #[must_use]
    pub fn serve(self) -> ProxyHandle {
        let stopping = self.shared.stopping.clone();
        let killed = CancellationToken::new();
        let tracker = TaskTracker::new();
        let (address, drain) = (self.address, self.drain);
        let streams = self.shared.streams.clone();
        let peers = self.shared.peers.clone();
        let accepting = tokio::spawn(self.accept(tracker.clone(), killed.clone()));
        ProxyHandle { address, drain, stopping, killed, tracker, streams, accepting, peers }
    }

    async fn accept(self, tracker: TaskTracker, killed: CancellationToken) {
        let mut told: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.shared.stopping.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let shared = Arc::clone(&self.shared);
                    // Of its own, so that those who wait do not contend for one lock each time they look.
                    let killed = killed.child_token();
                    let local = self.address;
                    tracker.spawn(async move {
                        tokio::select! {
                            biased;
                            () = killed.cancelled() => {}
                            () = connect::serve(shared, stream, peer, local) => {}
                        }
                    });
                }
                Err(error) => {
                    if told.is_none_or(|at| at.elapsed() >= TELL_AGAIN) {
                        told = Some(Instant::now());
                        self.tell(&error);
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Proxy {
    /// A connection could not be accepted: in the log and in the trace, since a client may be waiting in vain.
    fn tell(&self, error: &std::io::Error) {
        tracing::warn!(kind = %error.kind(), "cannot accept connections; trying again");
        if let Some(shortage) = Shortage::of(error) {
            return self.shared.shortages.tell(&*self.shared.sink, shortage);
        }
        let text = Redacted::literal("connections wait to be accepted: the system refuses them");
        let note = Note { at: Timestamp::now(), kind: NoteKind::Other, text };
        self.shared.sink.emit(Record::Note(note));
    }
}

impl ProxyHandle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections being served.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.tracker.len()
    }

    /// Where to say which processes are going to connect.
    #[must_use]
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Ends what is still open at once, also during [`Self::stop`].
    pub fn kill(&self) {
        self.stopping.cancel();
        self.killed.cancel();
    }

    /// Accepts no more, lets open exchanges end within the configured time, then ends the rest.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tracker.close();
        if tokio::time::timeout(self.drain, self.tracker.wait()).await.is_err() {
            self.killed.cancel();
            self.tracker.wait().await;
        }
        // With its connection a stream ends as well, and only then has told its exchange.
        self.streams.close();
        self.streams.wait().await;
        self.accepting.abort();
    }
}

impl Drop for ProxyHandle {
    fn drop(&mut self) {
        self.kill();
        self.accepting.abort();
    }
}

fn bind_socket(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart on a fixed port must not wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
