//! Whether commands began when they should have.

use serde::{Deserialize, Serialize};

use super::execution::Lateness;
use super::histogram::Histogram;

/// From here on a command is late.
const LATE_NS: u64 = 1_000_000;

/// By how much commands began too late, by cause.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct LatenessTotals {
    /// Commands that had a time to begin at.
    pub(crate) scheduled: u64,
    /// Those that the player itself began more than a millisecond too late.
    pub(crate) late_by_player: u64,
    /// Those that waited more than a millisecond for the target's earlier answers.
    pub(crate) late_by_target: u64,
    /// Those that waited more than a millisecond for other sessions.
    pub(crate) late_by_order: u64,
    /// The player's own share.
    pub(crate) player: Histogram,
    /// The target's.
    pub(crate) target: Histogram,
    /// That of other sessions.
    pub(crate) order: Histogram,
    /// Whether the timings are to be trusted: the player was late for no more than 1% of the commands.
    pub(crate) trusted: bool,
}

impl LatenessTotals {
    pub(super) fn add(&mut self, lateness: Lateness) {
        let late = |ns: u64| u64::from(ns > LATE_NS);
        self.scheduled += 1;
        self.late_by_player += late(lateness.player_ns);
        self.late_by_target += late(lateness.target_ns);
        self.late_by_order += late(lateness.order_ns);
        self.player.record(lateness.player_ns);
        self.target.record(lateness.target_ns);
        self.order.record(lateness.order_ns);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.scheduled = self.scheduled.saturating_add(other.scheduled);
        self.late_by_player = self.late_by_player.saturating_add(other.late_by_player);
        self.late_by_target = self.late_by_target.saturating_add(other.late_by_target);
        self.late_by_order = self.late_by_order.saturating_add(other.late_by_order);
        self.player.merge(&other.player);
        self.target.merge(&other.target);
        self.order.merge(&other.order);
    }

    pub(super) fn settle(&mut self) {
        self.trusted = self.late_by_player.saturating_mul(100) <= self.scheduled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_are_trusted_up_to_one_percent() {
        let mut totals = LatenessTotals::default();
        let mut after = |late: u64, on_time: u64| {
            let player = |player_ns| Lateness { player_ns, target_ns: 5_000_000, order_ns: 0 };
            (0..late).for_each(|_| totals.add(player(LATE_NS + 1)));
            (0..on_time).for_each(|_| totals.add(player(LATE_NS)));
            totals.settle();
            (totals.trusted, totals.late_by_player, totals.late_by_target)
        };
        assert_eq!(after(1, 99), (true, 1, 100));
        assert_eq!(after(1, 0), (false, 2, 101));
    }
}
