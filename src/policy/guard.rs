//! The guard: counts what a server refuses, and says when it is not to be asked any more.
//!
//! A client that is refused may ask again and again: eleven times in three minutes for one message. The guard counts the
//! refusals of one credential in a row, those of the token endpoint in a row, and what a budget allows.

use super::decide::Asked;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// So many refusals in a row are worth a warning, whatever the limits are.
pub const WARN_AT: u32 = 5;

/// So many credentials are counted; refusals of a further one are not.
const COUNTED: usize = 10_000;

/// A token endpoint that nobody has asked for so long is asked again: whoever logs in anew must get through.
const LULL: Duration = Duration::from_secs(60);

/// Domains of Anthropic; the hosts below them count as well.
const DOMAINS: [&str; 3] = ["anthropic.com", "claude.ai", "claude.com"];

/// When to stop. None: never for that reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Refusals in a row, of one credential or of the token endpoint.
    pub refusals: Option<u32>,
    /// Requests, telemetry aside.
    pub requests: Option<u32>,
    /// Time since the first request.
    pub time: Option<Duration>,
}

impl Limits {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a request counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Nothing: another's host, or telemetry, whose refusal says nothing about the login.
    Unwatched,
    /// The budget alone: it carries no credential.
    Anonymous,
    /// The token endpoint, whoever asks it.
    TokenEndpoint,
    /// A credential.
    Credential {
        /// Which one.
        identity: u64,
        /// Whether it asks for the model (`/v1/…`). What a token may not do beside that (a setup token may not read the
        /// profile) is counted by itself, so that it stops no message.
        model: bool,
    },
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// With a success.
    Accepted,
    /// By a refusal: of a credential 401 or 403, of the token endpoint any error.
    Refused,
    /// With the head of a stream, in which an error may come: another outcome follows.
    Begun,
    /// By anything else, or not at all.
    Otherwise,
}

impl Answered {
    /// What a status says; `stream`: an event stream follows.
    #[must_use]
    pub fn of(subject: Subject, status: u16, stream: bool) -> Self {
        match (subject, status) {
            (_, 200..=299) if stream => Self::Begun,
            (_, 200..=299) => Self::Accepted,
            (Subject::TokenEndpoint, 400..) | (_, 401 | 403) => Self::Refused,
            _ => Self::Otherwise,
        }
    }
}

/// The outcome of a request that was let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// What it counted for.
    pub subject: Subject,
    /// How it was answered.
    pub answered: Answered,
    /// Whether [`Answered::Begun`] was observed of it before.
    pub late: bool,
    /// Since the beginning.
    pub elapsed: Duration,
}

/// What is to become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It passes; the refusals before it are worth a word. Said once for each row of them.
    Warn {
        /// So many.
        refused: u32,
    },
    /// Requests that are on their way may be the last: ask again after the next outcome.
    Wait,
    /// It does not pass.
    Stop(Stop),
}

/// Why a request does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// The reason.
    pub reason: Reason,
    /// Whether it is the first that is stopped for it.
    pub first: bool,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The credential was refused so many times in a row.
    Refusals(u32),
    /// The token endpoint refused so many times in a row.
    TokenRefusals(u32),
    /// So many requests have passed.
    Requests(u32),
    /// So much time has passed.
    Time(Duration),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refusals(1) => f.write_str("a credential was refused"),
            Self::Refusals(count) => write!(f, "{count} refusals in a row of one credential"),
            Self::TokenRefusals(1) => f.write_str("the token endpoint refused"),
            Self::TokenRefusals(count) => write!(f, "{count} refusals in a row by the token endpoint"),
            Self::Requests(count) => write!(f, "the budget of requests ({count}) is used up"),
            Self::Time(time) => write!(f, "the budget of time ({} seconds) is used up", time.as_secs()),
        }
    }
}

/// The limits, and what was counted so far.
#[derive(Debug)]
pub struct Guard {
    limits: Limits,
    /// Watched besides Anthropic's own.
    hosts: Vec<String>,
    rows: HashMap<Subject, Row>,
    requests: u32,
    begun: Option<Duration>,
    budget_told: bool,
}

/// Refusals in a row.
#[derive(Debug, Default, Clone, Copy)]
struct Row {
    refused: u32,
    /// Requests on their way.
    asking: u32,
    last: Duration,
    warned: bool,
    told: bool,
}

impl Guard {
    /// Nothing was counted. `hosts` are watched besides Anthropic's own, for example that of a gateway.
    #[must_use]
    pub fn new(limits: Limits, hosts: Vec<String>) -> Self {
        Self { limits, hosts, rows: HashMap::new(), requests: 0, begun: None, budget_told: false }
    }

