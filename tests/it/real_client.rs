//! The real Claude Code behind `authtrace run`, against the fake Anthropic on loopback: what it does with each answer, and what is told of it.

use super::support::claude::{MESSAGES, PATIENCE, Slot, Stage, Version};
use super::support::program::{Home, run};
use authtrace::policy::{ApiError, Coding, Rule, Script, Then, TokenOutcome, When};
use authtrace::redact::{Fingerprint, Kind};
use authtrace::trace::{ErrorShape, Exchange, Mode, Outcome, Timestamp};
use std::net::SocketAddr;
use std::process::Command;

const TOKEN: &str = "/v1/oauth/token";
const REFUSAL: &str = "Invalid authentication credentials";

/// Fingerprints of the credentials of an exchange, in order.
fn fingerprints(exchange: &Exchange) -> Vec<Fingerprint> {
    exchange.credentials.iter().map(|one| one.credential.fp).collect()
}

fn places(exchange: &Exchange) -> Vec<(&str, Kind)> {
    exchange.credentials.iter().map(|one| (one.place.as_str(), one.credential.kind)).collect()
}

fn always(then: Then) -> Script {
    Script { rules: vec![Rule::always(When::path(MESSAGES), then)] }
}

fn healthy_with_an_api_key(version: Version) {
    let Some(stage) = Stage::set(version, Script::default()) else {
        return;
    };
    let key = stage.api_key.clone();
    let seance = stage.play(&[], &[("ANTHROPIC_API_KEY", &key)]);
    seance.assert_good();
    seance.assert_all_recorded();
    let messages = seance.messages();
    assert!(!messages.is_empty());
    for one in &messages {
        assert_eq!(places(one), [("x-api-key", Kind::ApiKey)]);
        assert_eq!((one.status(), one.is_auth_failure()), (Some(200), false));
        assert!(
            one.sse
                .as_ref()
                .is_some_and(|sse| sse.followed && sse.names.iter().any(|name| name.name.as_str() == "message_stop")),
            "{one:?}"
        );
        assert!(one.request_ids.header.is_some() && one.request_ids.client.is_some());
    }
    for leg in seance.trace.connections.iter().flat_map(|one| [&one.client_tls, &one.upstream_tls]) {
        assert_eq!(leg.as_ref().unwrap().version.as_ref().unwrap().as_str(), "TLSv1.3");
    }
    assert!(
        seance.trace.connections.iter().all(|one| one.mode == Mode::Intercepted && one.end.outcome == Outcome::Ok),
        "{:?}",
        seance.trace.connections
    );
    assert!(seance.trace.head.variables.iter().any(|name| name.as_str() == "ANTHROPIC_API_KEY"));
}

fn healthy_with_a_credentials_file(version: Version) {
    let Some(stage) = Stage::set(version, Script::default()) else {
        return;
    };
    let seance = stage.with_credentials_file().play(&[], &[]);
    seance.assert_good();
    seance.assert_all_recorded();
    for one in seance.messages() {
        assert_eq!(places(one), [("authorization", Kind::OauthAccess)]);
        assert_eq!(one.status(), Some(200));
    }
    assert!(seance.trace.on(TOKEN).is_empty());
}

fn a_refused_api_key(version: Version) {
    let refused = ApiError::unauthorized(REFUSAL);
    let Some(stage) = Stage::set(version, always(Then::Error(refused))) else {
        return;
    };
    let key = stage.api_key.clone();
    let seance = stage.play(&[], &[("ANTHROPIC_API_KEY", &key)]);
    seance.assert_bad();
    seance.assert_all_recorded();
    let messages = seance.messages();
    // Three attempts; the old version makes them for its title request as well.
    assert!(messages.len() >= 3, "{}", messages.len());
    for one in &messages {
        let error = one.error.as_ref().unwrap();
        assert_eq!((one.status(), error.shape, error.is_auth()), (Some(401), ErrorShape::Api, true));
        assert_eq!(error.kind.as_ref().unwrap().as_str(), "authentication_error");
        assert_eq!(error.message.as_ref().unwrap().as_str(), REFUSAL);
        assert!(one.request_ids.header.is_some() && one.request_ids.header == one.request_ids.body);
        assert_eq!(fingerprints(one), fingerprints(messages[0]));
    }
    seance.said("401 authentication_error");
    seance.said(REFUSAL);
    assert!(!seance.ended.stderr.contains("accepted again"), "{}", seance.ended.stderr);
    seance.said(messages.last().unwrap().request_ids.header.as_ref().unwrap().as_str());
}

