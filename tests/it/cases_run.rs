//! `authtrace test` as a CI job uses it: exit codes, what is shown and where, what is left behind. The commands are scripts
//! that ask for a message with `curl`, so that each case takes a moment; the real client is in `tests/contract`.

use super::support::program::{Home, Live, PATIENCE, run};
use authtrace::{case, check};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Asks for a message with the key that it is handed, and takes it ill if it is refused.
const ASK: &str = "curl -sS --fail-with-body --cacert \"$NODE_EXTRA_CA_CERTS\" -H \"x-api-key: $ANTHROPIC_API_KEY\" -H \
                   'anthropic-version: 2023-06-01' -H 'content-type: application/json' -d \
                   '{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}' \
                   https://api.anthropic.com/v1/messages";

/// A key that is good.
const GOOD: &str = "format = 1\ntitle = \"A good key\"\n\n[client]\nlogin = \"api-key\"\n";

const ANSWERED: &str =
    "\n[[expect.flow]]\nname = \"the message is answered\"\nstep = [{ path = \"/v1/messages\", status = 200 }]\n";

/// A folder of cases in the working folder of a home.
struct Folder {
    home: Home,
}

impl Folder {
    fn new() -> Self {
        let home = Home::new();
        for folder in ["cases", "cases/expect", "cases/scenarios", "tmp"] {
            std::fs::create_dir(home.path("work").join(folder)).unwrap();
        }
        home.write("work/cases/scenarios/good.toml", GOOD);
        Self { home }
    }

    /// A case with a shell script as its command.
    fn case(&self, name: &str, scenario: &str, script: &str, more: &str) {
        let script = Value::from(script);
        let text = format!("format = 1\nscenario = \"{scenario}\"\ncommand = [\"sh\", \"-c\", {script}]\n{more}");
        self.home.write(&format!("work/cases/{name}.toml"), &text);
    }

    fn authtrace(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.authtrace();
        command.env_remove("XDG_RUNTIME_DIR").env("TMPDIR", self.path("tmp")).arg("test").args(arguments);
        command
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path("work").join(name)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn the_contract_of_claude_code_is_in_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract");
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    let mut read = [0, 0];
    for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let case = case::read(name, &text(&path)).unwrap_or_else(|error| panic!("{name}: {error}"));
        // Each is there for both versions, and is about the one that it is named after.
        let (what, version) = name.strip_suffix(".toml").and_then(|name| name.split_once('.')).unwrap();
        let (place, other, variable) = match version {
            "new" => (0, "old", "AUTHTRACE_CLAUDE_NEW"),
            "old" => (1, "new", "AUTHTRACE_CLAUDE_OLD"),
            _ => panic!("{name}"),
        };
        assert!(folder.join(format!("{what}.{other}.toml")).exists(), "{name} alone");
        let client = |asked: &str| (asked == variable).then(|| "client".into());
        assert!(case.command.iter().any(|word| word.filled_in(client).is_ok_and(|word| word == "client")), "{name}");
        for file in &case.expect_files {
            check::read(&file.text, &text(&folder.join(&file.text)))
                .unwrap_or_else(|error| panic!("{}: {error}", file.text));
        }
        read[place] += 1;
    }
    assert!(read[0] >= 12 && read[0] == read[1], "{read:?}");
}

/// The words of the lines for each case, with the names, sorted by these.
fn lines(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let (word, rest) = line.split_once('[')?;
        let (_, name) = rest.split_once("s] ")?;
        (!name.contains(':')).then(|| format!("{name} {}", word.trim()))
    };
    let mut lines: Vec<String> = text.lines().filter_map(line).collect();
    lines.sort();
    lines
}

/// Processes with this in their command lines.
fn running(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_marked = |path: &Path| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    };
    entries.filter(|entry| is_marked(&entry.path())).count()
}

