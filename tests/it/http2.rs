//! HTTP/2 through the proxy between peers that are not of its own making: python-hyper's h2 on both sides, and nghttp2's
//! programs.
//!
//! `AUTHTRACE_H2_PYTHON` names an interpreter that has h2, if `python3` has not.

use crate::support::{HOST, Pki, Setup, TestProxy, soon, tool};
use authtrace::trace::{EndKind, Exchange, Origin, Outcome};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Codes of RFC 9113 §7.
const REFUSED_STREAM: u64 = 7;
const CANCEL: u64 = 8;
const ENHANCE_YOUR_CALM: u64 = 11;

fn python() -> Option<PathBuf> {
    let python = match std::env::var_os("AUTHTRACE_H2_PYTHON") {
        Some(path) => PathBuf::from(path),
        None => tool("python3")?,
    };
    let has_h2 = std::process::Command::new(&python).args(["-c", "import h2"]).stderr(Stdio::null()).status();
    if has_h2.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("AUTHTRACE_REQUIRE_TOOLS").is_none_or(|wanted| wanted != "1"), "Python has no h2");
    println!("skipped: Python has no h2");
    None
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign").join(name)
}

struct H2Origin {
    _process: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl H2Origin {
    async fn next(&mut self, event: &str) -> Value {
        loop {
            let line = soon("an event of the origin", self.events.next_line()).await.unwrap();
            let told: Value = serde_json::from_str(&line.unwrap_or_else(|| panic!("the origin has ended"))).unwrap();
            if told["event"] == event {
                return told;
            }
        }
    }
}

async fn start(python: &Path) -> (Pki, H2Origin, TestProxy) {
    let pki = Pki::new();
    let (cert, key) = pki.files(HOST);
    let mut process = Command::new(python)
        .arg(script("h2_origin.py"))
        .args([cert, key])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut events = BufReader::new(process.stdout.take().unwrap()).lines();
    let port: u16 = soon("the origin's port", events.next_line()).await.unwrap().unwrap().parse().unwrap();
    let proxy = Setup::to_address(([127, 0, 0, 1], port).into()).start(&pki);
    (pki, H2Origin { _process: process, events }, proxy)
}

/// Sends requests at once on one connection; what came back.
async fn ask(python: &Path, pki: &Pki, proxy: &TestProxy, requests: Value) -> Value {
    let ca = pki.folder().join("proxy.pem");
    std::fs::write(&ca, proxy.root_pem()).unwrap();
    let client = Command::new(python)
        .arg(script("h2_client.py"))
        .arg(proxy.address().port().to_string())
        .arg(ca)
        .args([HOST, &requests.to_string()])
        .kill_on_drop(true)
        .output();
    let output = soon("the client", client).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn of_path<'a>(exchanges: &'a [Exchange], begin: &str) -> Vec<&'a Exchange> {
    exchanges.iter().filter(|exchange| exchange.request.method.as_str() == begin).collect()
}

