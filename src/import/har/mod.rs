//! HAR 1.2, as browsers, proxies and HTTP clients write it.
//!
//! Comes in: the text of a HAR, UTF-8 or UTF-16. Goes out: [`Imported`]. Only one entry is held raw at a time. Beyond the
//! format it understands what tools add to say that no answer came (`_error`), that an answer came from a cache
//! (`_fromCache`), which process asked (`_client`), what happened in a handshake (`_tls`), and what authtrace itself adds
//! (`_authtrace`). Everything else behind an underscore is passed over, WebSocket messages first of all.

mod address;
mod capture;
mod connections;
mod document;
mod entry;
mod failure;
mod json;
mod mend;
mod own;
mod scan;
#[cfg(test)]
mod tests;
mod timing;
mod utf16;

use super::{ImportError, Imported};
use crate::redact::Redactor;
use std::io::BufRead;
use std::sync::Arc;

/// Reads a HAR to its end.
///
/// What comes behind a place that cannot be read is read all the same, if it can be found; the places are in
/// [`Imported::unread`]. `redactor` makes the fingerprints: one per run, as for the proxy.
///
/// # Errors
/// When the input is not the beginning of a HAR, or the operating system refuses to read it.
pub fn read(input: impl BufRead, redactor: &Arc<Redactor>) -> Result<Imported, ImportError> {
    let mut capture = capture::Capture::new(redactor);
    document::read(utf16::Decoded::new(input), &mut capture)?;
    Ok(capture.finish())
}
