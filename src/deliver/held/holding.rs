//! The bounds of all that is held back in this process, and what is counted of it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::error::DiskError;
use crate::deliver::queue::lock;
use crate::deliver::rate_limit::RateLimit;
use crate::segment::Segment;

/// How often the log speaks of what the disk did not take.
const REFUSALS_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Shared by everybody who holds messages back.
#[derive(Debug)]
pub struct Holding {
    most_messages: usize,
    most_bytes: usize,
    folder: PathBuf,
    messages: AtomicUsize,
    bytes: AtomicUsize,
    messages_on_disk: AtomicU64,
    bytes_on_disk: AtomicU64,
    spilled: AtomicU64,
    refusals: Mutex<RateLimit>,
    #[cfg(test)]
    pub(crate) disk_limit: AtomicU64,
}

/// What is held back now, and what happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldCounts {
    /// Messages, wherever they are.
    pub messages: u64,
    /// Bytes of those in memory.
    pub bytes: u64,
    /// Bytes of those on the disk.
    pub bytes_on_disk: u64,
    /// Transactions that went to the disk.
    pub spilled: u64,
}

impl Holding {
    /// In memory at most so many messages of so many bytes; what exceeds that goes to a file without a name in `folder`.
    pub const fn new(most_messages: usize, most_bytes: usize, folder: PathBuf) -> Self {
        Self {
            most_messages,
            most_bytes,
            folder,
            messages: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            messages_on_disk: AtomicU64::new(0),
            bytes_on_disk: AtomicU64::new(0),
            spilled: AtomicU64::new(0),
            refusals: Mutex::new(RateLimit::new(REFUSALS_LOG_INTERVAL)),
            #[cfg(test)]
            disk_limit: AtomicU64::new(u64::MAX),
        }
    }

    /// Whether a file can be made in the folder.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn try_disk(&self) -> Result<(), DiskError> {
        Segment::without_name(&self.folder)?;
        Ok(())
    }

    /// Room in memory for one more message; false, and nothing is counted, where there is none.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let messages = self.messages.fetch_add(1, Relaxed);
        let before = self.bytes.fetch_add(bytes, Relaxed);
        let fits = messages < self.most_messages && before.saturating_add(bytes) <= self.most_bytes;
        if !fits {
            self.release(1, bytes);
        }
        fits
    }

    /// One more message in memory, whether there is room for it or not.
    pub(super) fn exceed(&self, bytes: usize) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Gives room in memory back.
    pub(super) fn release(&self, messages: usize, bytes: usize) {
        self.messages.fetch_sub(messages, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn note_spilled(&self) {
        self.spilled.fetch_add(1, Relaxed);
    }

    pub(super) fn add_on_disk(&self, messages: u64, bytes: u64) {
        self.messages_on_disk.fetch_add(messages, Relaxed);
        self.bytes_on_disk.fetch_add(bytes, Relaxed);
    }

    pub(super) fn take_from_disk(&self, messages: u64, bytes: u64) {
        self.messages_on_disk.fetch_sub(messages, Relaxed);
        self.bytes_on_disk.fetch_sub(bytes, Relaxed);
    }

    /// A transaction goes out before its end, because the disk does not take it: the log says so, now and then.
    #[cold]
    pub fn note_refused(&self, error: &DiskError) {
        if let Some(transactions) = lock(&self.refusals).add(1, Instant::now()) {
            tracing::error!(
                transactions,
                %error,
                "transactions are too large to be held in memory until their end, and the disk does not take them: their statements are published now, marked as of unknown outcome; give a folder with more room (--temp-dir), or more memory (--buffer-messages, --buffer-bytes)"
            );
        }
    }

    /// What is held now.
    pub fn counts(&self) -> HeldCounts {
        HeldCounts {
            messages: self.messages.load(Relaxed) as u64 + self.messages_on_disk.load(Relaxed),
            bytes: self.bytes.load(Relaxed) as u64,
            bytes_on_disk: self.bytes_on_disk.load(Relaxed),
            spilled: self.spilled.load(Relaxed),
        }
    }
}
