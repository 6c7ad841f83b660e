//! By how much commands begin too late, and because of whom.

use crate::report::Lateness;

/// Follows one session's lateness: what one command is late, those after it inherit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Delays {
    last: Lateness,
}

/// The times of one command, in nanoseconds of the replay's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// When it should have begun.
    pub(super) due: u64,
    /// When the session could begin it: it had the record, and the answer to the command before.
    pub(super) free: u64,
    /// How long it waited for other sessions.
    pub(super) ordered: u64,
    /// When it began.
    pub(super) started: u64,
}

impl Delays {
    /// A command began. `answered`: when the answer to the one before was complete.
    pub(super) fn began(&mut self, times: Times, answered: u64) -> Lateness {
        let late = times.started.saturating_sub(times.due);
        let order_now = times.ordered.min(late);
        // What the command before left over: it came late itself, or its answer took longer than it did.
        let inherited = answered.saturating_sub(times.due).min(late - order_now);
        let player_before = inherited.min(self.last.player_ns);
        let order_before = (inherited - player_before).min(self.last.order_ns);
        let target = inherited - player_before - order_before;
        let rest = late - order_now - inherited;
        debug_assert!(times.free <= times.started);
        let lateness =
            Lateness { player_ns: player_before + rest, target_ns: target, order_ns: order_before + order_now };
        self.last = lateness;
        lateness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(due: u64, free: u64, ordered: u64, started: u64) -> Times {
        Times { due, free, ordered, started }
    }

    #[test]
    fn each_cause_has_its_part_and_together_they_are_the_whole() {
        let mut delays = Delays::default();
        let on_time = delays.began(times(100, 90, 0, 100), 90);
        assert_eq!(on_time, Lateness::default());
        // The timer was late.
        let late = delays.began(times(200, 150, 0, 230), 150);
        assert_eq!(late, Lateness { player_ns: 30, target_ns: 0, order_ns: 0 });
        // The answer came 50 after the next was due: 30 of them because the first had been late.
        let late = delays.began(times(300, 350, 0, 360), 350);
        assert_eq!(late, Lateness { player_ns: 40, target_ns: 20, order_ns: 0 });
        // Then it waits for others.
        let late = delays.began(times(400, 400, 70, 475), 380);
        assert_eq!(late, Lateness { player_ns: 5, target_ns: 0, order_ns: 70 });
        let late = delays.began(times(500, 560, 0, 560), 560);
        assert_eq!(late, Lateness { player_ns: 5, target_ns: 0, order_ns: 55 });
    }

    #[test]
    fn the_parts_add_up() {
        let mut delays = Delays::default();
        let mut seed = 7_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..10_000 {
            let (due, answered) = (1000 + random(500), 800 + random(900));
            let ordered = random(300) * random(2);
            let started = due.max(answered) + ordered + random(50);
            let late = delays.began(times(due, answered, ordered, started), answered);
            assert_eq!(late.player_ns + late.target_ns + late.order_ns, started - due);
        }
    }
}
