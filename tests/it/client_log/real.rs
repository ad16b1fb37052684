//! Both versions of the real client, with `--debug-file`, behind `authtrace run` and against the fake.

use super::super::support::program::{Home, assert_without, run};
use super::report;
use crate::support::claude::{Slot, Version};
use authtrace::fake::{Fake, FakeConfig, Model, Seed};
use authtrace::policy::{Coding, RawAnswer, Rule, Script, Then, When};
use authtrace::trace::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// Longest time for one run.
const PATIENCE: Duration = Duration::from_secs(100);

/// What `report --format json` says of a run whose login was good until `expires_in` seconds from now.
fn play(version: Version, script: Script, expires_in: i64) -> Option<Value> {
    let executable = version.executable()?;
    let _slot = Slot::take();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut model = Model::new(Seed::random().unwrap());
    let login = model.log_in(Timestamp::now(), expires_in);
    let fake = runtime.block_on(Fake::start(FakeConfig::new(model).with_script(script))).unwrap();
    let home = Home::new();
    home.write("fake.pem", fake.ca_pem());
    home.write(".claude/.credentials.json", &login.credentials_file());
    let mut command = home.authtrace();
    command
        .args(["run", "--out", "trace.jsonl", "--upstream-proxy", "none", "--upstream-ca"])
        .arg(home.path("fake.pem"));
    command.args(["--connect-to", &format!("::127.0.0.1:{}", fake.addr().port()), "--"]).arg(&executable);
    command.args(["-p", "say hi", "--max-turns", "1", "--output-format", "json", "--debug-file"]);
    command.arg(home.path("debug.log"));
    command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("CLAUDE_CODE_MAX_RETRIES", "2");
    run(&mut command, PATIENCE);
    let secrets = fake.with_model(|model| model.issued_values());
    runtime.block_on(fake.shutdown());
    let (trace, log) = (home.path("work/trace.jsonl"), home.path("debug.log"));
    for format in ["text", "md"] {
        let shown = report(&trace, &log, format);
        assert!(shown.contains("What the client believed"), "{shown}");
        assert_without(&shown, &secrets, format);
    }
    let json = report(&trace, &log, "json");
    assert_without(&json, &secrets, "json");
    Some(serde_json::from_str::<Value>(&json).unwrap()["client_log"].take())
}

fn a_login_that_works(version: Version) {
    let Some(view) = play(version, Script::default(), 8 * 3600) else { return };
    assert_found(&view);
    assert_eq!(view["disagreements"], Value::Array(Vec::new()), "{view:#}");
    assert_eq!(view["trust"]["extra"], "authtrace", "{view:#}");
    assert_eq!(view["trust"]["extra_state"], "loaded", "{view:#}");
}

fn a_renewal_that_fails_unseen(version: Version) {
    let answer = RawAnswer {
        status: 500,
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
        body: b"{}".to_vec(),
        coding: Coding::Identity,
    };
    let script = Script { rules: vec![Rule::always(When::path("/v1/oauth/token"), Then::Raw(answer))] };
    let Some(view) = play(version, script, -60) else { return };
    assert_found(&view);
    let hidden = &view["disagreements"][0];
    assert_eq!((&hidden["what"], &hidden["shown"]), (&"renewal_hidden".into(), &401.into()), "{view:#}");
    assert!(hidden["exchanges"].as_array().unwrap().len() > 1, "{view:#}");
}

/// Each request of the log is in the trace, by its id.
fn assert_found(view: &Value) {
    let join = &view["join"];
    assert!(join["requests"].as_u64().unwrap() > 0, "{view:#}");
    assert_eq!((&join["by_id"], &join["missing"]), (&join["requests"], &0.into()), "{view:#}");
    assert!(view["clock"]["median_ms"].as_i64().unwrap().abs() < 1_500, "{view:#}");
}

mod new {
    use super::Version::New;

    #[test]
    fn a_login_that_works() {
        super::a_login_that_works(New);
    }

    #[test]
    fn a_renewal_that_fails_unseen() {
        super::a_renewal_that_fails_unseen(New);
    }
}

mod old {
    use super::Version::Old;

    #[test]
    fn a_login_that_works() {
        super::a_login_that_works(Old);
    }

    #[test]
    fn a_renewal_that_fails_unseen() {
        super::a_renewal_that_fails_unseen(Old);
    }
}
