//! Cases 7–10 and 38: from the tunnel to the end of the client's handshake.

use super::{Bench, GET, OK, Setup, output};
use crate::support::{Ending, HOST, Wire, handshake, tool};
use authtrace::trace::Outcome;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// One exchange over both ends, and the end.
pub(super) async fn use_once((mut client, mut upstream): (Wire, Wire)) {
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    client.close().await;
    upstream.expect_end(Ending::Clean).await;
    upstream.close().await;
    client.expect_end(Ending::Clean).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_07_a_client_hello_that_never_comes() {
    let bench = Bench::start().await;
    let begun = Instant::now();
    let mut silent = Wire::Plain(bench.tunnel(&format!("{HOST}:443")).await);
    let mut halting = Wire::Plain(bench.tunnel(&format!("{HOST}:443")).await);
    halting.send(b"\x16\x03\x01\x02").await;
    // Others are served meanwhile.
    bench.exchange().await;
    for wire in [&mut silent, &mut halting] {
        let mut byte = [0_u8; 1];
        let ended =
            tokio::time::timeout(Duration::from_secs(15), tokio::io::AsyncReadExt::read(wire.plain(), &mut byte));
        assert!(matches!(ended.await.unwrap(), Ok(0) | Err(_)));
        assert!((9..13).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }
    let connection = bench.ended(Outcome::ClientTlsTimeout).await;
    assert_eq!(connection.requests, 0);
    drop((silent, halting));
    let (trace, _) = bench.finish().await;
    assert_eq!(trace.outcomes().iter().filter(|one| **one == Outcome::ClientTlsTimeout).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn case_08_something_else_than_tls_in_the_tunnel() {
    let bench = Bench::start().await;
    let http = b"GET /FAKE-secret HTTP/1.1\r\nHost: api.example.test\r\n\r\n";
    for garbage in [http.as_slice(), b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00\xff\x13garbage", b"\x16\x03\x01\x00\x05hello"] {
        let mut wire = Wire::Plain(bench.tunnel(&format!("{HOST}:443")).await);
        let mut upstream = bench.origin.accept_socket().await;
        wire.send(garbage).await;
        let (answer, _) = wire.receive_end().await;
        assert!(answer.is_empty() || answer.starts_with(b"\x15"), "{}", answer.escape_ascii());
        let mut passed = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut upstream, &mut passed).await;
        assert!(passed.is_empty(), "not a byte is passed on");
        bench.ended(Outcome::ClientNotTls).await;
        drop((wire, upstream));
        bench.is_well().await;
    }
    let (trace, _) = bench.finish().await;
    assert_eq!(trace.outcomes().iter().filter(|one| **one == Outcome::ClientNotTls).count(), 4);
}

/// `openssl s_client` through the proxy, with an authority of its own choice.
fn s_client(bench: &Bench, openssl: &Path, ca: &Path, extra: &[&str]) -> Command {
    let mut command = Command::new(openssl);
    command.args(["s_client", "-proxy", &bench.address.to_string(), "-connect", &format!("{HOST}:443")]).env_clear();
    command.arg("-CAfile").arg(ca).args(["-verify_return_error", "-quiet", "-no_ign_eof"]).args(extra);
    command.stdin(std::process::Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn case_09_a_client_that_does_not_trust_us() {
    let Some(openssl) = tool("openssl") else { return };
    let bench = Bench::start().await;
    // With an alert: openssl trusts the origin's root alone.
    for version in ["-tls1_3", "-tls1_2"] {
        let command = s_client(&bench, &openssl, &bench.pki.root_file(), &[version, "-servername", HOST]);
        let (said, upstream) = tokio::join!(output(command), bench.origin.try_accept());
        bench.count(1);
        assert!(!said.status.success() && String::from_utf8_lossy(&said.stderr).contains("verify"), "{said:?}");
        let connection = bench.ended(Outcome::ClientDistrustsCa).await;
        assert!(connection.end.detail.unwrap().as_str().contains("alert"));
        drop(upstream);
        bench.is_well().await;
    }
    // Without a word: an end, and a reset, before the client's Finished.
    for reset in [false, true] {
        let mut wire = Wire::Plain(bench.tunnel(&format!("{HOST}:443")).await);
        let name = rustls::pki_types::ServerName::try_from(HOST).unwrap();
        let mut hello = rustls::ClientConnection::new(std::sync::Arc::new(bench.client()), name).unwrap();
        let mut bytes = Vec::new();
        hello.write_tls(&mut bytes).unwrap();
        let talk = async {
            wire.send(&bytes).await;
            wire.receive(1).await;
        };
        let ((), upstream) = tokio::join!(talk, bench.origin.try_accept());
        if reset {
            wire.reset();
        } else {
            drop(wire);
        }
        let of_silence = || {
            let all = bench.connections().into_iter().filter(|one| one.end.outcome == Outcome::ClientDistrustsCa);
            (all.count() == 3 + usize::from(reset)).then_some(())
        };
        bench.until("distrust without an alert", of_silence).await;
        drop(upstream);
        bench.is_well().await;
    }
    // After the Finished, without a request: not distrust.
    let (mut client, mut upstream) = bench.intercepted().await;
    client.close().await;
    upstream.expect_end(Ending::Clean).await;
    upstream.close().await;
    drop((client, upstream));
    bench.ended(Outcome::UnusedTunnel).await;
    let (trace, ended) = bench.finish().await;
    assert_eq!(trace.outcomes().iter().filter(|one| **one == Outcome::ClientDistrustsCa).count(), 4);
    assert!(ended.stderr.contains("NODE_EXTRA_CA_CERTS"), "the fix is named: {}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn case_10_odd_client_hellos() {
    let bench = Bench::start().await;
    // In single bytes, each in a segment of its own.
    let stream = bench.tunnel(&format!("{HOST}:443")).await;
    let client = async {
        let name = rustls::pki_types::ServerName::try_from(HOST).unwrap();
        let mut session = rustls::ClientConnection::new(std::sync::Arc::new(bench.client()), name).unwrap();
        let mut bytes = Vec::new();
        session.write_tls(&mut bytes).unwrap();
        let mut wire = Wire::Plain(stream);
        for byte in bytes {
            wire.send([byte]).await;
        }
        // The ServerHello: it was understood.
        assert_eq!(wire.receive(1).await, [0x16]);
        wire
    };
    let (client, upstream) = tokio::join!(client, bench.origin.try_accept());
    drop((client, upstream));
    bench.is_well().await;
    // Sixteen KiB of it, by a long list of protocols.
    let mut config = bench.client();
    config.alpn_protocols.extend((0..62).map(|number| format!("{number:0>250}").into_bytes()));
    let client = async { handshake(bench.tunnel(&format!("{HOST}:443")).await, HOST, config).await.unwrap() };
    use_once(tokio::join!(client, bench.origin.accept())).await;
    bench.is_well().await;
    // Without a name, and with another one: our certificate is for the target of the CONNECT.
    let mut config = bench.client();
    config.enable_sni = false;
    let client = async { handshake(bench.tunnel(&format!("{HOST}:443")).await, HOST, config).await.unwrap() };
    use_once(tokio::join!(client, bench.origin.accept())).await;
    let ended = || bench.connections().into_iter().filter(|one| one.end.outcome == Outcome::Ok).nth(1);
    let connection = bench.until("the connection without a name", ended).await;
    assert!(!connection.server_name_mismatch);
    let other = "secret-of-FAKE.example.test";
    let client = async { handshake(bench.tunnel(&format!("{HOST}:443")).await, other, bench.client()).await };
    let (client, upstream) = tokio::join!(client, bench.origin.try_accept());
    assert!(client.is_err());
    drop(upstream);
    let mismatched = || bench.connections().into_iter().rfind(|one| one.server_name_mismatch);
    let connection = bench.until("the mismatch", mismatched).await;
    assert_eq!(connection.target.unwrap().host.as_str(), HOST);
    bench.finish().await;
}

/// Where libfaketime is; a missing one is a missing tool.
fn faketime() -> Option<std::path::PathBuf> {
    tool("faketime")?;
    let places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    places.iter().map(|place| Path::new(place).join("faketime/libfaketimeMT.so.1")).find(|file| file.is_file())
}

/// The wall clock of a client that agrees with a stepped proxy.
#[derive(Debug)]
struct Stepped(time::Duration);

impl rustls::time_provider::TimeProvider for Stepped {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let seconds = (time::OffsetDateTime::now_utc() + self.0).unix_timestamp();
        Some(rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().ok()?)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_38_the_clock_steps() {
    let Some(library) = faketime() else { return };
    let pki = crate::support::Pki::new();
    let (now, days) = (time::OffsetDateTime::now_utc(), time::Duration::days);
    let identity = pki.identity_between(HOST, now - days(60), now + days(60));
    let config = crate::support::server(identity, &["http/1.1"], rustls::ALL_VERSIONS);
    let origin = crate::support::Origin::tls(config).await;
    let folder = tempfile::tempdir().unwrap();
    let step = folder.path().join("step");
    std::fs::write(&step, "+0").unwrap();
    // The monotonic clock goes on as it does when the wall clock is set, or when a machine has slept.
    let setup = Setup::new()
        .variable("LD_PRELOAD", library.to_str().unwrap())
        .variable("FAKETIME_TIMESTAMP_FILE", step.to_str().unwrap())
        .variable("FAKETIME_NO_CACHE", "1")
        .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let bench = setup.start_before(pki, origin).await;
    let connected = async |ahead: time::Duration| {
        let client = async {
            let config = bench.client_at(std::sync::Arc::new(Stepped(ahead)));
            handshake(bench.tunnel(&format!("{HOST}:443")).await, HOST, config).await
        };
        let (client, upstream) = tokio::join!(client, bench.origin.try_accept());
        client.map(|client| (client, upstream.unwrap()))
    };
    // A day back, eight hours of sleep, and over the end of the leaf, which is made anew.
    let steps = [("+0", days(0)), ("-1d", days(-1)), ("+8h", time::Duration::hours(8)), ("+5d", days(5))];
    for (number, (written, ahead)) in steps.into_iter().enumerate() {
        std::fs::write(&step, written).unwrap();
        use_once(connected(ahead).await.unwrap()).await;
        let told = || bench.exchanges().into_iter().filter(|one| one.request.host.as_str() == HOST).nth(number);
        let exchange = bench.until("the exchange", told).await;
        let passed = (exchange.at.unix_ms() - (now + ahead).unix_timestamp() * 1_000) / 1_000;
        assert!((-5..60).contains(&passed), "the wall clock is the proxy's: {written}, {passed} s");
        assert!(exchange.timing.total_us < 10_000_000, "{written}: {:?}", exchange.timing);
    }
    // Thirty days: the authority that this client was given has ended, and no certificate of it is good any more. The
    // client is told so by its own check; the proxy stays.
    std::fs::write(&step, "+30d").unwrap();
    assert!(connected(days(30)).await.is_err());
    std::fs::write(&step, "+0").unwrap();
    use_once(connected(days(0)).await.unwrap()).await;
    bench.finish().await;
}
