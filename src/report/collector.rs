//! Takes in executions one by one, in bounded memory.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::class::DifferenceClass;
use super::classify::{Comparison, Finding, TimeLimits, compare, example};
use super::execution::Execution;
use super::histogram::Histogram;
use super::lateness::LatenessTotals;
use super::model::{ClassTotal, Difference, DigestTotals, Example, Facts, OtherDigests, Pair, Report, VERSION};
use super::sample::sample;
use super::series::Series;
use super::statement::{StatementFacts, Statements, pattern};
use crate::mysql::sql::Digest;
use crate::recording::SessionId;

/// How much is kept, and what counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CollectorOptions {
    /// How many patterns are told apart.
    pub(crate) most_digests: usize,
    /// How many distinct differences are kept.
    pub(crate) most_differences: usize,
    /// What counts as slower or faster.
    pub(crate) time: TimeLimits,
}

impl Default for CollectorOptions {
    fn default() -> Self {
        Self { most_digests: 5_000, most_differences: 2_000, time: TimeLimits::default() }
    }
}

/// A session that could not be done again, or not to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionFailure<'a> {
    /// The recorded session.
    pub(crate) session: SessionId,
    /// The number of the command at which it failed; 0 for the login.
    pub(crate) number: u64,
    /// How the recorded session went on, in a few words without values: `logged in`, `went on`.
    pub(crate) expected: &'a str,
    /// Why it failed, without values of its own: failures with the same reason are counted together.
    pub(crate) reason: &'a str,
    /// What exactly happened.
    pub(crate) detail: &'a str,
}

/// Takes in executions; in the end there is a [`Report`].
#[derive(Clone)]
pub(crate) struct Collector {
    options: CollectorOptions,
    known: Statements,
    sessions: u64,
    statements: u64,
    equal: u64,
    not_compared: BTreeMap<String, u64>,
    skipped: BTreeMap<String, u64>,
    notes: Vec<String>,
    classes: BTreeMap<DifferenceClass, ClassTotal>,
    latency: Pair<Histogram>,
    time_ns: Pair<u64>,
    series: Series,
    lateness: Option<LatenessTotals>,
    digests: HashMap<Digest, DigestTotals>,
    other_digests: Option<OtherDigests>,
    differences: BTreeMap<Key, Difference>,
    other_differences: BTreeMap<DifferenceClass, u64>,
}

/// What is counted together.
type Key = (DifferenceClass, Option<Digest>, String, String);

/// Reasons for skipping and the like are from a list; this is for mistakes.
const MOST_REASONS: usize = 200;

impl Collector {
    /// Without an execution so far.
    pub(crate) fn new(options: CollectorOptions) -> Self {
        Self {
            options,
            known: Statements::default(),
            sessions: 0,
            statements: 0,
            equal: 0,
            not_compared: BTreeMap::new(),
            skipped: BTreeMap::new(),
            notes: Vec::new(),
            classes: BTreeMap::new(),
            latency: Pair::default(),
            time_ns: Pair::default(),
            series: Series::default(),
            lateness: None,
            digests: HashMap::new(),
            other_digests: None,
            differences: BTreeMap::new(),
            other_differences: BTreeMap::new(),
        }
    }

    /// Takes in an execution, and tells what it differs in.
    pub(crate) fn add(&mut self, execution: &Execution<'_>) -> Option<Finding> {
        let Execution { expected, observed, .. } = *execution;
        let facts = self.known.facts(expected, execution.lexis);
        self.statements += 1;
        if let Some(lateness) = execution.lateness {
            self.lateness.get_or_insert_default().add(lateness);
        }
        self.time_ns.add((expected.duration_ns.unwrap_or(0), observed.duration_ns.unwrap_or(0)));
        self.series.expected(execution.recorded_ns, expected.duration_ns, expected.error().is_some());
        self.series.observed(execution.started_ns, observed.duration_ns, observed.error().is_some());
        let comparison = compare(facts.nature, expected, observed, self.options.time);
        self.add_to_digest(execution, facts, &comparison);
        match comparison {
            Comparison::Same => {
                self.equal += 1;
                None
            }
            Comparison::NotCompared(reason) => {
                count(&mut self.not_compared, reason, 1);
                None
            }
            Comparison::Different(finding) => {
                self.add_difference(execution, facts.digest, &finding);
                Some(finding)
            }
        }
    }

    /// Another recorded session has begun.
    pub(crate) fn session_began(&mut self) {
        self.sessions += 1;
    }

