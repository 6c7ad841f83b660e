//! When positions were reached, coarsely: how old what waits in the spool is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far apart marks are at first.
const APART: Duration = Duration::from_secs(1);
/// More than this are not kept: then every second one goes, and from there on they are twice as far apart.
const MOST: usize = 2048;

/// Positions, and when they were the last.
#[derive(Debug)]
pub(crate) struct Timeline {
    marks: VecDeque<Mark>,
    apart: Duration,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { marks: VecDeque::new(), apart: APART }
    }
}

#[derive(Debug)]
struct Mark {
    /// The last of some positions that came at about the same time.
    last: u64,
    /// When the first of them had come.
    at: Instant,
}

impl Timeline {
    /// Everything through `last` has come.
    pub(crate) fn mark(&mut self, last: u64, now: Instant) {
        match self.marks.back_mut() {
            Some(mark) if mark.last >= last => return,
            Some(mark) if now.saturating_duration_since(mark.at) < self.apart => mark.last = last,
            _ => self.marks.push_back(Mark { last, at: now }),
        }
        if self.marks.len() > MOST {
            self.thin_out();
        }
    }

    /// Of two marks the later position, and the earlier time.
    fn thin_out(&mut self) {
        self.apart = self.apart.saturating_mul(2);
        let marks = std::mem::take(&mut self.marks);
        let mut marks = marks.into_iter();
        while let Some(first) = marks.next() {
            let last = marks.next().map_or(first.last, |second| second.last);
            self.marks.push_back(Mark { last, at: first.at });
        }
    }

    /// How long ago the message after `through` came, to a second or so (of days: some minutes), never too young; zero if there is none.
    pub(crate) fn age(&self, through: u64, now: Instant) -> Duration {
        let index = self.marks.partition_point(|mark| mark.last <= through);
        self.marks.get(index).map_or(Duration::ZERO, |mark| now.saturating_duration_since(mark.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_waits_has_an_age() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timeline = Timeline::default();
        assert_eq!(timeline.age(0, start), Duration::ZERO);
        timeline.mark(10, at(0));
        timeline.mark(15, at(900));
        timeline.mark(15, at(5000));
        timeline.mark(20, at(8000));
        let age = |through| timeline.age(through, at(10_000)).as_millis();
        assert_eq!((age(0), age(14), age(15), age(19), age(20)), (10_000, 10_000, 2000, 2000, 0));
    }

    #[test]
    fn of_days_it_keeps_little_and_nothing_gets_younger() {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        let seconds = 200_000;
        for second in 1..=seconds {
            timeline.mark(second, start + Duration::from_secs(second));
        }
        assert!(timeline.marks.len() <= MOST);
        let now = start + Duration::from_secs(seconds);
        for through in [0, 1, 777, 100_000, 199_999] {
            let (age, exact) = (timeline.age(through, now).as_secs(), seconds - through - 1);
            assert!(age >= exact && age <= exact + 256, "{through}: {age} for {exact}");
        }
    }
}
