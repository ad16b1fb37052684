//! Two sequences put side by side, so that as much as possible of them stands in pairs.

/// Tables larger than this are not filled: what differs is then taken place by place.
const LARGEST_TABLE: usize = 4_000_000;

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

/// Puts two sequences side by side, in order, with the longest possible common part. Where they differ, what is in the
/// first alone comes before what is in the second alone. Two that have nothing in common over thousands of places are
/// compared place by place.
#[must_use]
pub fn align<T: PartialEq>(first: &[T], second: &[T]) -> Vec<Pair> {
    let head = first.iter().zip(second).take_while(|(one, other)| one == other).count();
    let rest = |all: usize| all.saturating_sub(head);
    let tail = first.iter().rev().zip(second.iter().rev()).take(rest(first.len()).min(rest(second.len())));
    let tail = tail.take_while(|(one, other)| one == other).count();
    let middle = |all: &[T]| (head, all.len().saturating_sub(tail));
    let ((from, first_end), (_, second_end)) = (middle(first), middle(second));
    let differing = (first.get(from..first_end).unwrap_or_default(), second.get(from..second_end).unwrap_or_default());
    let mut pairs: Vec<Pair> = (0..head).map(|at| Pair::Both(at, at)).collect();
    pairs.extend(between(differing.0, differing.1).into_iter().map(|pair| pair.moved_by(head)));
    pairs.extend((0..tail).map(|at| Pair::Both(first_end + at, second_end + at)));
    pairs
}

impl Pair {
    fn moved_by(self, by: usize) -> Self {
        match self {
            Self::Both(one, other) => Self::Both(one + by, other + by),
            Self::First(one) => Self::First(one + by),
            Self::Second(other) => Self::Second(other + by),
        }
    }
}

fn between<T: PartialEq>(first: &[T], second: &[T]) -> Vec<Pair> {
    if (first.len() + 1).saturating_mul(second.len() + 1) > LARGEST_TABLE {
        return place_by_place(first, second);
    }
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
    sorted_in_blocks(pairs)
}

/// Within each stretch without a pair, the first sequence comes first.
fn sorted_in_blocks(mut pairs: Vec<Pair>) -> Vec<Pair> {
    for block in pairs.chunk_by_mut(|one, other| !is_both(one) && !is_both(other)) {
        block.sort_by_key(|pair| matches!(pair, Pair::Second(_)));
    }
    pairs
}

fn is_both(pair: &Pair) -> bool {
    matches!(pair, Pair::Both(..))
}

fn place_by_place<T: PartialEq>(first: &[T], second: &[T]) -> Vec<Pair> {
    let pair = |at: usize| match (first.get(at), second.get(at)) {
        (Some(one), Some(other)) if one == other => vec![Pair::Both(at, at)],
        (Some(_), Some(_)) => vec![Pair::First(at), Pair::Second(at)],
        (Some(_), None) => vec![Pair::First(at)],
        (None, _) => vec![Pair::Second(at)],
    };
    sorted_in_blocks((0..first.len().max(second.len())).flat_map(pair).collect())
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
            for (other, against) in second.iter().enumerate().rev() {
                let length = if value == against {
                    common.behind(one + 1, other + 1).saturating_add(1)
                } else {
                    common.behind(one + 1, other).max(common.behind(one, other + 1))
                };
                if let Some(cell) = common.table.get_mut(one * width + other) {
                    *cell = length;
                }
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
        assert_eq!(align(b"abcd", b"abcd"), [Both(0, 0), Both(1, 1), Both(2, 2), Both(3, 3)]);
        assert_eq!(align(b"abd", b"acd"), [Both(0, 0), First(1), Second(1), Both(2, 2)]);
        assert_eq!(align(b"mtmm", b"mmm"), [Both(0, 0), First(1), Both(2, 1), Both(3, 2)]);
        assert_eq!(align(b"", b"xy"), [Second(0), Second(1)]);
    }

    #[test]
    fn what_is_too_long_is_taken_place_by_place() {
        let (one, other): (Vec<usize>, Vec<usize>) = ((0..3_000).collect(), (3_000..6_000).collect());
        let pairs = align(&one, &other);
        assert_eq!(pairs.len(), 6_000);
        assert_eq!(pairs.first(), Some(&Pair::First(0)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_common_part_is_longest(one in "[ab]{0,12}", other in "[ab]{0,12}") {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            let pairs = align(one, other);
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
