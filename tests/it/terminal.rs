//! `authtrace run` at a terminal and under signals: whose terminal it is, who gets which signal, what is left behind, exit codes,
//! several runs side by side, and runs that join another.

use super::ca::available;
use super::support::claude::{Slot, Version};
use super::support::program::{Ended, Home, Live, PATIENCE, Trace, run};
use authtrace::fake::{Fake, FakeConfig, Model, Seed};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/foreign/terminal.py");
const AUTHTRACE: &str = env!("CARGO_BIN_EXE_authtrace");

/// How a program at a terminal ended.
struct AtTerminal {
    code: Option<i64>,
    text: String,
}

/// Runs it at a terminal of its own; every step has to be reached, and the terminal's modes to be as before.
fn at_terminal(home: &Home, steps: &Value, program: &[&str], variables: &[(&str, &str)]) -> AtTerminal {
    let mut command = home.command("/usr/bin/env");
    command.args(["python3", DRIVER, &steps.to_string()]).args(program);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(variables.iter().copied());
    let driven = run(&mut command, PATIENCE * 2);
    let ended: Value =
        serde_json::from_str(&driven.stdout).unwrap_or_else(|error| panic!("{error}: {}", driven.stderr));
    let text = ended["text"].as_str().unwrap().to_owned();
    assert_eq!((&ended["failed"], &ended["sane"]), (&Value::Null, &json!(true)), "{text}");
    AtTerminal { code: ended["code"].as_i64(), text }
}

/// `authtrace run -- sh -c SCRIPT`, with nothing that could be reached upstream.
fn shell(script: &str) -> Vec<&str> {
    vec![AUTHTRACE, "run", "--connect-to", "::127.0.0.1:9", "--upstream-proxy", "none", "--", "sh", "-c", script]
}

#[test]
fn the_command_has_the_same_terminal() {
    if !available("python3") {
        return;
    }
    let home = Home::new();
    let both = format!(
        "tty; exec {AUTHTRACE} run --out trace.jsonl -- sh -c 'tty; test -t 0 && test -t 1 && test -t 2 && stty size; exit 7'"
    );
    let ended = at_terminal(&home, &json!([["resize", 31, 77]]), &["sh", "-c", &both], &[]);
    let terminals: Vec<&str> = ended.text.lines().filter(|line| line.starts_with("/dev/")).collect();
    assert!(terminals.len() == 2 && terminals[0] == terminals[1], "{}", ended.text);
    assert!(ended.text.contains("31 77"), "{}", ended.text);
    assert_eq!(ended.code, Some(7));
}

#[test]
fn an_interrupt_is_the_commands_own_matter() {
    if !available("python3") {
        return;
    }
    // One that handles it goes on, and so do we; one that does not ends by it.
    let handles = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done";
    let steps = json!([["expect", "ready"], ["type", "\u{3}"], ["expect", "caught"]]);
    let home = Home::new();
    let ended = at_terminal(&home, &steps, &shell(handles), &[]);
    assert_eq!(ended.code, Some(9));
    assert!(ended.text.contains("exit code 9") && ended.text.contains("authtrace report"), "{}", ended.text);
    assert_eq!(Trace::of(&home).end.unwrap().exit_code, Some(9));
    assert_eq!(home.left_behind(), Vec::<String>::new());

    let home = Home::new();
    let steps = json!([["expect", "ready"], ["type", "\u{3}"]]);
    let ended = at_terminal(&home, &steps, &shell("echo ready; exec sleep 60"), &[]);
    assert_eq!(ended.code, Some(130));
    assert_eq!(Trace::of(&home).end.unwrap().exit_code, Some(130));
}

#[test]
fn a_new_window_size_reaches_the_command() {
    if !available("python3") {
        return;
    }
    let script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.1; done";
    let steps = json!([["expect", "ready"], ["resize", 33, 99], ["expect", "33 99"]]);
    assert_eq!(at_terminal(&Home::new(), &steps, &shell(script), &[]).code, Some(0));
}

