//! Text that comes from a file is redacted again.
//!
//! What already is `‹…›`, and what the rules let through, stays as it is; everything else becomes a fingerprint. The
//! functions share one redactor of the process, whose key is random unless [`configure`] came first: a fingerprint
//! that has to be made here cannot be compared with those in the file, and shows that the file was not ours.

use std::sync::OnceLock;

use serde::{Deserialize, Deserializer};

use super::redacted::Redacted;
use super::redactor::{Options, RedactError, Redactor};

static SHARED: OnceLock<Redactor> = OnceLock::new();

fn shared() -> &'static Redactor {
    SHARED.get_or_init(Redactor::plain)
}

/// Allows what the user allows (hosts, `[[keep]]`) when reading, too. Only the first call in a process, before
/// anything was read, has an effect; returns whether it had.
///
/// # Errors
/// As [`Redactor::new`].
pub fn configure(options: Options) -> Result<bool, RedactError> {
    Ok(SHARED.set(Redactor::new(options)?).is_ok())
}

/// Shows the hosts that a trace itself names as read: the user named them when it was made. Only names of at most
/// 40 characters a label, of letters, digits and hyphens, are taken.
pub fn show_hosts<'a>(hosts: impl IntoIterator<Item = &'a str>) {
    let plain = |label: &str| {
        (1..=40).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    for host in hosts {
        if host.len() <= 253 && host.contains('.') && host.split('.').all(plain) {
            shared().show_host(host);
        }
    }
}

/// One header field.
#[must_use]
pub fn header(name: &str, value: &str) -> (Redacted, Redacted) {
    shared().field(name.as_bytes(), value.as_bytes(), None)
}

/// Prose, for example an error message.
#[must_use]
pub fn text(text: &str) -> Redacted {
    shared().message(text)
}

/// A path with its query, or a URL.
#[must_use]
pub fn path(path: &str) -> Redacted {
    shared().path(path.as_bytes())
}

/// A host, with or without a port.
#[must_use]
pub fn host(host: &str) -> Redacted {
    shared().host(host)
}

/// A name from a closed list.
#[must_use]
pub fn identifier(value: &str, allowed: &[&'static str]) -> Redacted {
    shared().identifier(value, allowed)
}

/// The redactor behind the functions of this module, for its other rules (`scope`, `model`, `request_id` …).
#[must_use]
pub fn redactor() -> &'static Redactor {
    shared()
}

/// For `#[serde(deserialize_with)]`: prose.
///
/// # Errors
/// If the input is no string.
pub fn deserialize_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Redacted, D::Error> {
    String::deserialize(deserializer).map(|value| text(&value))
}

/// For `#[serde(deserialize_with)]`: a path with its query, or a URL.
///
/// # Errors
/// If the input is no string.
pub fn deserialize_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Redacted, D::Error> {
    String::deserialize(deserializer).map(|value| path(&value))
}

/// For `#[serde(deserialize_with)]`: a host, with or without a port.
///
/// # Errors
/// If the input is no string.
pub fn deserialize_host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Redacted, D::Error> {
    String::deserialize(deserializer).map(|value| host(&value))
}
