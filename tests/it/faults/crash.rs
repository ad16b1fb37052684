//! Case 35: the program is killed while it works, again and again in one home. `AUTHTRACE_KILLS=100` for the whole case.

use crate::support::program::{Ended, Home, Live, PATIENCE, Trace, run};
use crate::support::{HOST, Origin, Pki, Seed, Wire, handshake, soon};
use authtrace::trace::{Line, Reader, Record};
use rustix::process::{Signal, kill_process};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Clients, and the time between two requests of one: 200 exchanges a second together.
const CLIENTS: u32 = 8;
const PACE: Duration = Duration::from_millis(40);
/// What completed so long before the end has to be readable.
const SAFE: Duration = Duration::from_secs(1);

/// A home in which one proxy after the other is started, on the same port and with the same authority.
struct Ground {
    home: Home,
    pki: Pki,
    origin: SocketAddr,
    proxy: SocketAddr,
}

impl Ground {
    async fn new() -> Self {
        let pki = Pki::new();
        let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
        let address = origin.address();
        tokio::spawn(answer_with_ids(origin));
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { home: Home::new(), pki, origin: address, proxy }
    }

    fn start(&self, trace: &Path) -> Live {
        let mut command = self.home.authtrace();
        command.args(["proxy", "--proxy-auth", "none", "--upstream-proxy", "none", "--intercept", HOST]);
        command.args(["--listen", &self.proxy.to_string(), "--connect-to", &format!("::{}", self.origin)]);
        command.arg("--upstream-ca").arg(self.pki.root_file()).arg("--ca-dir").arg(self.home.path("ca"));
        let mut live = Live::start(command.arg("--out").arg(trace));
        live.until("Ctrl-C ends");
        live
    }

    fn client(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(self.home.path("ca/ca.pem")).unwrap() {
            roots.add(root.unwrap()).unwrap();
        }
        ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
    }

    async fn connect(&self) -> Wire {
        let stream = soon("the proxy", TcpStream::connect(self.proxy)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut wire = Wire::Plain(stream);
        wire.send(format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n")).await;
        assert!(wire.receive_until(b"\r\n\r\n").await.starts_with(b"HTTP/1.1 200 "));
        let Wire::Plain(stream) = wire else { unreachable!() };
        handshake(stream, HOST, self.client()).await.unwrap()
    }
}

/// Answers every request with an id of its own.
async fn answer_with_ids(origin: Origin) {
    let (origin, next) = (Arc::new(origin), Arc::new(AtomicU64::new(0)));
    while let Ok(stream) = origin.next_socket().await {
        let (origin, next) = (Arc::clone(&origin), Arc::clone(&next));
        tokio::spawn(async move {
            let Ok(mut wire) = origin.greet(stream).await else { return };
            while wire.receive_head().await.is_some() {
                let id = next.fetch_add(1, Ordering::Relaxed);
                let answer = format!("HTTP/1.1 200 OK\r\nrequest-id: req_{id:016}\r\nContent-Length: 0\r\n\r\n");
                if wire.try_send(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Ids of answers, and when each was there.
type Completed = Arc<Mutex<Vec<(String, Instant)>>>;

/// Asks at the pace until the connection breaks.
async fn ask(mut wire: Wire, completed: Completed) {
    let mut pace = tokio::time::interval(PACE);
    loop {
        pace.tick().await;
        let asked = wire.try_send(b"GET /v1/models HTTP/1.1\r\nHost: api.example.test\r\n\r\n").await;
        let (Ok(()), Some(head)) = (asked, wire.receive_head().await) else { return };
        let head = String::from_utf8(head).unwrap();
        let id = head.lines().find_map(|line| line.strip_prefix("request-id: ")).unwrap().to_owned();
        completed.lock().unwrap().push((id, Instant::now()));
    }
}

/// What a killed program has left: the ids of whole exchanges, and how many lines are not whole.
fn left(path: &Path) -> (HashSet<String>, usize) {
    let mut reader = Reader::new(BufReader::new(File::open(path).unwrap())).unwrap();
    let (mut ids, mut torn) = (HashSet::new(), 0);
    while let Some(line) = reader.next_line().unwrap() {
        match line {
            Line::Record(Record::Exchange(exchange)) => {
                ids.extend(exchange.request_ids.header.iter().map(|id| id.as_str().to_owned()));
            }
            Line::Record(Record::Gap(gap)) => panic!("{gap:?}"),
            Line::Record(_) => {}
            Line::Torn { .. } => torn += 1,
            Line::Broken { line, why } => panic!("line {line}: {why}"),
        }
    }
    (ids, torn)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_35_what_completed_a_second_before_a_kill_is_readable_and_the_next_start_needs_no_repair() {
    let kills = std::env::var("AUTHTRACE_KILLS").map_or(8, |text| text.parse().unwrap());
    let ground = Ground::new().await;
    let mut seed = Seed::new(35);
    let (mut asked, mut tails) = (0, 0);
    for round in 0..kills {
        let trace = ground.home.path(&format!("state/{round}.jsonl"));
        let mut live = ground.start(&trace);
        let completed = Completed::default();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(ask(ground.connect().await, Arc::clone(&completed)));
        }
        // At any moment of the writer's tenth of a second.
        tokio::time::sleep(SAFE + Duration::from_millis(300 + seed.next() % 200)).await;
        let killed = Instant::now();
        kill_process(live.pid(), Signal::KILL).unwrap();
        soon("the clients to see it", clients.join_all()).await;
        live.kill();
        let (ids, torn) = left(&trace);
        let completed = completed.lock().unwrap();
        let lost: Vec<&String> =
            completed.iter().filter(|(id, at)| *at + SAFE < killed && !ids.contains(id)).map(|(id, _)| id).collect();
        assert!(lost.is_empty(), "round {round}: {} of {} are not there", lost.len(), completed.len());
        assert!(torn <= 1, "round {round}: {torn} torn lines");
        asked += completed.len();
        tails += torn;
    }
    // Half of what was aimed for, for a busy machine.
    assert!(asked > kills * 130, "only {asked} exchanges in {kills} rounds");
    println!("{kills} kills, {asked} exchanges, {tails} torn lines");
    whole_run(&ground).await;
}

/// A killed run's trace is reported, and one that ends by itself leaves nothing behind, also of those that were killed.
async fn whole_run(ground: &Ground) {
    let path = ground.home.path("state/0.jsonl");
    let Ended { code, stdout, stderr } = run(ground.home.authtrace().arg("report").arg(&path), PATIENCE);
    assert!(code == Some(0) && stdout.contains("authtrace is still running, or was killed"), "{stdout} {stderr}");
    let last = ground.home.path("state/last.jsonl");
    let live = ground.start(&last);
    let mut wire = ground.connect().await;
    wire.send(b"GET /v1/models HTTP/1.1\r\nHost: api.example.test\r\n\r\n").await;
    assert!(wire.receive_until(b"\r\n\r\n").await.starts_with(b"HTTP/1.1 200 "));
    kill_process(live.pid(), Signal::TERM).unwrap();
    let ended = tokio::task::spawn_blocking(move || live.finish(PATIENCE)).await.unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(Trace::read(&last).statuses("/v1/models"), [200]);
    assert_eq!(ground.home.left_behind(), [""; 0]);
}
