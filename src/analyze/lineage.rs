//! What became of each credential: where from, who used it when, how it was answered, what took its place.

mod build;

use super::labels::Label;
use crate::redact::{self, Fingerprint, Redacted};
use crate::trace::{Peer, Timestamp};
use serde::{Serialize, Serializer};
use std::collections::HashMap;

pub(super) use build::{build, reaction, spent};

/// Every credential of a trace, and the processes that used them.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lineage {
    /// The clients that were seen, in the order of their first exchange. Where the operating system did not tell the
    /// processes of a lane apart, they count as one.
    pub processes: Vec<Process>,
    /// One history per credential, by the time at which it was first seen.
    pub credentials: Vec<CredentialHistory>,
    #[serde(skip)]
    index: HashMap<Fingerprint, usize>,
    /// The process of each exchange, in the order of the exchanges.
    #[serde(skip)]
    of_exchanges: Vec<usize>,
}

/// A client: a lane, and the process in it where that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Process {
    /// The lane.
    pub lane: Redacted,
    /// Process id and program, where the operating system told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
}

/// One credential from its first appearance to its last. Exchanges are given by their numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CredentialHistory {
    /// Short name within this trace.
    pub label: Label,
    /// Kind, length, fingerprint, and every flag that was ever seen on it.
    #[serde(flatten)]
    pub credential: redact::Credential,
    /// Where it came from.
    pub origin: Origin,
    /// When it was first seen: the exchange that sent or issued it.
    pub first_seen: Timestamp,
    /// Scopes as granted, if it was issued in the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Redacted>,
    /// Lifetime in seconds as granted, if it was issued in the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_s: Option<u64>,
    /// Every exchange that carried it, in the order of time.
    pub uses: Vec<Use>,
    /// The first exchange that accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_accepted: Option<u64>,
    /// The last exchange that accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_accepted: Option<u64>,
    /// The first refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_refused: Option<Refusal>,
    /// What took its place, and by which exchange: the token that a refresh with it or beside it issued.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "replacement")]
    #[cfg_attr(test, schemars(with = "Replacement"))]
    pub replaced_by: Option<(Fingerprint, u64)>,
    /// The exchange that revoked it, or that said it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<u64>,
}

/// What took the place of a credential, as it is written.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Replacement {
    /// Which.
    fp: Fingerprint,
    /// The exchange that issued it.
    exchange: u64,
}

fn replacement<S: Serializer>(by: &Option<(Fingerprint, u64)>, serializer: S) -> Result<S::Ok, S::Error> {
    by.map(|(fp, exchange)| Replacement { fp, exchange }).serialize(serializer)
}

/// Where a credential came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// The client had it before the trace began, or got it past the proxy.
    Brought,
    /// A refresh issued it.
    Refresh {
        /// The exchange.
        exchange: u64,
        /// The refresh token that was exchanged for it.
        out_of: Option<Fingerprint>,
    },
    /// A login issued it.
    Login {
        /// The exchange.
        exchange: u64,
    },
    /// An API key, created with an OAuth token.
    KeyCreation {
        /// The exchange.
        exchange: u64,
    },
    /// Another answer contained it.
    Other {
        /// The exchange.
        exchange: u64,
    },
}

/// A credential, sent once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Use {
    /// The exchange.
    pub exchange: u64,
    /// When it began.
    pub at: Timestamp,
    /// Which process, as an index into [`Lineage::processes`].
    pub process: usize,
    /// How it was answered.
    pub reaction: Reaction,
}

/// How a server answered a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// 2xx, and no error inside.
    Accepted,
    /// Refused for a reason of authentication, authorisation or the state of the account.
    Refused,
    /// Answered otherwise: says nothing about the credential.
    Other,
    /// Not answered.
    Unanswered,
}

/// A refusal of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Refusal {
    /// The exchange.
    pub exchange: u64,
    /// When it began.
    pub at: Timestamp,
    /// Its status; absent if the error came inside a stream.
    pub status: Option<u16>,
    /// The message, as far as it may be shown.
    pub message: Option<Redacted>,
}

impl Lineage {
    /// The history of a credential.
    #[must_use]
    pub fn get(&self, fp: Fingerprint) -> Option<&CredentialHistory> {
        self.credentials.get(*self.index.get(&fp)?)
    }

    /// The process of the exchange that stands at `place` in the order of time, as an index into
    /// [`Lineage::processes`].
    #[must_use]
    pub fn process_of(&self, place: usize) -> usize {
        self.of_exchanges.get(place).copied().unwrap_or(0)
    }

    /// The process of a use.
    #[must_use]
    pub fn process(&self, index: usize) -> Option<&Process> {
        self.processes.get(index)
    }
}

impl CredentialHistory {
    /// When it runs out, as far as the trace tells: issue and lifetime.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        let issued = matches!(self.origin, Origin::Refresh { .. } | Origin::Login { .. });
        let lifetime = i64::try_from(self.lifetime_s?).ok()?.checked_mul(1_000)?;
        issued.then(|| self.first_seen.unix_ms().checked_add(lifetime).map(Timestamp::from_unix_ms)).flatten()
    }

    /// How often it was accepted.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.uses.iter().filter(|one| one.reaction == Reaction::Accepted).count()
    }

    /// How often it was refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.uses.iter().filter(|one| one.reaction == Reaction::Refused).count()
    }
}

impl Origin {
    /// The exchange whose answer issued it, if it was issued in the trace.
    #[must_use]
    pub fn exchange(self) -> Option<u64> {
        match self {
            Self::Brought => None,
            Self::Refresh { exchange, .. }
            | Self::Login { exchange }
            | Self::KeyCreation { exchange }
            | Self::Other { exchange } => Some(exchange),
        }
    }
}
