//! A scenario played by the built-in client through the real proxy.

use super::HarnessError;
use super::session::{ProxyLogin, Session};
use super::stage::Stage;
use crate::fake::{self, ClientConfig, Played, Seed};
use std::time::Duration;

/// How long one exchange may take: longer than a token endpoint may keep silent before Claude Code gives up on it.
const PATIENCE: Duration = Duration::from_secs(16);

/// Plays what is staged, to its end.
///
/// # Errors
/// The proxy cannot be used, or asks for no password.
pub async fn play(session: &Session, stage: &Stage) -> Result<Played, HarnessError> {
    let client = &stage.scenario().client;
    let config = ClientConfig {
        proxy_addr: session.address(),
        proxy_logins: logins(session, client.processes)?,
        ca_pem: session.root_pem.clone(),
        setup: client.setup(stage.handed().clone()),
        seed: Seed::random()?,
        patience: PATIENCE,
    };
    Ok(fake::play(config).await?)
}

/// A lane for each client: in one process, nothing else tells them apart.
fn logins(session: &Session, clients: u32) -> Result<Vec<(String, String)>, HarnessError> {
    let pair = |login: &ProxyLogin| (login.user.clone(), login.password.to_string());
    let mut logins: Vec<(String, String)> = session.login.iter().map(pair).collect();
    for number in 2..=clients {
        logins.push(pair(&session.add_lane(&format!("client-{number}"))?));
    }
    Ok(logins)
}
