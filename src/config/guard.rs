//! Options of the guard.

use super::ConfigError;
use crate::policy::Limits;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::time::Duration;

/// Options of the guard, and the table `[guard]` of `authtrace.toml` (`refusals`, `requests`, `seconds`, `on`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GuardOptions {
    /// Stop after N refusals in a row (401, 403) of one credential, or of the token endpoint
    #[arg(
        id = "guard",
        long = "guard",
        value_name = "N",
        env = "AUTHTRACE_GUARD",
        hide_env_values = true,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Guard"
    )]
    pub refusals: Option<u32>,

    /// Stop after so many requests, telemetry aside
    #[arg(
        id = "guard_requests",
        long = "guard-requests",
        value_name = "COUNT",
        env = "AUTHTRACE_GUARD_REQUESTS",
        hide_env_values = true,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Guard"
    )]
    pub requests: Option<u32>,

    /// Stop so many seconds after the first request
    #[arg(
        id = "guard_seconds",
        long = "guard-seconds",
        value_name = "SECONDS",
        env = "AUTHTRACE_GUARD_SECONDS",
        hide_env_values = true,
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Guard"
    )]
    pub seconds: Option<u32>,

    /// What happens to a request that is stopped [default: answer]
    #[arg(
        id = "on_guard",
        long = "on-guard",
        value_name = "HOW",
        value_enum,
        env = "AUTHTRACE_ON_GUARD",
        hide_env_values = true,
        help_heading = "Guard"
    )]
    pub on: Option<WhenStopped>,
}

/// What happens to a request that the guard stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenStopped {
    /// authtrace answers it, in the form that ends the client's retrying; the server does not see it
    #[default]
    Answer,
    /// It waits until you decide on the terminal of `proxy`: continue, answer 401, or drop
    Hold,
    /// It is answered, and the command is ended (`proxy`: authtrace ends); exit code 125
    Stop,
}

/// The guard, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardConfig {
    /// When it acts.
    pub limits: Limits,
    /// What it does then.
    pub on: WhenStopped,
    /// The host of the user's gateway, which is watched as Anthropic's are.
    pub hosts: Vec<String>,
}

impl GuardOptions {
    /// Flags go before what the file says.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            refusals: self.refusals.or(file.refusals),
            requests: self.requests.or(file.requests),
            seconds: self.seconds.or(file.seconds),
            on: self.on.or(file.on),
        }
    }

    /// None: no limit was set.
    pub(super) fn resolve(&self, gateway: Option<&str>) -> Result<Option<GuardConfig>, ConfigError> {
        let zero = [self.refusals, self.requests, self.seconds].contains(&Some(0));
        let limits = Limits {
            refusals: self.refusals,
            requests: self.requests,
            time: self.seconds.map(|seconds| Duration::from_secs(seconds.into())),
        };
        match (limits.is_empty(), self.on) {
            _ if zero => Err(ConfigError::GuardOfNothing),
            (true, Some(_)) => Err(ConfigError::OnGuard),
            (true, None) => Ok(None),
            (false, on) => {
                let hosts = gateway.map(str::to_ascii_lowercase).into_iter().collect();
                Ok(Some(GuardConfig { limits, on: on.unwrap_or_default(), hosts }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;

    #[test]
    fn the_file_has_a_table_and_flags_go_first() {
        let file: Options = toml::from_str("[guard]\nrefusals = 5\nseconds = 60\non = \"stop\"\n").unwrap();
        let flags =
            Options { guard: GuardOptions { refusals: Some(3), ..GuardOptions::default() }, ..Options::default() };
        let guard = flags.or(file).guard.resolve(Some("Gateway.Example")).unwrap().unwrap();
        let limits = Limits { refusals: Some(3), requests: None, time: Some(Duration::from_secs(60)) };
        assert_eq!(guard, GuardConfig { limits, on: WhenStopped::Stop, hosts: vec!["gateway.example".to_owned()] });
    }

    #[test]
    fn what_would_never_act_or_always_is_refused() {
        let options = |refusals, on| GuardOptions { refusals, on, ..GuardOptions::default() };
        assert_eq!(options(None, None).resolve(None).unwrap(), None);
        let on = Some(WhenStopped::Hold);
        assert!(matches!(options(None, on).resolve(None), Err(ConfigError::OnGuard)));
        assert!(matches!(options(Some(0), None).resolve(None), Err(ConfigError::GuardOfNothing)));
    }
}
