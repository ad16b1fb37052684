//! `authtrace explain` as a user runs it, and the page of the documentation that comes from the same source.

use crate::support::program::{Ended, Home, run};
use authtrace::catalogue::Code;
use authtrace::export::explain::markdown;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn explain(arguments: &[&str]) -> Ended {
    let home = Home::new();
    run(home.authtrace().arg("explain").args(arguments), PATIENCE)
}

/// With this on standard input, through a pipe.
fn explain_piped(arguments: &[&str], input: &[u8]) -> Ended {
    let home = Home::new();
    let mut command = home.authtrace();
    command.arg("explain").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn a_code_is_explained_however_it_is_spelled() {
    for name in ["refresh-race", "REFRESH_RACE", " `refresh-race`"] {
        let ended = explain(&[name]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(ended.stdout.starts_with("refresh-race\n"), "{}", ended.stdout);
        assert!(ended.stdout.contains("What to do") && ended.stdout.contains("2.1.211"), "{}", ended.stdout);
    }
}

#[test]
fn every_code_can_be_asked_for() {
    let list = explain(&[]);
    assert_eq!(list.code, Some(0));
    for code in Code::ALL {
        assert!(list.stdout.lines().any(|line| line.split_whitespace().next() == Some(code.as_str())), "{code}");
    }
}

#[test]
fn a_pasted_text_gets_candidates_and_the_next_command() {
    for arguments in [&["Not logged in · Please run /login"][..], &["Not", "logged", "in"]] {
        let ended = explain(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let first = ended.stdout.lines().nth(1).unwrap_or_default();
        assert!(first.trim_start().starts_with("no-authenticated-request"), "{}", ended.stdout);
        assert!(ended.stdout.contains("authtrace run -- claude"), "{}", ended.stdout);
    }
}

#[test]
fn a_text_can_come_through_a_pipe() {
    let body = br#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#;
    for arguments in [&["-"][..], &[]] {
        let ended = explain_piped(arguments, body);
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("api-key-invalid"), "{}", ended.stdout);
    }
    let odd = explain_piped(&["-"], b"\xff\xfe 401 \x00\x1b[2J");
    assert_eq!(odd.code, Some(0));
    assert!(odd.stdout.contains("access-token-expired-not-refreshed") && !odd.stdout.contains('\u{1b}'));
}

#[test]
fn a_name_that_is_none_is_wrong_usage_and_the_near_ones_are_named() {
    let ended = explain(&["refresh-rase"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("refresh-race") && ended.stderr.lines().count() == 1, "{}", ended.stderr);
}

#[test]
fn an_unknown_text_says_what_to_paste_instead() {
    let ended = explain(&["the thing does not work"]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.contains("API Error") && ended.stdout.contains("authtrace run -- claude"), "{}", ended.stdout);
}

#[test]
fn a_credential_in_the_text_is_never_shown() {
    let secret = "sk-ant-oat01-FAKEfakeFAKEfakeFAKEfakeFAKEfake";
    for format in ["text", "md", "json"] {
        let pasted = format!("API Error: Headers.append: \"Bearer {secret}\" is an invalid header value");
        for ended in [explain(&["--format", format, &pasted]), explain(&["--format", format, secret])] {
            let shown = format!("{}{}", ended.stdout, ended.stderr);
            assert!(!shown.contains("FAKEfake"), "{shown}");
        }
        let ended = explain_piped(&["--format", format], pasted.as_bytes());
        assert!(ended.stdout.contains("credential") && !ended.stdout.contains("FAKEfake"), "{}", ended.stdout);
    }
}

#[test]
fn programs_read_what_they_are_given() {
    for arguments in [&["refresh-race"][..], &["API Error: 401"], &[]] {
        let ended = explain(&[&["-f", "json"], arguments].concat());
        let value: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(value["format"], "authtrace-explain/1");
    }
}

#[test]
fn the_documentation_says_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/failures.md");
    let mut page = Vec::new();
    markdown::page(&mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    if std::env::var_os("AUTHTRACE_UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "docs/failures.md is old: AUTHTRACE_UPDATE_DOCS=1 cargo test --test it explain";
    assert!(kept == page, "{hint}");
    let anchors: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(anchors.len(), Code::ALL.len());
    for link in page.split("](#").skip(1) {
        let target = link.split(')').next().unwrap_or_default();
        assert!(anchors.contains(&target), "{target} has no entry");
    }
}
