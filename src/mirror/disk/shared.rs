//! What all sides of the folder know.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::mirror::budget::Room;
use crate::mirror::counters::{Dropped, MirrorCounters};
use crate::mirror::drops::Drops;
use crate::mirror::line::Entrance;
use crate::recording::Record;

/// What is made in the folder is called so.
pub(super) const PREFIX: &str = "waiting-";

/// What this process makes in it.
pub(super) fn prefix() -> String {
    static PROCESS: OnceLock<u32> = OnceLock::new();
    #[allow(clippy::cast_possible_truncation, reason = "half of a random number is one, too")]
    let process = PROCESS.get_or_init(|| RandomState::new().hash_one(PREFIX) as u32);
    format!("{PREFIX}{process:08x}-")
}

/// What all sides know.
#[derive(Debug)]
pub(super) struct Shared {
    /// Bytes of records that were put in and not yet read again.
    pub(super) used: AtomicU64,
    pub(super) is_broken: AtomicBool,
    pub(super) counters: Arc<MirrorCounters>,
    drops: Arc<Drops>,
    /// Everything is given up.
    pub(super) cut: CancellationToken,
}

/// A record on the way to the disk.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) record: Record,
    pub(super) line: Arc<Entrance>,
    pub(super) bytes: u64,
    pub(super) room: Room,
}

impl Shared {
    pub(super) fn new(counters: Arc<MirrorCounters>, drops: Arc<Drops>, cut: CancellationToken) -> Self {
        Self { used: AtomicU64::new(0), is_broken: AtomicBool::new(false), counters, drops, cut }
    }

    /// This many bytes do not wait any more.
    pub(super) fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        self.counters.disk_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The folder cannot be used: these sessions are given up, and whoever falls behind from now on.
    pub(super) fn broken<'a>(&self, lines: impl Iterator<Item = &'a Arc<Entrance>>, reason: &dyn std::fmt::Display) {
        if !self.is_broken.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "the folder of waiting sessions cannot be used (--mirror-queue-dir): {reason}; sessions that fall behind are dropped \
                 from now on"
            );
        }
        for line in lines.filter(|line| !line.is_closed()) {
            line.cut();
            self.drops.dropped(Dropped::Disk, line.session(), &reason.to_string());
        }
    }
}
