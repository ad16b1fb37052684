//! A client that goes through a proxy as Claude Code 2.1.328 does, with whatever it is handed: for demonstrations, with
//! made-up credentials and a made-up prompt.
//!
//! It does what matters for authentication: it chooses a credential, renews a login that has run out, and one that was
//! refused, repeats what failed, and gives up. Its pauses are a tenth of the real ones, and it repeats twice where the real
//! one does ten times, unless `CLAUDE_CODE_MAX_RETRIES` says otherwise.

use super::credential::Seed;
use super::error::FakeError;
use super::home::Home;
use super::session::Session;
use super::setup::ClientSetup;
use super::tls;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Where the client goes and what it brings.
pub struct ClientConfig {
    /// The proxy, which takes CONNECT.
    pub proxy_addr: SocketAddr,
    /// User name and password for Basic proxy authentication: the first client takes the first, and so on, and those
    /// beyond the last take the last. Empty: none are sent.
    pub proxy_logins: Vec<(String, String)>,
    /// The only root that is trusted.
    pub ca_pem: String,
    /// What the client is given, and what it does.
    pub setup: ClientSetup,
    /// What session and request ids are derived from.
    pub seed: Seed,
    /// How long one exchange may take.
    pub patience: Duration,
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which of the clients, from 0.
    pub client: usize,
    /// The method.
    pub method: &'static str,
    /// The host.
    pub host: String,
    /// The path, without the query.
    pub path: String,
    /// The status answered; none if no answer came.
    pub status: Option<u16>,
}

/// What has been played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// The exchanges; those of each client in their order.
    pub steps: Vec<Step>,
    /// What the program would exit with: 0, or 1 if a client did not get its message or its login.
    pub exit_code: i32,
}

/// Plays all clients to their end.
///
/// # Errors
/// [`FakeError`] if the proxy cannot be used. Answers of any status, and none, are part of the play.
pub async fn play(config: ClientConfig) -> Result<Played, FakeError> {
    let config = Arc::new(config.trusting()?);
    let shared = Home::new(&config.setup.handed);
    let mut clients = JoinSet::new();
    for index in 0..config.setup.processes.max(1) {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let home = if config.setup.shares_home { shared.clone() } else { Home::new(&config.setup.handed) };
        let config = Arc::clone(&config);
        clients.spawn(async move { Session::new(&config, index, home)?.play().await });
    }
    let mut played = Played { steps: Vec::new(), exit_code: 0 };
    while let Some(ended) = clients.join_next().await {
        match ended {
            Ok(one) => {
                let one = one?;
                played.steps.extend(one.steps);
                played.exit_code = played.exit_code.max(one.exit_code);
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    played.steps.sort_by_key(|step| step.client);
    Ok(played)
}

impl ClientConfig {
    /// With a root of its own in place of the proxy's, if it is not to trust that.
    fn trusting(self) -> Result<Self, FakeError> {
        let ca_pem = if self.setup.trusts_proxy { self.ca_pem } else { tls::root()?.pem() };
        Ok(Self { ca_pem, ..self })
    }

    /// What the client of this index shows the proxy.
    pub(super) fn proxy_login(&self, index: usize) -> Option<String> {
        let (user, password) = self.proxy_logins.get(index).or_else(|| self.proxy_logins.last())?;
        Some(format!("{user}:{password}"))
    }
}
