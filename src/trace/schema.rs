//! The JSON Schema of the trace format: made from the types, kept beside them as `schema.json`.
//! `AUTHTRACE_UPDATE_SCHEMA=1 cargo test --lib trace::schema` writes it anew.

use super::Record;
use std::fs;
use std::path::Path;

fn generated() -> String {
    let mut schema = schemars::schema_for!(Record);
    schema.insert("title".to_owned(), "One line of an authtrace trace".into());
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/trace/schema.json");
    if std::env::var_os("AUTHTRACE_UPDATE_SCHEMA").is_some() {
        fs::write(&path, generated()).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == generated(), "src/trace/schema.json is out of date; AUTHTRACE_UPDATE_SCHEMA=1 writes it anew");
}
