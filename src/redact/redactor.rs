//! The redactor of one trace: its key, what the user allowed, and what it has learned.

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use regex::bytes::{Regex, RegexBuilder};
use zeroize::Zeroizing;

use super::fingerprint::{Digest, Fingerprint, Fingerprinter};
use super::headers;
use super::kind::{self, Credential, Kind, Length, Place};
use super::marker;
use super::message;
use super::redacted::Redacted;
use super::secret::Secret;
use super::taint::{Origin, Taint};

/// Inputs longer than this, in bytes, are described by their length alone.
pub(super) const TOO_LONG: usize = 64 * 1024;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Request,
    /// To the client.
    Response,
}

/// A header that the user wants verbatim where its whole value matches.
#[derive(Clone, Debug)]
pub struct Keep {
    /// The header's name, in any case.
    pub name: String,
    /// A regular expression; it is anchored at both ends.
    pub grammar: String,
}

/// What a [`Redactor`] is made of.
#[derive(Clone, Default)]
pub struct Options {
    key: Option<Zeroizing<[u8; 32]>>,
    hosts: Vec<String>,
    keep: Vec<Keep>,
}

impl Options {
    /// Uses `key` for fingerprints instead of a random one, so that traces can be compared.
    #[must_use]
    pub fn with_key(mut self, key: [u8; 32]) -> Self {
        self.key = Some(Zeroizing::new(key));
        self
    }

    /// Shows these hosts verbatim: those that the user named.
    #[must_use]
    pub fn with_hosts<I: IntoIterator<Item = S>, S: Into<String>>(mut self, hosts: I) -> Self {
        self.hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Shows the values of further headers where they match.
    #[must_use]
    pub fn with_keep<I: IntoIterator<Item = Keep>>(mut self, keep: I) -> Self {
        self.keep.extend(keep);
        self
    }
}

/// Why options were refused.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// The header carries credentials.
    #[error("the header `{0}` carries credentials and cannot be kept")]
    KeepCredential(Redacted),
    /// The name is not a field name (RFC 9110 §5.1).
    #[error("`[[keep]]` entry {0} (counted from 1) has no valid header name")]
    KeepName(usize),
    /// The grammar is no regular expression, or too large a one.
    #[error("`[[keep]]` entry {0} (counted from 1) has no valid regular expression")]
    KeepGrammar(usize),
}

/// Turns raw bytes into text that may be written anywhere. One per trace, shared by all connections;
/// [`for_answers`](Self::for_answers) tells it what servers sent.
pub struct Redactor {
    shared: Arc<Shared>,
    /// Where what is given to it comes from.
    origin: Origin,
}

struct Shared {
    fingerprinter: Fingerprinter,
    hosts: RwLock<Vec<String>>,
    keep: Vec<(String, Regex)>,
    taint: Taint,
}

impl Redactor {
    /// Makes a redactor; without a key in `options` it draws a random one.
    ///
    /// # Errors
    /// A `[[keep]]` entry that names a header carrying credentials, or whose grammar is no regular expression.
    pub fn new(options: Options) -> Result<Self, RedactError> {
        let mut keep = Vec::with_capacity(options.keep.len());
        for (index, entry) in options.keep.iter().enumerate() {
            keep.push(headers::checked_keep(index + 1, entry, compile)?);
        }
        let hosts = options.hosts.iter().map(|host| host.trim_end_matches('.').to_ascii_lowercase()).collect();
        Ok(Self::build(options.key.unwrap_or_else(random_key), hosts, keep))
    }

    /// A redactor with a random key and nothing allowed besides the built-in rules.
    #[must_use]
    pub fn plain() -> Self {
        Self::build(random_key(), Vec::new(), Vec::new())
    }

    /// Shows one more host verbatim, as [`Options::with_hosts`] does.
    pub(super) fn show_host(&self, host: &str) {
        let mut hosts = self.shared.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if hosts.iter().all(|known| known != host) {
            hosts.push(host.to_owned());
        }
    }

