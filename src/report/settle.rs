//! What follows from a report's counts, adding two reports up, and taking away what another run explains.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::class::DifferenceClass;
use super::histogram::Histogram;
use super::model::{Baseline, ClassTotal, Difference, DigestTotals, Pair, Report};

impl Report {
    /// Works out again what follows from the counts, and brings everything into its order.
    pub(super) fn settle(&mut self) {
        let total = self.time_ns.expected as f64;
        let share = |ns: f64| if total > 0.0 { ns / total } else { 0.0 };
        for digest in &mut self.digests {
            let Pair { expected, observed } = &digest.latency;
            digest.impact = share(observed.sum_ns() as f64 - expected.sum_ns() as f64);
        }
        self.digests.sort_by(|a, b| b.impact.total_cmp(&a.impact).then_with(|| a.digest.cmp(&b.digest)));
        for difference in &mut self.differences {
            difference.impact = share(difference.time_ns as f64);
        }
        self.differences.sort_by(|a, b| {
            let of_class = a.class.cmp(&b.class).then(b.impact.total_cmp(&a.impact)).then(b.count.cmp(&a.count));
            of_class.then_with(|| key(a).cmp(&key(b)))
        });
        let mut noise: BTreeMap<DifferenceClass, u64> = BTreeMap::new();
        for difference in &self.differences {
            *noise.entry(difference.class).or_default() += difference.noise;
        }
        for (class, total) in &mut self.classes {
            total.noise = noise.get(class).copied().unwrap_or(0);
        }
        if let Some(lateness) = &mut self.lateness {
            lateness.settle();
        }
    }

    /// Adds the report of another part of the same run.
    pub(crate) fn merge(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.statements += other.statements;
        self.equal += other.equal;
        add_counts(&mut self.not_compared, other.not_compared);
        add_counts(&mut self.skipped, other.skipped);
        add_counts(&mut self.other_differences, other.other_differences);
        let is_new = |note: &String| !self.notes.contains(note);
        let notes: Vec<_> = other.notes.into_iter().filter(is_new).collect();
        self.notes.extend(notes);
        for (class, total) in other.classes {
            let held = self.classes.entry(class).or_default();
            *held = ClassTotal { count: held.count + total.count, noise: 0 };
        }
        merge_pair(&mut self.latency, &other.latency);
        self.time_ns.add((other.time_ns.expected, other.time_ns.observed));
        self.series.merge(other.series);
        match (&mut self.lateness, other.lateness) {
            (Some(lateness), Some(other)) => lateness.merge(&other),
            (lateness @ None, other) => *lateness = other,
            (Some(_), None) => {}
        }
        self.merge_digests(other.digests);
        if let Some(others) = other.other_digests {
            let held = self.other_digests.get_or_insert_default();
            held.count += others.count;
            held.errors.add((others.errors.expected, others.errors.observed));
            merge_pair(&mut held.latency, &others.latency);
        }
        self.merge_differences(other.differences);
        let longer = |a: Option<u64>, b: Option<u64>| a.max(b);
        let (mine, theirs) = (&mut self.facts, other.facts);
        mine.expected.duration_ns = longer(mine.expected.duration_ns, theirs.expected.duration_ns);
        mine.observed.duration_ns = longer(mine.observed.duration_ns, theirs.observed.duration_ns);
        self.settle();
    }

    fn merge_digests(&mut self, others: Vec<DigestTotals>) {
        let mut places = places(self.digests.iter().map(|digest| digest.digest.clone()));
        for other in others {
            let held = places.get(&other.digest).and_then(|at| self.digests.get_mut(*at));
            let Some(held) = held else {
                places.insert(other.digest.clone(), self.digests.len());
                self.digests.push(DigestTotals { baseline: None, ..other });
                continue;
            };
            held.count += other.count;
            held.errors.add((other.errors.expected, other.errors.observed));
            add_counts(&mut held.classes, other.classes);
            merge_pair(&mut held.latency, &other.latency);
            if held.explain.is_none() {
                held.explain = other.explain;
            }
        }
    }

    fn merge_differences(&mut self, others: Vec<Difference>) {
        let mut places = places(self.differences.iter().map(key));
        for mut other in others {
            other.noise = 0;
            match places.get(&key(&other)).and_then(|at| self.differences.get_mut(*at)) {
                Some(held) => {
                    held.count += other.count;
                    held.time_ns = held.time_ns.saturating_add(other.time_ns);
                    held.noise = 0;
                }
                None => {
                    places.insert(key(&other), self.differences.len());
                    self.differences.push(other);
                }
            }
        }
    }

    /// Takes a second run of the old version for the noise floor: of a difference that it has as well, only what exceeds it counts.
    ///
    /// What the baseline explains: as many as it has, by the number of executions of the pattern in both; and, as counts vary by chance,
    /// three standard deviations (of a Poisson distribution, the root of its mean) more do not exceed it yet.
    pub(crate) fn apply_baseline(&mut self, baseline: &Self) {
        let executions = |report: &Self| -> HashMap<String, u64> {
            report.digests.iter().map(|digest| (digest.digest.clone(), digest.count)).collect()
        };
        let (now, before) = (executions(self), executions(baseline));
        let known: HashMap<_, _> =
            baseline.differences.iter().map(|difference| (key(difference), difference.count)).collect();
        let (all_now, all_before) = (self.statements, baseline.statements);
        for difference in &mut self.differences {
            let Some(count) = known.get(&key(difference)) else { continue };
            let of = |counts: &HashMap<String, u64>, all: u64| {
                difference.digest.as_ref().and_then(|digest| counts.get(digest)).copied().unwrap_or(all)
            };
            let scale = of(&now, all_now) as f64 / of(&before, all_before).max(1) as f64;
            difference.noise = explained(difference.count, *count as f64 * scale);
        }
        let mut latencies: HashMap<_, &Histogram> =
            baseline.digests.iter().map(|digest| (digest.digest.as_str(), &digest.latency.observed)).collect();
        for digest in &mut self.digests {
            digest.baseline = latencies.remove(digest.digest.as_str()).cloned();
        }
        self.baseline = Some(Baseline {
            name: baseline.facts.observed.name.clone(),
            statements: baseline.statements,
            latency: baseline.latency.observed.clone(),
        });
        self.settle();
    }
}