    /// A session failed.
    pub(crate) fn session_failed(&mut self, failure: &SessionFailure<'_>) {
        let class = DifferenceClass::Session;
        self.classes.entry(class).or_default().count += 1;
        let key = (class, None, failure.expected.to_owned(), failure.reason.to_owned());
        let example = || Example {
            session: failure.session.to_string(),
            number: failure.number,
            sql: String::new(),
            sql_is_cut: false,
            expected: failure.expected.to_owned(),
            observed: failure.detail.to_owned(),
        };
        self.count_difference(key, 0, example);
    }

    /// Commands were not done again, for this reason, which has no values of its own.
    pub(crate) fn skipped(&mut self, reason: &str, times: u64) {
        count(&mut self.skipped, reason, times);
    }

    /// Commands cannot be compared, for this reason, which has no values of its own.
    pub(crate) fn not_compared(&mut self, reason: &str, times: u64) {
        count(&mut self.not_compared, reason, times);
    }

    /// Whoever reads the report should know this before they trust its figures.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.notes.len() < MOST_REASONS && !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// The report of all of it.
    pub(crate) fn finish(self, facts: Facts) -> Report {
        let TimeLimits { factor, floor_ns } = self.options.time;
        let mut report = Report {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            facts: Facts { time_factor: factor, time_floor_ns: floor_ns, ..facts },
            sessions: self.sessions,
            statements: self.statements,
            equal: self.equal,
            not_compared: self.not_compared,
            skipped: self.skipped,
            notes: self.notes,
            classes: self.classes,
            latency: self.latency,
            time_ns: self.time_ns,
            series: self.series,
            lateness: self.lateness,
            digests: self.digests.into_values().collect(),
            other_digests: self.other_digests,
            differences: self.differences.into_values().collect(),
            other_differences: self.other_differences,
            baseline: None,
        };
        report.settle();
        report
    }

    fn add_to_digest(&mut self, execution: &Execution<'_>, facts: StatementFacts, comparison: &Comparison) {
        let Execution { expected, observed, lexis, .. } = *execution;
        let errors = (u64::from(expected.error().is_some()), u64::from(observed.error().is_some()));
        // What failed in only one of them took the time of something else.
        let durations = expected.duration_ns.zip(observed.duration_ns);
        let is_fair = errors.0 == errors.1 && !matches!(comparison, Comparison::NotCompared(_));
        let durations = durations.filter(|_| is_fair);
        if let Some((before, now)) = durations {
            self.latency.record(before, now);
        }
        if !self.digests.contains_key(&facts.digest) && self.digests.len() >= self.options.most_digests {
            let others = self.other_digests.get_or_insert_default();
            others.count += 1;
            others.errors.add(errors);
            if let Some((before, now)) = durations {
                others.latency.record(before, now);
            }
            return;
        }
        let totals = self.digests.entry(facts.digest).or_insert_with(|| {
            let (sample, sample_is_cut) = sample(expected, lexis);
            DigestTotals {
                digest: facts.digest.to_string(),
                pattern: pattern(expected, lexis),
                kind: facts.kind.to_string(),
                count: 0,
                errors: Pair::default(),
                classes: BTreeMap::new(),
                latency: Pair::default(),
                baseline: None,
                nature: facts.nature.reasons().map(str::to_owned).collect(),
                impact: 0.0,
                sample,
                sample_is_cut,
                explain: None,
            }
        });
        totals.count += 1;
        totals.errors.add(errors);
        if let Comparison::Different(finding) = comparison {
            *totals.classes.entry(finding.class).or_default() += 1;
        }
        if let Some((before, now)) = durations {
            totals.latency.record(before, now);
        }
    }

    fn add_difference(&mut self, execution: &Execution<'_>, digest: Digest, finding: &Finding) {
        let Execution { expected, observed, .. } = *execution;
        self.classes.entry(finding.class).or_default().count += 1;
        let before = expected.duration_ns.unwrap_or(0);
        let time_ns = match finding.class {
            DifferenceClass::Time => before.abs_diff(observed.duration_ns.unwrap_or(0)),
            _ => before,
        };
        let key = (finding.class, Some(digest), finding.expected.clone(), finding.observed.clone());
        let example = || {
            let (sql, sql_is_cut) = sample(expected, execution.lexis);
            let (expected, observed) = example(finding, expected, observed);
            let session = execution.session.to_string();
            Example { session, number: execution.number, sql, sql_is_cut, expected, observed }
        };
        self.count_difference(key, time_ns, example);
    }

