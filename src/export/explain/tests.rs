use super::{Answer, json, markdown, text};
use crate::catalogue::{Code, candidates, entry, holds_credential, nearest};
use crate::export::Style;
use serde_json::Value;
use std::io;

const SCREEN: Style = Style { color: false, width: 80, full: false };

fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn answered(pasted: &str, write: impl FnOnce(&Answer<'_>, &mut Vec<u8>) -> io::Result<()>) -> String {
    let (candidates, nearest) = (candidates(pasted), nearest(pasted));
    let answer = Answer { candidates: &candidates, nearest: &nearest, holds_credential: holds_credential(pasted) };
    written(|out| write(&answer, out))
}

fn on_screen(pasted: &str) -> String {
    answered(pasted, |answer, out| text::answer(answer, out, SCREEN))
}

#[test]
fn one_code_on_a_screen() {
    insta::assert_snapshot!(written(|out| text::one(entry(Code::RefreshRace), out, SCREEN)));
}

#[test]
fn the_list_on_a_screen() {
    insta::assert_snapshot!(written(|out| text::list(out, SCREEN)));
}

#[test]
fn a_pasted_text_on_a_screen() {
    insta::assert_snapshot!(on_screen("API Error: 401 Invalid authentication credentials"));
}

#[test]
fn a_status_alone_on_a_screen() {
    insta::assert_snapshot!(on_screen("401"));
}

#[test]
fn an_unknown_text_on_a_screen() {
    insta::assert_snapshot!(on_screen("proxy problem"));
}

#[test]
fn one_code_as_markdown() {
    insta::assert_snapshot!(written(|out| markdown::one(entry(Code::OauthBetaHeaderMissing), out)));
}

#[test]
fn a_pasted_text_as_markdown() {
    insta::assert_snapshot!(answered("Not logged in · Please run /login", markdown::answer));
}

#[test]
fn lines_fit_the_screen_but_for_links() {
    let pictures: Vec<&str> =
        Code::ALL.iter().flat_map(|code| entry(*code).wire).map(|line| line.trim_start()).collect();
    for width in [50, 60, 80, 200] {
        let style = Style { width, ..SCREEN };
        let mut pages: Vec<String> =
            Code::ALL.iter().map(|code| written(|out| text::one(entry(*code), out, style))).collect();
        pages.push(written(|out| text::list(out, style)));
        for line in pages.iter().flat_map(|page| page.lines()) {
            let word = line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or_default();
            let long = line.chars().count() > width.min(80);
            // A long word, a link or a command is not broken, and a picture keeps its columns.
            let whole = word + 12 > width || line.contains("`") || pictures.contains(&line.trim_start());
            assert!(!long || whole, "{width}: {line}");
        }
    }
}

#[test]
fn commands_stay_on_one_line() {
    for code in Code::ALL {
        let shown = written(|out| text::one(entry(*code), out, SCREEN));
        let odd = shown.lines().find(|line| line.matches('`').count() % 2 == 1);
        assert_eq!(odd, None, "{code}");
    }
}

#[test]
fn a_credential_is_noted_and_not_shown() {
    let pasted = "API Error: Headers.append: \"Bearer sk-ant-oat01-FAKEfakeFAKEfakeFAKE\"";
    let shown = [on_screen(pasted), answered(pasted, markdown::answer), answered(pasted, json::answer)];
    for shown in &shown {
        assert!(!shown.contains("FAKEfake"), "{shown}");
    }
    assert!(shown[0].contains("replace it") && shown[1].contains("replace it"));
    assert!(shown[2].contains("\"holds_credential\": true"));
}

#[test]
fn programs_get_every_entry_whole() {
    let list: Value = serde_json::from_str(&written(json::list)).unwrap();
    let entries = list["entries"].as_array().unwrap();
    assert_eq!(entries.len(), Code::ALL.len());
    for one in entries {
        let code: Code = one["code"].as_str().unwrap().parse().unwrap();
        let alone: Value = serde_json::from_str(&written(|out| json::one(entry(code), out))).unwrap();
        assert_eq!(&alone["entry"], one);
        assert_eq!(one["remedy"][0], entry(code).remedy[0]);
        assert!(one["class"].is_string() && one["family"].is_string() && one["wire"].is_array(), "{one}");
    }
    let race = entries.iter().find(|one| one["code"] == "refresh-race").unwrap();
    assert_eq!(race["evidence"][0]["url"], "https://github.com/anthropics/claude-code/issues/25609");
    assert_eq!(race["versions"][0]["fixed_in"], "2.1.81");
}

#[test]
fn programs_get_the_candidates_of_a_text() {
    let answer: Value = serde_json::from_str(&answered("invalid x-api-key", json::answer)).unwrap();
    assert_eq!(answer["candidates"][0]["code"], "api-key-invalid");
    assert_eq!(answer["candidates"][0]["fit"], "named");
    assert_eq!(answer["next"][0], "authtrace run -- claude");
}
