//! `check` and `run --expect` as a CI job uses them: files, exit codes, where the output goes.

use super::support::program::Home;
use serde_json::Value;
use std::process::{Command, Output};

/// What the flow of `demo` is: a 401 that a refresh does not mend.
const KEPT: &str = "format = 1\nexit_code = 1\n\n[findings]\nrequire = [\"fresh-token-rejected\"]\n\n[[flow]]\nstep = [\n  \
                    { path = \"/v1/messages\", status = 401, credential = \"$old\" },\n  { name = \"refresh\", grant = \
                    \"refresh-token\", status = 200, repeat = 1 },\n  { path = \"/v1/messages\", status = 401, credential = \
                    \"$new\", issued_by = \"refresh\", not = \"$old\" },\n]\n";

/// What it is not.
const MISSED: &str = "format = 1\nexit_code = \"any\"\n\n[[flow]]\nname = \"it works\"\nstep = [{ path = \"/v1/messages\", status = 200 }]\n";

fn traced(home: &Home) -> std::path::PathBuf {
    let trace = home.path("trace.jsonl");
    let made = home.authtrace().args(["demo", "--out"]).arg(&trace).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    trace
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), text(&stdout), text(&stderr))
}

#[test]
fn a_trace_is_held_against_a_file() {
    let home = Home::new();
    let trace = traced(&home);
    let (kept, missed) = (home.write("kept.toml", KEPT), home.write("missed.toml", MISSED));
    let check = |arguments: &[&str]| output(home.authtrace().arg("check").arg(&trace).args(arguments));
    let (code, out, err) = check(&["--expect", kept.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("✓ a flow of 3 steps") && out.contains("expectations hold"), "{out}");
    let (code, out, _) = check(&["--expect", kept.to_str().unwrap(), "--expect", missed.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("✗ it works") && out.contains("status: expected 200, found 401"), "{out}");
    let (code, out, _) = check(&["--expect", missed.to_str().unwrap(), "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["format"], &report["held"]), (Some(1), &"authtrace-check/1".into(), &false.into()));
    let rows = report["outcomes"].as_array().unwrap();
    let miss = &rows.iter().find(|row| row["held"] == false).unwrap()["miss"];
    assert_eq!((&miss["kind"], &miss["difference"]["field"]), (&"flow".into(), &"status".into()), "{miss}");
    assert!(rows.iter().all(|row| row["held"] == Value::Bool(row["miss"].is_null())), "{rows:?}");
}

#[test]
fn short_forms_need_no_file() {
    let home = Home::new();
    let trace = traced(&home);
    let code = |arguments: &[&str]| output(home.authtrace().arg("check").arg(&trace).args(arguments)).0;
    assert_eq!(code(&["--expect", "POST /v1/messages 401", "--max-auth-failures", "20"]), Some(0));
    assert_eq!(code(&["--expect", "POST /v1/messages 200"]), Some(1));
    assert_eq!(code(&["--deny", "refresh-race"]), Some(0));
    assert_eq!(code(&["--deny", "refresh-race,fresh-token-rejected"]), Some(1));
    assert_eq!(code(&["--deny", "auth-failure:high"]), Some(1));
    assert_eq!(code(&["--max-auth-failures", "0"]), Some(1));
}

#[test]
fn what_cannot_be_used_is_told_with_its_place() {
    let home = Home::new();
    let trace = traced(&home);
    let bad = home.write("bad.toml", "format = 1\n\n[limits]\nauth_failure = 1\n");
    let secret = home.write("credentials.json", "{\"accessToken\":\"sk-ant-oat01-AAAABBBBCCCCDDDD\"}");
    let check = |arguments: &[&str]| output(home.authtrace().arg("check").arg(&trace).args(arguments));
    let (code, out, err) = check(&["--expect", bad.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("bad.toml: line 4, column 1") && err.contains("^^^^^^^^^^^^ unknown field"), "{err}");
    let (code, _, err) = check(&["--expect", secret.to_str().unwrap()]);
    assert!(code == Some(2) && !err.contains("AAAA"), "{err}");
    for (arguments, expected) in [
        (&["--expect", "missing.toml"][..], "cannot read missing.toml"),
        (&["--deny", "refresh-rase"], "is refresh-race meant?"),
        (&["--expect", "POST /v1/messages 999"], "999 is no status"),
        (&[], "nothing is expected"),
    ] {
        let (code, _, err) = check(arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
}

#[test]
fn a_run_ends_as_its_expectations_say() {
    let home = Home::new();
    // Nothing goes through the proxy, which has to be allowed.
    let exit = |code: i32| format!("format = 1\nallow_empty = true\nexit_code = {code}\n");
    let (zero, three) = (home.write("zero.toml", &exit(0)), home.write("three.toml", &exit(3)));
    let run = |arguments: &[&str], command: &str| {
        output(home.authtrace().arg("run").args(arguments).args(["--", "sh", "-c", command]))
    };
    let (code, out, err) = run(&["--expect", three.to_str().unwrap()], "echo own; exit 3");
    assert_eq!((code, out.as_str()), (Some(0), "own\n"), "{err}");
    assert!(err.contains("✓ the command ends with 3"), "{err}");
    let (code, _, err) = run(&["--expect", zero.to_str().unwrap()], "exit 3");
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("✗ the command ends with 0") && err.contains("the command ended with 3"), "{err}");
    // Short forms alone leave the command its exit code, but for a miss.
    assert_eq!(run(&["--max-auth-failures", "0"], "exit 3").0, Some(1), "nothing was observed");
    let (code, _, err) = run(&["--expect", home.path("none.toml").to_str().unwrap()], "touch started");
    assert_eq!(code, Some(125), "{err}");
    assert!(!home.path("work").join("started").exists(), "the command was started before its expectations were read");
}

#[test]
fn a_run_writes_files_for_ci_and_still_says_what_came_of_it() {
    let home = Home::new();
    let file = home.write("missed.toml", MISSED);
    let run = |arguments: &[&str]| {
        let mut command = home.authtrace();
        command.args(["run", "--out", "trace.jsonl"]).args(arguments).args(["--", "sh", "-c", "touch ran; exit 3"]);
        output(&mut command)
    };
    let work = home.path("work");
    std::fs::create_dir(work.join("out")).unwrap();
    std::fs::write(work.join("junit.xml"), "what was there before, and is longer than what comes: ".repeat(1_000))
        .unwrap();
    let files =
        ["--junit", "junit.xml", "--sarif", "out/a.sarif", "--report", "tap=out/a.tap", "--report", "md=/dev/null"];
    let (code, out, err) = run(&[&["--expect", file.to_str().unwrap()], &files[..]].concat());
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("✗ it works"), "{err}");
    let junit = std::fs::read_to_string(work.join("junit.xml")).unwrap();
    let junit = roxmltree::Document::parse(&junit).unwrap();
    let failed: Vec<_> = junit.descendants().filter(|node| node.has_tag_name("failure")).collect();
    assert_eq!(
        failed.iter().filter_map(|node| node.attribute("type")).collect::<Vec<_>>(),
        ["nothing-observed", "flow"]
    );
    let sarif: Value = serde_json::from_slice(&std::fs::read(work.join("out/a.sarif")).unwrap()).unwrap();
    let place = &sarif["runs"][0]["results"][1]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "missed.toml", "a file that is not below the working folder");
    assert!(std::fs::read_to_string(work.join("out/a.tap")).unwrap().starts_with("TAP version 14\n1..3\n"));
    let left: Vec<_> = std::fs::read_dir(&work).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");

    // Told before the command is started.
    std::fs::remove_file(work.join("ran")).unwrap();
    let trace = std::fs::read(work.join("trace.jsonl")).unwrap();
    for (arguments, expected) in [
        (&["--junit", "junit.xml"][..], "nothing is expected"),
        (&["--deny", "refresh-race", "--junit", "nowhere/a.xml"], "there is no such folder"),
        (&["--deny", "refresh-race", "--junit", "out"], "that is a folder"),
        (&["--deny", "refresh-race", "--junit", "./trace.jsonl"], "another file of this command has that name"),
        (&["--deny", "refresh-race", "--junit", "a.xml", "--sarif", "out/../a.xml"], "another file of this command"),
        (&["--deny", "refresh-race", "--report", "xml=a.xml"], "the forms are junit, sarif"),
        (&["--deny", "refresh-race", "--report", "junit.xml"], "expected FORM=FILE"),
    ] {
        let (code, _, err) = run(arguments);
        assert_eq!(code, Some(125), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
    let (code, _, err) = run(&["--expect", file.to_str().unwrap(), "--sarif", file.to_str().unwrap()]);
    assert!(code == Some(125) && err.contains("another file of this command"), "{err}");
    assert!(!work.join("ran").exists(), "the command was started");
    assert_eq!(std::fs::read(work.join("trace.jsonl")).unwrap(), trace);
    assert_eq!(std::fs::read_to_string(file).unwrap(), MISSED);
}

#[test]
fn check_writes_each_form_to_where_it_is_asked_for() {
    let home = Home::new();
    let trace = traced(&home);
    let check = |arguments: &[&str]| {
        output(home.authtrace().arg("check").arg(&trace).args(["--max-auth-failures", "0"]).args(arguments))
    };
    for (form, begins) in [
        ("human", "✓ the trace is whole"),
        ("junit", "<?xml"),
        ("sarif", "{\n  \"$schema\""),
        ("github", "::error title=no auth failure::there are 3 auth failures"),
        ("tap", "TAP version 14\n1..3"),
        ("json", "{\n  \"format\": \"authtrace-check/1\""),
        ("md", "### authtrace check: ❌ 1 of 3 expectations missed"),
    ] {
        let (code, shown, err) = check(&["--format", form]);
        assert_eq!((code, err.as_str()), (Some(1), ""), "{form}");
        assert!(shown.starts_with(begins), "{shown}");
        let (code, out, err) = check(&["--format", form, "--out", "result"]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{form}");
        assert!(err.contains("result: result"), "{err}");
        let written = std::fs::read_to_string(home.path("work").join("result")).unwrap();
        // The times it took differ.
        assert_eq!(written.lines().count(), shown.lines().count(), "{form}");
        assert!(written.starts_with(begins), "{written}");
    }
    let (code, _, err) = check(&["--out", trace.to_str().unwrap()]);
    assert!(code == Some(2) && err.contains("another file of this command"), "{err}");
    let (code, _, err) = check(&["--junit", "result", "--out", "result"]);
    assert!(code == Some(2) && err.contains("another file of this command"), "{err}");
    // A pipe is written as it is.
    let (code, out, err) = check(&["--report", "json=/dev/stdout"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(out.contains("✗ no auth failure") && out.contains("\"authtrace-check/1\""), "{out}");
}

#[test]
fn github_gets_annotations_and_a_summary_by_itself() {
    let home = Home::new();
    let trace = traced(&home);
    let workspace = home.path("work");
    std::fs::create_dir(workspace.join("sub")).unwrap();
    let name = MISSED.replace("it works", "  ::set-output name=a::b%0A ]]>");
    std::fs::write(workspace.join("sub/auth.toml"), name).unwrap();
    let summary = home.write("summary.md", "of the step before\n");
    let step = |arguments: &[&str]| {
        let mut command = home.authtrace();
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", &workspace).env("GITHUB_STEP_SUMMARY", &summary);
        output(command.current_dir(workspace.join("sub")).args(arguments).args(["--expect", "auth.toml"]))
    };
    let check = ["check", trace.to_str().unwrap()];
    let (code, out, err) = step(&check);
    assert_eq!(code, Some(1), "{err}");
    assert!(out.contains("::set-output") && !out.lines().any(|line| line.trim_start().starts_with("::")), "{out}");
    let title =
        "::error file=sub/auth.toml,line=6,col=43,title=%3A%3Aset-output name=a%3A%3Ab%250A ]]>::step 1 was taken";
    assert!(err.starts_with(title) && err.lines().count() == 1, "{err}");
    let written = std::fs::read_to_string(&summary).unwrap();
    assert!(written.starts_with("of the step before\n### authtrace check: ❌ 1 of"), "{written}");

    let (_, out, err) = step(&[&check[..], &["--format", "github"]].concat());
    assert!(out.starts_with(title) && err.is_empty(), "{out}{err}");
    let run = home
        .authtrace()
        .env("GITHUB_ACTIONS", "true")
        .args(["run", "--deny", "auth-failure", "--", "echo", "own"])
        .output()
        .unwrap();
    let err = text(&run.stderr);
    assert_eq!((run.status.code(), text(&run.stdout).as_str()), (Some(1), "own\n"), "{err}");
    assert!(err.contains("\n::error title=a credential was used::no request with a credential"), "{err}");

    // A summary that is full takes nothing more, and that is no failure of the check.
    std::fs::write(&summary, "x".repeat(1024 * 1024)).unwrap();
    let (code, ..) = step(&check);
    assert_eq!((code, std::fs::metadata(&summary).unwrap().len()), (Some(1), 1024 * 1024));
    std::fs::remove_file(&summary).unwrap();
    std::fs::create_dir(&summary).unwrap();
    let (code, _, err) = step(&check);
    assert!(code == Some(1) && err.contains("the job summary could not be written"), "{err}");
}

#[test]
fn what_is_learnt_is_a_new_file_that_the_trace_keeps() {
    let home = Home::new();
    let trace = traced(&home);
    let learn = || output(home.authtrace().arg("check").arg(&trace).args(["--learn", "draft.toml"]));
    let (code, out, err) = learn();
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    assert!(err.contains("draft of expectations: draft.toml"), "{err}");
    let draft = home.path("work").join("draft.toml");
    let text = std::fs::read_to_string(&draft).unwrap();
    assert!(
        text.contains("require = [\"fresh-token-rejected\"]") && text.contains("issued_by = \"refresh\""),
        "{text}"
    );
    let (code, out, _) = output(home.authtrace().arg("check").arg(&trace).args(["--expect", "draft.toml"]));
    assert_eq!(code, Some(0), "{out}");
    std::fs::write(&draft, "mine").unwrap();
    let (code, _, err) = learn();
    assert!(code == Some(2) && err.contains("it is there already"), "{err}");
    assert_eq!(std::fs::read_to_string(draft).unwrap(), "mine");
}
