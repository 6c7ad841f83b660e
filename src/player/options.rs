//! How sessions are played.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::session::Now;

/// The clock of a replay: all of its sessions count from the same time.
#[derive(Debug, Clone, Copy)]
pub struct PlayClock {
    zero: Instant,
    epoch_ms: u64,
}

impl PlayClock {
    /// Counts from now.
    pub fn start() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { zero: Instant::now(), epoch_ms: u64::try_from(epoch.as_millis()).unwrap_or(u64::MAX) }
    }

    /// When it began to count.
    pub fn zero(&self) -> Instant {
        self.zero
    }

    /// The time. The wall clock follows the monotonic one: asking for one clock is enough.
    pub fn now(&self) -> Now {
        let elapsed = self.zero.elapsed();
        let monotonic_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        Now { monotonic_ns, epoch_ms: self.epoch_ms.saturating_add(monotonic_ns / 1_000_000) }
    }
}

impl Default for PlayClock {
    fn default() -> Self {
        Self::start()
    }
}

/// How sessions are played.
#[derive(Debug, Clone)]
pub struct PlayOptions {
    /// How long a command may take; without a limit if `None`.
    pub statement_timeout: Option<Duration>,
    /// How much of a row counts for the checksums; longer ones count with their front. The recording's own limit, for results that can be compared.
    pub max_row_bytes: usize,
    /// The replay's clock.
    pub clock: PlayClock,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self { statement_timeout: None, max_row_bytes: 64 << 20, clock: PlayClock::start() }
    }
}
