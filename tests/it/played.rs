//! `run --scenario`, `proxy --scenario`, `fake` and `scenario`, as a user gives them: the client's home, what stays of the
//! user's environment, several clients, live traffic, and mistakes.

use super::support::program::{Ended, Home, Live, PATIENCE, Trace, run};
use super::support::tool;
use authtrace::analyze::{Survey, diagnose};
use authtrace::catalogue::Code;
use authtrace::fake::{Fake, FakeConfig, Model, Seed};
use authtrace::trace::{Origin, PlayedAgainst, Reader};
use serde_json::Value;

/// Asks for a message with the login of its home, as Claude Code finds it.
const CLIENT: &str = r#"
token=$(sed 's/.*"accessToken":"\([^"]*\)".*/\1/' "$HOME/.claude/.credentials.json")
curl -s -o /dev/null -w '%{http_code}\n' https://api.anthropic.com/v1/messages \
    -H "authorization: Bearer $token" -H 'anthropic-beta: oauth-2025-04-20' -d '{}'
"#;

fn play(home: &Home, options: &[&str], script: &str) -> (Ended, Trace) {
    let mut command = home.authtrace();
    command.args(["run", "--out", "trace.jsonl"]).args(options).args(["--", "sh", "-c", script]);
    let ended = run(&mut command, PATIENCE);
    let trace = Trace::read(&home.path("work/trace.jsonl"));
    (ended, trace)
}

