//! The built-in scenarios, played with the real Claude Code: each has to lead to the verdict that it is named by.

use super::real_client::{Stage, Version};
use authtrace::analyze::{Survey, diagnose};
use authtrace::catalogue::Code;
use authtrace::scenario::{self, Builtin};
use authtrace::trace::Reader;

fn verdict(version: Version, builtin: &Builtin) -> Option<Code> {
    let scenario = scenario::read(builtin.text).unwrap();
    let (stage, handed) = Stage::of(version, &scenario)?;
    let own = scenario.client.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let variables: Vec<(&str, &str)> = handed.iter().map(|(name, value)| (*name, value.as_str())).chain(own).collect();
    let seance = stage.play(&[], &variables);
    let survey = Survey::read(Reader::new(seance.trace.text.as_bytes()).unwrap());
    Some(diagnose(&survey).verdict.code)
}

fn play_all(version: Version) {
    let mut wrong = Vec::new();
    for builtin in scenario::builtins() {
        let Some(code) = verdict(version, builtin) else { return };
        if code != builtin.code {
            wrong.push(format!("{}: {code}", builtin.code));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn with_the_new_version() {
    play_all(Version::New);
}

#[test]
fn with_the_old_version() {
    play_all(Version::Old);
}
