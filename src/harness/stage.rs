//! A scenario against the fake, ready for a command: the fake itself, a home for each client with the made-up login, and
//! an environment in which no credential of the user's is left.

use super::{HarnessError, SceneError};
use crate::config::Options;
use crate::fake::{Fake, Seed};
use crate::launch::{
    BaseUrl, ChildEnvironment, ParentEnvironment, Plan, TempDir, environment, looks_like_credential, names_seen,
    without_credentials,
};
use crate::scenario::{self, Client, Handed, HomeFile, Scenario, Staged, home_files};
use crate::trace::Timestamp;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
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

/// What is played if nothing else is asked for.
const USUAL: &str = "format = 1\ntitle = \"a server that works\"\n[client]\nlogin = \"api-key\"\n";

/// A server that works, and a client with an API key that is good.
///
/// # Errors
/// None: it is part of the program.
pub fn usual_scenario() -> Result<Scenario, SceneError> {
    scenario::read(USUAL).map_err(|source| SceneError::Wrong { path: "the usual".into(), source })
}

/// Where a fake listens; none: at a free port of 127.0.0.1.
#[derive(Debug, Default)]
pub struct Ports {
    /// For plaintext HTTP/1.1.
    pub plaintext: Option<SocketAddr>,
    /// For TLS.
    pub tls: Option<SocketAddr>,
    /// Whether it can be steered by requests.
    pub control: bool,
}

/// Everything that a scenario needs; gone when it is dropped.
pub struct Stage {
    scenario: Scenario,
    fake: Fake,
    handed: Handed,
    homes: Vec<PathBuf>,
    roots: PathBuf,
    /// Servers besides the fake, as `HOST:PORT:ADDRESS`, and the files with their roots.
    others: Vec<String>,
    roots_of_others: Vec<PathBuf>,
    files: TempDir,
}

impl Stage {
    /// Starts the fake on free ports and makes the homes.
    ///
    /// # Errors
    /// A fake, a folder or a home that cannot be made.
    pub async fn set(scenario: Scenario, parent: &ParentEnvironment) -> Result<Self, HarnessError> {
        Self::set_on(&Ports::default(), scenario, parent).await
    }

    /// The same on these ports.
    ///
    /// # Errors
    /// Those of [`Self::set`].
    pub async fn set_on(ports: &Ports, scenario: Scenario, parent: &ParentEnvironment) -> Result<Self, HarnessError> {
        let Staged { mut fake, handed } = scenario.stage(Seed::random()?, Seed::random()?, Timestamp::now());
        fake.listen = ports.plaintext.unwrap_or(fake.listen);
        fake.listen_tls = ports.tls.unwrap_or(fake.listen_tls);
        fake.control = ports.control;
        let fake = Fake::start(fake).await?;
        let files = TempDir::create(parent)?;
        let roots = files.write("fake-ca.pem", fake.ca_pem().as_bytes())?;
        let homes = homes(files.path(), &scenario.client, &handed)?;
        Ok(Self { scenario, fake, handed, homes, roots, others: Vec::new(), roots_of_others: Vec::new(), files })
    }

