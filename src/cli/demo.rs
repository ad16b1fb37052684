//! `demo`: a failure, played by the fake Anthropic and a built-in client through the real proxy.

use super::args::DemoArgs;
use super::session::Session;
use super::{console, logging, play, scene};
use anyhow::{Context, Result};
use authtrace::analyze::diagnose;
use authtrace::config::{LogFormat, Options};
use authtrace::export::{markdown, text};
use authtrace::harness::Stage;
use authtrace::launch::ParentEnvironment;
use authtrace::scenario;
use std::io::Write;
use std::process::ExitCode;

/// What is played if nothing else is asked for: every message is refused, while the profile is answered and each refresh
/// gives a new token, which is refused as well.
const MOTIVATING: &str = r#"
format = 1
code = "fresh-token-rejected"
title = "the 401 that survives a refresh: a login that works, refused, refreshed, and refused again"

[[rule]]
when = { path = "/v1/messages*" }
answer = { status = 401, type = "authentication_error", message = "Invalid authentication credentials" }
"#;

pub(crate) fn run(args: DemoArgs) -> Result<ExitCode> {
    logging::install(LogFormat::default());
    super::runtime()?.block_on(serve(args))
}

async fn serve(args: DemoArgs) -> Result<ExitCode> {
    let parent: ParentEnvironment = std::env::vars_os().collect();
    let scenario = match &args.scenario {
        Some(named) => scene::load_for_fake(named)?,
        None => scenario::read(MOTIVATING).map_err(|error| anyhow::anyhow!("{error}"))?,
    };
    console::say(&format!("playing: {} (all made up, nothing leaves this machine)", scenario.title));
    let stage = Stage::set(scenario, &parent).await?;
    let session = play::with_builtin_client(&stage, Options { out: args.out, ..Options::default() }).await?;
    stage.clear().await;
    match show(&session) {
        // Whoever read it has seen enough.
        Err(error) if super::is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        shown => shown,
    }
}

fn show(session: &Session) -> Result<ExitCode> {
    let survey = session.survey()?;
    let diagnosis = diagnose(&survey);
    let mut out = std::io::stdout().lock();
    text::report(&survey, &diagnosis, &mut out, console::stdout_style(true))
        .context("cannot write to standard output")?;
    let report_path = session.trace_path().with_extension("md");
    let mut report = Vec::new();
    markdown::report(&survey, &diagnosis, &mut report).context("cannot make the report")?;
    super::report::write_new(&report_path, &report)?;
    writeln!(out, "\ntrace   {}", session.trace_path().display()).context("cannot write to standard output")?;
    writeln!(out, "report  {}  (Markdown, safe to paste into an issue)", report_path.display())
        .context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
