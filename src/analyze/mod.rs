//! What a trace shows, counted and put in order.
//!
//! Comes in: the records of a trace, one after the other, from a file or while they are written. Goes out: a
//! [`Survey`] and views of it: failures, credentials with short labels, hosts, times, the difference of the clocks.
//! Never here: I/O besides the reader that is handed in, clocks, a verdict about the cause, text of its own beside
//! labels.

mod client_log;
mod credentials;
mod endpoint;
mod failures;
mod findings;
mod labels;
mod lineage;
mod receipt;
mod recent;
mod says;
mod survey;
mod timing;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use client_log::{ClientRow, ClientView, Disagreement, Found, Join, LogClock, LogFacts, Said, Trust, WhyNothing};
pub use credentials::CredentialRow;
pub use endpoint::{Endpoint, Provider, endpoint, is_ours, matters, provider};
pub use failures::Failure;
pub use findings::{Confidence, Diagnosis, Finding, Severity, Verdict, VersionAdvice, diagnose};
pub use labels::{Label, Labels};
pub use lineage::{CredentialHistory, Lineage, Origin as CredentialOrigin, Process, Reaction, Refusal, Use};
pub use receipt::{AlpnPair, Bytes, HeadCounts, Knowledge, Receipt};
pub use recent::Recent;
pub use survey::{HostRow, Survey, TunnelRow, Unread};
pub use timing::{ClockDifference, Spread, TimingSummary};
