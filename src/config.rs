//! The options of the proxy, resolved once: flags, then environment (`AUTHTRACE_*`), then `authtrace.toml`, then defaults.
//!
//! Comes in: what clap read, the user's configuration file, the environment that authtrace was started with. Goes out:
//! one small value per room. Never here: a socket, a file besides the configuration and the fingerprint key.

mod file;
mod fingerprint_key;
mod guard;
mod ring;

pub use file::config_file;
pub use guard::{GuardConfig, GuardOptions, WhenStopped};
pub use ring::{RingConfig, RingError, RingOptions, Size, Span};

use crate::ca::{CaError, Scope};
use crate::launch::{BaseUrl, ParentEnvironment, Trust};
use crate::proxy::{Bypass, ConnectTo, Intercept, ProxyError, UpstreamProxy};
use crate::record::SMALLEST_TRACE;
use crate::redact::{self, Keep};
use crate::wire::{self, Host};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Options of `run` and `proxy`, and the keys of `authtrace.toml` (there in kebab-case).
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// Where to write the trace [default: a new file in ~/.local/state/authtrace]
    #[arg(long, short, value_name = "FILE", env = "AUTHTRACE_OUT", hide_env_values = true, help_heading = "Trace")]
    pub out: Option<PathBuf>,

    /// How large the trace may become (10MB, 1GiB; in two files, TRACE and TRACE.1): the oldest records make way, and are counted
    #[arg(long, value_name = "SIZE", env = "AUTHTRACE_MAX_SIZE", hide_env_values = true, help_heading = "Trace")]
    pub max_size: Option<Size>,

    /// A file with 32 random bytes (made if it is not there), so that fingerprints can be compared between traces
    #[arg(
        long,
        value_name = "FILE",
        env = "AUTHTRACE_FINGERPRINT_KEY",
        hide_env_values = true,
        help_heading = "Trace"
    )]
    pub fingerprint_key: Option<PathBuf>,

    /// Form of authtrace's own log on standard error; RUST_LOG sets its level
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        env = "AUTHTRACE_LOG_FORMAT",
        hide_env_values = true,
        help_heading = "Trace"
    )]
    pub log_format: Option<LogFormat>,

    /// Name of this client in a trace that several share [default: main]
    #[arg(long, value_name = "NAME", env = "AUTHTRACE_LANE", hide_env_values = true, help_heading = "Trace")]
    pub lane: Option<String>,

    /// Read the traffic of this host, too (.example.com: and of all below it; '*': of every host, with an authority that is not constrained)
    #[arg(
        long,
        value_name = "HOST",
        env = "AUTHTRACE_INTERCEPT",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "What is read"
    )]
    pub intercept: Vec<String>,

    /// Never read the traffic of this host and of those below it (client certificates, pinning)
    #[arg(
        long,
        value_name = "HOST",
        env = "AUTHTRACE_TUNNEL",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "What is read"
    )]
    pub tunnel: Vec<String>,

    /// Loopback address to listen on [default: 127.0.0.1 and a free port]
    #[arg(long, value_name = "ADDR:PORT", env = "AUTHTRACE_LISTEN", hide_env_values = true, help_heading = "Proxy")]
    pub listen: Option<SocketAddr>,

    /// User and password that clients must send, or `none` to ask for nothing [default: made up per run]. Other users of
    /// the machine see arguments: give a password by AUTHTRACE_PROXY_AUTH or in authtrace.toml
    #[arg(
        long,
        value_name = "USER:PASS",
        env = "AUTHTRACE_PROXY_AUTH",
        hide_env_values = true,
        help_heading = "Proxy"
    )]
    pub proxy_auth: Option<String>,

    /// Keep the certificate authority in this folder (ca.pem, and its key) for later runs [default: one per run, in memory]
    #[arg(long, value_name = "DIR", env = "AUTHTRACE_CA_DIR", hide_env_values = true, help_heading = "Proxy")]
    pub ca_dir: Option<PathBuf>,

    /// Connect to HOST2:PORT2 instead of HOST:PORT, as curl's option; an empty HOST or PORT matches any
    #[arg(
        long,
        value_name = "HOST:PORT:HOST2:PORT2",
        env = "AUTHTRACE_CONNECT_TO",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "Upstream"
    )]
    pub connect_to: Vec<String>,

    /// Accept upstream certificates of the authorities in this PEM file, besides the system's
    #[arg(
        long,
        value_name = "PEM",
        env = "AUTHTRACE_UPSTREAM_CA",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "Upstream"
    )]
    pub upstream_ca: Vec<PathBuf>,

    /// Go through this proxy, or `none` [default: HTTPS_PROXY as authtrace was started with]
    #[arg(
        long,
        value_name = "URL",
        env = "AUTHTRACE_UPSTREAM_PROXY",
        hide_env_values = true,
        help_heading = "Upstream"
    )]
    pub upstream_proxy: Option<String>,

    /// For whom the command's environment trusts the authority, separated by commas [default: who can meet a read host]
    #[arg(long, value_name = "LIST", env = "AUTHTRACE_TRUST", hide_env_values = true, help_heading = "Proxy")]
    pub trust: Option<String>,

    /// The guard.
    #[command(flatten)]
    pub guard: GuardOptions,

    /// The flight recorder: options of `proxy` alone.
    #[arg(skip)]
    pub ring: RingOptions,

    /// Header fields whose values may be shown if they match; only in `authtrace.toml`.
    #[arg(skip)]
    pub keep: Vec<KeepField>,
}

