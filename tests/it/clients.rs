//! Foreign HTTP clients under `authtrace run`: axios and undici's fetch on Node, requests and httpx on Python.
//!
//! `.ci/install-node-clients` and `.ci/install-python-clients` put them into `target/clients`. What is not there is skipped
//! with a line that says so; `AUTHTRACE_REQUIRE_TOOLS=1` makes that a failure.

use authtrace::fake::{Fake, FakeConfig, Model, Seed};
use authtrace::trace::{Connection, Exchange, Record, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const AXIOS: &str = r"
const { HttpsProxyAgent } = require('https-proxy-agent');
const httpsAgent = new HttpsProxyAgent(process.env.HTTPS_PROXY, { keepAlive: true });
(async () => {
  for (const token of [process.env.GOOD, process.env.BAD]) {
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await require('axios').get(process.env.ADDRESS, { httpsAgent, proxy: false, headers, validateStatus: () => true });
    console.log(answer.status);
  }
  httpsAgent.destroy();
})();
";

const UNDICI: &str = r"
const { fetch, EnvHttpProxyAgent } = require('undici');
const dispatcher = new EnvHttpProxyAgent({ connections: 1 });
(async () => {
  for (const token of [process.env.GOOD, process.env.BAD]) {
    const answer = await fetch(process.env.ADDRESS, { dispatcher, headers: { Authorization: `Bearer ${token}` } });
    await answer.text();
    console.log(answer.status);
  }
  await dispatcher.close();
})();
";

const REQUESTS: &str = r"
import os, requests
with requests.Session() as session:
    for token in (os.environ['GOOD'], os.environ['BAD']):
        print(session.get(os.environ['ADDRESS'], headers={'Authorization': 'Bearer ' + token}).status_code)
";

const HTTPX: &str = r"
import os, httpx
with httpx.Client() as client:
    for token in (os.environ['GOOD'], os.environ['BAD']):
        print(client.get(os.environ['ADDRESS'], headers={'Authorization': 'Bearer ' + token}).status_code)
";

pub(crate) fn installed(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients").join(path);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("AUTHTRACE_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
        "{} is missing",
        path.display()
    );
    println!("skipped: {} is missing; see ci/", path.display());
    None
}

fn node(package: &str, script: &str, alpn: Option<&str>) {
    if let Some(path) = installed(&format!("node/node_modules/{package}")) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_authtrace"));
        // Packages are looked for from the working folder.
        command.current_dir(path.ancestors().find(|folder| folder.ends_with("node")).unwrap());
        asks_twice(command, &["node", "-e", script], alpn);
    }
}

fn python(package: &str, script: &str, alpn: Option<&str>) {
    let there = installed("venv/bin/python").filter(|python| {
        Command::new(python).args(["-c", &format!("import {package}")]).status().is_ok_and(|status| status.success())
    });
    if let Some(python) = there {
        asks_twice(Command::new(env!("CARGO_BIN_EXE_authtrace")), &[python.to_str().unwrap(), "-c", script], alpn);
    }
}

/// The client asks with a token that is good and with one that is not, on one connection, and both are told.
fn asks_twice(mut authtrace: Command, client: &[&str], alpn: Option<&str>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut model = Model::new(Seed::random().unwrap());
    let login = model.log_in(Timestamp::now(), 3_600);
    let fake = runtime.block_on(Fake::start(FakeConfig::new(model))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, fake.ca_pem()).unwrap();
    let trace = folder.path().join("trace.jsonl");
    let bad = "sk-ant-oat01-FAKEnobodyhasthisone";
    let made = authtrace
        .args([
            "run",
            "--upstream-proxy",
            "none",
            "--connect-to",
            &format!("::127.0.0.1:{}", fake.addr().port()),
            "--upstream-ca",
        ])
        .arg(&roots)
        .arg("--out")
        .arg(&trace)
        .arg("--")
        .args(client)
        .envs([
            ("GOOD", login.access_token.as_str()),
            ("BAD", bad),
            ("ADDRESS", "https://api.anthropic.com/api/oauth/profile"),
        ])
        .env("HOME", folder.path())
        .env("TMPDIR", folder.path())
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .unwrap();
    runtime.block_on(fake.shutdown());
    let said = String::from_utf8_lossy(&made.stdout);
    assert_eq!(
        said.split_whitespace().collect::<Vec<_>>(),
        ["200", "401"],
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    assert!(made.status.success());
    let text = fs::read_to_string(&trace).unwrap();
    assert!(!text.contains("nobodyhasthisone") && !text.contains(&login.access_token));
    let (mut exchanges, mut connections) = (Vec::<Exchange>::new(), Vec::<Connection>::new());
    for line in text.lines() {
        match serde_json::from_str(line).unwrap() {
            Record::Exchange(exchange) => exchanges.push(Arc::unwrap_or_clone(exchange)),
            Record::Connection(connection) => connections.push(*connection),
            _ => {}
        }
    }
    let [good, refused] = exchanges.as_slice() else { panic!("{exchanges:#?}") };
    assert_eq!((good.status(), refused.status()), (Some(200), Some(401)));
    assert!(refused.is_auth_failure() && refused.error.is_some() && !good.is_auth_failure());
    for exchange in [good, refused] {
        let [credential] = exchange.credentials.as_slice() else { panic!("{exchange:#?}") };
        assert_eq!(credential.place, "authorization");
        assert_eq!(serde_json::to_value(&credential.credential).unwrap()["kind"], "oauth-access");
    }
    assert_ne!(good.credentials[0].credential.fp, refused.credentials[0].credential.fp);
    let [connection] = connections.as_slice() else { panic!("not kept alive: {connections:#?}") };
    assert_eq!(connection.requests, 2);
    let agreed = connection.client_tls.as_ref().unwrap().alpn.as_ref().map(|alpn| alpn.as_str().to_owned());
    assert_eq!(agreed.as_deref(), alpn);
}

#[test]
fn axios_through_its_agent() {
    node("axios", AXIOS, None);
}

#[test]
fn fetch_of_undici() {
    node("undici", UNDICI, Some("http/1.1"));
}

#[test]
fn requests_of_python() {
    python("requests", REQUESTS, Some("http/1.1"));
}

#[test]
fn httpx_of_python() {
    python("httpx", HTTPX, Some("http/1.1"));
}