    /// Whether the user named this host (in lower case).
    pub(super) fn is_named_host(&self, host: &str) -> bool {
        self.shared.hosts.read().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known == host)
    }

    fn build(key: Zeroizing<[u8; 32]>, hosts: Vec<String>, keep: Vec<(String, Regex)>) -> Self {
        let fingerprinter = Fingerprinter::new(&key);
        let taint = Taint::new(fingerprinter.digest(b"taint net").identity);
        let shared = Arc::new(Shared { fingerprinter, hosts: RwLock::new(hosts), keep, taint });
        Self { shared, origin: Origin::Client }
    }

    /// The same redactor for what servers send. What it learns there is masked everywhere as well, and has room of its
    /// own in the bounded memory: no server can make it forget what a client holds.
    #[must_use]
    pub fn for_answers(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), origin: Origin::Server }
    }

    /// Changes whenever something that was learned may have been forgotten: what is in use has to be learned again then.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.taint().forgets()
    }

    pub(super) fn taint(&self) -> &Taint {
        &self.shared.taint
    }

    pub(super) fn keep(&self) -> &[(String, Regex)] {
        &self.shared.keep
    }

    /// The fingerprint of `value` exactly as it is; nothing is learned.
    #[must_use]
    pub fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        self.shared.fingerprinter.fingerprint(value)
    }

    /// Describes the credential in a body field, and learns it. `hint` is what the field's name says; a public prefix
    /// says more.
    #[must_use]
    pub fn credential(&self, raw: &[u8], hint: Kind) -> Credential {
        self.describe(raw, hint, Place::Other)
    }

    /// Like [`credential`](Self::credential), from a value that stays wrapped.
    #[must_use]
    pub fn secret(&self, secret: &Secret, hint: Kind) -> Credential {
        self.credential(secret.expose(), hint)
    }

    /// Adds `secret` to the values that [`seal`](Self::seal) masks wherever they turn up.
    pub fn learn(&self, secret: &[u8]) {
        let (core, _) = kind::strip(secret);
        self.learn_core(core, kind::classify(core).2);
    }

    pub(super) fn describe(&self, raw: &[u8], hint: Kind, place: Place) -> Credential {
        if let Some(credential) = kind::reread(raw) {
            return credential;
        }
        let (core, mut flags) = kind::strip(raw);
        let (by_prefix, prefix, prefix_len) = kind::classify(core);
        let kind = if by_prefix == Kind::Unknown { hint } else { by_prefix };
        kind::inspect(core, kind, place, &mut flags);
        let digest = self.shared.fingerprinter.digest(core);
        if !kind::is_placeholder(core) && !marker::is_whole(core) {
            let origin = if place == Place::Cookie { self.origin.of_cookie() } else { self.origin };
            self.taint().learn(core, prefix_len, digest.identity, origin);
            self.learn_phrase(core, origin);
        }
        let len = if kind.has_public_length() { Length::exact(core.len()) } else { Length::bucket(core.len()) };
        Credential { kind, len, fp: digest.shown, flags, prefix }
    }

    pub(super) fn learn_core(&self, core: &[u8], prefix_len: usize) {
        if !marker::is_whole(core) && !kind::is_placeholder(core) {
            self.taint().learn(core, prefix_len, self.digest(core).identity, self.origin);
            let squeezed = message::squeezed(core.iter().copied());
            if squeezed.len() < core.len() && squeezed.len() >= 12 {
                let prefix_len = message::squeezed(core.iter().take(prefix_len).copied()).len();
                self.taint().learn(&squeezed, prefix_len, self.digest(&squeezed).identity, self.origin);
            }
            self.learn_phrase(core, self.origin);
        }
    }

    /// What is made of words passes as prose in any case and with anything between them: [`message`](Self::message)
    /// looks for its letters alone.
    fn learn_phrase(&self, core: &[u8], origin: Origin) {
        if message::is_phrase(core) {
            let letters = message::squeezed(core.iter().map(u8::to_ascii_lowercase));
            if letters.len() >= 12 {
                self.taint().learn(&letters, 0, self.digest(&letters).identity, origin);
            }
        }
    }

    pub(super) fn digest(&self, value: &[u8]) -> Digest {
        self.shared.fingerprinter.digest(value)
    }

    /// `‹len≤32 fp=…›`; what already is a marker, and nothing at all, stay as they are.
    pub(super) fn opaque(&self, value: &[u8]) -> String {
        match std::str::from_utf8(value) {
            Ok("") => String::new(),
            Ok(text) if marker::is_whole(value) => text.to_owned(),
            _ if value.len() > TOO_LONG => too_long(value.len()),
            _ => format!("‹{} fp={}›", Length::bucket(value.len()), self.fingerprint(value)),
        }
    }

    /// `‹label fp=…›`; what already is a marker stays as it is.
    pub(super) fn labelled(&self, label: &str, value: &[u8]) -> String {
        match std::str::from_utf8(value) {
            Ok(text) if marker::is_whole(value) => text.to_owned(),
            _ => format!("‹{label} fp={}›", self.fingerprint(value)),
        }
    }
}

/// `‹too-long len≤131072›`
pub(super) fn too_long(len: usize) -> String {
    format!("‹{} {}›", marker::TOO_LONG, Length::bucket(len))
}

/// Runs `redact`; a panic in it gives `None` instead of ending the connection.
pub fn guard<T>(redact: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(redact)).ok()
}

/// The whole of a value must match: the pattern is valid by itself first, so that it cannot close the group.
fn compile(pattern: &str) -> Option<Regex> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(1 << 20).build().ok();
    build(pattern)?;
    build(&format!(r"\A(?:{pattern})\z"))
}

fn random_key() -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    if getrandom::getrandom(&mut *key).is_err() {
        // No system randomness: the seeds of the standard library's hasher are the best that is left.
        for (index, chunk) in key.chunks_mut(8).enumerate() {
            chunk.copy_from_slice(&RandomState::new().hash_one(index).to_le_bytes());
        }
    }
    key
}
