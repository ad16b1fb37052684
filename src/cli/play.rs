//! A scenario played by the built-in client through the real proxy: what `demo` shows, and what a replay is tried with.

use super::session::{Login, Session, Surroundings, lane_name};
use super::stage::Stage;
use anyhow::{Context, Result};
use authtrace::config::Options;
use authtrace::fake::{self, ClientConfig, Seed};
use authtrace::launch::{BaseUrl, ParentEnvironment};
use authtrace::proxy::Lane;
use authtrace::trace::PlayedAgainst;
use std::time::Duration;

/// How long one exchange may take: longer than a token endpoint may keep silent before Claude Code gives up on it.
const PATIENCE: Duration = Duration::from_secs(16);

/// Plays what is staged, into the trace that the options name. The session is closed.
pub(crate) async fn with_builtin_client(stage: &Stage, options: Options) -> Result<Session> {
    let scenario = stage.scenario();
    let base_url = scenario.client.variables.get("ANTHROPIC_BASE_URL").and_then(|url| BaseUrl::parse(url));
    // Nothing of the user's environment has a part in it.
    let config = stage.options(options, base_url.as_ref()).resolve(&ParentEnvironment::new(), base_url.as_ref())?;
    let about = Surroundings { variables: &stage.names(), played: Some((stage.name(), PlayedAgainst::Fake)) };
    let session = Session::start(config, &about, None, None).await?;
    let played = fake::play(ClientConfig {
        proxy_addr: session.address(),
        proxy_logins: logins(&session, scenario.client.processes)?,
        ca_pem: session.root_pem.clone(),
        setup: scenario.client.setup(stage.handed().clone()),
        seed: Seed::random()?,
        patience: PATIENCE,
    })
    .await?;
    session.close(Some(played.exit_code)).await;
    Ok(session)
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
