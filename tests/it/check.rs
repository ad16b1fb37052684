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
