//! The checks for programs. Within `authtrace-doctor/1` keys are added, never taken away or given another meaning.

use super::check::{Check, Examination, Status};
use crate::trace::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Name and version of this form.
pub const FORMAT: &str = "authtrace-doctor/1";

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    tool: &'static str,
    at: Timestamp,
    /// How many checks came out how.
    counts: BTreeMap<&'static str, usize>,
    checks: &'a [Check],
}

/// Writes one JSON object and a line break.
///
/// # Errors
/// When the writer fails.
pub fn write(examination: &Examination, out: &mut impl Write) -> io::Result<()> {
    let counts = Status::ALL.iter().map(|status| (status.as_str(), examination.count(*status))).collect();
    let document = Document {
        format: FORMAT,
        tool: concat!("authtrace ", env!("CARGO_PKG_VERSION")),
        at: examination.at,
        counts,
        checks: &examination.checks,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
