//! JUnit XML, as Jenkins, GitLab and most other CI systems read it.
//!
//! A case of `test` is a testsuite; under `check` and `run`, where there is one trace, a file of expectations is one, and so
//! are the short forms of an option and what is expected of every trace. A testcase is one expectation.

use super::folders::{Folders, place_in_file};
use super::plain::{failure_of, group, lines, one_line};
use super::suite::{Checked, Failure, FailureKind, Judged, Suite, Told};
use crate::check::{Miss, Outcome};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::HashSet;
use std::io::{self, Write};

/// What a failure beside the expectations is called.
const RUN: &str = "it runs to its end";

/// Writes the result as JUnit XML.
///
/// # Errors
/// When the writer fails.
pub fn write(suite: &Suite, folders: &Folders, out: &mut impl Write) -> io::Result<()> {
    let mut report = Report::new(one_line(&suite.name));
    report.set_time(suite.took);
    for one in &suite.checked {
        report.add_test_suites(suites(one, folders));
    }
    report.serialize(&mut *out).map_err(io::Error::other)
}

fn suites(one: &Checked, folders: &Folders) -> Vec<TestSuite> {
    let outcomes: Vec<(&Outcome, &Told)> = one.judged.iter().flat_map(Judged::outcomes).collect();
    let mut groups: Vec<String> = match &one.name {
        Some(name) => vec![one_line(name)],
        None => outcomes.iter().map(|(outcome, _)| group(outcome)).collect(),
    };
    let mut seen = HashSet::new();
    groups.retain(|name| seen.insert(name.clone()));
    if groups.is_empty() {
        groups.push(one_line(one.file.as_deref().unwrap_or("the command")));
    }
    let mut suites: Vec<TestSuite> = groups
        .iter()
        .map(|name| {
            let mut suite = TestSuite::new(name.as_str());
            let mut names = HashSet::new();
            for (outcome, told) in &outcomes {
                if one.name.is_some() || group(outcome) == *name {
                    suite.add_test_case(of_outcome(outcome, told, &mut names, folders));
                }
            }
            suite
        })
        .collect();
    if let Some(first) = suites.first_mut() {
        // Once: dashboards add up what the suites took.
        first.set_time(one.took);
        describe(first, one, folders);
    }
    suites
}

fn describe(suite: &mut TestSuite, one: &Checked, folders: &Folders) {
    if let Some(failure) = failure_of(one) {
        suite.add_test_case(of_failure(&failure, one, folders));
    }
    if let Some(judged) = &one.judged {
        suite.add_property(("verdict", judged.verdict.as_str()));
        suite.add_property(("verdict.summary", one_line(&judged.summary).as_str()));
    }
    if let Some(trace) = &one.trace {
        suite.add_property(("trace", one_line(trace).as_str()));
    }
    if !one.output.is_empty() {
        suite.set_system_out(lines(&one.output));
    }
}

fn of_outcome(outcome: &Outcome, told: &Told, names: &mut HashSet<String>, folders: &Folders) -> TestCase {
    let status = outcome.miss.as_ref().map_or_else(TestCaseStatus::success, |miss| missed(miss, told));
    let mut case = TestCase::new(name(outcome, names), status);
    case.set_classname(group(outcome));
    if let Some(source) = place_in_file(outcome) {
        case.extra.insert("file".into(), one_line(&folders.within(&source.name)).into());
    }
    if let Some(exchange) = outcome.miss.as_ref().and_then(|miss| miss.exchange) {
        case.add_property(("exchange", exchange.to_string().as_str()));
    }
    if let Some(id) = &told.request_id {
        case.add_property(("request-id", one_line(id).as_str()));
    }
    case
}

/// A name that no other of its suite has: CI systems know an expectation again by it.
fn name(outcome: &Outcome, names: &mut HashSet<String>) -> String {
    let plain = one_line(&outcome.expected);
    let line = outcome.source.as_ref().map(|source| format!("{plain} (line {})", source.place.line));
    let numbered = (2_u32..).map(|number| format!("{plain} ({number})"));
    let mut candidates = std::iter::once(plain.clone()).chain(line).chain(numbered);
    let free = candidates.find(|name| !names.contains(name)).unwrap_or_default();
    names.insert(free.clone());
    free
}

fn missed(miss: &Miss, told: &Told) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type(miss.kind.as_str()).set_message(one_line(&miss.message)).set_description(lines(&told.text));
    status
}

fn of_failure(failure: &Failure, one: &Checked, folders: &Folders) -> TestCase {
    let mut status = match failure.kind {
        FailureKind::Timeout | FailureKind::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
        FailureKind::NotRun => TestCaseStatus::skipped(),
    };
    status.set_type(failure.kind.as_str()).set_message(one_line(&failure.message));
    if failure.kind != FailureKind::NotRun {
        status.set_description(lines(&failure.message));
    }
    let mut case = TestCase::new(RUN, status);
    case.set_classname(one_line(one.file.as_deref().unwrap_or(RUN)));
    if let Some(file) = failure.source.as_ref().map(|source| &source.name).or(one.file.as_ref()) {
        case.extra.insert("file".into(), one_line(&folders.within(file)).into());
    }
    case
}
