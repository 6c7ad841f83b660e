//! What a player's threads have in common.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::share::Share;
use crate::deliver::KafkaOption;

/// Which group, and of what topic.
#[derive(Debug, Clone)]
pub(crate) struct GroupConfig {
    pub(crate) brokers: String,
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) options: Vec<KafkaOption>,
    /// The topic is being written: it ends when nothing has come for so long. Without, it ends where it ended at the start.
    pub(crate) until_idle: Option<Duration>,
    /// Bytes of records of a partition that are read and not handed out.
    pub(crate) partition_bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) share: Share,
    pub(super) is_over: bool,
    pub(super) error: Option<String>,
    pub(super) last_message: Option<Instant>,
    /// Since when a record waits for partitions that have nothing to compare with.
    pub(super) waits_since: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Common {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

impl Common {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
