//! Positions: how far delivery is.
//!
//! Every message that enters delivery gets a position: 1, 2, 3 and so on, for as long as this process runs (`binlog`: in each form of
//! its messages, because sinks of different forms get different numbers of messages). A message that a full queue drops for one sink
//! keeps its position, which that sink never sees. A sink reports the position up to which everything is done
//! ([`Sink::delivered_through`](crate::deliver::Sink::delivered_through)); checkpoints, counters and the account at the end follow from it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::deliver::batch::Batch;

/// The last position of each form. Messages of one form must all come the same way in, for their order.
#[derive(Debug)]
pub(crate) struct Positions(Vec<AtomicU64>);

impl Positions {
    pub(crate) fn new(forms: usize) -> Self {
        Self((0..forms).map(|_| AtomicU64::new(0)).collect())
    }

    /// The batch enters delivery: its messages get the next positions.
    pub(crate) fn assign(&self, form: usize, batch: &mut Batch) {
        if let Some(last) = self.0.get(form) {
            batch.set_position(last.fetch_add(batch.len() as u64, Ordering::Relaxed) + 1);
        }
    }

    /// The last position of each form.
    pub(crate) fn last(&self) -> Vec<u64> {
        self.0.iter().map(|last| last.load(Ordering::Relaxed)).collect()
    }
}

/// Positions that a sink took, in order, and that are not done yet.
///
/// As runs without gaps: there is one run, and one more for each time that messages were dropped meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    runs: VecDeque<Range<u64>>,
    /// The last position that is done.
    through: u64,
}

impl Outstanding {
    /// Adds `count` positions from `first` on.
    pub(crate) fn take(&mut self, first: u64, count: usize) {
        if count == 0 {
            return;
        }
        let end = first.saturating_add(count as u64);
        match self.runs.back_mut() {
            Some(last) if last.end == first => last.end = end,
            _ => self.runs.push_back(first..end),
        }
    }

    /// Everything through `position` is done. Returns how many of the taken positions that were.
    pub(crate) fn done_through(&mut self, position: u64) -> u64 {
        let mut count = 0;
        while let Some(run) = self.runs.front_mut().filter(|run| run.start <= position) {
            let end = run.end.min(position.saturating_add(1));
            count += end - run.start;
            run.start = end;
            if run.is_empty() {
                self.runs.pop_front();
            }
        }
        self.through = self.through.max(position);
        count
    }

    /// The first `count` of the taken positions are done.
    pub(crate) fn done(&mut self, mut count: u64) {
        while let Some(run) = self.runs.front_mut().filter(|_| count > 0) {
            let part = count.min(run.end - run.start);
            run.start += part;
            count -= part;
            self.through = run.start - 1;
            if run.is_empty() {
                self.runs.pop_front();
            }
        }
    }

    /// The position up to which everything that was taken is done.
    pub(crate) fn through(&self) -> u64 {
        self.through
    }

    /// How many positions are not done.
    pub(crate) fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_passed_and_not_counted() {
        let mut outstanding = Outstanding::default();
        outstanding.take(1, 3);
        outstanding.take(4, 2);
        outstanding.take(10, 5);
        assert_eq!((outstanding.runs.len(), outstanding.len()), (2, 10));
        assert_eq!(outstanding.done_through(4), 4);
        assert_eq!(outstanding.done_through(8), 1);
        assert_eq!(outstanding.done_through(3), 0);
        assert_eq!(outstanding.through(), 8);
        assert_eq!(outstanding.done_through(100), 5);
        assert_eq!((outstanding.through(), outstanding.len()), (100, 0));
    }

    #[test]
    fn counts_become_positions() {
        let mut outstanding = Outstanding::default();
        outstanding.take(3, 2);
        outstanding.take(7, 2);
        outstanding.done(3);
        assert_eq!((outstanding.through(), outstanding.len()), (7, 1));
        outstanding.done(5);
        assert_eq!((outstanding.through(), outstanding.len()), (8, 0));
    }
}
