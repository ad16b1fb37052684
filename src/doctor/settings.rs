//! Settings files: what they set over the environment.

use super::check::{Check, Status, Topic};
use super::facts::{Environment, Settings};

pub(super) fn checks(environment: &Environment) -> Vec<Check> {
    environment.settings.iter().flat_map(|file| [problem(file), overrides(file)]).flatten().collect()
}

fn problem(file: &Settings) -> Option<Check> {
    let why = file.problem?;
    let found = format!("{} is left out by Claude Code: {why}", file.path);
    let check = Check::new(Topic::Credentials, "settings.file", Status::Warning, found);
    Some(check.about(&file.path).advise("Correct the file; a JSON checker names the line"))
}

fn overrides(file: &Settings) -> Option<Check> {
    if file.overrides.is_empty() {
        return None;
    }
    let names = file.overrides.join(" and ");
    let found = format!("{} sets {names}, which beats the environment, also what authtrace sets", file.path);
    let advice = if file.managed {
        "Your administrator has set this; a trace may stay empty"
    } else {
        "Take it out while you trace, and export it in the shell instead"
    };
    let check = Check::new(Topic::Proxy, "settings.overrides", Status::Warning, found);
    Some(check.about(&file.path).advise(advice))
}
