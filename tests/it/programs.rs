//! Foreign HTTP/1 clients and servers through the proxy: curl and openssl.

use crate::support::{Ending, HOST, Origin, PASSWORD, Pki, Setup, TestProxy, soon, tool};
use authtrace::trace::{EndKind, Mode, Outcome};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

struct Curl {
    program: PathBuf,
    proxy: String,
    ca: PathBuf,
}

impl Curl {
    /// With the proxy's password, which curl sends at once.
    fn new(pki: &Pki, proxy: &TestProxy) -> Option<Self> {
        let ca = pki.folder().join("proxy.pem");
        std::fs::write(&ca, proxy.root_pem()).unwrap();
        let (user, password) = PASSWORD;
        Some(Self { program: tool("curl")?, proxy: format!("http://{user}:{password}@{}", proxy.address()), ca })
    }

    fn run(&self, arguments: &[&str]) -> impl Future<Output = Output> + use<> {
        let mut command = Command::new(&self.program);
        command.args(["-sS", "--max-time", "8", "-x", &self.proxy, "--cacert"]).arg(&self.ca).args(arguments);
        let output = command.env_clear().stdin(Stdio::null()).kill_on_drop(true).output();
        async { soon("curl", output).await.unwrap() }
    }
}

async fn start() -> (Pki, Origin, TestProxy) {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &["http/1.1"])).await;
    let proxy = Setup::to(&origin).start(&pki);
    (pki, origin, proxy)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn curl_asks_over_tls_with_either_protocol_on_offer() {
    for protocol in ["--http1.1", "--http2"] {
        let (pki, origin, proxy) = start().await;
        let Some(curl) = Curl::new(&pki, &proxy) else { return };
        let url = format!("https://{HOST}/v1/models");
        let asked = curl.run(&[protocol, "-H", "x-api-key: sk-ant-api03-FAKE-SECRET-01234567", &url, &url]);
        let served = async {
            let mut upstream = origin.accept().await;
            for _ in 0..2 {
                let head = text(&upstream.receive_until(b"\r\n\r\n").await);
                assert!(
                    head.starts_with("GET /v1/models HTTP/1.1\r\n") && head.contains("x-api-key: sk-ant-api03-FAKE"),
                    "{head}"
                );
                assert!(!head.contains("Proxy-"), "{head}");
                upstream.send(OK).await;
            }
            upstream
        };
        let (output, _upstream) = tokio::join!(asked, served);
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("okok".to_owned(), String::new()));
        let exchanges = proxy.records.await_exchanges(2).await;
        assert!(
            exchanges
                .iter()
                .all(|exchange| exchange.end.outcome == EndKind::Complete && exchange.credentials.len() == 1)
        );
        assert!(!serde_json::to_string(&proxy.records.records()).unwrap().contains("FAKE-SECRET"));
    }
}

#[tokio::test]
async fn curl_waits_for_a_100() {
    let (pki, origin, proxy) = start().await;
    let Some(curl) = Curl::new(&pki, &proxy) else { return };
    let url = format!("https://{HOST}/upload");
    // So long that curl would not send the body without an answer.
    let asked = curl.run(&["-H", "Expect: 100-continue", "--expect100-timeout", "7", "-d", "0123456789", &url]);
    let served = async {
        let mut upstream = origin.accept().await;
        upstream.receive_until(b"\r\n\r\n").await;
        upstream.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        upstream.expect(b"0123456789").await;
        upstream.send(OK).await;
        upstream
    };
    let (output, _upstream) = tokio::join!(asked, served);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("ok".to_owned(), String::new()));
    let response = proxy.records.await_exchange().await.response.unwrap();
    assert_eq!((response.status, response.interim), (200, vec![100]));
}

#[tokio::test]
async fn curl_takes_a_417_for_an_answer() {
    let (pki, origin, proxy) = start().await;
    let Some(curl) = Curl::new(&pki, &proxy) else { return };
    let url = format!("https://{HOST}/upload");
    let asked = curl.run(&[
        "-w",
        "%{http_code} ",
        "-H",
        "Expect: 100-continue",
        "--expect100-timeout",
        "7",
        "-d",
        "0123456789",
        &url,
    ]);
    let served = async {
        let mut upstream = origin.accept().await;
        upstream.receive_until(b"\r\n\r\n").await;
        upstream.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        upstream.close().await;
        // Some versions ask once more, without the expectation; others are content.
        let mut again = origin.accept().await;
        assert!(!text(&again.receive_until(b"0123456789").await).contains("Expect:"));
        again.send(OK).await;
        again.receive_end().await;
    };
    tokio::pin!(asked);
    let output = tokio::select! {
        output = &mut asked => output,
        () = served => asked.await,
    };
    assert_eq!(text(&output.stderr), "");
    assert!(["417 ", "ok200 "].contains(&text(&output.stdout).as_str()), "{}", text(&output.stdout));
    let first = proxy.records.await_exchanges(1).await.remove(0).response.unwrap();
    assert_eq!((first.status, first.interim), (417, vec![]));
}

