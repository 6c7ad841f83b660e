//! Sessions that are given up: each is counted, and the log speaks of them now and then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use strum::VariantArray;

use super::counters::{Dropped, MirrorCounters};
use crate::deliver::RateLimit;
use crate::recording::SessionId;

/// How often the log speaks of sessions that are dropped for the same reason.
const SPEAKS_EVERY: Duration = Duration::from_secs(10);

/// Those of a mirror.
#[derive(Debug)]
pub(super) struct Drops {
    counters: Arc<MirrorCounters>,
    target: String,
    said: Mutex<Vec<RateLimit>>,
    waiting: Mutex<RateLimit>,
}

impl Drops {
    pub(super) fn new(target: String, counters: Arc<MirrorCounters>) -> Arc<Self> {
        let said = Dropped::VARIANTS.iter().map(|_| RateLimit::new(SPEAKS_EVERY)).collect();
        Arc::new(Self { counters, target, said: Mutex::new(said), waiting: Mutex::new(RateLimit::new(SPEAKS_EVERY)) })
    }

    /// A session is given up.
    pub(super) fn dropped(&self, why: Dropped, session: SessionId, detail: &str) {
        self.counters.drop_session(why);
        let due = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.get_mut(why as usize).and_then(|said| said.add(1, Instant::now()))
        };
        if let Some(count) = due {
            let (target, reason) = (&self.target, why.reason());
            tracing::warn!(%session, dropped = %why, count, target, detail, "not mirrored any more: {reason}");
        }
    }

    /// A session waits until the target can be reached.
    pub(super) fn waits_for_target(&self, error: &dyn std::fmt::Display) {
        let due = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).add(1, Instant::now());
        if let Some(count) = due {
            let target = &self.target;
            tracing::warn!(count, target, %error, "the mirror's target cannot be reached: sessions wait in --mirror-queue-dir");
        }
    }
}
