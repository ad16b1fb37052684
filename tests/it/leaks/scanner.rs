//! Looks for secrets in bytes: every run of eight of their characters, in any case, under every encoding that can be
//! undone. Written from the definitions of the encodings; it shares nothing with what it judges.
//!
//! A run of hex digits alone has to have twelve: eight are a fingerprint, and of a million of those some are part of a
//! secret by chance. So has one that is only there when separators are left out, which glues together what is apart. Runs
//! of the useful strings that were sent are no secrets, though part of one may be the same by chance.

use super::secrets::Secret;
use std::collections::{BTreeMap, HashMap, HashSet};

const RUN: usize = 8;
const LONG_RUN: usize = 12;

/// The view that has letters and digits alone.
const BARE: &str = "without separators";

/// Bits of the first look at a run.
const BITS: u32 = 27;
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

pub(crate) struct Scanner {
    /// Which runs there may be; one look rules out nearly every place of a text.
    maybe: Vec<u64>,
    runs: HashMap<u64, (u32, u8)>,
    public: HashSet<u64>,
    secrets: Vec<Known>,
    pub(crate) leaks: Vec<Leak>,
    /// Runs of base64 and hex digits that were looked at: most of them come in every line.
    seen: HashSet<u64>,
    pub(crate) bytes: u64,
}

struct Known {
    owner: usize,
    parts: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Leak {
    /// Whose secret.
    pub(crate) owner: usize,
    pub(crate) sink: String,
    /// Which decodings were undone to see it.
    pub(crate) how: String,
    pub(crate) around: String,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self {
            maybe: vec![0; 1 << (BITS - 6)],
            runs: HashMap::new(),
            public: HashSet::new(),
            secrets: Vec::new(),
            leaks: Vec::new(),
            seen: HashSet::new(),
            bytes: 0,
        }
    }

    pub(crate) fn add(&mut self, owner: usize, secret: &Secret) {
        let parts: Vec<Vec<u8>> = secret.private.iter().map(|part| part.to_ascii_lowercase().into_bytes()).collect();
        let number = u32::try_from(self.secrets.len()).unwrap();
        for (index, part) in parts.iter().enumerate() {
            for run in part.windows(RUN) {
                let key = u64::from_be_bytes(run.try_into().unwrap());
                let (word, bit) = place(key);
                self.maybe[word] |= bit;
                self.runs.insert(key, (number, u8::try_from(index).unwrap()));
            }
        }
        self.secrets.push(Known { owner, parts });
    }

