//! What one execution differs in.

use super::class::DifferenceClass;
use super::outcome::{code, exactly};
use crate::mysql::sql::Nature;
use crate::recording::{RecordedAnswer, RecordedCommand, RecordedError, RecordedResult};

/// By how much an execution must be slower or faster to be a difference: by this factor, and by this much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TimeLimits {
    /// The factor, above 1.
    pub(crate) factor: f64,
    /// The least change, in nanoseconds.
    pub(crate) floor_ns: u64,
}

impl Default for TimeLimits {
    /// Twice, and ten milliseconds.
    fn default() -> Self {
        Self { factor: 2.0, floor_ns: 10_000_000 }
    }
}

/// A difference of one execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Its class.
    pub(crate) class: DifferenceClass,
    /// What was there, in general: what is the same in both is counted together.
    pub(crate) expected: String,
    /// What is there instead, in general.
    pub(crate) observed: String,
}

impl Finding {
    fn new(class: DifferenceClass, expected: impl Into<String>, observed: impl Into<String>) -> Self {
        Self { class, expected: expected.into(), observed: observed.into() }
    }
}

/// Whether two outcomes can be compared, and what they differ in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Comparison {
    Same,
    Different(Finding),
    /// The recording does not say how it went, for this reason.
    NotCompared(&'static str),
}

/// Compares two executions of a command of this nature.
pub(super) fn compare(
    nature: Nature,
    expected: &RecordedCommand,
    observed: &RecordedCommand,
    limits: TimeLimits,
) -> Comparison {
    if expected.results.is_empty() && expected.duration_ns.is_none() {
        // What has no answer, or a source that knows of none.
        return Comparison::NotCompared("the recording has no answer");
    }
    if unknown(expected).is_some() {
        return Comparison::NotCompared("the recorded answer is not known");
    }
    if let Some(reason) = unknown(observed) {
        return Comparison::Different(Finding::new(DifferenceClass::Session, in_general(expected), reason));
    }
    if expected.results.is_empty() {
        return Comparison::NotCompared("the recording has no answer");
    }
    let outcome = errors(expected, observed)
        .or_else(|| results(nature, &expected.results, &observed.results))
        .or_else(|| warnings(&expected.results, &observed.results))
        .or_else(|| time(expected.duration_ns, observed.duration_ns, limits));
    outcome.map_or(Comparison::Same, Comparison::Different)
}

/// Why it is not known how it went.
fn unknown(command: &RecordedCommand) -> Option<&str> {
    command.results.iter().find_map(|result| match &result.answer {
        RecordedAnswer::Unknown(reason) => Some(reason.as_str()),
        _ => None,
    })
}

/// A command's outcome without what is its own in each execution.
fn in_general(command: &RecordedCommand) -> String {
    match command.results.last().map(|result| &result.answer) {
        Some(RecordedAnswer::Error(error)) => code(error),
        Some(RecordedAnswer::Rows { .. }) => "rows".to_owned(),
        Some(_) => "success".to_owned(),
        None => "no answer".to_owned(),
    }
}

fn errors(expected: &RecordedCommand, observed: &RecordedCommand) -> Option<Finding> {
    let in_general = |error: Option<&RecordedError>| error.map_or_else(|| "success".to_owned(), code);
    let (before, now) = (expected.error(), observed.error());
    let is_same = before.map(|error| error.code) == now.map(|error| error.code);
    (!is_same).then(|| Finding::new(DifferenceClass::Error, in_general(before), in_general(now)))
}

fn results(nature: Nature, expected: &[RecordedResult], observed: &[RecordedResult]) -> Option<Finding> {
    if expected.len() != observed.len() {
        let more = if observed.len() > expected.len() { "more results" } else { "fewer results" };
        return Some(Finding::new(DifferenceClass::Rows, "results", more));
    }
    let pairs = expected.iter().zip(observed);
    // The first difference by class, not by place: keys that differ by nature do not hide rows that should not differ.
    pairs.filter_map(|(before, now)| answers(nature, &before.answer, &now.answer)).min_by_key(|found| found.class)
}