    fn count_difference(&mut self, key: Key, time_ns: u64, example: impl FnOnce() -> Example) {
        let is_full = self.differences.len() >= self.options.most_differences;
        match self.differences.entry(key) {
            Entry::Occupied(mut entry) => {
                let difference = entry.get_mut();
                difference.count += 1;
                difference.time_ns = difference.time_ns.saturating_add(time_ns);
            }
            Entry::Vacant(entry) if is_full => *self.other_differences.entry(entry.key().0).or_default() += 1,
            Entry::Vacant(entry) => {
                let (class, digest, expected, observed) = entry.key().clone();
                let digest = digest.map(|digest| digest.to_string());
                let (impact, noise, count, example) = (0.0, 0, 1, example());
                entry.insert(Difference { class, digest, expected, observed, count, noise, time_ns, impact, example });
            }
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, reason: &str, times: u64) {
    let reason = if counts.len() < MOST_REASONS || counts.contains_key(reason) { reason } else { "other reasons" };
    let held = counts.entry(reason.to_owned()).or_default();
    *held = held.saturating_add(times);
}

impl Pair<Histogram> {
    fn record(&mut self, expected_ns: u64, observed_ns: u64) {
        self.expected.record(expected_ns);
        self.observed.record(observed_ns);
    }
}

impl Pair<u64> {
    pub(super) fn add(&mut self, (expected, observed): (u64, u64)) {
        self.expected = self.expected.saturating_add(expected);
        self.observed = self.observed.saturating_add(observed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::RecordedCommand;
    use crate::report::fixture::{answered, error, execution, rows};

    fn collect(pairs: &[(RecordedCommand, RecordedCommand)], options: CollectorOptions) -> Report {
        let mut collector = Collector::new(options);
        for (number, (expected, observed)) in pairs.iter().enumerate() {
            collector.add(&execution(number as u64, expected, observed));
        }
        collector.finish(Facts::default())
    }

    fn pair(sql: &str, observed: crate::recording::RecordedAnswer) -> (RecordedCommand, RecordedCommand) {
        (answered(sql, [rows(&["1"])]), answered(sql, [observed]))
    }

    #[test]
    fn differences_of_a_pattern_are_counted_together() {
        let failing = (0..10).map(|n| pair(&format!("SELECT a FROM t WHERE b = {n}"), error(1146)));
        let other = (0..3).map(|n| pair(&format!("SELECT a FROM u WHERE b = {n}"), error(1146)));
        let equal = (0..5).map(|n| pair(&format!("SELECT a FROM v WHERE b = {n}"), rows(&["1"])));
        let report = collect(&failing.chain(other).chain(equal).collect::<Vec<_>>(), CollectorOptions::default());
        assert_eq!((report.statements, report.equal, report.digests.len()), (18, 5, 3));
        let counts: Vec<_> = report.differences.iter().map(|difference| difference.count).collect();
        assert_eq!(counts, [10, 3]);
        let first = &report.differences[0];
        assert_eq!((first.expected.as_str(), first.observed.as_str()), ("success", "error 1146 (HY000)"));
        assert_eq!(first.example.sql, "SELECT a FROM t WHERE b = 0");
        assert_eq!(first.example.observed, "error 1146 (HY000): it failed");
        assert_eq!(report.classes[&DifferenceClass::Error].count, 13);
        // What failed in one of them says nothing about time.
        assert_eq!(report.latency.observed.count(), 5);
        assert_eq!((first.time_ns, first.impact), (10_000_000, 10.0 / 18.0));
    }

    #[test]
    fn what_exceeds_the_room_is_counted_together() {
        let letters = ["a", "b", "c", "d", "e", "f"];
        let pairs: Vec<_> = letters.iter().map(|name| pair(&format!("SELECT {name}"), error(1054))).collect();
        let options = CollectorOptions { most_digests: 2, most_differences: 3, ..CollectorOptions::default() };
        let report = collect(&pairs, options);
        assert_eq!((report.digests.len(), report.differences.len()), (2, 3));
        let others = report.other_digests.unwrap();
        assert_eq!((others.count, others.errors.observed), (4, 4));
        assert_eq!(report.other_differences[&DifferenceClass::Error], 3);
        assert_eq!(report.classes[&DifferenceClass::Error].count, 6);
    }

    #[test]
    fn failures_of_sessions_are_differences() {
        let mut collector = Collector::new(CollectorOptions::default());
        for (session, detail) in [(1, "Access denied for user 'a'"), (2, "Access denied for user 'b'")] {
            let (session, reason) = (SessionId(session), "login refused: error 1045");
            collector.session_failed(&SessionFailure { session, number: 0, expected: "logged in", reason, detail });
        }
        collector.skipped("changes data", 3);
        collector.skipped("changes data", 4);
        collector.note("once");
        collector.note("once");
        let report = collector.finish(Facts::default());
        assert_eq!((report.differences.len(), report.differences[0].count), (1, 2));
        assert_eq!(report.differences[0].example.observed, "Access denied for user 'a'");
        assert_eq!((report.skipped["changes data"], report.notes.len()), (7, 1));
    }
}
