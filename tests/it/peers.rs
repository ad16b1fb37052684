//! Which process a connection belongs to: real processes told apart, by their numbers and names.

#![cfg(target_os = "linux")]

use crate::support::program::{Home, Live, PATIENCE, Trace};
use crate::support::{HOST, Origin, Pki, Setup, soon, tool};
use authtrace::trace::{Connection, Exchange, Outcome, Peer};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

/// So long an origin waits with its answer, so that the look for the process comes to its end before that process does.
/// From outside nobody can see whether it has.
const LOOK: Duration = Duration::from_millis(300);

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

fn pid_and_name(peer: Option<&Peer>) -> (u32, &str) {
    let peer = peer.expect("the process is known");
    (peer.pid, peer.program.as_ref().expect("it has a name").as_str())
}

#[tokio::test]
async fn another_process_and_our_own_are_told_apart() {
    let Some(curl) = tool("curl") else { return };
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
    let proxy = Setup::to(&origin).start(&pki);
    let ca = pki.folder().join("proxy.pem");
    std::fs::write(&ca, proxy.root_pem()).unwrap();
    let mut child = tokio::process::Command::new(curl)
        .args(["-sS", "--max-time", "8", "-x", &format!("http://{}", proxy.address()), "--cacert"])
        .arg(&ca)
        .arg(format!("https://{HOST}/v1/models"))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let theirs = child.id().unwrap();
    let mut upstream = origin.accept().await;
    upstream.receive_until(b"\r\n\r\n").await;
    let (mut client, mut second) = proxy.intercepted(&origin).await;
    client.send(format!("GET /v1/messages HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    second.receive_until(b"\r\n\r\n").await;
    tokio::time::sleep(LOOK).await;
    upstream.send(OK).await;
    second.send(OK).await;
    upstream.close().await;
    second.close().await;
    client.receive_end().await;
    client.close().await;
    assert!(soon("curl", child.wait()).await.unwrap().success());
    let exchanges = proxy.records.await_exchanges(2).await;
    let connections = proxy.records.await_connections(2).await;
    let by_path = |path: &str| exchanges.iter().find(|one| one.request.path.as_str() == path).unwrap();
    let ours = std::process::id();
    let (other, own) = (by_path("/v1/models"), by_path("/v1/messages"));
    assert_eq!(pid_and_name(other.peer.as_ref()), (theirs, "curl"));
    assert_eq!(own.peer.as_ref().map(|peer| peer.pid), Some(ours));
    let connection = |of: &Exchange| connections.iter().find(|one| one.id == of.connection).unwrap().peer.clone();
    assert_eq!((connection(other), connection(own)), (other.peer.clone(), own.peer.clone()));
}

/// Answers so many requests at once, after all of them have come.
fn answer_together(listener: TcpListener, count: usize) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut waiting: Vec<TcpStream> = (0..count).map(|_| listener.accept().unwrap().0).collect();
        for stream in &mut waiting {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
        }
        std::thread::sleep(LOOK);
        for mut stream in waiting {
            stream.write_all(OK).unwrap();
        }
    })
}

/// The number that a script has said after this name.
fn said(output: &str, name: &str) -> u32 {
    let line = output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}: {output}")).parse().unwrap()
}

#[test]
fn two_clients_of_a_run_and_one_of_a_run_that_joined_it_are_told_apart() {
    if tool("curl").is_none() {
        return;
    }
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let rule = format!("::{}", origin.local_addr().unwrap());
    let answering = answer_together(origin, 3);
    let home = Home::new();
    let curl = r#"curl -sS -o /dev/null --max-time 50 -x "$HTTPS_PROXY" http://api.anthropic.com"#;
    let script =
        format!("{curl}/v1/models & echo first $!; (sh -c 'echo second $$; exec {curl}/v1/messages'; true) & wait");
    let mut first = Live::start(
        home.authtrace().args(["run", "--connect-to", &rule, "--upstream-proxy", "none", "--", "sh", "-c"]).arg(script),
    );
    first.until("first ");
    let joined = format!("echo third $$; exec {curl}/api/oauth/profile");
    let joined = Live::start(home.authtrace().args(["run", "--join", "--", "sh", "-c"]).arg(joined)).finish(PATIENCE);
    assert_eq!(joined.code, Some(0), "{}", joined.stderr);
    let first = first.finish(PATIENCE);
    answering.join().unwrap();
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let trace = Trace::of(&home);
    for (path, name, output) in [
        ("/v1/models", "first", &first.stdout),
        ("/v1/messages", "second", &first.stdout),
        ("/api/oauth/profile", "third", &joined.stdout),
    ] {
        let exchange = trace.on(path)[0];
        assert_eq!(pid_and_name(exchange.peer.as_ref()), (said(output, name), "curl"), "{name}");
        let connection = trace.connections.iter().find(|one| one.id == exchange.connection).unwrap();
        assert_eq!(connection.peer, exchange.peer);
    }
}

/// Not a test of its own: a process whose descriptors nobody else opens and closes.
#[test]
#[ignore = "another test of this file starts it"]
fn crowd() {
    const CONNECTIONS: usize = 1_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pki = Pki::new();
        let origin = Origin::plain().await;
        let proxy = Setup::to(&origin).start(&pki);
        refused(&proxy).await;
        proxy.until_idle().await;
        let before = descriptors();
        for _ in 0..CONNECTIONS / 20 {
            let mut together = tokio::task::JoinSet::new();
            let address = proxy.address();
            for _ in 0..20 {
                together.spawn(async move { refused_at(address).await });
            }
            together.join_all().await;
        }
        let connections: Vec<Connection> = proxy.records.await_connections(CONNECTIONS + 1).await;
        proxy.until_idle().await;
        assert_eq!(connections.len(), CONNECTIONS + 1);
        assert!(connections.iter().all(|one| one.end.outcome == Outcome::NotAProxyRequest));
        let known: Vec<u32> = connections.iter().filter_map(|one| one.peer.as_ref()).map(|peer| peer.pid).collect();
        assert!(known.iter().all(|pid| *pid == std::process::id()) && !known.is_empty(), "{known:?}");
        soon("the descriptors to be closed", async {
            while descriptors() > before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        println!("{} of {} are known", known.len(), connections.len());
    });
}

async fn refused(proxy: &crate::support::TestProxy) {
    refused_at(proxy.address()).await;
}

async fn refused_at(address: std::net::SocketAddr) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut client = soon("the proxy", tokio::net::TcpStream::connect(address)).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    soon("the refusal", client.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_thousand_quick_connections_are_all_told_and_leave_no_descriptor_behind() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["peers::crowd", "--exact", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("are known"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