fn answers(nature: Nature, expected: &RecordedAnswer, observed: &RecordedAnswer) -> Option<Finding> {
    use RecordedAnswer as Is;
    match (expected, observed) {
        (Is::Rows { count, checksum }, Is::Rows { count: now, checksum: checksum_now }) => {
            if count != now {
                let more = if now > count { "more rows" } else { "fewer rows" };
                let class = by_nature(nature.may_change_count(), DifferenceClass::Rows);
                return Some(Finding::new(class, "rows", more));
            }
            let (checksum, now) = (checksum.as_ref()?, checksum_now.as_ref()?);
            if checksum.unordered != now.unordered {
                let class = by_nature(nature.may_change_values(), DifferenceClass::Rows);
                return Some(Finding::new(class, "rows", "as many rows, other values"));
            }
            let is_ordered = nature.contains(Nature::ORDERED);
            (is_ordered && checksum.ordered != now.ordered)
                .then(|| Finding::new(DifferenceClass::Order, "rows", "the same rows in another order"))
        }
        (
            Is::Ok { affected_rows, last_insert_id },
            Is::Ok { affected_rows: now, last_insert_id: last_insert_id_now },
        ) => {
            if affected_rows != now {
                let more = if now > affected_rows { "more affected rows" } else { "fewer affected rows" };
                let class = by_nature(nature.may_change_count(), DifferenceClass::Affected);
                return Some(Finding::new(class, "affected rows", more));
            }
            // 0 is no key, or one that the source does not have.
            let are_keys = *last_insert_id != 0 && *last_insert_id_now != 0;
            (are_keys && last_insert_id != last_insert_id_now)
                .then(|| Finding::new(DifferenceClass::Nature, "generated key", "another generated key"))
        }
        (Is::Prepared { params, .. }, Is::Prepared { params: now, .. }) if params != now => {
            Some(Finding::new(DifferenceClass::Rows, "parameters", "another number of parameters"))
        }
        (Is::Error(_), Is::Error(_)) | (Is::Prepared { .. }, Is::Prepared { .. }) | (Is::Packet, Is::Packet) => None,
        (expected, observed) => Some(Finding::new(DifferenceClass::Rows, kind_of(expected), kind_of(observed))),
    }
}

fn by_nature(is_natural: bool, otherwise: DifferenceClass) -> DifferenceClass {
    if is_natural { DifferenceClass::Nature } else { otherwise }
}

fn kind_of(answer: &RecordedAnswer) -> &'static str {
    match answer {
        RecordedAnswer::Ok { .. } => "success without rows",
        RecordedAnswer::Rows { .. } => "rows",
        RecordedAnswer::Prepared { .. } => "a prepared statement",
        RecordedAnswer::Packet => "a packet of its own form",
        RecordedAnswer::Error(_) => "an error",
        RecordedAnswer::Unknown(_) => "nothing that is known",
    }
}

fn warnings(expected: &[RecordedResult], observed: &[RecordedResult]) -> Option<Finding> {
    let changed = expected.iter().zip(observed).find_map(|(before, now)| {
        let (before, now) = (before.warnings?, now.warnings?);
        (before != now).then_some((before, now))
    });
    changed.map(|(before, now)| {
        let text = |count| if count == 0 { "no warnings" } else { "warnings" };
        let now_text = match (before, now) {
            (0, _) | (_, 0) => text(now),
            _ if now > before => "more warnings",
            _ => "fewer warnings",
        };
        Finding::new(DifferenceClass::Warnings, text(before), now_text)
    })
}

fn time(expected: Option<u64>, observed: Option<u64>, limits: TimeLimits) -> Option<Finding> {
    let (expected, observed) = (expected?, observed?);
    if expected.abs_diff(observed) < limits.floor_ns {
        return None;
    }
    let exceeds = |longer: u64, shorter: u64| longer as f64 > shorter as f64 * limits.factor;
    if exceeds(observed, expected) {
        Some(Finding::new(DifferenceClass::Time, "as fast as before", "slower"))
    } else if exceeds(expected, observed) {
        Some(Finding::new(DifferenceClass::Time, "as slow as before", "faster"))
    } else {
        None
    }
}

