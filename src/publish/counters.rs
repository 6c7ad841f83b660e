//! What is counted of statements on their way to becoming messages.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::{Durations, DurationsTotal};

/// Counters of all sessions together. Nothing is left out or given up without one of these going up.
#[derive(Debug, Default)]
pub(crate) struct PublishCounters {
    /// Client connections open now.
    pub(crate) open: AtomicUsize,
    /// Statements that a filter or --sample left out.
    pub(crate) filtered_statements: AtomicU64,
    /// Statements longer than --max-statement-bytes: their text is cut.
    pub(crate) truncated_statements: AtomicU64,
    /// Messages that were dropped because their transaction was rolled back.
    pub(crate) rolled_back: AtomicU64,
    /// Messages that were published without knowing whether their transaction was committed.
    pub(crate) outcome_unknown: AtomicU64,
    /// Statements whose outcome was seen, of each thread: their cache lines do not travel.
    durations: Mutex<Vec<Arc<Durations>>>,
}

/// Their values at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublishCounts {
    pub(crate) statements: u64,
    pub(crate) filtered_statements: u64,
    pub(crate) truncated_statements: u64,
    pub(crate) rolled_back: u64,
    pub(crate) outcome_unknown: u64,
}

impl PublishCounters {
    /// Their values now.
    pub(crate) fn snapshot(&self) -> PublishCounts {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PublishCounts {
            statements: self.statements(),
            filtered_statements: value(&self.filtered_statements),
            truncated_statements: value(&self.truncated_statements),
            rolled_back: value(&self.rolled_back),
            outcome_unknown: value(&self.outcome_unknown),
        }
    }

    /// Where one more thread counts its statements.
    pub(super) fn durations_of_thread(&self) -> Arc<Durations> {
        let durations = Arc::default();
        self.durations.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&durations));
        durations
    }

    /// Statements whose outcome was seen.
    pub(crate) fn statements(&self) -> u64 {
        self.durations.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|thread| thread.count()).sum()
    }

    /// How long they took.
    pub(crate) fn durations(&self) -> DurationsTotal {
        let mut total = DurationsTotal::default();
        self.durations.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|thread| total.add(thread));
        total
    }

    /// A connection is open.
    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// One is not any more.
    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