/// `[[keep]]` of `authtrace.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepField {
    /// Name of the header field.
    pub header: String,
    /// Regular expression that the whole value has to match.
    pub grammar: String,
}

/// Form of authtrace's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// Shorter lines.
    Compact,
}

/// What cannot be used, and what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file.
    #[error("{}: {why}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column where known.
        why: String,
    },
    /// A host. It is not shown: what is no name may be a URL with a password in it.
    #[error("{option}, value {number}: {why}")]
    Host {
        /// Which option.
        option: &'static str,
        /// Which of its values, from 1.
        number: usize,
        /// What is wrong.
        why: String,
    },
    /// An address where only a name works.
    #[error(
        "{0} cannot be intercepted: the certificate authority is constrained to names and excludes all addresses; \
         give the host a name (for example in /etc/hosts), or let it pass unread with --tunnel {0}"
    )]
    Address(IpAddr),
    /// `--proxy-auth`.
    #[error("--proxy-auth needs USER:PASSWORD, both not empty, or `none`")]
    ProxyAuth,
    /// `--lane`.
    #[error("the name given with --lane cannot be used: up to 24 letters, digits and hyphens, beginning with a letter")]
    Lane,
    /// `--out -`.
    #[error(
        "a trace needs a file, which is read again at the end: `-` names none; give the name of one, such as trace.jsonl"
    )]
    Out,
    /// `--fingerprint-key`.
    #[error("the fingerprint key {}: {why}", path.display())]
    FingerprintKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// `--on-guard` alone.
    #[error(
        "--on-guard says what happens when the guard acts, but not when; add --guard N, --guard-requests or --guard-seconds"
    )]
    OnGuard,
    /// A limit of 0, in the file.
    #[error("a guard with a limit of 0 would stop everything; the least is 1")]
    GuardOfNothing,
    /// `--on-guard hold` where nobody can be asked.
    #[error(
        "--on-guard hold cannot be used {0}; use --on-guard answer or stop, or start `authtrace proxy` in a terminal of its own"
    )]
    Hold(&'static str),
    /// `--max-size` that holds next to nothing.
    #[error(
        "--max-size: a trace of {0} bytes holds next to nothing; the least is 1MB, which some hundred exchanges take"
    )]
    MaxSize(u64),
    /// The flight recorder's settings.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The upstream's settings.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The scope of the authority.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// `--trust`.
    #[error(transparent)]
    Launch(#[from] crate::launch::LaunchError),
    /// `[[keep]]`.
    #[error(transparent)]
    Redact(#[from] redact::RedactError),
}

/// Who may use the proxy.
pub enum ProxyAuth {
    /// A password made up per run.
    PerRun,
    /// This user and password.
    Given(String, Zeroizing<String>),
    /// Anybody on this machine.
    Nobody,
}

/// The options, resolved.
pub struct Config {
    /// Where to write the trace, if not the default.
    pub out: Option<PathBuf>,
    /// How large the trace may become, in bytes.
    pub max_size: Option<u64>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Who may use the proxy.
    pub proxy_auth: ProxyAuth,
    /// Name of the first client.
    pub lane: String,
    /// Names that the authority may sign for.
    pub scope: Scope,
    /// Whose traffic is read.
    pub intercept: Intercept,
    /// Hosts of the user's own that may be shown.
    pub shown_hosts: Vec<String>,
    /// Targets that are dialled elsewhere.
    pub connect_to: Vec<ConnectTo>,
    /// Extra roots for upstreams.
    pub upstream_ca: Vec<PathBuf>,
    /// The proxy to go through.
    pub upstream_proxy: Option<UpstreamProxy>,
    /// Where the authority is kept, if it is.
    pub ca_dir: Option<PathBuf>,
    /// For whom the child's environment trusts it.
    pub trust: Trust,
    /// Key for fingerprints that can be compared between traces.
    pub fingerprint_key: Option<Zeroizing<[u8; 32]>>,
    /// Header fields whose values may be shown.
    pub keep: Vec<Keep>,
    /// When to stop asking the server, if ever.
    pub guard: Option<GuardConfig>,
}

impl Options {
    /// Fills in from the user's configuration file: `$AUTHTRACE_CONFIG`, else `authtrace/authtrace.toml` in the folder
    /// for configuration. A file in the working folder is not read: a repository must not redirect credentials.
    ///
    /// # Errors
    /// When the file is there and cannot be used, with the place of the mistake.
    pub fn with_file(self, parent: &ParentEnvironment) -> Result<Self, ConfigError> {
        match config_file(parent) {
            Some(path) => Ok(self.or(file::read(&path)?)),
            None => Ok(self),
        }
    }

    /// Header fields whose values may be shown.
    #[must_use]
    pub fn kept_fields(&self) -> Vec<Keep> {
        self.keep.iter().map(|field| Keep { name: field.header.clone(), grammar: field.grammar.clone() }).collect()
    }

    fn or(self, file: Self) -> Self {
        let list = |flags: Vec<String>, file: Vec<String>| if flags.is_empty() { file } else { flags };
        Self {
            out: self.out.or(file.out),
            max_size: self.max_size.or(file.max_size),
            fingerprint_key: self.fingerprint_key.or(file.fingerprint_key),
            log_format: self.log_format.or(file.log_format),
            lane: self.lane.or(file.lane),
            intercept: list(self.intercept, file.intercept),
            tunnel: list(self.tunnel, file.tunnel),
            listen: self.listen.or(file.listen),
            proxy_auth: self.proxy_auth.or(file.proxy_auth),
            ca_dir: self.ca_dir.or(file.ca_dir),
            connect_to: list(self.connect_to, file.connect_to),
            upstream_ca: if self.upstream_ca.is_empty() { file.upstream_ca } else { self.upstream_ca },
            upstream_proxy: self.upstream_proxy.or(file.upstream_proxy),
            trust: self.trust.or(file.trust),
            guard: self.guard.or(file.guard),
            ring: self.ring.or(file.ring),
            keep: file.keep,
        }
    }

    /// Resolves everything that does not need a socket.
    ///
    /// # Errors
    /// The first option that cannot be used.
    pub fn resolve(self, parent: &ParentEnvironment, base_url: Option<&BaseUrl>) -> Result<Config, ConfigError> {
        let scope = scope_of(&self.intercept, &self.tunnel, base_url)?;
        let trust = match &self.trust {
            Some(list) => Trust::parse(list)?,
            None => Trust::for_scope(&scope, base_url)?,
        };
        let never = never_read(&self.tunnel)?;
        let mut plain = plain_hosts(base_url);
        plain.retain(|host| !self.tunnel.iter().any(|tunnel| tunnel.trim_matches(['[', ']']) == host.to_string()));
        let connect_to = self.connect_to.iter().map(|text| ConnectTo::parse(text)).collect::<Result<_, _>>()?;
        let mut shown_hosts: Vec<String> = self.intercept.iter().filter(|host| *host != "*").cloned().collect();
        shown_hosts.extend(base_url.map(|url| url.host.clone()));
        let keep = self.kept_fields();
        let guard = self.guard.resolve(base_url.map(|url| url.host.as_str()))?;
        Ok(Config {
            keep,
            guard,
            listen: self.listen.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
            proxy_auth: parse_proxy_auth(self.proxy_auth.as_deref())?,
            lane: parse_lane(self.lane)?,
            intercept: Intercept::new(scope.clone(), plain, never),
            scope,
            shown_hosts,
            connect_to,
            upstream_ca: self.upstream_ca,
            upstream_proxy: upstream_proxy(self.upstream_proxy.as_deref(), parent)?,
            ca_dir: self.ca_dir,
            trust,
            fingerprint_key: self.fingerprint_key.as_deref().map(fingerprint_key::read_or_make).transpose()?,
            out: self.out.map(no_stream).transpose()?,
            max_size: self.max_size.map(bounded).transpose()?,
        })
    }
}

fn scope_of(intercept: &[String], tunnel: &[String], base_url: Option<&BaseUrl>) -> Result<Scope, ConfigError> {
    let mut scope = Scope::claude()?;
    for (at, host) in intercept.iter().enumerate() {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Err(ConfigError::Address(address));
        }
        scope.add(host).map_err(|error| bad_host("--intercept", at + 1, host, &error))?;
    }
    if let Some(url) = base_url.filter(|url| url.https) {
        match url.address() {
            Some(address) if !tunnel.contains(&url.host) => return Err(ConfigError::Address(address)),
            Some(_) => {}
            None => scope.add(&url.host)?,
        }
    }
    Ok(scope)
}

