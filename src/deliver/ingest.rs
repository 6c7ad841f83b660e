//! Where a proxy worker puts its messages.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::deliver::batch::Batch;
use crate::deliver::counters::{LossReason, SinkCounters};
use crate::deliver::held::{DiskError, Held, Rewrite, Unreadable};
use crate::deliver::lane::Lane;
use crate::deliver::queue::{Bounds, lock};
use crate::deliver::rate_limit::RateLimit;
use crate::deliver::seq::Seq;

/// A worker's way into delivery. Clones share one buffer; each worker thread should have its own.
#[derive(Debug, Clone)]
pub struct Ingest {
    slot: Arc<Slot>,
    shared: Arc<Shared>,
}

/// One worker's buffer.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    batch: Mutex<Batch>,
    /// Only with `backpressure=block`, only changed with the mutex held: the worker should stop reading from its clients.
    full: AtomicBool,
    space: Notify,
}

/// What the dispatcher and all the workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The dispatcher is parked until somebody appends.
    pub(crate) idle: AtomicBool,
    /// Set once, to the deadline, when the pipeline shuts down.
    pub(crate) closing: OnceLock<Instant>,
    /// The dispatcher has made its last round: what is appended from now on is lost.
    closed: AtomicBool,
    pub(crate) dispatcher: OnceLock<Thread>,
    pub(crate) counters: Arc<SinkCounters>,
    pub(crate) bounds: Bounds,
    /// The dispatcher is woken before its next round when a worker has this many messages.
    pub(crate) batch_size: usize,
    pub(crate) blocks: bool,
    /// Whether a sink has a place for what labels say.
    pub(crate) reads_labels: bool,
    /// Sessions that are kept waiting now.
    pub(crate) held_up: AtomicUsize,
    /// Lanes that have something, and of which the dispatcher does not know yet.
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// What the log has yet to say of messages that are lost because of the disk.
    disk_losses: Mutex<RateLimit>,
}

/// How often the log speaks of messages that are lost because of the disk.
const DISK_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A session that is kept waiting, for as long as this lives.
pub(crate) struct HeldUp<'a>(&'a AtomicUsize);

impl<'a> HeldUp<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn new(counters: Arc<SinkCounters>, bounds: Bounds, batch_size: usize, blocks: bool) -> Self {
        Self {
            idle: AtomicBool::new(false),
            closing: OnceLock::new(),
            closed: AtomicBool::new(false),
            dispatcher: OnceLock::new(),
            counters,
            bounds,
            batch_size,
            blocks,
            reads_labels: false,
            held_up: AtomicUsize::new(0),
            lanes: Mutex::default(),
            disk_losses: Mutex::new(RateLimit::new(DISK_LOG_INTERVAL)),
        }
    }

    /// Lanes that have something since the last call.
    pub(crate) fn take_lanes(&self) -> Vec<Arc<Lane>> {
        std::mem::take(&mut lock(&self.lanes))
    }

    /// What waits in these is lost, because of the shutdown.
    pub(crate) fn abandon<'a>(&self, lanes: impl IntoIterator<Item = &'a Lane>) {
        let left = lanes.into_iter().map(Lane::abandon).sum::<u64>();
        self.counters.lose_everywhere(LossReason::Shutdown, usize::try_from(left).unwrap_or(usize::MAX));
    }

    pub(crate) fn has_new_lanes(&self) -> bool {
        !lock(&self.lanes).is_empty()
    }

    /// The disk has not given back what was held on it.
    #[cold]
    pub(crate) fn note_unreadable(&self, lost: &Unreadable) {
        self.lose_for_the_disk(LossReason::Unreadable, lost.messages, &lost.error);
    }

    #[cold]
    fn lose_for_the_disk(&self, reason: LossReason, messages: u64, error: &DiskError) {
        self.counters.lose_everywhere(reason, usize::try_from(messages).unwrap_or(usize::MAX));
        if let Some(messages) = lock(&self.disk_losses).add(messages, Instant::now()) {
            tracing::error!(messages, %reason, %error, "messages are lost that were held until their transaction's end, or behind such a transaction (--temp-dir)");
        }
    }

    pub(crate) fn wake_dispatcher(&self) {
        if let Some(dispatcher) = self.dispatcher.get() {
            dispatcher.unpark();
        }
    }
}

impl Ingest {
    pub(crate) fn new(slot: Arc<Slot>, shared: Arc<Shared>) -> Self {
        Self { slot, shared }
    }

    /// Lets `append` add messages to this worker's batch.
    ///
    /// This is the hot path: a mutex that only the dispatcher ever contends for, and only to swap the batch out. While there
    /// is traffic nothing is woken up; the dispatcher comes by every few milliseconds.
    pub fn append<R>(&self, append: impl FnOnce(&mut Batch) -> R) -> R {
        let mut batch = lock(&self.slot.batch);
        let before = batch.len();
        let result = append(&mut batch);
        let after = batch.len();
        if after == before {
            return result;
        }
        let bounds = self.shared.bounds;
        if after > bounds.messages || batch.byte_len() > bounds.bytes {
            self.overflow(&mut batch, before);
        } else if self.shared.closed.load(Ordering::Relaxed) {
            self.shared.counters.lose_everywhere(LossReason::Shutdown, after.saturating_sub(before));
            batch.truncate(before);
        }
        drop(batch);
        let gathered_enough = before < self.shared.batch_size && after >= self.shared.batch_size;
        // The dispatcher sets `idle` before it looks into the batches for the last time, and the mutex orders that look
        // before or after ours: either it sees this message or we see the flag.
        if gathered_enough
            || (self.shared.idle.load(Ordering::Relaxed) && self.shared.idle.swap(false, Ordering::Relaxed))
        {
            self.shared.wake_dispatcher();
        }
        result
    }

