//! The built-in scenarios, played with the real Claude Code: each has to lead to the verdict that it is named by.

use super::real_client::{ASKS, AT_ONCE, Seance, Stage, Version};
use authtrace::analyze::{Diagnosis, Survey, diagnose};
use authtrace::ca::{LeafStore, Root, Scope};
use authtrace::catalogue::Code;
use authtrace::fake::{self, ClientConfig, Fake, Seed, Task};
use authtrace::proxy::{Access, ConnectTo, Intercept, Lane, Patience, Proxy, ProxyConfig, UpstreamTrust};
use authtrace::redact::Redactor;
use authtrace::scenario::{self, Builtin, Scenario, Staged};
use authtrace::trace::{EventSink, Reader, Record, Timestamp, TraceEnd};
use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Plays a scenario with the real client.
fn play(version: Version, scenario: &Scenario) -> Option<Seance> {
    let (stage, handed) = Stage::of(version, scenario)?;
    let own = scenario.client.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let variables: Vec<(&str, &str)> = handed.iter().map(|(name, value)| (*name, value.as_str())).chain(own).collect();
    let hosts = scenario.hosts();
    let mut options: Vec<&str> = hosts.iter().flat_map(|host| ["--intercept", host.as_str()]).collect();
    if !scenario.client.trusts_proxy {
        options.extend(["--trust", "none"]);
    }
    let command = command(&stage, scenario);
    Some(stage.play_command(&options, &variables, &command))
}

/// The client itself, or a script where it is started more than once.
fn command(stage: &Stage, scenario: &Scenario) -> Vec<OsString> {
    let client = &scenario.client;
    let claude = stage.executable.to_str().unwrap();
    let asks = ASKS.map(|word| format!("'{word}'")).join(" ");
    let tasks = client.tasks.iter().map(|task| match task {
        Task::Message => format!("{claude} {asks}"),
        Task::Login => format!("BROWSER={} {claude} auth login", stage.browser().display()),
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
async fn play_built_in(scenario: &Scenario) -> Survey {
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

/// Where a client of one version does something else than the scenario says, and what that comes to.
const OTHERWISE: &[(Client, Code, Code)] = &[];

fn wanted(client: Client, code: Code) -> Code {
    let other = OTHERWISE.iter().find(|(who, named, _)| (*who, *named) == (client, code));
    other.map_or(code, |(_, _, comes_to)| *comes_to)
}

fn diagnosis(client: Client, builtin: &Builtin) -> Option<Diagnosis> {
    let scenario = scenario::read(builtin.text).unwrap();
    let survey = match client {
        Client::Real(version) => {
            let seance = play(version, &scenario)?;
            Survey::read(Reader::new(seance.trace.text.as_bytes()).unwrap())
        }
        Client::BuiltIn => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(play_built_in(&scenario))
        }
    };
    let diagnosis = diagnose(&survey);
    println!("{client:?} {}", builtin.code);
    show(&survey, &diagnosis);
    for id in diagnosis.findings.iter().flat_map(|finding| &finding.exchanges) {
        assert!(survey.exchanges().iter().any(|exchange| exchange.id == *id), "#{id} is no exchange");
    }
    Some(diagnosis)
}

/// Plays every scenario, several at a time, and tells all that came out otherwise than wanted.
fn play_all(client: Client) {
    let only = std::env::var("ONLY_SCENARIO").ok();
    let is_wanted =
        |one: &&Builtin| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == one.code.as_str()));
    let waiting = Mutex::new(scenario::builtins().iter().filter(is_wanted).collect::<Vec<_>>());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(builtin) = take(&waiting) {
                    let played = std::panic::catch_unwind(|| diagnosis(client, builtin));
                    let came_to = match played {
                        Ok(None) => continue,
                        Ok(Some(diagnosis)) => diagnosis.verdict.code.to_string(),
                        Err(_) => "a failed assertion, see above".to_owned(),
                    };
                    if came_to != wanted(client, builtin.code).as_str() {
                        wrong.lock().unwrap().push(format!("{}: {came_to}", builtin.code));
                    }
                }
            });
        }
    });
    assert_eq!(wrong.into_inner().unwrap(), Vec::<String>::new());
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
