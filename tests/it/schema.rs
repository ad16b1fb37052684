//! The lines of a real trace follow the JSON Schema that is kept beside the types.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_lines_of_the_demo_follow_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/trace/schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.jsonl");
    let made = Command::new(env!("CARGO_BIN_EXE_authtrace"))
        .args(["demo", "--out"])
        .arg(&trace)
        .env("HOME", folder.path())
        .env("TMPDIR", folder.path())
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut kinds = Vec::new();
    // That a request began is told only of those that had not ended at the next write.
    let begun = r#"{"record":"request","id":1,"connection":1,"at":"2026-01-01T00:00:00.000Z","method":"GET","host":"api.anthropic.com","path":"/"}"#;
    for line in fs::read_to_string(trace).unwrap().lines().chain([begun]) {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(mismatch(&schema, &schema, &value), None);
        kinds.push(value["record"].as_str().unwrap().to_owned());
        for name in ["record", "at", "started", "opened", "lane", "timing", "format"] {
            let mut without = value.clone();
            if without.as_object_mut().unwrap().remove(name).is_some() && !(name == "at" && value["record"] == "end") {
                assert!(mismatch(&schema, &schema, &without).is_some(), "{line} does not need its {name}");
            }
        }
    }
    for kind in ["trace", "connection", "request", "exchange", "end"] {
        assert!(kinds.iter().any(|seen| seen == kind), "no {kind}");
    }
}

/// Follows what this schema uses of JSON Schema: references, types, constants, enumerations, properties, items, choices.
pub(crate) fn mismatch(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(target) = schema["$ref"].as_str() {
        let found = root.pointer(target.trim_start_matches('#'))?;
        if let Some(why) = mismatch(root, found, value) {
            return Some(why);
        }
    }
    if let Some(types) = schema.get("type") {
        let fits = |name: &str| match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            _ => false,
        };
        let names: Vec<&str> = types
            .as_str()
            .into_iter()
            .chain(types.as_array().into_iter().flatten().filter_map(Value::as_str))
            .collect();
        if !names.iter().any(|name| fits(name)) {
            return Some(format!("{value} is not of type {types}"));
        }
    }
    if schema.get("const").is_some_and(|wanted| wanted != value) {
        return Some(format!("{value} is not {}", schema["const"]));
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|allowed| !allowed.contains(value)) {
        return Some(format!("{value} is not in {}", schema["enum"]));
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            return Some(format!("{name} is missing in {value}"));
        }
    }
    for (name, part) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(why) = value.get(name).and_then(|value| mismatch(root, part, value)) {
            return Some(format!("{name}: {why}"));
        }
    }
    for one in value.as_array().into_iter().flatten() {
        if let Some(why) = schema.get("items").and_then(|items| mismatch(root, items, one)) {
            return Some(why);
        }
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(choices) = schema.get(word).and_then(Value::as_array) {
            let reasons: Vec<String> = choices.iter().filter_map(|choice| mismatch(root, choice, value)).collect();
            let fitting = choices.len() - reasons.len();
            if fitting == 0 || (word == "oneOf" && fitting > 1) {
                return Some(format!("{fitting} of the choices fit: {}", reasons.join(" | ")));
            }
        }
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        if let Some(why) = mismatch(root, part, value) {
            return Some(why);
        }
    }
    None
}
