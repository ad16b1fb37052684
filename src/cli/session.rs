//! A recorder and a proxy at work: what `run`, `proxy` and `demo` have in common.

use super::{console, flight, guard};
use anyhow::{Context, Result, anyhow};
use authtrace::analyze::{Survey, diagnose};
use authtrace::ca::{Authority, Persistence, Scope};
use authtrace::config::{Config, ProxyAuth, RingConfig};
use authtrace::export::summary;
use authtrace::proxy::{Access, Lane, Listening, Patience, Policy, Proxy, ProxyConfig, ProxyHandle, UpstreamTrust};
use authtrace::record::{self, Closed, FlightRecorder, Observer, Recorder};
use authtrace::redact::{self, Redacted, Redactor};
use authtrace::trace::{EventSink, FormatVersion, Note, NoteKind, Played, PlayedAgainst, Record, Timestamp, TraceHead};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// A running recorder and proxy.
pub(crate) struct Session {
    pub(crate) proxy: ProxyHandle,
    pub(crate) access: Access,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) login: Option<Login>,
    pub(crate) root_pem: String,
    pub(crate) authority: Arc<Authority>,
    recorder: Keeper,
    redaction: redact::Options,
}

/// What keeps the records.
enum Keeper {
    Trace(Arc<Recorder>),
    Ring(Arc<FlightRecorder>),
}

/// User and password of a lane.
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Zeroizing<String>,
}

impl Login {
    /// For a lane: its name, and a password of 192 random bits.
    pub(crate) fn made_up(lane: &str) -> Result<Self> {
        let mut random = Zeroizing::new([0_u8; 24]);
        getrandom::fill(random.as_mut_slice()).ok().context("the system gave no random bytes")?;
        Ok(Self { user: lane.to_owned(), password: Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice())) })
    }
}

/// What the trace's head says about the environment.
pub(crate) struct Surroundings<'a> {
    pub(crate) variables: &'a [String],
    /// The scenario, and who answers.
    pub(crate) played: Option<(String, PlayedAgainst)>,
}

impl Session {
    /// Binds the proxy and begins the trace. `live` reads along.
    /// `policy` is what is done to requests on purpose.
    pub(crate) async fn start(
        config: Config,
        surroundings: &Surroundings<'_>,
        live: Option<Observer>,
        policy: Option<Policy>,
    ) -> Result<Self> {
        Self::start_with(config, surroundings, live, policy, None).await
    }