fn said(ended: &Ended) -> String {
    ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_command_has_a_home_of_its_own_and_no_credential_of_the_users() {
    let home = Home::new();
    let mut command = home.authtrace();
    command.args(["run", "--scenario", "healthy", "--", "sh", "-c", "env; cat \"$HOME/.claude/.credentials.json\""]);
    command.env("ANTHROPIC_API_KEY", "sk-ant-api03-FAKE-of-the-user").env("CLAUDE_CONFIG_DIR", "/of/the/user");
    command.env("AWS_BEARER_TOKEN_BEDROCK", "FAKE").env("CLAUDE_CODE_MAX_RETRIES", "2").env("COLOUR", "blue");
    command.env("DISABLE_IT", "sk-ant-api03-FAKE-of-the-user").env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=FAKE");
    command.env("NO_PROXY", "collector.example").env("no_proxy", "collector.example");
    let ended = run(&mut command, PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stdout.contains("FAKE-of-the-user") && !ended.stdout.contains("collector.example"));
    let has = |line: &str| ended.stdout.lines().any(|one| one == line);
    assert!(has("COLOUR=blue") && has("CLAUDE_CODE_MAX_RETRIES=2") && has("DISABLE_AUTOUPDATER=1"));
    let names = ["ANTHROPIC_API_KEY=", "CLAUDE_CONFIG_DIR=", "AWS_", "AUTHTRACE_", "OTEL_"];
    assert!(!ended.stdout.lines().any(|line| names.iter().any(|name| line.starts_with(name))), "{}", ended.stdout);
    assert!(!has(&format!("HOME={}", home.path("").to_str().unwrap().trim_end_matches('/'))));
    let login: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert!(login["claudeAiOauth"]["accessToken"].as_str().unwrap().contains("FAKE"));
    assert_eq!(home.left_behind(), Vec::<String>::new());
}

#[test]
fn the_trace_and_every_report_say_that_it_was_played() {
    if tool("curl").is_none() {
        return;
    }
    let home = Home::new();
    let (ended, trace) = play(&home, &["--scenario", "token-revoked"], CLIENT);
    assert_eq!((ended.stdout.as_str(), ended.code), ("401\n", Some(0)), "{}", ended.stderr);
    let played = trace.head.played.as_ref().unwrap();
    assert_eq!((played.scenario.as_str(), played.against), ("token-revoked", PlayedAgainst::Fake));
    assert!(said(&ended).contains("the scenario token-revoked was played"), "{}", ended.stderr);
    for format in ["text", "md", "html", "svg", "json", "har"] {
        let mut command = home.authtrace();
        let report = run(command.args(["report", "trace.jsonl", "--format", format]), PATIENCE);
        assert_eq!(report.code, Some(0), "{}", report.stderr);
        assert!(report.stdout.contains("token-revoked"), "{format}");
        let told = ["was played", "\"against\": \"fake\"", "\"against\":\"fake\""];
        assert!(told.iter().any(|words| report.stdout.contains(words)), "{format}");
        if format == "har" {
            home.write("work/trace.har", &report.stdout);
        }
    }
    // Nor does it get lost on the way through a HAR.
    let again = run(home.authtrace().args(["report", "trace.har"]), PATIENCE);
    assert!(again.stdout.contains("was played"), "{}", again.stdout);
}

#[test]
fn several_clients_have_a_home_each_and_a_copy_of_one_login() {
    let home = Home::new();
    home.write(
        "work/two.toml",
        "format = 1\ntitle = \"two\"\n[client]\nprocesses = 2\n[[rule]]\nwhen = { path = \"/v1/messages\" }\npass = true\n",
    );
    // Each in one write, so that they do not mix.
    let script = "line=\"$HOME $(cat $HOME/.claude/.credentials.json)\"; echo \"$line\"";
    let (ended, _) = play(&home, &["--scenario", "./two.toml"], script);
    let clients: Vec<(&str, &str)> = ended.stdout.lines().map(|line| line.split_once(' ').unwrap()).collect();
    let [(one, first), (other, second)] = clients.as_slice() else { panic!("{clients:?}") };
    assert!(one != other && first == second && first.contains("FAKE"), "{clients:?}");
}

#[test]
fn the_first_failure_of_several_clients_is_the_exit_code() {
    let home = Home::new();
    home.write("work/two.toml", "format = 1\ntitle = \"two\"\n[client]\nprocesses = 2\n");
    let (ended, _) = play(&home, &["--scenario", "./two.toml"], "mkdir ../only-one 2>/dev/null || exit 7");
    assert_eq!(ended.code, Some(7), "{}", ended.stderr);
}

#[test]
fn on_live_traffic_what_authtrace_answers_is_marked_and_proves_nothing() {
    if tool("curl").is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut model = Model::new(Seed::random().unwrap());
    let key = model.api_key_for_console();
    let fake = runtime.block_on(Fake::start(FakeConfig::new(model))).unwrap();
    let home = Home::new();
    home.write("fake.pem", fake.ca_pem());
    home.write(
        "work/live.toml",
        "format = 1\ncode = \"api-key-invalid\"\ntitle = \"every second\"\nagainst = \"live\"\n[[rule]]\n\
         when = { path = \"/v1/messages\" }\nskip = 1\ntimes = 1\n\
         answer = { status = 401, type = \"authentication_error\", message = \"invalid x-api-key\" }\n",
    );
    let to = format!("::127.0.0.1:{}", fake.addr().port());
    let roots = home.path("fake.pem");
    let options = [
        "--scenario",
        "./live.toml",
        "--connect-to",
        &to,
        "--upstream-proxy",
        "none",
        "--upstream-ca",
        roots.to_str().unwrap(),
    ];
    let script = format!(
        "for i in 1 2 3; do curl -s --suppress-connect-headers -D - https://api.anthropic.com/v1/messages -H 'x-api-key: {key}' -d '{{}}' | tr -d '\\r' | \
         grep -i '^HTTP\\|^x-authtrace'; done"
    );
    let (ended, trace) = play(&home, &options, &script);
    let heads: Vec<String> = ended.stdout.lines().map(str::to_ascii_lowercase).collect();
    let marked: Vec<bool> = heads.iter().map(|line| line.starts_with("x-authtrace")).collect();
    assert_eq!(marked, [false, false, true, false], "{heads:?} {}", ended.stderr);
    let origins: Vec<Origin> = trace.exchanges.iter().map(|one| one.origin).collect();
    assert_eq!(origins, [Origin::Upstream, Origin::Authtrace, Origin::Upstream]);
    assert_eq!(trace.head.played.as_ref().unwrap().against, PlayedAgainst::Live);
    assert_eq!(runtime.block_on(fake.requests_at_least(2)).len(), 2);
    runtime.block_on(fake.shutdown());
    let survey = Survey::read(Reader::new(trace.text.as_bytes()).unwrap());
    assert_eq!(diagnose(&survey).verdict.code, Code::Healthy);
    assert!(said(&ended).contains("1 answer by authtrace, marked *; it proves nothing"), "{}", ended.stderr);
    for format in ["text", "md", "html", "svg"] {
        let report = run(home.authtrace().args(["report", "trace.jsonl", "--format", format]), PATIENCE);
        assert!(report.stdout.contains("was played on live traffic"), "{format}: {}", report.stdout);
    }
}

#[test]
fn mistakes_are_told_in_their_place() {
    let home = Home::new();
    let tells = |arguments: &[&str], code: i32, sentence: &str| {
        let ended = run(home.authtrace().args(arguments), PATIENCE);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(said(&ended).contains(sentence), "{}", ended.stderr);
    };
    home.write("work/typo.toml", "format = 1\ntitle = \"x\"\n[[rule]]\nwhen = { pth = \"/v1/messages\" }\n");
    home.write("work/code.toml", "format = 1\ncode = \"refresh-rase\"\ntitle = \"x\"\n");
    home.write("work/newer.toml", "format = 9\ntitle = \"x\"\n");
    home.write(
        "work/never.toml",
        "format = 1\ntitle = \"x\"\n[[rule]]\npass = true\n[[rule]]\nwhen = { path = \"/v1/messages\" }\ncut = \"reset\"\n",
    );
    home.write(
        "work/live.toml",
        "format = 1\ntitle = \"x\"\nagainst = \"live\"\n[[rule]]\ntoken = \"invalid-grant\"\n",
    );
    home.write("work/binary.toml", "\u{0}\u{1}");
    tells(&["run", "--scenario", "token-revokt", "--", "true"], 125, "is \"token-revoked\" meant?");
    tells(&["run", "--scenario", "./none.toml", "--", "true"], 125, "cannot read ./none.toml");
    tells(&["run", "--join", "--scenario", "healthy", "--", "true"], 125, "give --scenario there");
    tells(&["scenario", "validate", "typo.toml", "never.toml"], 2, "line 4, column 10");
    tells(&["scenario", "validate", "code.toml"], 2, "is \"refresh-race\" meant?");
    tells(&["scenario", "validate", "newer.toml"], 2, "reads format 1");
    tells(&["scenario", "validate", "live.toml"], 2, "only the fake issues tokens");
    home.write("work/empty.toml", "format = 1\ntitle = \"x\"\nagainst = \"live\"\n");
    home.write(
        "work/stuck.toml",
        "format = 1\ntitle = \"x\"\n[[rule]]\nwhen = { state = \"later\" }\nenters = \"later\"\npass = true\n",
    );
    home.write("work/nought.toml", "format = 1\ntitle = \"x\"\n[[rule]]\nwhen = { attempt = \"0\" }\npass = true\n");
    tells(&["run", "--scenario", "./empty.toml", "--", "true"], 0, "nothing is played");
    tells(&["run", "--scenario", "./stuck.toml", "--", "true"], 0, "no rule enters this state");
    tells(&["scenario", "validate", "nought.toml"], 2, "line 4, column 20");
    tells(&["scenario", "validate", "binary.toml"], 2, "1 | ··");
    tells(&["run", "--scenario", "./never.toml", "--", "true"], 0, "line 5");
    tells(&["fake", "--listen", "0.0.0.0:0"], 2, "not a loopback address");
    tells(&["fake", "--scenario", "./live.toml"], 2, "only the fake issues tokens");
    let good = run(home.authtrace().args(["scenario", "validate", "never.toml"]), PATIENCE);
    assert!(good.code == Some(0) && good.stdout.contains("never.toml: good") && good.stdout.contains("line 5"));
}

#[test]
fn what_is_shown_is_a_file_that_can_be_played() {
    let home = Home::new();
    let list = run(home.authtrace().args(["scenario", "list"]), PATIENCE);
    let names: Vec<&str> =
        list.stdout.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split("  ").next()).collect();
    assert!(names.len() > 25, "{}", list.stdout);
    for name in names {
        let shown = run(home.authtrace().args(["scenario", "show", name]), PATIENCE);
        home.write("work/shown.toml", &shown.stdout);
        let valid = run(home.authtrace().args(["scenario", "validate", "shown.toml"]), PATIENCE);
        assert_eq!((valid.code, valid.stderr.as_str()), (Some(0), ""), "{name}");
    }
}

