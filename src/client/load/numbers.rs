//! What one client saw of a numbered sequence: which are missing, which came twice, which came after a later one. Sixteen bytes and no
//! memory while everything comes in its order.

use std::ops::Range;

/// What became of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// After all earlier ones that came at all.
    InOrder,
    /// After a later one.
    Late,
    /// Once more.
    Again,
}

/// The numbers of one sequence, from 0, as one client saw them.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    next: u32,
    // A box, because clients are many and nearly none has gaps.
    #[allow(clippy::box_collection)]
    gaps: Option<Box<Vec<Range<u32>>>>,
}

impl Numbers {
    /// Takes the next message that came.
    pub fn note(&mut self, number: u32) -> Seen {
        if number >= self.next {
            if number > self.next {
                self.gaps.get_or_insert_default().push(self.next..number);
            }
            self.next = number.saturating_add(1);
            return Seen::InOrder;
        }
        if self.fill(number) { Seen::Late } else { Seen::Again }
    }
    /// Nothing has come yet.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.next == 0
    }
    /// What did not come of the first `published`.
    pub fn missing(&self, published: u32) -> impl Iterator<Item = u32> + '_ {
        let gaps = self.gaps.iter().flat_map(|gaps| gaps.iter().cloned().flatten());
        gaps.take_while(move |number| *number < published).chain(self.next..published)
    }

    /// Was `number` in a gap? From now on it is not.
    fn fill(&mut self, number: u32) -> bool {
        let Some(gaps) = self.gaps.as_deref_mut() else { return false };
        // The gaps are sorted, because each begins where the sequence stood.
        let at = gaps.partition_point(|gap| gap.end <= number);
        let Some(gap) = gaps.get_mut(at).filter(|gap| gap.contains(&number)) else { return false };
        let after = number + 1..gap.end;
        gap.end = number;
        match (gap.start == gap.end, after.start == after.end) {
            (true, true) => drop(gaps.remove(at)),
            (true, false) => *gap = after,
            (false, true) => {}
            (false, false) => gaps.insert(at + 1, after),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tells_lost_from_late_from_doubled() {
        let mut numbers = Numbers::default();
        let seen: Vec<Seen> = [0, 1, 1, 4, 3, 3, 6].into_iter().map(|number| numbers.note(number)).collect();
        assert_eq!(seen, [Seen::InOrder, Seen::InOrder, Seen::Again, Seen::InOrder, Seen::Late, Seen::Again, Seen::InOrder]);
        assert_eq!(numbers.missing(9).collect::<Vec<_>>(), [2, 5, 7, 8]);
        assert_eq!(numbers.missing(5).collect::<Vec<_>>(), [2]);
        assert_eq!(Numbers::default().missing(2).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn keeps_nothing_while_all_is_in_order() {
        let mut numbers = Numbers::default();
        assert!((0..1000).all(|number| numbers.note(number) == Seen::InOrder));
        assert!(numbers.gaps.is_none() && numbers.missing(1000).next().is_none());
        assert_eq!(size_of::<Numbers>(), 16);
    }

    proptest! {
        #[test]
        fn counts_as_a_set_of_all_numbers_would(came in proptest::collection::vec(0..60_u32, 0..120)) {
            let (mut numbers, mut all, mut highest) = (Numbers::default(), BTreeSet::new(), None);
            for number in came {
                let expected = match (all.insert(number), highest) {
                    (false, _) => Seen::Again,
                    (true, Some(highest)) if number < highest => Seen::Late,
                    (true, _) => Seen::InOrder,
                };
                prop_assert_eq!(numbers.note(number), expected);
                highest = highest.max(Some(number));
            }
            let missing: Vec<u32> = (0..60).filter(|number| !all.contains(number)).collect();
            prop_assert_eq!(numbers.missing(60).collect::<Vec<_>>(), missing);
        }
    }
}
