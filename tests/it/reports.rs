//! Reports of real traces and of captures of other tools.

use super::cases::{Case, cases};
use super::schema::mismatch;
use super::support::program::Home;
use authtrace::analyze::{Survey, diagnose};
use authtrace::export::{Style, json, markdown, text};
use authtrace::redact::{Options, Redactor};
use authtrace::trace::Reader;
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// A capture of another tool, as the reports see it. The key is its own, so that fingerprints are the same each time.
fn survey(har: &[u8]) -> Survey {
    let redactor = Redactor::new(Options::default().with_key([7; 32])).unwrap();
    authtrace::import::har::read(har, &Arc::new(redactor)).unwrap().records.into_iter().collect()
}

fn case(name: &str) -> Survey {
    survey(&cases().into_iter().find(|case| case.name == name).unwrap().har)
}

fn text_of(survey: &Survey, width: usize) -> String {
    let mut out = Vec::new();
    text::report(survey, &diagnose(survey), &mut out, Style { width, ..Style::default() }).unwrap();
    String::from_utf8(out).unwrap()
}

fn markdown_of(survey: &Survey) -> String {
    let mut out = Vec::new();
    markdown::report(survey, &diagnose(survey), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json_of(survey: &Survey) -> Value {
    let mut out = Vec::new();
    json::report(survey, &diagnose(survey), &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_capture_of_another_tool_is_reported_as_such() {
    for name in ["exp-headless-loop", "race-two-tmux"] {
        let survey = case(name);
        insta::assert_snapshot!(format!("text_{name}"), text_of(&survey, 80));
        insta::assert_snapshot!(format!("markdown_{name}"), markdown_of(&survey));
    }
}

#[test]
fn every_report_for_programs_follows_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export/report.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    for Case { name, har, .. } in cases() {
        let report = json_of(&survey(&har));
        assert_eq!(mismatch(&schema, &schema, &report), None, "{name}");
        assert_eq!(report["source"]["from"], "imported", "{name}");
        for key in ["verdict", "findings", "lineage", "receipt", "source", "left_out"] {
            let mut without = report.clone();
            without.as_object_mut().unwrap().remove(key);
            assert!(mismatch(&schema, &schema, &without).is_some(), "{name} does not need its {key}");
        }
    }
}

#[test]
fn every_case_fits_the_screen_and_the_form() {
    let mut too_wide = Vec::new();
    for Case { name, har, .. } in cases() {
        let survey = survey(&har);
        for width in [80, 120] {
            let shown = text_of(&survey, width);
            let first = shown.lines().next().unwrap();
            assert!(first.contains(diagnose(&survey).verdict.code.as_str()), "{name}: {first}");
            let wide = shown.lines().filter(|line| line.chars().count() > width);
            // An id or a command has to stay in one piece.
            let wide = wide.filter(|line| line.split_whitespace().all(|word| word.chars().count() < 40));
            too_wide.extend(wide.map(|line| format!("{name}, {width} columns: {line}")));
        }
        let form = markdown_of(&survey);
        for field in ["What's Wrong?", "What Should Happen?", "Steps to Reproduce", "Claude Code Version", "Platform"] {
            assert!(form.contains(&format!("### {field}\n\n")), "{name}: no {field}");
        }
        assert!(form.chars().count() < markdown::MOST_CHARACTERS, "{name}");
    }
    assert!(too_wide.is_empty(), "{}", too_wide.join("\n"));
}

/// `authtrace report`, on a case.
fn report(home: &Home, arguments: &[&str]) -> Command {
    let har = cases().into_iter().find(|case| case.name == "race-two-tmux").unwrap().har;
    let file = home.path("race.har");
    fs::write(&file, har).unwrap();
    let mut command = home.authtrace();
    command.arg("report").arg(file).args(arguments);
    command
}

#[test]
fn a_full_disk_is_named_and_a_closed_pipe_is_no_failure() {
    let home = Home::new();
    for format in ["text", "md", "json"] {
        if let Ok(full) = File::options().write(true).open("/dev/full") {
            let ended = report(&home, &["--format", format]).stdout(full).output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert_eq!(ended.status.code(), Some(125), "{said}");
            assert!(said.contains("cannot write the report to standard output"), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = report(&home, &["--format", format]).stdout(writer).output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
    }
}

#[test]
fn many_kinds_of_failure_are_shown_in_part_unless_all_are_asked_for() {
    let trace = |lines: u64| -> Survey {
        let head = r#"{"record":"trace","format":"authtrace/1.0","tool":"authtrace 0.1.0","os":"linux x86_64",
            "started":"2026-11-20T11:14:02.000Z","intercept":[]}"#;
        let refused = (1..=lines).map(|id| {
            let mut exchange = serde_json::json!({
                "record": "exchange", "id": id, "connection": 1, "lane": "main", "at": "2026-11-20T11:14:03.000Z",
                "request": {"method": "POST", "scheme": "https", "host": "api.anthropic.com", "port": 443,
                    "path": "/v1/messages", "version": "HTTP/1.1", "headers": [], "body_bytes": 0},
                "response": {"status": 401, "version": "HTTP/1.1", "headers": [], "body_bytes": 0},
                "timing": {"send_us": 0, "total_us": 9, "added_us": 0}, "origin": "upstream", "end": {"outcome": "complete"},
            });
            exchange["error"] = serde_json::json!({"shape": "api", "type": format!("error_{}", "x".repeat(id as usize)),
                "tone": "auth"});
            exchange
        });
        let lines = std::iter::once(head.replace('\n', "")).chain(refused.map(|line| line.to_string()));
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        Survey::read(Reader::new(text.as_bytes()).unwrap())
    };
    let shown = |survey: &Survey, full: bool| {
        let mut out = Vec::new();
        text::report(survey, &diagnose(survey), &mut out, Style { full, ..Style::default() }).unwrap();
        String::from_utf8(out).unwrap()
    };
    let kinds = |text: &str| text.lines().filter(|line| line.starts_with("✗ 401")).count();
    let (few, many) = (trace(12), trace(30));
    assert_eq!((kinds(&shown(&few, false)), kinds(&shown(&many, false)), kinds(&shown(&many, true))), (12, 12, 30));
    assert!(shown(&many, false).contains("… 18 more failures of 18 other kinds, shown with --full"));
}
