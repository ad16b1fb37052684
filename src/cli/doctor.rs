//! `doctor`: is everything in place. Looks and changes nothing; what it tries, it tries with made-up credentials.

mod client;
mod trial;
mod upstream;

use super::args::{Cli, Command, DoctorArgs, DoctorFormat};
use super::{console, exit, join, logging};
use anyhow::{Context, Result};
use authtrace::config::{Config, LogFormat, Options, config_file};
use authtrace::doctor::{self, ConfigState, Environment, Facts, Keychain, Own, command, json, look, text};
use authtrace::launch::settings::{self, SettingsFacts};
use authtrace::launch::{self, BaseUrl, ParentEnvironment};
use authtrace::record;
use authtrace::redact::Redactor;
use authtrace::trace::{EventSink, Record, Timestamp};
use clap::{CommandFactory as _, Parser as _};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// The program that is tried when none is named.
const USUAL: &str = "claude";

pub(crate) fn run(args: DoctorArgs) -> Result<ExitCode> {
    let parent: ParentEnvironment = std::env::vars_os().collect();
    logging::install(LogFormat::default());
    // The user's credentials pass through this process's memory while they are described.
    launch::deny_tracing().context("cannot shield the process from others")?;
    launch::forbid_core_dumps().context("cannot switch core dumps off")?;
    let format = args.format;
    let redactor = Redactor::plain();
    let runtime = super::runtime()?;
    let facts = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for signals")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot watch for signals")?;
        // Whatever was started ends with the future that waits for it.
        tokio::select! {
            facts = gather(args, &parent, &redactor) => facts.map(Ok),
            _ = interrupt.recv() => Ok(Err(exit::INTERRUPTED)),
            _ = terminate.recv() => Ok(Err(exit::TERMINATED)),
        }
    })?;
    let facts = match facts {
        Ok(facts) => facts,
        Err(code) => return Ok(ExitCode::from(code)),
    };
    let examination = doctor::examine(&facts);
    let mut shown = Vec::new();
    match format {
        DoctorFormat::Text => text::write(&examination, &mut shown, console::stdout_style(true)),
        DoctorFormat::Json => json::write(&examination, &mut shown),
    }
    .context("cannot make the list")?;
    match print(&shown, &redactor) {
        Err(error) if !super::is_broken_pipe(&error) => return Err(error),
        _ => {}
    }
    Ok(ExitCode::from(if examination.has_problem() { exit::PROBLEM } else { exit::GOOD }))
}

/// No value of a credential gets into the list; should one, it is masked here.
fn print(shown: &[u8], redactor: &Redactor) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for line in String::from_utf8_lossy(shown).lines() {
        let line =
            if redactor.is_clean(line) { line } else { "  (a line was left out: it held a piece of a credential)" };
        writeln!(out, "{line}").context("cannot write to standard output")?;
    }
    Ok(())
}

async fn gather(args: DoctorArgs, parent: &ParentEnvironment, redactor: &Redactor) -> Result<Facts> {
    let folder = std::env::current_dir().context("the working folder is gone")?;
    let base_url = SettingsFacts::read(settings::places(parent, &folder)).base_url(parent);
    check_flags(&args, parent)?;
    let config = resolve(&args, parent, base_url.as_ref());
    let mut environment = look::environment(parent, &folder, redactor);
    environment.keychain = keychain(parent).await;
    let upstream = async {
        match &config {
            _ if args.offline => Ok(Err("--offline was given".to_owned())),
            Err(_) => Ok(Err("the configuration has to be corrected first (below)".to_owned())),
            Ok(config) => upstream::look(config, base_url.as_ref()).await,
        }
    };
    let trust = config.as_ref().ok().map(|config| config.trust.clone());
    let (upstream, client) = tokio::join!(upstream, client::look(&args.command, parent, &environment, trust));
    Ok(Facts { now: Timestamp::now(), own: own(parent, &config), environment, client: client?, upstream: upstream? })
}

/// A mistake in what was given to `doctor` itself is one of usage, unlike what is found in the environment.
fn check_flags(args: &DoctorArgs, parent: &ParentEnvironment) -> Result<()> {
    let options = Options {
        connect_to: args.connect_to.clone(),
        upstream_proxy: Some(args.upstream_proxy.clone().unwrap_or_else(|| "none".to_owned())),
        ..Options::default()
    };
    options.resolve(parent, None)?;
    authtrace::proxy::UpstreamTrust::load(&args.upstream_ca).map(drop).or_else(|error| match error {
        authtrace::proxy::ProxyError::UpstreamCa { .. } => Err(error.into()),
        _ => Ok(()),
    })
}

