//! How sessions are played.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::schema_map::SchemaMap;
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
    /// Other databases in the place of the recorded ones.
    pub schema_map: Option<Arc<SchemaMap>>,
    /// Which copy of the recorded session this is, from 0: what `{n}` of the schema map stands for.
    pub copy: u32,
    /// Whether each statement gets the recorded time, the recorded generated key and fixed random numbers.
    pub deterministic: bool,
    /// The replay's clock.
    pub clock: PlayClock,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self {
            statement_timeout: None,
            max_row_bytes: 64 << 20,
            schema_map: None,
            copy: 0,
            deterministic: false,
            clock: PlayClock::start(),
        }
    }
}

impl PlayOptions {
    /// What stands for a recorded database.
    pub fn database(&self, recorded: &str) -> String {
        let mapped = self.schema_map.as_ref().and_then(|map| map.name(recorded, self.copy));
        mapped.unwrap_or_else(|| recorded.to_owned())
    }
}
