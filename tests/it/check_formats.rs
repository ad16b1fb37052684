//! What foreign parsers read in the forms for CI systems, whatever stands in names, messages and output.

use super::cases;
use super::clients::installed;
use super::schema::mismatch;
use authtrace::check::{Source, evaluate, read};
use authtrace::export::check::{Checked, Failure, FailureKind, Folders, Judged, Suite};
use authtrace::export::check::{github, json, junit, markdown, sarif, tap};
use authtrace::place::{Place, is_unseen};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Texts that break what is put together without care.
fn nasty() -> Vec<String> {
    let mut all: Vec<String> = [
        "]]> <failure message='x'/> & \" '",
        "100% %0A %25 %3A",
        "two\nlines\r\n::error::x",
        "::set-output name=a::b",
        "  ::add-mask::a",
        "##[error]x",
        "\u{0}\u{7}\u{1b}[31mred\u{1b}[0m\u{9b}31m\u{7f}\u{85}",
        "\u{fffe}\u{ffff}\u{202e}\u{200b}\u{2028}x",
        "ünïcödé 漢字 🦀",
        "# SKIP later",
        "# TODO \\# back\\slash\\",
        "ok 2 - no\nnot ok 3\n1..9\nBail out! now",
        "---\n...\n key: |",
        "`code` ```` <script>alert(1)</script> @user #1 | a | b",
        " around ",
        "a: b, c=d;e - f",
        "- 1",
    ]
    .map(str::to_owned)
    .into();
    all.push("very long ".repeat(2_000));
    all
}

/// As it has to come out of a parser: on one line, with a mark for each character that steers or hides.
fn one_line(text: &str) -> String {
    let plain = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        '\u{fffe}' | '\u{ffff}' | '\u{202e}' | '\u{200b}' | '\u{2028}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim().chars().map(plain).collect()
}

fn folders() -> Folders {
    Folders { working: "/ci/repo/tests".into(), repository: "/ci/repo".into() }
}

