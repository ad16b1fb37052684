//! The built-in client on a stage, through the real proxy.

use super::session::{Login, Session, Surroundings, lane_name};
use super::stage::Stage;
use anyhow::{Context, Result};
use authtrace::analyze::Survey;
use authtrace::config::Options;
use authtrace::fake::{self, ClientConfig, Seed};
use authtrace::launch::{self, BaseUrl, ParentEnvironment};
use authtrace::proxy::Lane;
use authtrace::trace::PlayedAgainst;
use std::path::PathBuf;
use std::time::Duration;

/// How long one exchange may take: longer than a token endpoint may keep silent before Claude Code gives up on it.
const PATIENCE: Duration = Duration::from_secs(16);

/// Plays what is on the stage to its end. With the trace of it, read back, and where that is.
pub(crate) async fn perform(stage: &Stage, name: &str, out: Option<PathBuf>) -> Result<(Survey, PathBuf)> {
    let setup = stage.built_in_client();
    let base_url = setup.variables.get("ANTHROPIC_BASE_URL").and_then(|url| BaseUrl::parse(url));
    let options = stage.options(Options { out, ..Options::default() }, base_url.as_ref());
    let config = options.resolve(&ParentEnvironment::new(), base_url.as_ref())?;
    let home = stage.homes().first().context("a scenario has one client at least")?;
    let variables = launch::names_seen(&stage.surroundings(&ParentEnvironment::new(), home));
    let played = Some((name.to_owned(), PlayedAgainst::Fake));
    let session = Session::start(config, &Surroundings { variables: &variables, played }, None, None).await?;
    let played = fake::play(ClientConfig {
        proxy_addr: session.address(),
        proxy_logins: logins(&session, setup.processes)?,
        ca_pem: session.root_pem.clone(),
        setup,
        seed: Seed::random()?,
        patience: PATIENCE,
    })
    .await;
    let exit_code = played.as_ref().ok().map(|played| played.exit_code);
    session.close(exit_code).await;
    played?;
    Ok((session.survey(), session.trace_path().to_owned()))
}

/// A lane for each client: in one process, nothing else tells them apart.
fn logins(session: &Session, clients: u32) -> Result<Vec<(String, String)>> {
    let own = session.login.as_ref().context("the proxy asks for a password")?;
    let mut logins = vec![(own.user.clone(), own.password.to_string())];
    for number in 2..=clients {
        let login = Login::made_up(&format!("client-{number}"))?;
        session.redactor.learn(login.password.as_bytes());
        logins.push((login.user.clone(), login.password.to_string()));
        let lane = lane_name(&session.redactor, &login.user);
        session.access.add(Lane::new(lane, login.user, login.password));
    }
    Ok(logins)
}
