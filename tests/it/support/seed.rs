//! Reproducible choices.

/// SplitMix64: the same seed makes the same choices on every machine.
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// True once in `times`.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// Cuts bytes into pieces: none, a few, or one for every byte.
    pub(crate) fn pieces(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let largest = self.pick(&[1, 7, 64, 1_000, 20_000, usize::MAX / 2]);
        // Whole heads in single bytes, but not whole bodies.
        let largest = if bytes.len() > 4_000 { largest.max(500) } else { largest };
        let mut rest = bytes;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let now = (1 + self.below(largest)).min(rest.len());
            let (piece, after) = rest.split_at(now);
            pieces.push(piece.to_vec());
            rest = after;
        }
        pieces
    }
}