/// The interactive program, with an empty home, up to its first screen.
fn first_screen(version: Version) {
    let Some(executable) = version.executable() else { return };
    if !available("python3") {
        return;
    }
    let _slot = Slot::take();
    let fake = FakeOnLoopback::start();
    let home = Home::new();
    let ca = home.write("fake.pem", fake.fake.ca_pem());
    let (ca, executable) = (ca.to_string_lossy(), executable.to_string_lossy());
    let to = fake.connect_to();
    let program =
        [AUTHTRACE, "run", "--connect-to", &to, "--upstream-ca", &ca, "--upstream-proxy", "none", "--", &executable];
    // It draws its screen, draws it again for a smaller window, and asks for a second Ctrl-C.
    let steps = json!([
        ["expect", "Choose the text style"],
        ["resize", 30, 60],
        ["expect", "text style"],
        ["type", "\u{3}"],
        ["expect", "again to exit"],
        ["insist", "\u{3}"]
    ]);
    let ended = at_terminal(&home, &steps, &program, &[("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")]);
    // What it ends with when it is left before the set-up is done: each version has its own idea.
    let own_code = match version {
        Version::New => 1,
        Version::Old => 0,
    };
    let trace = Trace::of(&home);
    assert_eq!(trace.end.as_ref().and_then(|end| end.exit_code).map(i64::from), ended.code, "{}", ended.text);
    assert_eq!(ended.code, Some(own_code), "{}", ended.text);
    assert!(!trace.exchanges.is_empty(), "it looks whether it can reach the API");
    assert!(trace.exchanges.iter().all(|one| one.credentials.is_empty()));
    // Nothing of ours between the start line and the summary.
    let own: Vec<usize> = ended.text.match_indices("authtrace: ").map(|(at, _)| at).collect();
    let welcome = ended.text.find("Welcome").unwrap();
    assert!(own.len() == 2 && own[0] < welcome && own[1] > welcome, "{}", ended.text);
    assert_eq!(home.left_behind(), Vec::<String>::new());
}

#[test]
fn first_screen_of_the_new_version() {
    first_screen(Version::New);
}

#[test]
fn first_screen_of_the_old_version() {
    first_screen(Version::Old);
}

struct FakeOnLoopback {
    fake: Fake,
    _runtime: tokio::runtime::Runtime,
}

impl FakeOnLoopback {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fake = runtime.block_on(Fake::start(FakeConfig::new(Model::new(Seed::random().unwrap())))).unwrap();
        Self { fake, _runtime: runtime }
    }

    fn connect_to(&self) -> String {
        format!("::127.0.0.1:{}", self.fake.addr().port())
    }

    /// `authtrace run OPTIONS… -- sh -c SCRIPT`, every host being the fake.
    fn run(&self, home: &Home, options: &[&str], script: &str) -> Command {
        let ca = home.write("fake.pem", self.fake.ca_pem());
        let mut command = home.authtrace();
        command.args(["run", "--connect-to", &self.connect_to(), "--upstream-proxy", "none", "--upstream-ca"]).arg(ca);
        command.args(options).args(["--", "sh", "-c", script]);
        command
    }
}

fn quiet(home: &Home, options: &[&str], script: &str) -> Command {
    let mut command = home.authtrace();
    command.args(["run", "--upstream-proxy", "none"]).args(options).args(["--", "sh", "-c", script]);
    command
}

#[test]
fn terminate_reaches_the_command_and_everything_is_closed() {
    let home = Home::new();
    let script = "trap 'echo asked to end; kill $!; exit 40' TERM; sleep 60 >/dev/null 2>&1 & echo ready; wait";
    let mut live = Live::start(&mut quiet(&home, &[], script));
    live.until("ready");
    assert_eq!(home.left_behind().len(), 2, "a private folder and a socket: {:?}", home.left_behind());
    kill_process(live.pid(), Signal::TERM).unwrap();
    let ended = live.finish(PATIENCE);
    assert_eq!(ended.code, Some(40), "{}", ended.stderr);
    assert!(ended.stdout.contains("asked to end"));
    assert!(ended.stderr.contains("exit code 40"), "{}", ended.stderr);
    assert_eq!(Trace::of(&home).end.unwrap().exit_code, Some(40));
    assert_eq!(home.left_behind(), Vec::<String>::new());
}

