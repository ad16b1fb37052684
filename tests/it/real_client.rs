//! The real Claude Code behind `authtrace run`, against the fake Anthropic on loopback.
//!
//! `.ci/install-claude` installs the two versions looked at and prints where; `AUTHTRACE_CLAUDE_NEW` and `AUTHTRACE_CLAUDE_OLD` name
//! the executables. A version that is not there is skipped with a line that says so; `AUTHTRACE_REQUIRE_TOOLS=1` makes that a failure.
//! Every credential is made up, and whatever host the client asks for is the fake.

use super::support::program::{Ended, Home, Trace, assert_without, run};
use authtrace::fake::{Fake, FakeConfig, Login, Model, Seed, Seen, Task};
use authtrace::policy::{ApiError, Coding, Rule, Script, Then, TokenOutcome, When};
use authtrace::redact::{Fingerprint, Kind};
use authtrace::scenario::{self, Handed, Scenario, Staged};
use authtrace::trace::{EndKind, ErrorShape, Exchange, Mode, Origin, Outcome, Timestamp};
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Longest time for one run: the slowest case retries its start-up requests for some twenty seconds.
const PATIENCE: Duration = Duration::from_secs(100);
/// Clients at work at the same time: each is a heavy program.
pub(super) const AT_ONCE: usize = 3;
/// What a client is asked.
pub(super) const ASKS: [&str; 6] = ["-p", "say hi", "--max-turns", "1", "--output-format", "json"];
const MESSAGES: &str = "/v1/messages";
const TOKEN: &str = "/v1/oauth/token";
const REFUSAL: &str = "Invalid authentication credentials";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// A native program; all its requests behave as one client's.
    New,
    /// A bundle for Node, which asks for a title beside each message and never refreshes a refused token.
    Old,
}

impl Version {
    pub(super) fn executable(self) -> Option<PathBuf> {
        let variable = match self {
            Self::New => "AUTHTRACE_CLAUDE_NEW",
            Self::Old => "AUTHTRACE_CLAUDE_OLD",
        };
        let named = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        if named.is_none() {
            let required = std::env::var_os("AUTHTRACE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
            assert!(!required, "{variable} does not name a Claude Code; .ci/install-claude installs one");
            println!("skipped: {variable} is not set");
        }
        named
    }
}

static SLOTS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// One of the places for a running client.
pub(super) struct Slot;

impl Slot {
    pub(super) fn take() -> Self {
        let taken = SLOTS.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = SLOTS.1.wait_while(taken, |taken| *taken >= AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *SLOTS.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        SLOTS.1.notify_one();
    }
}

/// A client, a home, and a fake with a login and an API key.
pub(super) struct Stage {
    pub(super) executable: PathBuf,
    pub(super) home: Home,
    pub(super) fake: Fake,
    pub(super) login: Login,
    pub(super) api_key: String,
    /// Made-up values that the fake has not issued.
    pub(super) strangers: Vec<String>,
    runtime: Runtime,
    _slot: Option<Slot>,
}

/// What a run has left.
pub(super) struct Seance {
    pub(super) ended: Ended,
    pub(super) trace: Trace,
    /// The login on disk, as the client has left it.
    pub(super) credentials_file: Option<String>,
    requests: Vec<Seen>,
}

impl Stage {
    pub(super) fn set(version: Version, script: Script) -> Option<Self> {
        Self::set_in(version, script, || Some(Slot::take()))
    }

    fn set_in(version: Version, script: Script, slot: impl FnOnce() -> Option<Slot>) -> Option<Self> {
        let executable = version.executable()?;
        let slot = slot();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut model = Model::new(Seed::random().unwrap());
        let login = model.log_in(Timestamp::now(), 8 * 3600);
        let api_key = model.api_key_for_console();
        let fake = runtime.block_on(Fake::start(FakeConfig::new(model).with_script(script))).unwrap();
        let home = Home::new();
        home.write("fake.pem", fake.ca_pem());
        Some(Self { executable, home, fake, login, api_key, strangers: Vec::new(), runtime, _slot: slot })
    }

