//! What became of the messages, counted per sink.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::deliver::backlog::{Backlog, Lag};
use crate::deliver::batch::Batch;
use crate::deliver::queue::lock;

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
    /// The spool was full, with `spool-full=drop`, or until the end.
    SpoolFull,
}

impl LossReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 9] = [
        Self::QueueFull,
        Self::IngestFull,
        Self::SinkEnded,
        Self::TooLarge,
        Self::Rejected,
        Self::Shutdown,
        Self::Unreadable,
        Self::NoDisk,
        Self::SpoolFull,
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
            Self::SpoolFull => "spool_full",
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

    /// Those of sinks that have everything through these positions, and get the rest from the spool sooner or later.
    pub(crate) fn spooled(names: impl IntoIterator<Item = String>, delivered: &[u64]) -> Self {
        let counter = |(name, delivered): (String, &u64)| {
            let through = AtomicU64::new(*delivered);
            Arc::new(SinkCounter { is_spooled: true, through, ..SinkCounter::new(name) })
        };
        Self { sinks: names.into_iter().zip(delivered).map(counter).collect() }
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
    queued_bytes: AtomicU64,
    held_back: AtomicU64,
    closed: AtomicBool,
    /// What it has not delivered at its end is in the spool.
    is_spooled: bool,
    /// What [`Self::delivered`] said last: it never goes back.
    delivered: AtomicU64,
    backlog: Mutex<Backlog>,
    producer: ProducerCounter,
}

/// What a Kafka sink says of its producer.
#[derive(Debug, Default)]
pub(crate) struct ProducerCounter {
    /// Messages that are kept until a broker has acknowledged them, and their bytes.
    pub(crate) kept_messages: AtomicU64,
    pub(crate) kept_bytes: AtomicU64,
    /// Messages that librdkafka has.
    pub(crate) in_flight: AtomicU64,
    /// Errors of brokers and connections, and messages that came back undelivered.
    pub(crate) errors: AtomicU64,
    /// Producers that were made: one at the start, another after each that failed or got stuck. 0 for other sinks.
    pub(crate) made: AtomicU64,
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
            queued_bytes: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
            backlog: Mutex::new(Backlog::new(Instant::now())),
            producer: ProducerCounter::default(),
            is_spooled: false,
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
        let refused = self.lost(LossReason::TooLarge) + self.lost(LossReason::Rejected);
        let delivered = self.done.load(Relaxed).saturating_sub(refused);
        // What is refused is counted a moment before it is done.
        self.delivered.fetch_max(delivered, Relaxed).max(delivered)
    }

    /// Messages that were queued and are not done.
    pub fn outstanding(&self) -> u64 {
        self.queued().saturating_sub(self.done.load(Relaxed))
    }

    /// Messages that the sink held back when it ended: no checkpoint can cover them, or they wait in the spool. So they come again.
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

    /// About what this many messages have.
    pub(crate) fn estimate_bytes(&self, messages: u64) -> u64 {
        let mean = self.queued_bytes.load(Relaxed) as f64 / self.queued().max(1) as f64;
        (mean * messages as f64) as u64
    }

    /// How far behind the sink is, of what entered its queue.
    pub(crate) fn lag(&self, now: Instant) -> Lag {
        lock(&self.backlog).lag(now)
    }

    /// What a Kafka sink says of its producer.
    pub(crate) fn producer(&self) -> &ProducerCounter {
        &self.producer
    }

    /// The first messages of a batch entered the sink's queue.
    pub(crate) fn queue(&self, batch: &Batch, messages: usize) {
        if messages > 0 {
            self.queued.fetch_add(messages as u64, Relaxed);
            let bytes = batch.bytes_of(0..messages) as u64;
            self.queued_bytes.fetch_add(bytes, Relaxed);
            lock(&self.backlog).add(batch.position(0), messages as u64, bytes, Instant::now());
        }
    }

    pub(crate) fn take(&self, messages: usize) {
        self.taken.fetch_add(messages as u64, Relaxed);
    }

    /// Everything through `position` is done, `messages` more than before. To be called by the sink's own thread.
    pub(crate) fn done(&self, position: u64, messages: u64) {
        self.done.fetch_add(messages, Relaxed);
        self.through.store(position, Relaxed);
        lock(&self.backlog).done(position, Instant::now());
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
            // How much waits in the spool the pipeline knows.
            if !self.is_spooled {
                self.lose(reason, lost);
                self.held_back.store(held_back, Relaxed);
            }
            lock(&self.backlog).clear();
        }
    }

    /// At the end: what waits in the spool.
    pub(crate) fn hold_back(&self, messages: u64) {
        self.held_back.store(messages, Relaxed);
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
        assert_eq!(counter.lost_total(), 45);
    }
}
