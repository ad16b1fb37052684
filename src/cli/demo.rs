//! `demo`: the 401 that survives a refresh, played by the fake Anthropic and a built-in client through the real proxy.

use super::args::DemoArgs;
use super::session::{Session, Surroundings};
use super::{console, logging};
use anyhow::{Context, Result};
use authtrace::analyze::diagnose;
use authtrace::config::{LogFormat, Options};
use authtrace::export::{markdown, text};
use authtrace::fake::{self, ClientConfig, ClientSetup, Fake, FakeConfig, Handed, Model, Seed};
use authtrace::launch::{ParentEnvironment, TempDir};
use authtrace::trace::Timestamp;
use std::io::Write;
use std::process::ExitCode;

/// Lifetime of the demo's access token: it is refused long before it ends.
const LIFETIME_SECONDS: i64 = 8 * 3600;

pub(crate) fn run(args: DemoArgs) -> Result<ExitCode> {
    logging::install(LogFormat::default());
    super::runtime()?.block_on(play(args))
}

async fn play(args: DemoArgs) -> Result<ExitCode> {
    console::say(
        "playing a login that works, whose token is refused: refreshed, and refused again (all made up, nothing leaves this machine)",
    );
    let seed = Seed::random()?;
    let mut model = Model::new(seed);
    let login = model.log_in(Timestamp::now(), LIFETIME_SECONDS);
    let fake = Fake::start(FakeConfig::new(model).with_script(fake::motivating_bug())).await?;
    let folder = TempDir::create(&std::env::vars_os().collect())?;
    let roots = folder.write("fake-ca.pem", fake.ca_pem().as_bytes())?;
    let options = Options {
        out: args.out,
        connect_to: vec![format!("::127.0.0.1:{}", fake.addr().port())],
        upstream_ca: vec![roots],
        upstream_proxy: Some("none".to_owned()),
        ..Options::default()
    };
    let config = options.resolve(&ParentEnvironment::new(), None)?;
    let session = Session::start(config, &Surroundings { variables: &[], played: None }, None, None).await?;
    let proxy_login = session.login.as_ref().context("the demo's proxy asks for a password")?;
    let played = fake::play(ClientConfig {
        proxy_addr: session.address(),
        proxy_logins: vec![(proxy_login.user.clone(), proxy_login.password.to_string())],
        ca_pem: session.root_pem.clone(),
        setup: ClientSetup::new(Handed::File(login)),
        seed,
        patience: std::time::Duration::from_secs(10),
    })
    .await?;
    session.close(Some(played.exit_code)).await;
    fake.shutdown().await;
    drop(folder);
    match show(&session) {
        // Whoever read it has seen enough.
        Err(error) if super::is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        shown => shown,
    }
}

fn show(session: &Session) -> Result<ExitCode> {
    let survey = session.survey();
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
