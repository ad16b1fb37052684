//! Faults and bad input, against the program itself over real sockets: what the client sees, what is recorded, and that
//! afterwards nothing has changed: the next exchange works within a second, descriptors are back, every connection has
//! told its end, nothing panicked, and no made-up credential (they all contain `FAKE`) stands in what was written.
//!
//! Finer tests of the same stand beside these, within this process and with shorter waits. The case is in the name of the
//! test; what it is about, and where there is more of it:
//!
//! | case | stimulus | here | more in |
//! |---|---|---|---|
//! | 1, 2 | a CONNECT that cannot be read | `connect` | `refusal`, `wire` |
//! | 3, 4 | the proxy as its own target, by any name | `connect` | `refusal` |
//! | 5 | the proxy taken for a web server | `connect` | `attackers::browser` |
//! | 6 | passwords and users | `connect` | `refusal`, `attackers::processes` |
//! | 7–10 | no ClientHello, no TLS, no trust, odd ClientHellos | `handshake` | `handshake`, `clients` |
//! | 11, 12 | no name, no connection, no answer | `upstream` | `refusal` |
//! | 13, 14 | certificates of the upstream, and of the client | `upstream` | `handshake` |
//! | 15–17 | resets, half-closed connections, a client that leaves | `upstream` | `transport`, `http2` |
//! | 18–21 | ambiguous and malformed requests | `framing` | `refusal`, `wire` |
//! | 22 | heads that are too large | `limits` | `refusal` |
//! | 23–27 | an upstream that breaks the rules; 1xx, upgrades, trailers | `protocol` | `transport`, `bytes` |
//! | 28–33 | slow peers, large bodies, bombs, no descriptors | `load` | `transport`, `leaks` |
//! | 34, 37 | full disks, two writers, traces that are moved | `storage` | `record` |
//! | 35 | killed under load | `crash` | |
//! | 36 | the end with open streams | `shutdown` | `launch` |
//! | 38 | clocks that step | `handshake` | `ca` |
//! | 40 | panics | `panics` | |
//!
//! 39 is about a page in the browser that shows a trace while it grows; there is none.

mod connect;
mod crash;
mod framing;
mod handshake;
mod limits;
mod load;
mod panics;
mod protocol;
mod shutdown;
mod storage;
mod upstream;

use crate::support::program::{Ended, Home, Live, Trace};
use crate::support::{HOST, Origin, Pki, Wire, handshake, soon};
use authtrace::trace::{Connection, Exchange, Line, Outcome, Reader, Record};
use rustix::process::{Signal, kill_process};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{ClientConfig, RootCertStore};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A host that always answers.
const WELL: &str = "well.example.test";
/// A request, and the answer to it.
pub(crate) const GET: &[u8] = b"GET /v1/models HTTP/1.1\r\nHost: api.example.test\r\n\r\n";
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// The bars: a fresh exchange, and everything back as it was.
const FRESH: Duration = Duration::from_secs(1);
const BACK: Duration = Duration::from_secs(10);

/// What differs from `authtrace proxy` with two hosts of this machine.
pub(crate) struct Setup {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// What starts the program: a command that takes it as its arguments, such as `faketime -f +30d`.
    pub(crate) starter: Vec<String>,
    /// Where the trace goes, if not to a file of its own in the home.
    pub(crate) out: Option<PathBuf>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self { arguments: Vec::new(), environment: Vec::new(), starter: Vec::new(), out: None }
    }

    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn starter(mut self, words: &[&str]) -> Self {
        self.starter = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts it in front of an origin of [`HOST`] that speaks TLS.
    pub(crate) async fn start(self) -> Bench {
        let pki = Pki::new();
        let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
        self.start_before(pki, origin).await
    }

    /// The same in front of any origin.
    pub(crate) async fn start_before(self, pki: Pki, origin: Origin) -> Bench {
        let home = Home::new();
        let well = Origin::tls(pki.server(WELL, &["http/1.1"])).await;
        let trace = self.out.unwrap_or_else(|| home.path("state/trace.jsonl"));
        let program = env!("CARGO_BIN_EXE_authtrace");
        let mut words = self.starter.iter().map(String::as_str).chain([program]);
        let mut command = home.command(words.next().unwrap_or(program));
        command.args(words).arg("proxy").arg("--out").arg(&trace).arg("--upstream-ca").arg(pki.root_file());
        command.args(["--upstream-proxy", "none", "--intercept", HOST, "--intercept", WELL]);
        command.args(["--connect-to", &format!("{HOST}::{}", origin.address())]);
        command.args(["--connect-to", &format!("{WELL}::{}", well.address())]);
        command.args(&self.arguments).envs(self.environment).env("RUST_LOG", "trace");
        let mut live = Live::start(&mut command);
        live.until("Ctrl-C ends");
        // The other stream may be behind.
        while !["HTTPS_PROXY", "NODE_EXTRA_CA_CERTS"].iter().all(|name| exports(live.said()).contains_key(*name)) {
            live.until("export ");
        }
        let exports = exports(live.said());
        let proxy = exports["HTTPS_PROXY"].trim_start_matches("http://");
        let (login, address) = proxy.rsplit_once('@').unwrap_or(("", proxy));
        let mut bench = Bench {
            address: address.parse().unwrap(),
            login: login.to_owned(),
            roots: CertificateDer::pem_file_iter(&exports["NODE_EXTRA_CA_CERTS"])
                .unwrap()
                .map(Result::unwrap)
                .collect(),
            pid: program_of(live.pid().as_raw_pid()),
            live: Some(live),
            well: tokio::spawn(answer_always(well)),
            dialled: AtomicUsize::new(0),
            descriptors: 0,
            trace,
            origin,
            pki,
            home,
        };
        // What it opens once, such as the files of the trace, is open afterwards.
        bench.exchange().await;
        bench.connections_told().await;
        bench.descriptors = descriptors(bench.pid);
        bench
    }
}

