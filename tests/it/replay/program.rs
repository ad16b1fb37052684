//! `replay` and `scenario from` on the command line, with the built-in client and without.

use crate::support::program::{Ended, Home, run};
use authtrace::analyze::{Survey, diagnose};
use authtrace::catalogue::Code;
use authtrace::scenario::{self, Scenario};
use authtrace::trace::Reader;
use std::sync::Mutex;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

fn authtrace(home: &Home, arguments: &[&str]) -> Ended {
    run(home.authtrace().args(arguments), PATIENCE)
}

/// The verdict of a trace in the working folder.
fn verdict(home: &Home, trace: &str) -> Code {
    let text = std::fs::read_to_string(home.path("work").join(trace)).unwrap();
    diagnose(&Survey::read(Reader::new(text.as_bytes()).unwrap())).verdict.code
}

/// The trace of a built-in scenario, played by the built-in client.
fn demo(home: &Home, name: &str, trace: &str) {
    let ended = authtrace(home, &["demo", name, "--out", trace]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

/// What went wrong with one scenario, if anything did.
fn miss(home: &Home, name: &str) -> Option<String> {
    let (trace, again) = (format!("{name}.jsonl"), format!("{name}.again.jsonl"));
    let (made, third) = (format!("{name}.toml"), format!("{name}.third.jsonl"));
    demo(home, name, &trace);
    let wanted = verdict(home, &trace);
    let replayed = authtrace(home, &["replay", &trace, "--speed", "max", "--trace-out", &again, "-o", &made]);
    let text = || std::fs::read_to_string(home.path("work").join(&made)).unwrap_or_default();
    if replayed.code != Some(0) || verdict(home, &again) != wanted {
        return Some(format!("{name}: {wanted}, replayed: {}{}", replayed.stderr, text()));
    }
    let smallest = authtrace(home, &["scenario", "from", &trace, "-o", &made]);
    let played = authtrace(home, &["demo", &format!("./{made}"), "--out", &third]);
    let same = smallest.code == Some(0) && played.code == Some(0) && verdict(home, &third) == wanted;
    (!same).then(|| format!("{name}: {wanted}, made smaller: {} {}{}", smallest.stderr, played.stderr, text()))
}

#[test]
fn each_scenario_comes_to_its_verdict_again_and_so_does_what_is_left_of_it() {
    let home = Home::new();
    // That one is a minute of silence, each time.
    let quick = scenario::builtins().iter().filter(|one| one.code != Code::LoginCallbackNeverArrives);
    let next = Mutex::new(quick);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(one) = { next.lock().unwrap().next() } {
                    let missed = miss(&home, one.name);
                    wrong.lock().unwrap().extend(missed);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn clients_that_share_a_login_share_it_again() {
    let home = Home::new();
    let text = "format = 1\ntitle = \"Three on one file\"\n[client]\nexpires_in = \"-1m\"\nprocesses = 3\n";
    for shared in [true, false] {
        let folder = if shared { "shared" } else { "copied" };
        let (named, trace, made) = (format!("{folder}.toml"), format!("{folder}.jsonl"), format!("{folder}.made.toml"));
        home.write(&format!("work/{named}"), &format!("{text}shared_home = {shared}\n"));
        let played = authtrace(&home, &["demo", &format!("./{named}"), "--out", &trace]);
        assert_eq!(played.code, Some(0), "{}", played.stderr);
        assert_eq!(verdict(&home, &trace), if shared { Code::Healthy } else { Code::RefreshRace });
        let ended = authtrace(&home, &["replay", &trace, "--speed", "max", "-o", &made]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let client = scenario::read(&std::fs::read_to_string(home.path("work").join(made)).unwrap()).unwrap().client;
        assert_eq!((client.processes, client.shared_home), (3, shared));
    }
}

/// Healthy traffic for a while, and a failure at its end.
fn noisy(home: &Home) -> String {
    demo(home, "healthy", "healthy.jsonl");
    demo(home, "refresh-token-invalid", "failure.jsonl");
    let read = |name: &str| std::fs::read_to_string(home.path("work").join(name)).unwrap();
    let lines = |text: &str| -> Vec<serde_json::Value> {
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &serde_json::Value| line["record"] == "exchange")
            .collect()
    };
    let (healthy, failure) = (lines(&read("healthy.jsonl")), lines(&read("failure.jsonl")));
    let quiet: Vec<_> =
        healthy.iter().filter(|line| line["oauth"].is_null() && line["request"]["method"] == "GET").collect();
    assert!(!quiet.is_empty() && !failure.is_empty());
    let mut text = read("failure.jsonl").lines().next().unwrap().to_owned() + "\n";
    let mut id = 0;
    let mut add = |line: &serde_json::Value, second: usize, path: Option<String>| {
        id += 1;
        let mut line = line.clone();
        line["id"] = id.into();
        line["at"] =
            format!("2026-11-20T{:02}:{:02}:{:02}.000Z", 10 + second / 3_600, second / 60 % 60, second % 60).into();
        if let Some(path) = path {
            line["request"]["path"] = path.into();
            line["response"]["status"] = 404.into();
        }
        text.push_str(&format!("{line}\n"));
    };
    for round in 0..40 {
        for (at, line) in quiet.iter().enumerate() {
            let path =
                format!("/api/oauth/organizations/00000000-0000-4000-8000-{:012}/referral/eligibility", round % 7);
            add(line, round * 60 + at, (round % 2 == 0).then_some(path));
            add(line, round * 60 + at + 1, None);
        }
    }
    for (at, line) in failure.iter().enumerate() {
        add(line, 3_000 + at, None);
    }
    text
}

#[test]
fn much_noise_becomes_few_rules() {
    let home = Home::new();
    home.write("work/noisy.jsonl", &noisy(&home));
    assert_eq!(verdict(&home, "noisy.jsonl"), Code::RefreshTokenInvalid);
    let ended = authtrace(&home, &["replay", "noisy.jsonl", "--minimise", "-o", "small.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let text = std::fs::read_to_string(home.path("work/small.toml")).unwrap();
    let small: Scenario = scenario::read(&text).unwrap();
    assert!(small.script.rules.len() <= 2, "{text}");
    assert_eq!(small.code, Some(Code::RefreshTokenInvalid));
    assert!(text.contains("made smaller in"), "{text}");
    let played = authtrace(&home, &["demo", "./small.toml", "--out", "again.jsonl"]);
    assert_eq!(played.code, Some(0), "{}", played.stderr);
    assert_eq!(verdict(&home, "again.jsonl"), Code::RefreshTokenInvalid);
}

#[test]
fn a_command_is_played_behind_the_proxy_and_other_verdicts_are_told() {
    let home = Home::new();
    demo(&home, "token-revoked", "trace.jsonl");
    let ended = authtrace(&home, &["replay", "trace.jsonl", "--", "true"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("the client sent nothing more"), "{said}");
    assert!(said.contains("that of the trace is token-revoked"), "{said}");
    assert!(ended.stdout.is_empty());
    let missing = authtrace(&home, &["replay", "trace.jsonl", "--", "/nowhere/at/all"]);
    assert_eq!(missing.code, Some(127), "{}", missing.stderr);
    let minimised = authtrace(&home, &["replay", "trace.jsonl", "--minimise", "--trials", "3", "--", "true"]);
    assert_eq!(minimised.code, Some(1));
    assert!(minimised.stderr.contains("nothing is left out"), "{}", minimised.stderr);
    assert!(scenario::read(&minimised.stdout).is_ok());
    assert_eq!(home.left_behind(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_read_or_played_is_refused() {
    let home = Home::new();
    demo(&home, "token-revoked", "trace.jsonl");
    let text = std::fs::read_to_string(home.path("work/trace.jsonl")).unwrap();
    let head = text.lines().next().unwrap();
    let refused = |content: &str, word: &str| {
        home.write("work/bad.jsonl", content);
        for arguments in [["replay", "bad.jsonl"].as_slice(), &["scenario", "from", "bad.jsonl"]] {
            let ended = authtrace(&home, arguments);
            assert_eq!(ended.code, Some(2), "{content}: {}", ended.stderr);
            assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
    };
    refused("", "empty");
    refused("GIF89a", "neither a trace");
    refused(&format!("{head}\n"), "nothing to play");
    refused(&head.replace("authtrace/1", "authtrace/9"), "9");
    for speed in ["-1", "fast", "NaN", "inf"] {
        assert_eq!(authtrace(&home, &["replay", "trace.jsonl", &format!("--speed={speed}")]).code, Some(2));
    }
    let same = authtrace(&home, &["replay", "trace.jsonl", "-o", "trace.jsonl"]);
    assert_eq!(same.code, Some(2), "{}", same.stderr);
    assert_eq!(std::fs::read_to_string(home.path("work/trace.jsonl")).unwrap(), text);
}

#[test]
fn a_torn_trace_or_one_with_gaps_is_played_with_a_warning() {
    let home = Home::new();
    demo(&home, "token-revoked", "trace.jsonl");
    let text = std::fs::read_to_string(home.path("work/trace.jsonl")).unwrap();
    let gap = r#"{"record":"gap","at":"2026-11-20T11:14:20.000Z","lost":3,"cause":"the disk was too slow"}"#;
    let (whole, _) = text.trim_end().rsplit_once('\n').unwrap();
    home.write("work/torn.jsonl", &format!("{whole}\n{gap}\n{{\"record\":\"exch"));
    let ended = authtrace(&home, &["replay", "torn.jsonl"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("gaps: 3 records are missing") && said.contains("was not read"), "{said}");
}

#[test]
fn a_har_is_played_as_well() {
    let home = Home::new();
    let case = crate::cases::cases().into_iter().find(|case| case.right.contains(&Code::TokenEndpointRateLimited));
    home.write("work/capture.har", &String::from_utf8(case.unwrap().har).unwrap());
    let ended = authtrace(&home, &["replay", "capture.har", "--speed", "max", "-o", "made.toml"]);
    assert!(ended.stderr.contains("the verdict is"), "{}", ended.stderr);
    assert!(scenario::read(&std::fs::read_to_string(home.path("work/made.toml")).unwrap()).is_ok());
}
