//! The schema beside the types.

use crate::check::format::File;

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    let mut schema = schemars::schema_for!(File);
    schema.insert("title".to_owned(), "Expectations of authtrace, format 1".into());
    let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check/schema.json");
    if std::env::var_os("AUTHTRACE_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == generated, "src/check/schema.json is out of date; AUTHTRACE_UPDATE_SCHEMA=1 writes it anew");
}

#[test]
fn the_page_names_every_key() {
    let page = include_str!("../../../docs/expectations.md");
    let schema: serde_json::Value = serde_json::to_value(schemars::schema_for!(File)).unwrap();
    let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let keys = tables.filter_map(|table| table["properties"].as_object()).flat_map(serde_json::Map::keys);
    let missing: Vec<_> =
        keys.filter(|key| !["`", "[", "{ "].iter().any(|before| page.contains(&format!("{before}{key}")))).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn every_example_of_the_page_is_read() {
    let page = include_str!("../../../docs/expectations.md");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 4);
    for example in examples {
        // Parts of a file go without its head.
        let text = if example.starts_with("format") { example.to_owned() } else { format!("format = 1\n{example}") };
        crate::check::read("example.toml", &text).unwrap_or_else(|error| panic!("{example}\n{error}"));
    }
}
