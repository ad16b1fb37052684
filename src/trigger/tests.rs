use super::*;
use crate::analyze::fixture;
use crate::record::{FlightConfig, FlightNews, FlightRecorder, Retry, SMALLEST_RING, Times};
use crate::redact::Redactor;
use crate::trace::{EventSink, Line};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn trigger(names: &[&str]) -> Trigger {
    Trigger::new(FreezeOn::parse(names.iter().copied()).unwrap())
}

/// Takes a whole trace, and looks. How many signs there were, and what was found.
fn look(trigger: &mut Trigger, lines: &str) -> (usize, Vec<Found>) {
    let readable: Vec<&str> = lines.lines().filter(|line| serde_json::from_str::<Record>(line).is_ok()).collect();
    let signs = fixture::records(&readable.join("\n")).iter().filter(|record| trigger.take(record)).count();
    (signs, trigger.look(&mut lines.as_bytes()))
}

fn codes(found: &[Found]) -> Vec<(&'static str, bool)> {
    found.iter().map(|one| (one.code, one.fresh)).collect()
}

#[test]
fn names_are_codes_or_all_failures() {
    assert_eq!(FreezeOn::parse([]), Ok(FreezeOn::default()));
    assert_eq!(FreezeOn::parse([AUTH_FAILURE, "refresh-race"]), Ok(FreezeOn::default()));
    let error = FreezeOn::parse(["refresh-raze"]).unwrap_err().to_string();
    assert!(error.contains("did you mean refresh-race?"), "{error}");
    assert_eq!(FreezeOn::parse(["healthy"]), Err(TriggerError::NoFailure(Code::Healthy)));
    assert_eq!(FreezeOn::parse(["clock-skew"]), Err(TriggerError::NoFailure(Code::ClockSkew)));
}

#[test]
fn what_is_well_is_never_looked_at() {
    assert_eq!(look(&mut trigger(&[]), &fixture::healthy()), (0, Vec::new()));
}

#[test]
fn a_refusal_is_fresh_once() {
    let mut trigger = trigger(&[]);
    let lines = fixture::refused_after_refresh();
    let (signs, found) = look(&mut trigger, &lines);
    assert_eq!((signs, codes(&found)[0]), (3, ("fresh-token-rejected", true)));
    assert!(found[0].summary.contains("oat-B"), "{}", found[0].summary);
    assert!(trigger.look(&mut lines.as_bytes()).iter().all(|one| !one.fresh));
}

#[test]
fn only_what_is_waited_for_counts() {
    let lines = fixture::refused_after_refresh();
    assert_eq!(look(&mut trigger(&["refresh-race"]), &lines).1, []);
    assert_eq!(codes(&look(&mut trigger(&["refresh-race"]), &fixture::two_lanes()).1), [("refresh-race", true)]);
    assert_eq!(codes(&look(&mut trigger(&[]), &fixture::untrusted()).1)[0], ("tls-interception-untrusted", true));
}

/// What a flight recorder has written by its end of records that come as fast as they can, and how large its ring was at most.
fn record_all(folder: &Path, records: &[Record], times: Times) -> (Vec<FlightNews>, u64) {
    let Some(Record::Trace(head)) = records.first().cloned() else { panic!("no head") };
    let news = Arc::new(Mutex::new(Vec::new()));
    let size = Arc::new(AtomicU64::new(0));
    let (heard, largest) = (Arc::clone(&news), Arc::clone(&size));
    let config = FlightConfig {
        folder: folder.to_owned(),
        bytes: SMALLEST_RING,
        times,
        judge: Box::new(trigger(&[])),
        tell: Box::new(move |one| heard.lock().unwrap().push(one)),
    };
    let place = folder.to_owned();
    let measure = move |_: &[Record]| {
        let files = std::fs::read_dir(&place).unwrap().flatten();
        let ring =
            files.filter(|one| one.path().extension().unwrap() == "ring").map(|one| one.metadata().unwrap().len());
        largest.fetch_max(ring.sum(), Ordering::Relaxed);
    };
    let recorder = FlightRecorder::start(config, *head, Arc::new(Redactor::plain()), vec![Box::new(measure)]).unwrap();
    records.iter().skip(1).for_each(|record| recorder.emit(record.clone()));
    recorder.close();
    let news = news.lock().unwrap().clone();
    (news, size.load(Ordering::Relaxed))
}

fn survey_of(path: &Path) -> Survey {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    Survey::read(Reader::new(file).unwrap())
}

