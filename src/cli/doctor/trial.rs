//! The program behind a proxy like that of a run, against the fake Anthropic: a home of its own, a made-up key, and every host
//! that it asks for is the fake, so that nothing leaves this machine by way of the proxy.

use super::super::session::Login;
use super::Records;
use anyhow::Result;
use authtrace::ca::{LeafStore, Root, Scope};
use authtrace::doctor::{Trial, TrialEnd, command};
use authtrace::fake::{Fake, FakeConfig, Model, Seed};
use authtrace::launch::{self, ParentEnvironment, Plan, TempDir, Trust, TrustFiles, without_credentials};
use authtrace::proxy::{Access, ConnectTo, Intercept, Lane, Patience, Proxy, ProxyConfig, ProxyHandle, UpstreamTrust};
use authtrace::redact::{Redacted, Redactor};
use authtrace::trace::{Connection, EventSink, Exchange, Mode, Outcome, Record};
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// How long a trial may take. A client that does not trust us tries for most of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that a trial needs; gone when it is dropped.
pub(super) struct Stage {
    fake: Fake,
    proxy: ProxyHandle,
    records: Arc<Records>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
    _files: TempDir,
}

impl Stage {
    pub(super) async fn set(parent: &ParentEnvironment, trust: Option<Trust>) -> Result<Self> {
        let mut model = Model::new(Seed::random()?);
        let key = model.api_key_for_console();
        let fake = Fake::start(FakeConfig::new(model)).await?;
        let files = TempDir::create(parent)?;
        let fake_root = files.write("fake-ca.pem", fake.ca_pem().as_bytes())?;
        let scope = Scope::claude()?;
        let root = Arc::new(Root::generate(&scope, OffsetDateTime::now_utc())?);
        let mut variables = without_credentials(parent);
        let trust = trust.map_or_else(|| Trust::for_scope(&scope, None), Ok)?;
        let trust_files = TrustFiles::write(&files, root.certificate_pem(), &trust, &variables)?;
        let records = Arc::new(Records::default());
        let login = Login::made_up("doctor")?;
        let lane = Lane::new(Redacted::literal("doctor"), login.user.clone(), login.password.clone());
        let config = ProxyConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            intercept: Intercept::new(scope.clone(), Vec::new(), Scope::empty()),
            leaves: Arc::new(LeafStore::new(root)?),
            upstream_trust: UpstreamTrust::load(&[fake_root])?,
            connect_to: vec![ConnectTo::parse(&format!("::127.0.0.1:{}", fake.addr().port()))?],
            upstream_proxy: None,
            access: Access::with_lane(lane),
            patience: Patience::default(),
            policy: None,
        };
        let sink: Arc<dyn EventSink> = Arc::<Records>::clone(&records);
        let proxy = Proxy::bind(config, Arc::new(Redactor::plain()), sink)?.serve();
        let login = launch::Login { user: &login.user, password: &login.password };
        let plan =
            Plan { proxy: proxy.address(), login: Some(login), scope: &scope, base_url: None, trust: &trust_files };
        let changes = launch::environment(&variables, &plan);
        for name in &changes.remove {
            variables.remove(name);
        }
        variables.extend(changes.set);
        let folder = home(&files)?;
        variables.extend(made_up(&folder, &key));
        let environment = variables.into_iter().collect();
        Ok(Self { fake, proxy, records, environment, folder, _files: files })
    }

    pub(super) fn environment(&self) -> &[(OsString, OsString)] {
        &self.environment
    }

    /// An empty folder of its own, which is also the home.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) async fn clear(self) {
        self.proxy.stop().await;
        self.fake.shutdown().await;
    }
}

fn home(files: &TempDir) -> io::Result<PathBuf> {
    let home = files.path().join("home");
    std::fs::create_dir(&home)?;
    Ok(home)
}

/// What the program is given besides: a home, a key of the fake's, and little patience.
fn made_up(home: &Path, key: &str) -> [(OsString, OsString); 5] {
    [
        ("HOME".into(), home.into()),
        ("ANTHROPIC_API_KEY".into(), key.into()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC".into(), "1".into()),
        ("CLAUDE_CODE_MAX_RETRIES".into(), "1".into()),
        ("DISABLE_AUTOUPDATER".into(), "1".into()),
    ]
}

/// Runs the program and reads off the proxy's records what came of it.
pub(super) async fn play(stage: &Stage, program: &OsStr, arguments: &[OsString]) -> Trial {
    // What the question for the version has left.
    stage.records.take();
    let ended = match command::run(program, arguments, stage.environment(), stage.folder(), PATIENCE).await {
        Ok(ended) => ended,
        Err(error) => return Trial::NotStarted(error.kind().to_string()),
    };
    // From here on every connection has its record.
    stage.proxy.stop().await;
    let records = stage.records.take();
    let connections: Vec<&Connection> = records.iter().filter_map(connection).collect();
    let used = |one: &&&Connection| one.mode == Mode::Intercepted && one.requests > 0;
    let refused = |one: &&&Connection| one.end.outcome == Outcome::ClientDistrustsCa;
    let mut others: Vec<&'static str> = (connections.iter())
        .filter(|one| !used(one) && !refused(one) && one.mode != Mode::Tunnel)
        .map(|one| one.end.outcome.as_str())
        .collect();
    others.sort_unstable();
    others.dedup();
    let messages = records.iter().filter_map(exchange).filter(|one| is_answered_message(one));
    Trial::Ran {
        accepted: count(connections.iter().filter(used)),
        refused: count(connections.iter().filter(refused)),
        others,
        messages: count(messages),
        end: ended.code.map_or(TrialEnd::TimedOut(PATIENCE.as_secs()), TrialEnd::Exited),
    }
}

fn count<T>(found: impl Iterator<Item = T>) -> u64 {
    u64::try_from(found.count()).unwrap_or(u64::MAX)
}

fn connection(record: &Record) -> Option<&Connection> {
    match record {
        Record::Connection(connection) => Some(connection),
        _ => None,
    }
}

fn exchange(record: &Record) -> Option<&Exchange> {
    match record {
        Record::Exchange(exchange) => Some(exchange),
        _ => None,
    }
}

fn is_answered_message(exchange: &Exchange) -> bool {
    exchange.request.path.as_str().starts_with("/v1/messages") && exchange.status() == Some(200)
}
