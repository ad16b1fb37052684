//! A scenario, ready to be played: the fake as it is at the beginning, and what the client is handed.

use super::Given;
use super::client::Client;
use super::read::Scenario;
use crate::fake::{ClientSetup, FakeConfig, Handed, Login, Model, Seed};
use crate::trace::Timestamp;
use http::Uri;
use std::net::IpAddr;

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
        let handed = self.with_stale_keys(handed, stranger);
        // What was issued before the scenario began is not under its terms.
        model.set_token_terms(self.server.terms);
        let mut fake = FakeConfig::new(model).with_script(self.script.clone());
        fake.events.clone_from(&self.events);
        fake.clock_ahead_ms = ahead_ms;
        Staged { fake, handed }
    }

    /// Keys that the server does not know come before the helper's own.
    fn with_stale_keys(&self, handed: Handed, stranger: Seed) -> Handed {
        let Handed::Helper(good) = handed else { return handed };
        // Two models of one seed issue the same keys.
        let mut elsewhere = Model::new(stranger);
        let taken = usize::from(!self.client.issued);
        let mut keys: Vec<String> = std::iter::repeat_with(|| elsewhere.api_key_for_console())
            .skip(taken)
            .take(usize::try_from(self.client.stale).unwrap_or(0))
            .collect();
        keys.extend(good);
        Handed::Helper(keys)
    }

    /// The hosts besides Anthropic's that the play needs, to be intercepted: those of rules, of an MCP server and of the
    /// base URL.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let of_url = |url: &str| url.parse::<Uri>().ok()?.host().map(str::to_ascii_lowercase);
        let mut hosts: Vec<String> = self.script.rules.iter().filter_map(|rule| rule.when.host.clone()).collect();
        hosts.extend(self.client.mcp.as_ref().and_then(|server| of_url(&server.url)));
        hosts.extend(self.client.variables.get("ANTHROPIC_BASE_URL").and_then(|url| of_url(url)));
        // An address is no name that an authority can sign for; without TLS it is read all the same.
        let is_address = |host: &str| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        hosts.retain(|host| !host.is_empty() && !is_anthropic(host) && !is_address(host));
        hosts.sort();
        hosts.dedup();
        hosts
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
        match (client.login, client.login.variable()) {
            (Given::File, _) if !client.renewable => Handed::File(Login { refresh_token: String::new(), ..log_in() }),
            (Given::File, _) => Handed::File(log_in()),
            (Given::Helper, _) => Handed::Helper(vec![value(model.api_key_for_console())]),
            (Given::ApiKey, Some(name)) => Handed::Variable(name, value(model.api_key_for_console())),
            (_, Some(name)) => Handed::Variable(name, value(log_in().access_token)),
            (_, None) => Handed::Nothing,
        }
    }
}

impl Client {
    /// The built-in client, set up with what it is handed.
    #[must_use]
    pub fn setup(&self, handed: Handed) -> ClientSetup {
        ClientSetup {
            handed,
            variables: self.variables.clone(),
            processes: self.processes,
            shares_home: self.shared_home,
            tasks: self.tasks.clone(),
            mcp: self.mcp.clone(),
            trusts_proxy: self.trusts_proxy,
        }
    }
}

fn is_anthropic(host: &str) -> bool {
    ["anthropic.com", "claude.ai", "claude.com"]
        .iter()
        .any(|end| host.strip_suffix(end).is_some_and(|front| front.is_empty() || front.ends_with('.')))
}
