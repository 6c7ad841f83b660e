//! A histogram of durations.

use std::sync::atomic::{AtomicU64, Ordering};

/// The upper bounds of the buckets, in nanoseconds: 1, 2.5 and 5 times each power of ten from 50 us to 100 s, about what separates a
/// lookup by key, a small scan, a report, and a lock that somebody holds.
const BOUNDS_NS: [u64; 20] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    25_000_000_000,
    50_000_000_000,
    100_000_000_000,
];

/// Durations that one thread observes, and others read.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    /// One more than there are bounds: what is longer than all of them.
    buckets: [AtomicU64; BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
}

impl Durations {
    /// Notes one. A search among 20 numbers, and two loads and stores: no two threads may do this at the same time.
    #[inline]
    pub(crate) fn observe(&self, ns: u64) {
        let add = |counter: &AtomicU64, count| {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
        };
        // Bounds are inclusive (`le`).
        if let Some(bucket) = self.buckets.get(BOUNDS_NS.partition_point(|bound| *bound < ns)) {
            add(bucket, 1);
        }
        add(&self.sum_ns, ns);
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }
}

/// What several threads have observed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct DurationsTotal {
    buckets: [u64; BOUNDS_NS.len() + 1],
    sum_ns: u128,
}

impl DurationsTotal {
    /// Adds what one of them has.
    pub(crate) fn add(&mut self, durations: &Durations) {
        for (total, bucket) in self.buckets.iter_mut().zip(&durations.buckets) {
            *total += bucket.load(Ordering::Relaxed);
        }
        self.sum_ns += u128::from(durations.sum_ns.load(Ordering::Relaxed));
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum.
    pub(super) fn seconds(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }

    /// The buckets' upper bounds in seconds, the last one infinite, and how many are in each, not counting those before.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS_NS.iter().map(|ns| *ns as f64 / 1e9).chain([f64::INFINITY]);
        bounds.zip(self.buckets).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_first_bucket_that_holds_it() {
        assert!(BOUNDS_NS.is_sorted());
        let durations = Durations::default();
        for ns in [0, 50_000, 50_001, 100_000_000_000, 100_000_000_001, 7_000_000] {
            durations.observe(ns);
        }
        let mut total = DurationsTotal::default();
        total.add(&durations);
        let found: Vec<_> = total.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(found, [(0.000_05, 2), (0.000_1, 1), (0.01, 1), (100.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((total.count(), durations.count()), (6, 6));
        assert!((total.seconds() - 200.007_100_002).abs() < 1e-9);
    }
}
