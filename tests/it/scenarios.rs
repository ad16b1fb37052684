//! The table: each failure, played with both versions of the real Claude Code and with the built-in client, up to its verdict.
//!
//! The built-in scenarios have to lead to the code that they are named by; what they cannot say, or what comes to the same
//! code by another way, is in [`variants`]. `ONLY_SCENARIO=refresh-race,…` plays some of them, `SHOW_RUNS=1` shows what came.

mod variants;

use super::support::claude::{ASKS, AT_ONCE, Seance, Stage, Version};
use authtrace::analyze::{Diagnosis, Severity, Survey, diagnose};
use authtrace::ca::{LeafStore, Root, Scope};
use authtrace::catalogue::Code;
use authtrace::fake::{self, ClientConfig, Fake, Seed, Task};
use authtrace::proxy::{Access, ConnectTo, Intercept, Lane, Patience, Proxy, ProxyConfig, UpstreamTrust};
use authtrace::redact::Redactor;
use authtrace::scenario::{self, Builtin, Scenario, Staged};
use authtrace::trace::{EventSink, Reader, Record, Timestamp, TraceEnd};
use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Plays a scenario with the real client: as many of them, doing what it says, with every host that it needs.
fn play(version: Version, case: &Case, scenario: &Scenario) -> Option<Seance> {
    let (stage, handed) = Stage::of(version, scenario)?;
    (case.prepare)(&stage);
    let own = scenario.client.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut variables: Vec<(&str, &str)> =
        handed.iter().map(|(name, value)| (*name, value.as_str())).chain(own).collect();
    if scenario.code.is_some_and(|code| TALKATIVE.contains(&code)) {
        variables.push(("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", ""));
    }
    let hosts = scenario.hosts();
    let mut options: Vec<&str> = hosts.iter().flat_map(|host| ["--intercept", host.as_str()]).collect();
    if !scenario.client.trusts_proxy {
        options.extend(["--trust", "none"]);
    }
    options.extend(case.options);
    let command = if case.arguments.is_empty() { command(&stage, scenario) } else { started(&stage, case.arguments) };
    Some(stage.play_command(&options, &variables, &command))
}

fn started(stage: &Stage, arguments: &[&str]) -> Vec<OsString> {
    std::iter::once(stage.executable.clone().into_os_string()).chain(arguments.iter().map(OsString::from)).collect()
}

/// A script, since the client may be started more than once.
fn command(stage: &Stage, scenario: &Scenario) -> Vec<OsString> {
    let client = &scenario.client;
    let claude = stage.executable.to_str().unwrap();
    let asks = ASKS.map(|word| format!("'{word}'")).join(" ");
    let tasks = client.tasks.iter().map(|task| match task {
        Task::Message => format!("{claude} {asks}"),
        Task::Login => format!("BROWSER={} {claude} auth login", stage.browser().display()),
        // It waits for a code to be pasted as well: nobody types anything, for a minute from the browser's request on.
        Task::LostLogin => format!(
            "mkfifo \"$HOME/typed\"\nsleep 300 > \"$HOME/typed\" &\nnobody=$!\n\
             BROWSER={} {claude} auth login < \"$HOME/typed\" &\nlogin=$!\n\
             until [ -e \"$HOME/asked\" ]; do sleep 0.2; done\nsleep 61\nkill $login $nobody\nwait $login",
            stage.far_browser().display()
        ),
    });
    let one = tasks.collect::<Vec<_>>().join("\n");
    let mut script = String::new();
    for index in 0..client.processes {
        let home = if client.shared_home || client.processes == 1 {
            String::new()
        } else {
            format!("cp -a \"$HOME\" \"$HOME.{index}\"; export HOME=\"$HOME.{index}\"\n")
        };
        script.push_str(&format!("(\n{home}{one}\n) &\nall=\"$all $!\"\n"));
    }
    script.push_str("code=0\nfor one in $all; do wait $one || code=$?; done\nexit $code\n");
    let script = stage.home.write("play.sh", &script);
    vec!["sh".into(), script.into()]
}

/// Keeps the records in memory.
#[derive(Default)]
struct Kept(Mutex<Vec<Record>>);

impl EventSink for Kept {
    fn emit(&self, record: Record) {
        self.0.lock().unwrap().push(record);
    }
}

