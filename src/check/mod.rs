//! Expectations about an auth flow, and whether a trace keeps them.
//!
//! In come a file of TOML or the short forms of the command line, which make [`Expectations`]; and a trace with what was
//! found out about it. Out comes a [`Report`]: one outcome for each expectation, held or missed, and for a miss the
//! exchange that comes nearest, the field that differs, and what happened around it.
//!
//! [`learn`] goes the other way: from a trace to a draft of expectations.
//!
//! Each exchange is looked at once by each flow, and nothing is tried again: a step is taken by the first exchange that
//! fits it (see [`Flow`]). Never here: files, clocks, sockets, the form of a report, a rule about why something failed.

mod baseline;
mod carried;
mod evaluate;
mod expectation;
mod fit;
mod flow;
mod format;
mod learn;
mod nearest;
mod observed;
mod pattern;
mod read;
mod report;
mod short;
#[cfg(test)]
pub(crate) mod tests;
mod words;

pub use baseline::against_baseline;
pub use evaluate::evaluate;
pub use expectation::{
    CredentialPart, Denied, Element, Expectation, Expectations, Field, Flow, Holding, Rule, Source, Step, Taking,
};
pub use learn::learn;
pub use pattern::{Glob, HostPattern, StatusPattern};
pub use read::{ExpectationError, Written, read};
pub use report::{Difference, KnownMiss, Miss, MissKind, Outcome, Report};
pub use short::{deny, flow_of, limit_of_auth_failures};

/// The version of the format that this program reads.
pub const FORMAT: u32 = 1;

/// The name for every failure of authentication.
pub const AUTH_FAILURE: &str = "auth-failure";