/// The program itself, where another has started it: the only child, if there is one.
fn program_of(started: i32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{started}/task/{started}/children")).unwrap_or_default();
    children.split_whitespace().next().and_then(|child| child.parse().ok()).unwrap_or(started)
}

/// What `proxy` tells another shell to set.
fn exports(said: &str) -> BTreeMap<String, String> {
    let lines = said.lines().filter_map(|line| line.strip_prefix("export "));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}

/// Answers every connection with [`OK`] as often as it asks.
async fn answer_always(origin: Origin) {
    let origin = Arc::new(origin);
    while let Ok(stream) = origin.next_socket().await {
        let origin = Arc::clone(&origin);
        tokio::spawn(async move {
            // A client that is gone again is no matter of this host.
            let Ok(mut wire) = origin.greet(stream).await else { return };
            while wire.receive_head().await.is_some() {
                if wire.try_send(OK).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// A running `authtrace proxy`, an origin in the hands of the case, and one that is well.
pub(crate) struct Bench {
    pub(crate) address: SocketAddr,
    /// User and password of this run, as they stand in a URL.
    pub(crate) login: String,
    pub(crate) origin: Origin,
    pub(crate) pki: Pki,
    pub(crate) home: Home,
    pub(crate) trace: PathBuf,
    roots: Vec<CertificateDer<'static>>,
    pid: i32,
    live: Option<Live>,
    well: JoinHandle<()>,
    dialled: AtomicUsize,
    descriptors: usize,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    /// A connection to the proxy on which nothing was said yet.
    pub(crate) async fn dial(&self) -> Wire {
        let stream = soon("the proxy", TcpStream::connect(self.address)).await.unwrap();
        self.dialled.fetch_add(1, Ordering::Relaxed);
        stream.set_nodelay(true).unwrap();
        Wire::Plain(stream)
    }

    /// Somebody else has connected so many times.
    pub(crate) fn count(&self, connections: usize) {
        self.dialled.fetch_add(connections, Ordering::Relaxed);
    }

    /// The answer to a CONNECT, and the connection.
    pub(crate) async fn connect(&self, target: &str) -> (String, Wire) {
        let mut wire = self.dial().await;
        wire.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")).await;
        let head = wire.receive_until(b"\r\n\r\n").await;
        (String::from_utf8(head).unwrap(), wire)
    }

    /// A tunnel that was granted.
    pub(crate) async fn tunnel(&self, target: &str) -> TcpStream {
        let (head, wire) = self.connect(target).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let Wire::Plain(stream) = wire else { unreachable!() };
        stream
    }

    /// A client that trusts the authority of this run.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client_at(Arc::new(DefaultTimeProvider))
    }

    /// The same at another time.
    pub(crate) fn client_at(&self, clock: Arc<dyn TimeProvider>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        self.roots.iter().for_each(|root| roots.add(root.clone()).unwrap());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_details(provider, clock).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }

    /// Both ends of an intercepted connection to [`HOST`], each after its handshake.
    pub(crate) async fn intercepted(&self) -> (Wire, Wire) {
        let client = async { handshake(self.tunnel(&format!("{HOST}:443")).await, HOST, self.client()).await.unwrap() };
        tokio::join!(client, self.origin.accept())
    }

    /// Says something to the proxy itself, and takes its answer up to the end; it may come before all was said.
    pub(crate) async fn say(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut wire = self.dial().await;
        let _ = wire.try_send(bytes.as_ref()).await;
        String::from_utf8(wire.receive_end().await.0).unwrap()
    }

    /// One exchange with the host that is well.
    async fn exchange(&self) {
        let begun = Instant::now();
        let stream = self.tunnel(&format!("{WELL}:443")).await;
        let mut client = handshake(stream, WELL, self.client()).await.unwrap();
        client.send(b"GET / HTTP/1.1\r\nHost: well.example.test\r\n\r\n").await;
        client.expect(OK).await;
        assert!(begun.elapsed() < FRESH, "a fresh exchange took {:?}", begun.elapsed());
        client.close().await;
    }

    /// Everything that was recorded so far.
    pub(crate) fn records(&self) -> Vec<Record> {
        records(&self.trace)
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let all = self.records().into_iter();
        all.filter_map(|record| if let Record::Exchange(one) = record { Some(Arc::unwrap_or_clone(one)) } else { None })
            .collect()
    }

    /// The connections that have ended so far, but for those to the host that is well.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        let all = self.records().into_iter();
        let ended = all.filter_map(|record| if let Record::Connection(one) = record { Some(*one) } else { None });
        ended.filter(|one| one.target.as_ref().is_none_or(|target| target.host.as_str() != WELL)).collect()
    }

    /// The connection of this outcome, once it is recorded.
    pub(crate) async fn ended(&self, outcome: Outcome) -> Connection {
        let of_it = || self.connections().into_iter().rfind(|one| one.end.outcome == outcome);
        self.until(outcome.as_str(), of_it).await
    }

    /// Looks into the trace until something is there.
    pub(crate) async fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let due = Instant::now() + BACK;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < due, "never recorded: {what}; there is {:#?}", self.connections());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every connection that was made has told its end: no task is left.
    async fn connections_told(&self) {
        let wanted = self.dialled.load(Ordering::Relaxed);
        let told = || self.records().iter().filter(|record| matches!(record, Record::Connection(_))).count();
        self.until(&format!("{wanted} connections"), || (told() >= wanted).then_some(())).await;
    }

    /// The check behind every case.
    pub(crate) async fn is_well(&self) {
        self.exchange().await;
        self.connections_told().await;
        let due = Instant::now() + BACK;
        while descriptors(self.pid) > self.descriptors {
            let open = open_files(self.pid);
            assert!(Instant::now() < due, "{} descriptors, and before {}: {open:?}", open.len(), self.descriptors);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_unsaid("the trace", &std::fs::read(&self.trace).unwrap());
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(rustix::process::Pid::from_raw(self.pid).unwrap(), signal).unwrap();
    }

    /// Checks once more, ends the program as a service manager does, and reads what it has left.
    pub(crate) async fn finish(self) -> (Trace, Ended) {
        let (file, ended) = self.stop().await;
        (Trace::read(file.path()), ended)
    }

    /// The same, for who wants the trace itself.
    pub(crate) async fn stop(mut self) -> (tempfile::NamedTempFile, Ended) {
        self.is_well().await;
        self.signal(Signal::TERM);
        let live = self.live.take().unwrap();
        let ended = tokio::task::spawn_blocking(move || live.finish(Duration::from_secs(20))).await.unwrap();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_unsaid("standard error", ended.stderr.as_bytes());
        for sign in ["panicked", "internal error"] {
            assert!(!ended.stderr.contains(sign), "{}", ended.stderr);
        }
        assert_eq!(self.home.left_behind(), [""; 0]);
        let kept = tempfile::NamedTempFile::with_suffix(".jsonl").unwrap();
        std::fs::copy(&self.trace, kept.path()).unwrap();
        (kept, ended)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.well.abort();
        if let Some(live) = &mut self.live {
            live.kill();
        }
    }
}

/// The whole records of a trace that may still be written.
pub(crate) fn records(path: &Path) -> Vec<Record> {
    let mut bytes = std::fs::read(path).unwrap();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(whole);
    let Ok(mut reader) = Reader::new(Cursor::new(bytes)) else { return Vec::new() };
    std::iter::from_fn(|| reader.next_line().unwrap())
        .filter_map(|line| if let Line::Record(record) = line { Some(record) } else { None })
        .collect()
}

pub(crate) fn assert_unsaid(what: &str, written: &[u8]) {
    let at = written.windows(4).position(|window| window == b"FAKE");
    let around = |at: usize| written[at.saturating_sub(200)..written.len().min(at + 40)].escape_ascii().to_string();
    assert!(at.is_none(), "{what} holds a piece of a credential: {}", at.map(around).unwrap_or_default());
}

fn descriptors(pid: i32) -> usize {
    open_files(pid).len()
}

/// What a process has open. The program shields itself, so that for others than root there is nothing to see.
fn open_files(pid: i32) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect()
}

/// An answer of ours: its status and `X-Authtrace`.
pub(crate) fn ours(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
    let mark = head.lines().find_map(|line| line.strip_prefix("X-Authtrace: "));
    let mark = mark.unwrap_or_else(|| panic!("unmarked: {answer}"));
    assert!(body.starts_with("authtrace: ") && !head.to_ascii_lowercase().contains("access-control"), "{answer}");
    (head[9..12].parse().unwrap(), mark.to_owned())
}

/// What a command says, as a program that is not ours.
pub(crate) async fn output(mut command: Command) -> std::process::Output {
    soon("a program", tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap()
}