#[test]
fn cases_that_hold_are_told_in_a_line_each_and_leave_nothing() {
    let folder = Folder::new();
    folder.case("b-good", "scenarios/good.toml", ASK, ANSWERED);
    folder.case(
        "a-refused",
        "api-key-invalid",
        ASK,
        "expect.exit_code = 22\nexpect.findings.require = [\"api-key-invalid\"]\n",
    );
    let ended = run(&mut folder.authtrace(&["cases"]), PATIENCE);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert_eq!(lines(&ended.stdout), ["a-refused PASS", "b-good PASS"]);
    assert!(ended.stdout.contains("2 cases: 2 passed") && !ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    assert_eq!(folder.names("tmp"), Vec::<String>::new());
    // Nothing goes where a user's own traces are.
    assert!(!folder.home.path("state/authtrace").exists());
}

#[test]
fn a_miss_is_told_at_the_end_with_what_was_printed_and_where_the_trace_is() {
    let folder = Folder::new();
    folder.case("good", "scenarios/good.toml", ASK, ANSWERED);
    let noisy = format!("echo before; {ASK}; echo 'sk-ant-oat01-AAAABBBBCCCCDDDD' ::error::no >&2");
    folder.case("wrong", "api-key-invalid", &noisy, ANSWERED);
    let ended = run(&mut folder.authtrace(&["cases", "--jobs", "1"]), PATIENCE);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert_eq!(lines(&ended.stdout), ["good PASS", "wrong FAIL"]);
    let (_, told) = ended.stdout.split_once("─── FAIL  wrong").unwrap();
    for expected in [
        "✗ the message is answered",
        "--> cases/wrong.toml:7:43",
        "status: expected 200, found 401",
        "  │ before",
        "2 cases: 1 passed, 1 missed",
    ] {
        assert!(told.contains(expected), "{expected}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("AAAABBBB"), "{}", ended.stdout);
    assert!(!ended.stdout.lines().any(|line| line.trim_start().starts_with("::")), "{}", ended.stdout);
    let trace = told.lines().find_map(|line| line.strip_prefix("trace: ")).unwrap();
    let report = run(folder.home.authtrace().args(["report", trace]), PATIENCE);
    assert!(report.stdout.contains("api-key-invalid"), "{}", report.stdout);
    // That of the good case was not asked for.
    let kept = folder.names("tmp");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(folder.names(&format!("tmp/{}", kept[0])), ["wrong.jsonl"]);
}

#[test]
fn traces_and_results_go_where_they_are_asked_for() {
    let folder = Folder::new();
    folder.case("good", "scenarios/good.toml", ASK, ANSWERED);
    folder.case("wrong", "api-key-invalid", ASK, ANSWERED);
    for _ in 0..2 {
        let arguments = ["cases", "--traces", "traces", "--junit", "out.xml", "--format", "json"];
        let ended = run(&mut folder.authtrace(&arguments), PATIENCE);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let told: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((&told["format"], &told["held"]), (&"authtrace-test/1".into(), &false.into()));
        let states: Vec<&Value> = told["cases"].as_array().unwrap().iter().map(|case| &case["state"]).collect();
        assert_eq!(states, ["held", "missed"]);
        assert_eq!(told["cases"][1]["trace"], "traces/wrong.jsonl");
        assert_eq!(folder.names("traces"), ["good.jsonl", "wrong.jsonl"]);
        let junit = std::fs::read_to_string(folder.path("out.xml")).unwrap();
        assert!(junit.contains("<testsuite name=\"wrong\"") && junit.contains("type=\"flow\""), "{junit}");
    }
    let ended = run(&mut folder.authtrace(&["cases", "--junit", "cases/good.toml"]), PATIENCE);
    assert_eq!(ended.code, Some(2), "a case would have been overwritten: {}", ended.stderr);
    assert!(std::fs::read_to_string(folder.path("cases/good.toml")).unwrap().starts_with("format = 1"));
}

#[test]
fn a_result_goes_over_no_file_that_a_case_reads() {
    let folder = Folder::new();
    folder.home.write("work/cases/expect/all.toml", "format = 1\nallow_empty = true\n");
    folder.home.write("work/cases/expect/wrong.toml", "format = 1\nallow_empty = 1\n");
    folder.case("good", "scenarios/good.toml", "true", "expect_files = [\"expect/all.toml\"]\n");
    folder.case("bad", "scenarios/good.toml", "true", "expect_files = [\"expect/wrong.toml\"]\n");
    for name in ["bad.toml", "scenarios/good.toml", "expect/all.toml", "expect/wrong.toml"] {
        let file = format!("cases/{name}");
        let before = std::fs::read(folder.path(&file)).unwrap();
        let ended = run(&mut folder.authtrace(&["cases", "--junit", &file]), PATIENCE);
        assert!(ended.stderr.contains("another file of this command"), "{name}: {}", ended.stderr);
        assert_eq!((ended.code, std::fs::read(folder.path(&file)).unwrap()), (Some(2), before), "{name}");
    }
}

#[test]
fn a_file_that_was_asked_for_and_cannot_be_written_is_a_failure() {
    let folder = Folder::new();
    folder.case("good", "scenarios/good.toml", ASK, ANSWERED);
    std::fs::create_dir_all(folder.path("traces/good.jsonl")).unwrap();
    let untraced = run(&mut folder.authtrace(&["cases", "--traces", "traces"]), PATIENCE);
    assert_eq!((untraced.code, lines(&untraced.stdout)), (Some(125), vec!["good PASS".to_owned()]));
    assert!(untraced.stderr.contains("the trace of good could not be kept"), "{}", untraced.stderr);
    folder.case("good", "scenarios/good.toml", ASK, "");
    folder.home.write("work/cases/observed", "in the way");
    let unwritten = run(&mut folder.authtrace(&["cases", "--update"]), PATIENCE);
    assert_eq!(unwritten.code, Some(125), "{}", unwritten.stdout);
    assert!(unwritten.stderr.contains("observed/good.toml could not be written"), "{}", unwritten.stderr);
}

#[test]
fn a_trace_is_kept_though_the_folder_for_temporary_files_is_not_there() {
    let folder = Folder::new();
    folder.case("wrong", "api-key-invalid", ASK, ANSWERED);
    let mut command = folder.authtrace(&["cases"]);
    let ended = run(command.env("TMPDIR", folder.path("nowhere")), PATIENCE);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let kept = ended.stdout.lines().find_map(|line| line.strip_prefix("trace: ")).map(std::path::Path::new);
    assert!(kept.is_some_and(std::path::Path::is_file), "{}\n{}", ended.stdout, ended.stderr);
    std::fs::remove_dir_all(kept.and_then(std::path::Path::parent).unwrap()).unwrap();
}

#[test]
fn a_pipe_in_a_folder_keeps_no_case_waiting() {
    let folder = Folder::new();
    folder.case("good", "scenarios/good.toml", ASK, ANSWERED);
    let made = Command::new("mkfifo").arg(folder.path("cases/pipe.toml")).status().unwrap();
    assert!(made.success());
    let ended = run(&mut folder.authtrace(&["cases"]), PATIENCE);
    assert_eq!((ended.code, lines(&ended.stdout)), (Some(2), vec!["good PASS".to_owned(), "pipe ERROR".to_owned()]));
    assert!(ended.stdout.contains("cannot read cases/pipe.toml: it is no plain file"), "{}", ended.stdout);
}

#[test]
fn what_is_wrong_with_one_case_is_told_in_its_place_and_the_others_run() {
    let folder = Folder::new();
    folder.case("good", "scenarios/good.toml", ASK, ANSWERED);
    let head = "format = 1\nscenario = \"healthy\"\n";
    let command = "command = [\"true\"]\n";
    let write = |name: &str, text: &str| drop(folder.home.write(&format!("work/cases/{name}.toml"), text));
    write("command-missing", &format!("{head}command = [\"no-such-program-of-anyone\"]\nexpect.allow_empty = true\n"));
    write(
        "contradiction",
        &format!("{head}{command}expect_files = [\"expect/refused.toml\"]\nexpect.limits.auth_failures = 1\n"),
    );
    write("expect-missing", &format!("{head}{command}expect_files = [\"expect/none.toml\"]\n"));
    write("expect-wrong", &format!("{head}{command}expect_files = [\"expect/wrong.toml\"]\n"));
    write("expectations", "format = 1\n[limits]\nauth_failures = 1\n");
    write("folder-missing", &format!("{head}{command}folder = \"nowhere\"\nexpect.allow_empty = true\n"));
    write("known-unknown", &format!("{head}{command}misses = [\"at most 1 refresh\"]\nexpect.limits.refreshes = 2\n"));
    write("key-unknown", &format!("{head}{command}expct.allow_empty = true\n"));
    write("nothing-expected", &format!("{head}{command}"));
    write("scenario-unknown", &format!("format = 1\nscenario = \"helthy\"\n{command}expect.allow_empty = true\n"));
    write(
        "scenario-wrong",
        &format!("format = 1\nscenario = \"scenarios/wrong.toml\"\n{command}expect.allow_empty = true\n"),
    );
    write(
        "scenario-live",
        &format!("format = 1\nscenario = \"scenarios/live.toml\"\n{command}expect.allow_empty = true\n"),
    );
    write("type-wrong", &format!("{head}command = \"true\"\n"));
    write("variable-unset", &format!("{head}command = [\"${{NO_SUCH_VARIABLE}}\"]\nexpect.allow_empty = true\n"));
    write(
        "variable-unbound",
        &format!("{head}{command}[[expect.flow]]\nstep = [{{ path = \"/\", not = \"$old\" }}]\n"),
    );
    write("expect/refused", "format = 1\n[[flow]]\nstep = [{ status = 401, repeat = 2 }]\n");
    write("expect/wrong", "format = 1\n[limits]\nauth_failures = \"one\"\n");
    write("scenarios/wrong", "format = 1\ntitle = \"x\"\n[client]\nexpires_in = \"soon\"\n");
    write(
        "scenarios/live",
        "format = 1\ntitle = \"x\"\nagainst = \"live\"\n[[rule]]\nwhen = { path = \"/\" }\nanswer = { status = 401 }\n",
    );
    let ended = run(&mut folder.authtrace(&["cases"]), PATIENCE);
    assert_eq!(ended.code, Some(2), "{}", ended.stdout);
    let found = lines(&ended.stdout);
    assert!(found.contains(&"good PASS".to_owned()) && found.len() == 16, "{found:?}");
    assert_eq!(found.iter().filter(|line| line.ends_with(" ERROR")).count(), 15, "{found:?}");
    insta::assert_snapshot!(
        "wrong_cases",
        ended.stdout.split_once("\n\n").unwrap().1.split_once("──────────").unwrap().0
    );
}

#[test]
fn a_folder_without_a_case_and_one_that_is_not_there_are_mistakes() {
    let folder = Folder::new();
    let empty = run(&mut folder.authtrace(&["cases"]), PATIENCE);
    assert_eq!(empty.code, Some(2));
    assert!(empty.stdout.contains("no case in cases: a case is a file NAME.toml in it"), "{}", empty.stdout);
    folder.case("good", "scenarios/good.toml", ASK, ANSWERED);
    let missing = run(&mut folder.authtrace(&["nowhere", "cases/good.toml"]), PATIENCE);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stdout.contains("cannot read nowhere: No such file"), "{}", missing.stdout);
    assert_eq!(lines(&missing.stdout), ["good PASS", "nowhere ERROR"]);
}

#[test]
fn known_misses_have_to_be_missed() {
    let folder = Folder::new();
    let known = format!("misses = [\"the message is answered\"]\n{ANSWERED}");
    let unless = known.replace("[[expect.flow]]", "[expect]\nexit_code = 22\n[[expect.flow]]");
    folder.case("missed", "api-key-invalid", ASK, &unless);
    folder.case("held", "scenarios/good.toml", ASK, &known);
    // A trace in which nothing can be seen is no known miss.
    folder.case("unseen", "scenarios/good.toml", "true", &known);
    let ended = run(&mut folder.authtrace(&["cases"]), PATIENCE);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert_eq!(lines(&ended.stdout), ["held FAIL", "missed PASS", "unseen FAIL"]);
    assert!(ended.stdout.contains("this holds, and is listed as known to be missed"), "{}", ended.stdout);
    assert!(ended.stdout.contains("✗ a credential was used"), "{}", ended.stdout);
}

#[test]
fn commands_that_do_not_end_are_ended_with_all_that_they_started() {
    let folder = Folder::new();
    let mark = format!("86{}", std::process::id());
    let unless = "timeout = \"1s\"\nexpect.allow_empty = true\n";
    folder.case("hangs", "healthy", &format!("sleep {mark}1"), unless);
    folder.case(
        "ignores",
        "healthy",
        &format!("trap '' TERM INT HUP; echo told; sleep {mark}2 & while :; do wait; done"),
        unless,
    );
    let daemon = format!("setsid sleep {mark}3 & sleep {mark}4 & echo started");
    folder.case("leaves", "healthy", &daemon, "timeout = \"30s\"\nexpect.allow_empty = true\n");
    let stopped = "kill -STOP $$";
    folder.case("stopped", "healthy", stopped, unless);
    let begun = Instant::now();
    let ended = run(&mut folder.authtrace(&["cases", "--jobs", "4"]), PATIENCE);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert_eq!(lines(&ended.stdout), ["hangs TIMEOUT", "ignores TIMEOUT", "leaves PASS", "stopped TIMEOUT"]);
    assert!(
        ended.stdout.contains("the command had not ended after 1 s") && ended.stdout.contains("  │ told"),
        "{}",
        ended.stdout
    );
    assert_eq!(running(&format!("sleep\0{mark}")), 0);
    let left: Vec<String> =
        folder.names("tmp").into_iter().filter(|name| !name.starts_with("authtrace-failed-")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn what_a_command_did_until_its_time_was_over_is_judged() {
    let folder = Folder::new();
    let slow = format!("timeout = \"2s\"\n{ANSWERED}");
    folder.case("slow", "api-key-invalid", &format!("{ASK}; sleep 600"), &slow);
    let ended = run(&mut folder.authtrace(&["cases", "--junit", "out.xml"]), PATIENCE);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert_eq!(lines(&ended.stdout), ["slow TIMEOUT"]);
    assert!(ended.stdout.contains("status: expected 200, found 401"), "{}", ended.stdout);
    let junit = std::fs::read_to_string(folder.path("out.xml")).unwrap();
    assert!(junit.contains("had not ended after 2 s") && junit.contains("found 401"), "{junit}");
}

#[test]
fn commands_do_not_outlive_a_test_that_is_killed() {
    let folder = Folder::new();
    let mark = format!("88{}", std::process::id());
    let script = format!("trap '' TERM; sleep {mark} & echo > ../runs; wait");
    folder.case("a", "healthy", &script, "folder = \".\"\nexpect.allow_empty = true\n");
    let live = Live::start(&mut folder.authtrace(&["cases"]));
    let due = Instant::now() + PATIENCE;
    let until = |reached: &dyn Fn() -> bool| {
        while !reached() {
            assert!(Instant::now() < due);
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    until(&|| folder.path("runs").exists());
    kill_process(live.pid(), Signal::KILL).unwrap();
    live.finish(PATIENCE);
    let own = folder.path("cases").display().to_string();
    until(&|| running(&format!("sleep\0{mark}")) == 0 && running(&own) == 0);
}

#[test]
fn an_interrupt_ends_what_runs_and_names_what_was_not_run() {
    let folder = Folder::new();
    let mark = format!("87{}", std::process::id());
    for name in ["a", "b", "c"] {
        let script = format!("echo > ../{name}-runs; sleep {mark}");
        folder.case(name, "healthy", &script, "folder = \".\"\nexpect.allow_empty = true\n");
    }
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let live = Live::start(&mut folder.authtrace(&["cases", "--jobs", "2", "--report", "json=out.json"]));
        let due = Instant::now() + PATIENCE;
        while !(folder.path("a-runs").exists() && folder.path("b-runs").exists()) {
            assert!(Instant::now() < due, "the cases were not started");
            std::thread::sleep(Duration::from_millis(10));
        }
        kill_process(live.pid(), signal).unwrap();
        let ended = live.finish(PATIENCE);
        assert_eq!(ended.code, Some(code), "{}", ended.stdout);
        assert_eq!(lines(&ended.stdout), ["a NOT RUN", "b NOT RUN", "c NOT RUN"]);
        assert!(
            ended.stdout.contains("3 cases: 0 passed, 3 not run") && !folder.path("c-runs").exists(),
            "{}",
            ended.stdout
        );
        assert_eq!((running(&format!("sleep\0{mark}")), folder.names("tmp")), (0, Vec::new()));
        let told: Value = serde_json::from_str(&std::fs::read_to_string(folder.path("out.json")).unwrap()).unwrap();
        assert_eq!(told["held"], false);
        for name in ["a-runs", "b-runs", "out.json"] {
            std::fs::remove_file(folder.path(name)).unwrap();
        }
    }
}

#[test]
fn what_is_observed_becomes_an_expectation_that_holds() {
    let folder = Folder::new();
    folder.case("new", "scenarios/good.toml", ASK, "");
    folder.case("changed", "api-key-invalid", ASK, ANSWERED);
    folder.case("kept", "scenarios/good.toml", ASK, ANSWERED);
    let ended = run(&mut folder.authtrace(&["cases", "--update"]), PATIENCE);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert_eq!(folder.names("cases/observed"), ["changed.toml", "new.toml"]);
    assert!(ended.stderr.contains("observed flow of new: cases/observed/new.toml; read it"), "{}", ended.stderr);
    // It is no case, and as an expectation it holds.
    folder.case("new", "scenarios/good.toml", ASK, "expect_files = [\"observed/new.toml\"]\n");
    folder.case("changed", "api-key-invalid", ASK, "expect_files = [\"observed/changed.toml\"]\n");
    let again = run(&mut folder.authtrace(&["cases"]), PATIENCE);
    assert_eq!(again.code, Some(0), "{}", again.stdout);
    // What a person has changed stays.
    folder.home.write("work/cases/observed/new.toml", "format = 1\n[limits]\nrequests = 0\n");
    let last = run(&mut folder.authtrace(&["cases", "--update"]), PATIENCE);
    assert!(last.stderr.contains("new.toml is left as it is"), "{}", last.stderr);
    assert!(std::fs::read_to_string(folder.path("cases/observed/new.toml")).unwrap().contains("requests = 0"));
}

#[test]
fn a_case_is_run_as_often_as_is_asked_and_beside_others() {
    let folder = Folder::new();
    folder.case("good", "scenarios/good.toml", ASK, ANSWERED);
    let ended = run(&mut folder.authtrace(&["cases", "--repeat", "20", "--jobs", "4"]), PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains("20 cases: 20 passed") && ended.stdout.contains("good 20/20"), "{}", ended.stdout);
}

#[test]
fn the_users_own_settings_have_no_say() {
    let folder = Folder::new();
    folder.case("good", "scenarios/good.toml", &format!("test -z \"$MY_TOKEN\" && {ASK}"), ANSWERED);
    folder.home.write("taken", "");
    std::fs::create_dir_all(folder.home.path(".config/authtrace")).unwrap();
    folder.home.write(".config/authtrace/authtrace.toml", "nonsense = true\n");
    let mut command = folder.authtrace(&["cases"]);
    command
        .env("AUTHTRACE_LISTEN", "127.0.0.1:1")
        .env("AUTHTRACE_OUT", "taken")
        .env("MY_TOKEN", "FAKE")
        .env("AUTHTRACE_GUARD", "1");
    let ended = run(&mut command, PATIENCE);
    assert_eq!(ended.code, Some(0), "{} {}", ended.stdout, ended.stderr);
}
