//! The time of bytes, as the caller tells it.

/// When bytes were seen, in two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic, in nanoseconds from any fixed start.
    pub monotonic_ns: u64,
    /// Wall clock, in milliseconds since 1970-01-01 UTC.
    pub epoch_ms: u64,
}

impl Now {
    /// Nanoseconds from `earlier` to this.
    pub(super) fn since(self, earlier: Self) -> u64 {
        self.monotonic_ns.saturating_sub(earlier.monotonic_ns)
    }

    /// This, or the time at which the monotonic clock shows `monotonic_ns`, if that is later.
    pub(crate) fn not_before(self, monotonic_ns: u64) -> Self {
        let later_ns = monotonic_ns.saturating_sub(self.monotonic_ns);
        Self {
            monotonic_ns: self.monotonic_ns + later_ns,
            epoch_ms: self.epoch_ms.saturating_add(later_ns / 1_000_000),
        }
    }

    /// The time at which the monotonic clock showed `monotonic_ns`, which is not later than this.
    pub(super) fn back_at(self, monotonic_ns: u64) -> Self {
        let age_ms = self.monotonic_ns.saturating_sub(monotonic_ns) / 1_000_000;
        Self { monotonic_ns, epoch_ms: self.epoch_ms.saturating_sub(age_ms) }
    }
}
