//! Which scenario is played, if any, and what it means for a proxy and its clients.

use super::console;
use anyhow::Result;
use authtrace::config::Options;
use authtrace::fake::Task;
use authtrace::harness::{self, SceneError, Stage};
use authtrace::launch::{
    BaseUrl, ChildEnvironment, Leftovers, ParentEnvironment, Plan, environment, without_unreadable_trust,
};
use authtrace::policy::Script;
use authtrace::scenario::{self, Against, Scenario};
use authtrace::trace::PlayedAgainst;
use std::path::Path;

/// Reads a scenario by name or file. What is probably not meant is said on standard error.
///
/// # Errors
/// [`SceneError`], with the place of the mistake.
pub(crate) fn load(named: &str) -> Result<Scenario, SceneError> {
    let scenario = harness::load(named)?;
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

    /// The environment in which the files are looked up that a client trusts besides ours.
    pub(crate) fn trusting(&self, parent: &ParentEnvironment) -> ParentEnvironment {
        match self {
            Self::Staged(_) => without_unreadable_trust(parent),
            Self::Nothing | Self::Live(_) => parent.clone(),
        }
    }

    /// What is set and removed for a client with that home.
    pub(crate) fn environment(
        &self,
        parent: &ParentEnvironment,
        home: Option<&Path>,
        plan: &Plan<'_>,
    ) -> ChildEnvironment {
        match (self, home) {
            (Self::Staged(stage), Some(home)) => stage.environment(parent, home, plan),
            _ => environment(parent, plan),
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

    /// Ends, when it is dropped, whoever still has a made-up home: those go now.
    pub(crate) fn leftovers(&self) -> Option<Leftovers> {
        match self {
            Self::Nothing | Self::Live(_) => None,
            Self::Staged(stage) => Some(Leftovers::of(stage.folder())),
        }
    }

    /// What a trace says of it: a name, and who answers.
    pub(crate) fn played(&self) -> Option<(String, PlayedAgainst)> {
        match self {
            Self::Nothing => None,
            Self::Live(scenario) => {
                let name = scenario::called(scenario);
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
