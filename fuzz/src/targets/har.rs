//! HAR files of other tools, torn ones too.

use super::secret::{Dice, assert_hidden, has_mark, redactor};
use super::told;
use authtrace::analyze::Survey;
use authtrace::export;
use authtrace::import::{Imported, har};
use authtrace::trace::Record;
use serde_json::json;

pub fn run(data: &[u8]) {
    if has_mark(data) {
        assert_hidden(data, |data| read(data).map(|imported| text(&imported.records)).unwrap_or_default());
    }
    let Some(imported) = read(data) else { return };
    told::assert_round_trip(&imported.records);
    told::assert_told(&imported.records, &mut Dice::of(data));
    comes_back(imported.records.into_iter().collect());
}

fn read(data: &[u8]) -> Option<Imported> {
    match har::read(data, &redactor()) {
        Ok(imported) => Some(imported),
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() < 300 && !said.chars().any(char::is_control), "{said}");
            None
        }
    }
}

fn text(records: &[Record]) -> String {
    records.iter().map(|record| serde_json::to_string(record).expect("serialises") + "\n").collect()
}

/// What authtrace writes as HAR it reads back as the same trace.
fn comes_back(before: Survey) {
    let written = written(&before);
    let after = har::read(written.as_slice(), &redactor()).expect("our own HAR");
    let after: Survey = after.records.into_iter().collect();
    assert_eq!(everything(&before), everything(&after));
}

fn written(survey: &Survey) -> Vec<u8> {
    let mut out = Vec::new();
    export::har::write(survey, &mut out).expect("into memory");
    out
}

fn everything(survey: &Survey) -> String {
    json!({
        "head": survey.head(), "exchanges": survey.exchanges(), "connections": survey.connections(),
        "notes": survey.notes(), "gaps": survey.gaps(), "end": survey.end(),
        "unfinished": survey.unfinished().collect::<Vec<_>>(),
    })
    .to_string()
}
