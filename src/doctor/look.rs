//! Looks at the environment and at the files that it names, and describes what is there. Reads only.

use super::facts::{
    BaseUrlFacts, CertificateFile, Certificates, CredentialSource, CredentialVariable, Environment, Keychain, Origin,
    ProxyScheme, ProxyVariable, Settings, Switch, TraceFolder, Trust, Writable,
};
use super::{login, pem};
use crate::ca::Scope;
use crate::launch::settings::{self, Level, SettingsFacts};
use crate::launch::{BaseUrl, Notice, ParentEnvironment, Plan, TrustFiles};
use crate::redact::{Kind, Redactor};
use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Proxy variables in the order in which clients look at them: the lower case wins.
const PROXIES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"];
/// Switches that send messages to a cloud provider, with that provider's credentials.
const CLOUDS: [&str; 3] = ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"];
/// Header fields that carry credentials to the API.
const CREDENTIAL_FIELDS: [&str; 3] = ["authorization", "x-api-key", "proxy-authorization"];

/// Where the user's files are, and how their places are shown.
pub struct Places {
    home: Option<PathBuf>,
    /// `$CLAUDE_CONFIG_DIR`, or `~/.claude`.
    claude: Option<PathBuf>,
    /// The file beside it with the rest of Claude Code's state.
    state: Option<PathBuf>,
}

impl Places {
    /// As the environment says.
    #[must_use]
    pub fn of(parent: &ParentEnvironment) -> Self {
        let home = value(parent, "HOME").map(PathBuf::from);
        let moved = value(parent, "CLAUDE_CONFIG_DIR").map(PathBuf::from);
        let claude = moved.clone().or_else(|| home.as_ref().map(|home| home.join(".claude")));
        let state = moved.or_else(|| home.clone()).map(|folder| folder.join(".claude.json"));
        Self { home, claude, state }
    }

    /// A path as people write it, with `~` for the home folder.
    #[must_use]
    pub fn show(&self, path: &Path) -> String {
        // The text of a key or certificate, put where its file should be named.
        if path.as_os_str().as_bytes().windows(10).any(|bytes| bytes == b"-----BEGIN") {
            return "the text of a PEM file".to_owned();
        }
        match self.home.as_ref().and_then(|home| path.strip_prefix(home).ok()) {
            Some(below) if below.as_os_str().is_empty() => "~".to_owned(),
            Some(below) => format!("~/{}", below.display()),
            None => path.display().to_string(),
        }
    }
}

/// What a client that is started in `folder` with this environment would find. The keychain is left to the caller, since
/// only another program can look into it.
#[must_use]
pub fn environment(parent: &ParentEnvironment, folder: &Path, redactor: &Redactor) -> Environment {
    let places = Places::of(parent);
    let facts = SettingsFacts::read(settings::places(parent, folder));
    let layers = layers(parent, &facts, &places);
    let base_url = facts.base_url(parent);
    let no_proxy = no_proxy(parent, base_url.as_ref());
    Environment {
        credentials: credentials(&layers, redactor),
        clouds: clouds(&layers),
        settings: facts.files.iter().map(|file| settings_file(file, &facts, &places)).collect(),
        base_url: base_url.as_ref().map(base_url_facts),
        custom_headers: custom_headers(&layers),
        betas_disabled: layers.iter().any(|layer| layer.is_on("CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS")),
        login: login::file(places.claude.as_deref(), &places, redactor),
        console_key: places.state.as_deref().and_then(|path| login::console_key(path, redactor)),
        keychain: Keychain::None,
        proxies: PROXIES.into_iter().filter_map(|name| proxy(parent, name)).collect(),
        proxy_cases_differ: differ(parent, "https_proxy", "HTTPS_PROXY"),
        all_proxy: ["ALL_PROXY", "all_proxy"].iter().any(|name| value(parent, name).is_some()),
        no_proxy,
        trust: trust(parent, &places),
    }
}

/// A variable that is set to something.
fn value<'a>(parent: &'a ParentEnvironment, name: &str) -> Option<&'a OsStr> {
    parent.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
}

fn differ(parent: &ParentEnvironment, one: &str, other: &str) -> bool {
    value(parent, one).zip(value(parent, other)).is_some_and(|(one, other)| one != other)
}

/// Whether Claude Code takes a value for "on".
fn is_on(value: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&value.trim().to_ascii_lowercase().as_str())
}

/// Variables as one source sets them: the environment, or a settings file. Later layers win.
struct Layer {
    origin: Origin,
    values: Vec<(String, Zeroizing<Vec<u8>>)>,
}

impl Layer {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    fn is_on(&self, name: &str) -> bool {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok()).is_some_and(is_on)
    }
}