    /// What a request counts for.
    #[must_use]
    pub fn subject(&self, asked: &Asked<'_>) -> Subject {
        if !self.watches(asked.host) || asked.path.starts_with("/api/event_logging/") {
            return Subject::Unwatched;
        }
        if asked.path.ends_with("/oauth/token") {
            return Subject::TokenEndpoint;
        }
        let model = asked.path.contains("/v1/");
        asked.identity.map_or(Subject::Anonymous, |identity| Subject::Credential { identity, model })
    }

    /// What is to become of a request; one that passes is counted, and its outcome has to be observed.
    pub fn decide(&mut self, asked: &Asked<'_>) -> Verdict {
        self.judge(asked, true)
    }

    /// As [`Self::decide`] for a request that has waited long enough.
    pub fn decide_now(&mut self, asked: &Asked<'_>) -> Verdict {
        self.judge(asked, false)
    }

    /// Takes the outcome of a request that passed.
    pub fn observe(&mut self, outcome: &Outcome) {
        let Some(row) = self.row(outcome.subject) else { return };
        if !outcome.late {
            row.asking = row.asking.saturating_sub(1);
        }
        match outcome.answered {
            Answered::Refused => {
                row.refused = row.refused.saturating_add(1);
                row.last = outcome.elapsed;
            }
            Answered::Accepted => *row = Row { asking: row.asking, ..Row::default() },
            Answered::Begun | Answered::Otherwise => {}
        }
    }

    /// Somebody wants to go on: counting begins anew for what stopped the request.
    pub fn forgive(&mut self, asked: &Asked<'_>, reason: Reason) {
        match reason {
            Reason::Refusals(_) | Reason::TokenRefusals(_) => {
                let subject = self.subject(asked);
                if let Some(row) = self.row(subject) {
                    *row = Row { asking: row.asking, ..Row::default() };
                }
            }
            Reason::Requests(_) => self.requests = 0,
            Reason::Time(_) => self.begun = None,
        }
        self.budget_told = false;
    }

    /// How often what a request counts for was refused in a row.
    #[must_use]
    pub fn refused(&self, asked: &Asked<'_>) -> u32 {
        self.rows.get(&self.subject(asked)).map_or(0, |row| row.refused)
    }

    fn watches(&self, host: &str) -> bool {
        let below =
            |domain: &str| host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        DOMAINS.into_iter().any(below) || self.hosts.iter().any(|own| own == host)
    }

    fn judge(&mut self, asked: &Asked<'_>, may_wait: bool) -> Verdict {
        let subject = self.subject(asked);
        if subject == Subject::Unwatched {
            return Verdict::Pass;
        }
        if let Some(reason) = self.overdrawn(asked.elapsed) {
            let first = !std::mem::replace(&mut self.budget_told, true);
            return Verdict::Stop(Stop { reason, first });
        }
        let most = self.limits.refusals.unwrap_or(u32::MAX);
        let verdict = self.row(subject).map_or(Verdict::Pass, |row| row.judge(subject, most, asked.elapsed, may_wait));
        if matches!(verdict, Verdict::Pass | Verdict::Warn { .. }) {
            self.requests = self.requests.saturating_add(1);
        }
        verdict
    }

    fn overdrawn(&mut self, elapsed: Duration) -> Option<Reason> {
        let begun = *self.begun.get_or_insert(elapsed);
        let spent = |most: &Duration| elapsed.saturating_sub(begun) >= *most;
        let requests = self.limits.requests.filter(|most| self.requests >= *most).map(Reason::Requests);
        requests.or_else(|| self.limits.time.filter(spent).map(Reason::Time))
    }

    fn row(&mut self, subject: Subject) -> Option<&mut Row> {
        let counts = matches!(subject, Subject::TokenEndpoint | Subject::Credential { .. });
        let room = self.rows.len() < COUNTED || self.rows.contains_key(&subject);
        (counts && room).then(|| self.rows.entry(subject).or_default())
    }
}

impl Row {
    fn judge(&mut self, subject: Subject, most: u32, elapsed: Duration, may_wait: bool) -> Verdict {
        let tokens = subject == Subject::TokenEndpoint;
        if tokens && elapsed.saturating_sub(self.last) > LULL {
            *self = Self { asking: self.asking, ..Self::default() };
        }
        if self.refused >= most {
            self.last = elapsed;
            let reason = if tokens { Reason::TokenRefusals(self.refused) } else { Reason::Refusals(self.refused) };
            return Verdict::Stop(Stop { reason, first: !std::mem::replace(&mut self.told, true) });
        }
        // Who has not been refused is never kept waiting.
        if may_wait && self.refused > 0 && self.refused.saturating_add(self.asking) >= most {
            return Verdict::Wait;
        }
        self.asking = self.asking.saturating_add(1);
        if self.refused >= WARN_AT && !std::mem::replace(&mut self.warned, true) {
            return Verdict::Warn { refused: self.refused };
        }
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests;
