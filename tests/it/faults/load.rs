//! Cases 28–33: much, slow, or made to unpack to much. The sizes are small enough for every run; `benches/life` has the full ones.

use super::{Bench, GET, Setup, ours, output};
use crate::support::{Ending, HOST, Wire, tool};
use authtrace::trace::{Connection, EndKind, ErrorShape, Exchange, NoteKind, Outcome, Record};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Write as _;
use std::pin::pin;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const MIB: usize = 1 << 20;

async fn told(bench: &Bench, number: usize) -> Exchange {
    let of_it = || bench.exchanges().into_iter().filter(|one| one.request.host.as_str() == HOST).nth(number);
    bench.until("the exchange", of_it).await
}

#[tokio::test(flavor = "multi_thread")]
async fn case_28_heads_that_are_never_finished() {
    const CLIENTS: usize = 200;
    let bench = Bench::start().await;
    let mut slow = Vec::new();
    for number in 0..CLIENTS {
        let mut wire = bench.dial().await;
        // Half of them have not even sent a whole line.
        wire.send(if number % 2 == 0 { "CONNECT a" } else { "CONNECT a.example.test:443 HTTP/1.1\r\nHost: FAKE" })
            .await;
        slow.push(wire);
    }
    let begun = Instant::now();
    let mut gone = 0;
    while gone < CLIENTS {
        // Others are served as ever.
        bench.many(1).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = slow.len();
        let mut left = Vec::new();
        for mut wire in slow {
            // A byte more does not put the end off.
            if wire.try_send(b"x").await.is_ok() {
                left.push(wire);
            }
        }
        slow = left;
        gone += before - slow.len();
        assert!(begun.elapsed() < Duration::from_secs(40), "{} are left", slow.len());
        assert!(
            gone == 0 || begun.elapsed() > Duration::from_secs(28),
            "{gone} were ended after {:?}",
            begun.elapsed()
        );
    }
    let late = || bench.connections().iter().filter(|one| one.end.outcome == Outcome::ClientTimeout).count();
    bench.until("all of them", || (late() == CLIENTS).then_some(())).await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_28_a_tool_that_is_made_for_it() {
    let Some(slow) = tool("slowhttptest") else { return };
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    // An origin that takes whatever comes and answers nobody.
    let origin = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Ok((stream, _)) = plain.accept().await {
            all.push(stream);
        }
    });
    let bench = Setup::new().argument("--connect-to").argument(format!("plain.example.test::{address}")).start().await;
    for way in ["-H", "-B", "-X"] {
        let mut command = Command::new(&slow);
        command.args([way, "-c", "200", "-r", "200", "-i", "1", "-l", "4", "-p", "2"]);
        command.args(["-u", "http://plain.example.test/", "-d", &bench.address.to_string()]);
        let attack = tokio::spawn(output(command));
        while !attack.is_finished() {
            bench.many(1).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        attack.await.unwrap();
    }
    origin.abort();
    // How many connections it made, it alone knows.
    let told = || bench.records().iter().filter(|record| matches!(record, Record::Connection(_))).count();
    bench.until("its connections", || (told() >= 300).then_some(())).await;
    bench.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_29_readers_that_do_not_read() {
    const CLIENTS: usize = 50;
    let bench = Bench::start().await;
    let before = bench.resident();
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        let (mut client, mut upstream) = bench.intercepted().await;
        client.send(GET).await;
        upstream.expect(GET).await;
        upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n").await;
        streams.push((client, upstream));
    }
    // Each sends until nothing is taken any more.
    let mut senders = JoinSet::new();
    for (client, mut upstream) in streams {
        senders.spawn(async move {
            let piece = vec![b'x'; 16 * 1024];
            let mut sent = 0;
            while let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(2), upstream.try_send(&piece)).await {
                sent += piece.len();
            }
            (client, upstream, sent)
        });
    }
    let stalled = senders.join_all().await;
    let grown = bench.resident().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more");
    for (_, _, sent) in &stalled {
        // What the kernel holds for both connections, which it may let grow, and what we may.
        assert!(*sent < 24 * MIB, "{sent} bytes were taken of a client that reads nothing");
    }
    assert!(grown * 1024 / CLIENTS < 256 * 1024 * 2, "{} bytes a stream", grown * 1024 / CLIENTS);
    drop(stalled);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_30_large_bodies_leave_nothing_behind() {
    const SIZE: usize = 128 * MIB;
    let bench = Bench::start().await;
    let piece = vec![b'x'; 256 * 1024];
    let mut before = 0;
    for round in 0..2 {
        let (mut client, mut upstream) = bench.intercepted().await;
        let size = if round == 0 { SIZE / 8 } else { SIZE };
        let asking = format!("POST /v1/messages HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {size}\r\n\r\n");
        client.send(&asking).await;
        upstream.expect(&asking).await;
        pass(&mut client, &mut upstream, &piece, size).await;
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        upstream.send(&answer).await;
        client.expect(&answer).await;
        pass(&mut upstream, &mut client, &piece, size).await;
        let exchange = told(&bench, round).await;
        let down = exchange.response.unwrap().body_bytes;
        assert_eq!((exchange.request.body_bytes, down), (size as u64, size as u64));
        drop((client, upstream));
        let now = bench.resident();
        if round == 0 {
            before = now;
        }
        assert!(now < before + 16 * 1024, "{before} KiB have become {now} KiB");
    }
    bench.finish().await;
}

