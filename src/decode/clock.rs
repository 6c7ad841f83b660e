//! The packets' times as one clock that does not jump.

use crate::session::Now;

/// A time that goes back further than this is a clock that was set, not packets in another order.
const JITTER_NS: u64 = 1_000_000_000;

/// Makes of the packets' times those of an observer.
#[derive(Debug, Default)]
pub(super) struct CaptureClock {
    /// The first packet's time, moved by every step back.
    origin_ns: Option<i128>,
    /// The latest time on the monotonic clock.
    latest: Now,
    latest_ns: u64,
    /// How often the clock was set back.
    pub(super) steps: u64,
}

impl CaptureClock {
    /// The time of a packet; without one, that of the packet before it.
    pub(super) fn at(&mut self, time_ns: Option<u64>) -> Now {
        let Some(time_ns) = time_ns else { return self.latest };
        let origin = *self.origin_ns.get_or_insert_with(|| i128::from(time_ns));
        if time_ns.saturating_add(JITTER_NS) < self.latest_ns {
            // From here on the clock goes on where it was.
            self.steps += 1;
            self.origin_ns = Some(i128::from(time_ns) - i128::from(self.latest.monotonic_ns));
            self.latest_ns = time_ns;
        }
        let origin = self.origin_ns.unwrap_or(origin);
        let monotonic_ns = u64::try_from((i128::from(time_ns) - origin).max(0)).unwrap_or(u64::MAX);
        let now = Now { monotonic_ns, epoch_ms: time_ns / 1_000_000 };
        if monotonic_ns >= self.latest.monotonic_ns {
            self.latest = now;
            self.latest_ns = time_ns;
        }
        now
    }

    /// The latest time.
    pub(super) fn latest(&self) -> Now {
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_clock_that_is_set_back_goes_on() {
        let mut clock = CaptureClock::default();
        let mut at = |time: u64| {
            let now = clock.at(Some(time));
            (now.monotonic_ns, now.epoch_ms)
        };
        assert_eq!(at(1000 * SECOND), (0, 1_000_000));
        assert_eq!(at(1005 * SECOND), (5 * SECOND, 1_005_000));
        // Packets in another order are not.
        assert_eq!(at(1005 * SECOND - 5), (5 * SECOND - 5, 1_004_999));
        assert_eq!(at(400 * SECOND), (5 * SECOND, 400_000));
        assert_eq!(at(401 * SECOND), (6 * SECOND, 401_000));
        assert_eq!(clock.steps, 1);
        assert_eq!(clock.at(None), Now { monotonic_ns: 6 * SECOND, epoch_ms: 401_000 });
    }
}