/// The variables that are looked at here, by their names.
fn wanted() -> impl Iterator<Item = &'static str> {
    CredentialVariable::ALL
        .into_iter()
        .map(CredentialVariable::name)
        .chain(CLOUDS)
        .chain(["ANTHROPIC_CUSTOM_HEADERS", "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS"])
}

fn layers(parent: &ParentEnvironment, facts: &SettingsFacts, places: &Places) -> Vec<Layer> {
    let own = wanted().filter_map(|name| {
        let value = parent.get(OsStr::new(name))?;
        Some((name.to_owned(), Zeroizing::new(value.as_bytes().to_vec())))
    });
    let mut layers = vec![Layer { origin: Origin::Environment, values: own.collect() }];
    for file in facts.files.iter().filter(|file| file.problem.is_none()) {
        if file.env_names.iter().any(|name| wanted().any(|wanted| wanted == name)) {
            let origin = Origin::Settings(places.show(&file.path));
            layers.push(Layer { origin, values: settings_values(&file.path) });
        }
    }
    layers
}

/// The variables under `env` of a settings file that are looked at here.
fn settings_values(path: &Path) -> Vec<(String, Zeroizing<Vec<u8>>)> {
    #[derive(Deserialize)]
    struct Content {
        env: Values,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    struct Values {
        anthropic_api_key: Option<Value>,
        anthropic_auth_token: Option<Value>,
        claude_code_oauth_token: Option<Value>,
        claude_code_oauth_refresh_token: Option<Value>,
        claude_code_use_bedrock: Option<Value>,
        claude_code_use_vertex: Option<Value>,
        claude_code_use_foundry: Option<Value>,
        anthropic_custom_headers: Option<Value>,
        claude_code_disable_experimental_betas: Option<Value>,
    }
    let Some(text) = std::fs::read(path).ok().map(Zeroizing::new) else { return Vec::new() };
    let Ok(Content { env }) = serde_json::from_slice::<Content>(&text) else { return Vec::new() };
    let values = [
        env.anthropic_api_key,
        env.anthropic_auth_token,
        env.claude_code_oauth_token,
        env.claude_code_oauth_refresh_token,
        env.claude_code_use_bedrock,
        env.claude_code_use_vertex,
        env.claude_code_use_foundry,
        env.anthropic_custom_headers,
        env.claude_code_disable_experimental_betas,
    ];
    let named = wanted().zip(values);
    named.filter_map(|(name, value)| Some((name.to_owned(), value?.into_bytes()?))).collect()
}

/// A variable in a settings file: text, or what becomes text in an environment.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(Zeroizing<String>),
    Number(serde_json::Number),
    Switch(bool),
    Other(IgnoredAny),
}

impl Value {
    fn into_bytes(self) -> Option<Zeroizing<Vec<u8>>> {
        let text = match self {
            Self::Text(text) => text,
            Self::Number(number) => Zeroizing::new(number.to_string()),
            Self::Switch(on) => Zeroizing::new(on.to_string()),
            Self::Other(_) => return None,
        };
        Some(Zeroizing::new(text.as_bytes().to_vec()))
    }
}

/// For each variable every source that sets it, the strongest first. An empty value counts as not set, and also takes the
/// value of a weaker source away.
fn credentials(layers: &[Layer], redactor: &Redactor) -> Vec<CredentialSource> {
    let mut found = Vec::new();
    for variable in CredentialVariable::ALL {
        for layer in layers.iter().rev() {
            let Some(raw) = layer.get(variable.name()) else { continue };
            if raw.is_empty() {
                break;
            }
            found.push(CredentialSource {
                variable,
                origin: layer.origin.clone(),
                credential: redactor.credential(raw, Kind::Unknown),
                line_break: raw.trim_ascii().iter().any(|byte| matches!(byte, b'\n' | b'\r')),
            });
        }
    }
    found
}

fn clouds(layers: &[Layer]) -> Vec<Switch> {
    let strongest = |name: &'static str| {
        let layer = layers.iter().rev().find(|layer| layer.get(name).is_some())?;
        layer.is_on(name).then(|| Switch { name, origin: layer.origin.clone() })
    };
    CLOUDS.into_iter().filter_map(strongest).collect()
}

/// `Name: value` lines; the names that carry credentials.
fn custom_headers(layers: &[Layer]) -> Vec<&'static str> {
    let strongest = layers.iter().rev().find_map(|layer| layer.get("ANTHROPIC_CUSTOM_HEADERS")).unwrap_or_default();
    let names: Vec<&[u8]> = strongest
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b':').next())
        .map(<[u8]>::trim_ascii)
        .collect();
    let given = |field: &&str| names.iter().any(|name| name.eq_ignore_ascii_case(field.as_bytes()));
    CREDENTIAL_FIELDS.into_iter().filter(given).collect()
}

