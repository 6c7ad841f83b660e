//! When each command is due: recorded times, scaled.
//!
//! The basis is the recording's own clock, never the time since the last statement: what is late does not move what comes after it, and
//! lateness is measured from the time that was intended.

use std::time::Duration;

/// How recorded time becomes the replay's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// What becomes of the time from the recording's beginning to a session's, in percent; 0 is none: at once.
    pub(crate) connect_percent: f64,
    /// What becomes of the time from a session's beginning to each of its commands, in percent; 0 is none: one after the other.
    pub(crate) think_percent: f64,
    /// Whether slower answers shorten the pauses after them. If not, each pause is as long as it was, and slower answers delay all that follows.
    pub(crate) think_auto: bool,
}

impl Pace {
    /// Whether sessions begin as soon as they may, whenever they were recorded.
    pub(crate) fn connects_at_once(&self) -> bool {
        self.connect_percent <= 0.0
    }
}

/// A part of a duration.
fn scaled(ns: u64, percent: f64) -> u64 {
    if percent == 100.0 {
        return ns;
    }
    let scaled = Duration::from_nanos(ns).as_secs_f64() * percent / 100.0;
    Duration::try_from_secs_f64(scaled).map_or(u64::MAX, |scaled| u64::try_from(scaled.as_nanos()).unwrap_or(u64::MAX))
}

/// The times of one session, in nanoseconds of the replay's clock.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    pace: Pace,
    /// When it began, recorded and again.
    recorded_begin: u64,
    begin: u64,
    /// When the last command's answer was complete, recorded and again.
    last_end: Option<(u64, u64)>,
}

impl Schedule {
    /// For a session that began at `recorded`, counted from where the replay begins; everything is `offset` later.
    pub(super) fn new(pace: Pace, recorded: u64, offset: u64) -> Self {
        let begin = scaled(recorded, pace.connect_percent).saturating_add(offset);
        Self { pace, recorded_begin: recorded, begin, last_end: None }
    }

    /// The session had to wait for others before it could begin: its own time begins now.
    pub(super) fn delay_begin(&mut self, now: u64) {
        self.begin = self.begin.max(now);
    }

    /// When what began at `recorded` is due.
    pub(super) fn due(&self, recorded: u64) -> u64 {
        let since_begin = recorded.saturating_sub(self.recorded_begin);
        let on_time = self.begin.saturating_add(scaled(since_begin, self.pace.think_percent));
        match self.last_end {
            Some((recorded_end, end)) if !self.pace.think_auto => {
                let pause = scaled(recorded.saturating_sub(recorded_end), self.pace.think_percent);
                on_time.max(end.saturating_add(pause))
            }
            _ => on_time,
        }
    }

    /// A command was answered: when it was in the recording, and now.
    pub(super) fn answered(&mut self, recorded_end: u64, end: u64) {
        self.last_end = Some((recorded_end, end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn pace(connect: f64, think: f64, think_auto: bool) -> Pace {
        Pace { connect_percent: connect, think_percent: think, think_auto }
    }

    #[test]
    fn recorded_times_are_kept() {
        let schedule = Schedule::new(pace(100.0, 100.0, true), 5 * MS, 100 * MS);
        assert_eq!((schedule.due(5 * MS), schedule.due(9 * MS)), (105 * MS, 109 * MS));
        // Before the session's beginning, as clocks may have it.
        assert_eq!(schedule.due(0), 105 * MS);
    }

    #[test]
    fn speed_scales_the_whole() {
        let schedule = Schedule::new(pace(50.0, 50.0, true), 10 * MS, 0);
        assert_eq!((schedule.begin, schedule.due(30 * MS)), (5 * MS, 15 * MS));
        let schedule = Schedule::new(pace(0.0, 0.0, true), 10 * MS, 7);
        assert_eq!((schedule.begin, schedule.due(u64::MAX)), (7, 7));
        let schedule = Schedule::new(pace(100.0, 300.0, true), 10 * MS, 0);
        assert_eq!((schedule.begin, schedule.due(11 * MS), schedule.due(u64::MAX)), (10 * MS, 13 * MS, u64::MAX));
    }

    #[test]
    fn an_absolute_schedule_catches_up_and_kept_pauses_do_not() {
        for (think_auto, expected) in [(true, 20 * MS), (false, 40 * MS)] {
            let mut schedule = Schedule::new(pace(100.0, 100.0, think_auto), 0, 0);
            // It took 30 ms instead of 10, and 10 ms passed until the next one.
            schedule.answered(10 * MS, 30 * MS);
            assert_eq!(schedule.due(20 * MS), expected);
        }
        // Faster answers bring nothing forward.
        let mut schedule = Schedule::new(pace(100.0, 100.0, false), 0, 0);
        schedule.answered(10 * MS, MS);
        assert_eq!(schedule.due(20 * MS), 20 * MS);
    }

    #[test]
    fn a_session_that_waited_counts_from_when_it_could_begin() {
        let mut schedule = Schedule::new(pace(0.0, 100.0, true), 50 * MS, 0);
        schedule.delay_begin(80 * MS);
        assert_eq!((schedule.begin, schedule.due(60 * MS)), (80 * MS, 90 * MS));
    }
}
