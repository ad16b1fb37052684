//! A proxy at work, and what it tells of: everything that does not depend on who keeps the records.

use super::HarnessError;
use crate::ca::{Authority, Persistence};
use crate::config::{Config, ProxyAuth};
use crate::proxy::{Access, Lane, Listening, Patience, Policy, Proxy, ProxyConfig, ProxyHandle, UpstreamTrust};
use crate::redact::{self, Redacted, Redactor};
use crate::trace::{EventSink, FormatVersion, Played, PlayedAgainst, Timestamp, TraceHead};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// A proxy at work.
pub struct Session {
    /// The proxy.
    pub proxy: ProxyHandle,
    /// Who may use it.
    pub access: Access,
    /// What makes text of it that may be shown.
    pub redactor: Arc<Redactor>,
    /// What its first client shows it; none: it asks for nothing.
    pub login: Option<ProxyLogin>,
    /// What clients are to trust.
    pub root_pem: String,
    /// What signs for the hosts that are read.
    pub authority: Arc<Authority>,
    /// What became of the files of an authority that is kept.
    pub kept: Option<Persistence>,
    /// What may be shown.
    pub redaction: redact::Options,
}

/// User and password of a lane.
pub struct ProxyLogin {
    /// The user: the lane's name.
    pub user: String,
    /// The password.
    pub password: Zeroizing<String>,
}

impl ProxyLogin {
    /// For a lane: its name, and a password of 192 random bits.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn made_up(lane: &str) -> Result<Self, HarnessError> {
        let mut random = Zeroizing::new([0_u8; 24]);
        getrandom::getrandom(random.as_mut_slice()).map_err(|_| HarnessError::Random)?;
        Ok(Self { user: lane.to_owned(), password: Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice())) })
    }
}

impl ProxyLogin {
    /// As the environment of a client needs it.
    #[must_use]
    pub fn shown(&self) -> crate::launch::Login<'_> {
        crate::launch::Login { user: &self.user, password: &self.password }
    }
}

/// What the trace's head says about the environment.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Names of variables.
    pub variables: &'a [String],
    /// The scenario, and who answers.
    pub played: Option<(String, PlayedAgainst)>,
}

/// What whoever keeps the records has to know.
pub struct Beginning<'a> {
    /// The first record.
    pub head: TraceHead,
    /// Masks what was learned as a credential.
    pub redactor: &'a Arc<Redactor>,
    /// What the redactor is made of.
    pub redaction: &'a redact::Options,
    /// Where the trace is to be written, if the configuration says.
    pub out: Option<PathBuf>,
    /// How large it may become, in bytes.
    pub max_size: Option<u64>,
}

impl Session {
    /// Binds the proxy, inside a tokio runtime, and serves. `keep` begins the trace; `policy` is what is done to requests
    /// on purpose.
    ///
    /// # Errors
    /// An address that cannot be had, an authority or roots that cannot be used, and what `keep` says.
    pub fn open<K, E: From<HarnessError>>(
        config: Config,
        surroundings: &Surroundings<'_>,
        policy: Option<Policy>,
        keep: impl FnOnce(Beginning<'_>) -> Result<(K, Arc<dyn EventSink>), E>,
    ) -> Result<(Self, K), E> {
        // First of all: who connects while the rest is made ready waits for some milliseconds instead of being refused.
        let listening = Listening::bind(config.listen).map_err(HarnessError::from)?;
        let redaction = redaction(&config);
        let redactor = Arc::new(Redactor::new(redaction.clone()).map_err(HarnessError::from)?);
        let (login, access) = admission(&config, &redactor)?;
        // The roots wait for the disk: at once with the key.
        let (authority, upstream_trust) = std::thread::scope(|scope| {
            let authority = scope.spawn(|| authority(&config));
            let upstream_trust = UpstreamTrust::load(&config.upstream_ca);
            (authority.join(), upstream_trust)
        });
        let (authority, kept) = authority.map_err(|_| HarnessError::Authority)??;
        let authority = Arc::new(authority);
        let head = trace_head(&config, &redactor, surroundings);
        let proxy = ProxyConfig {
            listen: config.listen,
            intercept: config.intercept,
            leaves: Arc::clone(authority.leaves()),
            upstream_trust: upstream_trust.map_err(HarnessError::from)?,
            connect_to: config.connect_to,
            upstream_proxy: config.upstream_proxy,
            access: access.clone(),
            patience: Patience::default(),
            policy,
        };
        let beginning =
            Beginning { head, redactor: &redactor, redaction: &redaction, out: config.out, max_size: config.max_size };
        let (keeper, sink) = keep(beginning)?;
        let proxy = Proxy::on(listening, proxy, Arc::clone(&redactor), sink).map_err(HarnessError::from)?.serve();
        let root_pem = authority.certificates_pem();
        Ok((Self { proxy, access, redactor, login, root_pem, authority, kept, redaction }, keeper))
    }

    /// Where the proxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Admits the clients of one more lane.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn add_lane(&self, lane: &str) -> Result<ProxyLogin, HarnessError> {
        let login = ProxyLogin::made_up(lane)?;
        // Whoever echoes it, it is masked in whatever we write.
        self.redactor.learn(login.password.as_bytes());
        let name = lane_name(&self.redactor, lane);
        self.access.add(Lane::new(name, login.user.clone(), login.password.clone()));
        Ok(login)
    }
}

