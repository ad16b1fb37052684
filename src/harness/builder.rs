//! What a harness is made of.

use super::running::Parts;
use super::scene::SceneError;
use super::session::{Beginning, Session, Surroundings};
use super::stage::{Stage, usual_scenario};
use super::{Harness, HarnessError, load};
use crate::analyze::Survey;
use crate::config::Options;
use crate::launch::settings::{self, SettingsFacts};
use crate::launch::{
    BaseUrl, Leftovers, ParentEnvironment, Plan, TempDir, TrustFiles, names_seen, without_unreadable_trust,
};
use crate::record::{Observer, Recorder};
use crate::scenario::{self, Against, Scenario};
use crate::trace::{EventSink, PlayedAgainst, Record};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// The variable that says where a client finds the API.
const BASE_URL: &str = "ANTHROPIC_BASE_URL";

/// What a harness is made of: a scenario, and servers of your own in the place of the fake.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    scenario: Option<Chosen>,
    upstreams: Vec<(String, SocketAddr)>,
    upstream_ca: Vec<String>,
    gateway: Option<String>,
    intercept: Vec<String>,
    trace: Option<PathBuf>,
    environment: Option<ParentEnvironment>,
}

#[derive(Clone, Debug)]
enum Chosen {
    Named(String),
    Text(String),
}

impl Builder {
    /// Plays this: a name of `authtrace scenario list`, or a file (with a slash in its name, or `.toml` at the end).
    /// Without one the server works, and clients are handed an API key that is good.
    pub fn scenario(mut self, named: impl Into<String>) -> Self {
        self.scenario = Some(Chosen::Named(named.into()));
        self
    }

    /// Plays what this TOML says; `docs/scenarios.md` describes it.
    pub fn scenario_toml(mut self, text: impl Into<String>) -> Self {
        self.scenario = Some(Chosen::Text(text.into()));
        self
    }

    /// Whoever asks for `target` (`HOST:PORT`, for example `api.anthropic.com:443`) is connected to this address instead
    /// of the fake, as with `authtrace run --connect-to`. What signs for it is named by [`Self::upstream_ca`].
    pub fn upstream(mut self, target: impl Into<String>, address: SocketAddr) -> Self {
        self.upstreams.push((target.into(), address));
        self
    }

    /// The root certificate of servers of your own, as PEM. Upstream certificates are always verified.
    pub fn upstream_ca(mut self, pem: impl Into<String>) -> Self {
        self.upstream_ca.push(pem.into());
        self
    }

    /// Clients are told that the API is at this URL (`ANTHROPIC_BASE_URL`), and what they ask there is recorded. For a
    /// gateway that listens on loopback without TLS, such as `http://127.0.0.1:4000`, that is all; for one with TLS, say
    /// with [`Self::upstream`] where its host is. The gateway itself finds the fake API at [`Harness::base_url`].
    pub fn gateway(mut self, url: impl Into<String>) -> Self {
        self.gateway = Some(url.into());
        self
    }

    /// Reads the traffic of this host as well (`.example.com`: of all below it). Hosts of [`Self::upstream`] are.
    pub fn intercept(mut self, host: impl Into<String>) -> Self {
        self.intercept.push(host.into());
        self
    }