/// A failed login held against flows with such names.
fn judged(names: &[String]) -> Judged {
    let case = cases::cases().into_iter().find(|case| case.name == "exp-headless-loop").unwrap();
    let (survey, diagnosis) = cases::diagnose(&case.har);
    let flow = |name: &String| {
        let name = Value::from(name.replace('\u{7f}', "")).to_string();
        format!("[[flow]]\nname = {name}\nstep = [{{ path = \"/v1/messages\", status = 299 }}]\n")
    };
    let text = format!("format = 1\n[limits]\nrequests = 100000\n{}", names.iter().map(flow).collect::<String>());
    let expectations = read("a b/auth:#1.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    let report = evaluate(&survey, &diagnosis, &expectations);
    assert_eq!(report.missed(), names.len());
    Judged::new(&survey, &diagnosis, report)
}

/// One trace, as under `check`.
fn single() -> Suite {
    let trace = Some("traces/x.jsonl".to_owned());
    let checked =
        Checked { judged: Some(judged(&nasty())), trace, took: Duration::from_millis(1_234), ..Checked::default() };
    Suite { name: "authtrace check".to_owned(), took: checked.took, checked: vec![checked] }
}

/// Many cases, as under `test`: some as expected, some not, some that could not be run, all with such names.
fn many() -> Suite {
    let failure = |kind, text: &str, source| Some(Failure { kind, message: text.to_owned(), source });
    let place = |text: &str| Source { name: "case.toml".to_owned(), place: Place::of(text, 0..1) };
    let case = |(at, text): (usize, String)| {
        let base = Checked {
            name: Some(format!("{at} {text}")),
            file: Some(format!("cases/{at}.toml")),
            took: Duration::from_millis(10),
            output: text.repeat(2),
            ..Checked::default()
        };
        match at % 5 {
            0 => Checked { judged: Some(judged(&[])), output: String::new(), ..base },
            1 => Checked { judged: Some(judged(&[text.clone(), text])), ..base },
            2 => Checked { failure: failure(FailureKind::Timeout, &text, None), judged: Some(judged(&[])), ..base },
            3 => Checked { failure: failure(FailureKind::Error, &text, Some(place(&text))), ..base },
            _ => Checked { failure: failure(FailureKind::NotRun, &text, None), ..base },
        }
    };
    let checked = nasty().into_iter().enumerate().map(case).collect();
    Suite { name: "authtrace test".to_owned(), checked, took: Duration::from_secs(3) }
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

/// What a foreign parser says of a text, line by line. None: it is not installed.
fn parsed(package: &str, parser: &str, text: &str, before: &[&Path]) -> Option<Vec<Value>> {
    let installed = installed(package)?;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result");
    fs::write(&file, text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign").join(parser);
    let mut command = match parser.ends_with(".py") {
        true => Command::new(installed),
        false => {
            let mut node = Command::new("node");
            node.env("NODE_PATH", installed.parent().unwrap());
            node
        }
    };
    let output = command.arg(script).args(before).arg(&file).output().unwrap();
    let (said, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}\n{text}");
    Some(said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}\n{errors}"))).collect())
}

#[test]
fn junit_is_read_by_junitparser() {
    for (suite, outcomes) in [(single(), nasty().len() + 3), (many(), 0)] {
        let text = text(|out| junit::write(&suite, &folders(), out).unwrap());
        roxmltree::Document::parse(&text).unwrap();
        let Some(rows) = parsed("venv/bin/python", "junit.py", &text, &[]) else { return };
        if outcomes > 0 {
            assert_eq!(rows.len(), outcomes);
            let names: Vec<&str> = rows.iter().filter_map(|row| row[2].as_str()).collect();
            // Control characters of a file of expectations are dots already.
            for plain in nasty().iter().filter(|name| !name.chars().any(is_unseen)).map(|name| one_line(name)) {
                assert!(names.contains(&plain.as_str()), "{plain:?}: {names:#?}");
            }
            let missed = rows.iter().filter(|row| row[3][0][0] == "Failure" && row[3][0][1] == "flow");
            assert!(missed.clone().all(|row| row[1] == "a b/auth:#1.toml"), "{rows:#?}");
            assert!(missed.clone().all(|row| row[3][0][3].as_str().unwrap().contains("-->")), "{rows:#?}");
            assert_eq!(missed.count(), nasty().len());
        } else {
            let mut suites: Vec<&str> = rows.iter().filter_map(|row| row[0].as_str()).collect();
            suites.dedup();
            let wanted: Vec<String> = suite.checked.iter().map(|one| one_line(one.name.as_ref().unwrap())).collect();
            assert_eq!(suites, wanted);
            for kind in ["Failure", "Error", "Skipped"] {
                assert!(rows.iter().any(|row| row[3][0][0] == kind), "{kind}: {rows:#?}");
            }
        }
    }
}

#[test]
fn sarif_keeps_to_the_schema_of_the_standard() {
    let schema = installed("node/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");
    for suite in [single(), many()] {
        // What was not run is no result.
        let unknown = |one: &&Checked| one.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::NotRun);
        let results = suite.checked.iter().filter(|one| !unknown(one)).map(missing).sum::<usize>();
        let text = text(|out| sarif::write(&suite, &folders(), out).unwrap());
        let Some(schema) = &schema else { return };
        let Some(rows) = parsed("venv/bin/python", "sarif.py", &text, &[schema]) else { return };
        assert_eq!(rows.len(), results, "{rows:#?}");
        let mut prints: Vec<&str> = rows.iter().filter_map(|row| row[5].as_str()).collect();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), rows.len());
        if suite.checked.len() == 1 {
            for (at, row) in rows.iter().enumerate() {
                // The status of the step is what differs.
                let line = 6 + 3 * at;
                assert_eq!(
                    (&row[0], &row[1], &row[2]),
                    (&"flow".into(), &"tests/a b/auth:#1.toml".into(), &line.into())
                );
                assert_eq!(row[3], 43);
            }
        } else {
            assert!(rows.iter().all(|row| row[1].as_str().unwrap().starts_with("tests/")), "{rows:#?}");
        }
    }
}

