//! What people and programs read of broken flows.

use crate::analyze::Survey;
use crate::check::Report;
use crate::check::tests::broken::broken;
use crate::check::tests::story::{CONTRACT, check, healed, message, trace, tunnel};
use crate::export::Style;

fn human(survey: &Survey, report: &Report) -> String {
    let mut out = Vec::new();
    super::report(survey, report, &mut out, Style::default()).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_miss_is_explained() {
    for one in broken() {
        insta::assert_snapshot!(one.name, human(&one.survey(), &one.report()));
    }
}

#[test]
fn what_holds_is_a_line_each() {
    let survey = trace(healed());
    insta::assert_snapshot!("held", human(&survey, &check(&survey, CONTRACT)));
}

#[test]
fn programs_read_the_same() {
    let one = broken().remove(0);
    let mut out = Vec::new();
    let survey = one.survey();
    let judged = Some(super::Judged::new(&survey, &crate::analyze::diagnose(&survey), one.report()));
    let checked = vec![super::Checked { judged, ..super::Checked::default() }];
    super::json::write(&super::Suite { name: "x".to_owned(), checked, took: std::time::Duration::ZERO }, &mut out)
        .unwrap();
    insta::assert_snapshot!("json", String::from_utf8(out).unwrap());
}

#[test]
fn a_trace_that_proves_nothing_says_so() {
    let whole = crate::check::tests::story::lines([message(0.0, "3f9c21ab", 200)], Some(0));
    let unread = crate::analyze::fixture::survey(&(whole.clone() + &tunnel("github.com")));
    let torn =
        crate::analyze::fixture::survey(&whole.lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    let stray = "format = 1\n[hosts]\nany = [\"api.anthropic.com\"]\n";
    insta::assert_snapshot!("unobserved", human(&unread, &check(&unread, stray)));
    insta::assert_snapshot!("torn", human(&torn, &check(&torn, stray)));
}

#[test]
fn the_schemas_in_the_repository_are_those_of_the_types() {
    use super::json::{CheckedPage, SuitePage};
    use schemars::generate::SchemaSettings;
    let generator = || SchemaSettings::draft2020_12().for_serialize().into_generator();
    let schemas = [
        ("check", generator().into_root_schema_for::<CheckedPage<'static>>()),
        ("test", generator().into_root_schema_for::<SuitePage<'static>>()),
    ];
    for (name, mut schema) in schemas {
        schema.insert("title".to_owned(), format!("What authtrace made of expectations, authtrace-{name}/1").into());
        let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let file = format!("src/export/check/{name}.schema.json");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        if std::env::var_os("AUTHTRACE_UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &generated).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == generated, "{file} is out of date; AUTHTRACE_UPDATE_SCHEMA=1 writes it anew");
    }
}
