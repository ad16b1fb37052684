//! What cannot be used is told when the harness is built.

use authtrace::harness::{Harness, HarnessError, SceneError};

async fn refused(builder: authtrace::harness::Builder) -> HarnessError {
    match builder.start().await {
        Ok(_) => panic!("it was taken"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_scenario_that_is_not_known_or_has_a_mistake() {
    let error = refused(Harness::builder().scenario("expired-then-refreshd")).await;
    assert!(error.to_string().contains("is \"expired-then-refreshed\" meant?"), "{error}");
    let error = refused(Harness::builder().scenario_toml("format = 1\ntitle = \"x\"\nserver = 3\n")).await;
    assert!(error.to_string().contains("line 3"), "{error}");
    let error = refused(Harness::builder().scenario_toml("format = 1\ntitle = \"x\"\nagainst = \"live\"\n")).await;
    assert!(matches!(error, HarnessError::Scene(SceneError::Live)), "{error}");
    let error = refused(Harness::builder().scenario("./missing.toml")).await;
    assert!(error.to_string().contains("cannot read ./missing.toml"), "{error}");
    let error = refused(Harness::builder().scenario("nothing-seen")).await;
    assert!(error.to_string().contains("no scenario leads to nothing-seen"), "{error}");
}

#[tokio::test]
async fn servers_that_cannot_be_meant() {
    let address = "127.0.0.1:1".parse().unwrap();
    for wrong in ["api.anthropic.com", ":443", "api.anthropic.com:https"] {
        let error = refused(Harness::builder().upstream(wrong, address)).await;
        assert!(error.to_string().contains("HOST:PORT"), "{wrong}: {error}");
    }
    let error = refused(Harness::builder().gateway("127.0.0.1:4000")).await;
    assert!(error.to_string().contains("http:// or https:// URL"), "{error}");
    let error = refused(Harness::builder().gateway("https://127.0.0.1:4000")).await;
    assert!(error.to_string().contains("excludes all addresses"), "{error}");
    let error = refused(Harness::builder().upstream_ca("no certificate")).await;
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_place_for_files_that_cannot_be_used() {
    let environment = [("TMPDIR".into(), "/proc".into())].into();
    let error = refused(Harness::builder().environment(environment)).await;
    assert!(error.to_string().contains("Set TMPDIR to a folder that you may write to"), "{error}");
    let error = refused(Harness::builder().trace_file("/proc/trace.jsonl")).await;
    assert!(error.to_string().contains("/proc/trace.jsonl"), "{error}");
}