#[tokio::test]
async fn fields_data_and_trailers_pass_and_nothing_is_added() {
    let Some(python) = python() else { return };
    let (pki, _origin, proxy) = start(&python).await;
    let fields = json!([
        ["x-repeated", "one"],
        ["cookie", "a=FAKE"],
        ["x-empty", ""],
        ["x-repeated", "two"],
        ["cookie", "b=FAKE"],
        ["x-high", "caf\u{e9}"],
        ["authorization", "Bearer sk-ant-oat01-FAKE-SECRET-0123456789"],
        ["te", "trailers"]
    ]);
    let requests = json!([
        { "method": "POST", "path": "/echo?a=b", "fields": fields, "body": 10, "trailers": [["x-after", "yes"]] },
        { "method": "PUT", "path": "/echo", "body": 200_000 },
        { "method": "GET", "path": "/echo" },
        { "method": "HEAD", "path": "/status/200" },
        { "method": "DELETE", "path": "/status/304" },
    ]);
    let came = ask(&python, &pki, &proxy, requests).await;
    let answers = came["answers"].as_array().unwrap();
    for answer in &answers[..3] {
        // As h2 itself lists them: repeated fields stay repeated, no date, no content-length.
        assert_eq!(
            sorted(&answer["fields"]),
            sorted(&json!([
                [":status", "207"],
                ["x-repeated", "one"],
                ["x-between", ""],
                ["x-repeated", "two"],
                ["set-cookie", "a=FAKE"],
                ["set-cookie", "b=FAKE"],
                ["x-high", "caf\u{e9}"]
            ]))
        );
        assert_eq!(answer["trailers"], json!([["x-checksum", "abc"], ["x-checksum", "def"]]));
    }
    let heard = |index: usize| -> Value { serde_json::from_str(answers[index]["text"].as_str().unwrap()).unwrap() };
    let pseudo = [[":method", "POST"], [":scheme", "https"], [":authority", HOST], [":path", "/echo?a=b"]];
    let mut sent: Vec<Value> = pseudo.iter().map(|pair| json!(pair)).collect();
    sent.extend(fields.as_array().unwrap().iter().cloned());
    assert_eq!(sorted(&heard(0)["fields"]), sorted(&Value::from(sent)));
    assert_eq!((&heard(0)["bytes"], &heard(0)["trailers"]), (&json!(10), &json!([["x-after", "yes"]])));
    assert_eq!(heard(1)["bytes"], 200_000);
    assert_eq!(heard(2)["fields"].as_array().unwrap().len(), 4, "nothing added: {}", heard(2)["fields"]);
    for answer in &answers[3..] {
        assert_eq!((&answer["fields"][1], &answer["bytes"]), (&json!(["content-length", "5"]), &json!(0)));
    }
    let exchanges = proxy.records.await_exchanges(5).await;
    assert!(exchanges.iter().all(|exchange| exchange.end.outcome == EndKind::Complete), "{exchanges:#?}");
    let post = of_path(&exchanges, "POST")[0];
    assert_eq!((post.request.body_bytes, post.request.trailers.len(), post.credentials.is_empty()), (10, 1, false));
    let response = post.response.as_ref().unwrap();
    assert_eq!((response.status, response.trailers.len(), response.version.as_str()), (207, 2, "HTTP/2"));
    assert_eq!(of_path(&exchanges, "PUT")[0].request.body_bytes, 200_000);
    assert!(!serde_json::to_string(&proxy.records.records()).unwrap().contains("FAKE-SECRET"));
    let connection = proxy.records.await_outcome(Outcome::Ok).await;
    assert_eq!(connection.requests, 5);
    proxy.until_idle().await;
}

fn sorted(pairs: &Value) -> Vec<String> {
    let mut pairs: Vec<String> = pairs.as_array().unwrap().iter().map(Value::to_string).collect();
    // Between fields of different names HTTP/2 gives the order no meaning; among those of one name it does.
    pairs.sort_by_key(|pair| pair.split(',').next().map(str::to_owned));
    pairs
}

#[tokio::test]
async fn a_request_for_two_hosts_is_refused_and_one_for_another_is_told() {
    let Some(python) = python() else { return };
    let (pki, _origin, proxy) = start(&python).await;
    let host = |names: &[&str]| -> Value { names.iter().map(|name| json!(["host", name])).collect() };
    let requests = json!([
        { "method": "GET", "path": "/echo", "fields": host(&["other.example"]) },
        { "method": "GET", "path": "/echo", "fields": host(&[HOST, HOST]) },
        { "method": "GET", "path": "/echo", "fields": host(&[HOST]), "authority": "other.example" },
        { "method": "PUT", "path": "/echo", "fields": host(&[HOST]) },
        { "method": "POST", "path": "/echo", "authority": "other.example" },
    ]);
    let came = ask(&python, &pki, &proxy, requests).await;
    let answers = came["answers"].as_array().unwrap();
    for answer in &answers[..3] {
        assert_eq!(answer["fields"][0], json!([":status", "400"]));
        let codes = ["bad_target", "bad_header"].map(|code| json!(["x-authtrace", code]));
        assert!(codes.iter().any(|code| answer["fields"].as_array().unwrap().contains(code)), "{answer}");
        assert!(answer["text"].as_str().unwrap().starts_with("authtrace: the request "), "{answer}");
    }
    assert_eq!((&answers[3]["fields"][0][1], &answers[4]["fields"][0][1]), (&json!("207"), &json!("207")));
    let exchanges = proxy.records.await_exchanges(5).await;
    for refused in of_path(&exchanges, "GET") {
        assert_eq!((refused.origin, refused.end.outcome), (Origin::Authtrace, EndKind::Refused), "{refused:?}");
    }
    let fields = |method| of_path(&exchanges, method)[0].request.headers.len();
    assert_eq!((fields("PUT"), fields("POST")), (1, 1), "the other authority is among the fields");
}

