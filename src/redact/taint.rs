//! The second layer: secrets seen in this run are masked wherever they turn up in a finished line.
//!
//! Every run of twelve bytes of a secret is kept as a keyed 64-bit hash, along with some runs of its hex and base64
//! forms. Whatever twelve bytes a line has in common with them, eight of these begin at a multiple of five: only there
//! a line is looked at, through bit sets of all eights of the kept runs (Bloom filters, keyed as well), and only where
//! these say yes, the runs around are hashed. JSON escapes and percent encoding are undone only where a string has them. What is common knowledge (this room's own lists) and runs with
//! few different bytes are not kept, or every line would hit.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub(super) use self::known::Origin;
use self::known::{Gram, Known, Lesson};
use super::marker::{self, MASKED};
use super::redactor::Redactor;
use super::{grammar, identifier, message, routes};

/// Bytes in a run.
const GRAM: usize = 12;

/// Bytes of a run that are looked at first, and how far apart: every run holds one whole such piece.
const PROBE: usize = 8;
const PROBES: usize = GRAM - PROBE + 1;

/// The shortest secret that is looked for, in bytes; below [`GRAM`] it must stand alone.
const SHORTEST: usize = 8;

/// No more than this of one secret is kept, in bytes.
const LONGEST: usize = 8 * 1024;

/// Every so many runs of an encoded form are kept: an echo of the whole is found all the same.
const STRIDE: usize = 6;

/// A line that went through the taint net: ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    text: String,
    hits: usize,
}

impl Sealed {
    /// The line.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line, by value.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// How many strings had to be masked: each is a fault of the first layer.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.hits
    }
}

impl Redactor {
    /// Masks every string of a finished line that holds a learned secret, in plain, escaped, percent-encoded, hex or
    /// base64 form. JSON stays JSON.
    #[must_use]
    pub fn seal(&self, line: String) -> Sealed {
        self.taint().seal(line)
    }

    /// Whether [`seal`](Self::seal) would leave a line as it is.
    #[must_use]
    pub fn is_clean(&self, line: impl AsRef<[u8]>) -> bool {
        self.taint().tainted_spans(&self.taint().read(), line.as_ref()).is_empty()
    }

    /// How many strings [`seal`](Self::seal) has masked so far.
    #[must_use]
    pub fn masked(&self) -> u64 {
        self.taint().masked.load(Ordering::Relaxed)
    }
}

/// What the secrets of this run look like, as hashes.
pub(super) struct Taint {
    /// Random words by byte.
    enter: Box<[u64; 256]>,
    /// The same, rotated by the length of a short secret's head.
    leave_short: Box<[u64; 256]>,
    /// What keys the filters.
    probe_key: u64,
    common: OnceLock<HashSet<u64, PlainState>>,
    known: RwLock<Known>,
    learned: AtomicU64,
    masked: AtomicU64,
}

