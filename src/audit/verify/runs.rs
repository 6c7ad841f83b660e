//! Runs of a reader of binlogs, one after the other: whether each goes on where the one before has ended.

use std::collections::BTreeMap;

use super::report::{Finding, Kind, Report};
use crate::audit::event::{Begins, StreamOpened, StreamPosition};
use crate::audit::hash::Instance;

/// Where one position of a binlog is, seen from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Same,
    Before,
    After,
    /// They are of different servers, and it is not known which transactions come before them.
    Unknown,
}

/// Says where the first position is, seen from the second.
pub(crate) type Relate = fn(&StreamPosition, &StreamPosition) -> Relation;

/// What an instance's marker stream says of the binlog that it has read.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// The name that its runs share; `None` where the record that has it is not there.
    pub(super) name: Option<String>,
    /// The time of its first record.
    pub(super) begun: u64,
    pub(super) opened: Vec<StreamOpened>,
    /// Everything before it is delivered, says the last marker.
    pub(super) delivered: Option<StreamPosition>,
    /// Everything before it was read, as it says itself at its end.
    pub(super) closed: Option<StreamPosition>,
}

impl Run {
    /// Whether the instance reads a binlog.
    pub(super) fn is_known(&self) -> bool {
        !self.opened.is_empty() || self.delivered.is_some()
    }

    /// Everything before it is delivered: without a marker that is where it began.
    fn delivered(&self) -> Option<&StreamPosition> {
        self.delivered.as_ref().or_else(|| self.opened.first().map(|opened| &opened.position))
    }
}

/// Holds the beginning of each run against what was delivered before it.
pub(super) fn join(runs: Vec<(Instance, Run)>, relate: Relate, report: &mut Report) {
    report.streams = runs.len() as u64;
    let mut by_name: BTreeMap<String, Vec<(Instance, Run)>> = BTreeMap::new();
    let (named, nameless): (Vec<_>, Vec<_>) = runs.into_iter().partition(|(_, run)| run.name.is_some());
    for (instance, run) in named {
        by_name.entry(run.name.clone().unwrap_or_default()).or_default().push((instance, run));
    }
    // The name is in its first record, which retention may have removed.
    if by_name.len() <= 1 {
        by_name.entry(by_name.keys().next().cloned().unwrap_or_default()).or_default().extend(nameless);
    }
    for mut runs in by_name.into_values() {
        runs.sort_by_key(|(_, run)| run.begun);
        join_in_order(&runs, relate, report);
    }
}

fn join_in_order(runs: &[(Instance, Run)], relate: Relate, report: &mut Report) {
    let mut before: Option<&StreamPosition> = None;
    for (number, (instance, run)) in runs.iter().enumerate() {
        for opened in &run.opened {
            judge(instance, opened, before, relate, report);
        }
        before = match (before, run.delivered()) {
            // It has read again what was delivered before, and has not got so far.
            (Some(before), Some(now)) if relate(now, before) == Relation::Before => Some(before),
            (before, now) => now.or(before),
        };
        let is_last = number + 1 == runs.len();
        if let (true, Some(closed), Some(delivered)) = (is_last, &run.closed, run.delivered())
            && relate(closed, delivered) == Relation::After
        {
            let text = format!(
                "instance {instance}: it has read through {closed} and delivered through {delivered}, and no later run goes on there"
            );
            report.add(Finding::new(Kind::Gap, text));
        }
    }
}

