//! `authtrace doctor` as a user starts it: a home of its own, an upstream on loopback, programs that accept or refuse.

use super::support::claude::{Slot, Version};
use super::support::program::{Ended, Home, Live, assert_without, run};
use super::support::tool;
use authtrace::fake::{Fake, FakeConfig, Model, Seed};
use authtrace::trace::Timestamp;
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Runtime;

/// The longest trial takes a minute.
const PATIENCE: Duration = Duration::from_secs(100);
const KEY: &str = "sk-ant-api03-FAKEfakeFAKEfakeFAKEfakeFAKEfakeFAKEfakeFAKEfakeFAKEfakeFAKEfakeFAKEfakeFAKEfakeFAKEf";

/// A home, and a fake that stands for Anthropic's hosts.
struct Stage {
    home: Home,
    fake: Fake,
    runtime: Runtime,
}

impl Stage {
    fn set(clock_ahead_ms: i64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = FakeConfig { clock_ahead_ms, ..FakeConfig::new(Model::new(Seed::random().unwrap())) };
        let fake = runtime.block_on(Fake::start(config)).unwrap();
        let home = Home::new();
        home.write("fake.pem", fake.ca_pem());
        Self { home, fake, runtime }
    }

    /// `authtrace doctor --format json`; every host is the fake.
    fn doctor(&self) -> Command {
        let mut command = self.home.authtrace();
        command.args(["doctor", "--format", "json", "--upstream-proxy", "none"]);
        command.args(["--connect-to", &format!("::127.0.0.1:{}", self.fake.addr().port())]);
        command
    }

    fn trusting(&self) -> Command {
        let mut command = self.doctor();
        command.arg("--upstream-ca").arg(self.home.path("fake.pem"));
        command
    }

    fn log_in(&self, lifetime_seconds: i64) -> Vec<String> {
        let login = self.fake.with_model(|model| model.log_in(Timestamp::now(), lifetime_seconds));
        self.home.write(".claude/.credentials.json", &login.credentials_file());
        vec![login.access_token, login.refresh_token]
    }
}

/// Exit code and the checks by id; nothing of the made-up values may be in what was said.
struct Seen {
    code: Option<i32>,
    checks: Vec<Value>,
}

impl Seen {
    fn of(ended: &Ended) -> Self {
        let document: Value = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{error} {} {}", ended.stdout, ended.stderr));
        assert_eq!(document["format"], "authtrace-doctor/1");
        Self { code: ended.code, checks: document["checks"].as_array().unwrap().clone() }
    }

    /// The statuses of the checks with this id, and what they found.
    fn all(&self, id: &str) -> Vec<(&str, &str)> {
        let checks = self.checks.iter().filter(|check| check["id"] == id);
        checks.map(|check| (check["status"].as_str().unwrap(), check["found"].as_str().unwrap())).collect()
    }

    fn assert(&self, id: &str, status: &str, words: &str) {
        let all = self.all(id);
        assert!(
            all.iter().any(|(is, found)| *is == status && found.contains(words)),
            "{id} {status} {words:?} in {all:?}"
        );
    }
}

