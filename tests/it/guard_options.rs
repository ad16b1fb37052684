//! `--guard` and what belongs to it, as a user gives it: mistakes, the end of `proxy`, and questions at its terminal.

use super::support::program::{Ended, Home, Live, PATIENCE, Trace, run};
use super::support::tool;
use authtrace::fake::{Fake, FakeConfig, Model, Seed};
use authtrace::policy::{ApiError, Rule, Script, Then, When};
use authtrace::trace::Origin;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;

const AUTHTRACE: &str = env!("CARGO_BIN_EXE_authtrace");
const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/foreign/terminal.py");
const MESSAGES: &str = "https://api.anthropic.com/v1/messages";

fn tells(arguments: &[&str], code: i32, sentence: &str) {
    let home = Home::new();
    let ended = run(home.authtrace().args(arguments), PATIENCE);
    let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(ended.code, Some(code), "{said}");
    assert!(said.contains(sentence), "{said}");
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let under_run = "--on-guard hold cannot be used under `run`, where the command has the terminal";
    tells(&["run", "--guard", "3", "--on-guard", "hold", "--", "true"], 125, under_run);
    let without = "--on-guard hold cannot be used without a terminal to ask on";
    tells(&["proxy", "--guard", "3", "--on-guard", "hold"], 2, without);
    tells(&["run", "--on-guard", "stop", "--", "true"], 125, "add --guard N");
    tells(&["run", "--guard", "0", "--", "true"], 125, "0 is not in 1..");
    tells(&["run", "--join", "--guard", "3", "--", "true"], 125, "give --guard there");
}

/// A fake that refuses every message, and a proxy to it.
struct Stage {
    home: Home,
    fake: Fake,
    port: u16,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn set() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let refusal = Then::Error(ApiError::unauthorized("invalid x-api-key"));
        let script = Script { rules: vec![Rule::always(When::path("/v1/messages"), refusal)] };
        let model = Model::new(Seed::random().unwrap());
        let fake = runtime.block_on(Fake::start(FakeConfig::new(model).with_script(script))).unwrap();
        let home = Home::new();
        home.write("fake.pem", fake.ca_pem());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { home, fake, port, runtime }
    }

    fn arguments(&self) -> Vec<String> {
        let path = |name: &str| self.home.path(name).to_string_lossy().into_owned();
        let (ca_dir, roots, out) = (path("ca"), path("fake.pem"), path("work/trace.jsonl"));
        let (listen, to) = (format!("127.0.0.1:{}", self.port), format!("::127.0.0.1:{}", self.fake.addr().port()));
        let fixed = ["proxy", "--proxy-auth", "none", "--upstream-proxy", "none"];
        let named =
            ["--listen", &listen, "--connect-to", &to, "--upstream-ca", &roots, "--ca-dir", &ca_dir, "--out", &out];
        fixed.iter().chain(&named).map(|one| (*one).to_owned()).collect()
    }

    /// A request with a made-up key; what curl printed, or the code with which it gave up.
    fn ask(&self, curl: &Path) -> String {
        let mut command = self.home.command(curl);
        command.args(["-sS", "--http1.1", "-x", &format!("http://127.0.0.1:{}", self.port), "--cacert"]);
        command.arg(self.home.path("ca/ca.pem")).args(["-H", "x-api-key: sk-ant-api03-FAKE-0123456789", "-d", "{}"]);
        let ended: Ended = run(command.args(["-w", "%{http_code}", "-o", "answer", MESSAGES]), PATIENCE);
        if ended.code == Some(0) { ended.stdout } else { format!("curl {:?}", ended.code) }
    }

    fn asked(&self) -> usize {
        let requests = self.fake.requests();
        requests.iter().filter(|one| one.path == "/v1/messages").count()
    }
}

#[test]
fn the_guard_can_end_the_proxy() {
    let Some(curl) = tool("curl") else { return };
    let stage = Stage::set();
    let mut command = stage.home.authtrace();
    let mut proxy = Live::start(command.args(stage.arguments()).args(["--guard", "2", "--on-guard", "stop"]));
    proxy.until("Ctrl-C ends");
    let answers: Vec<String> = (0..3).map(|_| stage.ask(&curl)).collect();
    assert_eq!(answers, ["401", "401", "403"]);
    let ended = proxy.finish(PATIENCE);
    let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!((ended.code, stage.asked()), (Some(125), 2), "{said}");
    assert!(said.contains("the guard ended authtrace: 2 refusals in a row of one credential"), "{said}");
    stage.runtime.block_on(stage.fake.shutdown());
}

#[test]
fn a_held_request_is_shown_at_the_terminal_and_decided_there() {
    let (Some(curl), Some(_)) = (tool("curl"), tool("python3")) else { return };
    let stage = Stage::set();
    let steps = json!([
        ["expect", "Ctrl-C ends"],
        ["expect", "held: request 2, POST api.anthropic.com/v1/messages"],
        ["expect", "a credential was refused"],
        ["type", "what?\n"],
        ["expect", "c continue, a answer 401, d drop:"],
        ["type", "c\n"],
        ["expect", "held: request 3"],
        ["type", "a\n"],
        ["expect", "held: request 4"],
        ["type", "d\n"],
        ["expect", "cut"],
        ["type", "\u{3}"]
    ]);
    let mut command = stage.home.command("/usr/bin/env");
    command.args(["python3", DRIVER, &steps.to_string(), AUTHTRACE]).args(stage.arguments());
    command.args(["--guard", "1", "--on-guard", "hold"]);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let (driven, answers) = std::thread::scope(|scope| {
        let driven = scope.spawn(|| run(&mut command, PATIENCE * 2));
        wait_for(stage.port);
        let answers: Vec<String> = (0..4).map(|_| stage.ask(&curl)).collect();
        (driven.join().unwrap(), answers)
    });
    let ended: Value =
        serde_json::from_str(&driven.stdout).unwrap_or_else(|error| panic!("{error}: {}", driven.stderr));
    let text = ended["text"].as_str().unwrap();
    assert_eq!((&ended["failed"], &ended["sane"]), (&Value::Null, &json!(true)), "{text}");
    assert!(!text.contains("FAKE-0123"), "{text}");
    assert_eq!(answers[..3], ["401", "401", "401"], "{text}");
    assert!(answers[3].starts_with("curl"), "{answers:?}");
    assert_eq!(stage.asked(), 2);
    let trace = Trace::read(&stage.home.path("work/trace.jsonl"));
    let by: Vec<Origin> = trace.on("/v1/messages").iter().map(|one| one.origin).collect();
    assert_eq!(by, [Origin::Upstream, Origin::Upstream, Origin::Authtrace, Origin::Authtrace]);
    stage.runtime.block_on(stage.fake.shutdown());
}

fn wait_for(port: u16) {
    let due = std::time::Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(std::time::Instant::now() < due, "nobody listens");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
