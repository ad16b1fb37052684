//! `diff` and `check --baseline` as a CI job uses them: exit codes, forms, where input comes from.

use super::support::program::Home;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A trace of a scenario that the built-in client plays.
fn played(home: &Home, name: &str, scenario: &[&str]) -> PathBuf {
    let trace = home.path(name);
    let made = home.authtrace().arg("demo").args(scenario).arg("--out").arg(&trace).output().unwrap();
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

fn diff(home: &Home, before: &Path, after: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    output(home.authtrace().arg("diff").args([before, after]).args(more))
}

#[test]
fn two_runs_of_one_scenario_are_the_same() {
    let home = Home::new();
    let (one, other) = (played(&home, "one.jsonl", &["healthy"]), played(&home, "other.jsonl", &["healthy"]));
    let (code, out, err) = diff(&home, &one, &other, &["--exit-code"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("the same auth flow: ") && out.lines().count() == 1, "{out}");
    let (code, out, _) = diff(&home, &one, &other, &["--format", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["format"], &told["same"]), (Some(0), &"authtrace-diff/1".into(), &true.into()));
    let (code, out, _) = output(home.authtrace().arg("check").arg(&other).arg("--baseline").arg(&one));
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("✓ no regression against "), "{out}");
}

#[test]
fn what_is_worse_decides_the_exit_code() {
    let home = Home::new();
    let (good, bad) = (played(&home, "good.jsonl", &["healthy"]), played(&home, "bad.jsonl", &[]));
    let (code, out, _) = diff(&home, &good, &bad, &[]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("✗ verdict: the verdict is fresh-token-rejected (it was healthy)"), "{out}");
    assert_eq!(diff(&home, &good, &bad, &["--exit-code"]).0, Some(1));
    let (code, out, _) = diff(&home, &bad, &good, &["--exit-code"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("no regression") && out.contains("mended"), "{out}");
    let (code, out, _) = diff(&home, &good, &bad, &["--exit-code", "--format", "md"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("### Two auth flows compared") && out.contains("- verdict: "), "{out}");
    let (_, out, _) = diff(&home, &good, &bad, &["--format", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    let kinds: Vec<&str> =
        told["regressions"].as_array().unwrap().iter().filter_map(|one| one["kind"].as_str()).collect();
    assert!(kinds.contains(&"verdict") && kinds.contains(&"refused"), "{kinds:?}");
}

#[test]
fn a_baseline_is_an_expectation_like_others() {
    let home = Home::new();
    let (good, bad) = (played(&home, "good.jsonl", &["healthy"]), played(&home, "bad.jsonl", &[]));
    let check = |more: &[&str]| output(home.authtrace().arg("check").arg(&bad).arg("--baseline").arg(&good).args(more));
    let (code, out, _) = check(&["--expect", "POST /v1/messages 401"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("✓ a flow of 1 step")
            && out.contains("✗ no regression against ")
            && out.contains("good.jsonl (verdict)"),
        "{out}"
    );
    assert!(out.contains("the verdict is fresh-token-rejected"), "{out}");
    let (_, out, _) = check(&["--format", "json"]);
    assert!(out.contains("\"kind\": \"baseline\""), "{out}");
    // A good trace that was cut off says nothing about what is gone.
    let whole = std::fs::read_to_string(&good).unwrap();
    let torn: String =
        whole.lines().filter(|line| !line.contains("\"record\":\"end\"")).map(|line| format!("{line}\n")).collect();
    let torn = home.write("torn.jsonl", &torn);
    let (code, out, _) = output(home.authtrace().arg("check").arg(&good).arg("--baseline").arg(torn));
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("the baseline is not whole") && out.contains("it has no end"), "{out}");
}

#[test]
fn a_har_and_standard_input_are_read_as_well() {
    let home = Home::new();
    let trace = played(&home, "trace.jsonl", &["healthy"]);
    let har = home.path("same.har");
    let made =
        home.authtrace().arg("report").arg(&trace).args(["--format", "har", "--out"]).arg(&har).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let mut child =
        home.authtrace().arg("diff").arg(&har).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&std::fs::read(&trace).unwrap()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert!(text(&ended.stdout).starts_with("the same auth flow: "), "{}", text(&ended.stdout));
    let (code, _, err) = diff(&home, Path::new("-"), Path::new("-"), &[]);
    assert_eq!(code, Some(2));
    assert!(err.contains("name a file for one of them"), "{err}");
    let (code, _, err) = diff(&home, &home.path("none.jsonl"), &trace, &[]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("none.jsonl"), "{err}");
}
