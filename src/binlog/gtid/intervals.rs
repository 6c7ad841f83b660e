//! The sequence numbers of one source: sorted intervals with gaps between them.

/// `start..end`, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interval {
    pub(super) start: u64,
    /// Exclusive.
    pub(super) end: u64,
}

/// Ascending, and neither overlapping nor touching, except between [`Intervals::push`] and [`Intervals::normalise`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Intervals(Vec<Interval>);

impl Intervals {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Interval> {
        self.0.iter().copied()
    }

    /// Puts `interval` at the end, wherever it belongs: [`Intervals::normalise`] has to follow.
    ///
    /// Many intervals in an unfortunate order would take quadratic time if each went to its place.
    pub(super) fn push(&mut self, interval: Interval) {
        self.0.push(interval);
    }

    /// Sorts, and joins what overlaps or touches.
    pub(super) fn normalise(&mut self) {
        if self.0.is_sorted_by(|left, right| left.end < right.start) {
            return;
        }
        // Stable, because that sort makes use of sorted runs: these are usually two of them.
        self.0.sort();
        self.0.dedup_by(|right, left| {
            let joined = right.start <= left.end;
            if joined {
                left.end = left.end.max(right.end);
            }
            joined
        });
    }

    /// Adds one number: at once if it follows the last, else by a binary search.
    pub(super) fn add(&mut self, number: u64) {
        let one = Interval { start: number, end: number.saturating_add(1) };
        match self.0.last_mut() {
            Some(last) if last.end == number => last.end = one.end,
            Some(last) if last.end > number => self.add_inside(one),
            _ => self.0.push(one),
        }
    }

    fn add_inside(&mut self, one: Interval) {
        let at = self.0.partition_point(|interval| interval.end < one.start);
        let next = self.0.get(at + 1).copied();
        // The caller found one that ends later, so there is one.
        let Some(found) = self.0.get_mut(at) else { return self.0.push(one) };
        if found.end == one.start {
            found.end = one.end;
            if let Some(next) = next
                && next.start == one.end
            {
                found.end = next.end;
                self.0.remove(at + 1);
            }
        } else if found.start == one.end {
            found.start = one.start;
        } else if found.start > one.start {
            self.0.insert(at, one);
        }
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.covers(Interval { start: number, end: number.saturating_add(1) })
    }

    fn covers(&self, part: Interval) -> bool {
        let at = self.0.partition_point(|interval| interval.end <= part.start);
        self.0.get(at).is_some_and(|interval| interval.start <= part.start && part.end <= interval.end)
    }

    pub(super) fn is_subset_of(&self, other: &Self) -> bool {
        self.iter().all(|interval| other.covers(interval))
    }

    pub(super) fn union(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
        self.normalise();
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        let mut kept = Vec::with_capacity(self.0.len());
        let mut cuts = other.iter().peekable();
        for interval in self.iter() {
            let Interval { mut start, end } = interval;
            while let Some(cut) = cuts.peek()
                && cut.start < end
            {
                if start < cut.start {
                    kept.push(Interval { start, end: cut.start });
                }
                start = start.max(cut.end);
                if cut.end > end {
                    break; // it may reach into the next interval too
                }
                cuts.next();
            }
            if start < end {
                kept.push(Interval { start, end });
            }
        }
        self.0 = kept;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn added(numbers: &[u64]) -> Intervals {
        let mut intervals = Intervals::default();
        for number in numbers {
            intervals.add(*number);
        }
        intervals
    }

    fn numbers(intervals: &Intervals) -> BTreeSet<u64> {
        intervals.iter().flat_map(|interval| interval.start..interval.end).collect()
    }

    fn is_normal(intervals: &Intervals) -> bool {
        intervals.iter().all(|interval| interval.start < interval.end)
            && intervals.0.is_sorted_by(|left, right| left.end < right.start)
    }

    #[test]
    fn the_number_between_joins_two_intervals() {
        let intervals = added(&[1, 2, 4, 5, 9, 3]);
        assert_eq!(intervals.0, [Interval { start: 1, end: 6 }, Interval { start: 9, end: 10 }]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn as_a_plain_set_has_it(left in prop::collection::vec(1_u64..24, 0..30), right in prop::collection::vec(1_u64..24, 0..12)) {
            let (a, b) = (added(&left), added(&right));
            let (x, y): (BTreeSet<u64>, BTreeSet<u64>) = (left.iter().copied().collect(), right.iter().copied().collect());
            prop_assert!(is_normal(&a));
            prop_assert_eq!(&numbers(&a), &x);
            prop_assert_eq!(a.is_subset_of(&b), x.is_subset(&y));
            for number in 0..26 {
                prop_assert_eq!(a.contains(number), x.contains(&number));
            }
            let mut union = a.clone();
            union.union(&b);
            prop_assert!(is_normal(&union));
            prop_assert_eq!(numbers(&union), &x | &y);
            let mut difference = a.clone();
            difference.subtract(&b);
            prop_assert!(is_normal(&difference));
            prop_assert_eq!(numbers(&difference), &x - &y);
            // What was pushed in any order becomes the same as what was added.
            let mut pushed = Intervals::default();
            for number in &left {
                pushed.push(Interval { start: *number, end: number + 1 });
            }
            pushed.normalise();
            prop_assert_eq!(pushed, a);
        }
    }
}
