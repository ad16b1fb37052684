//! What says quickly that something is not known.

/// A bit set that says no for nearly everything that is not known: two bits of one word for every entry.
pub(super) struct Filter {
    words: Vec<u64>,
    entries: usize,
}

/// Words of the first filter: the forms of a few tokens, within a first-level cache.
const FIRST_WORDS: usize = 1 << 11;

/// Bits for each entry.
const SPARSE: usize = 16;

impl Filter {
    pub(super) fn first() -> Self {
        Self::of(FIRST_WORDS)
    }

    /// An empty one, four times as large.
    pub(super) fn following(&self) -> Self {
        Self::of(self.words.len() * 4)
    }

    fn of(words: usize) -> Self {
        Self { words: vec![0; words], entries: 0 }
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let word = (hash >> 12) as usize & (self.words.len() - 1);
        (word, 1 << (hash & 63) | 1 << (hash >> 6 & 63))
    }

    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let (word, bits) = self.place(hash);
        self.words.get(word).is_some_and(|word| word & bits == bits)
    }

    pub(super) fn insert(&mut self, hash: u64) {
        let (word, bits) = self.place(hash);
        if let Some(word) = self.words.get_mut(word)
            && *word & bits != bits
        {
            *word |= bits;
            self.entries += 1;
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries * SPARSE >= self.words.len() * 64
    }
}
