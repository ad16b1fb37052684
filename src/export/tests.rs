use super::{Style, json, live, markdown, summary, text};
use crate::analyze::fixture::{self, records, survey};
use crate::analyze::{Survey, diagnose};
use std::path::Path;

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
    text::report(survey, &diagnose(survey), &mut out, style).unwrap();
    String::from_utf8(out).unwrap()
}

fn markdown_of(survey: &Survey) -> String {
    let mut out = Vec::new();
    markdown::report(survey, &diagnose(survey), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json_of(survey: &Survey) -> serde_json::Value {
    let mut out = Vec::new();
    json::report(survey, &diagnose(survey), &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn closing_of(survey: &Survey, explain: &[String], style: Style) -> String {
    let trace = Path::new("/home/dev/.local/state/authtrace/run 1.jsonl");
    summary::closing(survey, &diagnose(survey), trace, explain, &[], None, style)
}

/// As the recorder hands records over that come slowly: one by one.
fn live_of(lines: &str, style: Style) -> String {
    let mut watch = live::Watch::new(style);
    let records = records(lines);
    let shown: Vec<String> = records.iter().flat_map(|record| watch.take(std::slice::from_ref(record))).collect();
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
fn what_comes_thick_and_fast_is_looked_through_in_a_pause() {
    let mut watch = live::Watch::new(WIDE);
    watch.take(&records(&fixture::long(640, 641)));
    let story = records(&fixture::refused_after_refresh());
    let meanwhile: Vec<String> = story.iter().flat_map(|record| watch.take(std::slice::from_ref(record))).collect();
    assert!(meanwhile.len() >= 6 && !meanwhile.concat().contains('✗'), "{meanwhile:#?}");
    let then = watch.take(&[]);
    assert!(then.concat().contains('✗'), "{then:#?}");
    assert!(watch.take(&[]).is_empty());
}

#[test]
fn at_the_end_of_a_run() {
    let mut shown = String::new();
    for style in [WIDE, NARROW] {
        for (_, lines) in stories() {
            shown.push_str(&closing_of(&survey(&lines), &[], style));
            shown.push('\n');
        }
    }
    let explain = ["no connection came: NO_PROXY covers the API".to_owned()];
    shown.push_str(&closing_of(&survey(&fixture::empty()), &explain, NARROW));
    insta::assert_snapshot!(shown);
}

#[test]
fn the_lines_at_the_end_break_between_words_and_are_few() {
    for (name, lines) in stories() {
        let shown = closing_of(&survey(&lines), &[], NARROW);
        let (last, others) = shown.lines().collect::<Vec<_>>().split_last().map(|(l, o)| (*l, o.to_vec())).unwrap();
        assert!(last.starts_with("  → authtrace report "), "{name}: a command stays in one piece");
        assert!(others.iter().all(|line| line.chars().count() <= NARROW.width), "{name}: {shown}");
        assert!(others.len() <= 12, "{name}: {shown}");
    }
}

#[test]
fn for_programs() {
    insta::assert_snapshot!(format!("{:#}", json_of(&survey(&fixture::refused_after_refresh()))));
}

#[test]
fn an_issue_never_takes_more_than_github_allows() {
    for refused_every in [1, 4, 5_000] {
        let text = markdown_of(&survey(&fixture::long(3_000, refused_every)));
        let length = text.chars().count();
        assert!(length < markdown::MOST_CHARACTERS, "{length}");
        assert!(text.contains("more exchanges"), "says what it leaves out");
        assert!(text.contains("How it was captured"), "goes on to its end");
    }
}

#[test]
fn nor_does_it_when_every_value_is_long() {
    for lines in [1, 30, 400] {
        let length = markdown_of(&survey(&fixture::fat(lines))).chars().count();
        assert!(length < markdown::MOST_CHARACTERS, "{lines} lines: {length}");
    }
}

#[test]
fn a_long_timeline_keeps_its_ends_and_its_failures() {
    let survey = survey(&fixture::long(3_000, 500));
    let rows = |text: String| {
        let (_, timeline) = text.split_once("Timeline (UTC)\n").unwrap();
        let lines = timeline.lines().take_while(|line| !line.is_empty());
        lines.filter(|line| line.contains("api.anthropic.com/v1/messages") && line.contains(" oat-")).count()
    };
    // Five failures, and the success that one of them is held against.
    assert_eq!(rows(text_of(&survey, WIDE)), 20 + 40 + 5 + 1);
    assert_eq!(rows(text_of(&survey, Style { full: true, ..WIDE })), 3_000);
}

#[test]
fn a_long_trace_of_failures_stays_a_few_screens() {
    let text = text_of(&survey(&fixture::long(3_000, 2)), WIDE);
    assert!(text.lines().count() < 250, "{} lines:\n{text}", text.lines().count());
    assert!(text.contains("more exchanges, shown with --full"));
}

#[test]
fn live_lines_and_reports_use_the_same_labels() {
    for (_, lines) in stories() {
        let whole: String = lines.lines().filter(|line| line.ends_with('}')).map(|line| format!("{line}\n")).collect();
        let shown = live_of(&whole, WIDE);
        assert!(!shown.is_empty() || lines.lines().count() == 1);
        for row in survey(&lines).credentials().iter().filter(|row| row.uses > 0) {
            assert!(shown.contains(&row.label.to_string()), "{} in {shown}", row.label);
        }
    }
}

#[test]
fn no_live_line_shifts_its_columns_or_is_wider_than_the_screen() {
    let many = fixture::join((1..=3).map(|id| {
        let sent = [fixture::access("3f9c21ab"), fixture::access("b81e07d4"), fixture::access("77aa10fe")];
        let mut exchange = fixture::refuse(fixture::message(id, "02.301", &sent[0], 401, 9), "Invalid bearer token");
        exchange["credentials"] = sent.iter().take(usize::try_from(id).unwrap()).cloned().collect();
        exchange
    }));
    for style in [WIDE, NARROW] {
        let shown = live_of(&many, style);
        let exchanges: Vec<&str> = shown.lines().filter(|line| line.starts_with("11:")).collect();
        assert_eq!(exchanges.len(), 3, "{shown}");
        let columns: Vec<_> = exchanges.iter().map(|line| line.find(" 401 ")).collect();
        assert!(columns.iter().all(|column| *column == columns[0]), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= style.width), "{shown}");
    }
}

/// The same refused token, over and over, with what a healthy client does in between.
fn refused_forever(times: u64) -> String {
    let token = fixture::access("3f9c21ab");
    let clock = |id: u64| format!("{:02}.{:03}", id / 1000, id % 1000);
    fixture::join(
        (1..=times).map(|id| fixture::refuse(fixture::message(id, &clock(id), &token, 401, 9), "Invalid bearer token")),
    )
}

#[test]
fn repetitions_are_told_at_four_and_then_at_twice_as_many() {
    let shown = live_of(&refused_forever(40), WIDE);
    let told: Vec<&str> = shown.lines().filter(|line| line.contains("same refused credential")).collect();
    let times = [4, 8, 16, 32].map(|n| format!("              ! same refused credential oat-A sent {n} times"));
    assert_eq!(told, times, "{shown}");
    assert_eq!(shown.matches("✗").count(), 1, "one finding, told once: {shown}");
}

/// More than is remembered: the count goes on, and nothing is told twice.
#[test]
fn repetitions_are_counted_over_what_is_forgotten() {
    let (refused, other) = (fixture::access("3f9c21ab"), fixture::access("0ddba11d"));
    let line = |id: u64| match id % 700 {
        0..300 => fixture::refuse(fixture::message(id, "01.000", &refused, 401, 9), "Invalid bearer token"),
        _ => fixture::message(id, "01.000", &other, 200, 9),
    };
    let shown = live_of(&fixture::join((1..4_500).map(line)), WIDE);
    let told: Vec<usize> = shown
        .lines()
        .filter(|line| line.contains("same refused credential"))
        .map(|line| line.split(' ').rev().nth(1).unwrap().replace(',', "").parse().unwrap())
        .collect();
    assert!(told.windows(2).all(|two| two[0] < two[1]) && told.last() > Some(&1_024), "{told:?}");
}

#[test]
fn no_finding_or_failed_connection_is_wider_than_the_screen() {
    for lines in [fixture::untrusted(), fixture::refused_after_refresh(), fixture::two_lanes_records()] {
        let shown = live_of(&lines, NARROW);
        assert!(shown.lines().all(|line| line.chars().count() <= NARROW.width), "{shown}");
    }
}

#[test]
fn the_end_of_a_finding_is_told() {
    let (old, new) = (fixture::access("3f9c21ab"), fixture::access("b81e07d4"));
    let mut login = fixture::message(3, "20.000", &old, 200, 9);
    login["request"]["host"] = "platform.claude.com".into();
    login["request"]["path"] = "/v1/oauth/token".into();
    login["credentials"] = serde_json::json!([]);
    login["oauth"] = serde_json::json!({"grant_type": "authorization_code", "issued": [new.clone()]});
    let revoked = |id, clock| {
        let message = "OAuth token has been revoked. Please obtain a new token.";
        fixture::refuse(fixture::message(id, clock, &old, 403, 9), message)
    };
    let story =
        fixture::join([revoked(1, "01.000"), revoked(2, "02.000"), login, fixture::message(4, "21.000", &new, 200, 9)]);
    let shown = live_of(&story, WIDE);
    let (begun, over) =
        (shown.find("✗ token-revoked: ").unwrap(), shown.find("✓ token-revoked: it works again").unwrap());
    assert!(begun < over && shown.matches("token-revoked").count() == 2, "{shown}");
}

#[test]
fn what_is_forgotten_does_not_work_again() {
    let token = fixture::access("3f9c21ab");
    let refused = |id| {
        let mut line = fixture::message(id, "01.000", &token, 401, 9);
        line["request"]["path"] = "/v1/environments/env_x/work/poll".into();
        fixture::refuse(line, "Authentication failed")
    };
    let accepted = |id| fixture::message(id, "02.000", &token, 200, 9);
    let story = [accepted(1), refused(2), accepted(3), refused(4)].into_iter().chain((5..2_500).map(accepted));
    let shown = live_of(&fixture::join(story), WIDE);
    let told: Vec<&str> = shown.lines().filter(|line| line.contains("endpoint-inconsistent-401: ")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_token_that_is_refused_again_and_again_while_it_runs() {
    let token = fixture::access("3f9c21ab");
    let mut lines = vec![fixture::message(1, "00.001", &token, 200, 9)];
    for id in 2..=9_u64 {
        let clock = format!("{id:02}.000");
        lines.push(match id {
            5 => fixture::message(id, &clock, &token, 200, 9),
            _ => fixture::refuse(fixture::message(id, &clock, &token, 401, 9), "Invalid bearer token"),
        });
    }
    insta::assert_snapshot!(live_of(&fixture::join(lines), NARROW));
}

#[test]
fn colours_come_only_when_asked_for_and_change_no_character() {
    let strip = |text: &str| anstream::adapter::strip_str(text).to_string();
    for (_, lines) in stories() {
        let survey = survey(&lines);
        let plain = text_of(&survey, WIDE);
        let coloured = text_of(&survey, Style { color: true, ..WIDE });
        assert!(!plain.contains('\u{1b}'));
        assert!(coloured.contains('\u{1b}'));
        assert_eq!(strip(&coloured), plain);
    }
}

#[test]
fn no_line_of_the_screen_is_wider_than_the_screen() {
    for (name, lines) in stories() {
        for line in text_of(&survey(&lines), WIDE).lines() {
            assert!(line.chars().count() <= WIDE.width, "{name}: {line}");
        }
    }
}

#[test]
fn the_json_report_names_its_form_and_what_is_missing() {
    for (_, lines) in stories() {
        assert_eq!(json_of(&survey(&lines))["format"], json::FORMAT);
    }
    let report = json_of(&survey(&fixture::two_lanes()));
    assert_eq!(report["left_out"]["end_missing"], true);
    assert_eq!(report["left_out"]["unfinished"][0]["id"], 6);
    assert_eq!(report["failures"][0]["credentials"][0], "ort-A");
    assert_eq!((&report["last_accepted_before"], &report["first_accepted_after"]), (&3.into(), &5.into()));
}

#[test]
fn markup_and_escapes_in_a_foreign_trace_do_nothing() {
    let hostile = "a|b `c` <img src=x> @user #1 [x](http://evil.example) \u{1b}[31m \u{202e}\nd";
    let token = fixture::access("3f9c21ab");
    let mut exchange = fixture::refuse(fixture::message(1, "02.301", &token, 401, 9), hostile);
    exchange["lane"] = hostile.into();
    exchange["request"]["path"] = format!("/v1/{hostile}").into();
    let survey = survey(&fixture::join([fixture::head(), exchange]));
    for text in [text_of(&survey, WIDE), markdown_of(&survey), closing_of(&survey, &[hostile.to_owned()], NARROW)] {
        let steering = text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
        assert!(!steering, "{text}");
    }
    let markdown = markdown_of(&survey);
    let fences: Vec<&str> = markdown.split("```").collect();
    assert_eq!(fences.len(), 3, "one block of plain text, and nothing that ends it early");
    for line in fences.iter().step_by(2).flat_map(|part| part.lines()) {
        let outside: String = line.split('`').step_by(2).collect();
        assert!(
            !outside.contains('@') && !outside.contains('<') && !outside.contains("](") && !outside.contains('#')
                || line.starts_with("### ")
                || line.starts_with("#### "),
            "{line}"
        );
        if line.starts_with('|') {
            assert!([8, 9, 10, 11, 5].contains(&line.matches('|').count()), "{line}");
        }
    }
}
