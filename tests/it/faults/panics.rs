//! Case 40: something panics. It costs a record or a connection, never the program; `record` and `cli::logging` have tests of
//! their own for the recorder's thread and for what a panic may say.

use crate::support::{Collector, HOST, Origin, PASSWORD, Pki, Wire, handshake, soon};
use authtrace::ca::{LeafStore, Root, Scope};
use authtrace::proxy::{Access, ConnectTo, Intercept, Lane, Patience, Proxy, ProxyConfig, ProxyHandle};
use authtrace::redact::{Redacted, Redactor};
use authtrace::trace::{EventSink, NoteKind, Outcome, Record};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{GET, OK};

/// Panics so many times at records of one kind, and keeps the others.
struct Panicking {
    at: fn(&Record) -> bool,
    left: AtomicUsize,
    kept: Arc<Collector>,
}

impl EventSink for Panicking {
    fn emit(&self, record: Record) {
        let panics = (self.at)(&record)
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        assert!(!panics, "injected");
        self.kept.emit(record);
    }
}

struct Stage {
    kept: Arc<Collector>,
    proxy: ProxyHandle,
    origin: Origin,
    client: rustls::ClientConfig,
}

impl Stage {
    async fn set(times: usize, at: fn(&Record) -> bool) -> Self {
        let pki = Pki::new();
        let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
        let scope = Scope::from_patterns(["*.example.test"]).unwrap();
        let root = Arc::new(Root::generate(&scope, OffsetDateTime::now_utc()).unwrap());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.certificate_der().clone()).unwrap();
        let (user, password) = PASSWORD;
        let lane = Lane::new(Redacted::literal("main"), user.to_owned(), Zeroizing::new(password.to_owned()));
        let config = ProxyConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            intercept: Intercept::new(scope, Vec::new(), Scope::empty()),
            leaves: Arc::new(LeafStore::new(root).unwrap()),
            upstream_trust: pki.trust(),
            connect_to: vec![ConnectTo::parse(&format!("::{}", origin.address())).unwrap()],
            upstream_proxy: None,
            access: Access::with_lane(lane),
            patience: Patience::default(),
            policy: None,
        };
        let kept = Arc::new(Collector::default());
        let sink = Arc::new(Panicking { at, left: AtomicUsize::new(times), kept: Arc::clone(&kept) });
        let proxy = Proxy::bind(config, Arc::new(Redactor::plain()), sink).unwrap().serve();
        let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { kept, proxy, origin, client }
    }

    async fn intercepted(&self) -> (Wire, Wire) {
        let client = async {
            let mut wire = Wire::Plain(TcpStream::connect(self.proxy.address()).await.unwrap());
            let login = STANDARD.encode(format!("{}:{}", PASSWORD.0, PASSWORD.1));
            wire.send(format!("CONNECT {HOST}:443 HTTP/1.1\r\nProxy-Authorization: Basic {login}\r\n\r\n")).await;
            assert!(wire.receive_until(b"\r\n\r\n").await.starts_with(b"HTTP/1.1 200 "));
            let Wire::Plain(stream) = wire else { unreachable!() };
            handshake(stream, HOST, self.client.clone()).await.unwrap()
        };
        tokio::join!(client, self.origin.accept())
    }

    /// A fresh exchange within a second, which is recorded; and no connection is left.
    async fn is_well(&self) {
        let begun = Instant::now();
        let (mut client, mut upstream) = self.intercepted().await;
        exchange(&mut client, &mut upstream).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        client.close().await;
        upstream.close().await;
        self.kept
            .await_record("the fresh exchange", |records| {
                let last = records.iter().rev().find(|record| matches!(record, Record::Connection(_)))?;
                matches!(last, Record::Connection(one) if one.end.outcome == Outcome::Ok).then_some(())
            })
            .await;
        let idle = async {
            while self.proxy.connections() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon("the end of all connections", idle).await;
    }

    fn failures_told(&self) -> usize {
        let told = |record: &Record| matches!(record, Record::Note(note) if note.kind == NoteKind::RedactionFailed);
        self.kept.records().iter().filter(|record| told(record)).count()
    }
}

async fn exchange(client: &mut Wire, upstream: &mut Wire) {
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(OK).await;
    client.expect(OK).await;
}

#[tokio::test]
async fn case_40_a_panic_while_an_exchange_is_recorded_costs_its_record() {
    let stage = Stage::set(1, |record| matches!(record, Record::Exchange(_))).await;
    let (mut client, mut upstream) = stage.intercepted().await;
    // The connection goes on, and so does what comes after.
    exchange(&mut client, &mut upstream).await;
    exchange(&mut client, &mut upstream).await;
    assert_eq!(stage.kept.await_exchanges(1).await[0].id, 2);
    assert_eq!(stage.failures_told(), 1);
    drop((client, upstream));
    stage.is_well().await;
}

#[tokio::test]
async fn case_40_a_panic_in_the_task_of_a_connection_ends_that_connection() {
    let stage = Stage::set(1, |record| matches!(record, Record::Request(_))).await;
    let (mut client, mut upstream) = stage.intercepted().await;
    client.send(GET).await;
    let _ = client.receive_end().await;
    let _ = upstream.receive_end().await;
    let connection = stage.kept.await_connection().await;
    assert_eq!(connection.end.outcome, Outcome::Internal);
    stage.is_well().await;
}

#[tokio::test]
async fn case_40_a_sink_that_always_panics_does_not_end_the_program() {
    let stage = Stage::set(usize::MAX, |record| !matches!(record, Record::Request(_))).await;
    for _ in 0..3 {
        let (mut client, mut upstream) = stage.intercepted().await;
        exchange(&mut client, &mut upstream).await;
        exchange(&mut client, &mut upstream).await;
    }
    assert_eq!(stage.failures_told(), 0);
    soon("the end", stage.proxy.stop()).await;
}

#[test]
fn case_40_what_is_too_long_is_not_read() {
    let redactor = Redactor::plain();
    let long = "sk-ant-oat01-FAKE012345678901234 ".repeat((64 << 20) / 33);
    let begun = Instant::now();
    for shown in [redactor.message(&long), redactor.path(long.as_bytes()), redactor.host(&long)] {
        assert!(shown.as_str().len() < 4_096 && !shown.as_str().contains("FAKE"), "{}", shown.as_str().len());
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
