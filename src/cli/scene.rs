//! Which scenario is played, if any: found by its name or read from a file, with what is wrong with it; and what it means
//! for a proxy and its clients.

use super::console;
use super::stage::Stage;
use anyhow::Result;
use authtrace::catalogue::Code;
use authtrace::config::Options;
use authtrace::fake::Task;
use authtrace::launch::{BaseUrl, ParentEnvironment};
use authtrace::policy::Script;
use authtrace::scenario::{self, Against, Scenario, ScenarioError};
use authtrace::trace::PlayedAgainst;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The longest file that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// A scenario that cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SceneError {
    /// A name that no built-in scenario has.
    #[error(
        "no built-in scenario is called {name:?}{}; authtrace scenario list shows all; a file is named with a slash, or .toml at its end",
        meant(*nearest)
    )]
    Unknown { name: String, nearest: Option<&'static str> },
    /// A verdict that cannot be played.
    #[error("no scenario leads to {code}: {why}")]
    NotPlayed { code: Code, why: &'static str },
    /// A finding that is no verdict.
    #[error("{code} is found beside another verdict; play that: --scenario {of}")]
    Beside { code: Code, of: Code },
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: it is longer than 1 MiB", path.display())]
    TooLong { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Wrong { path: PathBuf, source: ScenarioError },
    #[error(
        "this scenario is against live servers; the fake has no part in it. Play it with: authtrace run --scenario"
    )]
    Live,
}

