//! The debug log of Claude Code beside a trace: logs and traces that the two versions left of runs against the fake, with
//! lines that do not matter and header fields taken out, and every path changed.

mod canary;
mod real;

use super::support::program::{Home, PATIENCE, run};
use authtrace::analyze::{ClientView, Disagreement, Said, Survey, WhyNothing};
use authtrace::import::client_log;
use authtrace::redact::Redactor;
use authtrace::trace::{ClientEventKind, ClientLog, ExtraFile, KeptBecause, Reader, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};

const CASES: &[&str] = &[
    "2.1.107-invalid-grant",
    "2.1.107-refreshed",
    "2.1.107-untrusted",
    "2.1.328-error-in-stream",
    "2.1.328-invalid-grant",
    "2.1.328-kept-environment-token",
    "2.1.328-not-logged-in",
    "2.1.328-ok",
    "2.1.328-refreshed",
    "2.1.328-renewal-500",
    "2.1.328-renewal-reset",
    "2.1.328-untrusted",
];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/client_log/data").join(name)
}

fn survey(case: &str) -> Survey {
    let text = fs::read_to_string(data(&format!("{case}.jsonl"))).unwrap();
    Survey::read(Reader::new(text.as_bytes()).unwrap())
}

fn log_text(case: &str) -> String {
    fs::read_to_string(data(&format!("{case}.log"))).unwrap()
}

fn log(text: &str) -> ClientLog {
    client_log::read(text.as_bytes(), None, &Redactor::plain()).unwrap()
}

fn view_of(survey: Survey, log: ClientLog) -> ClientView {
    survey.with_client_log(log).client_view().unwrap()
}

fn view(case: &str) -> ClientView {
    view_of(survey(case), log(&log_text(case)))
}

/// The section of a report.
fn section(report: &str) -> String {
    let (_, rest) = report.split_once("What the client believed").expect("the report has the section");
    let rest = rest.trim_start_matches('\n');
    let end = rest.find("\n\n").unwrap_or(rest.len());
    rest[..end].trim_matches('\n').to_owned()
}

