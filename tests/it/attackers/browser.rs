//! A web page in the user's browser.

use crate::faults::Bench;
use crate::support::tool;
use authtrace::trace::Outcome;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

/// A page that tries what a page can: to read from the proxy, to send it things, to open a socket, to frame it.
const PAGE: &str = r#"<!doctype html><title>waiting</title><body><script>
const proxy = 'http://127.0.0.1:PORT';
const attempt = (name, promise) => promise.then(text => name + ' got ' + text, error => name + ' failed');
const socket = new Promise((done, fail) => {
  const socket = new WebSocket('ws://127.0.0.1:PORT/');
  socket.onopen = () => done('a socket'); socket.onerror = () => fail();
});
const script = new Promise((done, fail) => {
  const script = document.createElement('script');
  script.src = proxy + '/FAKE-secret.js'; script.onload = () => done('a script'); script.onerror = () => fail();
  document.body.append(script);
});
Promise.all([
  attempt('cors', fetch(proxy + '/FAKE-secret').then(answer => answer.text())),
  attempt('preflight', fetch(proxy + '/v1/messages', { method: 'POST', headers: { 'x-api-key': 'FAKE-secret' } }).then(answer => answer.text())),
  attempt('opaque', fetch(proxy + '/FAKE-secret', { mode: 'no-cors', credentials: 'include' }).then(answer => answer.type)),
  attempt('socket', socket), attempt('script', script),
]).then(lines => { document.body.textContent = lines.join('; '); document.title = 'done'; });
</script>"#;

/// Serves the page for as long as somebody asks.
fn page_server(proxy: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let page = PAGE.replace("PORT", &proxy.to_string());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    port
}

/// What the page has become after a while.
fn dom(chromium: &std::path::Path, profile: &std::path::Path, url: &str) -> String {
    let mut command = Command::new(chromium);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]);
    command.args(["--virtual-time-budget=10000", "--timeout=20000", "--no-proxy-server", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.display())).arg(url);
    command.env("HOME", profile).stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_nothing_from_the_proxy() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = |name: &str| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    let other = ["chromium-browser", "google-chrome"].into_iter().find_map(in_path);
    let Some(chromium) = other.or_else(|| tool("chromium")) else { return };
    let bench = Bench::start().await;
    let port = bench.address.port();
    let profile = tempfile::tempdir().unwrap();
    let (folder, own) = (profile.path().to_owned(), chromium.clone());
    let tried =
        tokio::task::spawn_blocking(move || dom(&own, &folder, &format!("http://127.0.0.1:{}/", page_server(port))));
    let tried = tried.await.unwrap();
    for line in ["cors failed", "preflight failed", "socket failed"] {
        assert!(tried.contains(line), "{tried}");
    }
    // It gets through, and the page sees nothing of it; a newer browser does not even ask.
    assert!(tried.contains("opaque got opaque") || tried.contains("opaque failed"), "{tried}");
    assert!(tried.contains("script failed"), "what is no script is not run: {tried}");
    // Opened by itself: a fixed text, and nothing of the address.
    let folder = profile.path().to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        dom(&chromium, &folder, &format!("http://127.0.0.1:{port}/FAKE-secret?<script>document.title='evil'</script>"))
    });
    let opened = opened.await.unwrap();
    assert!(opened.contains("this is a proxy, not a web server"), "{opened}");
    assert!(!opened.contains("FAKE") && !opened.contains("evil"), "{opened}");
    bench.ended(Outcome::NotAProxyRequest).await;
    assert!(bench.exchanges().iter().all(|one| one.status() == Some(200)), "nothing of it was an exchange");
    bench.finish().await;
}
