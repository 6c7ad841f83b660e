//! Notices a producer that makes no progress.
//!
//! librdkafka recovers from most faults by itself, but not from all. One is common enough to be handled by design: after a
//! pause longer than its session timeout, a broker answers for a short time that there are no brokers; librdkafka then forgets those
//! that it knows, and the call that should start again from the bootstrap servers may be cancelled at the end of the very answer that
//! caused it (2.12; its issue 5430 is about the same event). Given the bootstrap servers again, it continues where it was. Against
//! everything else (its issue 3009) a new producer helps.

use std::time::{Duration, Instant};

/// This long without a single answer is suspicious: brokers answer within milliseconds, or are away.
const NUDGE_INTERVAL: Duration = Duration::from_secs(2);
/// While the brokers are away, a new producer fares no better.
const LAST_LIMIT: Duration = Duration::from_secs(60);

/// What to do about a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Nothing: it works, or has not been silent for long.
    None,
    /// Tell it the bootstrap servers again.
    Nudge,
    /// Give up waiting for what it has not sent.
    GiveUp,
}

#[derive(Debug)]
pub(crate) struct Stall {
    /// When a message was last answered or handed over.
    since: Instant,
    nudged: Instant,
    in_flight: i32,
    first_limit: Duration,
    limit: Duration,
}

impl Stall {
    /// A producer is given up after `first_limit` without an answer, the next one after twice that.
    pub(crate) fn new(first_limit: Duration, now: Instant) -> Self {
        Self { since: now, nudged: now, in_flight: 0, first_limit, limit: first_limit }
    }

    /// Something happened.
    pub(crate) fn progress(&mut self, now: Instant) {
        self.since = now;
        self.nudged = now;
    }

    /// Messages were delivered.
    pub(crate) fn success(&mut self) {
        self.limit = self.first_limit;
    }

    /// What to do while librdkafka has this many messages.
    pub(crate) fn remedy(&mut self, in_flight: i32, now: Instant) -> Remedy {
        if self.in_flight != in_flight {
            self.in_flight = in_flight;
            self.progress(now);
        }
        if now.saturating_duration_since(self.since) >= self.limit {
            self.progress(now);
            return Remedy::GiveUp;
        }
        if now.saturating_duration_since(self.nudged) >= NUDGE_INTERVAL {
            self.nudged = now;
            return Remedy::Nudge;
        }
        Remedy::None
    }

    /// How long the producer may be silent.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// The next attempt begins; it gets more time than the last.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.progress(now);
        self.limit = (self.limit * 2).min(LAST_LIMIT.max(self.first_limit));
    }

    #[cfg(test)]
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_met_step_by_step() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut stall = Stall::new(Duration::from_secs(20), start);
        assert_eq!(stall.remedy(3, at(1)), Remedy::None);
        assert_eq!(stall.remedy(3, at(3)), Remedy::Nudge);
        assert_eq!(stall.remedy(3, at(4)), Remedy::None);
        assert_eq!(stall.remedy(3, at(5)), Remedy::Nudge);
        assert_eq!(stall.remedy(2, at(7)), Remedy::None);
        assert_eq!(stall.remedy(2, at(27)), Remedy::GiveUp);
        assert_eq!(stall.remedy(2, at(28)), Remedy::None);
        // Requests that timed out have gone back to librdkafka's queue.
        assert_eq!(stall.remedy(2, at(47)), Remedy::GiveUp);
        stall.restart(at(48));
        assert_eq!(stall.remedy(2, at(87)), Remedy::Nudge);
        assert_eq!(stall.remedy(2, at(88)), Remedy::GiveUp);
        stall.success();
        assert_eq!(stall.limit(), Duration::from_secs(20));
    }
}
