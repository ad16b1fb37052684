//! A real Claude Code on a stage: a home of its own, the fake Anthropic for whatever host it asks, and what a run leaves behind.
//!
//! `.ci/install-claude` installs the two versions looked at and prints where; `AUTHTRACE_CLAUDE_NEW` and `AUTHTRACE_CLAUDE_OLD` name
//! the executables. A version that is not there is skipped with a line that says so; `AUTHTRACE_REQUIRE_TOOLS=1` makes that a failure.
//! Every credential is made up.

use super::program::{Ended, Home, Trace, assert_without, run};
use authtrace::fake::{Fake, FakeConfig, Login, Model, Seed, Seen, Task};
use authtrace::policy::Script;
use authtrace::scenario::{self, Handed, Scenario, Staged};
use authtrace::trace::{EndKind, ErrorShape, Exchange, Origin, Timestamp};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Longest time for one run: the slowest case retries its start-up requests for some twenty seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(100);
/// Clients at work at the same time: each is a heavy program.
pub(crate) const AT_ONCE: usize = 3;
/// What a client is asked.
pub(crate) const ASKS: [&str; 6] = ["-p", "say hi", "--max-turns", "1", "--output-format", "json"];
pub(crate) const MESSAGES: &str = "/v1/messages";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// A native program; all its requests behave as one client's.
    New,
    /// A bundle for Node, which asks for a title beside each message and never refreshes a refused token.
    Old,
}

impl Version {
    pub(crate) fn executable(self) -> Option<PathBuf> {
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
pub(crate) struct Slot;

impl Slot {
    pub(crate) fn take() -> Self {
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
pub(crate) struct Stage {
    pub(crate) executable: PathBuf,
    pub(crate) home: Home,
    pub(crate) fake: Fake,
    pub(crate) login: Login,
    pub(crate) api_key: String,
    /// Made-up values that the fake has not issued.
    pub(crate) strangers: Vec<String>,
    runtime: Runtime,
    _slot: Option<Slot>,
}

/// What a run has left.
pub(crate) struct Seance {
    pub(crate) ended: Ended,
    pub(crate) trace: Trace,
    /// The login on disk, as the client has left it.
    pub(crate) credentials_file: Option<String>,
    pub(crate) requests: Vec<Seen>,
}

impl Stage {
    pub(crate) fn set(version: Version, script: Script) -> Option<Self> {
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
    pub(crate) fn of(version: Version, scenario: &Scenario) -> Option<(Self, Vec<(&'static str, String)>)> {
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

    pub(crate) fn with_credentials_file(self) -> Self {
        self.home.write(".claude/.credentials.json", &self.login.credentials_file());
        self
    }

    /// A browser that agrees to everything: it is sent back to the client, through the same proxy, and looks no further.
    pub(crate) fn browser(&self) -> PathBuf {
        self.script("browser.sh", "#!/bin/sh\nexec curl -sS -L --max-redirs 1 -o /dev/null \"$1\"\n")
    }

    /// One on another machine: the client's port is not there. It leaves a mark when it has asked.
    pub(crate) fn far_browser(&self) -> PathBuf {
        self.script("far-browser.sh", "#!/bin/sh\ncurl -sS -o /dev/null \"$1\"\n: > \"$HOME/asked\"\n")
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let browser = self.home.write(name, text);
        std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        browser
    }

    pub(crate) fn settings(&self, text: &str) {
        self.home.write(".claude/settings.json", text);
    }

    /// `authtrace run … -- claude -p …`; every host is the fake. `options` go before `--`, `variables` are the user's.
    pub(crate) fn play(self, options: &[&str], variables: &[(&str, &str)]) -> Seance {
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
    pub(crate) fn play_stopped(self, options: &[&str], variables: &[(&str, &str)]) -> Seance {
        let asks = [self.executable.as_os_str()].into_iter().chain(ASKS.iter().map(OsStr::new));
        let command: Vec<OsString> = asks.map(OsStr::to_owned).collect();
        self.play_command(options, variables, &command)
    }

    /// The same for any command.
    pub(crate) fn play_command(self, options: &[&str], variables: &[(&str, &str)], played: &[OsString]) -> Seance {
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
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.requests.iter().filter(|one| one.path == path).count()
    }

    pub(crate) fn assert_good(&self) {
        assert_eq!(self.ended.code, Some(0), "{} {}", self.ended.stdout, self.ended.stderr);
        assert_eq!(self.result()["result"], "Hello from the fake.");
    }

    pub(crate) fn assert_bad(&self) {
        assert_eq!(self.ended.code, Some(1), "{} {}", self.ended.stdout, self.ended.stderr);
    }

    /// Every request that the fake answered is in the trace with its status, and nothing else is.
    pub(crate) fn assert_all_recorded(&self) {
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

    pub(crate) fn messages(&self) -> Vec<&Exchange> {
        self.trace.on(MESSAGES)
    }

    pub(crate) fn said(&self, text: &str) {
        // Long lines are wrapped.
        let said = self.ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(text), "{text:?} is missing in: {}", self.ended.stderr);
    }
}
