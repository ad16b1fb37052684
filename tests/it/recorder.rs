//! The flight recorder as a user starts it: what makes it write and what does not, what is left, and the service examples.

use super::support::program::{Ended, Home, Live, PATIENCE, Trace, run};
use super::support::tool;
use authtrace::analyze::{Survey, diagnose};
use authtrace::ca::{Root, Scope};
use authtrace::fake::{Fake, FakeConfig, Login, Model, Seed};
use authtrace::trace::{NoteKind, Origin, Reader, Timestamp};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use time::OffsetDateTime;

const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
const TOKEN: &str = "https://platform.claude.com/v1/oauth/token";
const CLIENT: &str = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";
const CLIENT_PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/foreign/client.py");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/service");

#[test]
fn mistakes_are_told_before_anything_runs() {
    for (arguments, sentence) in [
        (&["--ring", "lots"][..], "is no size; write a number with KB, MB or GB behind it"),
        (&["--ring", "10KB"], "the least is 1MB"),
        (&["--ring", "50MB", "--out", "trace.jsonl"], "--out names one trace, but --ring writes one per failure"),
        (&["--freeze-on", "refresh-race"], "add --ring SIZE"),
        (&["--ring", "50MB", "--freeze-on", "refresh-raze"], "did you mean refresh-race?"),
        (&["--ring", "50MB", "--freeze-on", "healthy"], "healthy is no failure"),
    ] {
        let home = Home::new();
        let ended = run(home.authtrace().arg("proxy").args(arguments), PATIENCE);
        let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(ended.code, Some(2), "{said}");
        assert!(said.contains(sentence), "{said}");
    }
}

/// A fake with one login, and a home from which a recorder goes to it.
struct Stage {
    home: Home,
    fake: Fake,
    login: Login,
    port: u16,
    curl: PathBuf,
    /// One process for all requests, as Claude Code is one; started with the first of them.
    client: RefCell<Option<(Child, BufReader<ChildStdout>)>>,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn set() -> Option<Self> {
        let (curl, _) = (tool("curl")?, tool("python3")?);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut model = Model::new(Seed::random().unwrap());
        let login = model.log_in(Timestamp::now(), 8 * 3_600);
        let fake = runtime.block_on(Fake::start(FakeConfig::new(model))).unwrap();
        let home = Home::new();
        home.write("fake.pem", fake.ca_pem());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Some(Self { home, fake, login, port, curl, client: RefCell::new(None), runtime })
    }

    /// What every recorder of a test is told, so that nothing leaves this machine.
    fn upstream(&self) -> Vec<String> {
        let roots = self.home.path("fake.pem").to_string_lossy().into_owned();
        let to = format!("::127.0.0.1:{}", self.fake.addr().port());
        ["--upstream-proxy", "none", "--connect-to", &to, "--upstream-ca", &roots].map(str::to_owned).to_vec()
    }

    fn recorder(&self, more: &[&str]) -> Live {
        let mut command = self.home.authtrace();
        let listen = format!("127.0.0.1:{}", self.port);
        command.args(["proxy", "--ring", "1MB", "--proxy-auth", "none", "--listen", &listen, "--ca-dir"]);
        let mut recorder = Live::start(command.arg(self.home.path("ca")).args(self.upstream()).args(more));
        recorder.until("flight recorder: no trace until a login fails");
        recorder
    }

    /// Status and body of an answer.
    fn post(&self, url: &str, bearer: Option<&str>, body: &Value) -> (u16, Value) {
        let mut client = self.client.borrow_mut();
        let (process, answers) = client.get_or_insert_with(|| {
            let mut command = self.home.command("python3");
            command.args([CLIENT_PROGRAM, &format!("http://127.0.0.1:{}", self.port)]).arg(self.home.path("ca/ca.pem"));
            let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let answers = BufReader::new(process.stdout.take().unwrap());
            (process, answers)
        });
        let headers = bearer
            .map(|token| json!({"authorization": format!("Bearer {token}"), "anthropic-beta": "oauth-2025-04-20"}));
        let asked = json!({"url": url, "headers": headers.unwrap_or(json!({})), "body": body});
        writeln!(process.stdin.as_mut().unwrap(), "{asked}").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        (u16::try_from(answer["status"].as_u64().unwrap()).unwrap(), answer["body"].take())
    }

