//! What the publishers of one thread share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metrics::Durations;
use crate::mysql::sql::{Analyses, Keys};

/// What the sessions of one thread share: what is known of texts, and what is counted with every statement.
#[derive(Debug)]
pub(crate) struct Desk {
    analyses: Mutex<Analyses>,
    durations: Arc<Durations>,
}

impl Desk {
    pub(super) fn new(keys: Keys, durations: Arc<Durations>) -> Self {
        Self { analyses: Mutex::new(Analyses::new(keys)), durations }
    }

    /// What is known of texts, by all sessions of the thread: nobody else waits for it.
    pub(super) fn analyses(&self) -> MutexGuard<'_, Analyses> {
        // After a panic elsewhere what is known is still true: an analysis is found out before it is remembered.
        self.analyses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a statement. The guard stands for being alone here.
    pub(super) fn observe(&self, duration_ns: u64, _alone: &MutexGuard<'_, Analyses>) {
        self.durations.observe(duration_ns);
    }
}
