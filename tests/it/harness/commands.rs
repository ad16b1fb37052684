//! Commands of a harness: what they get, how they are ended, what they leave.

use crate::support::{AT_MOST, tool};
use authtrace::harness::{Harness, HarnessError, Outcome, blocking};
use authtrace::launch::{LaunchError, ParentEnvironment};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A user with credentials and settings everywhere.
fn user(temporary: &Path) -> ParentEnvironment {
    let own = |name: &str| std::env::var_os(name).unwrap_or_default();
    let mut variables: ParentEnvironment = [
        ("HOME", "/home/user"),
        ("ANTHROPIC_API_KEY", "sk-ant-api03-FAKE-of-the-user"),
        ("ANTHROPIC_BASE_URL", "https://gateway.example"),
        ("CLAUDE_CONFIG_DIR", "/home/user/.claude"),
        ("CLAUDE_CODE_MAX_RETRIES", "3"),
        ("GITHUB_TOKEN", "FAKE-token"),
        ("NO_PROXY", "api.anthropic.com"),
        ("ALL_PROXY", "socks5://proxy.example"),
        ("HTTPS_PROXY", "http://corporate.example:3128"),
        ("LANG", "C.UTF-8"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    variables.insert("PATH".into(), own("PATH"));
    variables.insert("TMPDIR".into(), temporary.into());
    variables
}

fn lines(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

/// Whether a process has ended, or is about to: what was killed is gone when the system comes to it.
fn gone(pid: i32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let due = std::time::Instant::now() + AT_MOST;
    // Nobody may collect what has lost its parent.
    let zombie = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    };
    while std::time::Instant::now() < due {
        if rustix::process::test_kill_process(pid).is_err() || zombie() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[tokio::test]
async fn a_command_has_a_home_and_a_login_of_its_own_and_nothing_of_the_users() {
    let temporary = tempfile::tempdir().unwrap();
    let builder = Harness::builder().scenario("expired-then-refreshed").environment(user(temporary.path()));
    let harness = builder.start().await.unwrap();
    let ran = harness.run(harness.command("env").env("OWN", "of the test"), AT_MOST).await.unwrap();
    assert!(ran.success(), "{ran:?}");
    let seen = lines(&ran.stdout);
    assert_eq!(seen["HOME"], harness.home().to_str().unwrap());
    assert_eq!(seen["HTTPS_PROXY"], harness.proxy_url());
    assert_eq!(seen["NODE_EXTRA_CA_CERTS"], harness.ca_file().to_str().unwrap());
    assert_eq!(std::fs::read_to_string(harness.ca_file()).unwrap(), harness.ca_pem());
    assert_eq!((seen["LANG"], seen["CLAUDE_CODE_MAX_RETRIES"], seen["OWN"]), ("C.UTF-8", "3", "of the test"));
    assert!(!seen["NO_PROXY"].contains("anthropic"));
    for gone in ["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR", "GITHUB_TOKEN", "ALL_PROXY"] {
        assert!(!seen.contains_key(gone), "{gone}");
    }
    let shown = harness.environment();
    assert!(seen.iter().all(
        |(name, value)| *name == "OWN" || shown.get(std::ffi::OsStr::new(name)).is_some_and(|known| known == value)
    ));
    let login = std::fs::read_to_string(harness.home().join(".claude/.credentials.json")).unwrap();
    assert!(login.contains("FAKE"));
    assert!(harness.home().starts_with(temporary.path()));
    harness.finish().await.unwrap();
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn it_is_the_environment_that_run_with_a_scenario_gives() {
    let home = crate::support::program::Home::new();
    let temporary = tempfile::tempdir().unwrap();
    let user = user(temporary.path());
    let names = |text: &str| -> Vec<String> { lines(text).keys().map(|name| (*name).to_owned()).collect() };
    let mut run = home.authtrace();
    run.env_clear().envs(&user).current_dir(home.path("work"));
    let run = run.args(["run", "--scenario", "healthy", "--out"]).arg(home.path("t.jsonl")).args(["--", "env"]);
    let by_run = run.output().unwrap();
    let harness = Harness::builder().scenario("healthy").environment(user).start().await.unwrap();
    let by_harness = harness.run(&mut harness.command("env"), AT_MOST).await.unwrap();
    assert_eq!(names(&String::from_utf8_lossy(&by_run.stdout)), names(&by_harness.stdout));
}

#[tokio::test]
async fn the_exit_code_of_a_command_is_an_expectation() {
    let harness = Harness::start("healthy").await.unwrap();
    let ran = harness.run(harness.command("sh").args(["-c", "echo out; echo err >&2; exit 3"]), AT_MOST).await.unwrap();
    assert_eq!((ran.exit_code(), ran.stdout.as_str(), ran.stderr.as_str()), (3, "out\n", "err\n"));
    let killed = harness.run(harness.command("sh").args(["-c", "kill -9 $$"]), AT_MOST).await.unwrap();
    assert_eq!((killed.outcome, killed.exit_code()), (Outcome::Signalled(9), 137));
    let observed = harness.finish().await.unwrap();
    observed.assert("format = 1\nallow_empty = true\nexit_code = 3\n");
    let checked = observed.check("format = 1\nallow_empty = true\n").unwrap();
    assert!(!checked.held() && checked.to_string().contains("the command ended with 3"), "{checked}");
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_all_that_it_has_started() {
    let harness = Harness::start("healthy").await.unwrap();
    let script = "trap '' TERM; sleep 600 & echo $! $$; echo waiting for nobody >&2; wait; wait; wait";
    let error = harness.run(harness.command("sh").args(["-c", script]), Duration::from_millis(500)).await.unwrap_err();
    let HarnessError::TimedOut { program, stdout, .. } = &error else { panic!("{error}") };
    assert_eq!(program, "sh");
    assert!(
        error.to_string().contains("was still running after 500ms") && error.to_string().contains("waiting for nobody")
    );
    for pid in stdout.split_whitespace() {
        assert!(gone(pid.parse().unwrap()), "{pid} is left");
    }
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_is_ended_with_it() {
    let harness = Harness::start("healthy").await.unwrap();
    // It holds the pipes open, which must not be waited for.
    let ran = harness.run(harness.command("sh").args(["-c", "sleep 600 & echo $!"]), AT_MOST).await.unwrap();
    assert!(ran.success() && ran.took < AT_MOST, "{ran:?}");
    assert!(gone(ran.stdout.trim().parse().unwrap()));
}

#[tokio::test]
async fn what_leaves_the_process_group_ends_with_the_harness() {
    if !cfg!(target_os = "linux") || tool("setsid").is_none() {
        return;
    }
    let harness = Harness::start("healthy").await.unwrap();
    let script =
        "setsid sh -c 'echo $$ > $HOME/daemon.new; mv $HOME/daemon.new $HOME/daemon; exec sleep 600' > /dev/null 2>&1 &
                  until [ -e $HOME/daemon ]; do sleep 0.05; done; cat $HOME/daemon";
    let ran = harness.run(harness.command("sh").args(["-c", script]), AT_MOST).await.unwrap();
    let other = Harness::start("healthy").await.unwrap();
    let mut spared = other.command("sleep").arg("600").spawn().unwrap();
    drop(harness);
    assert!(gone(ran.stdout.trim().parse().unwrap()));
    assert!(spared.try_wait().unwrap().is_none(), "that is another harness's");
    other.finish().await.unwrap();
    spared.wait().await.unwrap();
}

const PLACE: &str = "PLACE_OF_A_TEST_THAT_IS_KILLED";

/// Not a test of its own: [`a_command_does_not_outlive_a_test_that_is_killed`] starts it, and kills it.
#[test]
#[ignore = "part of another test"]
fn that_is_killed() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = Path::new(&place).display();
    let harness = blocking::Harness::start("healthy").unwrap();
    let script = format!("echo $$ > {place}/new; mv {place}/new {place}/pid; exec sleep 600");
    let _ = harness.run(harness.command("sh").args(["-c", &script]), Duration::from_secs(600));
}

#[test]
fn a_command_does_not_outlive_a_test_that_is_killed() {
    let place = tempfile::tempdir().unwrap();
    let mut test = std::process::Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "harness::commands::that_is_killed", "--ignored"]).env(PLACE, place.path());
    let mut test = test.env("TMPDIR", place.path()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let pid = place.path().join("pid");
    while !pid.exists() {
        assert!(test.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    test.kill().unwrap();
    test.wait().unwrap();
    assert!(gone(std::fs::read_to_string(pid).unwrap().trim().parse().unwrap()));
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_any_more_is_ended() {
    let harness = Harness::start("healthy").await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600", file.path().display());
    let mut command = harness.command("sh");
    let running = harness.run(command.args(["-c", &script]), Duration::from_secs(600));
    let started = async {
        while std::fs::read_to_string(&file).unwrap_or_default().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        _ = running => panic!("it cannot have ended"),
        () = started => {}
    }
    assert!(gone(std::fs::read_to_string(&file).unwrap().trim().parse().unwrap()));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let harness = Harness::start("healthy").await.unwrap();
    let missing = harness.run(&mut harness.command("no-such-program-of-anyone"), AT_MOST).await.unwrap_err();
    assert!(matches!(missing, HarnessError::Launch(LaunchError::NotFound { .. })), "{missing}");
    assert!(missing.to_string().contains("command not found"), "{missing}");
}

#[tokio::test]
async fn each_client_of_a_race_has_what_the_scenario_gives_it() {
    let harness = Harness::start("refresh-race").await.unwrap();
    assert!(harness.clients() > 1);
    let home = |number| {
        let command = harness.command_of(number, "true").unwrap();
        let home = command.as_std().get_envs().find(|(name, _)| *name == "HOME").unwrap().1.unwrap();
        std::path::PathBuf::from(home)
    };
    assert!(home(0).join(".claude/.credentials.json").is_file() && home(1).join(".claude/.credentials.json").is_file());
    let none = harness.command_of(99, "true").unwrap_err();
    assert!(none.to_string().contains("no client 99"), "{none}");
}

#[test]
fn a_command_can_be_run_twice_without_async() {
    let harness = blocking::Harness::start("healthy").unwrap();
    let mut command = harness.command("sh");
    command.args(["-c", "echo $HOME"]);
    let first = harness.run(&mut command, AT_MOST).unwrap();
    let second = harness.run(&mut command, AT_MOST).unwrap();
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(Path::new(first.stdout.trim()), harness.home());
    let home = harness.home().to_owned();
    drop(harness);
    assert!(!home.exists(), "dropping ends it");
}

#[tokio::test]
async fn curl_goes_through_with_the_environment_alone() {
    let Some(curl) = tool("curl") else { return };
    let harness = Harness::builder().start().await.unwrap();
    let script = format!(
        "{} -sS -o /dev/null -w '%{{http_code}}' https://api.anthropic.com/v1/messages -H \"x-api-key: $ANTHROPIC_API_KEY\" \
         -H 'anthropic-version: 2023-06-01' -d '{{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}'",
        curl.display()
    );
    let ran = harness.run(harness.command("sh").args(["-c", &script]), AT_MOST).await.unwrap();
    assert_eq!(ran.stdout, "200", "{}", ran.stderr);
    let observed = harness.finish().await.unwrap();
    let message = &observed.exchanges()[0];
    assert_eq!((message.host(), message.path(), message.status()), ("api.anthropic.com", "/v1/messages", Some(200)));
}