#[test]
fn fingerprints_stay_when_lines_move() {
    let prints = |before: &str| {
        let case = cases::cases().into_iter().find(|case| case.name == "exp-headless-loop").unwrap();
        let (survey, diagnosis) = cases::diagnose(&case.har);
        let file = format!("format = 1\n{before}[limits]\nauth_failures = 0\nrequests = 0\n");
        let report = evaluate(&survey, &diagnosis, &read("auth.toml", &file).unwrap());
        let judged = Some(Judged::new(&survey, &diagnosis, report));
        let checked = vec![Checked { judged, ..Checked::default() }];
        let suite = Suite { name: "authtrace check".to_owned(), checked, took: Duration::ZERO };
        let log: Value = serde_json::from_str(&text(|out| sarif::write(&suite, &folders(), out).unwrap())).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        results.iter().map(|result| result["partialFingerprints"].clone()).collect::<Vec<_>>()
    };
    let (one, moved) = (prints(""), prints("\n# A remark.\n\n"));
    assert_eq!(one.len(), 2);
    assert_eq!(one, moved);
    assert_ne!(one[0], one[1]);
}

#[test]
fn tap_is_read_by_a_strict_parser() {
    for suite in [single(), many()] {
        let text = text(|out| tap::write(&suite, out).unwrap());
        let Some(rows) = parsed("node/node_modules/tap-parser", "tap.js", &text, &[]) else { return };
        let wrong: Vec<&Value> = rows.iter().filter(|row| !row["wrong"].is_null()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}\n{text}");
        let total = rows.last().unwrap();
        assert_eq!(total["bailout"], false);
        assert!(rows.iter().all(|row| row["skip"].as_bool() != Some(true) && row["todo"].as_bool() != Some(true)));
        let points: Vec<&Value> = rows.iter().filter(|row| row["path"] == serde_json::json!([])).collect();
        assert_eq!(total["count"], points.len());
        let failed = points.iter().filter(|row| row["ok"] == false);
        assert!(failed.clone().all(|row| row["diag"].is_object()), "{points:#?}");
        let names: Vec<String> = points.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
        match suite.checked.as_slice() {
            [_] => {
                assert_eq!(points.len(), nasty().len() + 3);
                let explained =
                    |row: &&Value| row["diag"]["explained"].as_str().unwrap().contains("\n  step 1 was taken");
                assert!(failed.clone().all(|row| explained(row) && row["diag"]["at"]["line"].is_u64()), "{points:#?}");
                assert!(names.contains(&one_line("# SKIP later")), "{names:#?}");
            }
            all => {
                let wanted: Vec<String> = all.iter().map(|one| one_line(one.name.as_ref().unwrap())).collect();
                assert_eq!(names, wanted);
                let states: Vec<&str> = points.iter().filter_map(|row| row["diag"]["state"].as_str()).collect();
                assert_eq!(states[..5], ["held", "missed", "timeout", "error", "not-run"]);
                assert!(rows.iter().any(|row| row["path"][0].is_string()), "no subtest: {rows:#?}");
            }
        }
    }
}

/// A workflow command: `::name key=value,key=value::data`, each part decoded as the runner does.
fn command(line: &str) -> (String, Vec<(String, String)>, String) {
    let (head, data) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")).expect(line);
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let decode = |text: &str| {
        assert!(!text.contains(['\r', '\n']), "{line:?}");
        for (at, _) in text.match_indices('%') {
            assert!(["%25", "%0D", "%0A", "%3A", "%2C"].iter().any(|code| text[at..].starts_with(code)), "{line:?}");
        }
        text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
    };
    let property = |text: &str| {
        let (key, value) = text.split_once('=').expect(line);
        assert!(["file", "line", "endLine", "col", "endColumn", "title"].contains(&key), "{line:?}");
        assert!(!value.contains([':', ',']), "{line:?}");
        (key.to_owned(), decode(value))
    };
    (name.to_owned(), properties.split(',').filter(|text| !text.is_empty()).map(property).collect(), decode(data))
}

