//! A scenario, ready to be played: the fake as it is at the beginning, and what the client is handed.

use super::Given;
use super::read::{Client, Scenario};
use crate::fake::{ClientSetup, FakeConfig, Handed, Model, Seed};
use crate::trace::Timestamp;

/// A scenario, ready to be played.
pub struct Staged {
    /// The fake.
    pub fake: FakeConfig,
    /// What the client is handed.
    pub handed: Handed,
}

impl Scenario {
    /// Sets the fake up for a client whose clock says `now`. All values are derived from the seeds; what the server is not to
    /// know is derived from `stranger`.
    #[must_use]
    pub fn stage(&self, seed: Seed, stranger: Seed, now: Timestamp) -> Staged {
        let ahead_ms = self.server.clock.saturating_mul(1_000);
        let there = Timestamp::from_unix_ms(now.unix_ms().saturating_add(ahead_ms));
        let mut model = Model::new(seed).with_circumstances(self.server.circumstances);
        let handed = if self.client.issued {
            self.hand(&mut model, there, now)
        } else {
            self.hand(&mut Model::new(stranger), there, now)
        };
        // What was issued before the scenario began is not under its terms.
        model.set_token_terms(self.server.terms);
        let mut fake = FakeConfig::new(model).with_script(self.script.clone());
        fake.events.clone_from(&self.events);
        fake.clock_ahead_ms = ahead_ms;
        Staged { fake, handed }
    }

    fn hand(&self, model: &mut Model, there: Timestamp, now: Timestamp) -> Handed {
        let client = &self.client;
        let mut log_in = || {
            let mut login = match &self.server.scopes {
                Some(scopes) => model.log_in_for(scopes, there, client.expires_in),
                None => model.log_in(there, client.expires_in),
            };
            let ends = now.unix_ms().saturating_add(client.expires_in.saturating_mul(1_000));
            login.expires_at = Timestamp::from_unix_ms(ends);
            login
        };
        let value = |made_up: String| client.value.clone().unwrap_or(made_up);
        match client.login {
            Given::None => Handed::Nothing,
            Given::File => Handed::File(log_in()),
            Given::OauthToken => Handed::Variable("CLAUDE_CODE_OAUTH_TOKEN", value(log_in().access_token)),
            Given::AuthToken => Handed::Variable("ANTHROPIC_AUTH_TOKEN", value(log_in().access_token)),
            Given::ApiKey => Handed::Variable("ANTHROPIC_API_KEY", value(model.api_key_for_console())),
        }
    }
}

impl Client {
    /// The built-in client, set up with what it is handed.
    #[must_use]
    pub fn setup(&self, handed: Handed) -> ClientSetup {
        ClientSetup { variables: self.variables.clone(), processes: self.processes, ..ClientSetup::new(handed) }
    }
}
