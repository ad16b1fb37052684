//! Reports of real traces and of captures of other tools.

use super::cases::{Case, cases};
use super::schema::mismatch;
use authtrace::analyze::{Survey, diagnose};
use authtrace::export::{Style, json, markdown, text};
use authtrace::redact::{Options, Redactor};
use serde_json::Value;
use std::fs;
use std::path::Path;
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