    /// As a scenario wants it. With what the client is handed, if it is a variable.
    pub(super) fn of(version: Version, scenario: &Scenario) -> Option<(Self, Vec<(&'static str, String)>)> {
        // Who only waits is in nobody's way.
        let waits = scenario.client.tasks == [Task::LostLogin];
        let slot = || (!waits).then(Slot::take);
        let mut stage = Self::set_in(version, Script::default(), slot)?;
        let seed = || Seed::random().unwrap();
        let Staged { fake, handed } = scenario.stage(seed(), seed(), Timestamp::now());
        stage.fake = stage.runtime.block_on(async { Fake::start(fake).await.unwrap() });
        stage.home.write("fake.pem", stage.fake.ca_pem());
        for file in scenario::home_files(&scenario.client, &handed, &stage.home.path("")) {
            stage.home.write(file.path, &file.text);
        }
        let variables = match handed {
            Handed::Nothing => Vec::new(),
            Handed::File(login) => {
                stage.strangers.extend([stage.login.access_token.clone(), stage.login.refresh_token.clone()]);
                stage.login = login;
                Vec::new()
            }
            Handed::Variable(name, value) => {
                stage.strangers.push(value.clone());
                vec![(name, value)]
            }
            Handed::Helper(values) => {
                stage.strangers.extend(values);
                Vec::new()
            }
        };
        // A scenario may issue nothing at all.
        let made_up = [&stage.api_key, &stage.login.access_token, &stage.login.refresh_token].map(String::clone);
        stage.strangers.extend(made_up.into_iter().filter(|value| !value.is_empty()));
        Some((stage, variables))
    }

    pub(super) fn with_credentials_file(self) -> Self {
        self.home.write(".claude/.credentials.json", &self.login.credentials_file());
        self
    }

    /// A browser that agrees to everything: it is sent back to the client, through the same proxy, and looks no further.
    pub(super) fn browser(&self) -> PathBuf {
        self.script("browser.sh", "#!/bin/sh\nexec curl -sS -L --max-redirs 1 -o /dev/null \"$1\"\n")
    }

    /// One on another machine: the client's port is not there. It leaves a mark when it has asked.
    pub(super) fn far_browser(&self) -> PathBuf {
        self.script("far-browser.sh", "#!/bin/sh\ncurl -sS -o /dev/null \"$1\"\n: > \"$HOME/asked\"\n")
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let browser = self.home.write(name, text);
        std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        browser
    }

    pub(super) fn settings(&self, text: &str) {
        self.home.write(".claude/settings.json", text);
    }

    /// `authtrace run … -- claude -p …`; every host is the fake. `options` go before `--`, `variables` are the user's.
    pub(super) fn play(self, options: &[&str], variables: &[(&str, &str)]) -> Seance {
        let seance = self.play_stopped(options, variables);
        assert_eq!(
            seance.trace.end.as_ref().and_then(|end| end.exit_code),
            seance.ended.code,
            "{}",
            seance.ended.stderr
        );
        seance
    }

    /// The same for a run that may end with a code of its own.
    pub(super) fn play_stopped(self, options: &[&str], variables: &[(&str, &str)]) -> Seance {
        let asks = [self.executable.as_os_str()].into_iter().chain(ASKS.iter().map(OsStr::new));
        let command: Vec<OsString> = asks.map(OsStr::to_owned).collect();
        self.play_command(options, variables, &command)
    }

    /// The same for any command.
    pub(super) fn play_command(self, options: &[&str], variables: &[(&str, &str)], played: &[OsString]) -> Seance {
        let port = self.fake.addr().port();
        let plaintext = self.fake.plaintext_addr().port();
        let mut command = self.home.authtrace();
        command.args(["run", "--out", "trace.jsonl", "--upstream-proxy", "none", "--upstream-ca"]);
        command.arg(self.home.path("fake.pem"));
        // A plaintext gateway of a case is itself; whatever else is asked for is the fake.
        command.args(["--connect-to", &format!("127.0.0.1:{plaintext}:127.0.0.1:{plaintext}")]);
        command.args(["--connect-to", &format!("::127.0.0.1:{port}")]).args(options).arg("--").args(played);
        command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("CLAUDE_CODE_MAX_RETRIES", "2");
        command.envs(variables.iter().copied());
        let ended = run(&mut command, PATIENCE);
        let trace = Trace::read(&self.home.path("work/trace.jsonl"));
        if std::env::var_os("SHOW_RUNS").is_some() {
            println!("exit {:?}\n{}\n{}", ended.code, ended.stdout, ended.stderr);
        }
        self.look_for_secrets(&ended, &trace);
        assert_eq!(self.home.left_behind(), Vec::<String>::new());
        assert_eq!(trace.end.as_ref().map(|end| end.lost), Some(0));
        let requests = self.fake.requests();
        self.runtime.block_on(self.fake.shutdown());
        let credentials_file = std::fs::read_to_string(self.home.path(".claude/.credentials.json")).ok();
        Seance { ended, trace, credentials_file, requests }
    }

    /// No made-up value, and no piece of one, in anything that authtrace has written.
    fn look_for_secrets(&self, ended: &Ended, trace: &Trace) {
        let mut secrets = self.fake.with_model(|model| model.issued_values());
        secrets.extend(self.strangers.iter().cloned());
        assert!(secrets.len() >= 3);
        assert_without(&trace.text, &secrets, "the trace");
        assert_without(&ended.stderr, &secrets, "standard error");
        for form in ["text", "md", "json"] {
            let mut command = self.home.authtrace();
            command.arg("report").arg(&trace.path).args(["--full", "--format", form]);
            let report = run(&mut command, PATIENCE);
            assert_eq!(report.code, Some(0), "{}", report.stderr);
            assert!(!report.stdout.is_empty());
            assert_without(&report.stdout, &secrets, "the report");
        }
    }
}

impl Seance {
    /// What the client printed as its result.
    fn result(&self) -> serde_json::Value {
        serde_json::from_str(&self.ended.stdout)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.ended.stdout, self.ended.stderr))
    }

