//! How many statements, and how long they took, over the time of the run.

use serde::{Deserialize, Serialize};

use super::histogram::CoarseHistogram;

/// How many intervals there are at most: about as many as a chart has room for.
const MOST: usize = 240;
/// How long an interval is at first.
const FIRST_WIDTH_NS: u64 = 100_000_000;

/// Both executions over time, each from its own start: intervals of one length, which doubles when there would be too many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Series {
    /// How long each interval is.
    pub(crate) interval_ns: u64,
    /// As it was recorded.
    pub(crate) expected: Vec<Interval>,
    /// As it went again.
    pub(crate) observed: Vec<Interval>,
}

/// What began within an interval.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Statements.
    pub(crate) count: u64,
    /// Those that were answered by an error.
    pub(crate) errors: u64,
    /// How long they took.
    pub(crate) latency: CoarseHistogram,
}

impl Default for Series {
    fn default() -> Self {
        Self { interval_ns: FIRST_WIDTH_NS, expected: Vec::new(), observed: Vec::new() }
    }
}

impl Series {
    /// Takes in a statement as it was recorded.
    pub(super) fn expected(&mut self, at_ns: u64, duration_ns: Option<u64>, is_error: bool) {
        self.make_room(at_ns);
        record(&mut self.expected, at_ns / self.interval_ns, duration_ns, is_error);
    }

    /// Takes in a statement as it went again.
    pub(super) fn observed(&mut self, at_ns: u64, duration_ns: Option<u64>, is_error: bool) {
        self.make_room(at_ns);
        record(&mut self.observed, at_ns / self.interval_ns, duration_ns, is_error);
    }

    /// Takes in another series of the same run.
    pub(super) fn merge(&mut self, mut other: Self) {
        other.repair();
        while self.interval_ns < other.interval_ns {
            self.double();
        }
        while other.interval_ns < self.interval_ns {
            other.double();
        }
        add_all(&mut self.expected, other.expected);
        add_all(&mut self.observed, other.observed);
    }

    fn make_room(&mut self, at_ns: u64) {
        while at_ns / self.interval_ns >= MOST as u64 {
            self.double();
        }
    }

    fn double(&mut self) {
        self.interval_ns = self.interval_ns.saturating_mul(2);
        for side in [&mut self.expected, &mut self.observed] {
            let halves = std::mem::take(side);
            for (at, half) in halves.into_iter().enumerate() {
                add(side, at / 2, &half);
            }
        }
    }

    /// What comes from a file has the lengths that are expected here.
    fn repair(&mut self) {
        if !self.interval_ns.is_multiple_of(FIRST_WIDTH_NS)
            || !(self.interval_ns / FIRST_WIDTH_NS).is_power_of_two()
            || self.expected.len().max(self.observed.len()) > MOST
        {
            *self = Self::default();
        }
    }
}

fn record(side: &mut Vec<Interval>, at: u64, duration_ns: Option<u64>, is_error: bool) {
    let mut one = Interval { count: 1, errors: is_error.into(), ..Interval::default() };
    if let Some(ns) = duration_ns {
        one.latency.record(ns);
    }
    add(side, at as usize, &one);
}

fn add_all(side: &mut Vec<Interval>, other: Vec<Interval>) {
    for (at, interval) in other.into_iter().enumerate() {
        add(side, at, &interval);
    }
}

fn add(side: &mut Vec<Interval>, at: usize, other: &Interval) {
    if side.len() <= at {
        side.resize_with(at + 1, Interval::default);
    }
    if let Some(interval) = side.get_mut(at) {
        interval.count = interval.count.saturating_add(other.count);
        interval.errors = interval.errors.saturating_add(other.errors);
        interval.latency.merge(&other.latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_and_nothing_is_lost() {
        let mut series = Series::default();
        for n in 0..1000_u64 {
            series.expected(n * 100_000_000, Some(n), n % 10 == 0);
            series.observed(n * 50_000_000, None, false);
        }
        assert_eq!((series.interval_ns, series.expected.len(), series.observed.len()), (800_000_000, 125, 63));
        assert!(series.expected.iter().all(|interval| interval.count == 8));
        assert_eq!(series.expected.iter().map(|interval| interval.errors).sum::<u64>(), 100);
        assert_eq!(series.expected.iter().map(|interval| interval.latency.count()).sum::<u64>(), 1000);
        // A clock that is far off costs nothing but precision.
        series.expected(u64::MAX, Some(1), false);
        assert!(series.expected.len() <= MOST);
    }

    #[test]
    fn parts_of_different_lengths_add_up() {
        let (mut short, mut long, mut all) = (Series::default(), Series::default(), Series::default());
        for n in 0..500_u64 {
            let part = if n < 100 { &mut short } else { &mut long };
            part.observed(n * 100_000_000, Some(n), false);
            all.observed(n * 100_000_000, Some(n), false);
        }
        let mut merged = short.clone();
        merged.merge(long.clone());
        assert_eq!(merged, all);
        long.merge(short);
        assert_eq!(long, all);
        let odd = Series { interval_ns: 0, ..Series::default() };
        long.merge(odd);
        assert_eq!(long, all);
    }
}
