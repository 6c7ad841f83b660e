//! How often which duration occurred, in a form that can be added up and written down.
//!
//! Buckets are logarithmic, each power of two in 2^BITS equal parts, and only those that have something exist: a statement's durations
//! take some hundred bytes, of which there may be as many as there are kinds of statements. (An `hdrhistogram` of the same precision
//! has all of its buckets, some ten kilobytes.)

use serde::{Deserialize, Serialize};

/// Durations to within 1.6%.
pub(crate) type Histogram = LogHistogram<5>;
/// Durations to within 12.5%: enough for colours.
pub(crate) type CoarseHistogram = LogHistogram<2>;

/// Durations in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(crate) struct LogHistogram<const BITS: u32> {
    /// Number and count of each bucket that has something, by number.
    buckets: Vec<(u16, u64)>,
    count: u64,
    sum_ns: u64,
    max_ns: u64,
}

/// The form in `report.json`: what follows from the buckets is there for its readers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Stored {
    count: u64,
    sum_ns: u64,
    max_ns: u64,
    #[serde(default)]
    mean_ns: u64,
    #[serde(default)]
    p50_ns: u64,
    #[serde(default)]
    p95_ns: u64,
    #[serde(default)]
    p99_ns: u64,
    buckets: Vec<(u16, u64)>,
}

impl<const BITS: u32> From<LogHistogram<BITS>> for Stored {
    fn from(histogram: LogHistogram<BITS>) -> Self {
        Self {
            count: histogram.count,
            sum_ns: histogram.sum_ns,
            max_ns: histogram.max_ns,
            mean_ns: histogram.mean_ns(),
            p50_ns: histogram.quantile(0.5),
            p95_ns: histogram.quantile(0.95),
            p99_ns: histogram.quantile(0.99),
            buckets: histogram.buckets,
        }
    }
}

impl<const BITS: u32> From<Stored> for LogHistogram<BITS> {
    /// Whatever was stored, the buckets are in order and their counts add up.
    fn from(stored: Stored) -> Self {
        let mut histogram = Self { sum_ns: stored.sum_ns, max_ns: stored.max_ns, ..Self::default() };
        for (bucket, count) in stored.buckets {
            histogram.add_to(bucket, count);
        }
        histogram
    }
}

impl<const BITS: u32> LogHistogram<BITS> {
    /// Takes in one duration.
    pub(crate) fn record(&mut self, ns: u64) {
        self.add_to(Self::bucket(ns), 1);
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Takes in all durations of another one.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            self.add_to(*bucket, *count);
        }
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    fn add_to(&mut self, bucket: u16, count: u64) {
        self.count = self.count.saturating_add(count);
        match self.buckets.binary_search_by_key(&bucket, |(number, _)| *number) {
            Ok(at) => {
                if let Some((_, held)) = self.buckets.get_mut(at) {
                    *held = held.saturating_add(count);
                }
            }
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }

    /// How many durations.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// All durations together.
    pub(crate) fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The longest; 0 of none.
    pub(crate) fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// Their mean; 0 of none.
    pub(crate) fn mean_ns(&self) -> u64 {
        self.sum_ns.checked_div(self.count).unwrap_or(0)
    }

    /// The duration that this share of all durations does not exceed, to within the precision; 0 of none.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        // The precision is that of the buckets.
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0_u64;
        for (bucket, count) in &self.buckets {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return Self::middle(*bucket);
            }
        }
        self.max_ns
    }

    /// The number of the bucket that a duration belongs to: itself while it is small, and from then on by its highest bits.
    fn bucket(ns: u64) -> u16 {
        let parts = 1_u64 << BITS;
        if ns < parts {
            return ns as u16;
        }
        let shift = ns.ilog2() - BITS;
        let within = (ns >> shift) - parts;
        ((u64::from(shift) + 1) * parts + within) as u16
    }

    /// The middle of a bucket.
    fn middle(bucket: u16) -> u64 {
        let (parts, bucket) = (1_u64 << BITS, u64::from(bucket));
        if bucket < parts {
            return bucket;
        }
        let shift = (bucket / parts - 1).min(u64::from(63 - BITS));
        ((parts + bucket % parts) << shift) + ((1_u64 << shift) >> 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_near_its_middle() {
        for ns in (0..64).flat_map(|shift| [1_u64 << shift, (1 << shift) + (1 << shift) / 3, (1 << shift) - 1]) {
            let middle = Histogram::middle(Histogram::bucket(ns));
            assert!(middle.abs_diff(ns) as f64 <= ns as f64 / 64.0 + 0.5, "{ns}: {middle}");
            assert!(CoarseHistogram::middle(CoarseHistogram::bucket(ns)).abs_diff(ns) as f64 <= ns as f64 / 8.0 + 0.5);
        }
        let buckets: Vec<_> = (0..5000).map(Histogram::bucket).collect();
        assert!(buckets.is_sorted());
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_durations() {
        let mut durations: Vec<u64> = (0..4000_u64).map(|n| (n * 7919) % 4001 * 1_000 + 17).collect();
        let mut histogram = Histogram::default();
        durations.iter().for_each(|ns| histogram.record(*ns));
        durations.sort_unstable();
        for share in [0.001, 0.25, 0.5, 0.95, 0.99, 0.999, 1.0] {
            let exact = durations[(share * durations.len() as f64).ceil() as usize - 1];
            let near = histogram.quantile(share);
            assert!(near.abs_diff(exact) as f64 <= exact as f64 / 60.0, "{share}: {near} for {exact}");
        }
        assert_eq!(histogram.mean_ns(), durations.iter().sum::<u64>() / 4000);
        assert_eq!((Histogram::default().quantile(0.99), Histogram::default().mean_ns()), (0, 0));
    }

    #[test]
    fn parts_add_up_and_come_back_from_json() {
        let (mut all, mut one, mut other) = (Histogram::default(), Histogram::default(), Histogram::default());
        for ns in (0..1000).map(|n| n * n) {
            all.record(ns);
            if ns % 3 == 0 { one.record(ns) } else { other.record(ns) }
        }
        one.merge(&other);
        assert_eq!(one, all);
        let json = serde_json::to_string(&all).unwrap();
        assert!(json.contains("\"p99_ns\":"), "{json}");
        assert_eq!(serde_json::from_str::<Histogram>(&json).unwrap(), all);
        // Foreign numbers neither panic nor lie about their count.
        let odd =
            r#"{"count":1,"sum_ns":18446744073709551615,"max_ns":5,"buckets":[[65535,18446744073709551615],[3,7]]}"#;
        let odd: Histogram = serde_json::from_str(odd).unwrap();
        assert_eq!((odd.count(), odd.quantile(0.0)), (u64::MAX, 3));
        assert!(odd.quantile(1.0) > 5);
    }
}
