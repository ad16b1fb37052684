//! Traces of the real Claude Code, played again from what they recorded: the verdict has to be the same.

use crate::real_client::Version;
use crate::scenarios::play_real;
use authtrace::analyze::{Survey, diagnose};
use authtrace::catalogue::Code;
use authtrace::replay::{self, Speed};
use authtrace::scenario::{self, Scenario};
use authtrace::trace::Reader;
use std::sync::Mutex;

fn survey(text: &str) -> Survey {
    Survey::read(Reader::new(text.as_bytes()).unwrap())
}

/// The trace of a scenario, played with the real client.
fn played(version: Version, scenario: &Scenario) -> Option<String> {
    Some(play_real(version, scenario)?.trace.text)
}

fn replayed(version: Version, code: Code, text: &str) -> Option<String> {
    let scenario = scenario::read(text).unwrap();
    let first = played(version, &scenario)?;
    let before = survey(&first);
    let verdict = diagnose(&before).verdict.code;
    let replayed = replay::convert(&before, Speed::Unwaited).unwrap();
    let file = scenario::write(&replayed.scenario, &replayed.made_from);
    let second = played(version, &scenario::read(&file).unwrap())?;
    if let Some(folder) = std::env::var_os("KEEP_RUNS") {
        let folder = std::path::Path::new(&folder);
        std::fs::write(folder.join(format!("{code}.1.jsonl")), &first).unwrap();
        std::fs::write(folder.join(format!("{code}.toml")), &file).unwrap();
        std::fs::write(folder.join(format!("{code}.2.jsonl")), &second).unwrap();
    }
    let again = diagnose(&survey(&second)).verdict.code;
    (again != verdict).then(|| format!("{code}: {verdict}, then {again}\n{file}"))
}

fn replay_all(version: Version) {
    let next = Mutex::new(scenario::builtins().iter());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(one) = { next.lock().unwrap().next() } {
                    let miss = replayed(version, one.code, one.text);
                    wrong.lock().unwrap().extend(miss);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn with_the_new_version() {
    replay_all(Version::New);
}
