//! What is set where nobody looks, and what must not be shown of it.

use super::*;

fn sets(names: &[&str]) -> Settings {
    Settings {
        path: "~/.claude/settings.json".to_owned(),
        managed: false,
        api_key_helper: false,
        overrides: names.iter().map(|name| (*name).to_owned()).collect(),
        problem: None,
    }
}

#[test]
fn a_proxy_of_a_settings_file_is_not_overlooked() {
    let mut facts = healthy();
    assert_eq!(statuses(&facts, "env.proxy"), [Status::Ok]);
    facts.environment.settings = vec![sets(&["NO_PROXY"])];
    assert_eq!(statuses(&facts, "env.proxy"), [Status::Ok]);
    facts.environment.settings = vec![sets(&["HTTPS_PROXY", "NO_PROXY"])];
    assert_eq!(statuses(&facts, "env.proxy"), [Status::Note]);
    assert!(found(&facts, "env.proxy")[0].1.contains("~/.claude/settings.json sets one"));
}

#[test]
fn nor_are_its_certificates() {
    let mut facts = healthy();
    assert_eq!(statuses(&facts, "trust.variables"), [Status::Ok]);
    facts.environment.settings = vec![sets(&["NODE_EXTRA_CA_CERTS"])];
    assert_eq!(statuses(&facts, "trust.variables"), [Status::Note]);
    assert!(found(&facts, "trust.variables")[0].1.contains("~/.claude/settings.json sets NODE_EXTRA_CA_CERTS"));
}

#[test]
fn a_credential_in_a_variable_for_something_else_is_not_shown() {
    let token = made_up("sk-ant-oat01-");
    let parent: ParentEnvironment = [
        ("HOME", "/nonexistent"),
        ("HTTPS_PROXY", &token),
        ("NO_PROXY", &format!("*,{token}")),
        ("NODE_EXTRA_CA_CERTS", &format!("/{token}")),
        ("SSL_CERT_FILE", "-----BEGIN PRIVATE KEY-----FAKE"),
        ("ANTHROPIC_BASE_URL", &format!("https://{token}.example")),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    let mut facts = healthy();
    facts.environment = look::environment(&parent, std::path::Path::new("/nonexistent"), &Redactor::plain());
    let examination = examine(&facts);
    let mut shown = Vec::new();
    text::write(&examination, &mut shown, Style { width: 400, ..Style::default() }).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.matches("‹a credential›").count() >= 3 && shown.contains("the text of a PEM file"), "{shown}");
    for text in [shown, serde_json::to_string(&examination.checks).unwrap()] {
        assert!(!text.to_ascii_lowercase().contains("fake"), "{text}");
    }
}