/// A story that begins, goes on with other clients' business, and ends badly.
fn drawn_out(begins: Vec<Value>, others: u64, ends: Vec<Value>) -> Vec<Record> {
    let business = (0..others).map(|_| fixture::message(0, "00.000", &fixture::access("0ddba11d"), 200, 1_000));
    let mut number = 0;
    let mut lines = vec![fixture::head()];
    for mut line in begins.into_iter().chain(business).chain(ends) {
        number += 1;
        let (hour, minute, second) = (number / 3_600, number / 60 % 60, number % 60);
        line["at"] = json!(format!("2026-11-20T{hour:02}:{minute:02}:{second:02}.000Z"));
        line["id"] = json!(number);
        line["connection"] = json!(number / 20 + 1);
        let last_of_connection = number % 20 == 19;
        lines.push(line);
        if last_of_connection {
            lines.push(json!({
                "record": "connection", "id": number / 20 + 1, "lane": "main", "opened": "2026-11-20T00:00:00.000Z", "duration_us": 1,
                "target": {"host": "api.anthropic.com", "port": 443}, "mode": "intercepted", "bytes_up": 1, "bytes_down": 1,
                "requests": 20, "outcome": "ok",
            }));
        }
    }
    fixture::records(&fixture::join(lines))
}

/// By number: how a story begins, and how it ends.
fn stories(number: usize) -> (Vec<Value>, Vec<Value>) {
    let token = fixture::access("3f9c21ab");
    let refused = |message| fixture::refuse(fixture::message(0, "00.000", &token, 401, 1_000), message);
    let accepted = fixture::message(0, "00.000", &token, 200, 1_000);
    let of = |lines: String| -> Vec<Value> {
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["record"] == "exchange").collect()
    };
    match number {
        // Worked once, refused a long time later.
        0 => (vec![accepted], vec![refused("Invalid bearer token"), refused("Invalid bearer token")]),
        // Never worked.
        1 => (Vec::new(), vec![refused("Invalid bearer token"), refused("Invalid bearer token")]),
        2 => {
            let story = of(fixture::refused_after_refresh());
            (story[..3].to_vec(), story[3..].to_vec())
        }
        _ => (vec![accepted], of(fixture::two_lanes_records())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// However much came in between: what is cut out of the ring says what the whole would have said, is a whole trace,
    /// speaks of no connection that it does not show, and says what is missing.
    #[test]
    fn a_cut_out_trace_has_the_verdict_of_the_whole(number in 0_usize..4, others in 0_u64..3_000) {
        let (begins, ends) = stories(number);
        let records = drawn_out(begins, others, ends);
        let folder = tempfile::tempdir().unwrap();
        let (news, size) = record_all(folder.path(), &records, Times::default());
        prop_assert!(size <= SMALLEST_RING && (others < 1_000 || size > SMALLEST_RING / 2), "{}", size);
        let [FlightNews::Frozen { path, found: Some(found), exchanges }] = news.as_slice() else { panic!("{news:?}") };
        let whole = diagnose(&records.iter().cloned().collect::<Survey>()).verdict;
        let survey = survey_of(path);
        let cut = diagnose(&survey).verdict;
        prop_assert_eq!((cut.code, found.code), (whole.code, whole.code.as_str()));
        prop_assert_eq!(survey.unread(), &[]);
        prop_assert_eq!(survey.exchanges().len() as u64, *exchanges);
        let end = survey.end().unwrap();
        prop_assert_eq!((end.exchanges, end.connections as usize), (*exchanges, survey.connections().len()));
        let dropped = survey.gaps().iter().map(|gap| gap.lost).sum::<u64>();
        let kept = survey.exchanges().len() + survey.connections().len();
        prop_assert_eq!((kept as u64 + dropped, end.lost), (records.len() as u64 - 1, dropped));
        let ended: HashSet<u64> = records.iter().filter_map(|record| match record {
            Record::Connection(connection) => Some(connection.id),
            _ => None,
        }).collect();
        let shown: HashSet<u64> = survey.connections().iter().map(|connection| connection.id).collect();
        for exchange in survey.exchanges() {
            prop_assert!(shown.contains(&exchange.connection) || !ended.contains(&exchange.connection));
        }
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|one| one.path()).collect();
        prop_assert_eq!(left, vec![path.clone()]);
    }
}

#[test]
fn a_renewed_token_and_a_loop_of_refusals_make_no_trace_and_one() {
    let folder = tempfile::tempdir().unwrap();
    let all_at_once =
        Times { settle: Duration::ZERO, at_most: Duration::ZERO, after: Duration::ZERO, ..Times::default() };
    let mended = drawn_out(Vec::new(), 3, stories(2).0);
    assert_eq!(record_all(folder.path(), &mended, Times::default()).0, []);
    let refused =
        || fixture::refuse(fixture::message(0, "00.000", &fixture::access("3f9c21ab"), 401, 1), "Invalid bearer token");
    let records = drawn_out(Vec::new(), 5, (0..500).map(|_| refused()).collect());
    let (news, _) = record_all(folder.path(), &records, all_at_once);
    assert!(matches!(news.as_slice(), [FlightNews::Frozen { .. }]), "{news:?}");
}