#[test]
fn what_a_killed_run_leaves_behind_the_next_one_removes() {
    let home = Home::new();
    let mut live = Live::start(&mut quiet(&home, &[], "echo ready; exec sleep 60"));
    live.until("ready");
    kill_process(live.pid(), Signal::KILL).unwrap();
    live.kill();
    assert_eq!(home.left_behind().len(), 2, "{:?}", home.left_behind());
    assert!(Trace::of(&home).end.is_none());
    let ended = run(&mut quiet(&home, &["--out", "next.jsonl"], "true"), PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(home.left_behind(), Vec::<String>::new());
}

#[test]
fn exit_codes() {
    let home = Home::new();
    let code = |command: &mut Command| {
        let ended = run(command, PATIENCE);
        (ended.code, ended.stderr)
    };
    for (script, expected) in
        [("true", 0), ("exit 1", 1), ("exit 2", 2), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
    {
        let (code, said) = code(&mut quiet(&home, &[], script));
        assert_eq!(code, Some(expected), "{script}: {said}");
    }
    let of = |arguments: &[&str]| code(home.authtrace().args(arguments));
    let plain = home.write("plain", "text");
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).unwrap();
    let full = home.write("full.jsonl", "{}\n");
    let (plain, full) = (plain.to_string_lossy(), full.to_string_lossy());
    for (arguments, expected, words) in [
        (&["run", "--no-such-option"][..], 125, "--no-such-option"),
        (&["run"], 125, "CMD"),
        (&["run", "--listen", "0.0.0.0:0", "--", "true"], 125, "loopback"),
        (&["run", "--connect-to", "x", "--", "true"], 125, "HOST:PORT:HOST2:PORT2"),
        (&["run", "--out", &full, "--", "true"], 125, &full),
        (&["run", "--", &plain], 126, "cannot be started"),
        (&["run", "--", "no-such-program-of-anyone"], 127, "command not found"),
        (&["proxy", "--no-such-option"], 2, "--no-such-option"),
        (&["proxy", "--listen", "0.0.0.0:0"], 2, "loopback"),
        (&["report", "no-such-file"], 2, "no-such-file"),
        (&["report", &full], 2, "neither a trace"),
        (&["no-such-command"], 2, "no-such-command"),
        (&["--help"], 0, ""),
        (&["run", "--help"], 0, ""),
    ] {
        let (code, said) = of(arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert_eq!(home.left_behind(), Vec::<String>::new());
}

#[test]
fn a_configuration_in_the_working_folder_is_not_read() {
    let home = Home::new();
    for folder in ["cloned/authtrace", "cloned/.config/authtrace"] {
        std::fs::create_dir_all(home.path(folder)).unwrap();
    }
    let file = home.write("cloned/authtrace.toml", "nonsense = true\n");
    for beside in [".authtrace.toml", "authtrace/authtrace.toml", ".config/authtrace/authtrace.toml"] {
        home.write(&format!("cloned/{beside}"), "nonsense = true\n");
    }
    let run_there = |set: &dyn Fn(&mut Command)| {
        let mut command = home.authtrace();
        command.current_dir(home.path("cloned")).args(["run", "--", "true"]);
        set(&mut command);
        run(&mut command, PATIENCE)
    };
    let ended = run_there(&|_| {});
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let relative = run_there(&|command| {
        command.env("XDG_CONFIG_HOME", ".config");
    });
    assert_eq!(relative.code, Some(0), "{}", relative.stderr);
    let named = run_there(&|command| {
        command.env("AUTHTRACE_CONFIG", &file);
    });
    assert_eq!(named.code, Some(125), "{}", named.stderr);
}

const CURL: &str = "curl -sS -o /dev/null -w 'status %{http_code}\\n' https://api.anthropic.com/api/hello";

/// A pipe that scripts wait on.
fn gate(home: &Home, name: &str) -> PathBuf {
    let path = home.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

fn open_gate(path: &Path) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all(b"go\n").unwrap();
}

fn good(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{} {}", ended.stdout, ended.stderr);
}

#[test]
fn runs_side_by_side_do_not_disturb_each_other() {
    if !available("curl") {
        return;
    }
    let fake = FakeOnLoopback::start();
    let home = Home::new();
    let mut runs: Vec<(String, PathBuf, Live)> = Vec::new();
    for number in 0..4 {
        let out = format!("trace-{number}.jsonl");
        let gate = gate(&home, &format!("gate-{number}"));
        let script = format!("echo ready; read _ < '{}'; {CURL}", gate.display());
        let mut live = Live::start(&mut fake.run(&home, &["--out", &out], &script));
        live.until("ready");
        runs.push((out, gate, live));
    }
    for (_, gate, _) in &runs {
        open_gate(gate);
    }
    for (out, _, live) in runs {
        let ended = live.finish(PATIENCE);
        good(&ended);
        assert!(ended.stdout.contains("status 200"), "{} {}", ended.stdout, ended.stderr);
        let trace = Trace::read(&home.path("work").join(out));
        assert_eq!((trace.exchanges.len(), trace.connections.len()), (1, 1));
        assert!(trace.end.is_some());
    }
    assert_eq!(home.left_behind(), Vec::<String>::new());
}

#[test]
fn joined_runs_share_the_trace_and_are_waited_for() {
    if !available("curl") {
        return;
    }
    let fake = FakeOnLoopback::start();
    let home = Home::new();
    let (first_gate, second_gate) = (gate(&home, "first"), gate(&home, "second"));
    let script = format!("{CURL}; echo first ready; read _ < '{}'", first_gate.display());
    let mut first = Live::start(&mut fake.run(&home, &["--out", "trace.jsonl"], &script));
    first.until("first ready");
    let script = format!("{CURL}; echo second ready; read _ < '{}'; {CURL}; exit 5", second_gate.display());
    let mut command = home.authtrace();
    let mut second = Live::start(command.args(["run", "--join", "--", "sh", "-c", &script]));
    second.until("second ready");
    let mut command = home.authtrace();
    let third = run(command.args(["run", "--join", "--lane", "third", "--", "sh", "-c", CURL]), PATIENCE);
    good(&third);
    assert!(third.stdout.contains("status 200") && third.stderr.contains("trace.jsonl"), "{}", third.stderr);
    // The first command ends; its proxy stays for the second.
    open_gate(&first_gate);
    first.until("waiting for the runs");
    open_gate(&second_gate);
    let second = second.finish(PATIENCE);
    assert_eq!(second.code, Some(5), "{}", second.stderr);
    assert_eq!(second.stdout.matches("status 200").count(), 2, "{}", second.stderr);
    good(&first.finish(PATIENCE));
    let trace = Trace::read(&home.path("work/trace.jsonl"));
    let mut lanes: Vec<&str> = trace.exchanges.iter().map(|one| one.lane.as_str()).collect();
    lanes.sort_unstable();
    assert_eq!(lanes, ["lane-2", "lane-2", "main", "third"]);
    assert!(trace.end.is_some());
    assert_eq!(home.left_behind(), Vec::<String>::new());
}

#[test]
fn terminate_ends_the_waiting_for_joined_runs() {
    let home = Home::new();
    let gate = gate(&home, "gate");
    let mut first = Live::start(&mut quiet(&home, &[], &format!("echo ready; read _ < '{}'", gate.display())));
    first.until("ready");
    let mut command = home.authtrace();
    let mut second = Live::start(command.args(["run", "--join", "--", "sh", "-c", "echo joined; exec sleep 60"]));
    second.until("joined");
    open_gate(&gate);
    first.until("waiting for the runs");
    kill_process(first.pid(), Signal::TERM).unwrap();
    good(&first.finish(PATIENCE));
    assert!(Trace::of(&home).end.is_some());
    kill_process(second.pid(), Signal::TERM).unwrap();
    assert_eq!(second.finish(PATIENCE).code, Some(143));
    assert_eq!(home.left_behind(), Vec::<String>::new());
}

#[test]
fn joining_says_whom() {
    let home = Home::new();
    let join = |option: &str| {
        let mut command = home.authtrace();
        let ended = run(command.args(["run", option, "--", "true"]), PATIENCE);
        (ended.code, ended.stderr)
    };
    let (code, said) = join("--join");
    assert_eq!(code, Some(125));
    assert!(said.contains("no authtrace is running"), "{said}");

    let gates = [gate(&home, "a"), gate(&home, "b")];
    let mut runs = Vec::new();
    for (lane, gate) in ["one", "two"].into_iter().zip(&gates) {
        let out = format!("{lane}.jsonl");
        let script = format!("echo ready; read _ < '{}'", gate.display());
        let mut live = Live::start(&mut quiet(&home, &["--lane", lane, "--out", &out], &script));
        live.until("ready");
        runs.push(live);
    }
    let (code, said) = join("--join");
    assert_eq!(code, Some(125));
    assert!(said.contains("one") && said.contains("two") && said.contains("--join=NAME"), "{said}");
    let (code, said) = join("--join=three");
    assert_eq!(code, Some(125));
    assert!(said.contains("no authtrace with that lane is running"), "{said}");
    let (code, said) = join("--join=two");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("two.jsonl"), "{said}");
    for gate in &gates {
        open_gate(gate);
    }
    for live in runs {
        good(&live.finish(PATIENCE));
    }
}
