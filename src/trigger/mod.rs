//! What a flight recorder waits for, and whether it has come.
//!
//! Comes in: the codes that are waited for ([`FreezeOn`]), every record once, and now and then a whole trace. Goes out:
//! whether a record is worth a look, and what that look has found, by the rules that judge every trace ([`Trigger`]).
//! Never here: time, files, rules of its own about what a failure is.

use crate::analyze::{Confidence, Failure, Finding, Severity, Survey, diagnose};
use crate::catalogue::{Class, Code, nearest};
use crate::record::{Found, Judge};
use crate::trace::{Exchange, Reader, Record};
use std::collections::{BTreeSet, HashSet};
use std::io::BufRead;

/// The name for every failure of authentication.
pub const AUTH_FAILURE: &str = "auth-failure";

/// The codes that are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreezeOn {
    codes: BTreeSet<Code>,
}

/// A name that cannot be waited for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// No code has that name.
    #[error(
        "no code has that name{}; `authtrace explain` lists them, and {AUTH_FAILURE} stands for every failure of the login",
        like(near)
    )]
    Unknown {
        /// Codes with similar names.
        near: Vec<Code>,
    },
    /// It is no failure.
    #[error(
        "{0} is no failure, so there is nothing to wait for; name codes of failures, or {AUTH_FAILURE} for all of them"
    )]
    NoFailure(Code),
}

fn like(near: &[Code]) -> String {
    near.first().map(|code| format!("; did you mean {code}?")).unwrap_or_default()
}

impl Default for FreezeOn {
    fn default() -> Self {
        Self { codes: Code::ALL.iter().copied().filter(|code| code.class() == Class::Failure).collect() }
    }
}

impl FreezeOn {
    /// Reads names: codes, and `auth-failure`. Without any name it is `auth-failure`.
    ///
    /// # Errors
    /// The first name that cannot be waited for.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, TriggerError> {
        let mut codes = BTreeSet::new();
        for name in names {
            if name == AUTH_FAILURE {
                codes.extend(Self::default().codes);
                continue;
            }
            let unknown = |_| TriggerError::Unknown { near: nearest(name) };
            let code: Code = name.parse().map_err(unknown)?;
            let is_calm = matches!(code, Code::Healthy | Code::NothingSeen | Code::TelemetryNoise);
            if is_calm || code.class() == Class::Observation {
                return Err(TriggerError::NoFailure(code));
            }
            codes.insert(code);
        }
        Ok(if codes.is_empty() { Self::default() } else { Self { codes } })
    }

    /// Whether a label, which is no failure of the login, is among them.
    fn is_wide(&self) -> bool {
        self.codes.iter().any(|code| code.class() == Class::Label)
    }

    fn is_met_by(&self, finding: &Finding) -> bool {
        let least = if finding.code.class() == Class::Label { Severity::Warning } else { Severity::Failure };
        self.codes.contains(&finding.code) && finding.severity >= least
    }
}

/// Judges what a flight recorder holds.
#[derive(Debug)]
pub struct Trigger {
    on: FreezeOn,
    /// Numbers of what may be a failure, since the last look.
    exchanges: HashSet<u64>,
    connections: HashSet<u64>,
}

impl Trigger {
    /// Waits for these.
    #[must_use]
    pub fn new(on: FreezeOn) -> Self {
        Self { on, exchanges: HashSet::new(), connections: HashSet::new() }
    }

    fn is_sign(&self, exchange: &Exchange) -> bool {
        let refused = Failure::of_exchange(exchange).is_some();
        let status = exchange.status();
        let token = exchange.oauth.is_some() && status.is_none_or(|status| status >= 400);
        refused || token || self.on.is_wide() && status.is_none_or(|status| status >= 400)
    }

    fn is_fresh(&self, finding: &Finding) -> bool {
        finding.exchanges.iter().any(|id| self.exchanges.contains(id))
            || finding.connections.iter().any(|id| self.connections.contains(id))
    }
}

impl Judge for Trigger {
    fn take(&mut self, record: &Record) -> bool {
        match record {
            Record::Exchange(exchange) if self.is_sign(exchange) => self.exchanges.insert(exchange.id),
            Record::Connection(connection) if Failure::of_connection(connection).is_some() => {
                self.connections.insert(connection.id)
            }
            _ => false,
        }
    }

    fn look(&mut self, trace: &mut dyn BufRead) -> Vec<Found> {
        // The head is the recorder's own: a trace that cannot be read shows nothing.
        let Ok(reader) = Reader::new(trace) else { return Vec::new() };
        let findings = diagnose(&Survey::read(reader)).findings;
        let found = findings.iter().filter(|finding| self.on.is_met_by(finding)).map(|finding| Found {
            code: finding.code.as_str(),
            fresh: self.is_fresh(finding),
            summary: format!("({}) {}", sure(finding.confidence), finding.summary),
        });
        let found = found.collect();
        self.exchanges.clear();
        self.connections.clear();
        found
    }
}

fn sure(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

#[cfg(test)]
mod tests;