/// A mistake here would mean that a host is read against the user's will, so each has to be a name, or an address.
fn never_read(tunnel: &[String]) -> Result<Scope, ConfigError> {
    let mut scope = Scope::empty();
    for (at, host) in tunnel.iter().enumerate() {
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            // Never read over TLS in any case.
            continue;
        }
        let name = host.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.');
        let pattern = if name.contains('.') { format!(".{name}") } else { name.to_owned() };
        scope.add(&pattern).map_err(|error| bad_host("--tunnel", at + 1, host, &error))?;
    }
    Ok(scope)
}

fn bad_host(option: &'static str, number: usize, host: &str, error: &CaError) -> ConfigError {
    let why = if host.contains(['/', ':', '?', '#', '@']) {
        "give the name of the host only, without scheme, port or path".to_owned()
    } else {
        match error {
            CaError::Pattern { reason, .. } => (*reason).to_owned(),
            other => other.to_string(),
        }
    };
    ConfigError::Host { option, number, why }
}

/// Hosts whose HTTP without TLS is read although they are out of the authority's scope.
fn plain_hosts(base_url: Option<&BaseUrl>) -> Vec<Host> {
    let Some(url) = base_url.filter(|url| !url.https) else { return Vec::new() };
    let authority = match url.address() {
        Some(IpAddr::V6(address)) => format!("[{address}]:1"),
        _ => format!("{}:1", url.host),
    };
    wire::connect_target(authority.as_bytes()).map(|authority| vec![authority.host]).unwrap_or_default()
}

