//! What all sessions of a mirror share, on both of its sides.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use strum::VariantArray;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::config::MirrorConfig;
use super::connections::Connections;
use super::counters::{Dropped, MirrorCounters};
use super::line::Exit;
use crate::backoff::Backoff;
use crate::deliver::RateLimit;
use crate::recording::SessionId;

/// How often the log speaks of sessions that are dropped for the same reason.
const SPEAKS_EVERY: Duration = Duration::from_secs(10);
/// How long the target is left alone after it could not be reached, at first and at most.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Shared by the threads that forward and the one that mirrors.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) config: MirrorConfig,
    pub(super) counters: Arc<MirrorCounters>,
    pub(super) budget: Arc<Budget>,
    /// Where sessions come from.
    pub(super) arrivals: UnboundedSender<Exit>,
    pub(super) connections: Arc<Connections>,
    /// Nothing new is taken; what waits is done.
    pub(super) stop: CancellationToken,
    /// What waits is given up, too.
    pub(super) cut: CancellationToken,
    reach: Mutex<Reach>,
    said: Mutex<Vec<RateLimit>>,
    waiting: Mutex<RateLimit>,
    /// In all session ids.
    recorder: u32,
    sessions: AtomicU64,
}

/// Whether the target can be reached, as far as is known.
#[derive(Debug)]
struct Reach {
    pauses: Backoff,
    not_before: Option<Instant>,
}

impl Hub {
    pub(super) fn new(config: MirrorConfig, counters: Arc<MirrorCounters>, arrivals: UnboundedSender<Exit>) -> Self {
        let reach = Reach { pauses: Backoff::new(PAUSES.0, PAUSES.1), not_before: None };
        Self {
            budget: Budget::new(config.queue_bytes, Arc::clone(&counters)),
            connections: Connections::new(config.connections, Arc::clone(&counters)),
            config,
            counters,
            arrivals,
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            reach: Mutex::new(reach),
            waiting: Mutex::new(RateLimit::new(SPEAKS_EVERY)),
            recorder: RandomState::new().hash_one(0) as u32,
            sessions: AtomicU64::new(1),
            said: Mutex::new(Dropped::VARIANTS.iter().map(|_| RateLimit::new(SPEAKS_EVERY)).collect()),
        }
    }

    /// The id of one more session.
    pub(super) fn next_id(&self) -> SessionId {
        SessionId(u64::from(self.recorder) << 32 | self.sessions.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX))
    }

    /// Whether it makes sense to connect now: a dead target is not asked by every session.
    pub(super) fn may_connect(&self, now: Instant) -> bool {
        let reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        reach.not_before.is_none_or(|not_before| now >= not_before)
    }

    /// The target could not be reached.
    pub(super) fn unreachable(&self, now: Instant) {
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        // Of those that try at the same time the first counts.
        if reach.not_before.is_none_or(|not_before| now >= not_before) {
            reach.not_before = Some(now + reach.pauses.pause());
        }
    }

    /// The target was reached.
    pub(super) fn reached(&self) {
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        reach.pauses.reset();
        reach.not_before = None;
    }

    /// A session waits until the target can be reached, which the log says now and then.
    pub(super) fn waits_for_target(&self, error: &dyn std::fmt::Display) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.add(1, Instant::now()) {
            let target = self.config.target.address();
            tracing::warn!(count, target, %error, "the mirror's target cannot be reached: sessions wait in --mirror-queue-dir");
        }
    }

    /// A session is given up: it is counted, and the log says so now and then.
    pub(super) fn dropped(&self, why: Dropped, session: &dyn std::fmt::Display, detail: &str) {
        self.counters.drop_session(why);
        let due = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.get_mut(why as usize).and_then(|said| said.add(1, Instant::now()))
        };
        if let Some(count) = due {
            let target = self.config.target.address();
            tracing::warn!(session = %session, dropped = %why, count, target, detail, "not mirrored any more: {}", why.reason());
        }
    }
}