async fn pass(from: &mut Wire, to: &mut Wire, piece: &[u8], size: usize) {
    let sending = async {
        for _ in 0..size / piece.len() {
            from.send(piece).await;
        }
    };
    let receiving = async {
        for _ in 0..size / piece.len() {
            assert!(to.receive(piece.len()).await == piece);
        }
    };
    tokio::join!(sending, receiving);
}

fn gzip(data: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let data: Vec<u8> = data.into_iter().collect();
    encoder.write_all(&data).unwrap();
    encoder.finish().unwrap()
}

const REFUSAL: &[u8] = br#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#;

/// Answers with 401 and each of these bodies; they pass as they are, and this is what is read of them.
async fn refusals(cases: Vec<(&str, Vec<u8>, ErrorShape)>) {
    let bench = Bench::start().await;
    for (number, (fields, body, shape)) in cases.into_iter().enumerate() {
        let (mut client, mut upstream) = bench.intercepted().await;
        client.send(GET).await;
        upstream.expect(GET).await;
        let head = format!("HTTP/1.1 401 Unauthorized\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        let answer = [head.as_bytes(), &body].concat();
        let begun = Instant::now();
        let (_, received) = tokio::join!(upstream.send(&answer), client.receive(answer.len()));
        assert!(received == answer, "{fields}: changed on the way");
        // Generous for a build without optimisation; unpacking all of it would take much longer.
        assert!(begun.elapsed() < Duration::from_secs(5), "{fields}: {:?}", begun.elapsed());
        let error = told(&bench, number).await.error.unwrap();
        assert_eq!(error.shape, shape, "{fields} {}", body[..body.len().min(40)].escape_ascii());
        assert!(error.is_auth());
        drop((client, upstream));
    }
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_31_codings_that_are_bombs_broken_or_unknown() {
    let zeros = gzip(std::iter::repeat_n(0, 64 * MIB));
    let twice = gzip(zeros.clone());
    let mut broken = gzip(REFUSAL.iter().copied());
    broken.truncate(20);
    broken.extend([0xff; 64]);
    let mut nested = REFUSAL.to_vec();
    for _ in 0..5 {
        nested = gzip(nested);
    }
    refusals(vec![
        ("Content-Encoding: gzip\r\n", zeros, ErrorShape::Unreadable),
        ("Content-Encoding: gzip, gzip\r\n", twice, ErrorShape::Unreadable),
        ("Content-Encoding: gzip\r\n", broken, ErrorShape::Unreadable),
        ("Content-Encoding: FAKE-coding\r\n", vec![0x91; 500], ErrorShape::Unreadable),
        ("Content-Encoding: gzip, gzip, gzip, gzip, gzip\r\n", nested, ErrorShape::Unreadable),
        ("Content-Encoding: gzip\r\n", gzip(REFUSAL.iter().copied()), ErrorShape::Api),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_32_refusals_that_are_large_deep_or_broken() {
    let json = "Content-Type: application/json\r\n";
    let mut large =
        br#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"pad":""#.to_vec();
    large.resize(32 * MIB, b'x');
    let deep = [vec![b'['; 100_000], vec![b'{'; 1], vec![b']'; 100_000]].concat();
    let objects = br#"{"a":"#.repeat(100_000);
    let invalid =
        [b"{\"type\":\"error\",\"error\":{\"type\":\"\xff\xfe\xc3\",\"message\":\"".as_slice(), &[0x80; 50], b"\"}}"]
            .concat();
    refusals(vec![
        (json, large, ErrorShape::Api),
        (json, deep, ErrorShape::OtherJson),
        (json, objects, ErrorShape::OtherJson),
        (json, REFUSAL[..70].to_vec(), ErrorShape::Api),
        (json, invalid, ErrorShape::Api),
    ])
    .await;
}

/// Processor time of a process so far.
fn processor(pid: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1_000 / 100)
}

#[tokio::test(flavor = "multi_thread")]
async fn case_33_no_descriptor_is_left() {
    let bench = Setup::new().starter(&["sh", "-c", "ulimit -n 64; exec \"$0\" \"$@\""]).start().await;
    // 500 clients, each of which would take two.
    let mut clients = JoinSet::new();
    for _ in 0..500 {
        let mut wire = bench.dial().await;
        clients.spawn(async move {
            wire.send(format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n")).await;
            wire
        });
    }
    let clients = clients.join_all().await;
    let waits = || {
        bench
            .records()
            .into_iter()
            .filter(|record| matches!(record, Record::Note(note) if note.kind == NoteKind::Limit))
            .count()
    };
    bench.until("a word about it", || (waits() > 0).then_some(())).await;
    let (before, at) = (processor(bench.pid), waits());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let busy = processor(bench.pid).saturating_sub(before);
    assert!(busy < Duration::from_millis(600), "{busy:?} of 3 s");
    assert!((1..=4).contains(&(waits() - at)), "{} words in 3 s", waits() - at);
    // They give up, and it recovers by itself.
    drop(clients);
    let origin = async {
        loop {
            drop(bench.origin.accept_socket().await);
        }
    };
    tokio::select! {
        () = origin => {}
        () = bench.recovered() => {}
    }
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_33_the_last_descriptor_is_no_fault_of_the_server() {
    let bench = Setup::new().starter(&["sh", "-c", "ulimit -n 64; exec \"$0\" \"$@\""]).start().await;
    let (open, refusal) = bench.filled().await;
    assert_eq!(ours(&refusal), (503, "internal".to_owned()));
    assert!(refusal.contains("no file descriptor is left for authtrace"), "{refusal}");
    assert!(refusal.contains("raise its limit of open files (ulimit -n)"), "{refusal}");
    drop(open);
    let (trace, ended) = bench.finish().await;
    let short: Vec<_> = trace.connections.iter().filter(|one| one.end.is_shortage()).collect();
    assert!(!short.is_empty(), "{:#?}", trace.connections);
    assert!(
        short.iter().all(|one| one.end.detail.as_ref().unwrap().as_str().starts_with("no file descriptor is left"))
    );
    let blamed = |one: &&Connection| {
        matches!(one.end.outcome, Outcome::UpstreamConnect | Outcome::UpstreamDns | Outcome::ProxyAuthRequired)
    };
    assert_eq!(trace.connections.iter().filter(blamed).count(), 0);
    // One word while it runs, one at the end, and none against anybody else.
    let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said.matches("no file descriptor is left for authtrace").count(), 2, "{said}");
    assert_eq!(said.matches("raise the limit of open files (`ulimit -n`)").count(), 2, "{said}");
    for other in ["firewall", "VPN", "could not be reached", "could not be resolved", "name server", "407"] {
        assert!(!said.contains(other), "{other}: {said}");
    }
}

impl Bench {
    /// A line with the password of the run.
    fn proxy_authorization(&self) -> String {
        format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(&self.login))
    }

    /// A tunnel with the password, or else the answer.
    async fn connect_as_lane(&self, target: &str) -> (Option<Wire>, String) {
        let mut wire = self.dial().await;
        let login = self.proxy_authorization();
        wire.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n")).await;
        let answer = String::from_utf8(wire.receive_until(b"\r\n\r\n").await).unwrap();
        if answer.starts_with("HTTP/1.1 200 ") {
            return (Some(wire), answer);
        }
        (None, answer + &String::from_utf8(wire.receive_end().await.0).unwrap())
    }

    /// Tunnels until one descriptor is left, which a client takes, and none for its server; and the answer to that client.
    async fn filled(&self) -> ((Vec<(Wire, TcpStream)>, Option<Wire>), String) {
        let target = self.origin.address().to_string();
        let mut open = Vec::new();
        let mut idle = Some(self.dial().await);
        let answer = loop {
            let mut asked = pin!(self.connect_as_lane(&target));
            let (wire, answer) = match tokio::time::timeout(Duration::from_secs(5), &mut asked).await {
                Ok(answered) => answered,
                // A tunnel takes two: here, none was left for the client.
                Err(_) => {
                    drop(idle.take());
                    asked.await
                }
            };
            let Some(wire) = wire else { break answer };
            open.push((wire, self.origin.accept_socket().await));
        };
        let told = || self.connections().iter().filter(|one| one.end.is_shortage()).count();
        self.until("the refusal", || (told() > 0).then_some(())).await;
        ((open, idle), answer)
    }

    /// Waits until a fresh exchange works again.
    async fn recovered(&self) {
        let told = || self.records().iter().filter(|record| matches!(record, Record::Connection(_))).count();
        self.until("the end of all of them", || (told() >= 501).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_17_and_29_a_client_that_leaves_frees_what_it_held() {
    let bench = Bench::start().await;
    let (mut client, mut upstream) = bench.intercepted().await;
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n").await;
    let piece = vec![b'x'; 64 * 1024];
    while let Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(300), upstream.try_send(&piece)).await {}
    client.reset();
    assert_eq!(upstream.receive_end().await.1, Ending::Reset);
    assert_eq!(told(&bench, 0).await.end.outcome, EndKind::ClientAbort);
    bench.finish().await;
}
