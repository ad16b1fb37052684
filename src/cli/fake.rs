//! `fake`: the fake Anthropic alone, in the foreground, for any client. The exports for other shells go to standard output,
//! what is asked and answered to standard error.

use super::args::FakeArgs;
use super::proxy::print_variables;
use super::{console, exit, logging, scene};
use anyhow::{Context, Result};
use authtrace::config::LogFormat;
use authtrace::fake::{Fake, Seen};
use authtrace::harness::{Ports, Stage, usual_scenario};
use authtrace::launch::ParentEnvironment;
use authtrace::redact::Redactor;
use std::convert::Infallible;
use std::ffi::OsString;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) fn run(args: FakeArgs) -> Result<ExitCode> {
    logging::install(LogFormat::default());
    console::detach();
    super::runtime()?.block_on(serve(args))
}

async fn serve(args: FakeArgs) -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for signals")?;
    let parent: ParentEnvironment = std::env::vars_os().collect();
    let scenario = match &args.scenario {
        Some(named) => scene::load_for_fake(named)?,
        None => usual_scenario()?,
    };
    let ports = Ports { plaintext: args.listen, tls: args.listen_tls, control: true };
    let stage = Stage::set_on(&ports, scenario, &parent).await?;
    let base_url = format!("http://{}", stage.fake().plaintext_addr());
    let mut variables: Vec<(OsString, OsString)> = vec![("ANTHROPIC_BASE_URL".into(), OsString::from(&base_url))];
    variables.extend(stage.handed_to_shell());
    print_variables(&variables, &[], args.env)?;
    explain(&stage, &base_url);
    let code = tokio::select! {
        never = follow(stage.fake()) => match never {},
        _ = interrupt.recv() => exit::INTERRUPTED,
        _ = terminate.recv() => exit::GOOD,
    };
    stage.clear().await;
    Ok(ExitCode::from(code))
}

fn explain(stage: &Stage, base_url: &str) {
    let tls = stage.fake().addr();
    let roots = stage.roots().display();
    console::say(&format!(
        "a fake Anthropic at {base_url} ({}); the exports are for clients that take ANTHROPIC_BASE_URL; Ctrl-C ends",
        stage.scenario().title
    ));
    console::say(&format!(
        "for clients behind the proxy, without ANTHROPIC_BASE_URL: authtrace run --connect-to ::{tls} --upstream-ca {roots} \
         --upstream-proxy none -- CMD"
    ));
    console::say(&format!(
        "eight hours pass: curl -X POST '{base_url}/_authtrace/clock?advance=8h'; something happens: \
         …/_authtrace/event?do=revoke; what was asked: …/_authtrace/requests"
    ));
}

/// A line for each request, for as long as the fake runs.
async fn follow(fake: &Fake) -> Infallible {
    let redactor = Redactor::plain();
    let mut next = 0;
    loop {
        let (count, seen) = fake.requests_since(next).await;
        next = count;
        for one in &seen {
            console::write(&line(&redactor, one));
        }
    }
}

fn line(redactor: &Redactor, seen: &Seen) -> String {
    let status = seen.status.map_or_else(|| "cut".to_owned(), |status| status.to_string());
    let credential = seen.credential.or(seen.body_credential).map(|label| format!("  {label}")).unwrap_or_default();
    let rule = seen.rule.map(|rule| format!("  (rule {})", rule + 1)).unwrap_or_default();
    let (method, host, path) =
        (redactor.method(seen.method.as_bytes()), redactor.host(&seen.host), redactor.path(seen.path.as_bytes()));
    format!("{}  {status}  {method} {host}{path}{credential}{rule}\n", seen.at.clock())
}
