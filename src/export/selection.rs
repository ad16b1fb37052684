//! Which lines of a long list are shown.

/// A line of a shortened list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown<T> {
    /// An item.
    Item(T),
    /// So many items are left out here.
    LeftOut(usize),
}

/// The first `first` items, the last `last`, and every one in between that matters.
pub(super) fn select<T>(items: &[T], first: usize, last: usize, matters: impl Fn(&T) -> bool) -> Vec<Shown<&T>> {
    let tail = items.len().saturating_sub(last);
    let mut shown = Vec::new();
    for (at, item) in items.iter().enumerate() {
        // A gap of one would take as much room as what it hides.
        let only_one = at == first && first + 1 == tail;
        if at < first || at >= tail || only_one || matters(item) {
            shown.push(Shown::Item(item));
        } else if let Some(Shown::LeftOut(count)) = shown.last_mut() {
            *count += 1;
        } else {
            shown.push(Shown::LeftOut(1));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::Shown::{Item, LeftOut};
    use super::*;

    #[test]
    fn the_middle_gives_way_but_for_what_matters() {
        let items: Vec<u32> = (0..10).collect();
        let shown = select(&items, 2, 3, |item| *item == 4);
        assert_eq!(shown, [Item(&0), Item(&1), LeftOut(2), Item(&4), LeftOut(2), Item(&7), Item(&8), Item(&9)]);
        assert!(select(&items, 4, 5, |_| false).iter().all(|line| matches!(line, Item(_))));
        assert!(select(&items, 20, 40, |_| false).iter().all(|line| matches!(line, Item(_))));
    }
}
