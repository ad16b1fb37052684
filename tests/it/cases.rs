//! Failures that people met, as captures of other tools, and the verdict of each.

use authtrace::analyze::{self, Diagnosis, Survey};
use authtrace::catalogue::{Class, Code};
use authtrace::import::har;
use authtrace::redact::Redactor;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many of the cases have to get their verdict.
const WANTED: usize = 100;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) har: Vec<u8>,
    /// The verdict wanted, and others that are right, too.
    pub(crate) right: Vec<Code>,
}

pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases");
    let expected: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let read = |(name, codes): (&String, &Vec<String>)| Case {
        name: name.clone(),
        har: fs::read(har_of(&folder, name)).unwrap(),
        right: codes.iter().map(|code| code.parse().unwrap()).collect(),
    };
    expected.iter().map(read).collect()
}

fn har_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.har"))
}

pub(crate) fn diagnose(har: &[u8]) -> (Survey, Diagnosis) {
    let imported = har::read(har, &Arc::new(Redactor::plain())).unwrap();
    let mut survey = Survey::default();
    for record in &imported.records {
        survey.take(record);
    }
    let diagnosis = analyze::diagnose(&survey);
    (survey, diagnosis)
}

#[test]
fn known_failures_get_their_verdict() {
    let (mut right, mut table, mut alarms) = (0, String::new(), Vec::new());
    let cases = cases();
    for case in &cases {
        let (_, diagnosis) = diagnose(&case.har);
        let verdict = &diagnosis.verdict;
        if case.right.contains(&verdict.code) {
            right += 1;
        } else {
            let wanted: Vec<&str> = case.right.iter().map(|code| code.as_str()).collect();
            writeln!(
                table,
                "  {}: {} ({:?}) instead of {}\n      {}",
                case.name,
                verdict.code,
                verdict.confidence,
                wanted.join(" or "),
                verdict.summary
            )
            .unwrap();
        }
        let harmless = case.right.iter().any(|code| code.class() == Class::Label);
        if harmless && verdict.code.class() == Class::Failure && !case.right.contains(&verdict.code) {
            alarms.push(case.name.clone());
        }
    }
    println!("{right} of {} cases; the others:\n{table}", cases.len());
    assert!(right >= WANTED, "{right} of {} cases; the others:\n{table}", cases.len());
    assert_eq!(alarms, Vec::<String>::new(), "called failures of authentication although they are none");
}
