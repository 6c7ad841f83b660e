//! What happened so far.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counted while the replay runs.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Sessions that began, and that ended.
    pub(super) sessions_begun: Count,
    pub(super) sessions_ended: Count,
    /// Sessions that could not be opened, or not again.
    pub(super) sessions_failed: Count,
    /// Commands that the target answered.
    pub(super) played: Count,
    /// Those with an error where there was none.
    pub(super) new_errors: Count,
    /// Those that differ.
    pub(super) different: Count,
    /// Commands that were not played.
    pub(super) skipped: Count,
    /// Connections that were lost, and opened again.
    pub(super) lost: Count,
    pub(super) reconnected: Count,
    /// Waits for others that were given up, since these waited for locks.
    pub(super) released: Count,
    /// The latest of the latest: how late commands began, in nanoseconds, since this was last asked for.
    lag_ns: AtomicU64,
    reasons: Mutex<BTreeMap<String, u64>>,
}

/// More reasons than this are not told apart; they come from a list, and this is for mistakes.
const MOST_REASONS: usize = 1000;

impl Counters {
    /// A command was not played, for this reason.
    pub(super) fn skip(&self, reason: &str) {
        self.skipped.add(1);
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = reasons.contains_key(reason) || reasons.len() < MOST_REASONS;
        let reason = if is_known { reason } else { "other reasons" };
        match reasons.get_mut(reason) {
            Some(count) => *count += 1,
            None => {
                reasons.insert(reason.to_owned(), 1);
            }
        }
    }

    /// Commands that were not played, by reason.
    pub(super) fn reasons(&self) -> BTreeMap<String, u64> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn late(&self, ns: u64) {
        self.lag_ns.fetch_max(ns, Ordering::Relaxed);
    }

    /// The greatest lateness since this was last asked for.
    pub(super) fn take_lag_ns(&self) -> u64 {
        self.lag_ns.swap(0, Ordering::Relaxed)
    }
}