/// The configuration that a `run` from here would have, with what was given to `doctor` over it.
fn resolve(args: &DoctorArgs, parent: &ParentEnvironment, base_url: Option<&BaseUrl>) -> Result<Config, String> {
    let cli = Cli::try_parse_from(["authtrace", "run", "--", USUAL]).map_err(|error| first_line(&error.to_string()))?;
    let Command::Run(run) = cli.command else { return Err("the options cannot be read".to_owned()) };
    let mut options = run.proxy.with_file(parent).map_err(|error| error.to_string())?;
    if !args.connect_to.is_empty() {
        options.connect_to.clone_from(&args.connect_to);
    }
    if !args.upstream_ca.is_empty() {
        options.upstream_ca.clone_from(&args.upstream_ca);
    }
    options.upstream_proxy = args.upstream_proxy.clone().or(options.upstream_proxy);
    // It would be made if it is not there, and nothing is to be made here.
    options.fingerprint_key = None;
    options.resolve(parent, base_url).map_err(|error| error.to_string())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn own(parent: &ParentEnvironment, config: &Result<Config, String>) -> Own {
    let known = known_variables();
    let set = parent.keys().filter_map(|name| name.to_str()).filter(|name| name.starts_with("AUTHTRACE_"));
    let (variables, unknown_variables) = set.map(str::to_owned).partition(|name| known.contains(name.as_str()));
    let file = config_file(parent).map(|path| look::Places::of(parent).show(&path));
    let named = config.as_ref().ok().and_then(|config| config.out.as_deref()).and_then(Path::parent);
    let folder = named.map(Path::to_owned).or_else(|| record::trace_folder().ok());
    Own {
        config: match config {
            Ok(_) => ConfigState::Good(file),
            Err(why) => ConfigState::Bad(why.clone()),
        },
        variables,
        unknown_variables,
        traces: look::trace_folder(folder.as_deref(), parent),
        running: join::running(parent),
    }
}

/// The variables that some option of some command reads, and the one that names the configuration.
fn known_variables() -> BTreeSet<String> {
    let cli = Cli::command();
    let arguments = cli.get_subcommands().flat_map(|command| {
        command.get_arguments().chain(command.get_subcommands().flat_map(clap::Command::get_arguments))
    });
    let names = arguments.filter_map(|argument| argument.get_env()?.to_str());
    names.chain(["AUTHTRACE_CONFIG"]).map(str::to_owned).collect()
}

/// Asks the keychain of macOS whether there is a login, and not what it is: that needs no permission.
async fn keychain(parent: &ParentEnvironment) -> Keychain {
    if !cfg!(target_os = "macos") {
        return Keychain::None;
    }
    let arguments = ["find-generic-password", "-s", "Claude Code-credentials"].map(Into::into);
    let home = parent.iter().filter(|(name, _)| *name == "HOME");
    let environment: Vec<_> = home.map(|(name, value)| (name.clone(), value.clone())).collect();
    let patience = Duration::from_secs(5);
    let asked = command::run(OsStr::new("/usr/bin/security"), &arguments, &environment, Path::new("/"), patience).await;
    match asked.ok().and_then(|ended| ended.code) {
        Some(0) => Keychain::Login,
        // Another folder for Claude Code's files means another name in the keychain.
        Some(44) if !parent.contains_key(OsStr::new("CLAUDE_CONFIG_DIR")) => Keychain::Empty,
        _ => Keychain::Unseen,
    }
}

/// Whether a settings file of an administrator would put the user's real credential, or a real address, into a trial.
fn managed_settings(environment: &Environment) -> bool {
    environment.settings.iter().filter(|file| file.managed).any(|file| {
        let credential = environment.credentials.iter().any(|source| source.origin.to_string() == file.path);
        file.api_key_helper || credential || !file.overrides.is_empty()
    })
}

/// Keeps the records of a short-lived proxy.
#[derive(Default)]
struct Records(Mutex<Vec<Record>>);

impl EventSink for Records {
    fn emit(&self, record: Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

impl Records {
    fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
