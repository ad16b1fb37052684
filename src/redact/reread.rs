//! Text that comes from a file is redacted again.
//!
//! What already is `‹…›`, and what the rules let through, stays as it is; everything else becomes a fingerprint. The
//! functions share one redactor of the process, whose key is random unless [`configure`] came first: a fingerprint
//! that has to be made here cannot be compared with those in the file, and shows that the file was not ours.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
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
    if let Some(known) = UNCHANGED.with_borrow(|unchanged| unchanged.field(name, value)) {
        return known;
    }
    let (shown, kept) = shared().field(name.as_bytes(), value.as_bytes(), None);
    if shown == *name && kept == *value {
        UNCHANGED.with_borrow_mut(|unchanged| unchanged.keep_field(&shown, &kept));
    }
    (shown, kept)
}

/// Prose, for example an error message.
#[must_use]
pub fn text(text: &str) -> Redacted {
    once("text", text, |text| shared().message(text))
}

/// A path with its query, or a URL.
#[must_use]
pub fn path(path: &str) -> Redacted {
    once("path", path, |path| shared().path(path.as_bytes()))
}

/// A host, with or without a port.
#[must_use]
pub fn host(host: &str) -> Redacted {
    once("host", host, |host| shared().host(host))
}

/// A word of a trace: methods, places, names of variables.
#[must_use]
pub fn word(word: &str) -> Redacted {
    once("word", word, |word| shared().word(word))
}

/// Applies a rule, or remembers that it lets this text through as it is.
fn once(rule: &'static str, text: &str, apply: impl FnOnce(&str) -> Redacted) -> Redacted {
    if let Some(known) = UNCHANGED.with_borrow(|unchanged| unchanged.text(rule, text)) {
        return known;
    }
    let redacted = apply(text);
    if redacted == *text {
        UNCHANGED.with_borrow_mut(|unchanged| unchanged.keep_text(rule, &redacted));
    }
    redacted
}

thread_local! {
    static UNCHANGED: RefCell<Unchanged> = RefCell::default();
}

/// Texts that came out of a rule as they went in. A trace repeats most of what it says: what is remembered need not be
/// judged again, and is held once however many records hold it.
#[derive(Default)]
struct Unchanged {
    texts: HashMap<&'static str, HashSet<Redacted>>,
    fields: HashMap<Redacted, HashSet<Redacted>>,
    count: usize,
}

impl Unchanged {
    /// Beyond this many it is begun anew.
    const MOST: usize = 16 * 1024;
    /// Longer texts are not remembered, in bytes.
    const LONGEST: usize = 1024;

    fn text(&self, rule: &'static str, text: &str) -> Option<Redacted> {
        self.texts.get(rule)?.get(text).cloned()
    }

    fn field(&self, name: &str, value: &str) -> Option<(Redacted, Redacted)> {
        let (name, values) = self.fields.get_key_value(name)?;
        Some((name.clone(), values.get(value)?.clone()))
    }

    fn keep_text(&mut self, rule: &'static str, text: &Redacted) {
        if self.has_room(text) {
            self.texts.entry(rule).or_default().insert(text.clone());
        }
    }

    fn keep_field(&mut self, name: &Redacted, value: &Redacted) {
        if self.has_room(value) {
            self.fields.entry(name.clone()).or_default().insert(value.clone());
        }
    }

    fn has_room(&mut self, text: &Redacted) -> bool {
        if self.count >= Self::MOST {
            *self = Self::default();
        }
        self.count += 1;
        text.as_str().len() <= Self::LONGEST
    }
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