/// Every file below a folder with its size and time of change.
fn files(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        all.push(format!("{} {} {:?}", entry.path().display(), meta.len(), meta.modified().unwrap()));
        if meta.is_dir() {
            all.extend(files(&entry.path()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_good_login_and_good_hosts_are_found_good_and_nothing_changes() {
    let stage = Stage::set(0);
    let secrets = stage.log_in(8 * 3600);
    stage.home.write(".claude/settings.json", r#"{"env":{"CLAUDE_CODE_USE_BEDROCK":"0"}}"#);
    let before = files(&stage.home.path(".claude"));
    let ended = run(stage.trusting().args(["--", "true"]), PATIENCE);
    let seen = Seen::of(&ended);
    seen.assert("credentials.winner", "ok", "the login in ~/.claude/.credentials.json wins");
    seen.assert("login.access-token", "ok", "ends in 7 h 59 min");
    seen.assert("login.file", "ok", "mode 0600");
    seen.assert("upstream.reach", "ok", "api.anthropic.com answers (200");
    seen.assert("upstream.reach", "ok", "platform.claude.com reachable for renewals");
    seen.assert("clock.offset", "ok", "agrees");
    // The fake's root is nobody's but this test's.
    seen.assert("upstream.interception", "warning", "authtrace fake root");
    seen.assert("client.ca", "warning", "made no connection");
    assert_eq!(seen.code, Some(0), "{}", ended.stdout);
    assert_without(&ended.stdout, &secrets, "the list");
    assert_without(&ended.stderr, &secrets, "standard error");
    assert_eq!(files(&stage.home.path(".claude")), before);
    assert_eq!(files(&stage.home.path("state")), Vec::<String>::new());
    assert_eq!(stage.home.left_behind(), Vec::<String>::new());
    // Two questions, without a credential and without a body.
    let asked = stage.fake.requests();
    let asked: Vec<_> = asked
        .iter()
        .map(|one| (one.method.as_str(), one.host.as_str(), one.path.as_str(), one.credential.is_some()))
        .collect();
    assert_eq!(
        asked,
        [("HEAD", "api.anthropic.com", "/api/hello", false), ("GET", "platform.claude.com", "/v1/oauth/token", false)]
    );
    stage.runtime.block_on(stage.fake.shutdown());
}

#[test]
fn a_certificate_that_nobody_trusts_ends_the_attempt_before_the_request() {
    let stage = Stage::set(0);
    let seen = Seen::of(&run(stage.doctor().env("ANTHROPIC_API_KEY", KEY), PATIENCE));
    assert_eq!(seen.all("upstream.reach").len(), 2);
    for (status, found) in seen.all("upstream.reach") {
        assert!(
            status == "problem" && found.contains("does not trust; it is signed by authtrace fake root"),
            "{found}"
        );
    }
    assert_eq!(stage.fake.requests().len(), 0);
    assert_eq!(seen.code, Some(1));
}

#[test]
fn a_clock_that_is_wrong_is_a_problem() {
    for (ahead, status) in [(90_000, "warning"), (-3_600_000, "problem")] {
        let stage = Stage::set(ahead);
        let seen = Seen::of(&run(stage.trusting().env("ANTHROPIC_API_KEY", KEY), PATIENCE));
        let direction = if ahead > 0 { "behind" } else { "ahead" };
        seen.assert("clock.offset", status, direction);
        assert_eq!(seen.code, Some(i32::from(status == "problem")));
    }
}

#[test]
fn hosts_that_cannot_be_reached_say_why() {
    let home = Home::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = home.authtrace();
    command.args(["doctor", "--format", "json", "--upstream-proxy", "none"]);
    command.args(["--connect-to", &format!("::127.0.0.1:{free}")]).env("ANTHROPIC_API_KEY", KEY);
    let seen = Seen::of(&run(&mut command, PATIENCE));
    seen.assert("upstream.reach", "problem", "api.anthropic.com: the upstream refused the connection");
    seen.assert("upstream.reach", "problem", "platform.claude.com: the upstream refused the connection");
    seen.assert("clock.offset", "unknown", "no answer");
    assert_eq!(seen.code, Some(1));
}

#[test]
fn a_proxy_that_wants_a_password_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).unwrap();
            assert!(head[..length].starts_with(b"CONNECT "));
            stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    let home = Home::new();
    let mut command = home.authtrace();
    command.args(["doctor", "--format", "json"]).env("ANTHROPIC_API_KEY", KEY);
    command.env("HTTPS_PROXY", format!("http://{address}"));
    let seen = Seen::of(&run(&mut command, PATIENCE));
    seen.assert("env.proxy", "ok", &format!("HTTPS_PROXY leads to {address}"));
    seen.assert(
        "upstream.reach",
        "problem",
        &format!("api.anthropic.com through {address}: the proxy wants user and password"),
    );
    assert_eq!(seen.code, Some(1));
}

#[test]
fn without_the_network_nothing_is_asked() {
    let stage = Stage::set(0);
    let ended = run(stage.trusting().arg("--offline").env("ANTHROPIC_API_KEY", KEY), PATIENCE);
    let seen = Seen::of(&ended);
    assert_eq!(seen.all("upstream.reach"), [("unknown", "not looked at: --offline was given")]);
    assert_eq!((seen.code, stage.fake.requests().len()), (Some(0), 0));
    assert_without(&ended.stdout, &[KEY.to_owned()], "the list");
}

#[test]
fn a_program_is_tried_without_the_users_credentials_home_or_network() {
    let stage = Stage::set(0);
    let script = stage.home.write(
        "work/tell",
        "#!/bin/sh\nenv >\"$TELL\"\npwd >>\"$TELL\"\nls -A >>\"$TELL\"\necho x >\"$HOME/left\"\nexit 3\n",
    );
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let told = stage.home.path("told");
    let mut command = stage.doctor();
    command.args(["--offline", "--", "./tell"]).env("TELL", &told);
    command.env("ANTHROPIC_API_KEY", KEY).env("GITHUB_TOKEN", "FAKEgithub").env("CLAUDE_CONFIG_DIR", "/nowhere");
    command.env("NODE_EXTRA_CA_CERTS", stage.home.path("fake.pem"));
    let seen = Seen::of(&run(&mut command, PATIENCE));
    seen.assert("client.program", "ok", "a script");
    seen.assert("client.ca", "warning", "made no connection through the proxy, and ended with 3");
    let told = std::fs::read_to_string(told).unwrap();
    assert!(!told.contains(KEY) && !told.contains("FAKEgithub") && !told.contains("CLAUDE_CONFIG_DIR"), "{told}");
    let home = told.lines().find_map(|line| line.strip_prefix("HOME=")).unwrap();
    assert!(home.ends_with("/home") && !Path::new(home).exists(), "{home}");
    let proxy = told.lines().find_map(|line| line.strip_prefix("HTTPS_PROXY=")).unwrap();
    assert!(proxy.starts_with("http://doctor:") && proxy.contains("@127.0.0.1:"), "{proxy}");
    assert_eq!(stage.home.left_behind(), Vec::<String>::new());
}

#[test]
fn curl_accepts_what_it_is_told_to_and_refuses_otherwise() {
    let Some(curl) = tool("curl") else { return };
    let stage = Stage::set(0);
    let trial = |arguments: &[&str]| {
        let mut command = stage.doctor();
        command.args(["--offline", "--"]).arg(&curl).args(arguments).arg("https://api.anthropic.com/api/hello");
        Seen::of(&run(command.env("ANTHROPIC_API_KEY", KEY), PATIENCE))
    };
    let good = trial(&["-sS"]);
    good.assert("client.ca", "ok", "it accepts authtrace's certificates (1 connection)");
    assert_eq!(good.code, Some(0));
    let other = stage.home.path("fake.pem");
    let bad = trial(&["-sS", "--cacert", other.to_str().unwrap()]);
    bad.assert("client.ca", "problem", "1 connection ended at the sight of one");
    assert_eq!(bad.code, Some(1));
    // Our own fake answered, and the user's upstream was never asked.
    assert_eq!(stage.fake.requests().len(), 0);
}

#[test]
fn a_trial_ends_with_the_doctor_that_began_it() {
    let home = Home::new();
    let pipe = home.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = home.authtrace();
    command.args(["doctor", "--offline", "--", "sh", "-c", "exec 3>\"$PIPE\"; echo begun >&3; sleep 600 & wait"]);
    let doctor = Live::start(command.env("PIPE", &pipe));
    // Waits for the script.
    let mut pipe = BufReader::new(File::open(&pipe).unwrap());
    let mut said = String::new();
    pipe.read_line(&mut said).unwrap();
    kill_process(doctor.pid(), Signal::TERM).unwrap();
    assert_eq!(doctor.finish(PATIENCE).code, Some(143));
    // Ends when the last of those who hold it is gone.
    pipe.read_to_string(&mut said).unwrap();
    assert_eq!(said, "begun\n");
    assert_eq!(home.left_behind(), Vec::<String>::new());
}

#[test]
fn usage_and_what_is_not_there() {
    let home = Home::new();
    let code = |arguments: &[&str]| run(home.authtrace().arg("doctor").args(arguments), PATIENCE).code;
    assert_eq!(code(&["--no-such-option"]), Some(2));
    assert_eq!(code(&["--offline", "--connect-to", "nonsense"]), Some(2));
    assert_eq!(code(&["--offline", "--upstream-ca", "/nowhere.pem"]), Some(2));
    let missing =
        run(home.authtrace().args(["doctor", "--offline", "--format", "json", "--", "no-such-program"]), PATIENCE);
    let seen = Seen::of(&missing);
    seen.assert("client.program", "problem", "no-such-program: command not found");
    seen.assert("credentials.winner", "problem", "nothing to log in with");
    assert_eq!(seen.code, Some(1));
}

#[test]
fn the_configuration_is_looked_at_and_shown_without_its_values() {
    let home = Home::new();
    let file = home.write("authtrace.toml", "proxy-auth = \"user:FAKEpassword\"\nlisten = \"FAKE\"\n");
    let mut command = home.authtrace();
    command.args(["doctor", "--offline", "--format", "json"]).env("ANTHROPIC_API_KEY", KEY);
    command.env("AUTHTRACE_CONFIG", &file).env("AUTHTRACE_LISTN", "FAKE").env("AUTHTRACE_LANE", "ci");
    let ended = run(&mut command, PATIENCE);
    let seen = Seen::of(&ended);
    seen.assert("authtrace.config", "problem", "authtrace.toml: line 2");
    seen.assert("authtrace.unknown-variables", "warning", "AUTHTRACE_LISTN");
    seen.assert("authtrace.variables", "note", "AUTHTRACE_CONFIG, AUTHTRACE_LANE");
    assert!(!ended.stdout.contains("FAKEpassword"), "{}", ended.stdout);
    // A key that is not there is not made.
    home.write("authtrace.toml", "fingerprint-key = \"made-by-looking\"\n");
    let good = Seen::of(&run(&mut command, PATIENCE));
    good.assert("authtrace.config", "ok", "~/authtrace.toml is good");
    assert!(!home.path("work/made-by-looking").exists());
}

#[test]
fn the_text_is_for_people() {
    let stage = Stage::set(0);
    stage.log_in(-60);
    let mut command = stage.home.authtrace();
    let ended = run(command.args(["doctor", "--offline"]), PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.starts_with("Credentials\n  ok       the login in"), "{}", ended.stdout);
    assert!(ended.stdout.contains("claude renews it at its next start"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'));
}

/// The real client behind the trial's proxy.
fn a_real_client(version: Version) {
    let Some(executable) = version.executable() else { return };
    let _slot = Slot::take();
    let stage = Stage::set(0);
    let mut command = stage.doctor();
    command.args(["--offline", "--"]).arg(&executable).env("ANTHROPIC_API_KEY", KEY);
    let ended = run(&mut command, PATIENCE);
    let seen = Seen::of(&ended);
    seen.assert("client.ca", "ok", "a made-up message was answered");
    seen.assert("client.version", "ok", "Claude Code 2.1.");
    let form = match version {
        Version::New => "a program of this system",
        Version::Old => "a script for Node, which is ",
    };
    seen.assert("client.program", "ok", form);
    assert_eq!((seen.code, stage.fake.requests().len()), (Some(0), 0), "{}", ended.stdout);
    assert_eq!(stage.home.left_behind(), Vec::<String>::new());
    if version == Version::Old {
        // A file that is not there cannot be added to, and this version trusts nothing else.
        let refused = Seen::of(&run(command.env("NODE_EXTRA_CA_CERTS", "/nowhere.pem"), PATIENCE));
        refused.assert("client.ca", "problem", "does not accept authtrace's certificates");
        assert_eq!(refused.code, Some(1));
    }
}

#[test]
fn the_new_client_accepts() {
    a_real_client(Version::New);
}

#[test]
fn the_old_client_accepts_what_it_is_told_to() {
    a_real_client(Version::Old);
}
