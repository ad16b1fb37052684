//! The guard with the real Claude Code, both versions: a loop ends after N refusals, healthy traffic is not touched.

use super::support::claude::{Seance, Stage, Version};
use authtrace::policy::{ApiError, Rule, Script, Then, When};
use authtrace::trace::{Exchange, NoteKind, Origin};
use std::time::{Duration, Instant};

const MESSAGES: &str = "/v1/messages";
const TOKEN: &str = "/v1/oauth/token";
/// The client's own back-off after N refusals takes seconds; eleven attempts take three minutes.
const SECONDS: Duration = Duration::from_secs(60);

/// How the client is given its credential.
#[derive(Clone, Copy, Debug)]
enum By {
    Key,
    Bearer,
    OauthToken,
    File,
}

fn refusing() -> Script {
    let refusal = Then::Error(ApiError::unauthorized("Invalid authentication credentials"));
    Script { rules: vec![Rule::always(When::path(MESSAGES), refusal)] }
}

fn play(version: Version, by: By, script: Script, options: &[&str]) -> Option<(Seance, Duration)> {
    let stage = Stage::set(version, script)?;
    let (key, token) = (stage.api_key.clone(), stage.login.access_token.clone());
    let mut variables = vec![("CLAUDE_CODE_MAX_RETRIES", "10")];
    let stage = match by {
        By::Key => {
            variables.push(("ANTHROPIC_API_KEY", &key));
            stage
        }
        By::Bearer => {
            variables.push(("ANTHROPIC_AUTH_TOKEN", &token));
            stage
        }
        By::OauthToken => {
            variables.push(("CLAUDE_CODE_OAUTH_TOKEN", &token));
            stage
        }
        By::File => stage.with_credentials_file(),
    };
    let begun = Instant::now();
    let seance = stage.play(options, &variables);
    Some((seance, begun.elapsed()))
}

fn of_server<'a>(seance: &'a Seance, path: &str) -> Vec<&'a Exchange> {
    seance.trace.on(path).into_iter().filter(|one| one.origin == Origin::Upstream).collect()
}

fn ours(seance: &Seance) -> Vec<&Exchange> {
    seance.trace.exchanges.iter().filter(|one| one.origin == Origin::Authtrace).collect()
}

/// As many refusals as the guard allows, then answers of ours, and the client gives up.
fn the_loop_ends(version: Version, by: By, refusals: usize) {
    let guard = refusals.to_string();
    let Some((seance, took)) = play(version, by, refusing(), &["--guard", &guard]) else { return };
    assert_eq!(seance.ended.code, Some(1), "{} {}", seance.ended.stdout, seance.ended.stderr);
    assert_eq!(of_server(&seance, MESSAGES).len(), refusals, "{version:?} {by:?}: {}", seance.ended.stderr);
    assert_eq!(seance.asked(MESSAGES), refusals, "nothing more reached the server");
    let own = ours(&seance);
    // The old client asks for a title beside each message.
    assert!((1..=2).contains(&own.len()), "{version:?} {by:?}: {}", own.len());
    assert!(own.iter().all(|one| one.status() == Some(403) && one.passage.is_none()));
    assert!(took < SECONDS, "{version:?} {by:?}: {took:?}");
    let said = seance.ended.stdout.clone();
    assert!(said.contains("authtrace stopped this request"), "{said}");
    assert!(seance.trace.notes.iter().any(|note| note.kind == NoteKind::Policy));
    seance.said("on authtrace answers in the server's place");
    seance.said("by authtrace, marked *");
}

#[test]
fn the_old_clients_loop_ends_whatever_its_credential() {
    for by in [By::Key, By::Bearer, By::OauthToken, By::File] {
        the_loop_ends(Version::Old, by, 3);
    }
}

#[test]
fn the_new_clients_loop_ends_for_what_cannot_be_renewed() {
    for by in [By::Key, By::Bearer] {
        the_loop_ends(Version::New, by, 3);
    }
}

/// It renews a refused login and tries once more, whatever the guard says; with each token it is refused once.
#[test]
fn the_new_client_gives_up_by_itself_with_a_login() {
    the_loop_ends(Version::New, By::OauthToken, 1);
    let Some((seance, _)) = play(Version::New, By::File, refusing(), &["--guard", "1"]) else { return };
    assert_eq!(seance.ended.code, Some(1));
    assert_eq!((of_server(&seance, MESSAGES).len(), ours(&seance).len()), (2, 1), "{}", seance.ended.stderr);
    assert_eq!(seance.asked(TOKEN), 1);
}