    /// How many requests to this path the server was asked.
    pub(super) fn asked(&self, path: &str) -> usize {
        self.requests.iter().filter(|one| one.path == path).count()
    }

    pub(super) fn assert_good(&self) {
        assert_eq!(self.ended.code, Some(0), "{} {}", self.ended.stdout, self.ended.stderr);
        assert_eq!(self.result()["result"], "Hello from the fake.");
    }

    fn assert_bad(&self) {
        assert_eq!(self.ended.code, Some(1), "{} {}", self.ended.stdout, self.ended.stderr);
    }

    /// Every request that the fake answered is in the trace with its status, and nothing else is.
    pub(super) fn assert_all_recorded(&self) {
        let mut answered: Vec<_> = self.requests.iter().map(|one| (one.method.clone(), one.status)).collect();
        let mut recorded: Vec<_> =
            self.trace.exchanges.iter().map(|one| (one.request.method.as_str().to_owned(), one.status())).collect();
        answered.sort();
        recorded.sort();
        assert_eq!(answered, recorded, "{}", self.ended.stderr);
        for one in &self.trace.exchanges {
            // After an `event: error` the client does not wait for the end of the stream.
            let told = one.error.as_ref().is_some_and(|error| error.shape == ErrorShape::SseEvent);
            let whole = one.end.outcome == EndKind::Complete || told && one.end.outcome == EndKind::ClientAbort;
            assert!(whole && one.origin == Origin::Upstream, "{one:?}");
        }
    }

    fn messages(&self) -> Vec<&Exchange> {
        self.trace.on(MESSAGES)
    }

    pub(super) fn said(&self, text: &str) {
        // Long lines are wrapped.
        let said = self.ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(text), "{text:?} is missing in: {}", self.ended.stderr);
    }
}

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
