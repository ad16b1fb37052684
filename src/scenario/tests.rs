//! Files in, values or places out.

use super::*;
use crate::policy::{Then, TokenOutcome};

fn mistake(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn every_built_in_scenario_is_read_without_a_warning() {
    for one in builtins() {
        let scenario = read(one.text).unwrap_or_else(|error| panic!("{}:\n{error}", one.code));
        assert_eq!((scenario.code, scenario.against), (Some(one.code), Against::Fake));
        assert_eq!(scenario.warnings, [], "{}", one.code);
        assert!(scenario.about.is_some() && describe(&scenario).contains(one.code.as_str()));
    }
    let names: std::collections::BTreeSet<_> = builtins().iter().map(|one| one.code).collect();
    assert_eq!(names.len(), builtins().len());
}

#[test]
fn a_file_becomes_rules_and_a_client() {
    let scenario = read(builtin(crate::catalogue::Code::RefreshResultLost).unwrap().text).unwrap();
    assert_eq!((scenario.client.login, scenario.client.expires_in), (Given::File, -60));
    let rule = &scenario.script.rules[0];
    assert_eq!((rule.times, rule.when.grant), (Some(1), Some(crate::policy::Grant::RefreshToken)));
    assert!(matches!(rule.then, Then::Token(TokenOutcome::Lost(_))));
}

#[test]
fn a_mistake_is_shown_in_its_place() {
    let head = "format = 1\ntitle = \"x\"\n";
    insta::assert_snapshot!(
        [
            mistake("format = 2\ntitle = \"x\"\n"),
            mistake(&format!("{head}code = \"refresh-rase\"\n")),
            mistake(&format!("{head}[[rule]]\nanswr = 5\n")),
            mistake(&format!("{head}[[rule]]\ndelay = \"5 years\"\npass = true\n")),
            mistake(&format!("{head}[[rule]]\ncut = \"reset\"\npass = true\n")),
            mistake(&format!("{head}[[rule]]\nanswer = {{ status = 99, body = \"\" }}\n")),
            mistake(&format!("{head}[client]\nlogin = \"api-key\"\nvalue = \"sk-ant-api03-real\"\n")),
            mistake(&format!("{head}[[event]]\ndo = \"revoke\"\n")),
            mistake(&format!("{head}against = \"live\"\n[server]\nwording = \"2025\"\n")),
            mistake(&format!("{head}against = \"live\"\n[[rule]]\naccept = true\n")),
            mistake(&format!("{head}[[rule]]\ngranted = {{ lifetime = \"long\" }}\n")),
            mistake("title = "),
        ]
        .join("\n\n")
    );
}

#[test]
fn what_never_happens_is_warned_about() {
    let text = "format = 1\ntitle = \"x\"\n[[rule]]\nwhen = { path = \"/v1/messages\" }\ncut = \"reset\"\n\
                [[rule]]\nwhen = { path = \"/v1/messages\" }\npass = true\n\
                [[rule]]\nwhen = { state = \"down\" }\ncut = \"close\"\n";
    let warnings: Vec<String> = read(text).unwrap().warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n\n"));
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    let mut schema = schemars::schema_for!(format::File);
    schema.insert("title".to_owned(), "A scenario of authtrace, format 1".into());
    let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scenario/schema.json");
    if std::env::var_os("AUTHTRACE_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == generated, "src/scenario/schema.json is out of date; AUTHTRACE_UPDATE_SCHEMA=1 writes it anew");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn nor_is_a_damaged_scenario(which in 0..20_usize, at in 0..400_usize, odd in "\\PC{0,6}") {
        let text = builtins()[which].text;
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        if let Err(error) = read(&format!("{}{odd}{}", &text[..at], &text[at..])) {
            proptest::prop_assert!(error.place.line >= 1 && error.to_string().contains('^'));
        }
    }
}
