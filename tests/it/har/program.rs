//! The program itself with HAR files, packed or not, whole or not.

use super::tools;
use crate::support::program::Home;
use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Exit code, standard output, standard error.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

fn firefox(home: &Home) -> PathBuf {
    home.write("firefox.har", std::str::from_utf8(&tools::file("firefox")).unwrap())
}

#[test]
fn report_takes_a_har_in_every_format() {
    let home = Home::new();
    let file = firefox(&home);
    for (format, part) in [
        ("text", "HAR of Firefox 142.0.1"),
        ("md", "captured by `Firefox 142.0.1` (HAR)"),
        ("json", "\"tool\": \"Firefox\""),
        ("har", "\"name\":\"authtrace\""),
    ] {
        let (code, out, err) = run(home.authtrace().arg("report").arg(&file).args(["--format", format]));
        assert_eq!((code, err.as_str()), (0, ""), "{format}");
        assert!(out.contains(part), "{format}: {out}");
    }
}

#[test]
fn packed_files_and_standard_input_are_read_alike() {
    let home = Home::new();
    let har = tools::file("chrome");
    std::fs::write(home.path("x"), packed(&har)).unwrap();
    let (code, of_file, _) = run(home.authtrace().args(["report", "--format", "md"]).arg(home.path("x")));
    assert!(code == 0 && of_file.contains("WebInspector"), "{of_file}");
    for text in [har.clone(), packed(&har)] {
        let mut child = home
            .authtrace()
            .args(["report", "-", "--format", "md"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&text).unwrap();
        let out = child.wait_with_output().unwrap();
        // The key of the fingerprints is another one in each run.
        assert_eq!(out.stdout.len(), of_file.len());
    }
}

#[test]
fn a_trace_becomes_a_har_and_stays_the_same_trace() {
    let home = Home::new();
    let (trace, har, packed_trace) = (home.path("demo.jsonl"), home.path("demo.har"), home.path("demo.gz"));
    let (code, ..) = run(home.authtrace().args(["demo", "--out"]).arg(&trace));
    assert_eq!(code, 0);
    let (code, ..) = run(home.authtrace().arg("report").arg(&trace).args(["--format", "har", "--out"]).arg(&har));
    assert_eq!(code, 0);
    std::fs::write(&packed_trace, packed(&std::fs::read(&trace).unwrap())).unwrap();
    let report = |file: &PathBuf| -> Value {
        let (code, out, err) = run(home.authtrace().arg("report").arg(file).args(["--format", "json"]));
        assert_eq!((code, err.as_str()), (0, ""));
        serde_json::from_str(&out).unwrap()
    };
    let before = report(&trace);
    assert_eq!(report(&har), before);
    assert_eq!(report(&packed_trace), before);
    assert!(before["exchanges"].as_array().unwrap().len() >= 5);
}

#[test]
fn what_cannot_be_read_is_told_by_name_and_place() {
    let home = Home::new();
    for (text, part) in [
        ("", "the file is empty"),
        ("{\"a\": 1}", "neither a trace of authtrace nor a HAR"),
        ("GIF89a", "neither a trace of authtrace nor a HAR"),
        ("{\"entries\": []}", "line 1, column 1: \"entries\" stands on the outermost level"),
        ("[{}]", "line 1, column 1: a list, where a HAR is an object"),
        ("{\"record\":\"trace\",\"format\":\"authtrace/9.0\"}", "a newer authtrace can read it"),
        ("{\"record\":\"exchange\"}", "is not the head of a trace"),
    ] {
        let file = home.write("some file", text);
        for command in ["report", "scrub"] {
            let (code, out, err) = run(home.authtrace().arg(command).arg(&file));
            assert_eq!((code, out.as_str()), (2, ""), "{text}");
            let clean = command == "scrub" && text.contains("record");
            let part = if clean { "clean already" } else { part };
            assert!(err.contains("some file") && err.contains(part), "{err}");
        }
    }
    let (code, _, err) = run(home.authtrace().args(["report", "no such file"]));
    assert!(code == 2 && err.contains("cannot open no such file"), "{err}");
    let (code, _, err) = run(home.authtrace().arg("report").arg(home.path("work")));
    assert!(code == 2 && err.contains("cannot read"), "{err}");
}

#[test]
fn of_a_torn_har_the_report_says_what_is_missing() {
    let home = Home::new();
    let text = String::from_utf8(tools::file("firefox")).unwrap();
    let cut = text.match_indices("\"startedDateTime\"").nth(3).unwrap().0;
    let file = home.write("torn.har", &text[..cut]);
    let (code, out, _) = run(home.authtrace().arg("report").arg(&file));
    assert_eq!(code, 0);
    assert!(out.contains("#2") && !out.contains("#3"), "{out}");
    assert!(out.split_whitespace().collect::<Vec<_>>().join(" ").contains("this entry is not whole"), "{out}");
}

#[test]
fn scrub_writes_a_clean_har_and_says_what_it_did() {
    let home = Home::new();
    let file = home.write("chrome.har", std::str::from_utf8(&tools::file("chrome")).unwrap());
    let clean = home.path("clean.har");
    let (code, out, err) = run(home.authtrace().arg("scrub").arg(&file).arg("--out").arg(&clean));
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("5 entries, 6 different credentials, now fingerprints"), "{err}");
    assert!(err.contains("1 entry left out: the browser answered them from its cache"), "{err}");
    let written = std::fs::read_to_string(&clean).unwrap();
    assert!(!written.replace("req_011FAKEfixture", "").contains("FAKE"), "{written}");
    let har: Value = serde_json::from_str(&written).unwrap();
    let first = &har["log"]["entries"][0];
    assert_eq!(first["response"]["status"], 401);
    assert_eq!(first["request"]["url"], "https://api.anthropic.com/v1/messages?beta=true");
    assert!(first["_initiator"].is_null() && first["response"]["content"]["text"].is_null());
    let (code, out, _) = run(home.authtrace().arg("scrub").arg(&file));
    assert!(code == 0 && out.starts_with("{\"log\":"), "{out}");
}

#[test]
fn scrub_never_overwrites_what_it_reads() {
    let home = Home::new();
    let file = firefox(&home);
    let before = std::fs::read(&file).unwrap();
    let link = home.path("link.har");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for out in [&file, &link] {
        let (code, _, err) = run(home.authtrace().arg("scrub").arg(&file).arg("--out").arg(out));
        assert!(code == 2 && err.contains("give --out another name"), "{err}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
}
