//! The JSON Schema of the report: made from the types, kept beside them as `report.schema.json`.
//! `AUTHTRACE_UPDATE_SCHEMA=1 cargo test --lib export::report_schema` writes it anew.

use super::json::Report;
use crate::analyze::Label;
use crate::catalogue::Code;
use crate::redact::{Credential, Fingerprint, Redacted};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::fs;
use std::path::Path;

/// Types that are written as a piece of text.
macro_rules! text {
    ($($type:ty: $schema:tt,)+) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )+};
}

text! {
    Redacted: { "type": "string" },
    Fingerprint: { "type": "string", "pattern": "^[0-9a-f]{8}$" },
    Label: { "type": "string", "pattern": "^[a-z]+-[A-Z]+$" },
    Code: { "type": "string", "pattern": "^[a-z0-9-]+$" },
    Credential: {
        "type": "object",
        "properties": {
            "kind": { "type": "string" },
            "len": { "type": ["integer", "string"] },
            "fp": { "type": "string", "pattern": "^[0-9a-f]{8}$" },
            "flags": { "type": "array", "items": { "type": "string" } },
            "prefix": { "type": "string" },
        },
        "required": ["kind", "len", "fp"],
    },
}

fn generated() -> String {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Report<'static>>();
    schema.insert("title".to_owned(), "A report of authtrace, authtrace-report/1".into());
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export/report.schema.json");
    if std::env::var_os("AUTHTRACE_UPDATE_SCHEMA").is_some() {
        fs::write(&path, generated()).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == generated(),
        "src/export/report.schema.json is out of date; AUTHTRACE_UPDATE_SCHEMA=1 writes it anew"
    );
}
