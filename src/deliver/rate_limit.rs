//! Log lines that must not become a flood.

use std::time::{Duration, Instant};

/// Lets one event through per interval and counts the others.
#[derive(Debug)]
pub(crate) struct RateLimit {
    interval: Duration,
    last: Option<Instant>,
    held_back: u64,
}

impl RateLimit {
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, last: None, held_back: 0 }
    }

    /// Adds `count` events without logging them.
    pub(crate) fn hold_back(&mut self, count: u64) {
        self.held_back += count;
    }

    /// How many events are not logged yet.
    pub(crate) fn held_back(&self) -> u64 {
        self.held_back
    }

    /// Adds `count` events; returns how many there were since the last `Some` if it is time to log them.
    pub(crate) fn add(&mut self, count: u64, now: Instant) -> Option<u64> {
        self.held_back += count;
        self.due(now)
    }

    /// The events held back so far, if there are any and it is time to speak of them.
    pub(crate) fn due(&mut self, now: Instant) -> Option<u64> {
        let waited = self.last.is_none_or(|last| now.saturating_duration_since(last) >= self.interval);
        if self.held_back == 0 || !waited {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }

    /// Whether there are events that are not logged yet.
    pub(crate) fn has_held_back(&self) -> bool {
        self.held_back > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_speaks_and_the_rest_are_summed() {
        let start = Instant::now();
        let mut limit = RateLimit::new(Duration::from_secs(10));
        assert_eq!(limit.due(start), None);
        assert_eq!(limit.add(3, start), Some(3));
        assert_eq!(limit.add(4, start + Duration::from_secs(1)), None);
        assert!(limit.has_held_back());
        assert_eq!(limit.add(5, start + Duration::from_secs(10)), Some(9));
        assert_eq!(limit.due(start + Duration::from_secs(30)), None);
    }
}
