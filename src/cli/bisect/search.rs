//! Which version is tried next, and when the one that is looked for is found.

/// What came of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It does what is wanted.
    Good,
    /// It does not.
    Bad,
    /// Nobody can say: it cannot be installed, or does not run.
    Skipped,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try the version at this place.
    Try(usize),
    /// The change is between these: the last that is like the oldest, and the first that is like the newest. Whatever lies
    /// between them was skipped.
    Found(usize, usize),
}

/// Versions from the oldest to the newest. The first and the last are marked, differently; what is like the first is
/// taken to lie before all that is like the last.
#[derive(Debug)]
pub(super) struct Search {
    marks: Vec<Option<Mark>>,
}

impl Search {
    /// So many versions, at least two; `oldest` is the mark of the first one.
    pub(super) fn new(count: usize, oldest: Mark) -> Self {
        let newest = if oldest == Mark::Good { Mark::Bad } else { Mark::Good };
        let mut search = Self { marks: vec![None; count] };
        search.mark(0, oldest);
        search.mark(count.saturating_sub(1), newest);
        search
    }

    pub(super) fn mark(&mut self, place: usize, mark: Mark) {
        if let Some(known) = self.marks.get_mut(place) {
            *known = Some(mark);
        }
    }

    /// The one in the middle of what is not known, or, if that was skipped, the one nearest to it.
    pub(super) fn next(&self) -> Next {
        let (low, high) = self.bounds();
        let middle = low.midpoint(high);
        let unknown = self.unknown();
        match unknown.into_iter().min_by_key(|place| place.abs_diff(middle)) {
            Some(place) => Next::Try(place),
            None => Next::Found(low, high),
        }
    }

    /// The places that may still be tried.
    pub(super) fn unknown(&self) -> Vec<usize> {
        let (low, high) = self.bounds();
        let known = |place: usize| self.marks.get(place).is_none_or(Option::is_some);
        (low + 1..high).filter(|place| !known(*place)).collect()
    }

    /// How many more it takes, about.
    pub(super) fn steps(&self) -> u32 {
        let left = self.unknown().len();
        usize::BITS - left.leading_zeros()
    }

    /// The last that is like the oldest, before the first that is like the newest.
    fn bounds(&self) -> (usize, usize) {
        let oldest = self.marks.first().copied().flatten();
        let newest = self.marks.last().copied().flatten();
        let high = self.marks.iter().position(|mark| mark.is_some() && *mark == newest).unwrap_or(0);
        let low = self.marks.iter().take(high).rposition(|mark| mark.is_some() && *mark == oldest).unwrap_or(0);
        (low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every version in its turn; how often was tried, and what was found.
    fn searched(truth: &[Mark]) -> (usize, (usize, usize)) {
        let mut search = Search::new(truth.len(), truth[0]);
        let mut tried = 0;
        loop {
            let (left, about) = (search.unknown().len(), search.steps());
            match search.next() {
                Next::Try(place) => {
                    assert!(left > 0 && about > 0);
                    search.mark(place, truth[place]);
                    tried += 1;
                }
                Next::Found(low, high) => return (tried, (low, high)),
            }
        }
    }

    #[test]
    fn skipped_ones_are_gone_around() {
        use Mark::{Bad, Good, Skipped};
        assert_eq!(searched(&[Good, Bad]), (0, (0, 1)));
        assert_eq!(searched(&[Bad, Bad, Good]).1, (1, 2));
        assert_eq!(searched(&[Good, Good, Skipped, Skipped, Bad, Bad]).1, (1, 4));
        assert_eq!(searched(&[Good, Skipped, Skipped, Skipped, Bad]).1, (0, 4));
    }

    proptest! {
        #[test]
        fn the_change_is_found_in_few_steps(count in 2_usize..400, at in any::<prop::sample::Index>(), good_first in any::<bool>()) {
            let first_changed = 1 + at.index(count - 1);
            let (old, new) = if good_first { (Mark::Good, Mark::Bad) } else { (Mark::Bad, Mark::Good) };
            let truth: Vec<Mark> = (0..count).map(|place| if place < first_changed { old } else { new }).collect();
            let (tried, found) = searched(&truth);
            prop_assert_eq!(found, (first_changed - 1, first_changed));
            prop_assert!(tried <= count.ilog2() as usize + 1, "{} for {}", tried, count);
        }

        #[test]
        fn what_lies_between_was_skipped(marks in proptest::collection::vec(0_u8..3, 0..30), changed in 0_usize..30) {
            let truth: Vec<Mark> = [Mark::Good].into_iter()
                .chain(marks.iter().enumerate().map(|(at, mark)| match mark {
                    0 => Mark::Skipped,
                    _ if at < changed => Mark::Good,
                    _ => Mark::Bad,
                }))
                .chain([Mark::Bad]).collect();
            let (_, (low, high)) = searched(&truth);
            prop_assert_eq!((truth[low], truth[high]), (Mark::Good, Mark::Bad));
            prop_assert!(truth[low + 1..high].iter().all(|mark| *mark == Mark::Skipped));
        }
    }
}
