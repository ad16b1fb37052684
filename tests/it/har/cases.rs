//! The known failures, each a HAR of its own.

use authtrace::import::{Imported, har};
use authtrace::redact::Redactor;
use authtrace::trace::Record;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every case by its name.
pub(crate) fn all() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/har/cases");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "har"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    found.sort();
    assert_eq!(found.len(), 106);
    found
}

pub(crate) fn import(path: &Path) -> Imported {
    har::read(BufReader::new(File::open(path).unwrap()), &Arc::new(Redactor::plain())).unwrap()
}

#[test]
fn every_entry_of_every_case_is_read_and_no_credential_of_it_is_left() {
    for (name, path) in all() {
        let raw: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let imported = import(&path);
        assert_eq!(imported.unread, [], "{name}");
        let entries = raw["log"]["entries"].as_array().unwrap();
        let opened = entries
            .iter()
            .filter(|entry| entry["request"]["method"] == "CONNECT" && entry["response"]["status"] == 200);
        let exchanges = imported.records.iter().filter(|record| matches!(record, Record::Exchange(_))).count();
        assert_eq!(exchanges, entries.len() - opened.count(), "{name}");
        let text = serde_json::to_string(&imported.records).unwrap();
        assert!(!text.contains("FAKE"), "{name}: {text}");
    }
}
