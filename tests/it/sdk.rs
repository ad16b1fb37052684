//! The official SDKs against `authtrace fake`: messages whole and streamed, counted tokens, models, a refused key; directly
//! and behind the proxy with a scenario.
//!
//! `.ci/install-node-clients` and `.ci/install-python-clients` put them into `target/clients`, in a version that sends an API
//! key as `x-api-key` and in one that sends it as a bearer.

use super::clients::installed;
use super::support::program::{Home, Trace, run};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

const NODE: &str = r"
const { default: Anthropic } = require(process.env.SDK);
const ask = { model: 'claude-fake-1', max_tokens: 64, messages: [{ role: 'user', content: 'say hi' }] };
(async () => {
  const client = new Anthropic({ maxRetries: 0 });
  const whole = await client.messages.create(ask);
  console.log('whole', whole.content[0].text.length > 0, whole.stop_reason, whole.usage.output_tokens > 0);
  const parts = [];
  const stream = client.messages.stream(ask).on('text', (text) => parts.push(text));
  const last = await stream.finalMessage();
  console.log('stream', parts.length > 1, last.content[0].text === parts.join(''), last.stop_reason);
  console.log('tokens', (await client.messages.countTokens({ model: ask.model, messages: ask.messages })).input_tokens > 0);
  for await (const model of client.models.list()) console.log('model', model.type);
  const stranger = new Anthropic({ apiKey: 'sk-ant-api03-FAKE-nobody-has-this-one', maxRetries: 0 });
  try { await stranger.messages.create(ask); } catch (error) {
    console.log(error.constructor.name, error.status, error.error.error.type, error.requestID.startsWith('req_'));
  }
})();
";

const PYTHON: &str = r#"
import anthropic
client = anthropic.Anthropic(max_retries=0)
ask = dict(model="claude-fake-1", max_tokens=64, messages=[{"role": "user", "content": "say hi"}])
whole = client.messages.create(**ask)
print("whole", len(whole.content[0].text) > 0, whole.stop_reason, whole.usage.output_tokens > 0)
with client.messages.stream(**ask) as stream:
    parts = list(stream.text_stream)
    last = stream.get_final_message()
print("stream", len(parts) > 1, last.content[0].text == "".join(parts), last.stop_reason)
print("tokens", client.messages.count_tokens(model=ask["model"], messages=ask["messages"]).input_tokens > 0)
print("model", client.models.list().data[0].type)
try:
    anthropic.Anthropic(api_key="sk-ant-api03-FAKE-nobody-has-this-one", max_retries=0).messages.create(**ask)
except anthropic.AuthenticationError as error:
    print(type(error).__name__, error.status_code, error.body["error"]["type"], error.request_id.startswith("req_"))
"#;

fn said(text: &str) -> Vec<String> {
    text.lines().map(|line| line.replace("True", "true")).collect()
}

const EXPECTED: [&str; 5] = [
    "whole true end_turn true",
    "stream true true end_turn",
    "tokens true",
    "model model",
    "AuthenticationError 401 authentication_error true",
];

/// `authtrace fake` in the background; its exports are read from standard output.
struct Running {
    child: Child,
    exports: Vec<(String, String)>,
}

impl Running {
    fn start(home: &Home, options: &[&str]) -> Self {
        let mut child = home.authtrace().arg("fake").args(options).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut exports = Vec::new();
        // The last of them is always there.
        while !exports.iter().any(|(name, _)| name == "DISABLE_AUTOUPDATER") {
            let line = lines.next().unwrap().unwrap();
            let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
            exports.push((name.to_owned(), value.trim_matches('\'').to_owned()));
        }
        Self { child, exports }
    }

    fn get(&self, name: &str) -> &str {
        &self.exports.iter().find(|(known, _)| known == name).unwrap().1
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of Node packages and a name in it, or an interpreter; and the script.
enum Sdk {
    Node(PathBuf),
    Python(PathBuf),
}

impl Sdk {
    fn node(name: &str) -> Option<Self> {
        installed(&format!("node/node_modules/{name}")).map(Self::Node)
    }

    fn python() -> Option<Self> {
        let python = installed("venv/bin/python")?;
        let there = Command::new(&python).args(["-c", "import anthropic"]).env_clear().status();
        assert!(
            there.is_ok_and(|status| status.success())
                || std::env::var_os("AUTHTRACE_REQUIRE_TOOLS").is_none_or(|value| value != "1")
        );
        Some(Self::Python(python))
    }

    fn command_line(&self) -> Vec<String> {
        match self {
            Self::Node(_) => vec!["node".to_owned(), "-e".to_owned(), NODE.to_owned()],
            Self::Python(python) => vec![python.to_str().unwrap().to_owned(), "-c".to_owned(), PYTHON.to_owned()],
        }
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Node(path) => vec![("SDK", path.to_str().unwrap())],
            Self::Python(_) => Vec::new(),
        }
    }
}

/// The SDK talks to the fake by its base URL.
fn directly(sdk: &Sdk) {
    let home = Home::new();
    let fake = Running::start(&home, &[]);
    let line = sdk.command_line();
    let mut command = home.command(&line[0]);
    command.args(&line[1..]).envs(sdk.variables());
    for name in ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"] {
        command.env(name, fake.get(name));
    }
    let ended = run(&mut command, PATIENCE);
    assert_eq!(said(&ended.stdout), EXPECTED, "{}", ended.stderr);
}

/// The SDK goes through the proxy, which plays a file.
fn behind_the_proxy(sdk: &Sdk) {
    let home = Home::new();
    home.write("work/key.toml", "format = 1\ntitle = \"a server that works\"\n[client]\nlogin = \"api-key\"\n");
    let mut command = home.authtrace();
    command.args(["run", "--scenario", "./key.toml", "--out", "trace.jsonl", "--"]).args(sdk.command_line());
    command.envs(sdk.variables());
    let ended = run(&mut command, PATIENCE);
    assert_eq!(said(&ended.stdout), EXPECTED, "{}", ended.stderr);
    let trace = Trace::read(&home.path("work/trace.jsonl"));
    let paths: Vec<&str> = trace.exchanges.iter().map(|one| one.request.path.as_str()).collect();
    assert!(paths.len() == 5 && paths.iter().any(|path| path.starts_with("/v1/models")), "{paths:?}");
    assert!(trace.exchanges.iter().filter(|one| one.sse.is_some()).count() == 1);
}

#[test]
fn the_node_sdk_by_its_base_url() {
    for name in ["@anthropic-ai/sdk", "anthropic-sdk-x-api-key"] {
        if let Some(sdk) = Sdk::node(name) {
            directly(&sdk);
        }
    }
}

#[test]
fn the_python_sdk_by_its_base_url() {
    if let Some(sdk) = Sdk::python() {
        directly(&sdk);
    }
}

#[test]
fn the_python_sdk_behind_the_proxy() {
    if let Some(sdk) = Sdk::python() {
        behind_the_proxy(&sdk);
    }
}
