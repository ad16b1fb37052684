//! authtrace's own matters.

use super::check::{Check, Status, Topic};
use super::facts::{ConfigState, Own, TraceFolder, Writable};

pub(super) fn checks(own: &Own) -> Vec<Check> {
    let mut checks = vec![config(&own.config), trace_folder(&own.traces)];
    checks.extend(variables(own));
    checks.extend(unknown_variables(own));
    checks.extend(running(own));
    checks
}

fn check(id: &'static str, status: Status, found: impl Into<String>) -> Check {
    Check::new(Topic::Authtrace, id, status, found)
}

fn config(state: &ConfigState) -> Check {
    let id = "authtrace.config";
    match state {
        ConfigState::Good(Some(path)) => check(id, Status::Ok, format!("{path} is good")),
        ConfigState::Good(None) => check(id, Status::Ok, "no configuration file, which is fine"),
        ConfigState::Bad(why) => {
            check(id, Status::Problem, why.clone()).advise("Correct it: run and proxy refuse to start")
        }
    }
}

fn trace_folder(folder: &TraceFolder) -> Check {
    let id = "authtrace.traces";
    let TraceFolder::At { path, exists, writable, open } = folder else {
        return check(id, Status::Problem, "no folder for traces: neither XDG_STATE_HOME nor HOME is set")
            .advise("Name a file with --out");
    };
    match writable {
        Writable::Yes if *open && *exists => {
            check(id, Status::Note, format!("traces go to {path}, which others may enter"))
                .advise(format!("The traces themselves are private; chmod 700 {path} hides their names, too"))
        }
        Writable::Yes if *exists => check(id, Status::Ok, format!("traces go to {path}")),
        Writable::Yes => check(id, Status::Ok, format!("traces will go to {path}")),
        Writable::Denied => check(id, Status::Problem, format!("no trace can be written to {path}: permission denied"))
            .advise("Make it writable, or name a file with --out"),
        Writable::ReadOnlyMount => {
            check(id, Status::Problem, format!("no trace can be written to {path}: read-only file system"))
                .advise("Name a file elsewhere with --out, or set XDG_STATE_HOME")
        }
    }
}

fn variables(own: &Own) -> Option<Check> {
    if own.variables.is_empty() {
        return None;
    }
    Some(check("authtrace.variables", Status::Note, format!("set in the environment: {}", own.variables.join(", "))))
}

fn unknown_variables(own: &Own) -> Option<Check> {
    if own.unknown_variables.is_empty() {
        return None;
    }
    let found = format!("set, and unknown to this version: {}", own.unknown_variables.join(", "));
    Some(
        check("authtrace.unknown-variables", Status::Warning, found).advise("Check the spelling: authtrace run --help"),
    )
}

fn running(own: &Own) -> Option<Check> {
    if own.running.is_empty() {
        return None;
    }
    let found = format!("running now, and can be joined: {}", own.running.join(", "));
    Some(
        check("authtrace.running", Status::Note, found)
            .advise("authtrace run --join -- CMD writes into the same trace"),
    )
}