/// Plays a scenario with the built-in client, through a proxy in this process.
pub(crate) async fn play_built_in(scenario: &Scenario) -> Survey {
    let (seed, now) = (Seed::random().unwrap(), Timestamp::now());
    let Staged { fake, handed } = scenario.stage(seed, Seed::random().unwrap(), now);
    let fake = Fake::start(fake).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let fake_root = folder.path().join("fake.pem");
    std::fs::write(&fake_root, fake.ca_pem()).unwrap();
    let mut scope = Scope::claude().unwrap();
    scenario.hosts().iter().for_each(|host| scope.add(host).unwrap());
    let root = Arc::new(Root::generate(&scope, OffsetDateTime::now_utc()).unwrap());
    let logins: Vec<(String, String)> =
        (0..scenario.client.processes).map(|index| (format!("client-{index}"), "FAKE-password".to_owned())).collect();
    let mut lanes = logins.iter().map(|(user, password)| {
        let name = Redactor::plain().lane(user);
        Lane::new(name, user.clone(), Zeroizing::new(password.clone()))
    });
    let access = Access::with_lane(lanes.next().unwrap());
    lanes.for_each(|lane| access.add(lane));
    let config = ProxyConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        intercept: Intercept::new(scope, Vec::new(), Scope::empty()),
        leaves: Arc::new(LeafStore::new(Arc::clone(&root)).unwrap()),
        upstream_trust: UpstreamTrust::load(&[fake_root]).unwrap(),
        connect_to: vec![ConnectTo::parse(&format!("::127.0.0.1:{}", fake.addr().port())).unwrap()],
        upstream_proxy: None,
        access,
        patience: Patience::default(),
        policy: None,
    };
    let kept = Arc::new(Kept::default());
    let proxy = Proxy::bind(config, Arc::new(Redactor::plain()), Arc::<Kept>::clone(&kept)).unwrap().serve();
    let played = fake::play(ClientConfig {
        proxy_addr: proxy.address(),
        proxy_logins: logins,
        ca_pem: root.certificate_pem().to_owned(),
        setup: scenario.client.setup(handed),
        seed,
        patience: Duration::from_secs(10),
    })
    .await
    .unwrap();
    proxy.stop().await;
    fake.shutdown().await;
    let mut records = std::mem::take(&mut *kept.0.lock().unwrap());
    let end = TraceEnd { at: Some(Timestamp::now()), exit_code: Some(played.exit_code), ..TraceEnd::default() };
    records.push(Record::End(end));
    records.into_iter().collect()
}

fn show(survey: &Survey, diagnosis: &Diagnosis) {
    if std::env::var_os("SHOW_RUNS").is_none() {
        return;
    }
    for one in survey.exchanges() {
        let sent: Vec<String> =
            one.credentials.iter().map(|sent| format!("{}={}", sent.place, sent.credential)).collect();
        let request = &one.request;
        println!("#{} {} {}{} {:?} {sent:?}", one.id, request.method, request.host, request.path, one.status());
    }
    println!("{:#?}", diagnosis.verdict);
    println!("{:?}", diagnosis.findings.iter().map(|finding| (finding.code, finding.severity)).collect::<Vec<_>>());
}

/// Who plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Real(Version),
    BuiltIn,
}

/// What is played, and what it has to come to.
#[derive(Clone)]
struct Case {
    /// For people.
    name: String,
    text: Cow<'static, str>,
    /// With the new version, the old one, and the built-in client; none: it is not played.
    wanted: [Option<Code>; 3],
    /// What comes to light beside the verdict.
    beside: Vec<Code>,
    /// What the home has besides.
    prepare: fn(&Stage),
    /// Options of `authtrace run`.
    options: &'static [&'static str],
    /// What the real client is started with instead of a question.
    arguments: &'static [&'static str],
    /// What else has to be true.
    check: fn(&Survey),
}

impl Case {
    fn new(name: &str, text: impl Into<Cow<'static, str>>, wanted: [Option<Code>; 3]) -> Self {
        let (name, text) = (name.to_owned(), text.into());
        let (beside, options, arguments) = (Vec::new(), &[][..], &[][..]);
        Self { name, text, wanted, beside, prepare: |_| {}, options, arguments, check: |_| {} }
    }