fn parse_proxy_auth(given: Option<&str>) -> Result<ProxyAuth, ConfigError> {
    match given {
        None => Ok(ProxyAuth::PerRun),
        Some("none") => Ok(ProxyAuth::Nobody),
        Some(pair) => match pair.split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                Ok(ProxyAuth::Given(user.to_owned(), Zeroizing::new(password.to_owned())))
            }
            _ => Err(ConfigError::ProxyAuth),
        },
    }
}

fn bounded(Size(bytes): Size) -> Result<u64, ConfigError> {
    if bytes < SMALLEST_TRACE { Err(ConfigError::MaxSize(bytes)) } else { Ok(bytes) }
}

/// `-` stands for standard input or output elsewhere.
fn no_stream(out: PathBuf) -> Result<PathBuf, ConfigError> {
    if out.as_os_str() == "-" { Err(ConfigError::Out) } else { Ok(out) }
}

fn parse_lane(given: Option<String>) -> Result<String, ConfigError> {
    let Some(lane) = given else { return Ok("main".to_owned()) };
    let plain = lane.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain && lane.len() <= 24 && lane.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Ok(lane);
    }
    Err(ConfigError::Lane)
}

/// The lower-case names win, as they do in clients. The user's `NO_PROXY` holds for us as it did for the clients.
fn upstream_proxy(given: Option<&str>, parent: &ParentEnvironment) -> Result<Option<UpstreamProxy>, ConfigError> {
    let inherited = |names: &[&str]| {
        let value = names.iter().find_map(|name| parent.get(OsStr::new(name)).filter(|value| !value.is_empty()))?;
        value.to_str().map(str::to_owned)
    };
    let url =
        given.map(str::to_owned).or_else(|| inherited(&["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"]));
    match url.as_deref() {
        None | Some("none") => Ok(None),
        Some(url) => {
            let bypass = Bypass::parse(&inherited(&["no_proxy", "NO_PROXY"]).unwrap_or_default());
            Ok(Some(UpstreamProxy::parse(url)?.with_bypass(bypass)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(options: Options) -> Result<Config, ConfigError> {
        options.resolve(&ParentEnvironment::new(), None)
    }

    #[test]
    fn flags_beat_the_file() {
        let file: Options = toml::from_str("lane = \"file\"\ntunnel = [\"a.example\"]\n").unwrap();
        let flags = Options { lane: Some("flag".into()), ..Options::default() };
        let merged = flags.or(file);
        assert_eq!(merged.lane.as_deref(), Some("flag"));
        assert_eq!(merged.tunnel, ["a.example"]);
    }

    #[test]
    fn a_trace_cannot_go_to_standard_output() {
        let options = Options { out: Some("-".into()), ..Options::default() };
        assert!(matches!(resolve(options), Err(ConfigError::Out)));
        assert!(resolve(Options { out: Some("./-".into()), ..Options::default() }).is_ok());
    }

    #[test]
    fn a_trace_is_bounded_to_no_less_than_holds_something() {
        let with = |size: &str| Options { max_size: Some(size.parse().unwrap()), ..Options::default() };
        assert_eq!(resolve(with("64MiB")).unwrap().max_size, Some(64 << 20));
        assert!(matches!(resolve(with("999KB")), Err(ConfigError::MaxSize(999_000))));
        let file: Options = toml::from_str("max-size = \"2GB\"\n").unwrap();
        assert_eq!(with("1MB").or(file.clone()).max_size, Some(Size(1_000_000)));
        assert_eq!(Options::default().or(file).max_size, Some(Size(2_000_000_000)));
    }

    #[test]
    fn an_address_cannot_be_intercepted() {
        let options = Options { intercept: vec!["127.0.0.1".into()], ..Options::default() };
        assert!(matches!(resolve(options), Err(ConfigError::Address(_))));
    }

    #[test]
    fn a_host_that_is_no_name_is_told_so_and_never_ignored() {
        for wrong in ["https://api.anthropic.com", "api.anthropic.com:443", "", "foo bar", " api.anthropic.com"] {
            for tunnel in [true, false] {
                let list = vec![wrong.to_owned()];
                let options = if tunnel {
                    Options { tunnel: list, ..Options::default() }
                } else {
                    Options { intercept: list, ..Options::default() }
                };
                assert!(matches!(resolve(options), Err(ConfigError::Host { .. })), "{wrong:?} {tunnel}");
            }
        }
        for right in ["*", "*.anthropic.com", ".anthropic.com", "anthropic.com.", "API.Anthropic.com", "10.0.0.1"] {
            assert!(resolve(Options { tunnel: vec![right.to_owned()], ..Options::default() }).is_ok(), "{right}");
        }
        let never = never_read(&["*.anthropic.com".to_owned()]).unwrap();
        assert!(never.covers("api.anthropic.com") && never.covers("anthropic.com") && !never.covers("claude.ai"));
        assert!(never_read(&["*".to_owned()]).unwrap().covers("api.anthropic.com"));
    }

    #[test]
    fn the_upstream_proxy_is_the_one_we_were_started_behind() {
        let parent: ParentEnvironment =
            [("HTTPS_PROXY", "http://upper.example:1"), ("https_proxy", "http://lower.example:2")]
                .map(|(name, value)| (name.into(), value.into()))
                .into();
        let config = Options::default().resolve(&parent, None).unwrap();
        assert_eq!(config.upstream_proxy.unwrap().address().to_string(), "lower.example:2");
        let none = Options { upstream_proxy: Some("none".into()), ..Options::default() };
        assert!(none.resolve(&parent, None).unwrap().upstream_proxy.is_none());
    }
}
