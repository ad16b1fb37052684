//! Canaries: made-up credentials in every place of a message, driven as raw bytes through the real binary with its log at
//! its loudest. None of them, nor twelve characters of one, may be found in anything that was written; what helps to
//! find a fault has to be there.

mod cases;
mod harness;
pub(crate) mod scan;
pub(crate) mod shapes;

use cases::Way;
use harness::{Origin, Running};
use scan::Scanner;
use shapes::Canary;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Every place, with every shape, each with a canary of its own.
#[test]
fn no_credential_is_written_whatever_its_place_and_shape() {
    let origin = Origin::start();
    let mut proxy = Running::start(&origin, &["--upstream-proxy", "none"]);
    let mut scanner = Scanner::default();
    let mut refusals = Vec::new();
    let mut number = 0;
    for case in cases::all() {
        for shape in shapes::ALL {
            number += 1;
            let canary = Canary::new(*shape, number);
            if !case.fits(&canary) {
                continue;
            }
            scanner.add(&canary, &format!("{} as {shape:?}", case.name));
            let (request, answer) = case.messages(&canary);
            let heard = match case.way {
                Way::Tls => proxy.through_tls(&origin, "api.anthropic.com", "api.anthropic.com", &request, answer),
                Way::ServerName => proxy.through_tls(&origin, "api.anthropic.com", &canary.label(), &request, answer),
                Way::Plain => proxy.in_the_clear(&request),
            };
            if case.refused {
                refusals.push(heard);
            }
        }
    }
    assert!(number > 500, "{number}");
    proxy.watch(&mut scanner);
    let trace = proxy.end();
    for (name, bytes) in proxy.everything_written() {
        scanner.search(&name, &bytes);
    }
    for heard in &refusals {
        scanner.search("an answer of the proxy's own", heard);
    }
    reports(&trace, &mut scanner);
    scanner.assert_nothing();
    let text = fs::read_to_string(&trace).unwrap();
    assert!(
        text.lines().filter(|line| line.contains("\"record\":\"exchange\"")).count() > 300,
        "few exchanges were recorded"
    );
    assert!(!text.contains("\"redaction_failed\""));
}

/// The trace in every form of report.
fn reports(trace: &Path, scanner: &mut Scanner) {
    for form in ["text", "json", "md"] {
        let made = Command::new(env!("CARGO_BIN_EXE_authtrace"))
            .args(["report", "--full", "--format", form])
            .arg(trace)
            .env("RUST_LOG", "trace")
            .output()
            .unwrap();
        assert!(made.status.success(), "{form}: {}", String::from_utf8_lossy(&made.stderr));
        assert!(made.stdout.len() > 1_000, "{form}");
        scanner.search(&format!("report as {form}"), &made.stdout);
        scanner.search(&format!("standard error of report as {form}"), &made.stderr);
    }
}

#[test]
fn what_helps_to_find_a_fault_survives() {
    let origin = Origin::start();
    let mut proxy = Running::start(&origin, &["--upstream-proxy", "none"]);
    let mut wanted = Vec::new();
    for (request, answer, keep) in cases::telling() {
        proxy.through_tls(&origin, "api.anthropic.com", "api.anthropic.com", &request, vec![answer]);
        wanted.extend(keep);
    }
    let trace = proxy.end();
    let text = fs::read_to_string(&trace).unwrap();
    let lost: Vec<_> = wanted.iter().filter(|keep| !text.contains(&serde_json::to_string(keep).unwrap())).collect();
    assert!(lost.len() * 20 <= wanted.len(), "{} of {} are lost: {lost:#?}", lost.len(), wanted.len());
    let again = reread(&text);
    let lost: Vec<_> = wanted
        .iter()
        .filter(|keep| {
            text.contains(&serde_json::to_string(keep).unwrap())
                && !again.contains(&serde_json::to_string(keep).unwrap())
        })
        .collect();
    assert!(lost.is_empty(), "lost by reading: {lost:#?}");
    assert_eq!(again, text, "reading back is the identity");
}

