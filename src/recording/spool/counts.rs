//! What a recording counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of all recordings of this process. They only grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) recorded_sessions: AtomicU64,
    pub(super) recorded_commands: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) unwritten: AtomicU64,
    pub(super) stopped: AtomicU64,
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordingCounts {
    /// Sessions whose beginning was written.
    pub recorded_sessions: u64,
    /// Commands that were written.
    pub recorded_commands: u64,
    /// Records that were refused because the queue was full: each is the beginning of a gap in a session's recording.
    pub refused: u64,
    /// Records that were still queued when writing failed.
    pub unwritten: u64,
    /// Recordings that ended because they could not be written any further.
    pub stopped: u64,
    /// Bytes in memory that wait to be written, now.
    pub queued_bytes: u64,
}

impl Counters {
    pub(super) fn counts(&self, queued_bytes: usize) -> RecordingCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RecordingCounts {
            recorded_sessions: of(&self.recorded_sessions),
            recorded_commands: of(&self.recorded_commands),
            refused: of(&self.refused),
            unwritten: of(&self.unwritten),
            stopped: of(&self.stopped),
            queued_bytes: queued_bytes as u64,
        }
    }
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
