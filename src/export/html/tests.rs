use super::report;
use crate::analyze::fixture::{self, survey};
use crate::analyze::{Survey, diagnose};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Document;
use sha2::{Digest as _, Sha256};

fn written(survey: &Survey) -> String {
    let mut out = Vec::new();
    report(survey, &diagnose(survey), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What the browser shows, which is XML besides being HTML.
fn body(html: &str) -> String {
    let (_, rest) = html.split_once("<body>").unwrap();
    let (body, _) = rest.split_once("<script>").unwrap();
    format!("<body>{body}</body>")
}

#[test]
fn the_page_about_a_race() {
    let html = body(&written(&survey(&fixture::two_lanes())));
    let (before, rest) = html.split_once("<svg").unwrap();
    insta::assert_snapshot!(format!("{before}<svg…{}", rest.split_once("</svg>").unwrap().1));
}

#[test]
fn each_is_well_formed_and_loads_nothing() {
    for (name, lines) in fixture::to_be_drawn() {
        let html = written(&survey(&lines));
        let body = body(&html);
        let document = Document::parse(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut ids = std::collections::HashSet::new();
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let element = node.tag_name().name();
            assert!(
                !["script", "img", "iframe", "object", "embed", "link", "base"].contains(&element),
                "{name}: {element}"
            );
            for attribute in node.attributes() {
                let name = attribute.name();
                assert!(!name.starts_with("on") && !["src", "style", "action", "srcset"].contains(&name), "{node:?}");
                assert!(name != "href" || attribute.value().starts_with('#'), "{node:?}");
                assert!(name != "id" || ids.insert(attribute.value().to_owned()), "{node:?} is there twice");
            }
        }
        for link in document.descendants().filter_map(|node| node.attribute("href")) {
            assert!(ids.contains(&link[1..]), "{name}: {link} leads nowhere");
        }
        assert!(!html.contains("url(") && !html.contains("@import"), "{name}");
    }
}

#[test]
fn the_policy_allows_what_is_inside_and_nothing_else() {
    let html = written(&survey(&fixture::two_lanes()));
    let (_, rest) = html.split_once("http-equiv=\"Content-Security-Policy\" content=\"").unwrap();
    let policy = rest.split_once('"').unwrap().0;
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let allowed = policy.split("; ").find(|part| part.starts_with(directive)).unwrap();
        let inside: Vec<&str> = html
            .split(&format!("<{element}>"))
            .skip(1)
            .map(|rest| rest.split_once(&format!("</{element}>")).unwrap().0)
            .collect();
        assert_eq!(allowed.matches("'sha256-").count(), inside.len());
        for text in inside {
            assert!(allowed.contains(&STANDARD.encode(Sha256::digest(text))), "{element}");
        }
    }
}

#[test]
fn everything_can_be_read_without_the_script() {
    let survey = survey(&fixture::refused_after_refresh());
    let html = body(&written(&survey));
    let document = Document::parse(&html).unwrap();
    let hidden: Vec<_> = document.descendants().filter(|node| node.has_attribute("hidden")).collect();
    assert_eq!(hidden.len(), 1, "only the filters, which need it");
    assert_eq!(hidden[0].attribute("id"), Some("filters"));
    let rows = document.descendants().filter(|node| node.has_tag_name("details")).count();
    assert_eq!(rows, survey.exchanges().len());
    for part in ["Was it authtrace?", "claude-cli/", "CLAUDE_CODE_OAUTH_TOKEN", "Invalid bearer token", "req_"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn of_very_many_exchanges_the_ones_that_failed_are_kept() {
    let html = written(&survey(&fixture::long(8_000, 40)));
    assert_eq!(html.matches("<details id=").count(), super::timeline::MOST_ROWS);
    assert_eq!(html.matches(" class=\"refused").count() - html.matches("<tr class=\"refused").count(), 200);
    assert!(html.contains("This page holds 5,000 exchanges of 8,000 exchanges"));
    let gaps = html.split("<p class=\"gap\">… ").skip(1).filter_map(|rest| rest.split_once(" exchange"));
    assert_eq!(gaps.map(|(count, _)| count.replace(',', "").parse::<usize>().unwrap()).sum::<usize>(), 3_000);
    assert!(html.len() < 6_000_000, "{}", html.len());
}

#[test]
fn markup_in_a_trace_stays_text() {
    let hostile = "</summary></details></main><script>alert(1)</script><img src=x onerror='x' title=\"y\">&amp; \u{1b}[31m \u{202e}";
    let mut exchange = fixture::refuse(fixture::message(1, "02.301", &fixture::access("3f9c21ab"), 401, 9), hostile);
    exchange["lane"] = hostile.into();
    exchange["request"]["path"] = format!("/v1/{hostile}").into();
    exchange["request"]["host"] = hostile.into();
    exchange["error"]["type"] = hostile.into();
    let mut other = fixture::message(2, "03.301", &fixture::access("3f9c21ab"), 200, 9);
    other["lane"] = "other".into();
    let survey = survey(&fixture::join([fixture::head(), exchange, other]));
    let mut diagnosis = diagnose(&survey);
    diagnosis.verdict.summary = hostile.to_owned();
    for finding in &mut diagnosis.findings {
        (finding.summary, finding.remedy) = (hostile.to_owned(), hostile.to_owned());
    }
    let mut out = Vec::new();
    report(&survey, &diagnosis, &mut out).unwrap();
    let html = String::from_utf8(out).unwrap();
    assert_eq!(html.matches("<script>").count(), 1);
    let body = body(&html);
    let document = Document::parse(&body).unwrap();
    assert!(document.descendants().all(|node| !node.has_tag_name("img") && !node.has_tag_name("script")));
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("details")).count(), 2);
    assert!(!body.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'));
}