    /// What was sent to be seen.
    pub(crate) fn add_public(&mut self, text: &str) {
        let folded = text.to_ascii_lowercase();
        self.public.extend(folded.as_bytes().windows(RUN).map(|run| u64::from_be_bytes(run.try_into().unwrap())));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Looks through what one sink holds.
    pub(crate) fn search(&mut self, sink: &str, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.seen.clear();
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]) {
            let line = &bytes[from..end];
            from = end + 1;
            // A file for programs has the same short lines again and again.
            if line.len() > 200 || line.len() >= RUN && self.seen.insert(fingerprint(line)) {
                self.line(sink, line);
            }
        }
        // Across the ends of lines, as armour and folding have it.
        if bytes.len() < 1 << 20 {
            let joined: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            self.line(sink, &joined);
        }
        if bytes.contains(&0) {
            self.layers(sink, "without zeros", &without_zeros(bytes), 0);
        }
    }

    fn line(&mut self, sink: &str, line: &[u8]) {
        self.layers(sink, "as it is", line, 2);
        let bare: Vec<u8> =
            line.iter().copied().filter(|byte| byte.is_ascii_alphanumeric() || b"+/=%\\&#".contains(byte)).collect();
        if bare.len() < line.len() {
            self.compare(sink, BARE, &bare);
        }
    }

    /// `view`, and what it decodes to, `depth` times over.
    fn layers(&mut self, sink: &str, how: &str, view: &[u8], depth: usize) {
        self.compare(sink, how, view);
        if depth == 0 {
            return;
        }
        let has = |byte| memchr::memchr(byte, view).is_some();
        let mut decoded: Vec<(&str, Vec<u8>)> = Vec::new();
        if has(b'%') {
            decoded.push(("percent", percent(view)));
        }
        if has(b'\\') {
            decoded.push(("escapes", escapes(view)));
        }
        if has(b'&') {
            decoded.push(("entities", entities(view)));
        }
        if let Some(list) = numbers(view) {
            decoded.push(("a list of numbers", list));
        }
        for (name, text) in decoded {
            if text != view {
                self.layers(sink, &format!("{how}, {name}"), &text, depth - 1);
            }
        }
        self.digits(sink, how, view, depth);
    }

    /// Runs of base64 and hex digits, those once that come again and again.
    fn digits(&mut self, sink: &str, how: &str, view: &[u8], depth: usize) {
        for run in view.split(|byte| base64_value(*byte).is_none()).filter(|run| run.len() > RUN) {
            if !self.seen.insert(fingerprint(run)) {
                continue;
            }
            for shift in 0..4 {
                let bytes = base64(run.get(shift..).unwrap_or_default());
                if depth > 1 && run.len() > 2 * LONG_RUN {
                    self.layers(sink, &format!("{how}, base64"), &bytes, depth - 1);
                } else {
                    self.compare(sink, how, &bytes);
                }
            }
            for hex_run in run.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() >= 2 * RUN) {
                for shift in 0..2 {
                    let bytes = hex(hex_run.get(shift..).unwrap_or_default());
                    self.compare(sink, how, &bytes);
                }
            }
        }
    }

    fn compare(&mut self, sink: &str, how: &str, view: &[u8]) {
        let mut key = 0_u64;
        let folded = view.to_ascii_lowercase();
        for (at, byte) in folded.iter().enumerate() {
            key = key << 8 | u64::from(*byte);
            let hash = key.wrapping_mul(SPREAD) >> (64 - BITS);
            if self.maybe[(hash >> 6) as usize] >> (hash & 63) & 1 == 0 || at + 1 < RUN {
                continue;
            }
            if let Some((secret, part)) = self.runs.get(&key).copied()
                && !self.public.contains(&key)
            {
                self.weigh(sink, how, &folded, at + 1, (secret, part));
            }
        }
    }

    /// A run that ends at `end` is a secret's; some have to be longer.
    fn weigh(&mut self, sink: &str, how: &str, view: &[u8], end: usize, (secret, part): (u32, u8)) {
        let known = &self.secrets[secret as usize];
        if how == BARE || view[end - RUN..end].iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-') {
            let part = &known.parts[usize::from(part)];
            let is_long = |start: usize| {
                let long = view.get(start..start + LONG_RUN);
                long.is_some_and(|long| memchr::memmem::find(part, long).is_some())
            };
            if !(end.saturating_sub(LONG_RUN)..=end - RUN).any(is_long) {
                return;
            }
        }
        let owner = known.owner;
        if self.leaks.iter().any(|leak| leak.owner == owner && leak.sink == sink) {
            return;
        }
        let around = &view[end.saturating_sub(70)..(end + 50).min(view.len())];
        let around = String::from_utf8_lossy(around).into_owned();
        self.leaks.push(Leak { owner, sink: sink.to_owned(), how: how.to_owned(), around });
    }

    /// How many leaks there are of each owner.
    pub(crate) fn by_owner(&self) -> BTreeMap<usize, usize> {
        let mut count = BTreeMap::new();
        for leak in &self.leaks {
            *count.entry(leak.owner).or_default() += 1;
        }
        count
    }
}

fn place(key: u64) -> (usize, u64) {
    let hash = key.wrapping_mul(SPREAD) >> (64 - BITS);
    ((hash >> 6) as usize, 1 << (hash & 63))
}

/// FNV-1a, to know a run again.
fn fingerprint(run: &[u8]) -> u64 {
    run.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| *byte != 0).collect()
}

