//! The known failures, each a HAR of its own.

use super::{export, import, survey};
use crate::cases::cases;
use authtrace::analyze::diagnose;
use authtrace::trace::Record;

/// Every case: its name and its text.
pub(super) fn all() -> impl Iterator<Item = (String, Vec<u8>)> {
    let cases = cases();
    assert!(cases.len() > 100, "{}", cases.len());
    cases.into_iter().map(|case| (case.name, case.har))
}

#[test]
fn every_entry_of_every_case_is_read_and_no_credential_of_it_is_left() {
    for (name, text) in all() {
        let raw: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let imported = import(&text);
        assert_eq!(imported.unread, [], "{name}");
        let entries = raw["log"]["entries"].as_array().unwrap();
        let opened =
            |entry: &&serde_json::Value| entry["request"]["method"] == "CONNECT" && entry["response"]["status"] == 200;
        let exchanges = imported.records.iter().filter(|record| matches!(record, Record::Exchange(_))).count();
        assert_eq!(exchanges, entries.len() - entries.iter().filter(opened).count(), "{name}");
        let text = serde_json::to_string(&imported.records).unwrap();
        assert!(!text.contains("FAKE"), "{name}: {text}");
    }
}

#[test]
fn no_verdict_changes_on_the_way_out_and_back() {
    for (name, text) in all() {
        let before = survey(&text);
        let after = survey(&export(&before));
        let (before, after) = (diagnose(&before), diagnose(&after));
        assert_eq!(
            serde_json::to_value(before.verdict).unwrap(),
            serde_json::to_value(after.verdict).unwrap(),
            "{name}"
        );
        assert_eq!(
            serde_json::to_value(before.findings).unwrap(),
            serde_json::to_value(after.findings).unwrap(),
            "{name}"
        );
    }
}
