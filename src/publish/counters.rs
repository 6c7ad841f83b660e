//! What is counted of statements on their way to becoming messages.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counters of all sessions together. Nothing is left out or given up without one of these going up.
#[derive(Debug, Default)]
pub(crate) struct PublishCounters {
    /// Client connections open now.
    pub(crate) open: AtomicUsize,
    /// Statements whose outcome was seen.
    pub(crate) statements: AtomicU64,
    /// Statements that a filter or --sample left out.
    pub(crate) filtered_statements: AtomicU64,
    /// Statements longer than --max-statement-bytes: their text is cut.
    pub(crate) truncated_statements: AtomicU64,
    /// Messages that were dropped because their transaction was rolled back.
    pub(crate) rolled_back: AtomicU64,
    /// Messages that were published without knowing whether their transaction was committed.
    pub(crate) outcome_unknown: AtomicU64,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
