//! Failures that people met, as captures of other tools, and the verdict of each.

use authtrace::analyze::{self, Diagnosis, Survey, Verdict};
use authtrace::catalogue::{Class, Code};
use authtrace::import::har;
use authtrace::redact::Redactor;
use std::collections::BTreeMap;
use std::fmt;
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

/// Two lines about a case that did not get its verdict.
pub(crate) fn miss(name: &str, right: &[Code], verdict: &Verdict) -> String {
    let wanted: Vec<&str> = right.iter().map(|code| code.as_str()).collect();
    let Verdict { code, confidence, summary, .. } = verdict;
    format!("  {name}: {code} ({confidence:?}) instead of {}\n      {summary}\n", wanted.join(" or "))
}

/// How often which verdict was given where which one is wanted.
#[derive(Default)]
struct Confusion(BTreeMap<Code, BTreeMap<Code, usize>>);

impl Confusion {
    fn add(&mut self, wanted: Code, given: Code) {
        *self.0.entry(wanted).or_default().entry(given).or_default() += 1;
    }
}

impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<40} cases  right  taken for", "wanted")?;
        for (wanted, given) in &self.0 {
            let cases: usize = given.values().sum();
            let right = given.get(wanted).copied().unwrap_or_default();
            let others = given.iter().filter(|(code, _)| *code != wanted);
            let others: Vec<String> = others.map(|(code, count)| format!("{code} {count}×")).collect();
            writeln!(f, "{:<40} {cases:>5}  {right:>5}  {}", wanted.as_str(), others.join(", "))?;
        }
        Ok(())
    }
}

#[test]
fn known_failures_get_their_verdict() {
    let (mut right, mut table, mut alarms) = (0, String::new(), Vec::new());
    let mut confusion = Confusion::default();
    let cases = cases();
    for case in &cases {
        let (_, diagnosis) = diagnose(&case.har);
        let verdict = &diagnosis.verdict;
        // Where two answers are right, the one that was given counts for itself.
        let wanted = case.right.iter().find(|code| **code == verdict.code).or(case.right.first()).unwrap();
        confusion.add(*wanted, verdict.code);
        if case.right.contains(&verdict.code) {
            right += 1;
        } else {
            table.push_str(&miss(&case.name, &case.right, verdict));
        }
        let harmless = case.right.iter().any(|code| code.class() == Class::Label);
        if harmless && verdict.code.class() == Class::Failure && !case.right.contains(&verdict.code) {
            alarms.push(case.name.clone());
        }
    }
    println!("{confusion}\n{right} of {} cases; the others:\n{table}", cases.len());
    assert!(right >= WANTED, "{right} of {} cases; the others:\n{table}", cases.len());
    assert_eq!(alarms, Vec::<String>::new(), "called failures of authentication although they are none");
}
