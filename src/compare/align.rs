//! Two sequences put side by side, so that as much as possible of them stands in pairs.

/// Tables larger than this are not filled.
const LARGEST_TABLE: usize = 4_000_000;

/// So many places of each sequence are looked at together where a table of all would be too large.
const WINDOW: usize = 1_999;

/// What stands at one place: an index into the first sequence, into the second, or into both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// The same in both.
    Both(usize, usize),
    /// In the first alone.
    First(usize),
    /// In the second alone.
    Second(usize),
}

/// Two sequences, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alignment {
    /// Every place of both, in order.
    pub pairs: Vec<Pair>,
    /// Whether no other arrangement has more in common. Else the sequences differ over thousands of places, and only what
    /// lies near each other was tried.
    pub is_best: bool,
}

/// Puts two sequences side by side, in order, with the longest possible common part. Where they differ, what is in the
/// first alone comes before what is in the second alone. Time and memory are bounded: see [`Alignment::is_best`].
#[must_use]
pub fn align<T: PartialEq>(first: &[T], second: &[T]) -> Alignment {
    let head = first.iter().zip(second).take_while(|(one, other)| one == other).count();
    let rest = |all: usize| all.saturating_sub(head);
    let tail = first.iter().rev().zip(second.iter().rev()).take(rest(first.len()).min(rest(second.len())));
    let tail = tail.take_while(|(one, other)| one == other).count();
    let middle = |all: &[T]| (head, all.len().saturating_sub(tail));
    let ((from, first_end), (_, second_end)) = (middle(first), middle(second));
    let differing = (first.get(from..first_end).unwrap_or_default(), second.get(from..second_end).unwrap_or_default());
    let is_best = fits_a_table(differing.0, differing.1);
    let between = if is_best { table(differing.0, differing.1) } else { windows(differing.0, differing.1) };
    let mut pairs: Vec<Pair> = (0..head).map(|at| Pair::Both(at, at)).collect();
    pairs.extend(sorted_in_blocks(between).into_iter().map(|pair| pair.moved_by(head, head)));
    pairs.extend((0..tail).map(|at| Pair::Both(first_end + at, second_end + at)));
    Alignment { pairs, is_best }
}

impl Pair {
    /// Whether it stands in both.
    pub(super) fn is_both(&self) -> bool {
        matches!(self, Self::Both(..))
    }

    fn moved_by(self, first: usize, second: usize) -> Self {
        match self {
            Self::Both(one, other) => Self::Both(one + first, other + second),
            Self::First(one) => Self::First(one + first),
            Self::Second(other) => Self::Second(other + second),
        }
    }
}

fn fits_a_table<T>(first: &[T], second: &[T]) -> bool {
    (first.len() + 1).saturating_mul(second.len() + 1) <= LARGEST_TABLE
}

fn table<T: PartialEq>(first: &[T], second: &[T]) -> Vec<Pair> {
    let common = Common::of(first, second);
    let (mut one, mut other) = (0, 0);
    let mut pairs = Vec::new();
    while one < first.len() || other < second.len() {
        let same = first.get(one).is_some_and(|value| second.get(other) == Some(value));
        if same && common.behind(one, other) == common.behind(one + 1, other + 1) + 1 {
            pairs.push(Pair::Both(one, other));
            (one, other) = (one + 1, other + 1);
        } else if one < first.len()
            && (other == second.len() || common.behind(one + 1, other) >= common.behind(one, other + 1))
        {
            pairs.push(Pair::First(one));
            one += 1;
        } else {
            pairs.push(Pair::Second(other));
            other += 1;
        }
    }
    pairs
}

/// Table after table of what comes next in both: of each, the first half is kept, up to a pair if there is one.
fn windows<T: PartialEq>(first: &[T], second: &[T]) -> Vec<Pair> {
    let (mut one, mut other) = (0, 0);
    let mut pairs = Vec::new();
    loop {
        let (first_end, second_end) = (first.len().min(one + WINDOW), second.len().min(other + WINDOW));
        let next = (first.get(one..first_end).unwrap_or_default(), second.get(other..second_end).unwrap_or_default());
        let window = table(next.0, next.1);
        if (first_end, second_end) == (first.len(), second.len()) {
            pairs.extend(window.into_iter().map(|pair| pair.moved_by(one, other)));
            return pairs;
        }
        let kept = settled(window);
        pairs.extend(kept.iter().map(|pair| pair.moved_by(one, other)));
        one += kept.iter().filter(|pair| !matches!(pair, Pair::Second(_))).count();
        other += kept.iter().filter(|pair| !matches!(pair, Pair::First(_))).count();
    }
}

/// What of a window is hardly changed by what comes behind it.
fn settled(window: Vec<Pair>) -> Vec<Pair> {
    let early = |pair: &Pair| matches!(pair, Pair::Both(one, other) if one + other < WINDOW);
    let last = window.iter().rposition(early).or_else(|| window.iter().position(Pair::is_both));
    match last {
        Some(last) => window.into_iter().take(last + 1).collect(),
        None => window
            .into_iter()
            .filter(|pair| matches!(pair, Pair::First(at) | Pair::Second(at) if *at <= WINDOW / 2))
            .collect(),
    }
}

