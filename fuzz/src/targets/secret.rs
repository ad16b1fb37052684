//! Secrets that stand where an input has a `§`, and what may not be left of them.

use authtrace::redact::{Options, Redactor};
use std::ops::Range;
use std::sync::Arc;

/// The place of the secret in an input.
const MARK: &[u8] = "§".as_bytes();

/// A run of a secret that may be nowhere: this many bytes.
const RUN: usize = 8;

/// A small generator (xorshift64*), so that an input decides everything.
pub struct Dice(u64);

impl Dice {
    /// The same for the same input.
    pub fn of(data: &[u8]) -> Self {
        let hash = data
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        Self(hash | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number in `range`, or its start.
    pub fn roll(&mut self, range: Range<usize>) -> usize {
        range.start + self.next() as usize % range.len().max(1)
    }

    /// Where `len` bytes are cut into pieces: the ends of the pieces, the last one is `len`.
    pub fn cuts(&mut self, len: usize) -> Vec<usize> {
        let longest = [2, 9, 64, 4096][self.roll(0..4)];
        let mut ends = Vec::new();
        let mut at = 0;
        while at < len {
            at = (at + self.roll(1..longest)).min(len);
            ends.push(at);
        }
        ends
    }
}

/// Two secrets alike in everything but their characters.
///
/// They depend on the input, so that the fuzzer cannot learn them. Each four bytes hold a small letter, a capital and a
/// digit, so that no part of one is a word, a number, hexadecimal or the name of something.
pub fn pair(data: &[u8]) -> [String; 2] {
    let mut dice = Dice::of(data);
    [(); 2].map(|()| {
        let group = |dice: &mut Dice| {
            let of = |dice: &mut Dice, set: &str| char::from(set.as_bytes()[dice.roll(0..set.len())]);
            [
                of(dice, "ghjkmnpqrstuvwxyz"),
                of(dice, "23456789"),
                of(dice, "GHJKLMNPQRSTUVWXYZ"),
                of(dice, "ghjkmnpqrs"),
            ]
        };
        let mut secret = String::from("FAKE");
        for at in 0..8 {
            secret.extend(group(&mut dice));
            match at {
                2 => secret.push('-'),
                5 => secret.push('_'),
                _ => {}
            }
        }
        secret
    })
}

/// Whether the input has a place for a secret.
pub fn has_mark(data: &[u8]) -> bool {
    data.windows(MARK.len()).any(|window| window == MARK)
}

/// The input with the secret in its places.
pub fn put(data: &[u8], secret: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 64);
    let mut rest = data;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(secret.as_bytes());
        rest = &rest[at + MARK.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// Panics if a run of the secret stands in `shown`.
#[track_caller]
pub fn assert_absent(shown: &str, secret: &str) {
    // Its beginning is the same in all secrets, and in the seeds.
    let core = &secret["FAKE".len()..];
    for at in 0..=core.len() - RUN {
        assert!(!shown.contains(&core[at..at + RUN]), "a part of the secret {secret} is shown: {shown}");
    }
}

/// What `show` makes of the input may differ in fingerprints alone when the secret differs, and never holds a part of it.
#[track_caller]
pub fn assert_hidden(data: &[u8], show: impl Fn(&[u8]) -> String) {
    let [one, other] = pair(data).map(|secret| {
        let shown = show(&put(data, &secret));
        assert_absent(&shown, &secret);
        without_fingerprints(&shown)
    });
    assert_eq!(one, other, "the same but for the secret, and shown differently");
}

/// The text without the digits of its fingerprints.
pub fn without_fingerprints(text: &str) -> String {
    let mut plain = text.to_owned();
    for mark in ["fp=", "\"fp\":\"", "fp%3D"] {
        let mut parts = plain.split(mark);
        let mut bare = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            bare.push_str(mark);
            let digits = part.bytes().take(8).take_while(u8::is_ascii_hexdigit).count();
            bare.push_str(if digits == 8 { &part[8..] } else { part });
        }
        plain = bare;
    }
    plain
}

/// A redactor whose fingerprints are the same in every run.
pub fn redactor() -> Arc<Redactor> {
    Arc::new(Redactor::new(Options::default().with_key([7; 32])).expect("no option that could be refused"))
}