/// A run begins here; `before`: everything up to there is delivered.
fn judge(
    instance: &Instance,
    opened: &StreamOpened,
    before: Option<&StreamPosition>,
    relate: Relate,
    report: &mut Report,
) {
    let StreamOpened { begins, position } = opened;
    let Some(before) = before.filter(|_| !matches!(begins, Begins::Again | Begins::Purged)) else {
        if *begins == Begins::Purged {
            let text = format!("instance {instance}: what came before {position} was purged before it was read");
            report.add(Finding::new(Kind::Gap, text));
        }
        return;
    };
    let told = |what: &str| format!("instance {instance}: it begins at {position}, and {what} {before}");
    match (relate(position, before), begins) {
        (Relation::Same, _) => report.seamless += 1,
        (Relation::Before, _) => report.overlapping += 1,
        (Relation::After, Begins::Committed) => {
            let text = told("what was committed before that is proven only through");
            report.add(Finding::new(Kind::Unproven, text));
        }
        (Relation::After, _) => {
            let text = told("rows before that are delivered only through");
            report.add(Finding::new(Kind::Gap, text));
        }
        (Relation::Unknown, _) => {
            let text =
                told("whether that goes on where the run before has ended is not known: it has delivered through");
            report.add(Finding::new(Kind::Unproven, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> StreamPosition {
        StreamPosition { file: "binlog.000001".to_owned(), offset, ..StreamPosition::default() }
    }

    fn run(number: u8, begins: Begins, from: u64, delivered: Option<u64>) -> (Instance, Run) {
        let run = Run {
            name: Some("a".to_owned()),
            begun: number.into(),
            opened: vec![StreamOpened { begins, position: at(from) }],
            delivered: delivered.map(at),
            closed: None,
        };
        (Instance([number; 16]), run)
    }

    fn relate(position: &StreamPosition, other: &StreamPosition) -> Relation {
        match position.offset.cmp(&other.offset) {
            std::cmp::Ordering::Less => Relation::Before,
            std::cmp::Ordering::Equal => Relation::Same,
            std::cmp::Ordering::Greater => Relation::After,
        }
    }

    fn joined(runs: Vec<(Instance, Run)>) -> Report {
        let mut report = Report::new("test".to_owned(), Vec::new(), 0, true);
        join(runs, relate, &mut report);
        report
    }

    fn kinds(report: &Report) -> Vec<Kind> {
        report.findings.iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn runs_are_joined_in_the_order_of_time() {
        let runs = vec![
            run(3, Begins::Checkpoint, 300, Some(400)),
            run(1, Begins::Asked, 4, Some(200)),
            run(2, Begins::Checkpoint, 200, Some(350)),
        ];
        let report = joined(runs);
        assert_eq!((report.seamless, report.overlapping, report.findings.len()), (1, 1, 0), "{report:#?}");
    }

    #[test]
    fn a_run_that_begins_later_leaves_a_gap() {
        let later = |begins| joined(vec![run(1, Begins::Asked, 4, Some(200)), run(2, begins, 201, Some(300))]);
        assert_eq!(kinds(&later(Begins::Checkpoint)), [Kind::Gap]);
        assert_eq!(kinds(&later(Begins::Asked)), [Kind::Gap]);
        assert_eq!(kinds(&later(Begins::Committed)), [Kind::Unproven]);
        assert_eq!(kinds(&later(Begins::Purged)), [Kind::Gap]);
        assert_eq!(kinds(&later(Begins::Again)), []);
    }

    #[test]
    fn a_run_without_a_marker_has_delivered_nothing() {
        let killed = |from| joined(vec![run(1, Begins::Asked, 4, None), run(2, Begins::Asked, from, Some(300))]);
        assert_eq!((killed(4).seamless, kinds(&killed(5))), (1, vec![Kind::Gap]));
    }

    #[test]
    fn a_run_that_reads_again_and_ends_earlier_takes_nothing_back() {
        let runs = |from| {
            joined(vec![
                run(1, Begins::Asked, 4, Some(500)),
                run(2, Begins::Asked, 4, Some(100)),
                run(3, Begins::Checkpoint, from, Some(600)),
            ])
        };
        assert_eq!((runs(100).overlapping, kinds(&runs(500))), (2, vec![]));
        assert_eq!(kinds(&runs(501)), [Kind::Gap]);
    }

    #[test]
    fn readers_of_other_names_are_not_joined() {
        let (instance, other) = run(2, Begins::Asked, 900, Some(950));
        let other = Run { name: Some("b".to_owned()), ..other };
        let report = joined(vec![run(1, Begins::Asked, 4, Some(200)), (instance, other)]);
        assert_eq!((report.streams, report.seamless, report.findings.len()), (2, 0, 0));
    }

    #[test]
    fn what_the_last_run_has_read_and_not_delivered_is_missing() {
        let ended = |delivered, closed| {
            let (instance, run) = run(1, Begins::Asked, 4, Some(delivered));
            joined(vec![(instance, Run { closed: Some(at(closed)), ..run })])
        };
        assert_eq!((kinds(&ended(200, 200)), kinds(&ended(200, 300))), (vec![], vec![Kind::Gap]));
    }
}
