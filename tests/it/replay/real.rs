//! Traces of the real Claude Code, played again with it and with the built-in client: the verdict has to be the same, and
//! the trace alone has to be enough. `ONLY_SCENARIO=refresh-race,…` plays some of them.

use crate::support::claude::{ASKS, AT_ONCE, Slot, Version};
use crate::support::program::{Ended, Home, assert_without, run};
use authtrace::analyze::{Survey, diagnose};
use authtrace::catalogue::Code;
use authtrace::fake::Task;
use authtrace::scenario::{self, Builtin, Scenario};
use authtrace::trace::Reader;
use std::sync::Mutex;
use std::time::Duration;

/// Longest time for one replay with the real client.
const PATIENCE: Duration = Duration::from_secs(100);
/// Those for which the old version does not take minutes.
const CHEAP_WITH_THE_OLD: [Code; 5] = [
    Code::RefreshTokenInvalid,
    Code::CreditBalanceTooLow,
    Code::OrganizationDisabled,
    Code::RequestForbiddenEdge,
    Code::Healthy,
];

fn verdict(trace: &str) -> Code {
    if trace.is_empty() {
        return Code::NothingSeen;
    }
    diagnose(&Survey::read(Reader::new(trace.as_bytes()).unwrap())).verdict.code
}

/// A home with a script that does with the real client what a scenario asks for.
fn home(version: Version, scenario: &Scenario) -> Option<Home> {
    let executable = version.executable()?;
    let home = Home::new();
    // It goes back to the client and no further: the page behind that may still be on its way when the client has ended.
    let browser = home.write("browser.sh", "#!/bin/sh\nexec curl -sS -L --max-redirs 1 -o /dev/null \"$1\"\n");
    std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let asks = ASKS.map(|word| format!("'{word}'")).join(" ");
    let tasks = scenario.client.tasks.iter().map(|task| match task {
        Task::Message => format!("{} {asks}\n", executable.display()),
        Task::LostLogin => format!("BROWSER=true timeout 62 {} auth login\n", executable.display()),
        Task::Login => format!("BROWSER={} {} auth login\n", browser.display(), executable.display()),
    });
    home.write("work/play.sh", &tasks.collect::<String>());
    Some(home)
}

/// What a user calls, with the script as the command.
fn authtrace(home: &Home, arguments: &[&str]) -> Ended {
    let _slot = Slot::take();
    let mut authtrace = home.authtrace();
    authtrace.args(arguments).args(["--", "sh", home.path("work/play.sh").to_str().unwrap()]);
    authtrace.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("CLAUDE_CODE_MAX_RETRIES", "2");
    run(&mut authtrace, PATIENCE)
}

fn read(home: &Home, file: &str) -> String {
    std::fs::read_to_string(home.path("work").join(file)).unwrap_or_default()
}

/// Records a scenario with the real client.
fn recorded(version: Version, named: &str, scenario: &Scenario) -> Option<Home> {
    let home = home(version, scenario)?;
    let ended = authtrace(&home, &["run", "--scenario", named, "--out", "recorded.jsonl"]);
    assert!(!read(&home, "recorded.jsonl").is_empty(), "{named}: {}", ended.stderr);
    Some(home)
}

const REPLAY: [&str; 8] =
    ["replay", "recorded.jsonl", "--speed", "max", "--trace-out", "played.jsonl", "--out", "made.toml"];

/// What went wrong with one scenario, if anything did.
fn miss(version: Version, one: &Builtin) -> Option<String> {
    let name = one.name;
    let home = recorded(version, name, &scenario::read(one.text).unwrap())?;
    let wanted = verdict(&read(&home, "recorded.jsonl"));
    let ended = authtrace(&home, &REPLAY);
    let again = verdict(&read(&home, "played.jsonl"));
    let told = ended.stderr.contains("the verdict is that of the trace");
    assert_eq!(home.left_behind(), Vec::<String>::new());
    let same = ended.code == Some(0) && again == wanted && told;
    (!same).then(|| format!("{name}: {wanted}, then {again}\n{}\n{}", ended.stderr, read(&home, "made.toml")))
}

fn replay_all(version: Version, chosen: impl Fn(Code) -> bool + Sync) {
    let only = std::env::var("ONLY_SCENARIO").ok();
    let named = |one: &Builtin| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == one.name));
    // That one is a minute of silence, twice.
    let quick = |one: &Builtin| one.code != Code::LoginCallbackNeverArrives || only.is_some();
    let next = scenario::builtins().iter().filter(|one| chosen(one.code) && named(one) && quick(one));
    let next = Mutex::new(next);
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

/// A maintainer has the reporter's trace, and another version of the client.
#[test]
fn a_client_that_leaves_the_path_is_told_so() {
    let text = "format = 1\ntitle = \"Every message is refused\"\n[[rule]]\nwhen = { path = \"/v1/messages\" }\n\
                answer = { status = 401, type = \"authentication_error\", message = \"Invalid authentication credentials\" }\n";
    let scenario = scenario::read(text).unwrap();
    let Some(old) = home(Version::Old, &scenario) else { return };
    old.write("refused.toml", text);
    let named = old.path("refused.toml");
    let Some(new) = recorded(Version::New, named.to_str().unwrap(), &scenario) else { return };
    old.write("work/recorded.jsonl", &read(&new, "recorded.jsonl"));
    let ended = authtrace(&old, &REPLAY);
    let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = "the trace has POST platform.claude.com/v1/oauth/token (refresh) next; the client sent POST api.anthropic.com/v1/messages";
    assert!(said.contains(wanted), "{said}");
    assert_without(&read(&old, "made.toml"), &["sk-ant-".to_owned()], "the scenario");
    assert_without(&ended.stderr, &["sk-ant-".to_owned()], "standard error");
}