#[tokio::test]
async fn large_bodies_and_many_streams_obey_flow_control() {
    let Some(python) = python() else { return };
    let (pki, _origin, proxy) = start(&python).await;
    let requests: Vec<Value> = (0..40)
        .map(|number| match number % 2 {
            0 => json!({ "path": format!("/large/{}", 1 + number * 50_000) }),
            _ => json!({ "method": "POST", "path": "/echo", "body": number * 20_000 }),
        })
        .collect();
    let came = ask(&python, &pki, &proxy, Value::from(requests)).await;
    for (number, answer) in came["answers"].as_array().unwrap().iter().enumerate() {
        assert_eq!(answer["reset"], Value::Null);
        if number % 2 == 0 {
            assert_eq!(answer["bytes"], 1 + number * 50_000);
        } else {
            let heard: Value = serde_json::from_str(answer["text"].as_str().unwrap()).unwrap();
            assert_eq!(heard["bytes"], number * 20_000);
        }
    }
    let exchanges = proxy.records.await_exchanges(40).await;
    let answered: u64 =
        of_path(&exchanges, "GET").iter().map(|exchange| exchange.response.as_ref().unwrap().body_bytes).sum();
    assert_eq!(answered, (0..40).step_by(2).map(|number| 1 + number * 50_000).sum::<u64>());
    assert_eq!(exchanges.len(), 40);
    proxy.records.await_outcome(Outcome::Ok).await;
}

/// More of them than the windows of a connection that nobody has set.
#[tokio::test]
async fn streams_that_nobody_reads_hold_up_themselves_alone() {
    let Some(python) = python() else { return };
    let (pki, _origin, proxy) = start(&python).await;
    let mut requests = vec![json!({ "path": "/large/500000", "unread": true }); 60];
    requests.push(json!({ "method": "POST", "path": "/echo", "body": 50_000 }));
    requests.push(json!({ "path": "/large/500000" }));
    let came = ask(&python, &pki, &proxy, Value::from(requests)).await;
    let answers = came["answers"].as_array().unwrap();
    assert_eq!((&answers[60]["fields"][0][1], &answers[61]["bytes"]), (&json!("207"), &json!(500_000)));
    let exchanges = proxy.records.await_exchanges(62).await;
    let whole = exchanges.iter().filter(|exchange| exchange.end.outcome == EndKind::Complete).count();
    assert_eq!(whole, 2, "the others were given up by the client");
    proxy.until_idle().await;
}

#[tokio::test]
async fn who_breaks_the_rules_is_told() {
    let Some(python) = python() else { return };
    let (pki, _origin, proxy) = start(&python).await;
    let came = ask(&python, &pki, &proxy, json!([{ "path": "/break-rules" }])).await;
    assert!(came["answers"][0]["reset"].is_number() || came["end"].is_string(), "{came}");
    assert_eq!(proxy.records.await_exchange().await.end.outcome, EndKind::UpstreamProtocol);
    proxy.records.await_outcome(Outcome::UpstreamProtocol).await;

    let (pki, _origin, proxy) = start(&python).await;
    let ping_of_one_byte = "00000106000000000000";
    ask(&python, &pki, &proxy, json!([{ "path": "/hang", "behind": ping_of_one_byte, "until_end": true }])).await;
    proxy.records.await_outcome(Outcome::ClientProtocol).await;
    proxy.until_idle().await;
}

