//! What all sessions of a mirror share, on both of its sides.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::config::{Lag, MirrorConfig};
use super::connections::Connections;
use super::counters::MirrorCounters;
use super::disk::Disk;
use super::drops::Drops;
use super::line::Exit;
use crate::backoff::Backoff;
use crate::recording::SessionId;

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
    pub(super) drops: Arc<Drops>,
    /// With `--mirror-lag=queue`.
    pub(super) disk: Option<Disk>,
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
    /// Also what it has on the disk, whose threads end when everything is given up.
    pub(super) fn new(
        config: MirrorConfig,
        counters: Arc<MirrorCounters>,
        arrivals: UnboundedSender<Exit>,
    ) -> io::Result<(Self, Vec<JoinHandle<()>>)> {
        let reach = Reach { pauses: Backoff::new(PAUSES.0, PAUSES.1), not_before: None };
        let drops = Drops::new(config.target.address(), Arc::clone(&counters));
        let cut = CancellationToken::new();
        let (disk, threads) = match &config.lag {
            Lag::Drop => (None, Vec::new()),
            Lag::Queue { folder, max_bytes } => {
                let memory = Budget::new(config.queue_bytes, Arc::clone(&counters));
                let (drops, counters) = (Arc::clone(&drops), Arc::clone(&counters));
                let (disk, threads) = Disk::start(folder, *max_bytes, memory, drops, counters, cut.clone())?;
                (Some(disk), threads.into())
            }
        };
        #[allow(clippy::cast_possible_truncation, reason = "half of a random number is one, too")]
        let recorder = RandomState::new().hash_one(0) as u32;
        let hub = Self {
            budget: Budget::new(config.queue_bytes, Arc::clone(&counters)),
            connections: Connections::new(config.connections, Arc::clone(&counters)),
            config,
            counters,
            arrivals,
            stop: CancellationToken::new(),
            cut,
            reach: Mutex::new(reach),
            drops,
            disk,
            recorder,
            sessions: AtomicU64::new(1),
        };
        Ok((hub, threads))
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
}
