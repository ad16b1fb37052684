//! A scenario against the fake, ready for a command: the fake itself, a home for each client with the made-up login, and
//! an environment in which no credential of the user's is left.

use anyhow::{Context, Result};
use authtrace::config::Options;
use authtrace::fake::{Fake, Seed};
use authtrace::launch::{
    BaseUrl, ChildEnvironment, ParentEnvironment, TempDir, looks_like_credential, names_seen, without_credentials,
};
use authtrace::scenario::{Client, Handed, HomeFile, Scenario, Staged, home_files};
use authtrace::trace::Timestamp;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What a command keeps of the user's settings for Claude Code: how often and whether it does something, no credentials
/// and no servers.
const KEPT: [&str; 4] = ["CLAUDE_CODE_MAX_", "CLAUDE_CODE_DISABLE_", "DISABLE_", "CLAUDE_CODE_ENABLE_"];
/// Folders of the user's that programs look for settings and logins in.
const FOLDERS: [(&str, &str); 4] = [
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_CACHE_HOME", ".cache"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_STATE_HOME", ".local/state"),
];

/// The folder in a home that holds the login.
const CONFIG: &str = ".claude";
/// What the client has noted at earlier starts.
const STATE: &str = ".claude.json";

/// Where a fake listens; none: at a free port of 127.0.0.1.
#[derive(Default)]
pub(crate) struct Ports {
    pub(crate) plaintext: Option<SocketAddr>,
    pub(crate) tls: Option<SocketAddr>,
    /// Whether it can be steered by requests.
    pub(crate) control: bool,
}

/// Everything that a scenario needs; gone when it is dropped.
pub(crate) struct Stage {
    scenario: Scenario,
    fake: Fake,
    handed: Handed,
    homes: Vec<PathBuf>,
    roots: PathBuf,
    _files: TempDir,
}

impl Stage {
    /// Starts the fake on free ports and makes the homes.
    pub(crate) async fn set(scenario: Scenario, parent: &ParentEnvironment) -> Result<Self> {
        Self::set_on(&Ports::default(), scenario, parent).await
    }

    /// The same on these ports.
    pub(crate) async fn set_on(ports: &Ports, scenario: Scenario, parent: &ParentEnvironment) -> Result<Self> {
        let Staged { mut fake, handed } = scenario.stage(Seed::random()?, Seed::random()?, Timestamp::now());
        fake.listen = ports.plaintext.unwrap_or(fake.listen);
        fake.listen_tls = ports.tls.unwrap_or(fake.listen_tls);
        fake.control = ports.control;
        let fake = Fake::start(fake).await?;
        let files = TempDir::create(parent)?;
        let roots = files.write("fake-ca.pem", fake.ca_pem().as_bytes())?;
        let homes = homes(files.path(), &scenario.client, &handed)?;
        Ok(Self { scenario, fake, handed, homes, roots, _files: files })
    }

    /// The server.
    pub(crate) fn fake(&self) -> &Fake {
        &self.fake
    }

    /// The file with its root certificate.
    pub(crate) fn roots(&self) -> &Path {
        &self.roots
    }

    /// What is played.
    pub(crate) fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Its code, or its title if it has none.
    pub(crate) fn name(&self) -> String {
        self.scenario.code.map_or_else(|| self.scenario.title.clone(), |code| code.as_str().to_owned())
    }

    /// What the client is handed.
    pub(crate) fn handed(&self) -> &Handed {
        &self.handed
    }