fn digit(byte: Option<&u8>, radix: u32) -> Option<u32> {
    byte.and_then(|byte| char::from(*byte).to_digit(radix))
}

/// RFC 3986 §2.1.
fn percent(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (digit(bytes.get(at + 1), 16), digit(bytes.get(at + 2), 16));
        if let (b'%', (Some(high), Some(low))) = (bytes[at], pair) {
            out.push(u8::try_from(high * 16 + low).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// `\u0066`, `\x66`, `\/` and their like (RFC 8259 §7). Zeros are left out: UTF-16 has them between letters.
fn escapes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let len = match bytes.get(at + 1) {
            Some(b'u') => 4,
            Some(b'x') => 2,
            _ => 0,
        };
        let code = bytes
            .get(at + 2..at + 2 + len)
            .filter(|_| len > 0)
            .and_then(|digits| digits.iter().try_fold(0_u32, |code, byte| Some(code * 16 + digit(Some(byte), 16)?)));
        match code {
            Some(code) => {
                let mut buffer = [0; 4];
                let c = char::from_u32(code).filter(|c| *c != '\0');
                out.extend(c.map(|c| c.encode_utf8(&mut buffer).as_bytes().to_vec()).unwrap_or_default());
                at += 2 + len;
            }
            None => {
                // The character itself, and a further backslash as what it may begin.
                at += 1;
                if bytes.get(at).is_some_and(|byte| *byte != b'\\') {
                    out.push(bytes[at]);
                    at += 1;
                }
            }
        }
    }
    out
}

/// Numeric character references (HTML §13.2.5.80).
fn entities(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let numeric = bytes[at] == b'&' && bytes.get(at + 1) == Some(&b'#');
        let hex = numeric && matches!(bytes.get(at + 2), Some(b'x' | b'X'));
        let (radix, from) = if hex { (16, at + 3) } else { (10, at + 2) };
        let digits = if numeric {
            bytes[from.min(bytes.len())..].iter().map_while(|b| digit(Some(b), radix)).take(7).collect()
        } else {
            Vec::new()
        };
        if digits.is_empty() {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let code = digits.iter().fold(0, |code, digit| code * radix + digit);
        out.extend(char::from_u32(code).map(|c| c.to_string().into_bytes()).unwrap_or_default());
        at = from + digits.len();
        at += usize::from(bytes.get(at) == Some(&b';'));
    }
    out
}

/// Eight numbers and more up to 255 with commas, blanks or brackets between them, as bytes.
fn numbers(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut row: Vec<u8> = Vec::new();
    let mut number: Option<u32> = None;
    for byte in bytes.iter().chain(b"\n") {
        match byte {
            b'0'..=b'9' => number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(u32::from(byte - b'0'))),
            b',' | b' ' | b';' | b'[' | b']' | b'\n' => match number.take().map(u8::try_from) {
                Some(Ok(one)) => row.push(one),
                Some(Err(_)) => row.clear(),
                None => {}
            },
            _ => {
                if row.len() >= RUN {
                    out.append(&mut row);
                    out.push(b'\n');
                }
                row.clear();
                number = None;
            }
        }
    }
    if row.len() >= RUN {
        out.append(&mut row);
    }
    (!out.is_empty()).then_some(out)
}

fn hex(run: &[u8]) -> Vec<u8> {
    let pair = |pair: &[u8]| digit(pair.first(), 16).zip(digit(pair.get(1), 16));
    run.chunks_exact(2).filter_map(pair).map(|(high, low)| u8::try_from(high * 16 + low).unwrap()).collect()
}

/// Both alphabets (RFC 4648 §4, §5).
fn base64_value(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn base64(run: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(run.len());
    for group in run.chunks(4) {
        let bits = group.iter().fold(0, |bits, byte| bits << 6 | base64_value(*byte).unwrap_or(0));
        let bits = bits << (6 * (4 - group.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    out
}