    /// Writes the trace to this file, too. It must not be there yet.
    pub fn trace_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.trace = Some(path.into());
        self
    }

    /// What commands get besides what the harness sets and takes out [default: the environment of this process].
    pub fn environment(mut self, variables: ParentEnvironment) -> Self {
        self.environment = Some(variables);
        self
    }

    /// Starts everything, inside a tokio runtime.
    ///
    /// # Errors
    /// An unknown scenario or one with a mistake; a host, an address or a certificate that cannot be used; a port, a file
    /// or a folder that cannot be had.
    pub async fn start(self) -> Result<Harness, HarnessError> {
        let parent = self.environment.clone().unwrap_or_else(|| std::env::vars_os().collect());
        let scenario = self.played()?;
        let stage = Stage::set(scenario, &parent).await?.beside(&self.targets()?, &self.upstream_ca)?;
        let home = stage.homes().first().cloned().unwrap_or_default();
        let surroundings = stage.surroundings(&parent, &home);
        let base_url = base_url(&surroundings);
        let options = Options { out: self.trace.clone(), intercept: self.hosts(), ..Options::default() };
        let config = stage.options(options, base_url.as_ref()).resolve(&parent, base_url.as_ref())?;
        let (scope, trust) = (config.scope.clone(), config.trust.clone());
        let variables = names_seen(&surroundings);
        let about = Surroundings { variables: &variables, played: Some((stage.name(), PlayedAgainst::Fake)) };
        let seen = Arc::new(watch::Sender::new(Survey::default()));
        let (session, recorder) = Session::open(config, &about, None, |beginning| keep(beginning, observer(&seen)))?;
        let files = TempDir::create(&parent)?;
        let trust_files = TrustFiles::write(&files, &session.root_pem, &trust, &without_unreadable_trust(&parent))?;
        let login = session.login.as_ref().map(super::session::ProxyLogin::shown);
        let (proxy, base_url) = (session.address(), base_url.as_ref());
        let plan = Plan { proxy, login, scope: &scope, base_url, trust: &trust_files };
        let of_client = |home: &PathBuf| stage.environment(&parent, home, &plan).of_child(&parent);
        let environments = stage.homes().iter().map(of_client).collect();
        let ca_file = trust_files.root.clone();
        let leftovers = Leftovers::of(stage.folder());
        Harness::of(Parts { session, leftovers, recorder, seen, stage, environments, ca_file, files }).await
    }

    /// What is played, with the gateway as the client's API.
    fn played(&self) -> Result<Scenario, HarnessError> {
        let mut scenario = match &self.scenario {
            None => usual_scenario()?,
            Some(Chosen::Named(named)) => load(named)?,
            Some(Chosen::Text(text)) => {
                scenario::read(text).map_err(|source| SceneError::Wrong { path: "scenario".into(), source })?
            }
        };
        if scenario.against == Against::Live {
            return Err(SceneError::Live.into());
        }
        if let Some(url) = &self.gateway {
            scenario.client.variables.insert(BASE_URL.to_owned(), url.clone());
        }
        Ok(scenario)
    }

    /// Where the servers are that are not the fake. A gateway without TLS is where its URL says.
    fn targets(&self) -> Result<Vec<(String, SocketAddr)>, HarnessError> {
        for (target, _) in &self.upstreams {
            let port = target.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
            if port.and_then(|port| port.parse::<u16>().ok()).is_none() {
                return Err(bad(target, "an upstream is named as HOST:PORT, such as api.anthropic.com:443"));
            }
        }
        let mut targets = self.upstreams.clone();
        if let Some(url) = &self.gateway {
            let parsed = BaseUrl::parse(url).ok_or_else(|| bad(url, "a gateway is an http:// or https:// URL"))?;
            if let (false, Some(address)) = (parsed.https, loopback(&parsed)) {
                targets.push((format!("{}:{}", bracketed(&parsed.host), parsed.port), address));
            }
        }
        Ok(targets)
    }

    /// The hosts that are read besides those of Anthropic and the gateway: those that were named. Addresses can only be
    /// read without TLS.
    fn hosts(&self) -> Vec<String> {
        let named = self.upstreams.iter().filter_map(|(target, _)| Some(target.rsplit_once(':')?.0.to_owned()));
        let is_name = |host: &String| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_err();
        named.filter(is_name).chain(self.intercept.iter().cloned()).collect()
    }
}

/// As Claude Code finds it: in its environment, or in a settings file.
fn base_url(surroundings: &ParentEnvironment) -> Option<BaseUrl> {
    let folder = std::env::current_dir().unwrap_or_default();
    SettingsFacts::read(settings::places(surroundings, &folder)).base_url(surroundings)
}

fn loopback(url: &BaseUrl) -> Option<SocketAddr> {
    let address = match url.address() {
        Some(address) => address,
        None if url.is_loopback() => std::net::Ipv4Addr::LOCALHOST.into(),
        None => return None,
    };
    address.is_loopback().then(|| SocketAddr::new(address, url.port))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn bad(given: &str, why: &'static str) -> HarnessError {
    HarnessError::Address { given: given.to_owned(), why }
}

fn keep(
    Beginning { head, redactor, out, .. }: Beginning<'_>,
    observer: Observer,
) -> Result<(Arc<Recorder>, Arc<dyn EventSink>), HarnessError> {
    let redactor = Arc::clone(redactor);
    let recorder = Arc::new(match out {
        Some(path) => Recorder::start(&path, head, redactor, vec![observer])?,
        None => Recorder::without_file(head, redactor, vec![observer])?,
    });
    Ok((Arc::clone(&recorder), recorder))
}

/// What has been recorded, kept where everybody can look at it.
fn observer(seen: &Arc<watch::Sender<Survey>>) -> Observer {
    let seen = Arc::clone(seen);
    Box::new(move |records: &[Record]| {
        seen.send_modify(|survey| records.iter().for_each(|record| survey.take(record)));
    })
}