fn a_refused_token_is_refreshed(version: Version) {
    // Refused until a refresh: the model refuses the first access token itself.
    let Some(stage) = Stage::set(version, Script::default()) else {
        return;
    };
    stage.fake.with_model(|model| model.refuse(0));
    let seance = stage.with_credentials_file().play(&[], &[]);
    seance.assert_all_recorded();
    let messages = seance.messages();
    let first = fingerprints(messages[0]);
    match version {
        Version::New => {
            seance.assert_good();
            assert_eq!(seance.trace.statuses(MESSAGES), [401, 200]);
            let refresh = seance.trace.on(TOKEN);
            assert_eq!(refresh.len(), 1);
            let oauth = refresh[0].oauth.as_ref().unwrap();
            assert_eq!(oauth.grant_type.as_ref().unwrap().as_str(), "refresh_token");
            let kinds: Vec<Kind> = oauth.issued.iter().map(|one| one.credential.kind).collect();
            assert_eq!(kinds, [Kind::OauthAccess, Kind::OauthRefresh]);
            assert_eq!(places(refresh[0]), [("body.refresh_token", Kind::OauthRefresh)]);
            // What was issued is what was used next.
            assert_eq!(fingerprints(messages[1]), [oauth.issued[0].credential.fp]);
            assert_ne!(fingerprints(messages[1]), first);
            seance.said("authtrace: healthy");
        }
        Version::Old => {
            seance.assert_bad();
            assert!(messages.len() >= 3);
            assert!(messages.iter().all(|one| one.status() == Some(401) && fingerprints(one) == first));
            assert!(seance.trace.on(TOKEN).is_empty());
        }
    }
}

fn an_expired_token_is_refreshed_first(version: Version) {
    let Some(mut stage) = Stage::set(version, Script::default()) else {
        return;
    };
    stage.login = stage.fake.with_model(|model| model.log_in(Timestamp::now(), -60));
    let seance = stage.with_credentials_file().play(&[], &[]);
    seance.assert_good();
    seance.assert_all_recorded();
    let refresh = seance.trace.on(TOKEN);
    assert_eq!(seance.trace.statuses(TOKEN), [200]);
    let issued = refresh[0].oauth.as_ref().unwrap().issued[0].credential.fp;
    assert!(seance.messages().iter().all(|one| fingerprints(one) == [issued] && one.id > refresh[0].id));
}

fn a_refresh_token_that_is_no_longer_one(version: Version) {
    let script = Script { rules: vec![Rule::always(When::path(TOKEN), Then::Token(TokenOutcome::InvalidGrant))] };
    let Some(mut stage) = Stage::set(version, script) else {
        return;
    };
    stage.login = stage.fake.with_model(|model| model.log_in(Timestamp::now(), -60));
    let seance = stage.with_credentials_file().play(&[], &[]);
    seance.assert_bad();
    seance.assert_all_recorded();
    let refresh = seance.trace.on(TOKEN);
    assert!(!refresh.is_empty());
    for one in refresh {
        let error = one.error.as_ref().unwrap();
        assert_eq!((one.status(), error.shape, error.is_auth()), (Some(400), ErrorShape::Oauth, true));
        assert_eq!(error.kind.as_ref().unwrap().as_str(), "invalid_grant");
        assert_eq!(one.request.host.as_str(), "platform.claude.com");
        assert!(one.oauth.as_ref().unwrap().issued.is_empty());
    }
    seance.said("invalid_grant");
}

fn two_credentials_at_once(version: Version) {
    let Some(mut stage) = Stage::set(version, Script::default()) else {
        return;
    };
    let (key, token) =
        (stage.api_key.clone(), "sk-ant-oat01-FAKE-a-token-of-another-account-0123456789abcdefghijk".to_owned());
    stage.strangers.push(token.clone());
    let seance = stage.play(&[], &[("ANTHROPIC_API_KEY", &key), ("ANTHROPIC_AUTH_TOKEN", &token)]);
    seance.assert_good();
    seance.assert_all_recorded();
    for one in seance.messages() {
        let mut seen = places(one);
        seen.sort_by_key(|(place, _)| *place);
        assert_eq!(seen, [("authorization", Kind::OauthAccess), ("x-api-key", Kind::ApiKey)]);
        let prints = fingerprints(one);
        assert_ne!(prints[0], prints[1]);
    }
}

