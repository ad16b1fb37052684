//! The picture and the page of every known failure, and of traces that are long, foreign or hostile.

use crate::cases::cases;
use authtrace::analyze::{Survey, diagnose};
use authtrace::export::{html, svg};
use authtrace::import::har;
use authtrace::redact::Redactor;
use serde_json::{Value, json};
use std::sync::Arc;

const START: i64 = 1_795_173_242_000;

fn picture(survey: &Survey) -> String {
    let mut out = Vec::new();
    svg::report(survey, &diagnose(survey), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn page(survey: &Survey) -> String {
    let mut out = Vec::new();
    html::report(survey, &diagnose(survey), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Keeps what was made for somebody to look at it, if `AUTHTRACE_PICTURES` names a folder.
fn keep(name: &str, text: &str) {
    if let Some(folder) = std::env::var_os("AUTHTRACE_PICTURES") {
        std::fs::write(std::path::Path::new(&folder).join(name), text).unwrap();
    }
}

/// A request for messages, so many milliseconds after the beginning.
fn entry(ms: i64, token: &str, status: u16) -> Value {
    let at = authtrace::trace::Timestamp::from_unix_ms(START + ms).to_string();
    let text = if status == 401 {
        r#"{"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired."}}"#
    } else {
        "{}"
    };
    json!({
        "startedDateTime": at, "time": 900,
        "request": {
            "method": "POST", "url": "https://api.anthropic.com/v1/messages?beta=true", "httpVersion": "HTTP/1.1",
            "headers": [
                {"name": "authorization", "value": format!("Bearer sk-ant-oat01-FAKE{token}")},
                {"name": "anthropic-beta", "value": "oauth-2025-04-20"},
            ],
        },
        "response": {
            "status": status, "httpVersion": "HTTP/1.1", "headers": [{"name": "content-type", "value": "application/json"}],
            "content": {"mimeType": "application/json", "text": text},
        },
        "timings": {"send": 1, "wait": 800, "receive": 99},
    })
}

fn survey(entries: Vec<Value>) -> Survey {
    let har =
        json!({"log": {"version": "1.2", "creator": {"name": "mitmproxy", "version": "11.0"}, "entries": entries}});
    let imported = har::read(har.to_string().as_bytes(), &Arc::new(Redactor::plain())).unwrap();
    imported.records.into_iter().collect()
}

/// So many requests over some days, with nights, with as many tokens, of which some are refused now and then.
fn long(exchanges: i64, tokens: i64) -> Survey {
    let entries = (0..exchanges).map(|n| {
        let night = n * 4 / exchanges * 14 * 3_600_000;
        let token = format!("{:0>90}", n * tokens / exchanges);
        entry(n * 9_137 + night, &token, if n % 83 == 80 { 401 } else { 200 })
    });
    survey(entries.collect())
}

#[test]
fn every_case_has_a_picture() {
    for case in cases() {
        let (name, imported) = (case.name, har::read(case.har.as_slice(), &Arc::new(Redactor::plain())).unwrap());
        let survey: Survey = imported.records.into_iter().collect();
        let text = picture(&survey);
        keep(&format!("{name}.svg"), &text);
        assert!(!text.contains("FAKE"), "{name}");
        let text = page(&survey);
        keep(&format!("{name}.html"), &text);
        assert!(!text.contains("FAKE"), "{name}");
    }
}

#[test]
fn a_long_trace_has_one_of_bounded_size() {
    for (tokens, name) in [(1, "long-one-token"), (9, "long-nine-tokens"), (200, "long-many-tokens")] {
        let survey = long(3_000, tokens);
        keep(&format!("{name}.html"), &page(&survey));
        let text = picture(&survey);
        keep(&format!("{name}.svg"), &text);
        assert!(text.len() < 600_000, "{}", text.len());
    }
    keep("empty.svg", &picture(&survey(vec![])));
    keep("empty.html", &page(&survey(vec![])));
}

/// In a real browser, if `AUTHTRACE_CHROMIUM` names one: the policy lets the page's own style and script run, and neither
/// page nor picture has anything to complain of.
#[test]
fn a_browser_shows_the_page_without_a_complaint() {
    let Some(chromium) = std::env::var_os("AUTHTRACE_CHROMIUM") else {
        println!("skipped: AUTHTRACE_CHROMIUM is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let survey = long(120, 3);
    for (name, text) in [("page.html", page(&survey)), ("picture.svg", picture(&survey))] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let shown = std::process::Command::new(&chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
            .args(["--disable-component-update", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"])
            .args(["--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg(format!("file://{}", path.display()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&shown.stderr);
        assert!(!said.contains("CONSOLE"), "{name}: {said}");
        let document = String::from_utf8_lossy(&shown.stdout);
        assert!(document.contains("</svg>"), "{name}: {document}");
        assert!(name != "page.html" || document.contains("120 shown</output>"), "the script has not run");
    }
}