/// A lane's name as the trace shows it; the configuration allows only plain names.
#[must_use]
pub fn lane_name(redactor: &Redactor, lane: &str) -> Redacted {
    redactor.lane(lane)
}

fn admission(config: &Config, redactor: &Redactor) -> Result<(Option<ProxyLogin>, Access), HarnessError> {
    let lane = lane_name(redactor, &config.lane);
    let login = match &config.proxy_auth {
        ProxyAuth::PerRun => ProxyLogin::made_up(&config.lane)?,
        ProxyAuth::Given(user, password) => ProxyLogin { user: user.clone(), password: password.clone() },
        ProxyAuth::Nobody => return Ok((None, Access::open(lane))),
    };
    redactor.learn(login.password.as_bytes());
    let access = Access::with_lane(Lane::new(lane, login.user.clone(), login.password.clone()));
    Ok((Some(login), access))
}

fn authority(config: &Config) -> Result<(Authority, Option<Persistence>), HarnessError> {
    let now = OffsetDateTime::now_utc();
    let Some(folder) = &config.ca_dir else { return Ok((Authority::in_memory(&config.scope, now)?, None)) };
    let (authority, persistence) = Authority::kept_in(folder, &config.scope, now)?;
    Ok((authority, Some(persistence)))
}

fn redaction(config: &Config) -> redact::Options {
    let options = redact::Options::default()
        .with_hosts(config.shown_hosts.iter().cloned())
        .with_keep(config.keep.iter().cloned());
    match &config.fingerprint_key {
        Some(key) => options.with_key(**key),
        None => options,
    }
}

fn trace_head(config: &Config, redactor: &Redactor, surroundings: &Surroundings<'_>) -> TraceHead {
    TraceHead {
        format: FormatVersion::CURRENT,
        tool: Redacted::literal(concat!("authtrace ", env!("CARGO_PKG_VERSION"))),
        os: redactor.platform(&format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        started: Timestamp::now(),
        intercept: read_hosts(config).iter().map(|host| redactor.host(host)).collect(),
        variables: surroundings.variables.iter().map(|name| redactor.variable(name)).collect(),
        shared_fingerprints: config.fingerprint_key.is_some(),
        imported: None,
        played: surroundings
            .played
            .as_ref()
            .map(|(name, against)| Played { scenario: redactor.message(name), against: *against }),
        part: None,
    }
}

/// The hosts that are read, also those without TLS.
fn read_hosts(config: &Config) -> Vec<String> {
    let mut hosts: Vec<String> = config.scope.patterns().map(|pattern| pattern.name().to_owned()).collect();
    for host in &config.shown_hosts {
        let host = host.trim_start_matches('.');
        if !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
    }
    hosts
}