    fn message(&self, token: &str) -> u16 {
        self.post(MESSAGES, Some(token), &prompt()).0
    }

    /// The new access token, or the status that refused it.
    fn renew(&self) -> Result<String, u16> {
        let body =
            json!({"grant_type": "refresh_token", "refresh_token": self.login.refresh_token, "client_id": CLIENT});
        match self.post(TOKEN, None, &body) {
            (200, answer) => Ok(answer["access_token"].as_str().unwrap().to_owned()),
            (status, _) => Err(status),
        }
    }

    /// A login that works, and then is gone: the token has run out, and its renewal is refused.
    fn is_logged_out(&self) {
        assert_eq!(self.message(&self.login.access_token), 200);
        self.fake.with_model(|model| model.expire_all(Timestamp::now()));
        assert_eq!(self.message(&self.login.access_token), 401);
        self.fake.with_model(Model::log_out_everywhere);
        assert_eq!(self.renew(), Err(400));
    }

    fn traces(&self) -> Vec<PathBuf> {
        self.files("jsonl")
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.home.path("state/authtrace")).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> =
            files.map(|one| one.path()).filter(|path| path.extension().is_some_and(|end| end == extension)).collect();
        files.sort();
        files
    }

    fn end(self) {
        if let Some((mut process, _)) = self.client.into_inner() {
            // Its input ends, and with that it does.
            drop(process.stdin.take());
            assert!(process.wait().unwrap().success());
        }
        self.runtime.block_on(self.fake.shutdown());
    }
}

fn prompt() -> Value {
    json!({"model": "claude-sonnet-4-5", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]})
}

