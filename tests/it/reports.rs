//! Reports of real traces and of captures of other tools.

use super::har::cases;
use super::schema::mismatch;
use authtrace::analyze::{Survey, diagnose};
use authtrace::export::{Style, json, markdown, text};
use authtrace::import::har;
use authtrace::redact::{Options, Redactor};
use serde_json::Value;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

/// A case of another tool's capture, as the reports see it.
fn imported(name: &str) -> Survey {
    let (_, path) = cases::all().into_iter().find(|(case, _)| case == name).unwrap();
    // A key of its own, so that fingerprints are the same each time.
    let redactor = Redactor::new(Options::default().with_key([7; 32])).unwrap();
    let file = BufReader::new(File::open(path).unwrap());
    har::read(file, &Arc::new(redactor)).unwrap().records.into_iter().collect()
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
        let survey = imported(name);
        insta::assert_snapshot!(format!("text_{name}"), text_of(&survey, 80));
        insta::assert_snapshot!(format!("markdown_{name}"), markdown_of(&survey));
    }
}

#[test]
fn every_report_for_programs_follows_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export/report.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    for (name, path) in cases::all() {
        let report = json_of(&cases::import(&path).records.into_iter().collect());
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
    for (name, path) in cases::all() {
        let survey: Survey = cases::import(&path).records.into_iter().collect();
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