/// Within each stretch without a pair, the first sequence comes first.
fn sorted_in_blocks(mut pairs: Vec<Pair>) -> Vec<Pair> {
    for block in pairs.chunk_by_mut(|one, other| !one.is_both() && !other.is_both()) {
        block.sort_by_key(|pair| matches!(pair, Pair::Second(_)));
    }
    pairs
}

/// How long the longest common subsequence is from each pair of places on.
struct Common {
    width: usize,
    table: Vec<u32>,
}

impl Common {
    fn of<T: PartialEq>(first: &[T], second: &[T]) -> Self {
        let width = second.len() + 1;
        let mut common = Self { width, table: vec![0; (first.len() + 1) * width] };
        for (one, value) in first.iter().enumerate().rev() {
            let (above, below) = common.table.split_at_mut((one + 1) * width);
            let (Some(row), Some(below)) = (above.get_mut(one * width..), below.get(..width)) else { continue };
            let mut right = 0;
            // Each cell from the one below, the one to the right, and the one below that.
            for ((cell, against), under) in row.iter_mut().zip(second).zip(below.windows(2)).rev() {
                let [straight, diagonal] = under else { continue };
                right = if value == against { diagonal.saturating_add(1) } else { right.max(*straight) };
                *cell = right;
            }
        }
        common
    }

    fn behind(&self, one: usize, other: usize) -> u32 {
        self.table.get(one * self.width + other.min(self.width - 1)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_in_one_alone_stands_where_it_belongs() {
        use Pair::{Both, First, Second};
        let align = |one: &[u8], other: &[u8]| align(one, other).pairs;
        assert_eq!(align(b"abcd", b"abcd"), [Both(0, 0), Both(1, 1), Both(2, 2), Both(3, 3)]);
        assert_eq!(align(b"abd", b"acd"), [Both(0, 0), First(1), Second(1), Both(2, 2)]);
        assert_eq!(align(b"mtmm", b"mmm"), [Both(0, 0), First(1), Both(2, 1), Both(3, 2)]);
        assert_eq!(align(b"", b"xy"), [Second(0), Second(1)]);
    }

    #[test]
    fn nothing_in_common_over_thousands_of_places_has_an_end() {
        let (one, other): (Vec<usize>, Vec<usize>) = ((0..3_000).collect(), (3_000..6_000).collect());
        let aligned = align(&one, &other);
        assert_eq!((aligned.pairs.len(), aligned.pairs.first()), (6_000, Some(&Pair::First(0))));
        assert!(!aligned.is_best);
    }

    #[test]
    fn long_sequences_that_differ_here_and_there_keep_step() {
        // Every fiftieth is missing in one, every seventieth in the other, and 500 are in the middle of the other alone.
        let one: Vec<usize> = (0..20_000).filter(|at| at % 50 != 0).collect();
        let mut other: Vec<usize> = (0..20_000).filter(|at| at % 70 != 0).collect();
        other.splice(10_000..10_000, 50_000..50_500);
        let aligned = align(&one, &other);
        let in_both = (0..20_000).filter(|at| at % 50 != 0 && at % 70 != 0).count();
        assert_eq!(aligned.pairs.iter().filter(|pair| pair.is_both()).count(), in_both);
        assert!(!aligned.is_best);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_common_part_is_longest(one in "[ab]{0,12}", other in "[ab]{0,12}") {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            let pairs = align(one, other).pairs;
            let firsts: Vec<usize> = pairs.iter().filter_map(|pair| match pair {
                Pair::Both(at, _) | Pair::First(at) => Some(*at), Pair::Second(_) => None }).collect();
            let seconds: Vec<usize> = pairs.iter().filter_map(|pair| match pair {
                Pair::Both(_, at) | Pair::Second(at) => Some(*at), Pair::First(_) => None }).collect();
            prop_assert_eq!(firsts, (0..one.len()).collect::<Vec<_>>());
            prop_assert_eq!(seconds, (0..other.len()).collect::<Vec<_>>());
            let both: Vec<_> = pairs.iter().filter_map(|pair| match pair { Pair::Both(a, b) => Some((*a, *b)), _ => None }).collect();
            prop_assert!(both.iter().all(|(a, b)| one[*a] == other[*b]));
            // Every subset of one that is a subsequence of the other is at most as long.
            let best = (0..1_u32 << one.len()).filter(|set| {
                let mut rest = other.iter();
                (0..one.len()).filter(|at| set >> at & 1 == 1).all(|at| rest.any(|byte| *byte == one[at]))
            }).map(u32::count_ones).max().unwrap_or(0);
            prop_assert_eq!(both.len(), best as usize);
        }
    }
}