    /// The batch is beyond its bounds: with `block` the worker is told to stop, with `drop` the new messages go, unless they
    /// are all there is (one message larger than the bound is accepted).
    #[cold]
    fn overflow(&self, batch: &mut Batch, before: usize) {
        if self.shared.blocks {
            self.slot.full.store(true, Ordering::Relaxed);
        } else {
            let fitting = batch.messages_within(0, self.shared.bounds.bytes).min(self.shared.bounds.messages);
            let kept = before.max(fitting).max(1);
            self.shared.counters.lose_everywhere(LossReason::IngestFull, batch.len().saturating_sub(kept));
            batch.truncate(kept);
        }
    }

    /// Whether a sink has a place for what labels say: without one, digests need not be computed for them.
    pub fn reads_labels(&self) -> bool {
        self.shared.reads_labels
    }

    /// Appends what was held back of a connection, all of it at once.
    pub(crate) fn append_held(&self, held: &mut Held, seq: &mut Seq, rewrite: Rewrite) {
        for lost in self.append(|batch| held.release_into(batch, seq, rewrite)) {
            self.note_unreadable(&lost);
        }
    }

    /// The disk has not given back what was held on it: counted as lost, and logged.
    pub fn note_unreadable(&self, lost: &Unreadable) {
        self.shared.note_unreadable(lost);
    }

    /// How much of a transaction may be appended at once.
    pub(crate) fn at_once(&self) -> Bounds {
        let bounds = self.shared.bounds;
        // The rest of the batch is for others.
        Bounds { messages: (bounds.messages / 8).max(1), bytes: (bounds.bytes / 8).min(1 << 20) }
    }

    /// A lane has something. False where nobody will read it any more.
    pub(crate) fn announce_lane(&self, lane: &Arc<Lane>) -> bool {
        if self.shared.closed.load(Ordering::Relaxed) {
            return false;
        }
        lock(&self.shared.lanes).push(Arc::clone(lane));
        // As in `append`: either the dispatcher sees the lane, or we see that it sleeps.
        if self.shared.idle.load(Ordering::Relaxed) && self.shared.idle.swap(false, Ordering::Relaxed) {
            self.shared.wake_dispatcher();
        }
        true
    }

    /// Forgets what waits in a lane that nobody reads any more.
    #[cold]
    pub(crate) fn abandon(&self, lane: &Lane) {
        self.shared.abandon([lane]);
    }

    /// Whether clients wait for sinks.
    pub(crate) fn blocks(&self) -> bool {
        self.shared.blocks
    }

    /// A session is kept waiting until what is returned is dropped.
    pub(crate) fn hold_up(&self) -> HeldUp<'_> {
        HeldUp::new(&self.shared.held_up)
    }

    /// A message that should have waited for those before it is lost.
    #[cold]
    pub(crate) fn lose_for_want_of_disk(&self, error: &DiskError) {
        self.shared.lose_for_the_disk(LossReason::NoDisk, 1, error);
    }

    /// Whether the worker should read nothing more from its clients for now. Only ever true with `backpressure=block`.
    pub fn is_full(&self) -> bool {
        self.slot.full.load(Ordering::Relaxed)
    }

    /// Returns when [`Ingest::is_full`] is false.
    pub async fn wait_for_space(&self) {
        let _held_up = HeldUp::new(&self.shared.held_up);
        loop {
            let space = self.slot.space.notified();
            let mut space = std::pin::pin!(space);
            // Registered before the look at the flag, so that a change in between is not missed.
            space.as_mut().enable();
            if !self.is_full() {
                return;
            }
            space.await;
        }
    }
}

impl Slot {
    /// Swaps the worker's messages into `spare`, which must be empty; returns whether there were any.
    pub(crate) fn swap_out(&self, spare: &mut Batch) -> bool {
        let mut batch = lock(&self.batch);
        if batch.is_empty() {
            // Full with an empty batch: a sink's queue was full, and is not any more.
            let was_full = self.full.swap(false, Ordering::Relaxed);
            drop(batch);
            if was_full {
                self.space.notify_waiters();
            }
            return false;
        }
        std::mem::swap(&mut *batch, spare);
        let was_full = self.full.swap(false, Ordering::Relaxed);
        drop(batch);
        if was_full {
            self.space.notify_waiters();
        }
        true
    }

    /// Whether the worker has nothing for the dispatcher.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.batch).is_empty()
    }

    /// Tells the worker to stop reading from its clients.
    pub(crate) fn mark_full(&self) {
        let _batch = lock(&self.batch);
        self.full.store(true, Ordering::Relaxed);
    }

    /// Closes the slot: nobody waits for space in it any more. Returns how many messages were in it.
    pub(crate) fn close(&self, shared: &Shared) -> usize {
        let mut batch = lock(&self.batch);
        shared.closed.store(true, Ordering::Relaxed);
        let left = batch.len();
        batch.clear();
        self.full.store(false, Ordering::Relaxed);
        drop(batch);
        self.space.notify_waiters();
        left
    }
}