fn a_client_that_does_not_trust_us(version: Version) {
    let Some(stage) = Stage::set(version, Script::default()) else {
        return;
    };
    let key = stage.api_key.clone();
    let seance = stage.play(&["--trust", "none"], &[("ANTHROPIC_API_KEY", &key), ("CLAUDE_CODE_MAX_RETRIES", "0")]);
    seance.assert_bad();
    assert_eq!(seance.requests, []);
    assert!(seance.trace.exchanges.is_empty());
    let outcomes = seance.trace.outcomes();
    assert!(
        !outcomes.is_empty() && outcomes.iter().all(|outcome| *outcome == Outcome::ClientDistrustsCa),
        "{outcomes:?}"
    );
    seance.said("does not trust the certificate");
    seance.said("--trust node");
}

fn a_settings_file_that_takes_our_certificate_away(version: Version) {
    let Some(stage) = Stage::set(version, Script::default()) else {
        return;
    };
    let other = stage.home.write("other.pem", stage.fake.ca_pem());
    let settings = stage.home.path(".claude/settings.json");
    stage.settings(&format!(r#"{{"env":{{"NODE_EXTRA_CA_CERTS":"{}"}}}}"#, other.display()));
    let key = stage.api_key.clone();
    let seance = stage.play(&[], &[("ANTHROPIC_API_KEY", &key), ("CLAUDE_CODE_MAX_RETRIES", "0")]);
    seance.said(&format!("{} sets NODE_EXTRA_CA_CERTS", settings.display()));
    match version {
        // It takes our root from SSL_CERT_FILE as well.
        Version::New => seance.assert_good(),
        // Its fetch reads the variable anew, the rest of it does not.
        Version::Old => {
            seance.assert_bad();
            assert!(seance.messages().is_empty() && seance.trace.outcomes().contains(&Outcome::ClientDistrustsCa));
            seance.said("does not trust the certificate");
            seance.said("Take that out of it while you trace");
        }
    }
}

fn a_settings_file_that_names_another_proxy(version: Version) {
    let Some(stage) = Stage::set(version, Script::default()) else {
        return;
    };
    // A port of ours that nobody listens on: nothing leaves this machine.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead: SocketAddr = nobody.local_addr().unwrap();
    drop(nobody);
    stage.settings(&format!(r#"{{"env":{{"HTTPS_PROXY":"http://{dead}","https_proxy":"http://{dead}"}}}}"#));
    let key = stage.api_key.clone();
    let seance = stage.play(&[], &[("ANTHROPIC_API_KEY", &key), ("CLAUDE_CODE_MAX_RETRIES", "0")]);
    seance.assert_bad();
    assert_eq!(seance.requests, []);
    assert!(seance.trace.connections.is_empty());
    seance.said("made no connection through authtrace");
    seance.said("sets HTTPS_PROXY and https_proxy. Take that out of it while you trace");
}

fn a_settings_file_that_leads_past_us(version: Version) {
    let Some(stage) = Stage::set(version, Script::default()) else {
        return;
    };
    let url = format!("http://{}", stage.fake.plaintext_addr());
    stage.settings(r#"{"env":{"NO_PROXY":"127.0.0.1","no_proxy":"127.0.0.1"}}"#);
    let key = stage.api_key.clone();
    let seance = stage.play(&[], &[("ANTHROPIC_API_KEY", &key), ("ANTHROPIC_BASE_URL", &url)]);
    seance.assert_good();
    assert!(seance.requests.iter().any(|one| one.path == MESSAGES));
    assert!(seance.trace.on(MESSAGES).is_empty());
    seance.said("through authtrace");
    seance.said("sets NO_PROXY and no_proxy. Take that out of it while you trace");
}

fn a_gateway_without_tls(version: Version) {
    let Some(stage) = Stage::set(version, Script::default()) else {
        return;
    };
    let url = format!("http://{}", stage.fake.plaintext_addr());
    let key = stage.api_key.clone();
    let seance = stage.play(&[], &[("ANTHROPIC_API_KEY", &key), ("ANTHROPIC_BASE_URL", &url)]);
    seance.assert_good();
    seance.assert_all_recorded();
    seance.said(&url);
    for one in seance.messages() {
        assert_eq!((one.status(), one.request.scheme.as_str()), (Some(200), "http"));
        assert_eq!(places(one), [("x-api-key", Kind::ApiKey)]);
        assert_eq!(one.request.host.as_str(), "127.0.0.1");
    }
    assert!(!seance.messages().is_empty());
    assert!(seance.trace.connections.iter().any(|one| one.mode == Mode::Plain), "{:?}", seance.trace.connections);
}

fn a_compressed_refusal(version: Version) {
    // Each coding once, in turn: three attempts (and, for the old version, those of its title request).
    let rules = [Coding::Gzip, Coding::Brotli, Coding::Zstd, Coding::Deflate].iter().cycle().take(8);
    let refusal = |coding: &Coding| Then::Error(ApiError::unauthorized(REFUSAL).with_coding(*coding));
    let script = Script { rules: rules.map(|coding| Rule::once(When::path(MESSAGES), refusal(coding))).collect() };
    let Some(stage) = Stage::set(version, script) else {
        return;
    };
    let key = stage.api_key.clone();
    let seance = stage.play(&[], &[("ANTHROPIC_API_KEY", &key), ("CLAUDE_CODE_MAX_RETRIES", "3")]);
    seance.assert_bad();
    seance.assert_all_recorded();
    let messages = seance.messages();
    assert!(messages.len() >= 4, "{}", messages.len());
    let mut codings = Vec::new();
    for one in messages {
        let error = one.error.as_ref().unwrap();
        assert_eq!((error.shape, error.is_auth()), (ErrorShape::Api, true));
        assert_eq!(error.message.as_ref().unwrap().as_str(), REFUSAL);
        let fields = &one.response.as_ref().unwrap().headers;
        codings.extend(
            fields
                .iter()
                .filter(|field| field.name.as_str() == "content-encoding")
                .map(|field| field.value.as_str().to_owned()),
        );
    }
    codings.sort();
    codings.dedup();
    assert_eq!(codings, ["br", "deflate", "gzip", "zstd"]);
}

fn a_refusal_inside_a_stream(version: Version) {
    let error = ApiError::unauthorized(REFUSAL);
    let Some(stage) = Stage::set(version, always(Then::StreamError { events: 2, error })) else {
        return;
    };
    let key = stage.api_key.clone();
    let seance = stage.play(&[], &[("ANTHROPIC_API_KEY", &key)]);
    seance.assert_all_recorded();
    let streamed: Vec<&Exchange> = seance.messages().into_iter().filter(|one| one.sse.is_some()).collect();
    assert!(!streamed.is_empty());
    for one in streamed {
        let error = one.error.as_ref().unwrap();
        assert_eq!((one.status(), error.shape, error.is_auth()), (Some(200), ErrorShape::SseEvent, true));
        assert_eq!(error.kind.as_ref().unwrap().as_str(), "authentication_error");
        assert_eq!(error.message.as_ref().unwrap().as_str(), REFUSAL);
        assert!(one.is_auth_failure());
    }
    // Asked again without a stream, the fake answers.
    seance.assert_good();
}

fn not_logged_in(version: Version) {
    let Some(stage) = Stage::set(version, Script::default()) else {
        return;
    };
    let seance = stage.play(&[], &[]);
    seance.assert_bad();
    assert!(seance.messages().is_empty());
    assert!(seance.ended.stdout.contains("Not logged in"), "{}", seance.ended.stdout);
}

fn the_exit_code_of_other_uses(version: Version) {
    let Some(executable) = version.executable() else { return };
    let _slot = Slot::take();
    let home = Home::new();
    let through = |arguments: &[&str]| {
        let mut command: Command = home.authtrace();
        command.args(["run", "--connect-to", "::127.0.0.1:9", "--upstream-proxy", "none", "--"]).arg(&executable);
        run(command.args(arguments), PATIENCE)
    };
    let direct = |arguments: &[&str]| run(home.command(&executable).args(arguments), PATIENCE);
    for arguments in [&["--version"][..], &["--no-such-option-of-anyone"]] {
        let (through, direct) = (through(arguments), direct(arguments));
        assert_eq!((through.code, &through.stdout), (direct.code, &direct.stdout), "{arguments:?} {}", through.stderr);
    }
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        mod new {
            $(#[test] fn $name() { super::$name(super::Version::New); })*
        }
        mod old {
            $(#[test] fn $name() { super::$name(super::Version::Old); })*
        }
    };
}

cases!(
    healthy_with_an_api_key,
    healthy_with_a_credentials_file,
    a_refused_api_key,
    a_refused_token_is_refreshed,
    an_expired_token_is_refreshed_first,
    a_refresh_token_that_is_no_longer_one,
    two_credentials_at_once,
    a_client_that_does_not_trust_us,
    a_settings_file_that_takes_our_certificate_away,
    a_settings_file_that_names_another_proxy,
    a_settings_file_that_leads_past_us,
    a_gateway_without_tls,
    a_compressed_refusal,
    a_refusal_inside_a_stream,
    not_logged_in,
    the_exit_code_of_other_uses,
);
