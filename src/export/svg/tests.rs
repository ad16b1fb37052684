use super::report;
use crate::analyze::fixture::{self, survey};
use crate::analyze::{Survey, diagnose};
use roxmltree::Document;

fn drawn(survey: &Survey) -> String {
    let mut out = Vec::new();
    report(survey, &diagnose(survey), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The picture without its style sheet, which a snapshot need not repeat.
fn without_style(svg: &str) -> String {
    let (before, rest) = svg.split_once("<style>").unwrap();
    format!("{before}{}", rest.split_once("</style>\n").unwrap().1)
}

fn texts(document: &Document<'_>) -> Vec<String> {
    let texts = document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    texts.map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_refresh_and_what_came_of_it() {
    insta::assert_snapshot!(without_style(&drawn(&survey(&fixture::refused_after_refresh()))));
}

#[test]
fn two_processes_and_one_refresh_token() {
    insta::assert_snapshot!(without_style(&drawn(&survey(&fixture::two_lanes()))));
}

#[test]
fn each_is_well_formed_and_loads_nothing() {
    for (name, lines) in fixture::to_be_drawn() {
        let svg = drawn(&survey(&lines));
        let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let element = node.tag_name().name();
            assert!(
                ["svg", "title", "desc", "style", "g", "rect", "path", "text"].contains(&element),
                "{name}: {element}"
            );
            for attribute in node.attributes() {
                let known =
                    ["class", "width", "height", "viewBox", "role", "aria-label", "d", "x", "y", "rx", "text-anchor"];
                assert!(known.contains(&attribute.name()), "{name}: {}", attribute.name());
            }
        }
        assert!(!svg.contains("url(") && !svg.contains("@import"), "{name}");
    }
}

#[test]
fn nothing_stands_outside_of_the_frame_and_every_mark_has_a_name() {
    for (name, lines) in fixture::to_be_drawn() {
        let svg = drawn(&survey(&lines));
        let document = Document::parse(&svg).unwrap();
        let height: f64 = document.root_element().attribute("height").unwrap().parse().unwrap();
        for node in document.descendants() {
            let number = |name| node.attribute(name).and_then(|value: &str| value.parse::<f64>().ok());
            if let (Some(x), Some(y)) = (number("x"), number("y")) {
                let (wide, tall) = (number("width").unwrap_or(0.0), number("height").unwrap_or(0.0));
                assert!(x >= 0.0 && x + wide <= 1_200.0 && y >= 0.0 && y + tall <= height, "{name}: {node:?}");
            }
            if node.has_attribute("aria-label") && node.tag_name().name() == "g" {
                assert!(!node.attribute("aria-label").unwrap().is_empty());
            }
        }
    }
}

#[test]
fn the_verdict_its_sentence_and_every_answer_can_be_read() {
    let survey = survey(&fixture::two_lanes());
    let diagnosis = diagnose(&survey);
    let svg = drawn(&survey);
    let texts = texts(&Document::parse(&svg).unwrap());
    assert!(texts.iter().any(|text| text.contains(diagnosis.verdict.code.as_str())));
    for exchange in survey.exchanges() {
        let status = exchange.status().unwrap().to_string();
        assert!(texts.contains(&status), "{status}");
        assert!(texts.iter().any(|text| text.starts_with(&format!("#{} ", exchange.id))), "{}", exchange.id);
    }
    assert!(texts.iter().any(|text| text == "P1") && texts.iter().any(|text| text == "P2"));
}

#[test]
fn an_empty_trace_says_so() {
    assert!(drawn(&survey(&fixture::empty())).contains("Nothing to draw"));
}

#[test]
fn markup_in_a_trace_stays_text() {
    let hostile =
        "</text></title><script>alert(1)</script><a href='x' onload=\"x\">&amp;]]> \u{1b}[31m \u{202e} \u{ffff} \u{0}";
    let mut exchange = fixture::refuse(fixture::message(1, "02.301", &fixture::access("3f9c21ab"), 401, 9), hostile);
    exchange["lane"] = hostile.into();
    exchange["request"]["path"] = format!("/v1/{hostile}").into();
    exchange["request"]["method"] = hostile.into();
    let mut other = fixture::message(2, "03.301", &fixture::access("3f9c21ab"), 200, 9);
    other["lane"] = "other".into();
    let survey = survey(&fixture::join([fixture::head(), exchange, other]));
    let mut diagnosis = diagnose(&survey);
    diagnosis.verdict.summary = hostile.to_owned();
    if let Some(top) = diagnosis.findings.first_mut() {
        (top.summary, top.remedy) = (hostile.to_owned(), hostile.to_owned());
    }
    let mut out = Vec::new();
    report(&survey, &diagnosis, &mut out).unwrap();
    let svg = String::from_utf8(out).unwrap();
    let document = Document::parse(&svg).unwrap();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        assert!(!["script", "a"].contains(&node.tag_name().name()), "{node:?}");
        assert!(node.attributes().all(|attribute| !attribute.name().starts_with("on") && attribute.name() != "href"));
    }
    assert!(!svg.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}' || c == '\u{ffff}'));
    assert!(texts(&document).iter().any(|text| text.contains("<script>")), "it is shown as what it is");
}

#[test]
fn credentials_that_have_no_room_share_a_lane() {
    let svg = drawn(&survey(&fixture::long(3_000, 50)));
    let document = Document::parse(&svg).unwrap();
    let texts = texts(&document);
    let lanes = document.descendants().filter(|node| node.attribute("class") == Some("lane")).count();
    assert_eq!(lanes, 15);
    assert!(texts.iter().any(|text| text == "and 415 more credentials"), "{texts:?}");
    assert!(svg.len() < 200_000, "{}", svg.len());
}