#[tokio::test]
async fn a_request_for_no_host_or_with_a_password_before_it_is_refused_and_not_laid_to_the_server() {
    let Some(python) = python() else { return };
    for authority in [Value::Null, json!(format!("user:FAKE-SECRET@{HOST}"))] {
        let (pki, _origin, proxy) = start(&python).await;
        let came = ask(&python, &pki, &proxy, json!([{ "path": "/echo", "authority": authority }])).await;
        let fields = came["answers"][0]["fields"].as_array().unwrap();
        assert_eq!(fields[0], json!([":status", "400"]), "{came}");
        let exchange = proxy.records.await_exchange().await;
        assert_eq!((exchange.end.outcome, exchange.origin), (EndKind::Refused, Origin::Authtrace));
        assert!(!serde_json::to_string(&proxy.records.records()).unwrap().contains("FAKE-SECRET"));
    }
}

#[tokio::test]
async fn a_reset_stream_keeps_its_code_both_ways() {
    let Some(python) = python() else { return };
    let (pki, mut origin, proxy) = start(&python).await;
    let requests = json!([
        { "path": format!("/reset/{ENHANCE_YOUR_CALM}") },
        { "path": format!("/reset-at-once/{REFUSED_STREAM}") },
        { "path": "/hang", "cancel": CANCEL },
        { "path": "/echo" },
    ]);
    let came = ask(&python, &pki, &proxy, requests).await;
    let answers = came["answers"].as_array().unwrap();
    assert_eq!(answers[0]["reset"], json!(ENHANCE_YOUR_CALM));
    assert_eq!(
        (&answers[0]["fields"][0][1], &answers[0]["text"]),
        (&json!("200"), &json!("part")),
        "what came before it"
    );
    assert_eq!((&answers[1]["reset"], &answers[1]["fields"]), (&json!(REFUSED_STREAM), &Value::Null));
    assert_eq!(answers[3]["fields"][0][1], "207", "the other streams live");
    assert_eq!(origin.next("reset").await["code"], CANCEL);
    let exchanges = proxy.records.await_exchanges(4).await;
    let mut ends: Vec<(EndKind, Option<u16>)> =
        exchanges.iter().map(|exchange| (exchange.end.outcome, exchange.status())).collect();
    ends.sort_by_key(|end| format!("{end:?}"));
    assert_eq!(
        ends,
        [
            (EndKind::ClientAbort, Some(200)),
            (EndKind::Complete, Some(207)),
            (EndKind::UpstreamReset, None),
            (EndKind::UpstreamReset, Some(200)),
        ]
    );
}

#[tokio::test]
async fn a_connection_that_the_upstream_ends_ends_for_the_client() {
    let Some(python) = python() else { return };
    for code in [0, ENHANCE_YOUR_CALM] {
        let (pki, _origin, proxy) = start(&python).await;
        let came = ask(&python, &pki, &proxy, json!([{ "path": format!("/goaway/{code}") }])).await;
        assert_eq!(came["answers"][0]["fields"], Value::Null, "never an answer of ours: {came}");
        assert!(came["answers"][0]["reset"].is_number() || came["end"].is_string(), "{came}");
        let exchange = proxy.records.await_exchange().await;
        assert_eq!(exchange.end.outcome, EndKind::UpstreamReset);
        proxy.records.await_connection().await;
        proxy.until_idle().await;
    }
    let (pki, _origin, proxy) = start(&python).await;
    let came = ask(&python, &pki, &proxy, json!([{ "path": "/tcp-reset", "until_end": true }])).await;
    assert_eq!(came["end"], "reset", "{came}");
    assert_eq!(proxy.records.await_exchange().await.end.outcome, EndKind::UpstreamReset);
    proxy.records.await_outcome(Outcome::UpstreamReset).await;
    proxy.until_idle().await;
}

#[tokio::test]
async fn a_connection_that_the_upstream_ends_in_order_carries_its_streams_to_their_end() {
    let Some(python) = python() else { return };
    let (pki, _origin, proxy) = start(&python).await;
    let came =
        ask(&python, &pki, &proxy, json!([{ "path": "/drain/2.5" }, { "method": "POST", "path": "/echo" }])).await;
    let answers = came["answers"].as_array().unwrap();
    assert_eq!((&answers[0]["text"], &answers[0]["reset"]), (&json!("before and after"), &Value::Null), "{came}");
    assert_eq!(
        (&answers[1]["reset"], &came["goaway"]),
        (&json!(REFUSED_STREAM), &json!(0)),
        "to be asked again: {came}"
    );
    let exchanges = proxy.records.await_exchanges(2).await;
    let end = |method| of_path(&exchanges, method)[0].end.outcome;
    assert_eq!((end("GET"), end("POST")), (EndKind::Complete, EndKind::UpstreamReset));
    proxy.records.await_outcome(Outcome::Ok).await;
    proxy.until_idle().await;
}

