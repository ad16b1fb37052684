//! What a trace shows, by name: rules over exchanges and lineage.

mod finding;

pub use finding::{Confidence, Diagnosis, Finding, Severity, Verdict, VersionAdvice};
