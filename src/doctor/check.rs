//! One check, and all of them.

use super::masked::masked;
use crate::trace::Timestamp;
use serde::Serialize;

/// How a check came out; a later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Nothing wrong, and good to know.
    Note,
    /// Could not be found out.
    Unknown,
    /// Likely to cause trouble.
    Warning,
    /// Will fail.
    Problem,
}

impl Status {
    /// All, from good to bad.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Note, Self::Unknown, Self::Warning, Self::Problem];

    /// The name on screen and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a check is about; the order is that of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// Which credential is used, and what it looks like.
    Credentials,
    /// Variables that lead requests to a proxy, or past it.
    Proxy,
    /// Variables that say which certificates are trusted.
    Certificates,
    /// The program, and whether it accepts authtrace's certificates.
    Client,
    /// The hosts that a login needs, and the clock.
    Network,
    /// authtrace's own configuration and files.
    Authtrace,
}

impl Topic {
    /// The heading on screen.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Credentials => "Credentials",
            Self::Proxy => "Proxy variables",
            Self::Certificates => "Certificate variables",
            Self::Client => "Client",
            Self::Network => "Network",
            Self::Authtrace => "authtrace",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at, in names that stay from version to version (`env.no-proxy`).
    pub id: &'static str,
    /// Which of several: a variable, a file, a host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Which part of the list it belongs to.
    pub topic: Topic,
    /// How it came out.
    pub status: Status,
    /// What was found; never a value of a credential.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    pub(super) fn new(topic: Topic, id: &'static str, status: Status, found: impl Into<String>) -> Self {
        Self { id, subject: None, topic, status, found: masked(found.into()), advice: None }
    }

    pub(super) fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(masked(subject.into()));
        self
    }

    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(masked(advice.into()));
        self
    }
}

/// All checks of one run of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// When they were made.
    pub at: Timestamp,
    /// In the order of the screen.
    pub checks: Vec<Check>,
}

impl Examination {
    /// How many came out so.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    /// Whether anything will fail.
    #[must_use]
    pub fn has_problem(&self) -> bool {
        self.count(Status::Problem) > 0
    }
}
