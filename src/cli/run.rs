//! `run`: a command behind the proxy. Silent while it runs; a start line before, a summary after.

use super::args::RunArgs;
use super::expect::ExpectError;
use super::results::Results;
use super::roots::{self, Readers};
use super::scene::Scene;
use super::session::{Session, Surroundings, Unjudged, scope_names};
use super::{console, expect, guard, join, logging};
use anyhow::{Context, Result};
use authtrace::analyze::Survey;
use authtrace::check::Expectations;
use authtrace::config::{Config, GuardOptions, Options};
use authtrace::launch::settings::{self, SettingsFacts};
use authtrace::launch::{
    self, BaseUrl, ChildEnvironment, Login, Outcome, ParentEnvironment, Plan, TempDir, TrustFiles,
};
use authtrace::trace::{NoteKind, Outcome as ConnectionOutcome};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) fn run(args: RunArgs) -> Result<ExitCode> {
    let parent: ParentEnvironment = std::env::vars_os().collect();
    logging::install(args.proxy.log_format.unwrap_or_default());
    if args.quiet {
        console::hush();
    }
    let expectations = expect::read(&args.expect)?;
    let results = results(&args)?;
    if expectations.is_none() && results.is_asked() {
        return Err(ExpectError::Nothing.into());
    }
    // From here on no other process of this user can read our memory, and a crash leaves no copy of it.
    launch::deny_tracing().context("cannot shield the process from others")?;
    let runtime = super::runtime()?;
    runtime.block_on(async {
        match &args.join {
            Some(_) if args.proxy.guard != GuardOptions::default() => {
                anyhow::bail!("the guard belongs to the run that is joined; give --guard there")
            }
            Some(_) if args.proxy.max_size.is_some() => {
                anyhow::bail!("the trace belongs to the run that is joined; give --max-size there")
            }
            Some(_) if args.scene.scenario.is_some() => {
                anyhow::bail!("a scenario belongs to the run that is joined; give --scenario there")
            }
            Some(_) if expectations.is_some() => {
                anyhow::bail!("the trace belongs to the run that is joined; give the expectations there")
            }
            Some(name) => join::run(name, &args.command, &parent, args.proxy.lane.as_deref()).await,
            None => run_alone(args, expectations.map(|all| (all, results)), &parent).await,
        }
    })
}

/// Where the results go; never over a file that this run reads or writes otherwise.
fn results(args: &RunArgs) -> Result<Results> {
    let scenario = args.scene.scenario.as_deref().map(Path::new);
    let others: Vec<&Path> = expect::files(&args.expect).chain(args.proxy.out.as_deref()).chain(scenario).collect();
    Ok(Results::plan(&args.results, &others)?)
}

async fn run_alone(
    args: RunArgs,
    expected: Option<(Expectations, Results)>,
    parent: &ParentEnvironment,
) -> Result<ExitCode> {
    let began = Instant::now();
    let scene = Scene::open(args.scene.scenario.as_deref(), parent).await?;
    let ran = in_scene(scene, args.proxy, &args.command, parent).await?;
    let code = match &expected {
        Some((expectations, results)) => expect::decide(expectations, results, ran, began.elapsed())?,
        None => ran.code,
    };
    Ok(ExitCode::from(code))
}

/// How a command behind the proxy ended.
pub(crate) struct Ran {
    /// The exit code that stands for it.
    pub(crate) code: u8,
    /// Where its trace is, unless that cannot be read.
    pub(crate) trace: Result<PathBuf, Unjudged>,
}