fn report(trace: &Path, log: &Path, format: &str) -> String {
    let home = Home::new();
    let mut command = home.authtrace();
    command.arg("report").arg(trace).arg("--client-log").arg(log).args(["--format", format]);
    let ended = run(&mut command, PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

#[test]
fn what_a_person_reads() {
    for case in CASES {
        let shown = report(&data(&format!("{case}.jsonl")), &data(&format!("{case}.log")), "text");
        insta::assert_snapshot!(format!("client_log_{case}"), section(&shown));
    }
}

#[test]
fn an_issue_and_a_program_get_the_same() {
    let (trace, log) = (data("2.1.328-renewal-500.jsonl"), data("2.1.328-renewal-500.log"));
    let issue = report(&trace, &log, "md");
    assert!(issue.contains("Claude Code shows a 401, but it began before that"), "{issue}");
    assert!(issue.contains("No. 1, No. 3, No. 6, No. 7, No. 9") && !section(&issue).contains('#'), "{issue}");
    let page = report(&trace, &log, "html");
    assert!(
        page.contains("<td>asks /v1/messages (sdk), attempt 2 of 3</td><td>#8 401 authentication_error</td>"),
        "{page}"
    );
    let json: serde_json::Value = serde_json::from_str(&report(&trace, &log, "json")).unwrap();
    let part = &json["client_log"];
    assert_eq!((&part["join"]["requests"], &part["join"]["by_id"]), (&2.into(), &2.into()));
    assert_eq!(part["disagreements"][0]["what"], "renewal_hidden");
    assert_eq!(part["disagreements"][0]["exchanges"], serde_json::json!([1, 3, 6, 7, 9]));
    assert!(part["rows"].as_array().unwrap().iter().any(|row| row["said"] == "nothing"));
}

#[test]
fn a_renewal_that_only_the_log_knows_and_lines_that_stand_twice() {
    let case = "2.1.328-renewal-reset";
    let whole = std::fs::read_to_string(data(&format!("{case}.jsonl"))).unwrap();
    let without: Vec<&str> = whole.lines().filter(|line| !line.contains("platform.claude.com")).collect();
    let log = std::fs::read_to_string(data(&format!("{case}.log"))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (trace, twice) = (folder.path().join("trace.jsonl"), folder.path().join("log"));
    std::fs::write(&trace, without.join("\n") + "\n").unwrap();
    std::fs::write(&twice, log.lines().flat_map(|line| [line, "\n", line, "\n"]).collect::<String>()).unwrap();
    let shown = section(&report(&trace, &twice, "text"));
    assert!(shown.contains("renewing its token failed. Look there"), "{shown}");
    assert!(!shown.contains("()"), "{shown}");
    // No number stands twice in one sentence.
    let json: serde_json::Value = serde_json::from_str(&report(&trace, &twice, "json")).unwrap();
    for sentence in json["client_log"]["disagreements"].as_array().unwrap() {
        let ids: Vec<u64> =
            sentence["exchanges"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64).collect();
        let different: std::collections::BTreeSet<u64> = ids.iter().copied().collect();
        assert_eq!(ids.len(), different.len(), "{sentence}");
    }
}

#[test]
fn every_request_of_a_log_is_found_by_its_id() {
    for case in CASES.iter().filter(|case| !case.ends_with("untrusted")) {
        let join = view(case).join;
        assert_eq!((join.by_id, join.by_time, join.missing), (join.requests, 0, 0), "{case}");
        let clock = view(case).clock;
        assert!(clock.is_none_or(|clock| clock.median_ms.abs() < 500), "{case} {clock:?}");
    }
}

#[test]
fn each_failed_attempt_belongs_to_the_exchange_that_failed_so() {
    for case in CASES {
        let survey = survey(case);
        for row in view(case).rows {
            let Said::Sent { failure: Some(failure), found: Some(_), .. } = &row.said else { continue };
            let exchange = survey.exchanges().iter().find(|exchange| exchange.id == row.exchanges[0]).unwrap();
            assert_eq!(failure.status, exchange.status(), "{case} {row:?}");
            if let Some(id) = &failure.request_id {
                assert!(exchange.request_ids.header.as_ref() == Some(id), "{case} {row:?}");
            }
        }
    }
}

#[test]
fn a_hidden_failure_of_the_renewal_comes_first() {
    let disagreements = view("2.1.328-renewal-reset").disagreements;
    assert!(
        matches!(&disagreements[..], [Disagreement::RenewalHidden { shown: 401, logged: true, exchanges, .. }] if exchanges.len() == 6),
        "{disagreements:?}"
    );
    let disagreements = view("2.1.107-invalid-grant").disagreements;
    assert!(
        matches!(&disagreements[..], [Disagreement::RenewalHidden { shown: 401, logged: false, exchanges, .. }] if exchanges.len() == 5),
        "{disagreements:?}"
    );
    // This version says itself that the login is over.
    assert_eq!(view("2.1.328-invalid-grant").disagreements, []);
}

#[test]
fn what_the_client_takes_for_valid_although_it_was_refused() {
    let disagreements = view("2.1.107-refreshed").disagreements;
    assert!(
        matches!(&disagreements[..], [Disagreement::TokenBelievedGood { token: Some(_), exchanges }] if exchanges.len() == 6),
        "{disagreements:?}"
    );
    assert_eq!(view("2.1.328-refreshed").disagreements, []);
    let kept = Disagreement::RefusedTokenKept { because: KeptBecause::Environment };
    assert_eq!(view("2.1.328-kept-environment-token").disagreements, [kept]);
}

#[test]
fn a_client_without_our_certificate_says_so() {
    for case in ["2.1.107-untrusted", "2.1.328-untrusted"] {
        let view = view(case);
        let found = view.disagreements.iter().any(|one| {
            matches!(one, Disagreement::CaNotLoaded { extra: ExtraFile::None, connections, .. } if connections.len() >= 10)
        });
        assert!(found, "{case} {:?}", view.disagreements);
        assert!(view.rows.iter().any(|row| matches!(&row.said, Said::Sent { found: None, failure: Some(_), .. })));
    }
    let trust = view("2.1.328-ok").trust.unwrap();
    assert_eq!(trust.extra, ExtraFile::Authtrace);
}

#[test]
fn a_log_of_something_else_is_not_joined() {
    let other = log(&log_text("2.1.107-refreshed"));
    let why = |survey: Survey, log: ClientLog| match &view_of(survey, log).disagreements[..] {
        [Disagreement::NothingJoined { why }, ..] => Some(*why),
        _ => None,
    };
    // The runs were made within a minute of each other.
    assert_eq!(why(survey("2.1.328-ok"), other.clone()), Some(WhyNothing::OtherTime));
    let mut log = log(&log_text("2.1.328-ok"));
    let id = other.events.iter().find_map(|event| match &event.kind {
        ClientEventKind::Request { client_id, .. } => client_id.clone(),
        _ => None,
    });
    for event in &mut log.events {
        if let ClientEventKind::Request { client_id, .. } = &mut event.kind {
            *client_id = id.clone();
        }
    }
    assert_eq!(why(survey("2.1.328-ok"), log.clone()), Some(WhyNothing::OtherRequests));
    log.events.retain(|event| !matches!(event.kind, ClientEventKind::Request { .. }));
    assert_eq!(why(survey("2.1.328-ok"), log.clone()), Some(WhyNothing::NoRequests));
    assert_eq!(why(Survey::default(), log), Some(WhyNothing::EmptyTrace));
}

#[test]
fn without_ids_path_and_time_decide() {
    let whole = log_text("2.1.328-refreshed");
    let text = whole.lines().map(|line| match line.split_once(" x-client-request-id=") {
        Some((before, _)) => format!("{before}\n"),
        None => format!("{line}\n"),
    });
    let view = view_of(survey("2.1.328-refreshed"), log(&text.collect::<String>()));
    assert_eq!((view.join.by_id, view.join.by_time, view.join.missing), (0, 2, 0));
    let statuses: Vec<Option<u16>> = view
        .rows
        .iter()
        .filter_map(|row| match &row.said {
            Said::Sent { failure, .. } => Some(failure.as_ref().and_then(|failure| failure.status)),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [Some(401), None]);
}

#[test]
fn another_clock_is_named_and_reckoned_with() {
    for ms in [-3_600_000, 7_200_000] {
        let mut log = log(&log_text("2.1.328-renewal-reset"));
        let moved = |at: Timestamp| Timestamp::from_unix_ms(at.unix_ms() + ms);
        (log.from, log.to) = (log.from.map(moved), log.to.map(moved));
        for event in &mut log.events {
            event.at = moved(event.at);
        }
        let view = view_of(survey("2.1.328-renewal-reset"), log);
        assert_eq!(view.join.by_id, 2);
        let Some(Disagreement::ClockDiffers { ms: found }) = view.disagreements.last() else {
            panic!("{:?}", view.disagreements);
        };
        assert!((found - ms).abs() < 1_000, "{found}");
        // What has no id is found all the same.
        let renewals = view.rows.iter().filter(|row| {
            matches!(row.said, Said::Line { kind: ClientEventKind::RenewalFailed { .. } }) && row.exchanges.len() == 1
        });
        assert_eq!(renewals.count(), 6);
    }
}

#[test]
fn messages_that_the_log_does_not_know_are_named() {
    let text: String = log_text("2.1.328-refreshed")
        .lines()
        .filter(|line| !line.contains("e90bd0a5-52f9-4408-98bb-ae922f2a3e5c"))
        .map(|line| format!("{line}\n"))
        .collect();
    let view = view_of(survey("2.1.328-refreshed"), log(&text));
    assert_eq!(view.join.requests, 1);
    assert_eq!(view.disagreements, [Disagreement::MessagesNotLogged { exchanges: vec![6] }]);
}

#[test]
fn a_request_that_went_past_is_missed() {
    let id = "00000000-0000-4000-8000-00000000fa4e";
    let text = log_text("2.1.328-refreshed").replace("e90bd0a5-52f9-4408-98bb-ae922f2a3e5c", id);
    let survey = survey("2.1.328-refreshed");
    let shown = view_of(survey, log(&text));
    assert_eq!(shown.join.missing, 1);
    assert!(shown.disagreements.contains(&Disagreement::RequestsMissing { count: 1, connections: vec![] }));
}

#[test]
fn an_answer_that_the_client_took_for_something_else() {
    let text = log_text("2.1.328-refreshed").replace("(attempt 1/3): 401 401", "(attempt 1/3): 500 500");
    let view = view_of(survey("2.1.328-refreshed"), log(&text));
    assert_eq!(view.disagreements, [Disagreement::AnswerDiffers { exchange: 3, said: Some(500), passed: Some(401) }]);
    let text = log_text("2.1.328-ok")
        + "2026-11-21T15:25:50.400Z [ERROR] API error (attempt 1/3): undefined Connection error.\n";
    let view = view_of(survey("2.1.328-ok"), log(&text));
    assert_eq!(view.disagreements, [Disagreement::AnswerDiffers { exchange: 3, said: None, passed: Some(200) }]);
}

#[test]
fn other_files_are_refused_with_a_sentence() {
    let home = Home::new();
    let trace = data("2.1.328-ok.jsonl");
    let nothing = home.write("empty.log", "");
    let prose = home.write("prose.log", "one\ntwo\n");
    for (log, says) in [(&trace, "is a trace"), (&nothing, "empty"), (&prose, "claude --debug-file FILE")] {
        let mut command = home.authtrace();
        let ended = run(command.arg("report").arg(&trace).arg("--client-log").arg(log), PATIENCE);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
    for format in ["har", "svg"] {
        let mut command = home.authtrace();
        command.arg("report").arg(&trace).arg("--client-log").arg(data("2.1.328-ok.log")).args(["--format", format]);
        let ended = run(&mut command, PATIENCE);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    }
}
