//! What is done with the records of a trace, wherever they come from.

use super::secret::Dice;
use authtrace::analyze::{Diagnosis, Survey, diagnose};
use authtrace::export::{self, Style};
use authtrace::trace::{self, Record};
use std::collections::BTreeSet;

/// What is written is read back as it was, and written again as it was.
pub fn assert_round_trip(records: &[Record]) {
    for record in records {
        let written = serde_json::to_string(record).expect("serialises");
        let mut line = Vec::new();
        trace::write(record, &mut line).expect("is written");
        assert_eq!(String::from_utf8_lossy(&line), written, "the line is not what serde makes of the record");
        let read: Record = serde_json::from_str(&written).expect("what is written can be read");
        assert_eq!(serde_json::to_string(&read).expect("serialises"), written);
        assert_eq!(&read, record);
    }
}

/// Any records have a verdict whose evidence is there; the order of lines says nothing; every report can be written, and
/// none of them holds a control character.
pub fn assert_told(records: &[Record], dice: &mut Dice) {
    let survey: Survey = records.iter().cloned().collect();
    let diagnosis = diagnose(&survey);
    let ids: BTreeSet<u64> = survey.exchanges().iter().map(|exchange| exchange.id).collect();
    for finding in &diagnosis.findings {
        assert!(finding.exchanges.iter().all(|id| ids.contains(id)), "{finding:?}");
    }
    if ids.len() == survey.exchanges().len() && are_unlike(&survey) && is_one_trace(records) {
        let mut turned: Vec<Record> = records.to_vec();
        let by = dice.roll(0..turned.len().max(1));
        turned.rotate_left(by);
        if dice.roll(0..2) == 0 {
            turned.reverse();
        }
        let turned: Survey = turned.into_iter().collect();
        assert_eq!(facts(&diagnosis), facts(&diagnose(&turned)), "the order of lines matters");
    }
    reports(&survey, &diagnosis);
}

/// Connections are told apart by their numbers.
fn are_unlike(survey: &Survey) -> bool {
    let ids: BTreeSet<u64> = survey.connections().iter().map(|connection| connection.id).collect();
    ids.len() == survey.connections().len()
}

/// Of two heads, or two ends, the last one counts: turned, that is another trace.
fn is_one_trace(records: &[Record]) -> bool {
    let heads = records.iter().filter(|record| matches!(record, Record::Trace(_))).count();
    let ends = records.iter().filter(|record| matches!(record, Record::End(_))).count();
    heads <= 1 && ends <= 1
}

/// All but the names of credentials, which follow the order of lines.
fn facts(diagnosis: &Diagnosis) -> String {
    let findings = diagnosis.findings.iter();
    let findings = findings.map(|one| (one.code, one.confidence, one.recovered, one.severity, one.exchanges.clone()));
    let verdict = &diagnosis.verdict;
    format!("{:?}", (verdict.code, verdict.confidence, verdict.recovered, findings.collect::<Vec<_>>()))
}

fn reports(survey: &Survey, diagnosis: &Diagnosis) {
    let style = Style::default();
    let mut pages: Vec<Vec<u8>> = vec![Vec::new(); 5];
    export::text::report(survey, diagnosis, &mut pages[0], style).expect("into memory");
    export::markdown::report(survey, diagnosis, &mut pages[1]).expect("into memory");
    export::html::report(survey, diagnosis, &mut pages[2]).expect("into memory");
    export::svg::report(survey, diagnosis, &mut pages[3]).expect("into memory");
    export::json::report(survey, diagnosis, &mut pages[4]).expect("into memory");
    for page in pages {
        let page = String::from_utf8(page).expect("reports are UTF-8");
        assert!(!page.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "a control character: {page:?}");
    }
}