/// Runs a command behind a proxy of its own, in a scene.
pub(crate) async fn in_scene(
    scene: Scene,
    options: Options,
    command: &[OsString],
    parent: &ParentEnvironment,
) -> Result<Ran> {
    let first = scene.surroundings(parent, scene.homes().into_iter().next().flatten());
    let facts = read_settings(&first)?;
    let base_url = facts.base_url(&first);
    let options = scene.options(options.with_file(parent)?, base_url.as_ref());
    let config = options.resolve(parent, base_url.as_ref())?;
    let (program, arguments) =
        command.split_first().context("no command given; for example: authtrace run -- claude")?;
    let scope = config.scope.clone();
    let trust = config.trust.clone();
    let lane = config.lane.clone();
    let start_line = start_line(&config, base_url.as_ref(), &scene);
    let names = launch::names_seen(&first);
    let (policy, mut alarm) = guard::under_run(config.guard.clone())?;
    let policy = guard::with_script(policy, scene.script());
    let live = guard::warnings_of_run();
    let session =
        Session::start(config, &Surroundings { variables: &names, played: scene.played() }, live, policy).await?;
    let files = Arc::new(TempDir::create(parent)?);
    let trusting = scene.trusting(parent);
    let trust_files = TrustFiles::write(&*files, &session.root_pem, &trust, &trusting)?;
    let readers = Readers { folder: Arc::downgrade(&files), trust: trust.clone(), parent: trusting };
    let _rolling = roots::keep_rolling(&session.authority, readers, false);
    let login = session.login.as_ref().map(|login| Login { user: &login.user, password: &login.password });
    let plan =
        Plan { proxy: session.address(), login, scope: &scope, base_url: base_url.as_ref(), trust: &trust_files };
    let environments: Vec<ChildEnvironment> =
        scene.homes().into_iter().map(|home| scene.environment(parent, home, &plan)).collect();
    let environment = environments.first().context("a scenario has one client at least")?;
    scene.announce();
    announce(&session, environment, &facts, &start_line);
    let host = join::Host::open(parent, &lane, &session, &scope, &trust);
    let outcome = supervise(program, arguments, &environments, &session, &mut alarm).await;
    if let Some(host) = host {
        host.wait_for_others().await;
    }
    drop(scene.leftovers());
    let (outcome, failure) = match outcome {
        Ok(outcome) => (Some(outcome), None),
        Err(error) => (None, Some(error)),
    };
    let code = outcome.map(Outcome::exit_code);
    let closed = session.close(code.map(i32::from)).await;
    scene.clear().await;
    drop(files);
    if let Some(error) = failure {
        if closed.totals.connections == 0 {
            // Nothing ran, so the trace says nothing, and `report` should not take it for the newest.
            let _ = std::fs::remove_file(session.trace_path());
        }
        return Err(error);
    }
    let explain = |survey: &Survey| explain_silence(survey, environment, &facts);
    let trace = session.summarise(&closed, explain).map(|()| session.trace_path().to_owned());
    if let Some(reason) = alarm.rung() {
        console::say(&format!("the guard ended the command: {reason}"));
        return Ok(Ran { code: super::exit::FAILED, trace });
    }
    Ok(Ran { code: code.unwrap_or(super::exit::FAILED), trace })
}

/// Starts the command once for each environment, and waits for all. The first end that was no success stands for all.
async fn supervise(
    program: &OsString,
    arguments: &[OsString],
    environments: &[ChildEnvironment],
    session: &Session,
    alarm: &mut guard::Alarm,
) -> Result<Outcome> {
    let mut clients = JoinSet::new();
    let enough = CancellationToken::new();
    for (number, environment) in environments.iter().enumerate() {
        let running = launch::spawn(program, arguments, environment)?;
        if let Some(pid) = running.id() {
            session.proxy.peers().expect(pid);
        }
        let enough = enough.clone();
        clients.spawn(async move { (number, running.wait_until(enough.cancelled_owned()).await) });
    }
    // Only now, since the limits would be the child's as well.
    launch::forbid_core_dumps().context("cannot switch core dumps off")?;
    launch::raise_descriptor_limit();
    tracing::debug!(address = %session.address(), "command started");
    let ended = clients.join_all();
    let mut ended = pin!(ended);
    let mut ends = tokio::select! {
        ends = &mut ended => ends,
        () = alarm.ring() => {
            enough.cancel();
            ended.await
        }
    };
    ends.sort_by_key(|(number, _)| *number);
    let outcomes = ends.into_iter().map(|(_, end)| end).collect::<Result<Vec<_>, _>>()?;
    let failed = outcomes.iter().find(|outcome| outcome.exit_code() != 0).or(outcomes.first());
    failed.copied().context("no command was started")
}

