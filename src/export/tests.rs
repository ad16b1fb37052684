use super::{Style, json, live, markdown, summary, text};
use crate::analyze::fixture::{self, records, survey};
use crate::analyze::{Labels, Survey};

const WIDE: Style = Style { color: false, width: 120, full: false };
const NARROW: Style = Style { color: false, width: 80, full: false };

fn stories() -> [(&'static str, String); 5] {
    [
        ("healthy", fixture::healthy()),
        ("refused_after_refresh", fixture::refused_after_refresh()),
        ("untrusted", fixture::untrusted()),
        ("two_lanes", fixture::two_lanes()),
        ("empty", fixture::empty()),
    ]
}

fn text_of(survey: &Survey, style: Style) -> String {
    let mut out = Vec::new();
    text::report(survey, &mut out, style).unwrap();
    String::from_utf8(out).unwrap()
}

fn markdown_of(survey: &Survey) -> String {
    let mut out = Vec::new();
    markdown::report(survey, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json_of(survey: &Survey) -> serde_json::Value {
    let mut out = Vec::new();
    json::report(survey, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn closing_of(survey: &Survey, explain: &[String]) -> String {
    let mut out = Vec::new();
    summary::closing(survey, "/home/dev/.local/state/authtrace/run 1.jsonl", explain, WIDE, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn live_of(lines: &str, style: Style) -> String {
    let mut labels = Labels::default();
    let shown = records(lines).iter().filter_map(|record| live::line(record, &mut labels, style)).collect::<Vec<_>>();
    shown.join("\n")
}

#[test]
fn on_a_screen() {
    for (name, lines) in stories() {
        insta::assert_snapshot!(format!("text_{name}"), text_of(&survey(&lines), WIDE));
    }
}

#[test]
fn on_a_narrow_screen() {
    insta::assert_snapshot!(text_of(&survey(&fixture::refused_after_refresh()), NARROW));
}

#[test]
fn in_an_issue() {
    for (name, lines) in stories() {
        insta::assert_snapshot!(format!("markdown_{name}"), markdown_of(&survey(&lines)));
    }
}

#[test]
fn while_it_runs() {
    let mut shown = String::new();
    for lines in [fixture::refused_after_refresh(), fixture::untrusted(), fixture::two_lanes_records()] {
        for style in [WIDE, NARROW] {
            shown.push_str(&live_of(&lines, style));
            shown.push_str("\n\n");
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn at_the_end_of_a_run() {
    let mut shown = String::new();
    for (_, lines) in stories() {
        shown.push_str(&closing_of(&survey(&lines), &[]));
        shown.push('\n');
    }
    shown.push_str(&closing_of(&survey(&fixture::empty()), &["no connection came: NO_PROXY covers the API".to_owned()]));
    insta::assert_snapshot!(shown);
}

#[test]
fn for_programs() {
    insta::assert_snapshot!(format!("{:#}", json_of(&survey(&fixture::refused_after_refresh()))));
}