    fn of_builtin(builtin: &Builtin) -> Self {
        let beside = scenario::beside().iter().filter(|(_, with)| *with == builtin.code).map(|(code, _)| *code);
        // The old version never refreshes what is refused before its time.
        let old =
            if builtin.name == "expired-then-refreshed" { Code::AccessTokenExpiredNotRefreshed } else { builtin.code };
        let case = Self::new(builtin.name, builtin.text, [Some(builtin.code), Some(old), Some(builtin.code)]);
        let check = if builtin.code == Code::RefreshRace { names_both } else { case.check };
        Self { beside: beside.collect(), check, ..case }
    }

    fn wanted(&self, client: Client) -> Option<Code> {
        let [new, old, built_in] = self.wanted;
        match client {
            Client::Real(Version::New) => new,
            Client::Real(Version::Old) => old,
            Client::BuiltIn => built_in,
        }
    }
}

/// The verdict says which processes have met.
fn names_both(survey: &Survey) {
    let verdict = diagnose(survey).verdict.summary;
    let names = verdict.strip_prefix("Two processes, ").and_then(|rest| rest.split_once(", presented"));
    let named = names.and_then(|(names, _)| names.split_once(" and "));
    assert!(named.is_some_and(|(one, other)| one != other), "{verdict}");
}

/// What shows only where the client asks for more than messages.
const TALKATIVE: &[Code] = &[Code::EnvCredentialShadowsLogin];

/// Plays a case. What it came to, if that is not what was wanted.
fn miss(client: Client, case: &Case) -> Option<String> {
    let wanted = case.wanted(client)?;
    let scenario = scenario::read(&case.text).unwrap();
    assert_eq!(scenario.warnings, []);
    let survey = match client {
        Client::Real(version) => {
            let seance = play(version, case, &scenario)?;
            Survey::read(Reader::new(seance.trace.text.as_bytes()).unwrap())
        }
        Client::BuiltIn => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(play_built_in(&scenario))
        }
    };
    let diagnosis = diagnose(&survey);
    println!("{client:?} {}", case.name);
    show(&survey, &diagnosis);
    for id in diagnosis.findings.iter().flat_map(|finding| &finding.exchanges) {
        assert!(survey.exchanges().iter().any(|exchange| exchange.id == *id), "#{id} is no exchange");
    }
    (case.check)(&survey);
    let found = |code: Code| diagnosis.findings.iter().find(|finding| finding.code == code);
    let grave = wanted == Code::Healthy || wanted == Code::NothingSeen;
    let grave = grave || found(wanted).is_some_and(|finding| finding.severity >= Severity::Warning);
    let hidden = |code: &&Code| found(**code).is_none();
    if diagnosis.verdict.code != wanted {
        return Some(format!("{}: {}", case.name, diagnosis.verdict.code));
    }
    if !grave {
        return Some(format!("{}: it is only noted", case.name));
    }
    case.beside.iter().find(hidden).map(|code| format!("{}: nothing is said about {code}", case.name))
}

/// Plays every case, several at a time, and tells all that came out otherwise than wanted.
fn play_all(client: Client) {
    let only = std::env::var("ONLY_SCENARIO").ok();
    let mut cases: Vec<Case> = scenario::builtins().iter().map(Case::of_builtin).chain(variants::all()).collect();
    cases.retain(|one| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == one.name)));
    // Those that only wait are begun first: the last is taken first.
    cases.sort_by_key(|case| case.text.contains("lost-login"));
    let waiting = Mutex::new(cases);
    let missed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..=AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = take(&waiting) {
                    let miss = std::panic::catch_unwind(|| miss(client, &case));
                    let failed = || Some(format!("{}: a failed assertion, see above", case.name));
                    missed.lock().unwrap().extend(miss.unwrap_or_else(|_| failed()));
                }
            });
        }
    });
    assert_eq!(missed.into_inner().unwrap(), Vec::<String>::new());
}

fn take<T>(waiting: &Mutex<Vec<T>>) -> Option<T> {
    waiting.lock().unwrap().pop()
}

#[test]
fn with_the_new_version() {
    play_all(Client::Real(Version::New));
}

#[test]
fn with_the_old_version() {
    play_all(Client::Real(Version::Old));
}

#[test]
fn with_the_built_in_client() {
    play_all(Client::BuiltIn);
}
