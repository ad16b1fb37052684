//! The real Claude Code as the command of a harness.

use crate::support::claude::Version;
use authtrace::harness::Harness;
use std::time::Duration;

const TIME: Duration = Duration::from_secs(100);

#[tokio::test]
async fn the_real_client_refreshes_once_and_asks_again() {
    let Some(claude) = Version::New.executable() else { return };
    let harness = Harness::start("expired-then-refreshed").await.unwrap();
    let ran = harness.run(harness.command(claude).args(["-p", "say hi"]), TIME).await.unwrap();
    assert!(ran.success(), "{ran:?}");
    let observed = harness.finish().await.unwrap();
    observed.assert(
        r#"
        format = 1
        [limits]
        refreshes = 1
        auth_failures = 2
        [[flow]]
        step = [
          { path = "/v1/messages", status = 401, credential = "$old" },
          { name = "refresh", grant = "refresh-token", status = 200, repeat = 1 },
          { path = "/v1/messages", status = 200, credential = "$new", issued_by = "refresh" },
        ]
        "#,
    );
    let peer = observed.survey().peer_of(&observed.exchanges()[0]);
    assert!(cfg!(not(target_os = "linux")) || peer.is_some(), "which process asked is known");
}

#[tokio::test]
async fn two_real_clients_race_for_one_refresh_token() {
    let Some(claude) = Version::New.executable() else { return };
    let harness = Harness::start("refresh-race").await.unwrap();
    assert_eq!(harness.clients(), 2);
    let (mut first, mut second) = (harness.command_of(0, &claude).unwrap(), harness.command_of(1, &claude).unwrap());
    let (first, second) =
        tokio::join!(harness.run(first.args(["-p", "say hi"]), TIME), harness.run(second.args(["-p", "say hi"]), TIME));
    let codes = [first.unwrap().exit_code(), second.unwrap().exit_code()];
    let observed = harness.finish().await.unwrap();
    assert_eq!(observed.verdict().code.as_str(), "refresh-race", "{codes:?} {}", observed.report());
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "one of them wins");
}