impl Taint {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        let enter: Box<[u64; 256]> = Box::new(std::array::from_fn(|_| split_mix(&mut state)));
        let leave_short = Box::new(enter.map(|word| word.rotate_left(SHORTEST as u32)));
        Self {
            probe_key: split_mix(&mut state),
            enter,
            leave_short,
            common: OnceLock::new(),
            known: RwLock::default(),
            learned: AtomicU64::new(0),
            masked: AtomicU64::new(0),
        }
    }

    /// Adds a secret whose first `prefix` bytes are public; `identity` stands for the whole of it.
    pub(super) fn learn(&self, core: &[u8], prefix: usize, identity: u64, origin: Origin) {
        if core.len() < edges::WORD || self.read().is_fresh(origin, identity) {
            return;
        }
        let grams = self.grams(core, prefix);
        let edges = edges::edges(core, prefix).map(|edge| self.word(edge)).collect();
        let lesson = Lesson { identity, grams: &grams, edges, short: self.short(core) };
        self.known.write().unwrap_or_else(PoisonError::into_inner).keep(origin, lesson);
        self.learned.fetch_add(1, Ordering::Relaxed);
    }

    /// How a secret that has no whole run is kept.
    fn short(&self, core: &[u8]) -> Option<(u64, (usize, u64))> {
        if !(SHORTEST..GRAM).contains(&core.len()) {
            return None;
        }
        let head = self.hash(&core[..SHORTEST]);
        (!self.common().contains(&head)).then(|| (head, (core.len(), self.hash(core))))
    }

    /// How often something may have been forgotten: what was learned before the last time may be unknown by now.
    pub(super) fn forgets(&self) -> u64 {
        self.read().forgets()
    }

    /// How many secrets have been learned so far.
    pub(super) fn learned(&self) -> u64 {
        self.learned.load(Ordering::Relaxed)
    }

    /// Where learned secrets stand in `bytes`, as they are.
    pub(super) fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut hits = Vec::new();
        self.scan(&self.read(), bytes, &mut |hit| hits.push(hit));
        hits
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn scan(&self, known: &Known, bytes: &[u8], hit: &mut dyn FnMut(Range<usize>)) {
        if known.holds_any() {
            for (index, step) in bytes.windows(PROBE).step_by(PROBES).enumerate() {
                if known.may_hold(self.probe(step)) {
                    self.look_around(known, bytes, index * PROBES, hit);
                }
            }
        }
        if bytes.len() >= SHORTEST && known.generations().any(|generation| !generation.shorts.is_empty()) {
            self.scan_short(known, bytes, hit);
        }
    }

    /// The runs that hold the piece at `at`.
    #[cold]
    fn look_around(&self, known: &Known, bytes: &[u8], at: usize, hit: &mut dyn FnMut(Range<usize>)) {
        for start in at.saturating_sub(PROBES - 1)..=at {
            let gram = start..start + GRAM;
            if bytes.get(gram.clone()).is_some_and(|run| known.holds(self.hash(run))) {
                hit(gram);
            }
        }
    }

    fn scan_short(&self, known: &Known, bytes: &[u8], hit: &mut dyn FnMut(Range<usize>)) {
        let mut hash = self.hash(&bytes[..SHORTEST]);
        let inside = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
        for start in 0..=bytes.len() - SHORTEST {
            if start > 0 {
                let (new, old) = (bytes[start + SHORTEST - 1], bytes[start - 1]);
                hash = hash.rotate_left(1) ^ self.enter[usize::from(new)] ^ self.leave_short[usize::from(old)];
            }
            for generation in known.generations() {
                for (len, whole) in generation.shorts.get(&hash).into_iter().flatten() {
                    let end = start + len;
                    let follows = start > 0 && inside(start - 1);
                    if !follows && !inside(end) && bytes.get(start..end).is_some_and(|text| self.hash(text) == *whole) {
                        hit(start..end);
                    }
                }
            }
        }
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        bytes.iter().fold(0u64, |hash, b| hash.rotate_left(1) ^ self.enter[usize::from(*b)])
    }

    /// The hash of the first eight bytes.
    fn probe(&self, bytes: &[u8]) -> u64 {
        let word = bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        let product = u128::from(word ^ self.probe_key) * 0x9e37_79b9_7f4a_7c15;
        product as u64 ^ (product >> 64) as u64
    }

    fn gram(&self, run: &[u8]) -> Gram {
        let mut probes = [0; PROBES];
        for (probe, piece) in probes.iter_mut().zip(run.windows(PROBE)) {
            *probe = self.probe(piece);
        }
        Gram { hash: self.hash(run), probes }
    }

    /// What to keep of one secret: of itself, and of its encoded forms.
    fn grams(&self, core: &[u8], prefix: usize) -> Vec<Gram> {
        if core.len() < GRAM {
            return Vec::new();
        }
        let core = &core[..core.len().min(LONGEST)];
        let own = if core.len() >= prefix + GRAM { &core[prefix..] } else { &core[core.len() - GRAM..] };
        let numeric = own.iter().all(u8::is_ascii_digit);
        let keep = |gram: &&[u8]| is_telling(gram, numeric);
        // What redaction has made is no secret, even where it stands inside one.
        let pieces = marker::between(own);
        let mut grams: Vec<Gram> =
            pieces.iter().flat_map(|piece| piece.windows(GRAM)).filter(keep).map(|gram| self.gram(gram)).collect();
        for form in pieces.iter().filter(|piece| piece.len() >= SHORTEST).flat_map(|piece| encoded_forms(piece)) {
            grams.extend(form.windows(GRAM).step_by(STRIDE).filter(keep).map(|gram| self.gram(gram)));
        }
        let common = self.common();
        grams.retain(|gram| !common.contains(&gram.hash));
        grams
    }

    /// Runs that this room's own lists contain.
    fn common(&self) -> &HashSet<u64, PlainState> {
        self.common.get_or_init(|| {
            let names = grammar::RULES.iter().map(|rule| rule.0);
            let lists: [&[&str]; 18] = [
                grammar::SERVERS,
                grammar::PRODUCTS,
                grammar::COMMENTS,
                grammar::MEDIA_TYPES,
                grammar::AUTH_PARAMS,
                grammar::AUTH_VALUES,
                grammar::COOKIES,
                identifier::ERROR_TYPES,
                identifier::OAUTH_ERRORS,
                identifier::GRANT_TYPES,
                identifier::SCOPES,
                identifier::EVENTS,
                identifier::STOP_REASONS,
                identifier::JSON_KEYS,
                identifier::CLIENT_IDS,
                routes::ROUTES,
                routes::QUERY_KEYS,
                message::TEMPLATES,
            ];
            let mut common = HashSet::default();
            for text in names.chain(lists.into_iter().flatten().copied()).chain(COMMON) {
                common.extend(text.as_bytes().windows(GRAM).map(|gram| self.hash(gram)));
                common.extend(text.as_bytes().get(..SHORTEST).map(|head| self.hash(head)));
            }
            for text in message::TEMPLATES.iter().chain(message::PHRASES) {
                let letters = message::squeezed(text.bytes().map(|byte| byte.to_ascii_lowercase()));
                common.extend(letters.windows(GRAM).map(|gram| self.hash(gram)));
            }
            common
        })
    }

    fn seal(&self, line: String) -> Sealed {
        let known = self.read();
        let mut spans = self.tainted_spans(&known, line.as_bytes());
        if spans.is_empty() {
            return Sealed { text: line, hits: 0 };
        }
        spans.sort_by_key(|span| span.0.start);
        let mut text = String::with_capacity(line.len());
        let mut at = 0;
        for (span, number) in &spans {
            text.push_str(line.get(at..span.start).unwrap_or_default());
            text.push_str(if *number { "0" } else { MASKED });
            at = span.end;
        }
        text.push_str(line.get(at..).unwrap_or_default());
        if !self.tainted_spans(&known, text.as_bytes()).is_empty() {
            text = if is_json(line.as_bytes()) { format!("\"{MASKED}\"") } else { MASKED.to_owned() };
        }
        self.masked.fetch_add(spans.len() as u64, Ordering::Relaxed);
        Sealed { text, hits: spans.len() }
    }

    /// The strings (and numbers: `true`) of a line that hold a secret, by the bytes between their quotation marks.
    fn tainted_spans(&self, known: &Known, bytes: &[u8]) -> Vec<(Range<usize>, bool)> {
        let mut hits = Vec::new();
        self.scan(known, bytes, &mut |hit| hits.push(hit));
        let encoded = known.holds_any() && memchr::memchr2(b'\\', b'%', bytes).is_some();
        if hits.is_empty() && !encoded {
            return Vec::new();
        }
        let mut spans = if is_json(bytes) { literals(bytes) } else { words(bytes) };
        spans.retain(|(span, _)| {
            hits.iter().any(|hit| hit.start < span.end && span.start < hit.end)
                || (encoded && bytes.get(span.clone()).is_some_and(|text| self.hides(known, text)))
        });
        spans
    }

    /// Whether a string holds a secret once escapes are undone, up to three layers of them.
    fn hides(&self, known: &Known, text: &[u8]) -> bool {
        if memchr::memchr2(b'\\', b'%', text).is_none() {
            return false;
        }
        let mut view = Zeroizing::new(text.to_vec());
        for layer in [Layer::Json, Layer::Percent, Layer::Json, Layer::Percent, Layer::Json, Layer::Percent] {
            let next = Zeroizing::new(unescaped(&view, layer));
            if *next == *view {
                continue;
            }
            view = next;
            let mut found = false;
            self.scan(known, &view, &mut |_| found = true);
            if found {
                return true;
            }
        }
        false
    }
}

