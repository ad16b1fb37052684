//! Expectations and cases: the mistake has a place, and what is read can be held against any trace.

use super::scenario::readable;
use authtrace::analyze::{Diagnosis, Survey, diagnose};
use authtrace::check::{Expectations, deny, evaluate, flow_of, learn, read};
use authtrace::import::har;
use authtrace::redact::Redactor;
use authtrace::{case, check};
use std::sync::{Arc, OnceLock};

/// A trace with a refusal, a renewal and another refusal in it.
const CASE: &[u8] = include_bytes!("../../../tests/data/cases/exp-headless-loop.har");

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match read("a file", text) {
        Ok(expectations) => hold(&expectations),
        Err(error) => readable(&error.to_string()),
    }
    match case::read("a file", text) {
        Ok(case) => {
            if let Some(expectations) = &case.expected {
                hold(expectations);
            }
        }
        Err(error) => readable(&error.to_string()),
    }
    if text.len() < 300 {
        for short in [Some(deny(text)), flow_of(text)] {
            if let Some(Err(error)) = short {
                readable(&error.to_string());
            }
        }
    }
}

fn hold(expectations: &Expectations) {
    let (survey, diagnosis) = seen();
    let report = evaluate(survey, diagnosis, expectations);
    assert_eq!(report, evaluate(survey, diagnosis, expectations));
}

fn seen() -> &'static (Survey, Diagnosis) {
    static SEEN: OnceLock<(Survey, Diagnosis)> = OnceLock::new();
    SEEN.get_or_init(|| {
        let imported = har::read(CASE, &Arc::new(Redactor::plain())).expect("a good HAR");
        let survey: Survey = imported.records.into_iter().collect();
        let diagnosis = diagnose(&survey);
        let learnt = learn(&survey, &diagnosis);
        let learnt = check::read("learnt", &learnt).expect("what is learnt can be read");
        let report = evaluate(&survey, &diagnosis, &learnt);
        assert!(report.held(), "a trace does not keep what was learnt of it");
        (survey, diagnosis)
    })
}