    /// The same with servers of the user's own in the place of the fake, each as `HOST:PORT` and its address, and what
    /// signs for them, as PEM.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn beside(mut self, others: &[(String, SocketAddr)], roots: &[String]) -> Result<Self, HarnessError> {
        self.others = others.iter().map(|(target, address)| format!("{target}:{address}")).collect();
        for (number, pem) in roots.iter().enumerate() {
            self.roots_of_others.push(self.files.write(&format!("upstream-{number}.pem"), pem.as_bytes())?);
        }
        Ok(self)
    }

    /// The server.
    #[must_use]
    pub fn fake(&self) -> &Fake {
        &self.fake
    }

    /// The file with its root certificate.
    #[must_use]
    pub fn roots(&self) -> &Path {
        &self.roots
    }

    /// What is played.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> String {
        scenario::called(&self.scenario)
    }

    /// What the client is handed.
    #[must_use]
    pub fn handed(&self) -> &Handed {
        &self.handed
    }

    /// Names of the variables that the client has of it.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut variables = ParentEnvironment::new();
        self.hand(&mut variables);
        names_seen(&variables)
    }

    /// The private folder that holds the homes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.files.path()
    }

    /// One home for each client.
    #[must_use]
    pub fn homes(&self) -> &[PathBuf] {
        &self.homes
    }

    /// The user's environment without credentials, with what the client is handed: what Claude Code will see besides what
    /// authtrace sets for it.
    #[must_use]
    pub fn surroundings(&self, parent: &ParentEnvironment, home: &Path) -> ParentEnvironment {
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

    /// What is set and removed for a client with that home, in a process with this environment.
    #[must_use]
    pub fn environment(&self, parent: &ParentEnvironment, home: &Path, plan: &Plan<'_>) -> ChildEnvironment {
        let surroundings = self.surroundings(parent, home);
        let mut environment = environment(&surroundings, plan);
        isolate(parent, &surroundings, &mut environment);
        environment
    }

    /// The surroundings of a client for a shell that goes on being the user's: only what is Claude Code's is another.
    #[must_use]
    pub fn surroundings_of_shell(&self, parent: &ParentEnvironment, home: &Path) -> ParentEnvironment {
        let others = |name: &OsStr| !begins_with(name, &["ANTHROPIC_", "CLAUDE"]) || begins_with(name, &KEPT);
        let kept = parent.iter().filter(|(name, _)| others(name));
        let mut variables: ParentEnvironment = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        variables.insert("CLAUDE_CONFIG_DIR".into(), home.join(CONFIG).into_os_string());
        self.hand(&mut variables);
        variables
    }

    /// What a shell has to export for the client to have what it is handed.
    #[must_use]
    pub fn handed_to_shell(&self) -> ParentEnvironment {
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

    /// Every host is the fake, whatever the user has set for upstreams, but for those that were put beside it.
    #[must_use]
    pub fn options(&self, options: Options, base_url: Option<&BaseUrl>) -> Options {
        let plaintext = self.fake.plaintext_addr().port();
        let mut connect_to = self.others.clone();
        connect_to.push(format!(":80:127.0.0.1:{plaintext}"));
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
            upstream_ca: self.roots_of_others.iter().chain([&self.roots]).cloned().collect(),
            upstream_proxy: Some("none".to_owned()),
            ..options
        }
    }

    /// Ends the fake.
    pub async fn clear(self) {
        self.fake.shutdown().await;
    }
}

/// One for each client, or one that they share.
fn homes(folder: &Path, client: &Client, handed: &Handed) -> Result<Vec<PathBuf>, HarnessError> {
    let count = client.processes.max(1);
    if client.shared_home {
        let shared = home(&folder.join("home"), client, handed)?;
        return Ok((0..count).map(|_| shared.clone()).collect());
    }
    (0..count).map(|number| home(&folder.join(format!("home{number}")), client, handed)).collect()
}

/// A home as Claude Code leaves it once its first questions are answered, with what it is handed.
fn home(home: &Path, client: &Client, handed: &Handed) -> Result<PathBuf, HarnessError> {
    let failed = |source| HarnessError::Home { path: home.to_owned(), source };
    for HomeFile { path, text } in home_files(client, handed, home) {
        let path = home.join(path);
        private_folder(path.parent().unwrap_or(home)).map_err(failed)?;
        private_file(&path, &text).map_err(failed)?;
    }
    let folder = home.join(CONFIG);
    private_folder(&folder).map_err(failed)?;
    // With CLAUDE_CONFIG_DIR, what it noted at earlier starts is looked for there.
    std::fs::copy(home.join(STATE), folder.join(STATE)).map_err(failed)?;
    Ok(home.to_owned())
}

fn private_folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn private_file(path: &Path, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Adds what has to change in this process's environment for a client with these surroundings.
pub fn isolate(parent: &ParentEnvironment, surroundings: &ParentEnvironment, environment: &mut ChildEnvironment) {
    let named: Vec<OsString> = environment.set.iter().map(|(name, _)| name.clone()).collect();
    let gone = parent.keys().filter(|name| !surroundings.contains_key(*name) && !named.contains(name));
    environment.remove.extend(gone.cloned());
    let new = surroundings.iter().filter(|(name, value)| parent.get(*name) != Some(value) && !named.contains(name));
    environment.set.extend(new.map(|(name, value)| (name.clone(), value.clone())));
}

fn begins_with(name: &OsStr, starts: &[&str]) -> bool {
    name.to_str().is_some_and(|name| starts.iter().any(|start| name.starts_with(start)))
}