/// The trace as it is after it was read and written again.
fn reread(text: &str) -> String {
    use authtrace::trace::{Line, Reader, Record};
    let mut reader = Reader::new(text.as_bytes()).unwrap();
    let mut lines = vec![serde_json::to_string(&Record::Trace(Box::new(reader.head().clone()))).unwrap()];
    while let Some(line) = reader.next_line().unwrap() {
        match line {
            Line::Record(record) => lines.push(serde_json::to_string(&record).unwrap()),
            other => panic!("{other:?}"),
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_refusal_of_an_upstream_proxy_is_told_without_what_it_said() {
    let origin = Origin::start();
    let canary = Canary::new(shapes::Shape::Gateway, 9_001);
    let value = &canary.text;
    let upstream = harness::refusing_proxy(format!(
        "HTTP/1.1 407 {value}\r\nProxy-Authenticate: Basic realm=\"{value}\"\r\nX-Squid-Error: ERR_{value} 0\r\nVia: 1.1 {value}\r\n\
         Set-Cookie: {value}={value}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n<title>{value}</title>",
        value.len() + 15
    ));
    let mut proxy = Running::start(&origin, &["--upstream-proxy", &format!("http://{upstream}")]);
    let heard = proxy.connect_to(&format!("{}.example.com:443", canary.label()));
    assert!(heard.starts_with(b"HTTP/1.1 407"), "{}", String::from_utf8_lossy(&heard));
    let mut scanner = Scanner::default();
    scanner.add(&canary, "407 of an upstream proxy");
    let trace = proxy.end();
    for (name, bytes) in proxy.everything_written() {
        scanner.search(&name, &bytes);
    }
    reports_of_refusal(&trace, &mut scanner);
    scanner.assert_nothing();
    assert!(fs::read_to_string(&trace).unwrap().contains("upstream_proxy_refused"));
}

fn reports_of_refusal(trace: &Path, scanner: &mut Scanner) {
    let made = Command::new(env!("CARGO_BIN_EXE_authtrace")).arg("report").arg(trace).output().unwrap();
    assert!(made.status.success());
    scanner.search("report", &made.stdout);
}

#[test]
fn curl_under_run_over_http_2_leaves_nothing() {
    if !harness::available("curl") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fake = runtime.block_on(async {
        let seed = authtrace::fake::Seed::random().unwrap();
        authtrace::fake::Fake::start(authtrace::fake::FakeConfig::new(authtrace::fake::Model::new(seed))).await.unwrap()
    });
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, fake.ca_pem()).unwrap();
    let trace = folder.path().join("trace.jsonl");
    let mut scanner = Scanner::default();
    let canaries: Vec<Canary> =
        (0..10).map(|number| Canary::new(shapes::ALL[number % shapes::ALL.len()], 9_100 + number)).collect();
    for (number, canary) in canaries.iter().enumerate() {
        scanner.add(canary, &format!("curl, place {number}"));
    }
    let [path, query, bearer, key, custom, cookie, body, variable, agent, referer] =
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(|number: usize| canaries[number].encoded("percent-some"));
    let made = Command::new(env!("CARGO_BIN_EXE_authtrace"))
        .args(["run", "--out"])
        .arg(&trace)
        .args(["--upstream-proxy", "none", "--connect-to", &format!("::127.0.0.1:{}", fake.addr().port()), "--upstream-ca"])
        .arg(&roots)
        .args(["--", "sh", "-c", "exec curl -sS --http2 -o /dev/null -w '%{http_version} %{http_code}' -K \"$CURL_SETTINGS\""])
        .env("CURL_SETTINGS", {
            let settings = folder.path().join("curl.settings");
            let lines = format!(
                "url = \"https://api.anthropic.com/v1/{path}/messages?beta=true&key={query}\"\nheader = \"Authorization: Bearer {bearer}\"\n\
                 header = \"x-api-key: {key}\"\nheader = \"x-{custom}: {custom}\"\ncookie = \"sid={cookie}\"\ndata = \"token={body}\"\n\
                 user-agent = \"{agent}\"\nreferer = \"https://claude.ai/{referer}\"\n"
            );
            fs::write(&settings, lines).unwrap();
            settings
        })
        .env("ANTHROPIC_API_KEY", variable)
        .env("RUST_LOG", "trace")
        .env("HOME", folder.path())
        .env("TMPDIR", folder.path())
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .unwrap();
    runtime.block_on(fake.shutdown());
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(said.starts_with("2 4"), "{said} {}", String::from_utf8_lossy(&made.stderr));
    scanner.search("standard output", &made.stdout);
    scanner.search("standard error", &made.stderr);
    let text = fs::read(&trace).unwrap();
    scanner.search("trace", &text);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("\"HTTP/2\"") && text.contains("ANTHROPIC_API_KEY"), "{text}");
    scanner.assert_nothing();
}
