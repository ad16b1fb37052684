//! The fake on loopback: TLS with HTTP/1.1 and HTTP/2 for every host name, and plaintext HTTP/1.1 beside it.

use super::FakeError;
use super::answer::{Reply, Request, Response};
use super::control::{self, Control};
use super::event::{Change, Event};
use super::model::Model;
use super::pace::{Cutter, Paced};
use super::play::{Play, Seen};
use super::tls;
use crate::policy::{ApiError, Cut, Script};
use crate::trace::Timestamp;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A free port of 127.0.0.1.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// The most requests that are remembered; the oldest are forgotten.
const REMEMBERED: usize = 10_000;

/// The largest body that is taken, in bytes, as the API documents it for messages.
const LARGEST: usize = 32 * 1024 * 1024;

/// How the fake behaves.
pub struct FakeConfig {
    /// Its state at the start.
    pub model: Model,
    /// What it does otherwise than the model would.
    pub script: Script,
    /// What happens to it in the course of time.
    pub events: Vec<Event>,
    /// The pause before each event of a stream, where the script names none.
    pub event_gap: Duration,
    /// Where plaintext HTTP/1.1 is spoken; port 0: a free one.
    pub listen: SocketAddr,
    /// Where TLS is spoken.
    pub listen_tls: SocketAddr,
    /// Whether requests to `/_authtrace/…` steer it: `POST clock?advance=8h`, `POST event?do=revoke`, `GET requests`.
    pub control: bool,
    /// Milliseconds that its clock is ahead of this machine's; negative: behind.
    pub clock_ahead_ms: i64,
}

impl FakeConfig {
    /// Nothing scripted, events 5 ms apart, the machine's clock, free ports of 127.0.0.1, not to be steered.
    #[must_use]
    pub fn new(model: Model) -> Self {
        Self {
            model,
            script: Script::default(),
            events: Vec::new(),
            event_gap: Duration::from_millis(5),
            listen: ANY,
            listen_tls: ANY,
            control: false,
            clock_ahead_ms: 0,
        }
    }

    /// The same with a script.
    #[must_use]
    pub fn with_script(self, script: Script) -> Self {
        Self { script, ..self }
    }
}

/// A running fake. Dropping it stops accepting and ends all connections; [`Fake::shutdown`] also waits for that.
pub struct Fake {
    addr: SocketAddr,
    plaintext_addr: SocketAddr,
    ca_pem: String,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

struct Shared {
    play: Mutex<Play>,
    seen: watch::Sender<Log>,
    event_gap: Duration,
    control: bool,
    clock_ahead_ms: AtomicI64,
}

/// What was asked and answered.
#[derive(Default)]
struct Log {
    forgotten: usize,
    seen: VecDeque<Seen>,
}

impl Log {
    fn count(&self) -> usize {
        self.forgotten.saturating_add(self.seen.len())
    }

    fn push(&mut self, seen: Seen) {
        if self.seen.len() >= REMEMBERED {
            self.seen.pop_front();
            self.forgotten = self.forgotten.saturating_add(1);
        }
        self.seen.push_back(seen);
    }

    fn since(&self, index: usize) -> Vec<Seen> {
        self.seen.iter().skip(index.saturating_sub(self.forgotten)).cloned().collect()
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        let ahead = self.clock_ahead_ms.load(Ordering::Relaxed);
        Timestamp::from_unix_ms(Timestamp::now().unix_ms().saturating_add(ahead))
    }

    fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let forward = |ahead: i64| Some(ahead.saturating_add(by));
        // The closure always gives a value.
        let _ = self.clock_ahead_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, forward);
    }

    fn play(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn steer(&self, control: Control) -> Response {
        match control {
            Control::Clock(by) => {
                self.advance(by);
                Response::json(200, &json!({"now": self.now().to_string()}))
            }
            Control::Change(change) => {
                change.apply(self.play().model(), self.now());
                Response::json(200, &json!({"done": true}))
            }
            Control::Requests => Response::json(200, &control::listed(self.seen.borrow().seen.iter())),
        }
    }
}

impl Fake {
    /// Listens on its two addresses.
    ///
    /// # Errors
    /// [`FakeError::NotLoopback`], [`FakeError::Bind`] and [`FakeError::Listen`] without a port, [`FakeError::Certificate`] and [`FakeError::Tls`] without a root.
    pub async fn start(config: FakeConfig) -> Result<Self, FakeError> {
        let (tls, ca_pem) = tls::server()?;
        let encrypted = bind(config.listen_tls).await?;
        let plaintext = bind(config.listen).await?;
        let addr = encrypted.local_addr().map_err(FakeError::Listen)?;
        let plaintext_addr = plaintext.local_addr().map_err(FakeError::Listen)?;
        let shared = Arc::new(Shared {
            play: Mutex::new(Play::new(config.model, config.script).with_events(config.events)),
            seen: watch::Sender::new(Log::default()),
            event_gap: config.event_gap,
            control: config.control,
            clock_ahead_ms: AtomicI64::new(config.clock_ahead_ms),
        });
        let fake =
            Self { addr, plaintext_addr, ca_pem, shared, stop: CancellationToken::new(), tasks: TaskTracker::new() };
        fake.listen(encrypted, Some(TlsAcceptor::from(Arc::new(tls))));
        fake.listen(plaintext, None);
        Ok(fake)
    }

    /// Where TLS is spoken.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where plaintext HTTP/1.1 is spoken.
    #[must_use]
    pub fn plaintext_addr(&self) -> SocketAddr {
        self.plaintext_addr
    }