/// Text that records are full of, besides the lists.
const COMMON: [&str; 8] = [
    "https://api.anthropic.com/v1/messages",
    "https://platform.claude.com/oauth/code/callback",
    "https://claude.ai/oauth/authorize",
    "http://localhost:",
    "claude-code-20250219,oauth-2025-04-20",
    "Bearer realm=",
    "user:profile user:inference user:sessions:claude_code",
    "aws4_request/bedrock/us-east-1",
];

/// At least five different bytes, and not digits with separators alone: those are dates and counters.
fn is_telling(gram: &[u8], numeric: bool) -> bool {
    let mut seen = [false; 256];
    gram.iter().for_each(|b| seen[usize::from(*b)] = true);
    let different = seen.iter().filter(|seen| **seen).count();
    let counter =
        gram.iter().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'.' | b'T' | b'Z' | b' ' | b'/' | b','));
    different >= 5 && (numeric || !counter)
}

fn encoded_forms(own: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let hex: String = own.iter().map(|b| format!("{b:02x}")).collect();
    let mut forms = vec![Zeroizing::new(hex.to_ascii_uppercase().into_bytes()), Zeroizing::new(hex.into_bytes())];
    for shift in 0..3 {
        let shifted = Zeroizing::new([&[0; 2][..shift], own].concat());
        forms.push(aligned(&shifted, shift));
        let url: Vec<u8> = aligned(&shifted, shift)
            .iter()
            .map(|b| [*b, b'-', b'_'][usize::from(*b == b'+') + 2 * usize::from(*b == b'/')])
            .collect();
        forms.push(Zeroizing::new(url));
    }
    for inner in [2, 4, 6] {
        for shift in 1..3 {
            let shifted =
                Zeroizing::new([&[0; 2][..shift], &**forms.get(inner).unwrap_or(&Zeroizing::default())].concat());
            forms.push(aligned(&shifted, shift));
        }
        let plain = forms.get(inner).map(|form| aligned(form, 0));
        forms.extend(plain);
    }
    forms
}

