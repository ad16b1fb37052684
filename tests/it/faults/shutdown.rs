//! Case 36: the end, asked for while streams are open; and a program whose lines nobody reads.

use super::{Bench, GET, OK, Setup};
use crate::support::program::{Ended, Home, PATIENCE, Trace};
use crate::support::{Ending, HOST, Origin, Pki, Wire, soon};
use authtrace::trace::{EndKind, Outcome};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{PipeReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

const STREAMS: usize = 20;
const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
    16\r\nevent: ping\ndata: {}\n\n\r\n";
const LAST: &[u8] = b"0\r\n\r\n";

impl Bench {
    /// Waits for the end, which was asked for, and reads what is left.
    async fn ended_by_itself(&mut self, code: i32) -> (Trace, Ended) {
        let live = self.live.take().unwrap();
        let ended = tokio::task::spawn_blocking(move || live.finish(PATIENCE)).await.unwrap();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(!ended.stderr.contains("internal error"), "{}", ended.stderr);
        assert_eq!(self.home.left_behind(), [""; 0]);
        (Trace::read(&self.trace), ended)
    }
}

/// Streams that have begun, both ends of each.
async fn open_streams(bench: &Bench) -> Vec<(Wire, Wire)> {
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let (mut client, mut upstream) = bench.intercepted().await;
        client.send(GET).await;
        upstream.expect(GET).await;
        upstream.send(STREAM).await;
        client.expect(STREAM).await;
        streams.push((client, upstream));
    }
    streams
}

#[tokio::test]
async fn case_36_streams_that_end_in_time_are_delivered_and_the_end_waits_no_longer_than_for_them() {
    let mut bench = Bench::start().await;
    let mut streams = open_streams(&bench).await;
    let begun = Instant::now();
    bench.signal(Signal::TERM);
    for (client, upstream) in &mut streams {
        upstream.send(LAST).await;
        client.expect(LAST).await;
    }
    let (trace, ended) = bench.ended_by_itself(0).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let complete = trace.exchanges.iter().filter(|one| one.end.outcome == EndKind::Complete).count();
    assert_eq!(complete, STREAMS + 1, "{}", ended.stderr);
}

#[tokio::test]
async fn case_36_streams_that_go_on_are_ended_after_five_seconds() {
    let mut bench = Bench::start().await;
    let mut streams = open_streams(&bench).await;
    let begun = Instant::now();
    bench.signal(Signal::INT);
    // What still comes is delivered until then; nobody new is served.
    let (client, upstream) = &mut streams[0];
    upstream.send(b"16\r\nevent: ping\ndata: {}\n\n\r\n").await;
    client.expect(b"16\r\nevent: ping\ndata: {}\n\n\r\n").await;
    let (trace, _) = bench.ended_by_itself(130).await;
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(8), "{took:?}");
    all_shut_down(&trace, streams).await;
}

#[tokio::test]
async fn case_36_a_second_signal_ends_at_once() {
    let mut bench = Bench::start().await;
    let streams = open_streams(&bench).await;
    bench.signal(Signal::TERM);
    // Once it has taken the first: it accepts no more.
    while TcpStream::connect(bench.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begun = Instant::now();
    bench.signal(Signal::TERM);
    let (trace, _) = bench.ended_by_itself(0).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    all_shut_down(&trace, streams).await;
}

async fn all_shut_down(trace: &Trace, streams: Vec<(Wire, Wire)>) {
    let shut = trace.exchanges.iter().filter(|one| one.end.outcome == EndKind::Shutdown).count();
    let connections = trace.outcomes().into_iter().filter(|outcome| *outcome == Outcome::Shutdown).count();
    assert!(shut == STREAMS && connections >= STREAMS, "{shut} {:?}", trace.outcomes());
    for (mut client, mut upstream) in streams {
        assert_ne!(client.receive_end().await.1, Ending::Clean, "a broken stream looks whole");
        upstream.receive_end().await;
    }
}

/// A pipe without room for one more byte, and the end that is not read.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'.'; 4_096]).is_ok() {}
    while writer.write(b".").is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer.into())
}

/// A port that is free.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Starts it with a full pipe for its lines, does something, and ends it.
async fn unread(mut command: Command, port: u16, meanwhile: impl AsyncFnOnce()) {
    let (_unread, stderr) = full_pipe();
    let mut child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "it does not listen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    meanwhile().await;
    let asked = Instant::now();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait());
    let code = soon("the end", ended).await.unwrap().unwrap().code();
    assert_eq!(code, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn case_36_a_proxy_whose_lines_nobody_reads_serves_records_and_ends() {
    let (home, pki, port) = (Home::new(), Pki::new(), free_port().await);
    let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
    let mut command = home.authtrace();
    command.args(["proxy", "--upstream-proxy", "none", "--proxy-auth", "none", "--out"]).arg(home.path("t.jsonl"));
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--connect-to", &format!("::{}", origin.address())]);
    unread(command, port, async || {
        for _ in 0..50 {
            let mut client = Wire::Plain(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
            client.send(format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n")).await;
            let upstream = origin.accept_socket().await;
            assert!(client.receive_until(b"\r\n\r\n").await.starts_with(b"HTTP/1.1 200 "));
            drop((client, upstream));
        }
    })
    .await;
    let trace = Trace::read(&home.path("t.jsonl"));
    assert!(trace.connections.len() >= 50 && trace.end.is_some_and(|end| end.lost == 0));
}

#[tokio::test]
async fn case_36_a_fake_whose_lines_nobody_reads_serves_and_ends() {
    let (home, port) = (Home::new(), free_port().await);
    let mut command = home.authtrace();
    command.args(["fake", "--listen", &format!("127.0.0.1:{port}")]);
    unread(command, port, async || {
        for _ in 0..50 {
            let mut client = Wire::Plain(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
            client.send("GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await;
            assert!(client.receive_end().await.0.starts_with(b"HTTP/1.1 401 "));
        }
    })
    .await;
}

#[tokio::test]
async fn case_36_the_end_takes_the_certificates_along() {
    let bench = Setup::new().start().await;
    let (mut client, mut upstream) = bench.intercepted().await;
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    client.close().await;
    // Looks itself that no folder of this run is left.
    bench.finish().await;
}