fn ask(curl: &mut Command) -> (u16, Value) {
    let ended = run(curl.args(["-w", "\n%{http_code}"]), PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let (body, status) = ended.stdout.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn stop(recorder: Live) -> Ended {
    kill_process(recorder.pid(), Signal::TERM).unwrap();
    let ended = recorder.finish(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn verdict(path: &Path) -> &'static str {
    let file = BufReader::new(std::fs::File::open(path).unwrap());
    diagnose(&Survey::read(Reader::new(file).unwrap())).verdict.code.as_str()
}

#[test]
fn what_could_not_be_kept_is_told_by_its_number() {
    let (Some(stage), Some(prlimit)) = (Stage::set(), tool("prlimit")) else { return };
    let mut recorder = stage.recorder(&[]);
    let limit = |recorder: &Live, bytes: &str| {
        let mut command = Command::new(&prlimit);
        command.arg(format!("--fsize={bytes}:unlimited")).arg("--pid").arg(recorder.pid().to_string());
        assert!(command.status().unwrap().success());
    };
    let good = &stage.login.access_token;
    assert_eq!(stage.message(good), 200);
    limit(&recorder, "1");
    for _ in 0..5 {
        assert_eq!(stage.message(good), 200);
        // Each is a batch of its own.
        std::thread::sleep(Duration::from_millis(300));
    }
    limit(&recorder, "unlimited");
    kill_process(recorder.pid(), Signal::USR1).unwrap();
    recorder.until("exchanges are in ");
    stop(recorder);
    let trace = std::fs::read_to_string(&stage.traces()[0]).unwrap();
    let records: Vec<Value> = trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let gaps = records.iter().filter(|record| record["record"] == "gap");
    let told: u64 = gaps.map(|gap| gap["lost"].as_u64().unwrap()).sum();
    assert!(told >= 5, "{trace}");
    assert_eq!(records.last().unwrap()["lost"], told, "gaps are no lost records: {trace}");
    stage.end();
}

#[test]
fn a_token_that_is_renewed_over_night_is_no_failure() {
    let Some(stage) = Stage::set() else { return };
    let recorder = stage.recorder(&[]);
    assert_eq!(stage.message(&stage.login.access_token), 200);
    stage.fake.with_model(|model| model.expire_all(Timestamp::now()));
    assert_eq!(stage.message(&stage.login.access_token), 401);
    assert_eq!(stage.message(&stage.renew().unwrap()), 200);
    let ring = stage.files("ring");
    let mode = std::fs::metadata(&ring[0]).unwrap().permissions().mode();
    assert_eq!((ring.len(), mode & 0o777), (1, 0o600));
    let ended = stop(recorder);
    assert!(ended.stderr.contains("exchanges passed; no trace was written"), "{}", ended.stderr);
    assert_eq!((stage.traces().len(), stage.files("ring").len()), (0, 0), "nothing is left");
    stage.end();
}

#[test]
fn a_refused_renewal_makes_one_trace_that_report_finds() {
    let Some(stage) = Stage::set() else { return };
    let mut recorder = stage.recorder(&["--freeze-after", "1s"]);
    stage.is_logged_out();
    recorder.until("authtrace: refresh-token-invalid (high)");
    recorder.until("authtrace report shows them");
    // It goes on, and so does the client.
    for _ in 0..3 {
        assert_eq!(stage.renew(), Err(400));
    }
    let ended = stop(recorder);
    assert!(ended.stderr.contains("exchanges passed; one trace was written"), "{}", ended.stderr);
    let [path] = stage.traces().try_into().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let trace = Trace::read(&path);
    assert_eq!((trace.statuses("/v1/messages"), trace.statuses("/v1/oauth/token")), (vec![200, 401], vec![400]));
    assert_eq!(trace.end.as_ref().map(|end| (end.exchanges, end.lost)), Some((3, 0)));
    assert!(trace.exchanges.iter().all(|one| trace.connections.iter().any(|other| other.id == one.connection)));
    assert_eq!(verdict(&path), "refresh-token-invalid");
    for secret in [&stage.login.access_token, &stage.login.refresh_token] {
        assert!(!trace.text.contains(&secret[20..40]));
    }
    let report = run(stage.home.authtrace().arg("report"), PATIENCE);
    assert!(report.stdout.contains("refresh-token-invalid"), "{} {}", report.stdout, report.stderr);
    stage.end();
}

#[test]
fn what_is_pending_at_the_end_is_written() {
    let Some(stage) = Stage::set() else { return };
    let recorder = stage.recorder(&["--freeze-after", "1h"]);
    stage.is_logged_out();
    stop(recorder);
    let [path] = stage.traces().try_into().unwrap();
    assert_eq!(verdict(&path), "refresh-token-invalid");
    stage.end();
}

#[test]
fn another_code_is_not_waited_for_and_a_signal_writes_at_once() {
    let Some(stage) = Stage::set() else { return };
    let mut recorder = stage.recorder(&["--freeze-on", "refresh-race", "--freeze-after", "0"]);
    stage.is_logged_out();
    kill_process(recorder.pid(), Signal::USR1).unwrap();
    recorder.until("the last 3 exchanges are in");
    stop(recorder);
    let [path] = stage.traces().try_into().unwrap();
    assert!(path.to_string_lossy().ends_with("-frozen-asked.jsonl"), "{}", path.display());
    assert_eq!(verdict(&path), "refresh-token-invalid");
    stage.end();
}

#[test]
fn what_a_killed_recorder_held_is_found_by_the_next() {
    let Some(stage) = Stage::set() else { return };
    let mut recorder = stage.recorder(&[]);
    stage.is_logged_out();
    // The line of the refused renewal says that it is on its way to the disk; the ring itself is what is waited for.
    wait_until(|| stage.files("ring").first().is_some_and(|ring| holds(ring, "\"invalid_grant\"")));
    recorder.kill();
    assert_eq!(stage.traces().len(), 0);
    let mut next = stage.home.authtrace();
    let mut next = Live::start(next.args(["proxy", "--ring", "1MB"]).args(stage.upstream()));
    next.until("a recorder before this one was killed or could not write; what it held is in");
    next.until("flight recorder");
    let [path] = stage.traces().try_into().unwrap();
    assert_eq!(verdict(&path), "refresh-token-invalid");
    assert_eq!(stage.files("ring").len(), 1, "its own");
    stop(next);
    stage.end();
}

fn holds(path: &Path, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|content| content.contains(text))
}

fn wait_until(mut met: impl FnMut() -> bool) {
    let due = std::time::Instant::now() + PATIENCE;
    while !met() {
        assert!(std::time::Instant::now() < due, "it did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_guard_works_beside_it_and_is_in_the_trace() {
    let Some(stage) = Stage::set() else { return };
    let mut recorder = stage.recorder(&["--guard", "2", "--freeze-after", "0"]);
    stage.fake.with_model(Model::refuse_all);
    let answers: Vec<u16> = (0..3).map(|_| stage.message(&stage.login.access_token)).collect();
    assert_eq!(answers, [401, 401, 403]);
    recorder.until("authtrace report shows them");
    stop(recorder);
    let [path] = stage.traces().try_into().unwrap();
    let trace = Trace::read(&path);
    let by: Vec<Origin> = trace.on("/v1/messages").iter().map(|one| one.origin).collect();
    assert_eq!(by, [Origin::Upstream, Origin::Upstream, Origin::Authtrace]);
    assert!(trace.notes.iter().any(|note| note.kind == NoteKind::Policy), "{:?}", trace.notes);
    stage.end();
}

/// A kept authority that is in the second half of its life when the recorder starts, and one that is about to end.
#[test]
fn clients_that_know_the_successor_are_served_before_and_after_it_signs() {
    let Some(stage) = Stage::set() else { return };
    let folder = stage.home.path("ca");
    let ago = |days: f64| OffsetDateTime::now_utc() - time::Duration::seconds_f64(days * 86_400.0);
    let scope = Scope::claude().unwrap();
    let first = Root::persisted(&folder, &scope, ago(29.8)).unwrap().root;
    let between = Root::persisted(&folder, &scope, ago(14.0)).unwrap();
    assert_eq!(between.root.certificate_der(), first.certificate_der());
    // What a client read that was started two weeks ago, and one that was started at the beginning.
    let known = std::fs::read_to_string(folder.join("ca.pem")).unwrap();
    assert_eq!(known.matches("BEGIN CERTIFICATE").count(), 2);
    let recorder = stage.recorder(&[]);
    let handshake = |name: &str, pem: &str| {
        let mut command = stage.home.command(&stage.curl);
        command.args(["-sS", "-o", "answer", "-x", &format!("http://127.0.0.1:{}", stage.port), "--cacert"]);
        run(command.arg(stage.home.write(name, pem)).arg("https://api.anthropic.com/"), PATIENCE).code
    };
    assert_eq!(handshake("known.pem", &known), Some(0));
    assert_eq!(handshake("old.pem", first.certificate_pem()), Some(60), "curl does not know who signed");
    let now = std::fs::read_to_string(stage.home.path("ca/trust/ca.pem")).unwrap();
    assert!(known.ends_with(&now), "the successor alone: the old one has handed over");
    assert_eq!(handshake("now.pem", &now), Some(0));
    let shown = run(stage.home.authtrace().args(["ca", "show", "--ca-dir"]).arg(&folder), PATIENCE).stdout;
    assert!(shown.contains("valid") && !shown.contains("+00:00"), "{shown}");
    stop(recorder);
    stage.end();
}

/// The line of the systemd unit, with its specifiers filled in.
fn exec_start(home: &Home) -> String {
    let unit = std::fs::read_to_string(Path::new(EXAMPLES).join("authtrace-recorder.service")).unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    line.replace("%h", &home.path("").to_string_lossy())
}

#[test]
fn the_service_serves_the_same_clients_after_a_restart() {
    let (Some(stage), Some(_)) = (Stage::set(), tool("base64")) else { return };
    let home = &stage.home;
    for (name, target) in [
        ("authtrace-recorder", Path::new(EXAMPLES).join("authtrace-recorder")),
        ("authtrace", env!("CARGO_BIN_EXE_authtrace").into()),
    ] {
        std::fs::create_dir_all(home.path(".local/bin")).unwrap();
        std::os::unix::fs::symlink(target, home.path(".local/bin").join(name)).unwrap();
    }
    let start = || {
        let mut command = home.command(exec_start(home));
        let mut service = Live::start(command.args(stage.upstream()).env("AUTHTRACE_PORT", stage.port.to_string()));
        service.until("flight recorder");
        service
    };
    let clients = home.path("state/authtrace/recorder/clients.sh");
    // As the shell function of the README does it.
    let with_file = |exports: &Path| {
        let mut shell = home.command("/bin/sh");
        let script = format!(". {} && exec {} \"$@\"", exports.display(), stage.curl.display());
        let body = prompt().to_string();
        let token = format!("authorization: Bearer {}", stage.login.access_token);
        shell.args(["-c", &script, "sh", "-sS", "--http1.1", "-H", &token, "-H", "anthropic-beta: oauth-2025-04-20"]);
        ask(shell.args(["-d", &body, MESSAGES])).0
    };
    let service = start();
    let before = home.write("before.sh", &std::fs::read_to_string(&clients).unwrap());
    for private in [&clients, &home.path("state/authtrace/recorder/password")] {
        assert_eq!(std::fs::metadata(private).unwrap().mode() & 0o777, 0o600, "{}", private.display());
    }
    assert_eq!(with_file(&before), 200);
    let join = [
        "run",
        "--join=recorder",
        "--",
        "curl",
        "-sS",
        "-o",
        "answer",
        "-w",
        "%{http_code}",
        "https://api.anthropic.com/",
    ];
    let joined = run(home.authtrace().args(join), PATIENCE);
    assert_eq!(joined.code, Some(0), "{}", joined.stderr);
    stop(service);
    let service = start();
    assert_eq!(std::fs::read_to_string(&clients).unwrap(), std::fs::read_to_string(&before).unwrap());
    assert_eq!(with_file(&before), 200, "what a shell was told before goes on to be right");
    stop(service);
    stage.end();
}

#[test]
fn the_service_files_are_well_formed() {
    if tool("python3").is_some() {
        let script = "import plistlib, sys; agent = plistlib.load(open(sys.argv[1], 'rb')); \
            assert agent['RunAtLoad'] and agent['Label'] in sys.argv[1]; print(agent['ProgramArguments'][2])";
        let plist = format!("{EXAMPLES}/dev.authtrace.recorder.plist");
        let home = Home::new();
        let ended = run(home.command("python3").args(["-c", script, &plist]), PATIENCE);
        assert!(ended.stdout.contains(".local/bin/authtrace-recorder"), "{} {}", ended.stdout, ended.stderr);
        assert_eq!(run(home.command("/bin/sh").args(["-n", "-c", &ended.stdout]), PATIENCE).code, Some(0));
    }
    if tool("systemd-analyze").is_some() {
        let home = Home::new();
        std::fs::create_dir_all(home.path(".local/bin")).unwrap();
        std::fs::copy(Path::new(EXAMPLES).join("authtrace-recorder"), home.path(".local/bin/authtrace-recorder"))
            .unwrap();
        let unit = format!("{EXAMPLES}/authtrace-recorder.service");
        let ended = run(home.command("systemd-analyze").args(["--user", "verify", &unit]), PATIENCE);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let script = format!("{EXAMPLES}/authtrace-recorder");
    assert_eq!(run(Home::new().command("/bin/sh").args(["-n", &script]), PATIENCE).code, Some(0));
}