fn settings_file(file: &settings::SettingsFile, facts: &SettingsFacts, places: &Places) -> Settings {
    Settings {
        path: places.show(&file.path),
        managed: file.level == Level::Managed,
        api_key_helper: file.api_key_helper,
        overrides: (facts.overrides())
            .filter(|(path, _)| *path == file.path)
            .map(|(_, name)| name.to_owned())
            .collect(),
        problem: file.problem,
    }
}

fn base_url_facts(url: &BaseUrl) -> BaseUrlFacts {
    let anthropic = Scope::claude().is_ok_and(|scope| scope.covers(&url.host));
    BaseUrlFacts { shown: url.to_string(), https: url.https, loopback: url.is_loopback(), anthropic }
}

/// Asks what a run would take out of `NO_PROXY`: the entries that cover a host that matters.
fn no_proxy(parent: &ParentEnvironment, base_url: Option<&BaseUrl>) -> Vec<String> {
    let Ok(scope) = Scope::claude() else { return Vec::new() };
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let plan = Plan { proxy: nowhere, login: None, scope: &scope, base_url, trust: &TrustFiles::default() };
    let notices = crate::launch::environment(parent, &plan).notices;
    let entries = notices.into_iter().find_map(|notice| match notice {
        Notice::NoProxyEntriesRemoved { entries } => Some(entries),
        _ => None,
    });
    entries.unwrap_or_default()
}

fn proxy(parent: &ParentEnvironment, name: &'static str) -> Option<ProxyVariable> {
    let url = value(parent, name)?.to_string_lossy();
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme_of(scheme), rest),
        None => (ProxyScheme::Missing, &*url),
    };
    let (login, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (true, rest),
        None => (false, rest),
    };
    let address = rest.split(['/', '?', '#']).next().unwrap_or_default();
    Some(ProxyVariable { name, scheme, address: plain_address(address), login })
}

fn scheme_of(scheme: &str) -> ProxyScheme {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => ProxyScheme::Http,
        "https" => ProxyScheme::Https,
        socks if socks.starts_with("socks") => ProxyScheme::Socks,
        _ => ProxyScheme::Other,
    }
}

/// What reads as a host with or without a port; anything else may be a piece of a password.
fn plain_address(text: &str) -> Option<String> {
    let uri: http::uri::Authority = text.parse().ok()?;
    let plain = !uri.host().is_empty() && !text.contains('@') && (uri.port_u16().is_some() || uri.port().is_none());
    let numeric = text.rsplit_once(':').is_none_or(|(_, port)| {
        port.ends_with(']') || (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
    });
    (plain && numeric).then(|| text.to_owned())
}

fn trust(parent: &ParentEnvironment, places: &Places) -> Trust {
    let text = |name: &str| value(parent, name).map(|value| value.to_string_lossy().trim().to_ascii_lowercase());
    let file = |name: &str| value(parent, name).map(|path| certificate_file(Path::new(path), places));
    let stores = text("CLAUDE_CODE_CERT_STORE");
    Trust {
        extra: file("NODE_EXTRA_CA_CERTS"),
        file: file("SSL_CERT_FILE"),
        folder: file("SSL_CERT_DIR"),
        bundled_only: stores.is_some_and(|stores| !stores.split(',').any(|store| store.trim() == "system")),
        verification_off: text("NODE_TLS_REJECT_UNAUTHORIZED").is_some_and(|value| value == "0"),
        client_certificate: value(parent, "CLAUDE_CODE_CLIENT_CERT").is_some(),
    }
}

fn certificate_file(path: &Path, places: &Places) -> CertificateFile {
    CertificateFile {
        path: places.show(path),
        relative: path.is_relative(),
        tilde: path.starts_with("~"),
        // `SSL_CERT_DIR` may name several folders; the first that is there counts.
        content: std::env::split_paths(path)
            .map(|path| pem::certificates(&path))
            .find(|content| *content != Certificates::Missing)
            .unwrap_or(Certificates::Missing),
    }
}

/// Where a new trace would go, without making anything there.
#[must_use]
pub fn trace_folder(folder: Option<&Path>, parent: &ParentEnvironment) -> TraceFolder {
    let Some(folder) = folder else { return TraceFolder::Nowhere };
    let there = folder.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let mode = std::fs::metadata(folder).map_or(0, |meta| meta.permissions().mode());
    TraceFolder::At {
        path: Places::of(parent).show(folder),
        exists: there == folder,
        writable: writable(there),
        open: mode & 0o077 != 0,
    }
}

/// Whether a file or folder may be written, as far as can be known without trying.
pub(super) fn writable(path: &Path) -> Writable {
    let read_only = statvfs(path).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY));
    match access(path, Access::WRITE_OK) {
        _ if read_only => Writable::ReadOnlyMount,
        Err(rustix::io::Errno::ROFS) => Writable::ReadOnlyMount,
        Err(_) => Writable::Denied,
        Ok(()) => Writable::Yes,
    }
}