/// How many of `count` a mean of `mean` explains.
fn explained(count: u64, mean: f64) -> u64 {
    if count as f64 <= mean + 3.0 * mean.sqrt() { count } else { count.min(mean.ceil() as u64) }
}

fn key(difference: &Difference) -> (DifferenceClass, Option<String>, String, String) {
    (difference.class, difference.digest.clone(), difference.expected.clone(), difference.observed.clone())
}

fn places<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    keys.enumerate().map(|(at, key)| (key, at)).collect()
}

fn add_counts<K: Ord>(counts: &mut BTreeMap<K, u64>, others: BTreeMap<K, u64>) {
    for (key, count) in others {
        let held = counts.entry(key).or_default();
        *held = held.saturating_add(count);
    }
}

fn merge_pair(pair: &mut Pair<Histogram>, other: &Pair<Histogram>) {
    pair.expected.merge(&other.expected);
    pair.observed.merge(&other.observed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::RecordedAnswer;
    use crate::report::collector::{Collector, CollectorOptions};
    use crate::report::fixture::{affected, answered, error, execution, rows};
    use crate::report::model::Facts;

    /// Of statements by their number, some of which fail or have other rows.
    fn report(numbers: impl IntoIterator<Item = u64>, answer: impl Fn(u64) -> RecordedAnswer) -> Report {
        let mut collector = Collector::new(CollectorOptions::default());
        for number in numbers {
            let sql = format!("SELECT a{} FROM t WHERE b = {number}", number % 3);
            let mut observed = answered(&sql, [answer(number)]);
            observed.duration_ns = Some(1_000_000 + number * 10_000);
            collector.add(&execution(number, &answered(&sql, [rows(&["1"])]), &observed));
            collector.session_began();
        }
        collector.finish(Facts::default())
    }

    fn mixed(number: u64) -> RecordedAnswer {
        match number % 7 {
            0 => error(1146),
            1 => rows(&["2"]),
            2 => affected(1),
            _ => rows(&["1"]),
        }
    }

    #[test]
    fn parts_of_a_run_add_up_to_the_whole() {
        let whole = report(0..300, mixed);
        let mut merged = report((0..300).filter(|n| n % 4 == 0), mixed);
        merged.merge(report((0..300).filter(|n| n % 4 != 0), mixed));
        // Which example and which sample there is depends on what came first.
        let bare = |mut report: Report| {
            report.digests.iter_mut().for_each(|digest| digest.sample.clear());
            for difference in &mut report.differences {
                difference.example = whole.differences[0].example.clone();
            }
            report
        };
        assert_eq!(bare(merged), bare(whole.clone()));
    }

    #[test]
    fn only_what_exceeds_the_baseline_counts() {
        let baseline = report(0..300, |n| if n % 30 == 0 { error(1205) } else { rows(&["1"]) });
        let failing = |every: u64| move |n: u64| if n.is_multiple_of(every) { error(1205) } else { rows(&["1"]) };
        let mut as_noisy = report(0..600, failing(30));
        as_noisy.apply_baseline(&baseline);
        let errors = as_noisy.classes[&DifferenceClass::Error];
        assert_eq!((errors.count, errors.excess()), (20, 0));
        let mut worse = report(0..300, failing(3));
        worse.apply_baseline(&baseline);
        let errors = worse.classes[&DifferenceClass::Error];
        assert_eq!((errors.count, errors.excess()), (100, 90));
        // Another error is nothing that the baseline explains.
        let mut other = report(0..300, |n| if n % 30 == 0 { error(1213) } else { rows(&["1"]) });
        other.apply_baseline(&baseline);
        assert_eq!(other.classes[&DifferenceClass::Error].excess(), 10);
        assert_eq!(other.baseline.unwrap().statements, 300);
        assert!(other.digests.iter().all(|digest| digest.baseline.is_some()));
    }

    #[test]
    fn chance_does_not_exceed_the_baseline() {
        assert_eq!((explained(3, 1.0), explained(4, 1.0), explained(5, 1.0)), (3, 4, 1));
        assert_eq!((explained(1, 0.0), explained(130, 100.0), explained(131, 100.0)), (0, 130, 100));
    }

    #[test]
    fn the_largest_impact_comes_first() {
        let report = report(0..300, |_| rows(&["1"]));
        assert!(report.digests.iter().map(|digest| digest.impact).is_sorted_by(|a, b| a >= b));
        let total: f64 = report.digests.iter().map(|digest| digest.impact).sum();
        let Pair { expected, observed } = report.time_ns;
        assert!((total - (observed as f64 - expected as f64) / expected as f64).abs() < 1e-9);
    }
}