#[test]
fn annotations_are_commands_that_the_runner_decodes() {
    for suite in [single(), many()] {
        let text = text(|out| github::write(&suite, &folders(), out).unwrap());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 10, "GitHub drops what is more, without a word");
        for line in &lines {
            assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
            let (name, properties, data) = command(line);
            assert_eq!(name, "error");
            assert!(!data.is_empty() || suite.checked.len() > 1, "{line:?}");
            assert!(properties.iter().any(|(key, value)| key == "title" && !value.is_empty()), "{line:?}");
        }
        let (_, properties, data) = command(lines[0]);
        let get = |key: &str| properties.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()).unwrap();
        if suite.checked.len() == 1 {
            assert_eq!(
                (get("file"), get("line"), get("col")),
                ("tests/a b/auth:#1.toml".into(), "6".into(), "43".into())
            );
            assert_eq!(get("title"), one_line(&nasty()[0]));
            assert!(data.contains("\nexchange #") && data.contains("status: expected 299, found"), "{data}");
        }
        let more = suite.checked.iter().map(missing).sum::<usize>() - 9;
        assert!(command(lines[9]).1[0].1.contains(&format!("{more} more")), "{}", lines[9]);
        assert_eq!(github::harmless(&text).lines().filter(|line| line.starts_with("::")).count(), 0);
    }
}

/// How much of it is not as expected.
fn missing(one: &Checked) -> usize {
    usize::from(one.failure.is_some()) + one.judged.as_ref().map_or(0, |judged| judged.report.missed())
}

#[test]
fn a_summary_has_no_markup_but_ours_and_keeps_to_its_room() {
    for suite in [single(), many()] {
        let whole = text(|out| markdown::write(&suite, usize::MAX, out).unwrap());
        let mut fence: Option<String> = None;
        for line in whole.lines() {
            let ticks: String = line.chars().take_while(|c| *c == '`').collect();
            match &fence {
                Some(open) if line == open => fence = None,
                Some(_) => {}
                None if ticks.len() >= 3 => fence = Some(ticks),
                None => {
                    let ours =
                        line.replace("<details><summary>", "").replace("</summary>", "").replace("</details>", "");
                    let outside: String = ours.split('`').step_by(2).collect::<String>().replace("\\<", "");
                    assert!(!outside.contains('<') && !outside.contains("@user"), "{line}");
                }
            }
        }
        assert_eq!(fence, None, "a fence stays open");
        for room in [0, 100, 1_000, 3_000, 10_000, whole.len() - 1] {
            let cut = text(|out| markdown::write(&suite, room, out).unwrap());
            assert!(cut.len() <= room, "{} of {room}", cut.len());
            assert!(room < 1_000 || room >= whole.len() || cut.contains("left out"), "{cut}");
            assert!(cut.matches("```text").count() <= whole.matches("```text").count());
        }
    }
}

#[test]
fn json_follows_its_schemas() {
    for (suite, file) in [(single(), "check"), (many(), "test")] {
        let value: Value = serde_json::from_str(&text(|out| json::write(&suite, out).unwrap())).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/export/check/{file}.schema.json"));
        let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(value["format"], format!("authtrace-{file}/1"));
        assert_eq!(mismatch(&schema, &schema, &value), None);
        for key in ["format", "held"] {
            let mut without = value.clone();
            without.as_object_mut().unwrap().remove(key);
            assert!(mismatch(&schema, &schema, &without).is_some(), "{key} is not required");
        }
    }
}