#[test]
fn what_a_killed_recorder_has_left_becomes_a_trace_once() {
    let folder = tempfile::tempdir().unwrap();
    let records = drawn_out(vec![], 40, stories(0).1);
    // As it lies there when it was written round once: in the wrong order, a line cut in two, one there twice.
    let lines: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    let (head, rest) = (&lines[0], &lines[1..]);
    let (old, new) = rest.split_at(20);
    let torn = old[0][30..].to_owned();
    let left = [std::slice::from_ref(head), new, std::slice::from_ref(&torn), &old[1..], &new[..1]].concat().join("\n");
    let path = folder.path().join("2026-11-20T00-00-00-000Z-1.ring");
    std::fs::write(&path, left + "\n{\"record\":\"exch").unwrap();
    std::fs::write(folder.path().join("2026-11-20T00-00-00-001Z-2.ring"), b"\0\0 nothing of ours").unwrap();
    let (news, _) = record_all(folder.path(), &records[..1], Times::default());
    let [FlightNews::Recovered(path)] = news.as_slice() else { panic!("{news:?}") };
    let mut reader = Reader::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).unwrap();
    let mut exchanges = 0;
    while let Some(line) = reader.next_line().unwrap() {
        let Line::Record(record) = line else { panic!("{line:?}") };
        exchanges += usize::from(matches!(record, Record::Exchange(_)));
    }
    let all = records.iter().filter(|record| matches!(record, Record::Exchange(_))).count();
    assert_eq!(exchanges, all - 1, "the torn one is gone");
    assert_eq!(diagnose(&survey_of(path)).verdict.code, Code::StaticTokenRejected);
    assert_eq!(record_all(folder.path(), &records[..1], Times::default()).0, []);
}

#[test]
fn a_failure_is_written_before_what_comes_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (news, _) = record_all(folder.path(), &drawn_out(stories(1).1, 3_000, vec![]), Times::default());
    let [FlightNews::Frozen { path, found: Some(found), .. }] = news.as_slice() else { panic!("{news:?}") };
    assert_eq!(found.code, Code::StaticTokenRejected.as_str());
    let survey = survey_of(path);
    assert!(survey.exchanges().iter().any(|exchange| exchange.status() == Some(401)));
}

#[test]
fn what_a_killed_recorder_was_writing_out_goes() {
    let folder = tempfile::tempdir().unwrap();
    let torn = folder.path().join("2026-11-20T00-00-00-000Z-1-frozen-asked.new");
    let others = folder.path().join("notes.new");
    std::fs::write(&torn, "{").unwrap();
    std::fs::write(&others, "{").unwrap();
    record_all(folder.path(), &drawn_out(vec![], 5, vec![])[..1], Times::default());
    assert!(!torn.exists() && others.exists());
}

#[test]
fn what_could_not_be_written_is_left_for_the_next_recorder() {
    let place = tempfile::tempdir().unwrap();
    let (folder, away) = (place.path().join("state"), place.path().join("away"));
    let records = drawn_out(vec![], 5, stories(0).1);
    let Some(Record::Trace(head)) = records.first().cloned() else { panic!("no head") };
    let news = Arc::new(Mutex::new(Vec::new()));
    let (heard, there, back) = (Arc::clone(&news), folder.clone(), away.clone());
    let tell = move |one| {
        std::fs::remove_file(&there).unwrap();
        std::fs::rename(&back, &there).unwrap();
        heard.lock().unwrap().push(one);
    };
    let config = FlightConfig {
        folder: folder.clone(),
        bytes: SMALLEST_RING,
        times: Times::default(),
        judge: Box::new(trigger(&[])),
        tell: Box::new(tell),
    };
    let recorder = FlightRecorder::start(config, *head, Arc::new(Redactor::plain()), Vec::new()).unwrap();
    // Until it has told, no file can be made.
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, b"").unwrap();
    records.iter().skip(1).for_each(|record| recorder.emit(record.clone()));
    recorder.close();
    let told = news.lock().unwrap().clone();
    assert!(matches!(told.as_slice(), [FlightNews::NotFrozen { retry: Retry::NextStart, .. }]), "{told:?}");
    let (news, _) = record_all(&folder, &records[..1], Times::default());
    let [FlightNews::Recovered(path)] = news.as_slice() else { panic!("{news:?}") };
    assert_eq!(diagnose(&survey_of(path)).verdict.code, Code::StaticTokenRejected);
}

#[test]
fn what_killed_recorders_have_left_is_kept_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let records = drawn_out(vec![], 5, stories(0).1);
    let lines: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    for night in 0..20 {
        std::fs::write(folder.path().join(format!("2026-11-20T00-00-{night:02}-000Z-1.ring")), lines.join("\n") + "\n")
            .unwrap();
        let (news, _) = record_all(folder.path(), &records[..1], Times::default());
        assert!(matches!(news.first(), Some(FlightNews::Recovered(_))), "{news:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 16);
}