/// Base64 without the characters that also depend on neighbouring bytes: the first `shift` bytes are not ours.
fn aligned(bytes: &[u8], shift: usize) -> Zeroizing<Vec<u8>> {
    let text = Zeroizing::new(STANDARD.encode(bytes).into_bytes());
    let start = [0, 2, 3][shift.min(2)];
    Zeroizing::new(text.get(start..text.len().saturating_sub(4)).unwrap_or_default().to_vec())
}

fn is_json(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'))
}

/// The strings of a JSON line without their quotation marks, and its numbers (`true`).
fn literals(bytes: &[u8]) -> Vec<(Range<usize>, bool)> {
    let mut spans = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let start = at + 1;
                at = start;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                spans.push((start..at.min(bytes.len()), false));
                at += 1;
            }
            b'0'..=b'9' | b'-' => {
                let start = at;
                while at < bytes.len() && matches!(bytes[at], b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') {
                    at += 1;
                }
                spans.push((start..at, true));
            }
            _ => at += 1,
        }
    }
    spans
}

/// The runs without white space of a line that is not JSON.
fn words(line: &[u8]) -> Vec<(Range<usize>, bool)> {
    let Ok(line) = std::str::from_utf8(line) else { return vec![(0..line.len(), false)] };
    let base = line.as_ptr() as usize;
    line.split_whitespace()
        .map(|word| {
            let start = word.as_ptr() as usize - base;
            (start..start + word.len(), false)
        })
        .collect()
}

/// A way of writing bytes as others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Json,
    Percent,
}

/// One layer undone.
fn unescaped(text: &[u8], layer: Layer) -> Vec<u8> {
    let hex = |range: Range<usize>| {
        let digits = std::str::from_utf8(text.get(range)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(b) = text.get(at) {
        let (bytes, len) = match (b, text.get(at + 1)) {
            (b'%', _) if layer == Layer::Json => (None, 1),
            (b'\\', _) if layer == Layer::Percent => (None, 1),
            (b'%', Some(_)) => match hex(at + 1..at + 3) {
                Some(byte) => (Some(char::from(byte as u8)), 3),
                None => (None, 1),
            },
            (b'\\', Some(b'u')) => match hex(at + 2..at + 6).and_then(char::from_u32) {
                Some(c) => (Some(c), 6),
                None => (None, 1),
            },
            (b'\\', Some(b'n')) => (Some('\n'), 2),
            (b'\\', Some(b't')) => (Some('\t'), 2),
            (b'\\', Some(b'r')) => (Some('\r'), 2),
            (b'\\', Some(c @ (b'"' | b'\\' | b'/'))) => (Some(char::from(*c)), 2),
            _ => (None, 1),
        };
        match bytes {
            Some(c) if u32::from(c) < 256 => plain.push(c as u8),
            Some(c) => plain.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            None => plain.push(*b),
        }
        at += len;
    }
    plain
}

/// SplitMix64: spreads the keyed seed over the tables.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

type PlainState = BuildHasherDefault<Plain>;

/// The keys are keyed hashes already.
#[derive(Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 = self.0.rotate_left(8) ^ u64::from(*b));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

mod edges;
mod filter;
mod known;
#[cfg(test)]
mod tests;
