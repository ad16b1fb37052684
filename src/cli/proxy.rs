//! `proxy`: the proxy alone, in the foreground. The exports for other shells go to standard output, what happens to
//! standard error.

use super::args::{ProxyArgs, ShellSyntax};
use super::roots::{self, Readers};
use super::run::read_settings;
use super::scene::Scene;
use super::session::{Session, Surroundings, scope_names};
use super::{console, flight, guard, join, logging};
use anyhow::{Context, Result};
use authtrace::config::{ConfigError, Options};
use authtrace::export::live;
use authtrace::harness;
use authtrace::launch::{
    self, ChildEnvironment, KeptDir, LaunchError, Login, ParentEnvironment, Plan, TempDir, TrustFiles, TrustFolder,
    environment,
};
use authtrace::record::Observer;
use authtrace::trace::Record;
use std::ffi::OsString;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) fn run(args: ProxyArgs) -> Result<ExitCode> {
    let parent: ParentEnvironment = std::env::vars_os().collect();
    logging::install(args.proxy.log_format.unwrap_or_default());
    console::detach();
    launch::deny_tracing().context("cannot shield the process from others")?;
    launch::forbid_core_dumps().context("cannot switch core dumps off")?;
    launch::raise_descriptor_limit();
    super::runtime()?.block_on(serve(args, &parent))
}

async fn serve(args: ProxyArgs, parent: &ParentEnvironment) -> Result<ExitCode> {
    // Before anything is printed: whoever reads the exports may send a signal at once.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for signals")?;
    // Without a window that could be closed it is the sign of a program that rotates logs.
    let in_window = launch::has_terminal() && !launch::ignores(SignalKind::hangup().as_raw_value());
    let mut hangup = signal(SignalKind::hangup()).context("cannot watch for signals")?;
    // Without a recorder it does what it does to any program.
    let mut usr1 = None;
    let scene = Scene::open(args.scene.scenario.as_deref(), parent).await?;
    let surroundings = scene.surroundings_of_shell(parent);
    let facts = read_settings(&surroundings)?;
    let base_url = facts.base_url(&surroundings);
    let options = Options { ring: args.ring, ..args.proxy };
    let options = scene.options(options.with_file(parent)?, base_url.as_ref());
    let ring = options.ring.resolve(options.out.is_some(), options.max_size.is_some()).map_err(ConfigError::from)?;
    let config = options.resolve(parent, base_url.as_ref())?;
    let folder = trust_folder(config.ca_dir.as_deref(), parent)?;
    let (scope, trust, lane) = (config.scope.clone(), config.trust.clone(), config.lane.clone());
    let names = launch::names_seen(&surroundings);
    let (policy, mut alarm, desk) = guard::under_proxy(config.guard.clone())?;
    let policy = guard::with_script(policy, scene.script());
    let about = Surroundings { variables: &names, played: scene.played() };
    let records = ring.is_some();
    if records {
        usr1 = Some(signal(SignalKind::user_defined1()).context("cannot watch for signals")?);
    }
    let live = if records && !std::io::stderr().is_terminal() { flight::sparse_lines() } else { live_lines() };
    let session = Session::start_with(config, &about, Some(live), policy, ring).await?;
    let trust_files = TrustFiles::write(&*folder, &session.root_pem, &trust, parent)?;
    let readers = Readers { folder: Arc::downgrade(&folder), trust: trust.clone(), parent: parent.clone() };
    let _rolling = roots::keep_rolling(&session.authority, readers, true);
    let login = session.login.as_ref().map(|login| Login { user: &login.user, password: &login.password });
    let plan =
        Plan { proxy: session.address(), login, scope: &scope, base_url: base_url.as_ref(), trust: &trust_files };
    let mut environment = environment(&surroundings, &plan);
    harness::isolate(parent, &surroundings, &mut environment);
    scene.announce();
    print_exports(&environment, args.env)?;
    console::say(&format!("listening on {}; reading {}", session.address(), scope_names(&scope).join(", ")));
    if records {
        flight::introduce(session.trace_path());
    } else {
        console::say(&format!("trace: {}; Ctrl-C ends", session.trace_path().display()));
    }
    let _host = join::Host::open(parent, &lane, &session, &scope, &trust);
    let desk = desk.map(|desk| tokio::spawn(desk.serve()));
    let code = loop {
        tokio::select! {
            () = alarm.ring() => break super::exit::FAILED,
            _ = interrupt.recv() => break 130,
            _ = terminate.recv() => break 0,
            _ = hangup.recv() => {
                if in_window {
                    break 129;
                }
                session.reopen();
            }
            () = asked(&mut usr1) => session.freeze(),
        }
    };
    let closed = tokio::select! {
        closed = session.close(None) => closed,
        () = async { tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} } } => {
            session.proxy.kill();
            session.close(None).await
        }
    };
    if let Some(desk) = desk {
        desk.abort();
    }
    scene.clear().await;
    // It was said, and the exit code does not stand for what was seen.
    let _ = session.summarise(&closed, |_| Vec::new());
    if let Some(reason) = alarm.rung() {
        console::say(&format!("the guard ended authtrace: {reason}"));
    }
    Ok(ExitCode::from(code))
}

