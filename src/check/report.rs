//! What came of expectations.

use super::expectation::{Field, Source};
use serde::Serialize;

/// One outcome for each expectation, in their order, behind those that hold for every trace.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The outcomes.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// Whether every expectation holds.
    #[must_use]
    pub fn held(&self) -> bool {
        self.missed() == 0
    }

    /// How many do not.
    #[must_use]
    pub fn missed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.miss.is_some()).count()
    }
}

/// Something that is known to be missed, by the words of its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMiss {
    /// The words.
    pub expected: String,
    /// Where that is said.
    pub source: Source,
}

impl Report {
    /// The same where some misses are known: such a miss is as it should be, and an outcome that holds although it is
    /// known to be missed is one. Only what the trace shows counts as the known miss: not that nothing could be seen.
    #[must_use]
    pub fn with_known(mut self, known: &[KnownMiss]) -> Self {
        for outcome in self.outcomes.iter_mut().filter(|outcome| outcome.source.is_some()) {
            let Some(known) = known.iter().find(|known| known.expected == outcome.expected) else { continue };
            match &outcome.miss {
                Some(miss) if miss.kind.is_seen() => {
                    outcome.miss = None;
                    outcome.expected.push_str(": missed, as is known");
                }
                Some(_) => {}
                None => outcome.miss = Some(Miss::unexpectedly_held(&known.source)),
            }
        }
        self
    }
}

/// What came of one expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What was expected, in a few words.
    pub expected: String,
    /// Where that is written; none: it is expected of every trace.
    pub source: Option<Source>,
    /// Why it was missed; none: it holds.
    pub miss: Option<Miss>,
}

/// Why an expectation was missed.
#[derive(Debug, Clone, PartialEq)]
pub struct Miss {
    /// What kind of miss.
    pub kind: MissKind,
    /// What happened instead, in a sentence.
    pub message: String,
    /// The part of the expectation that was missed, if it is narrower than the whole.
    pub source: Option<Source>,
    /// The exchange that comes nearest to what was expected, or that should not be, by its number.
    pub exchange: Option<u64>,
    /// How it differs.
    pub difference: Option<Difference>,
    /// The exchanges around it, it among them, by their numbers in the order of time.
    pub around: Vec<u64>,
}

impl Miss {
    fn unexpectedly_held(source: &Source) -> Self {
        Self {
            kind: MissKind::Held,
            message: "this holds, and is listed as known to be missed; if that is meant to last, take it out there"
                .to_owned(),
            source: Some(source.clone()),
            exchange: None,
            difference: None,
            around: Vec::new(),
        }
    }
}

/// A field of an exchange that is not as expected. Both texts are fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub field: Field,
    /// What was expected.
    pub expected: String,
    /// What there was.
    pub found: String,
}

/// The kinds of misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MissKind {
    /// More than a limit.
    Limit,
    /// A finding that is denied, or not allowed, or missing.
    Finding,
    /// A credential went to a host where it must not go.
    Host,
    /// A flow was not followed.
    Flow,
    /// Another exit code.
    ExitCode,
    /// Records are missing, so that nothing can be said.
    Gap,
    /// No exchange used a credential.
    NothingObserved,
    /// What should be absent may have passed unread.
    Unobserved,
    /// Something is worse than in the trace that it is held against.
    Baseline,
    /// It holds, although it is known to be missed.
    Held,
}

impl MissKind {
    /// Whether the trace shows it; else it only shows too little.
    fn is_seen(self) -> bool {
        !matches!(self, Self::Gap | Self::NothingObserved | Self::Unobserved)
    }

    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Finding => "finding",
            Self::Host => "host",
            Self::Flow => "flow",
            Self::ExitCode => "exit-code",
            Self::Gap => "gap",
            Self::NothingObserved => "nothing-observed",
            Self::Unobserved => "unobserved",
            Self::Baseline => "baseline",
            Self::Held => "held",
        }
    }
}
