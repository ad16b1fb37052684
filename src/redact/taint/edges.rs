//! Words of a message that are a short secret, or one end of a longer one.

use super::{GRAM, SHORTEST, Taint};
use crate::redact::message;

/// The shortest secret, and the shortest end of one, that is looked for as a whole word of a message.
pub(super) const WORD: usize = 4;

impl Taint {
    /// Whether this word is a short secret, or what a longer one begins or ends with (`the key ending in …`). What is in
    /// small letters is known in any case: it may begin a sentence.
    pub(in crate::redact) fn is_edge(&self, word: &[u8]) -> bool {
        if !(WORD..GRAM).contains(&word.len()) {
            return false;
        }
        let (known, hashes) = (self.read(), [self.word(word), self.word(&word.to_ascii_lowercase())]);
        hashes.iter().any(|hash| known.has_edge(*hash))
    }

    pub(super) fn word(&self, word: &[u8]) -> u64 {
        self.hash(word) ^ word.len() as u64
    }
}

/// What a message may repeat of a secret as one word: all of a short one, else the beginning behind its public prefix
/// and the end. Words of messages that are known by heart are none.
pub(super) fn edges(core: &[u8], prefix: usize) -> impl Iterator<Item = &[u8]> {
    let own = core.get(prefix..).unwrap_or_default();
    let longest = if core.len() < SHORTEST { 0 } else { own.len().min(GRAM - 1) };
    let ends = (WORD..=longest).flat_map(|len| [&own[..len], &own[own.len() - len..]]);
    let whole = (core.len() < SHORTEST).then_some(core);
    ends.chain(whole).filter(|edge| !message::is_known_word(edge))
}