/// Where clients find the certificates: with a kept authority under names that stay the same, so that a restart changes nothing
/// for a shell that was told of them before.
fn trust_folder(ca_dir: Option<&Path>, parent: &ParentEnvironment) -> Result<Arc<TrustPlace>> {
    Ok(Arc::new(match ca_dir {
        Some(folder) => TrustPlace::Kept(KeptDir::open(&folder.join("trust"))?),
        None => TrustPlace::Passing(TempDir::create(parent)?),
    }))
}

enum TrustPlace {
    Kept(KeptDir),
    Passing(TempDir),
}

impl TrustFolder for TrustPlace {
    fn put(&self, name: &str, content: &[u8]) -> Result<PathBuf, LaunchError> {
        match self {
            Self::Kept(folder) => folder.put(name, content),
            Self::Passing(folder) => folder.put(name, content),
        }
    }
}

/// Somebody wants a trace now.
async fn asked(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// What happens, on standard error: standard output is for the exports alone.
fn live_lines() -> Observer {
    let mut watch = live::Watch::new(console::stderr_style());
    Box::new(move |records: &[Record]| {
        let lines = watch.take(records);
        if !lines.is_empty() {
            // Nobody reads along any more: the trace goes on.
            console::write(&(lines.join("\n") + "\n"));
        }
    })
}

fn print_exports(environment: &ChildEnvironment, syntax: ShellSyntax) -> Result<()> {
    print_variables(&environment.set, &environment.remove, syntax)
}

/// Prints what another shell has to set and remove.
pub(crate) fn print_variables(set: &[(OsString, OsString)], remove: &[OsString], syntax: ShellSyntax) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (name, value) in set {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        match syntax {
            ShellSyntax::Sh => writeln!(out, "export {name}='{}'", value.replace('\'', "'\\''")),
            ShellSyntax::Fish => writeln!(out, "set -gx {name} '{}'", value.replace('\\', "\\\\").replace('\'', "\\'")),
            ShellSyntax::Powershell => writeln!(out, "$env:{name} = '{}'", value.replace('\'', "''")),
        }
        .context("cannot write to standard output")?;
    }
    for name in remove {
        let name = name.to_string_lossy();
        match syntax {
            ShellSyntax::Sh => writeln!(out, "unset {name}"),
            ShellSyntax::Fish => writeln!(out, "set -e {name}"),
            ShellSyntax::Powershell => writeln!(out, "Remove-Item Env:{name}"),
        }
        .context("cannot write to standard output")?;
    }
    out.flush().context("cannot write to standard output")
}
