//! The lines of a trace.

use super::connection::Connection;
use super::exchange::{Exchange, RequestStart};
use super::format::FormatVersion;
use super::reread;
use super::time::Timestamp;
use crate::redact::Redacted;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The first line.
    Trace(Box<TraceHead>),
    /// A connection that has ended.
    Connection(Box<Connection>),
    /// A request that was forwarded and whose end was still to come.
    Request(RequestStart),
    /// An exchange that has ended.
    // Shared with whoever remembers it while it is written.
    Exchange(Arc<Exchange>),
    /// Records that could not be written.
    Gap(Gap),
    /// Something about the run that no exchange shows.
    Note(Note),
    /// The last line.
    End(TraceEnd),
}

impl Record {
    /// The exchange, if it is one that has ended.
    #[must_use]
    pub fn exchange(&self) -> Option<&Exchange> {
        if let Self::Exchange(exchange) = self { Some(exchange) } else { None }
    }

    /// Whether it is missed where it could not be written: not that a request began, of which the exchange tells as well.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        !matches!(self, Self::Request(_))
    }

    /// Whether it should reach the disk at once: whoever reads along waits for it.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.is_auth_failure(),
            Self::Gap(_) | Self::End(_) => true,
            Self::Trace(_) | Self::Connection(_) | Self::Request(_) | Self::Note(_) => false,
        }
    }
}

/// Where records go. Implementations never block the caller; what they cannot take they count as a [`Gap`].
pub trait EventSink: Send + Sync {
    /// Takes one record.
    fn emit(&self, record: Record);
}

/// The first line of a trace: what made it, and under which conditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TraceHead {
    /// Version of the format.
    #[cfg_attr(test, schemars(with = "String"))]
    pub format: FormatVersion,
    /// Name and version of the program that wrote it.
    #[serde(deserialize_with = "reread::text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub tool: Redacted,
    /// Operating system and architecture; empty for the capture of another tool.
    #[serde(deserialize_with = "reread::platform")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub os: Redacted,
    /// When it was begun.
    pub started: Timestamp,
    /// Hosts whose traffic is read; all others pass unread.
    #[serde(deserialize_with = "reread::hosts")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub intercept: Vec<Redacted>,
    /// Names (never values) of the variables that steer Claude Code, proxies and certificates, as they were set.
    #[serde(default, deserialize_with = "reread::identifiers")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub variables: Vec<Redacted>,
    /// Whether fingerprints can be compared with those of other traces (a key was given).
    #[serde(default)]
    pub shared_fingerprints: bool,
    /// The capture of another tool that it was read from; absent: authtrace saw it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// The scenario that was played; absent: nothing was done to the traffic by rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub played: Option<Played>,
    /// Which part of a trace of several files this is; absent: the first, or the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Box<Part>>,
}

/// One file of a trace that was continued in another: at a limit of size, or because the file was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Part {
    /// Its number, from 2.
    pub number: u64,
    /// How many records came before it, whether they could be written or not.
    pub before: u64,
}

impl TraceHead {
    /// Number of this part, from 1.
    #[must_use]
    pub fn part_number(&self) -> u64 {
        self.part.as_ref().map_or(1, |part| part.number)
    }

    /// Whether it is the head of the file that follows the one with this head.
    #[must_use]
    pub fn continues(&self, earlier: &Self) -> bool {
        self.started == earlier.started && self.part_number().checked_sub(1) == Some(earlier.part_number())
    }
}

/// A scenario that was played: what the trace shows was brought about on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Played {
    /// Its code, or its title if it has none.
    #[serde(deserialize_with = "reread::text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub scenario: Redacted,
    /// Who answered.
    pub against: PlayedAgainst,
}

/// Who answered while a scenario was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlayedAgainst {
    /// The fake Anthropic inside authtrace, every time.
    Fake,
    /// The real servers, but for the exchanges whose origin is authtrace.
    Live,
}

/// A capture of another tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Imported {
    /// Its format, such as `HAR`.
    #[serde(deserialize_with = "reread::text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub format: Redacted,
    /// The tool that wrote it, if it is a known one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_capture_tool")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub tool: Option<Redacted>,
    /// The tool's version.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "reread::maybe_version")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub version: Option<Redacted>,
}

/// Records that are missing at this place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gap {
    /// When it was noticed.
    pub at: Timestamp,
    /// How many records are missing.
    pub lost: u64,
    /// Why.
    #[serde(deserialize_with = "reread::text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub cause: Redacted,
}

/// Something about the run that no exchange shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: NoteKind,
    /// One sentence.
    #[serde(deserialize_with = "reread::text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub text: Redacted,
}

/// The kinds of notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// The environment of the child was changed, or may bypass the proxy.
    Environment,
    /// A client joined or left.
    Lane,
    /// A record could not be redacted and was dropped.
    RedactionFailed,
    /// A value learned as a credential was about to be written and was masked.
    Masked,
    /// authtrace did something to the traffic on purpose: a rule of a scenario, or the guard.
    Policy,
    /// A limit of this process or machine kept authtrace from serving for a while.
    Limit,
    /// Something else.
    Other,
}

/// The last line of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TraceEnd {
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Connections that came to be written; those of them that are not there are among the lost ones.
    pub connections: u64,
    /// Exchanges, counted likewise.
    pub exchanges: u64,
    /// Records lost.
    pub lost: u64,
    /// Records in which something had to be masked at the last moment.
    #[serde(default)]
    pub masked: u64,
    /// Exit code of the child, under `run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}