/// What the upstream sent before it closed waits for a client that is slow to take it.
#[tokio::test]
async fn a_slow_reader_gets_what_the_upstream_sent_before_it_closed() {
    let Some(python) = python() else { return };
    let (pki, _origin, proxy) = start(&python).await;
    let came = ask(&python, &pki, &proxy, json!([{ "path": "/last/150000", "pause": 2.5 }])).await;
    let answer = &came["answers"][0];
    assert_eq!((&answer["bytes"], &answer["reset"]), (&json!(150_000), &Value::Null));
    assert_eq!(proxy.records.await_exchange().await.end.outcome, EndKind::Complete);
    proxy.records.await_outcome(Outcome::Ok).await;
    proxy.until_idle().await;
}

#[tokio::test]
async fn stopping_ends_open_streams_and_tells_them() {
    let Some(python) = python() else { return };
    let (pki, _origin, proxy) = start(&python).await;
    let client = ask(&python, &pki, &proxy, json!([{ "path": "/hang" }]));
    let stop = async {
        // The head of the answer has passed when the origin's first event has.
        let counted = async {
            while proxy.handle.connections() == 0 {
                tokio::task::yield_now().await;
            }
        };
        soon("a connection", counted).await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        proxy.handle.kill();
        proxy.handle.stop().await;
        proxy.records.exchanges().len()
    };
    let (_, told) = tokio::join!(client, soon("the end of the proxy", stop));
    assert_eq!(told, 1, "told before the proxy had stopped");
    assert_eq!(proxy.records.await_exchange().await.end.outcome, EndKind::Shutdown);
}

#[tokio::test]
async fn curl_and_nghttpd_understand_each_other() {
    let (Some(nghttpd), Some(curl)) = (tool("nghttpd").or_else(|| sbin("nghttpd")), tool("curl")) else { return };
    let pki = Pki::new();
    let (cert, key) = pki.files(HOST);
    let files = pki.folder().join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(files.join("large"), vec![b'z'; 3_000_000]).unwrap();
    let port = free_port();
    let _server = Command::new(nghttpd)
        .args(["-d", files.to_str().unwrap(), "--echo-upload", "--trailer", "x-checksum: abc", "-a", "127.0.0.1"])
        .arg(port.to_string())
        .args([key, cert])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let listens = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    soon("nghttpd", listens).await;
    let proxy = Setup::to_address(([127, 0, 0, 1], port).into()).start(&pki);
    let ca = pki.folder().join("proxy.pem");
    std::fs::write(&ca, proxy.root_pem()).unwrap();
    let upload = pki.folder().join("upload");
    std::fs::write(&upload, vec![b'u'; 1_000_000]).unwrap();
    for (extra, size) in [(None, 3_000_000), (Some(format!("@{}", upload.display())), 1_000_000)] {
        let mut command = Command::new(&curl);
        command.args([
            "-sS",
            "--http2",
            "-x",
            &format!("http://{}", proxy.address()),
            "--cacert",
            ca.to_str().unwrap(),
        ]);
        command.args(["-w", "%{stderr}%{http_version} %{http_code}", &format!("https://{HOST}/large")]);
        if let Some(data) = &extra {
            command.args(["--data-binary", data]);
        }
        let output = soon("curl", command.env_clear().kill_on_drop(true).output()).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "2 200");
        assert_eq!(output.stdout.len(), size);
    }
    let exchanges = proxy.records.await_exchanges(2).await;
    assert_eq!(exchanges[1].request.body_bytes, 1_000_000);
    assert!(exchanges.iter().all(|exchange| exchange.end.outcome == EndKind::Complete));
    for connection in proxy.records.await_connections(2).await {
        assert_eq!(connection.end.outcome, Outcome::Ok, "{connection:#?}");
    }
}

fn sbin(name: &str) -> Option<PathBuf> {
    Some(Path::new("/usr/sbin").join(name)).filter(|file| file.is_file())
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
