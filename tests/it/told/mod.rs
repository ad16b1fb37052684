//! Captures told in a few lines each, written from descriptions of the failures and of the client's traffic without
//! looking at the rules: `tests/data/told/*.txt`.
//!
//! A case begins with `== NAME`. `~` tells what its reporter saw, `want` names the verdicts that are right, `sure` that a
//! reader of the capture would be sure of it, `client` the version and `agent` the program that asks. Every other line
//! is a request: `TIME [PROCESS] CALL [CREDENTIAL…] -> ANSWER [| OPTION…]`; what the words stand for is in
//! [`vocabulary`].

mod notation;
mod vocabulary;

use crate::cases::{diagnose, miss};
use authtrace::analyze::{Confidence, Verdict};
use authtrace::catalogue::{Class, Code};
use notation::Told;
use std::fs;
use std::path::Path;

/// Of a thousand cases so many have to get their verdict.
const WANTED: usize = 950;
/// Of a thousand verdicts that are sure, so many have to be right.
const SURE: usize = 980;

pub(crate) fn told() -> Vec<Told> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/told");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| notation::read(&fs::read_to_string(file).unwrap())).collect()
}

/// Counts of one run over all cases.
#[derive(Default)]
struct Tally {
    all: usize,
    right: usize,
    sure: usize,
    sure_and_right: usize,
    table: String,
    alarms: Vec<String>,
    /// Cases of which a reader would be sure and the verdict is not.
    hesitant: Vec<String>,
}

impl Tally {
    fn add(&mut self, case: &Told, verdict: &Verdict) {
        let right = case.right.contains(&verdict.code);
        let sure = verdict.confidence == Confidence::High;
        self.all += 1;
        self.right += usize::from(right);
        self.sure += usize::from(sure);
        self.sure_and_right += usize::from(sure && right);
        if !right {
            self.table.push_str(&miss(&case.name, &case.right, verdict));
        }
        let harmless = case.right.iter().any(|code| code.class() == Class::Label);
        if harmless && verdict.code.class() == Class::Failure && !right {
            self.alarms.push(case.name.clone());
        }
        if right && case.sure && !sure {
            self.hesitant.push(format!("{} ({:?})", case.name, verdict.confidence));
        }
    }

    fn judge(&self) {
        let Self { all, right, sure, sure_and_right, table, alarms, hesitant } = self;
        println!("{right} of {all} right, {sure_and_right} of {sure} sure ones; the others:\n{table}");
        println!("not sure although a reader would be: {hesitant:?}");
        assert!(*all > 180 && *sure > 90, "too few to judge: {all}, {sure} sure");
        assert!(right * 1_000 >= all * WANTED, "{right} of {all}; the others:\n{table}");
        assert!(sure_and_right * 1_000 >= sure * SURE, "{sure_and_right} of {sure} sure ones; the others:\n{table}");
        assert!(alarms.is_empty(), "called failures of authentication although they are none: {alarms:?}");
    }
}

#[test]
fn told_cases_get_their_verdict() {
    let mut tally = Tally::default();
    for case in told() {
        tally.add(&case, &diagnose(&case.har(true)).1.verdict);
    }
    tally.judge();
}

/// Most tools do not tell which connection or process an exchange belongs to.
#[test]
fn told_cases_get_their_verdict_where_the_tool_names_no_connections() {
    let mut tally = Tally::default();
    for case in told() {
        tally.add(&case, &diagnose(&case.har(false)).1.verdict);
    }
    tally.judge();
}

#[test]
fn every_failure_and_label_has_two_cases() {
    let cases = told();
    for code in Code::ALL.iter().filter(|code| code.class() != Class::Observation) {
        let count = cases.iter().filter(|case| case.right.first() == Some(code)).count();
        assert!(count >= 2, "{code}: {count}");
    }
}
