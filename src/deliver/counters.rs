//! What became of the messages, counted per sink.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Why a message did not reach a sink's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum LossReason {
    /// The sink's queue was full, with `backpressure=drop`.
    QueueFull,
    /// The worker's own buffer was full before the dispatcher came, with `backpressure=drop`.
    IngestFull,
    /// The sink had ended: its reader is gone.
    SinkEnded,
    /// The destination does not take messages of this size.
    TooLarge,
    /// The destination refused the message for good, for another reason than its size.
    Rejected,
    /// Not delivered before the deadline of the shutdown.
    Shutdown,
    /// It was held back until its transaction's end on the disk, which did not give it back.
    Unreadable,
    /// There was no room on the disk to hold it, with `backpressure=drop`.
    NoDisk,
}

impl LossReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 8] = [
        Self::QueueFull,
        Self::IngestFull,
        Self::SinkEnded,
        Self::TooLarge,
        Self::Rejected,
        Self::Shutdown,
        Self::Unreadable,
        Self::NoDisk,
    ];

    /// The reason as a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::IngestFull => "ingest_full",
            Self::SinkEnded => "sink_ended",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
            Self::Shutdown => "shutdown",
            Self::Unreadable => "unreadable",
            Self::NoDisk => "no_disk",
        }
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// The counters of every sink of a pipeline.
#[derive(Debug)]
pub struct SinkCounters {
    sinks: Vec<Arc<SinkCounter>>,
}

impl SinkCounters {
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self { sinks: names.into_iter().map(|name| Arc::new(SinkCounter::new(name))).collect() }
    }

    /// One counter per sink, in the order the sinks were given.
    pub fn sinks(&self) -> &[Arc<SinkCounter>] {
        &self.sinks
    }

    /// Messages that some sink did not deliver, for whatever reason; one that two sinks lost counts twice.
    pub fn lost_total(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.lost_total()).sum()
    }

    /// Counts messages that no sink will see.
    pub(crate) fn lose_everywhere(&self, reason: LossReason, messages: usize) {
        for sink in &self.sinks {
            sink.lose(reason, messages as u64);
        }
    }
}

/// What became of the messages of one sink.
#[derive(Debug)]
pub struct SinkCounter {
    name: String,
    queued: AtomicU64,
    taken: AtomicU64,
    through: AtomicU64,
    done: AtomicU64,
    resent: AtomicU64,
    shortened: AtomicU64,
    failures: AtomicU64,
    lost: [AtomicU64; LossReason::ALL.len()],
    held_back: AtomicU64,
    closed: AtomicBool,
}

impl SinkCounter {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            queued: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            through: AtomicU64::new(0),
            done: AtomicU64::new(0),
            resent: AtomicU64::new(0),
            shortened: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            lost: Default::default(),
            held_back: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// The sink's name, for example `kafka` or `ndjson:/var/log/sql.ndjson`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Messages that entered the sink's queue.
    pub fn queued(&self) -> u64 {
        self.queued.load(Relaxed)
    }

    /// Messages that the sink took out of its queue.
    pub fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// The position up to which everything is delivered, or lost for good and counted.
    pub fn delivered_through(&self) -> u64 {
        self.through.load(Relaxed)
    }

    /// Messages that the destination has: those up to [`Self::delivered_through`] that it did not refuse.
    pub fn delivered(&self) -> u64 {
        self.done.load(Relaxed).saturating_sub(self.lost(LossReason::TooLarge) + self.lost(LossReason::Rejected))
    }

    /// Messages that were queued and are not done.
    pub fn outstanding(&self) -> u64 {
        self.queued().saturating_sub(self.done.load(Relaxed))
    }

    /// Messages that the sink held back when it ended: no checkpoint can cover them, so they come again.
    pub fn held_back(&self) -> u64 {
        self.held_back.load(Relaxed)
    }

    /// Messages that were sent again after a failed delivery.
    pub fn resent(&self) -> u64 {
        self.resent.load(Relaxed)
    }

    /// Messages that were too large, and were delivered with their texts cut.
    pub fn shortened(&self) -> u64 {
        self.shortened.load(Relaxed)
    }

    /// Failed attempts to write.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Messages lost for `reason`.
    pub fn lost(&self, reason: LossReason) -> u64 {
        self.lost.get(reason as usize).map_or(0, |counter| counter.load(Relaxed))
    }

    /// Messages lost for any reason.
    pub fn lost_total(&self) -> u64 {
        self.lost.iter().map(|counter| counter.load(Relaxed)).sum()
    }

    pub(crate) fn queue(&self, messages: usize) {
        self.queued.fetch_add(messages as u64, Relaxed);
    }

    pub(crate) fn take(&self, messages: usize) {
        self.taken.fetch_add(messages as u64, Relaxed);
    }

    /// Everything through `position` is done, `messages` more than before. To be called by the sink's own thread.
    pub(crate) fn done(&self, position: u64, messages: u64) {
        self.done.fetch_add(messages, Relaxed);
        self.through.store(position, Relaxed);
    }

    pub(crate) fn resend(&self, messages: u64) {
        self.resent.fetch_add(messages, Relaxed);
    }

    pub(crate) fn shorten(&self, messages: u64) {
        if messages > 0 {
            self.shortened.fetch_add(messages, Relaxed);
        }
    }

    pub(crate) fn fail(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(crate) fn lose(&self, reason: LossReason, messages: u64) {
        if let Some(counter) = self.lost.get(reason as usize) {
            counter.fetch_add(messages, Relaxed);
        }
    }

    /// Counts what is lost because the sink has ended, and what it holds back. Only the first call counts: a sink that nobody waits for any
    /// more may still end.
    pub(crate) fn close(&self, reason: LossReason, lost: u64, held_back: u64) {
        if !self.closed.swap(true, Relaxed) {
            self.lose(reason, lost);
            self.held_back.store(held_back, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        let counter = SinkCounter::new("x".to_owned());
        for (index, reason) in LossReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            counter.lose(reason, index as u64 + 1);
        }
        for (index, reason) in LossReason::ALL.into_iter().enumerate() {
            assert_eq!(counter.lost(reason), index as u64 + 1, "{reason}");
        }
        assert_eq!(counter.lost_total(), 36);
    }
}
