//! How far behind a sink is: the ages and sizes of what it has not delivered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What entered a sink's queue and is not delivered, in the order of positions.
#[derive(Debug)]
pub(crate) struct Backlog {
    runs: VecDeque<Run>,
    bytes: u64,
    /// The position through which everything is done.
    through: u64,
    /// When that last moved.
    moved: Instant,
}

/// Messages that came together.
#[derive(Debug)]
struct Run {
    first: u64,
    /// Past its last position.
    end: u64,
    bytes: u64,
    since: Instant,
}

/// How far behind a sink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lag {
    /// The age of the oldest message that is not delivered; zero without one.
    pub(crate) age: Duration,
    /// How long ago messages were last delivered.
    pub(crate) quiet: Duration,
    /// The bytes of all messages that are not delivered.
    pub(crate) bytes: u64,
}

impl Backlog {
    pub(crate) fn new(now: Instant) -> Self {
        Self { runs: VecDeque::new(), bytes: 0, through: 0, moved: now }
    }

    /// Messages with these positions came in.
    pub(crate) fn add(&mut self, first: u64, messages: u64, bytes: u64, now: Instant) {
        self.runs.push_back(Run { first, end: first.saturating_add(messages), bytes, since: now });
        self.bytes += bytes;
        // The sink may have been faster than whoever says so here.
        self.drop_done();
    }

    /// Everything through this position is done.
    pub(crate) fn done(&mut self, through: u64, now: Instant) {
        if through > self.through {
            self.through = through;
            self.moved = now;
            self.drop_done();
        }
    }

    /// The sink has ended: nothing of it will be delivered.
    pub(crate) fn clear(&mut self) {
        self.runs.clear();
        self.bytes = 0;
    }

    fn drop_done(&mut self) {
        while let Some(run) = self.runs.front_mut().filter(|run| run.first <= self.through) {
            let end = run.end.min(self.through.saturating_add(1));
            // Of a part, its share.
            let (part, whole) = (u128::from(end - run.first), u128::from(run.end - run.first));
            let bytes = u64::try_from(u128::from(run.bytes) * part / whole.max(1)).unwrap_or(run.bytes);
            run.first = end;
            run.bytes -= bytes;
            self.bytes -= bytes;
            if run.first == run.end {
                self.runs.pop_front();
            }
        }
    }

    pub(crate) fn lag(&self, now: Instant) -> Lag {
        let since = self.runs.front().map_or(now, |run| run.since);
        Lag {
            age: now.saturating_duration_since(since),
            quiet: now.saturating_duration_since(self.moved),
            bytes: self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_is_not_delivered_counts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut backlog = Backlog::new(start);
        assert_eq!(backlog.lag(at(9)), Lag { age: Duration::ZERO, quiet: Duration::from_secs(9), bytes: 0 });
        backlog.add(1, 10, 1000, at(10));
        backlog.add(13, 2, 50, at(12));
        let lag = |age, quiet, bytes| Lag { age: Duration::from_secs(age), quiet: Duration::from_secs(quiet), bytes };
        assert_eq!(backlog.lag(at(15)), lag(5, 15, 1050));
        backlog.done(4, at(16));
        assert_eq!(backlog.lag(at(17)), lag(7, 1, 650));
        // Positions that were dropped for this sink are passed over.
        backlog.done(12, at(18));
        assert_eq!(backlog.lag(at(20)), lag(8, 2, 50));
        backlog.done(12, at(19));
        assert_eq!(backlog.lag(at(20)), lag(8, 2, 50));
        // Delivered before it was said that it came.
        backlog.done(16, at(20));
        backlog.add(15, 2, 70, at(21));
        assert_eq!(backlog.lag(at(22)), lag(0, 2, 0));
        backlog.add(17, 1, 5, at(22));
        backlog.clear();
        assert_eq!(backlog.lag(at(30)).bytes, 0);
    }
}
