//! Traces of the real Claude Code, played again with it and with the built-in client: the verdict has to be the same, and
//! the trace alone has to be enough.

use crate::real_client::Version;
use crate::scenarios::play_real;
use crate::support::program::{Ended, Home, assert_without, run};
use authtrace::analyze::{Survey, diagnose};
use authtrace::catalogue::Code;
use authtrace::scenario::{self, Builtin, Scenario};
use authtrace::trace::Reader;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// Longest time for one replay with the real client.
const PATIENCE: Duration = Duration::from_secs(100);
/// Scenarios that are worked on at the same time; the clients themselves take turns.
const AT_ONCE: usize = 3;
/// Those for which the old version does not take minutes.
const CHEAP_WITH_THE_OLD: [Code; 5] = [
    Code::RefreshTokenInvalid,
    Code::CreditBalanceTooLow,
    Code::OrganizationDisabled,
    Code::RequestForbiddenEdge,
    Code::Healthy,
];

fn verdict(trace: &str) -> Code {
    diagnose(&Survey::read(Reader::new(trace.as_bytes()).unwrap())).verdict.code
}

/// The trace of a scenario, played with the real client.
fn recorded(version: Version, scenario: &Scenario) -> Option<String> {
    Some(play_real(version, scenario)?.trace.text)
}

/// `authtrace replay` of a trace in a home of its own.
fn replay(home: &Home, trace: &str, options: &[&str], command: &[&Path]) -> Ended {
    home.write("work/recorded.jsonl", trace);
    let mut authtrace = home.authtrace();
    authtrace.args(["replay", "recorded.jsonl", "--speed", "max"]).args(options);
    authtrace.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("CLAUDE_CODE_MAX_RETRIES", "2");
    if let [program, ..] = command {
        authtrace.arg("--").arg(program).args(["-p", "say hi", "--max-turns", "1", "--output-format", "json"]);
    }
    run(&mut authtrace, PATIENCE)
}

/// What went wrong with one scenario, if anything did.
fn miss(version: Version, one: &Builtin) -> Option<String> {
    let executable = version.executable()?;
    let first = recorded(version, &scenario::read(one.text).unwrap())?;
    let wanted = verdict(&first);
    let home = Home::new();
    let ended = {
        let _slot = crate::real_client::Slot::take();
        replay(&home, &first, &["--trace-out", "played.jsonl", "--out", "made.toml"], &[&executable])
    };
    let again = std::fs::read_to_string(home.path("work/played.jsonl")).ok().map(|trace| verdict(&trace));
    let made = std::fs::read_to_string(home.path("work/made.toml")).unwrap_or_default();
    let same =
        ended.code == Some(0) && again == Some(wanted) && ended.stderr.contains("the verdict is that of the trace");
    assert_eq!(home.left_behind(), Vec::<String>::new());
    (!same).then(|| format!("{}: {wanted}, then {again:?}, {:?}\n{}\n{made}", one.code, ended.code, ended.stderr))
}

fn replay_all(version: Version, chosen: impl Fn(Code) -> bool + Sync) {
    let next = Mutex::new(scenario::builtins().iter().filter(|one| chosen(one.code)));
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(one) = { next.lock().unwrap().next() } {
                    let missed = miss(version, one);
                    wrong.lock().unwrap().extend(missed);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_scenario_with_the_new_version() {
    replay_all(Version::New, |_| true);
}

#[test]
fn some_scenarios_with_the_old_version() {
    replay_all(Version::Old, |code| CHEAP_WITH_THE_OLD.contains(&code));
}

/// A maintainer has the reporter's trace and nothing else: another client, on another machine.
#[test]
fn a_client_that_leaves_the_path_is_told_so() {
    let Some(old) = Version::Old.executable() else { return };
    let text = scenario::builtin(Code::FreshTokenRejected).unwrap().text;
    let scenario = scenario::read(&text.replace("expires_in = \"-1m\"", "expires_in = \"8h\"")).unwrap();
    let refused = Scenario { script: refusing_messages(), ..scenario };
    let Some(trace) = recorded(Version::New, &refused) else { return };
    let home = Home::new();
    let _slot = crate::real_client::Slot::take();
    let ended = replay(&home, &trace, &[], &[&old]);
    let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("the trace has POST platform.claude.com/v1/oauth/token (refresh) next; the client sent"),
        "{said}"
    );
}

fn refusing_messages() -> authtrace::policy::Script {
    authtrace::fake::motivating_bug()
}

#[test]
fn a_trace_is_enough_and_nothing_of_it_is_a_credential() {
    let scenario = scenario::read(scenario::builtin(Code::TokenRevoked).unwrap().text).unwrap();
    let Some(trace) = recorded(Version::New, &scenario) else { return };
    let home = Home::new();
    let ended = replay(&home, &trace, &["--out", "made.toml"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let made = std::fs::read_to_string(home.path("work/made.toml")).unwrap();
    assert_without(&made, &["sk-ant-".to_owned()], "the scenario");
    assert_without(&ended.stderr, &["sk-ant-".to_owned()], "standard error");
}