/// Both outcomes as an example shows them.
pub(super) fn example(finding: &Finding, expected: &RecordedCommand, observed: &RecordedCommand) -> (String, String) {
    let milliseconds = |ns: Option<u64>| ns.map_or_else(String::new, |ns| format!("{:.1} ms", ns as f64 / 1e6));
    match finding.class {
        DifferenceClass::Time => (milliseconds(expected.duration_ns), milliseconds(observed.duration_ns)),
        DifferenceClass::Warnings => (count_of_warnings(expected), count_of_warnings(observed)),
        _ => (exactly(expected), exactly(observed)),
    }
}

fn count_of_warnings(command: &RecordedCommand) -> String {
    let count = command.results.iter().filter_map(|result| result.warnings).map(u64::from).sum();
    super::outcome::counted(count, "warning")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::sql::Lexis;
    use crate::report::fixture::{affected, answered, error, query, rows};

    fn found(sql: &str, expected: &[RecordedAnswer], observed: &[RecordedAnswer]) -> Comparison {
        let nature = Nature::of(sql.as_bytes(), Lexis::default());
        let expected = answered(sql, expected.iter().cloned());
        let observed = answered(sql, observed.iter().cloned());
        compare(nature, &expected, &observed, TimeLimits::default())
    }

    fn class(sql: &str, expected: RecordedAnswer, observed: RecordedAnswer) -> Option<DifferenceClass> {
        match found(sql, &[expected], &[observed]) {
            Comparison::Different(finding) => Some(finding.class),
            Comparison::Same => None,
            Comparison::NotCompared(reason) => panic!("{reason}"),
        }
    }

    #[test]
    fn each_difference_has_one_class() {
        use DifferenceClass as Is;
        let key = |affected_rows, last_insert_id| RecordedAnswer::Ok { affected_rows, last_insert_id };
        for (sql, expected, observed, class_of_it) in [
            ("SELECT a FROM t", rows(&["1"]), rows(&["1"]), None),
            ("SELECT a FROM t", rows(&["1"]), error(1146), Some(Is::Error)),
            ("SELECT a FROM t", error(1146), rows(&["1"]), Some(Is::Error)),
            ("SELECT a FROM t", error(1146), error(1064), Some(Is::Error)),
            ("SELECT a FROM t", error(1146), error(1146), None),
            ("SELECT NOW()", error(1146), rows(&["1"]), Some(Is::Error)),
            ("SELECT a FROM t", rows(&["1"]), rows(&["1", "2"]), Some(Is::Rows)),
            ("SELECT a FROM t", rows(&["1"]), rows(&["2"]), Some(Is::Rows)),
            ("SELECT a FROM t", rows(&["1"]), affected(1), Some(Is::Rows)),
            ("SELECT a FROM t", rows(&["1", "2"]), rows(&["2", "1"]), None),
            ("SELECT a FROM t ORDER BY b", rows(&["1", "2"]), rows(&["2", "1"]), Some(Is::Order)),
            ("SELECT a FROM t ORDER BY b", rows(&["1", "2"]), rows(&["2", "3"]), Some(Is::Rows)),
            ("SELECT NOW()", rows(&["1"]), rows(&["2"]), Some(Is::Nature)),
            ("SELECT a FROM t WHERE b < NOW()", rows(&["1"]), rows(&["2", "3"]), Some(Is::Nature)),
            ("SELECT a FROM t LIMIT 1", rows(&["1"]), rows(&["2"]), Some(Is::Nature)),
            ("SELECT a FROM t LIMIT 2", rows(&["1"]), rows(&["2", "3"]), Some(Is::Rows)),
            ("SELECT a FROM t ORDER BY b LIMIT 1", rows(&["1"]), rows(&["2"]), Some(Is::Rows)),
            ("UPDATE t SET a = 1", affected(1), affected(2), Some(Is::Affected)),
            ("UPDATE t SET a = NOW()", affected(1), affected(0), Some(Is::Nature)),
            ("DELETE FROM t LIMIT 3", affected(3), affected(2), Some(Is::Affected)),
            ("INSERT INTO t VALUES (1)", key(1, 7), key(1, 9), Some(Is::Nature)),
            ("INSERT INTO t VALUES (1)", key(1, 7), key(2, 9), Some(Is::Affected)),
            ("INSERT INTO t VALUES (1)", key(1, 0), key(1, 9), None),
            ("SELECT 1", rows(&["1"]), RecordedAnswer::Unknown("connection lost".into()), Some(Is::Session)),
        ] {
            assert_eq!(class(sql, expected.clone(), observed.clone()), class_of_it, "{sql} {expected:?} {observed:?}");
        }
    }

    #[test]
    fn of_several_results_the_gravest_difference_counts() {
        let key = |last_insert_id| RecordedAnswer::Ok { affected_rows: 1, last_insert_id };
        let Comparison::Different(finding) = found("CALL p()", &[key(1), rows(&["a"])], &[key(2), rows(&["b"])]) else {
            panic!("no difference");
        };
        assert_eq!(finding.class, DifferenceClass::Rows);
        let Comparison::Different(finding) = found("CALL p()", &[rows(&["a"]), affected(0)], &[affected(0)]) else {
            panic!("no difference");
        };
        assert_eq!((finding.class, finding.observed.as_str()), (DifferenceClass::Rows, "fewer results"));
    }

    #[test]
    fn what_was_not_recorded_is_not_compared() {
        let lacking = RecordedCommand { duration_ns: None, ..query("SELECT 1") };
        let observed = answered("SELECT 1", [rows(&["1"])]);
        for expected in [lacking, query("SELECT 1"), answered("SELECT 1", [RecordedAnswer::Unknown("?".into())])] {
            let comparison = compare(Nature::empty(), &expected, &observed, TimeLimits::default());
            assert!(matches!(comparison, Comparison::NotCompared(_)), "{expected:?}");
        }
        // Rows that nobody looked at are compared by their number.
        let unseen = RecordedAnswer::Rows { count: 1, checksum: None };
        assert_eq!(class("SELECT a", unseen.clone(), rows(&["1"])), None);
        assert_eq!(class("SELECT a", unseen, rows(&["1", "2"])), Some(DifferenceClass::Rows));
    }

    #[test]
    fn time_counts_beyond_a_factor_and_a_floor() {
        let limits = TimeLimits { factor: 2.0, floor_ns: 1_000_000 };
        for (before, now, expected) in [
            (1_000_000, 1_900_000, None),
            (100_000, 900_000, None),
            (2_000_000, 4_000_001, Some("slower")),
            (9_000_000, 3_000_000, Some("faster")),
            (9_000_000, 5_000_000, None),
        ] {
            let found = time(Some(before), Some(now), limits);
            assert_eq!(found.as_ref().map(|found| found.observed.as_str()), expected, "{before} {now}");
        }
        assert_eq!(time(None, Some(u64::MAX), limits), None);
    }

    #[test]
    fn warnings_count_where_nothing_else_differs() {
        let mut noisy = answered("SELECT 1", [rows(&["1"])]);
        noisy.results[0].warnings = Some(2);
        let quiet = answered("SELECT 1", [rows(&["1"])]);
        let compare = |before, now| compare(Nature::empty(), before, now, TimeLimits::default());
        let Comparison::Different(finding) = compare(&quiet, &noisy) else { panic!("no difference") };
        assert_eq!((finding.class, finding.observed.as_str()), (DifferenceClass::Warnings, "warnings"));
        assert_eq!(example(&finding, &quiet, &noisy), ("0 warnings".into(), "2 warnings".into()));
        assert_eq!(compare(&noisy, &noisy), Comparison::Same);
    }
}