    /// Names of the variables that the client has of it.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut variables = ParentEnvironment::new();
        self.hand(&mut variables);
        names_seen(&variables)
    }

    /// One home for each client.
    pub(crate) fn homes(&self) -> &[PathBuf] {
        &self.homes
    }

    /// The user's environment without credentials, with what the client is handed: what Claude Code will see besides what
    /// authtrace sets for it.
    pub(crate) fn surroundings(&self, parent: &ParentEnvironment, home: &Path) -> ParentEnvironment {
        let mut variables = without_credentials(parent);
        // Hosts past the proxy would not be the fake, and a collector of telemetry has its own headers and addresses.
        variables.retain(|name, _| !begins_with(name, &["OTEL_", "NO_PROXY", "no_proxy"]));
        let kept = parent.iter().filter(|(name, value)| begins_with(name, &KEPT) && !looks_like_credential(value));
        variables.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
        variables.insert("HOME".into(), home.into());
        variables.extend(FOLDERS.map(|(name, folder)| (name.into(), home.join(folder).into_os_string())));
        self.hand(&mut variables);
        variables
    }

    /// The same for a shell that goes on being the user's: only what is Claude Code's is another.
    pub(crate) fn surroundings_of_shell(&self, parent: &ParentEnvironment, home: &Path) -> ParentEnvironment {
        let others = |name: &OsStr| !begins_with(name, &["ANTHROPIC_", "CLAUDE"]) || begins_with(name, &KEPT);
        let kept = parent.iter().filter(|(name, _)| others(name));
        let mut variables: ParentEnvironment = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        variables.insert("CLAUDE_CONFIG_DIR".into(), home.join(CONFIG).into_os_string());
        self.hand(&mut variables);
        variables
    }

    /// What a shell has to export for the client to have what it is handed.
    pub(crate) fn handed_to_shell(&self) -> ParentEnvironment {
        match self.homes.first() {
            Some(home) => self.surroundings_of_shell(&ParentEnvironment::new(), home),
            None => ParentEnvironment::new(),
        }
    }

    fn hand(&self, variables: &mut ParentEnvironment) {
        // It would have the program replaced by another version in the middle of a play.
        variables.insert("DISABLE_AUTOUPDATER".into(), "1".into());
        if let Handed::Variable(name, value) = &self.handed {
            variables.insert((*name).into(), value.into());
        }
        variables.extend(self.scenario.client.variables.iter().map(|(name, value)| (name.into(), value.into())));
    }

    /// Every host is the fake, whatever the user has set for upstreams.
    pub(crate) fn options(&self, options: Options, base_url: Option<&BaseUrl>) -> Options {
        let plaintext = self.fake.plaintext_addr().port();
        let mut connect_to = vec![format!(":80:127.0.0.1:{plaintext}")];
        if let Some(url) = base_url.filter(|url| !url.https) {
            connect_to.push(format!("{}:{}:127.0.0.1:{plaintext}", url.host, url.port));
        }
        connect_to.push(format!("::127.0.0.1:{}", self.fake.addr().port()));
        let trust = if self.scenario.client.trusts_proxy { options.trust } else { Some("none".to_owned()) };
        let intercept = options.intercept.into_iter().chain(self.scenario.hosts()).collect();
        Options {
            trust,
            intercept,
            connect_to,
            upstream_ca: vec![self.roots.clone()],
            upstream_proxy: Some("none".to_owned()),
            ..options
        }
    }

    /// Ends the fake.
    pub(crate) async fn clear(self) {
        self.fake.shutdown().await;
    }
}

/// One for each client, or one that they share.
fn homes(folder: &Path, client: &Client, handed: &Handed) -> Result<Vec<PathBuf>> {
    let count = client.processes.max(1);
    if client.shared_home {
        let shared = home(&folder.join("home"), client, handed)?;
        return Ok((0..count).map(|_| shared.clone()).collect());
    }
    (0..count).map(|number| home(&folder.join(format!("home{number}")), client, handed)).collect()
}

/// A home as Claude Code leaves it once its first questions are answered, with what it is handed.
fn home(home: &Path, client: &Client, handed: &Handed) -> Result<PathBuf> {
    for HomeFile { path, text } in home_files(client, handed, home) {
        let path = home.join(path);
        let folder = path.parent().unwrap_or(home);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).context("cannot make a home")?;
        private_file(&path, &text)?;
    }
    let folder = home.join(CONFIG);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).context("cannot make a home")?;
    // With CLAUDE_CONFIG_DIR, what it noted at earlier starts is looked for there.
    std::fs::copy(home.join(STATE), folder.join(STATE)).context("cannot make a home")?;
    Ok(home.to_owned())
}

fn private_file(path: &Path, text: &str) -> Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Adds what has to change in this process's environment for a client with these surroundings.
pub(crate) fn isolate(
    parent: &ParentEnvironment,
    surroundings: &ParentEnvironment,
    environment: &mut ChildEnvironment,
) {
    let named: Vec<OsString> = environment.set.iter().map(|(name, _)| name.clone()).collect();
    let gone = parent.keys().filter(|name| !surroundings.contains_key(*name) && !named.contains(name));
    environment.remove.extend(gone.cloned());
    let new = surroundings.iter().filter(|(name, value)| parent.get(*name) != Some(value) && !named.contains(name));
    environment.set.extend(new.map(|(name, value)| (name.clone(), value.clone())));
}

fn begins_with(name: &OsStr, starts: &[&str]) -> bool {
    name.to_str().is_some_and(|name| starts.iter().any(|start| name.starts_with(start)))
}