/// A token endpoint that always fails is asked N times; the client's file stays as it was.
#[test]
fn a_token_endpoint_is_not_hammered_and_nobody_is_logged_out() {
    for version in [Version::New, Version::Old] {
        let down = Then::Error(ApiError::new(503, "overloaded_error", "Overloaded"));
        let refusal = Then::Error(ApiError::unauthorized("OAuth token has expired."));
        let rules = vec![Rule::always(When::path(TOKEN), down), Rule::always(When::path(MESSAGES), refusal)];
        let Some(stage) = Stage::set(version, Script { rules }) else { continue };
        let login = expired(stage.login.credentials_file());
        stage.home.write(".claude/.credentials.json", &login);
        let seance = stage.play(&["--guard", "2"], &[("CLAUDE_CODE_MAX_RETRIES", "10")]);
        assert_eq!(seance.ended.code, Some(1));
        assert!(seance.asked(TOKEN) <= 2 && seance.asked(MESSAGES) <= 2, "{version:?}: {}", seance.ended.stderr);
        assert!(seance.trace.on(TOKEN).len() > 2, "{version:?}: it asks more often than that");
        let after: serde_json::Value = serde_json::from_str(&seance.credentials_file.clone().unwrap()).unwrap();
        let before: serde_json::Value = serde_json::from_str(&login).unwrap();
        assert_eq!(after["claudeAiOauth"]["refreshToken"], before["claudeAiOauth"]["refreshToken"]);
    }
}

fn expired(file: String) -> String {
    let mut file: serde_json::Value = serde_json::from_str(&file).unwrap();
    file["claudeAiOauth"]["expiresAt"] = 1_700_000_000_000_i64.into();
    file.to_string()
}

/// A 401, a renewed token, a success; and a client that is never refused.
#[test]
fn healthy_traffic_is_not_touched() {
    let once = vec![Rule::once(When::path(MESSAGES), Then::Error(ApiError::unauthorized("OAuth token has expired.")))];
    for (script, refreshes) in [(Script { rules: once }, 1), (Script::default(), 0)] {
        let Some((seance, _)) = play(Version::New, By::File, script, &["--guard", "2"]) else { return };
        seance.assert_good();
        seance.assert_all_recorded();
        assert_eq!((ours(&seance).len(), seance.asked(TOKEN)), (0, refreshes));
        assert!(seance.trace.notes.iter().all(|note| note.kind != NoteKind::Policy));
    }
    for by in [By::Key, By::File] {
        let Some((seance, _)) = play(Version::Old, by, Script::default(), &["--guard", "1"]) else { return };
        seance.assert_good();
        seance.assert_all_recorded();
    }
}

/// The command is ended, and authtrace says so with a code of its own.
#[test]
fn the_guard_can_end_the_command() {
    for version in [Version::New, Version::Old] {
        let Some(stage) = Stage::set(version, refusing()) else { continue };
        let key = stage.api_key.clone();
        let seance = stage.play_stopped(&["--guard", "2", "--on-guard", "stop"], &[("ANTHROPIC_API_KEY", &key)]);
        assert_eq!(seance.ended.code, Some(125), "{}", seance.ended.stderr);
        assert_eq!(seance.asked(MESSAGES), 2);
        seance.said("the guard ended the command: 2 refusals in a row of one credential");
    }
}

/// Without a guard the closing summary has a word about a long row, with what helps.
#[test]
fn a_long_row_is_told_at_the_end() {
    let Some(stage) = Stage::set(Version::New, refusing()) else { return };
    let key = stage.api_key.clone();
    let seance = stage.play(&[], &[("CLAUDE_CODE_MAX_RETRIES", "5"), ("ANTHROPIC_API_KEY", &key)]);
    assert_eq!(seance.asked(MESSAGES), 6);
    assert!(ours(&seance).is_empty());
    // Standard output is no terminal here, so it was also said at once.
    seance.said("5 refusals in a row of key-A");
    seance.said("6 refusals in a row of key-A");
    seance.said("authtrace run --guard 3 ends such a loop");
}