/// The text of a scenario: that of a built-in one by its name, or of a file.
///
/// # Errors
/// [`SceneError`] for an unknown name or an unreadable file.
pub(crate) fn text(named: &str) -> Result<String, SceneError> {
    if !is_file(named) {
        return builtin(named).map(str::to_owned);
    }
    let path = PathBuf::from(named);
    let unreadable = |source| SceneError::Unreadable { path: path.clone(), source };
    let mut bytes = Vec::new();
    File::open(&path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(SceneError::TooLong { path });
    }
    String::from_utf8(bytes).map_err(|_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text")))
}

/// Reads a scenario by name or file. What is probably not meant is said on standard error.
///
/// # Errors
/// [`SceneError`], with the place of the mistake.
pub(crate) fn load(named: &str) -> Result<Scenario, SceneError> {
    let text = text(named)?;
    let scenario = scenario::read(&text).map_err(|source| SceneError::Wrong { path: named.into(), source })?;
    for warning in &scenario.warnings {
        console::say(&format!("{named}: {warning}"));
    }
    Ok(scenario)
}

/// The same for a place where only the fake is played.
pub(crate) fn load_for_fake(named: &str) -> Result<Scenario, SceneError> {
    let scenario = load(named)?;
    if scenario.against == Against::Live { Err(SceneError::Live) } else { Ok(scenario) }
}

/// Whether this names a file, and no built-in scenario.
pub(crate) fn is_file(named: &str) -> bool {
    named.contains(['/', '\\']) || named.to_ascii_lowercase().ends_with(".toml")
}

fn builtin(named: &str) -> Result<&'static str, SceneError> {
    let unknown = || SceneError::Unknown { name: named.to_owned(), nearest: scenario::nearest(named) };
    let code: Code = named.parse().map_err(|_| unknown())?;
    if let Some(one) = scenario::builtin(code) {
        return Ok(one.text);
    }
    if let Some((code, why)) = scenario::not_played().iter().find(|(not, _)| *not == code) {
        return Err(SceneError::NotPlayed { code: *code, why });
    }
    match scenario::beside().iter().find(|(beside, _)| *beside == code) {
        Some((code, of)) => Err(SceneError::Beside { code: *code, of: *of }),
        None => Err(unknown()),
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (is {name:?} meant?)")).unwrap_or_default()
}

/// What is played.
pub(crate) enum Scene {
    /// Nothing: the servers answer.
    Nothing,
    /// Rules, over the real servers.
    Live(Box<Scenario>),
    /// A scenario against the fake.
    Staged(Box<Stage>),
}

impl Scene {
    /// Reads the scenario and starts the fake, if it needs one.
    ///
    /// # Errors
    /// [`SceneError`]; a fake or a home that cannot be made.
    pub(crate) async fn open(named: Option<&str>, parent: &ParentEnvironment) -> Result<Self> {
        let Some(named) = named else { return Ok(Self::Nothing) };
        let scenario = load(named)?;
        Ok(match scenario.against {
            Against::Live => Self::Live(Box::new(scenario)),
            Against::Fake => Self::Staged(Box::new(Stage::set(scenario, parent).await?)),
        })
    }

    /// One home for each client; none: it is the user's own.
    pub(crate) fn homes(&self) -> Vec<Option<&Path>> {
        match self {
            Self::Staged(stage) => stage.homes().iter().map(|home| Some(home.as_path())).collect(),
            Self::Nothing | Self::Live(_) => vec![None],
        }
    }

    /// The environment that a client finds besides what authtrace sets for it.
    pub(crate) fn surroundings(&self, parent: &ParentEnvironment, home: Option<&Path>) -> ParentEnvironment {
        match (self, home) {
            (Self::Staged(stage), Some(home)) => stage.surroundings(parent, home),
            _ => parent.clone(),
        }
    }

    /// The same for the shells that the exports of `proxy` are for.
    pub(crate) fn surroundings_of_shell(&self, parent: &ParentEnvironment) -> ParentEnvironment {
        match self {
            Self::Staged(stage) => match stage.homes().first() {
                Some(home) => stage.surroundings_of_shell(parent, home),
                None => parent.clone(),
            },
            Self::Nothing | Self::Live(_) => parent.clone(),
        }
    }

    /// The options, with the fake as every host's target if there is one.
    pub(crate) fn options(&self, options: Options, base_url: Option<&BaseUrl>) -> Options {
        match self {
            Self::Staged(stage) => stage.options(options, base_url),
            Self::Nothing | Self::Live(_) => options,
        }
    }

    /// The rules for live traffic.
    pub(crate) fn script(&self) -> Option<Script> {
        match self {
            Self::Live(scenario) => Some(scenario.script.clone()),
            Self::Nothing | Self::Staged(_) => None,
        }
    }

    /// What a trace says of it: a name, and who answers.
    pub(crate) fn played(&self) -> Option<(String, PlayedAgainst)> {
        match self {
            Self::Nothing => None,
            Self::Live(scenario) => {
                let name = scenario.code.map_or_else(|| scenario.title.clone(), |code| code.as_str().to_owned());
                Some((name, PlayedAgainst::Live))
            }
            Self::Staged(stage) => Some((stage.name(), PlayedAgainst::Fake)),
        }
    }

    /// The line before anything happens.
    pub(crate) fn announce(&self) {
        let Some((name, against)) = self.played() else { return };
        console::say(&match against {
            PlayedAgainst::Fake => format!(
                "playing {name}: every host is a fake Anthropic inside authtrace, and the command has an empty home with a \
                 made-up login; nothing leaves this machine through authtrace"
            ),
            PlayedAgainst::Live => format!(
                "playing {name} on live traffic: the command has its own login, and what authtrace answers is marked as its own"
            ),
        });
        if let Some(line) = self.task_line() {
            console::say(&line);
        }
    }

    /// What a command has to do for the scenario's verdict, if one message is not enough.
    fn task_line(&self) -> Option<String> {
        let Self::Staged(stage) = self else { return None };
        let tasks = &stage.scenario().client.tasks;
        let line = |task: &Task| match task {
            Task::Message => "claude -p hi",
            Task::Login => "claude auth login",
            Task::LostLogin => "BROWSER=true timeout 70 claude auth login",
        };
        let commands: Vec<&str> = tasks.iter().map(line).collect();
        (*tasks != [Task::Message])
            .then(|| format!("it takes more than one message to come to its verdict: sh -c '{}'", commands.join("; ")))
    }

    /// Ends the fake, if there is one.
    pub(crate) async fn clear(self) {
        if let Self::Staged(stage) = self {
            stage.clear().await;
        }
    }
}
