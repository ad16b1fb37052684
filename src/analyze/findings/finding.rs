//! What a rule says.

use crate::analyze::Lineage;
use crate::catalogue::Code;
use crate::redact::Fingerprint;
use serde::Serialize;

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// The trace only narrows it down.
    Low,
    /// The order of things, or the identity of a credential, speaks for it.
    Medium,
    /// The exchanges named settle it.
    High,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Something did not work that the user hardly needs.
    Warning,
    /// Something did not work.
    Failure,
}

/// One thing that the trace shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Its name.
    pub code: Code,
    /// How sure it is.
    pub confidence: Confidence,
    /// How much it matters.
    pub severity: Severity,
    /// Whether what failed worked again later in the trace.
    pub recovered: bool,
    /// The exchanges that prove it, by number, in the order of time; of many the first and the last.
    pub exchanges: Vec<u64>,
    /// The connections that prove it, by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<u64>,
    /// The credentials that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Fingerprint>,
    /// What happened, with the facts of this trace: one plain sentence or two.
    pub summary: String,
    /// What to do about it.
    pub remedy: String,
    /// The next best readings, where the exchanges cannot decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub otherwise: Vec<Code>,
    /// What the version of the client says about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionAdvice>,
    /// Why authtrace itself may have had a part in it, where it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caveat: Option<&'static str>,
}

/// A version of the client that is known to matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VersionAdvice {
    /// The client's version, from its `user-agent`.
    pub client: String,
    /// The version from which on it is mended.
    pub fixed_in: &'static str,
    /// Whether the client is older than that.
    pub affected: bool,
    /// What that version mended.
    pub what: &'static str,
}

/// What the trace comes down to: the top finding, or that nothing is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Its name.
    pub code: Code,
    /// How sure it is.
    pub confidence: Confidence,
    /// Whether what failed worked again later in the trace.
    pub recovered: bool,
    /// What happened, as in the finding.
    pub summary: String,
}

/// Everything that was found out about a trace.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// What it comes down to.
    pub verdict: Verdict,
    /// Every finding, the best first. The verdict's own is the first, unless nothing was found.
    pub findings: Vec<Finding>,
    /// What became of each credential.
    pub lineage: Lineage,
}