#[test]
fn the_clock_of_the_fake_can_be_put_forward() {
    if tool("curl").is_none() {
        return;
    }
    let home = Home::new();
    let mut fake = Live::start(home.authtrace().args(["fake", "--scenario", "healthy", "--env", "sh"]));
    // The last of the exports.
    fake.until("DISABLE_AUTOUPDATER");
    let exports = fake.said();
    let script = format!(
        "{exports}\ntoken=$(sed 's/.*\"accessToken\":\"\\([^\"]*\\)\".*/\\1/' \"$CLAUDE_CONFIG_DIR/.credentials.json\")\n\
         refresh=$(sed 's/.*\"refreshToken\":\"\\([^\"]*\\)\".*/\\1/' \"$CLAUDE_CONFIG_DIR/.credentials.json\")\n\
         ask() {{ curl -s -o /dev/null -w '%{{http_code}} ' $ANTHROPIC_BASE_URL/api/oauth/profile -H \"authorization: Bearer $token\"; }}\n\
         token=$(curl -s $ANTHROPIC_BASE_URL/v1/oauth/token -H 'content-type: application/json' \
         -d \"{{\\\"grant_type\\\":\\\"refresh_token\\\",\\\"refresh_token\\\":\\\"$refresh\\\",\\\"client_id\\\":\\\"x\\\"}}\" | \
         sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n\
         ask; curl -s -o /dev/null -X POST \"$ANTHROPIC_BASE_URL/_authtrace/clock?advance=9h\"; ask; \
         curl -s -o /dev/null -X POST \"$ANTHROPIC_BASE_URL/_authtrace/clock?advance=soon\" -w '%{{http_code}} '; \
         curl -s \"$ANTHROPIC_BASE_URL/_authtrace/requests\""
    );
    let ended = run(home.command("sh").args(["-c", &script]), PATIENCE);
    let (codes, requests) = ended.stdout.split_once('[').unwrap();
    assert_eq!(codes.trim(), "200 401 400", "{}", ended.stderr);
    let requests: Value = serde_json::from_str(&format!("[{requests}")).unwrap();
    let statuses: Vec<_> = requests.as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 401]);
    fake.until("401");
    fake.kill();
}

#[test]
fn the_files_of_the_documentation_are_in_order() {
    let page = include_str!("../../docs/scenarios.md");
    let files: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        let scenario = authtrace::scenario::read(file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.warnings, [], "{}", scenario.title);
    }
}