    /// The root to trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// What has been asked and answered so far, in the order of the decisions; of many the last 10,000.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.seen.borrow().since(0)
    }

    /// Waits until at least `count` requests have been decided on, and gives them.
    pub async fn requests_at_least(&self, count: usize) -> Vec<Seen> {
        let mut receiver = self.shared.seen.subscribe();
        // The sender lives in `self`, so it does not come about that nothing can be waited for.
        let _ = receiver.wait_for(|log| log.count() >= count).await;
        self.requests()
    }

    /// Waits until more than `index` requests have been decided on, and gives their number, and those from there on.
    pub async fn requests_since(&self, index: usize) -> (usize, Vec<Seen>) {
        let mut receiver = self.shared.seen.subscribe();
        // As above.
        let _ = receiver.wait_for(|log| log.count() > index).await;
        let log = self.shared.seen.borrow();
        (log.count(), log.since(index))
    }

    /// The server's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// Puts the server's clock forward, so that eight hours of a token's life pass at once.
    pub fn advance(&self, by: Duration) {
        self.shared.advance(by);
    }

    /// Something happens to the server now, as an event of a scenario.
    pub fn change(&self, change: &Change) {
        change.apply(self.shared.play().model(), self.shared.now());
    }

    /// Looks at or changes the model between requests: a new login, a revocation.
    pub fn with_model<T>(&self, act: impl FnOnce(&mut Model) -> T) -> T {
        act(self.shared.play().model())
    }

    /// Ends all connections and waits until every task is gone.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn listen(&self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let (shared, stop, tasks) = (Arc::clone(&self.shared), self.stop.clone(), self.tasks.clone());
        self.tasks.spawn(async move {
            loop {
                let stream = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => stream,
                        // Out of descriptors, or the peer has gone: others may still come.
                        Err(_) => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            continue;
                        }
                    },
                };
                let (shared, tls, stop) = (Arc::clone(&shared), tls.clone(), stop.clone());
                let streams = tasks.clone();
                tasks.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        // A broken connection is the client's affair, or the script's.
                        _ = serve(shared, stream, tls, streams) => {}
                    }
                });
            }
        });
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream, tls: Option<TlsAcceptor>, tasks: TaskTracker) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let cutter = Cutter::new(&stream);
    let Some(tls) = tls else {
        return exchanges(shared, stream, None, cutter).await;
    };
    let stream = tls.accept(stream).await?;
    let h2 = (stream.get_ref().1.alpn_protocol() == Some(b"h2")).then_some(tasks);
    exchanges(shared, stream, h2, cutter).await
}

/// Serves one connection: HTTP/2 if a tracker for the tasks of its streams is given, else HTTP/1.1.
async fn exchanges<S>(shared: Arc<Shared>, stream: S, h2: Option<TaskTracker>, cutter: Cutter) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let ended = cutter.clone();
    let service = service_fn(move |request| exchange(Arc::clone(&shared), request, cutter.clone()));
    let io = TokioIo::new(stream);
    let connection = async {
        if let Some(tasks) = h2 {
            hyper::server::conn::http2::Builder::new(Tracked(tasks))
                .timer(TokioTimer::new())
                .serve_connection(io, service)
                .await
        } else {
            hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(io, service).await
        }
    };
    tokio::select! {
        () = ended.ended() => Ok(()),
        served = connection => {
            ended.release();
            served.map_err(io::Error::other)
        }
    }
}

async fn exchange(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
    cutter: Cutter,
) -> Result<hyper::Response<Paced>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LARGEST).collect().await {
        Ok(body) => Some(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => None,
        Err(_) => {
            // The client has gone, or does not frame what it sends: there is nobody to answer.
            cutter.cut(Cut::Close);
            return std::future::pending().await;
        }
    };
    let named = head.headers.get("host").and_then(|value| value.to_str().ok());
    let authority = head.uri.authority().map(http::uri::Authority::as_str).or(named).unwrap_or_default();
    let host = host_of(authority);
    let now = shared.now();
    if shared.control
        && let Some(asked) = control::read(head.method.as_str(), head.uri.path(), head.uri.query())
    {
        let answer = asked.map_or_else(|error| error.answer("req_FAKE").into(), |control| shared.steer(control));
        return Ok(respond(answer, &shared, cutter));
    }
    let asked = Request {
        method: head.method.as_str(),
        host: &host,
        path: head.uri.path(),
        query: head.uri.query(),
        headers: &head.headers,
        body: body.as_deref().unwrap_or_default(),
        now,
    };
    if body.is_none() {
        let error = ApiError::new(413, "request_too_large", "Request exceeds the maximum size");
        let answer = shared.play().error(&asked, &error);
        return Ok(respond(answer, &shared, cutter));
    }
    let (reply, delay) = {
        let mut play = shared.play();
        let (reply, delay, seen) = play.reply(&asked);
        shared.seen.send_modify(|log| log.push(seen));
        (reply, delay)
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let response = match reply {
        Reply::Response(response) => response,
        Reply::Cut(how) => {
            cutter.cut(how);
            // The connection's task drops this exchange with the connection.
            return std::future::pending().await;
        }
    };
    Ok(respond(response, &shared, cutter))
}

fn respond(response: Response, shared: &Shared, cutter: Cutter) -> hyper::Response<Paced> {
    let mut answer = hyper::Response::new(Paced::new(response.body, shared.event_gap, cutter));
    *answer.status_mut() = http::StatusCode::from_u16(response.status).unwrap_or(http::StatusCode::IM_A_TEAPOT);
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), http::HeaderValue::from_str(&value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

async fn bind(address: SocketAddr) -> Result<TcpListener, FakeError> {
    if !address.ip().is_loopback() {
        return Err(FakeError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| FakeError::Bind { address, source })
}

/// The host of an authority, lower case, without the port.
fn host_of(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.to_ascii_lowercase()
}

/// Runs the streams of an HTTP/2 connection as tasks that a shutdown waits for; they end with the connection.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tracked {
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}