    /// The same, with a flight recorder instead of a trace if there is a ring.
    pub(crate) async fn start_with(
        config: Config,
        surroundings: &Surroundings<'_>,
        live: Option<Observer>,
        policy: Option<Policy>,
        ring: Option<RingConfig>,
    ) -> Result<Self> {
        // First of all: who connects while the rest is made ready waits for some milliseconds instead of being refused.
        let listening = Listening::bind(config.listen)?;
        let options = redaction(&config);
        let redactor = Arc::new(Redactor::new(options.clone())?);
        let login = match &config.proxy_auth {
            ProxyAuth::PerRun => Some(Login::made_up(&config.lane)?),
            ProxyAuth::Given(user, password) => Some(Login { user: user.clone(), password: password.clone() }),
            ProxyAuth::Nobody => None,
        };
        let lane_name = lane_name(&redactor, &config.lane);
        let access = match &login {
            Some(login) => {
                // Whoever echoes it, it is masked in whatever we write.
                redactor.learn(login.password.as_bytes());
                Access::with_lane(Lane::new(lane_name, login.user.clone(), login.password.clone()))
            }
            None => Access::open(lane_name),
        };
        // The roots wait for the disk: at once with the key.
        let (authority, upstream_trust) = std::thread::scope(|scope| {
            let authority = scope.spawn(|| authority(&config));
            let upstream_trust = UpstreamTrust::load(&config.upstream_ca);
            (authority.join(), upstream_trust)
        });
        let authority = Arc::new(authority.map_err(|_| anyhow!("cannot make the certificate authority"))??);
        let root_pem = authority.certificates_pem();
        let head = trace_head(&config, &redactor, surroundings);
        let out = config.out;
        let proxy = ProxyConfig {
            listen: config.listen,
            intercept: config.intercept,
            leaves: Arc::clone(authority.leaves()),
            upstream_trust: upstream_trust?,
            connect_to: config.connect_to,
            upstream_proxy: config.upstream_proxy,
            access: access.clone(),
            patience: Patience::default(),
            policy,
        };
        let observers = live.into_iter().collect();
        let (recorder, sink): (_, Arc<dyn EventSink>) = match ring {
            Some(ring) => {
                // What the ring holds is judged as a trace that is read.
                let _ = redact::reread::configure(options.clone());
                let recorder = Arc::new(flight::start(ring, head, &redactor, observers)?);
                (Keeper::Ring(Arc::clone(&recorder)), recorder)
            }
            None => {
                let path = out.map_or_else(record::default_path, Ok)?;
                let recorder = Arc::new(Recorder::start(&path, head, Arc::clone(&redactor), observers)?);
                (Keeper::Trace(Arc::clone(&recorder)), recorder)
            }
        };
        let proxy = Proxy::on(listening, proxy, Arc::clone(&redactor), sink)?.serve();
        Ok(Self { proxy, access, redactor, login, root_pem, authority, recorder, redaction: options })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// The trace; the folder of traces, of a flight recorder.
    pub(crate) fn trace_path(&self) -> &Path {
        match &self.recorder {
            Keeper::Trace(recorder) => recorder.path(),
            Keeper::Ring(recorder) => recorder.folder(),
        }
    }

    /// Has the flight recorder write a trace, if there is one.
    pub(crate) fn freeze(&self) {
        if let Keeper::Ring(recorder) = &self.recorder {
            recorder.freeze();
        }
    }

    /// What has been written so far, read from the file: nothing of a long run is kept in memory.
    pub(crate) fn survey(&self) -> Survey {
        // What the user allows stays allowed; the options are good, a redactor has been made of them.
        let _ = redact::reread::configure(self.redaction.clone());
        super::input::own_trace(self.trace_path()).unwrap_or_else(|error| {
            console::say(&format!("the trace cannot be read: {error}"));
            Survey::default()
        })
    }

    /// The lines after the end: what was seen, and where it is.
    pub(crate) fn summarise(&self, hints: &[String], closed: &Closed) {
        if matches!(self.recorder, Keeper::Ring(_)) || console::is_quiet() {
            return;
        }
        let degraded = closed.degraded.as_deref();
        let style = console::stderr_style();
        let survey = self.survey();
        let diagnosis = diagnose(&survey);
        let aside: Vec<String> = guard::in_a_row(&survey).into_iter().collect();
        console::write(&summary::closing(&survey, &diagnosis, self.trace_path(), hints, &aside, degraded, style));
    }

    /// Writes a note into the trace.
    pub(crate) fn note(&self, kind: NoteKind, text: &str) {
        let text = self.redactor.message(text);
        let note = Record::Note(Note { at: Timestamp::now(), kind, text });
        match &self.recorder {
            Keeper::Trace(recorder) => recorder.emit(note),
            Keeper::Ring(recorder) => recorder.emit(note),
        }
    }

    /// Drains the proxy and closes the trace. A flight recorder says what it has done.
    pub(crate) async fn close(&self, exit_code: Option<i32>) -> Closed {
        self.proxy.stop().await;
        match &self.recorder {
            Keeper::Trace(recorder) => recorder.close(exit_code),
            Keeper::Ring(recorder) => {
                let closed = recorder.close();
                flight::closing(&closed);
                Closed { totals: closed.totals, degraded: closed.degraded }
            }
        }
    }
}

/// A lane's name as the trace shows it; the configuration allows only plain names.
pub(crate) fn lane_name(redactor: &Redactor, lane: &str) -> Redacted {
    redactor.lane(lane)
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

fn authority(config: &Config) -> Result<Authority> {
    let now = OffsetDateTime::now_utc();
    let Some(folder) = &config.ca_dir else { return Ok(Authority::in_memory(&config.scope, now)?) };
    let (authority, persistence) = Authority::kept_in(folder, &config.scope, now)?;
    if persistence != Persistence::Kept {
        console::say(&format!("{persistence}: {}", folder.join("ca.pem").display()));
    }
    Ok(authority)
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

/// The names of a scope, for people: each stands for itself, and domains for all below them as well.
pub(crate) fn scope_names(scope: &Scope) -> Vec<String> {
    if scope.is_everything() {
        return vec!["every host (the authority of this run is not constrained)".to_owned()];
    }
    scope.patterns().map(|pattern| pattern.name().to_owned()).collect()
}