#[tokio::test]
async fn curl_speaks_plain_http_in_a_tunnel_and_in_absolute_form() {
    for tunnel in [false, true] {
        let pki = Pki::new();
        let origin = Origin::plain().await;
        let proxy = Setup::to(&origin).start(&pki);
        let Some(curl) = Curl::new(&pki, &proxy) else { return };
        let url = format!("http://{HOST}/v1/models?a=b");
        let mut arguments = vec![url.as_str()];
        if tunnel {
            arguments.insert(0, "--proxytunnel");
        }
        let asked = curl.run(&arguments);
        let served = async {
            let mut upstream = origin.accept().await;
            let head = text(&upstream.receive_until(b"\r\n\r\n").await);
            assert!(head.starts_with(&format!("GET /v1/models?a=b HTTP/1.1\r\nHost: {HOST}\r\n")), "{head}");
            assert!(!head.contains("Proxy-"), "{head}");
            upstream.send(OK).await;
            upstream
        };
        let (output, mut upstream) = tokio::join!(asked, served);
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("ok".to_owned(), String::new()));
        upstream.expect_end(Ending::Clean).await;
        upstream.close().await;
        assert_eq!(proxy.records.await_exchange().await.status(), Some(200));
        assert_eq!(proxy.records.await_outcome(Outcome::Ok).await.mode, Mode::Plain);
    }
}

#[tokio::test]
async fn curl_sees_the_failures_that_a_server_would_have_caused() {
    let (pki, origin, proxy) = start().await;
    let Some(curl) = Curl::new(&pki, &proxy) else { return };
    let url = format!("https://{HOST}/");
    // CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE
    for (answer, reset, code) in
        [(b"".as_slice(), false, 52), (b"", true, 56), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", false, 18)]
    {
        let served = async {
            let mut upstream = origin.accept().await;
            upstream.receive_until(b"\r\n\r\n").await;
            upstream.send(answer).await;
            if reset {
                upstream.reset();
            } else {
                upstream.close().await;
            }
        };
        let (output, ()) = tokio::join!(curl.run(&[&url]), served);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    }
}

#[tokio::test]
async fn curl_that_distrusts_us_is_recorded_so() {
    let (pki, origin, proxy) = start().await;
    let Some(curl) = Curl::new(&pki, &proxy) else { return };
    let root = pki.root_file();
    let distrusting = Curl { ca: root, ..curl };
    let url = format!("https://{HOST}/");
    let (output, _) = tokio::join!(distrusting.run(&[&url]), origin.try_accept());
    assert_eq!(output.status.code(), Some(60), "{}", text(&output.stderr));
    proxy.records.await_outcome(Outcome::ClientDistrustsCa).await;
}

#[tokio::test]
async fn openssl_connects_through_the_proxy_and_ends_in_order() {
    let Some(openssl) = tool("openssl") else { return };
    let (pki, origin, proxy) = start().await;
    let ca = pki.folder().join("proxy.pem");
    std::fs::write(&ca, proxy.root_pem()).unwrap();
    let mut client = Command::new(openssl)
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-verify_hostname",
            HOST,
            "-alpn",
            "http/1.1",
            "-servername",
            HOST,
        ])
        .args(["-proxy", &proxy.address().to_string(), "-connect", &format!("{HOST}:443"), "-CAfile"])
        .arg(ca)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut upstream = origin.accept().await;
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    upstream.expect(b"GET / HTTP/1.0\r\n\r\n").await;
    upstream.send(b"HTTP/1.0 200 OK\r\n\r\nthe end").await;
    upstream.close().await;
    let output = soon("openssl", client.wait_with_output()).await.unwrap();
    assert_eq!(text(&output.stdout), "HTTP/1.0 200 OK\r\n\r\nthe end");
    assert_eq!(proxy.records.await_exchange().await.end.outcome, EndKind::Complete);
    proxy.records.await_outcome(Outcome::Ok).await;
}

#[tokio::test]
async fn an_openssl_server_is_an_upstream_like_any_other() {
    let Some(openssl) = tool("openssl") else { return };
    let pki = Pki::new();
    let (cert, key) = pki.files(HOST);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _server = Command::new(openssl)
        .args(["s_server", "-quiet", "-www", "-accept", &format!("127.0.0.1:{port}"), "-cert"])
        .arg(cert)
        .arg("-key")
        .arg(key)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let listens = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    soon("openssl", listens).await;
    let proxy = Setup::to_address(([127, 0, 0, 1], port).into()).start(&pki);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = crate::support::client_config_of(proxy.root(), &["http/1.1"], &[version]);
        let mut client = proxy.try_tls(HOST, config).await.unwrap();
        client.send(b"GET / HTTP/1.0\r\n\r\n").await;
        let (page, _) = client.receive_end().await;
        assert!(text(&page).starts_with("HTTP/1.0 200 ok\r\n"), "{}", text(&page));
    }
    let exchanges = proxy.records.await_exchanges(2).await;
    assert!(exchanges.iter().all(|exchange| exchange.end.outcome == EndKind::Complete), "{exchanges:#?}");
}