pub(crate) fn read_settings(parent: &ParentEnvironment) -> Result<SettingsFacts> {
    let folder = std::env::current_dir().context("the working folder is gone")?;
    Ok(SettingsFacts::read(settings::places(parent, &folder)))
}

fn start_line(config: &Config, base_url: Option<&BaseUrl>, scene: &Scene) -> String {
    let mut hosts = scope_names(&config.scope);
    if let Some(url) = base_url.filter(|url| !url.https) {
        hosts.push(format!("{url} (without TLS)"));
    }
    let others = match scene {
        Scene::Staged(_) => "every other host is the fake as well, and passes unread",
        Scene::Nothing | Scene::Live(_) => "everything else passes unread",
    };
    format!("reading {}; {others}", hosts.join(", "))
}

fn announce(session: &Session, environment: &ChildEnvironment, facts: &SettingsFacts, start_line: &str) {
    console::say(&format!("{start_line}; trace: {}", session.trace_path().display()));
    for notice in &environment.notices {
        console::say(&notice.to_string());
        session.note(NoteKind::Environment, &notice.to_string());
    }
    for sentence in overrides(facts) {
        console::say(&format!("{sentence}, which Claude Code puts over what authtrace sets"));
    }
    for (_, name) in facts.overrides() {
        session.note(NoteKind::Environment, &format!("a settings file sets {name}"));
    }
}

/// One per settings file: which of our variables it sets.
fn overrides(facts: &SettingsFacts) -> Vec<String> {
    let mut files: Vec<(&Path, Vec<&str>)> = Vec::new();
    for (path, name) in facts.overrides() {
        match files.iter_mut().find(|(known, _)| *known == path) {
            Some((_, names)) => names.push(name),
            None => files.push((path, vec![name])),
        }
    }
    files.into_iter().map(|(path, names)| format!("{} sets {}", path.display(), names.join(" and "))).collect()
}

/// Why nothing was seen, or no message, as far as that can be known; and what to do.
fn explain_silence(survey: &Survey, environment: &ChildEnvironment, facts: &SettingsFacts) -> Vec<String> {
    let distrusted = survey.connections().iter().any(|one| one.end.outcome == ConnectionOutcome::ClientDistrustsCa);
    let unseen = survey.connections().is_empty();
    let no_message = !survey.exchanges().iter().any(|one| one.request.path.as_str().starts_with("/v1/messages"));
    let overrides = overrides(facts);
    let mut hints = Vec::new();
    if unseen {
        hints.push("the command made no connection through authtrace".to_owned());
    } else if no_message && !distrusted && !overrides.is_empty() {
        hints.push("no message to the model passed through authtrace".to_owned());
    } else if !distrusted {
        return hints;
    }
    if !overrides.is_empty() {
        let files = overrides.join("; ");
        hints.push(format!("a settings file wins over the environment: {files}. Take that out of it while you trace"));
    } else if unseen {
        hints.push(
            "it may have needed no network, have ended before, or ignore HTTPS_PROXY; try: authtrace run -- curl -sS https://api.anthropic.com/"
                .to_owned(),
        );
    } else if distrusted {
        let set = environment.set.iter().any(|(name, _)| name == "NODE_EXTRA_CA_CERTS");
        hints.push(if set {
            "NODE_EXTRA_CA_CERTS was set for the command; a program that clears its environment, or keeps certificates of \
             its own, has to be told in its own way (certs/README.md)"
                .to_owned()
        } else {
            "--trust left NODE_EXTRA_CA_CERTS out: run it again without --trust, or with --trust node".to_owned()
        });
    }
    hints
}
