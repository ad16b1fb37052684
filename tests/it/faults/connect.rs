//! Cases 1–6: what comes first on a connection.

use super::{Bench, Setup, ours, output};
use crate::support::{HOST, tool};
use authtrace::trace::{Mode, Outcome};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::process::Command;

/// Says each of these to a proxy; every one is refused with 400 and recorded as a bad CONNECT without a target.
async fn refused_as_bad_connect(targets: &[&str]) {
    let bench = Bench::start().await;
    for (number, target) in targets.iter().enumerate() {
        let answer = bench.say(format!("CONNECT {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
        assert_eq!(ours(&answer).0, 400, "{}", target.escape_debug());
        let told = || (bench.connections().len() > number).then_some(());
        bench.until("the refusal", told).await;
        bench.is_well().await;
    }
    let connections = bench.connections();
    let (trace, _) = bench.finish().await;
    for connection in &connections {
        assert_eq!((connection.end.outcome, connection.end.status), (Outcome::BadConnect, Some(400)));
        assert!(connection.target.is_none() && connection.mode == Mode::Refused, "{connection:#?}");
        assert!(connection.end.detail.is_some(), "{connection:#?}");
    }
    assert!(trace.exchanges.iter().all(|one| one.request.host.as_str() != HOST));
}

#[tokio::test(flavor = "multi_thread")]
async fn case_01_a_connect_without_a_usable_port() {
    refused_as_bad_connect(&[
        "api.example.test",
        "api.example.test:0",
        "api.example.test:65536",
        "api.example.test:443:443",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_02_a_connect_to_what_is_no_host() {
    let label = format!("{}.example.test:443", "a".repeat(300));
    refused_as_bad_connect(&[
        "FAKE-secret\0b:443",
        "FAKE-secret\rb:443",
        "FAKE-secret\nb:443",
        "FAKE-secret\r\nX-Smuggled: b:443",
        "FAKE-secret b:443",
        "user:FAKE-secret@api.example.test:443",
        "FAKE-secret%00b:443",
        &label,
        "caf\u{e9}.FAKE-secret.test:443",
    ])
    .await;
}

/// Names and addresses that all lead to a port of 127.0.0.1.
const ALIASES: [&str; 13] = [
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "127.1.2.3",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
];

#[tokio::test(flavor = "multi_thread")]
async fn case_03_and_04_the_proxy_as_its_own_target() {
    for open in [false, true] {
        let setup = if open { Setup::new().argument("--proxy-auth").argument("none") } else { Setup::new() };
        let bench = setup.start().await;
        let port = bench.address.port();
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        let own =
            tokio::net::lookup_host((name, port)).await.is_ok_and(|mut all| all.all(|one| one.ip().is_loopback()));
        let aliases = ALIASES.iter().copied().chain(own.then_some(name));
        for alias in aliases {
            for request in [
                format!("CONNECT {alias}:{port} HTTP/1.1\r\nHost: {alias}:{port}\r\n\r\n"),
                format!("GET http://{alias}:{port}/api HTTP/1.1\r\nHost: {alias}:{port}\r\n\r\n"),
            ] {
                let answer = ours(&bench.say(&request).await);
                // What is not even a name cannot be resolved everywhere.
                let unresolved = answer == (502, "upstream_dns".to_owned()) || answer.0 == 400;
                let odd = ["127.1", "2130706433", "0x7f.0.0.1", "localhost."].contains(&alias);
                assert!(answer == (403, "blocked_target".to_owned()) || odd && unresolved, "{request} {answer:?}");
            }
        }
        if open {
            // Nothing of this machine is reached through a proxy that lets everybody in, but what the user named.
            let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let answers = [
                bench.say(format!("CONNECT {} HTTP/1.1\r\n\r\n", other.local_addr().unwrap())).await,
                bench.say("CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n").await,
                bench.say("GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\r\n\r\n").await,
                bench.say("CONNECT [fe80::1]:80 HTTP/1.1\r\n\r\n").await,
            ];
            assert!(answers.iter().all(|answer| ours(answer) == (403, "blocked_target".to_owned())), "{answers:?}");
        }
        bench.is_well().await;
        assert!(bench.connections().iter().filter(|one| one.end.outcome == Outcome::BlockedTarget).count() >= 2 * 8);
        let (trace, _) = bench.finish().await;
        assert!(trace.exchanges.iter().all(|one| one.status() == Some(200)), "no request has come through");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_05_the_proxy_taken_for_a_web_server() {
    let bench = Bench::start().await;
    let page = "Origin: http://evil.example\r\nReferer: http://evil.example/FAKE-secret\r\n";
    let mut answers = Vec::new();
    for line in [
        "GET / HTTP/1.1",
        "GET /FAKE-secret?<script>alert(1)</script> HTTP/1.1",
        "OPTIONS /v1/messages HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "POST /FAKE-secret HTTP/1.1",
        "GET /proxy.pac HTTP/1.0",
    ] {
        let ask = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n";
        answers.push(bench.say(format!("{line}\r\nHost: evil.example\r\n{page}{ask}\r\n")).await);
    }
    let fixed = answers.first().unwrap().clone();
    assert_eq!(ours(&fixed), (400, "not_a_proxy_request".to_owned()));
    // `*` is no path, and may be told so.
    assert!(answers.iter().all(|answer| *answer == fixed || ours(answer).0 == 400), "{answers:#?}");
    assert!(answers.iter().all(|answer| !answer.contains("evil") && !answer.contains("script")), "{answers:#?}");
    bench.ended(Outcome::NotAProxyRequest).await;
    bench.is_well().await;
    // A WebSocket of a page, a browser that takes it for an HTTPS proxy, HTTP/2 without TLS.
    let upgrade =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for bytes in [upgrade.as_bytes(), b"\x16\x03\x01\x00\x05hello\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let answer = bench.say(bytes).await;
        assert!((400..=505).contains(&ours(&answer).0), "{answer}");
        bench.is_well().await;
    }
    let (trace, _) = bench.finish().await;
    assert!(trace.exchanges.iter().all(|one| one.status() == Some(200)), "nothing of it was an exchange");
}

#[tokio::test(flavor = "multi_thread")]
async fn case_06_who_may_use_the_proxy() {
    let bench = Bench::start().await;
    for wrong in ["main:FAKE-wrong", "FAKE", ""] {
        let value = STANDARD.encode(wrong);
        let request = format!("CONNECT {HOST}:443 HTTP/1.1\r\nProxy-Authorization: Basic {value}\r\n\r\n");
        assert_eq!(ours(&bench.say(&request).await), (407, "proxy_auth_required".to_owned()));
    }
    let connection = bench.ended(Outcome::ProxyAuthRequired).await;
    assert_eq!((connection.end.status, connection.mode), (Some(407), Mode::Refused));
    bench.is_well().await;
    // A process of another user that shows nothing: 407; one that shows the password may pass.
    if let (Some(curl), true) = (tool("curl"), rustix::process::geteuid().is_root()) {
        let Some(setpriv) = tool("setpriv") else { return };
        for (login, expected) in [(String::new(), "407"), (format!("{}@", bench.login), "000")] {
            let mut command = Command::new(&setpriv);
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&curl).env_clear();
            command.args(["-sS", "-o", "/dev/null", "--max-time", "8", "-w", "%{http_connect}", "--proxy"]);
            // A name that never resolves: what comes after the password is another matter.
            command.arg(format!("http://{login}{}", bench.address)).arg("https://x.invalid/");
            let said = output(command).await;
            bench.count(1);
            let status = String::from_utf8(said.stdout).unwrap();
            assert!(status == expected || (expected == "000" && status == "502"), "{status}");
        }
        bench.ended(Outcome::UpstreamDns).await;
    }
    let (trace, _) = bench.finish().await;
    assert!(trace.connections.iter().all(|one| one.requests == 0 || one.end.outcome == Outcome::Ok));
}
