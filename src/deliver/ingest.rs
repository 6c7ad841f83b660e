//! Where a proxy worker puts its messages.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::deliver::batch::Batch;
use crate::deliver::counters::{LossReason, SinkCounters};
use crate::deliver::held::{DiskError, Held, Rewrite, Unreadable};
use crate::deliver::lane::Lane;
use crate::deliver::ledger::Witness;
use crate::deliver::queue::{Bounds, lock};
use crate::deliver::rate_limit::RateLimit;
use crate::deliver::seq::Seq;
use crate::deliver::spool::{Appended, Spool, SpoolFull, SpoolMode};
use crate::deliver::timeline::Timeline;

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
    /// With a spool of [`SpoolMode::Reply`]: how many messages have left the batch. Only changed with the mutex held.
    settled: AtomicU64,
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
    pub(crate) spool: Option<Arc<Spool>>,
    /// Numbers the sessions, and hears of messages that no sink will see.
    pub(crate) witness: Arc<Witness>,
    /// When what is in the spool came.
    pub(crate) timeline: Mutex<Timeline>,
    /// Lanes that have something, and of which the dispatcher does not know yet.
    lanes: Mutex<Vec<Arc<Lane>>>,
    /// What the log has yet to say of messages that are lost because of the disk.
    disk_losses: Mutex<RateLimit>,
}

/// A worker's batch keeps at most this much memory.
const SPARE_BYTES: usize = 256 << 10;
const SPARE_MESSAGES: usize = 4096;

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
            spool: None,
            witness: Arc::default(),
            timeline: Mutex::default(),
            lanes: Mutex::default(),
            disk_losses: Mutex::new(RateLimit::new(DISK_LOG_INTERVAL)),
        }
    }

    /// No sink will see the messages from index `from` on.
    #[cold]
    pub(crate) fn lose(&self, reason: LossReason, batch: &Batch, from: usize) {
        self.counters.lose_everywhere(reason, batch.len().saturating_sub(from));
        self.witness.lost(reason, batch, from);
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
            self.shared.lose(LossReason::Shutdown, &batch, before);
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
            self.shared.lose(LossReason::IngestFull, batch, kept);
            batch.truncate(kept);
        }
    }

    /// Whether a sink has a place for what labels say: without one, digests need not be computed for them.
    pub fn reads_labels(&self) -> bool {
        self.shared.reads_labels
    }

    /// A number for one more session: 1, 2, 3 and so on, for as long as this process runs.
    pub(crate) fn next_session(&self) -> u64 {
        self.shared.witness.next_session()
    }

    /// Who hears of sessions; `None` where no sink has a marker stream.
    pub fn witness(&self) -> Option<&Arc<Witness>> {
        Some(&self.shared.witness).filter(|witness| witness.is_needed())
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

    /// Whether replies wait until their messages are in the spool.
    pub fn settles(&self) -> bool {
        self.shared.spool.as_ref().is_some_and(|spool| spool.mode() == SpoolMode::Reply)
    }

    /// Moves the worker's messages to the spool now. `None`: they are where replies may tell of them. Otherwise: when they will be.
    pub(crate) fn settle(&self) -> Option<Unsettled> {
        let spool = self.shared.spool.as_ref()?;
        let (appended, _) = self.slot.append_to(spool, &self.shared);
        let waits = appended == Appended::Refused || !spool.covers(spool.last());
        let (slot, ticket) = (Arc::clone(&self.slot), if waits { self.slot.ticket() } else { 0 });
        waits.then(|| Unsettled { spool: Arc::clone(spool), slot, ticket })
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

    /// Whether the worker should read nothing more from its clients for now. Only ever true with `backpressure=block`, and with a spool
    /// that does not drop.
    pub fn is_full(&self) -> bool {
        self.slot.full.load(Ordering::Relaxed) || self.spool_is_full(SpoolFull::Block)
    }

    /// Whether the spool is full, and that means this.
    pub fn spool_is_full(&self, policy: SpoolFull) -> bool {
        self.shared.spool.as_ref().is_some_and(|spool| spool.policy() == policy && spool.is_full())
    }

    /// A client's request was answered with an error because the spool is full.
    pub fn count_refused(&self) {
        if let Some(spool) = &self.shared.spool {
            spool.count_refused();
        }
    }

    /// Returns when [`Ingest::is_full`] is false.
    pub async fn wait_for_space(&self) {
        let _held_up = HeldUp::new(&self.shared.held_up);
        let changed = self.shared.spool.as_ref().map_or(&self.slot.space, |spool| spool.changed());
        let mut counted = 0;
        loop {
            let (mut space, mut in_spool) = (pin!(self.slot.space.notified()), pin!(changed.notified()));
            // Registered before the look at the flags, so that a change in between is not missed.
            space.as_mut().enable();
            in_spool.as_mut().enable();
            if !self.is_full() {
                return;
            }
            if let Some(spool) = &self.shared.spool {
                spool.count_held(&mut counted);
            }
            tokio::select! {
                () = space => {}
                () = in_spool => {}
            }
        }
    }
}

/// Messages that are not in the spool, or not on its disk.
#[derive(Debug)]
pub(crate) struct Unsettled {
    spool: Arc<Spool>,
    slot: Arc<Slot>,
    ticket: u64,
}

impl Unsettled {
    /// Returns when they are, or are counted as lost.
    pub(crate) async fn settled(self) {
        let Self { spool, slot, ticket } = self;
        wait_until(&spool, || slot.settled.load(Ordering::Relaxed) >= ticket).await;
        let last = spool.last();
        wait_until(&spool, || spool.covers(last)).await;
    }
}

async fn wait_until(spool: &Spool, is_so: impl Fn() -> bool) {
    loop {
        let mut changed = pin!(spool.changed().notified());
        changed.as_mut().enable();
        if is_so() {
            return;
        }
        changed.await;
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

    /// Moves the worker's messages to the spool, in their order with what the worker itself moves there. Returns how many there were, and what
    /// became of them.
    pub(crate) fn append_to(&self, spool: &Spool, shared: &Shared) -> (Appended, usize) {
        let mut batch = lock(&self.batch);
        let messages = batch.len();
        let was_full = self.full.load(Ordering::Relaxed);
        if messages == 0 && !was_full {
            return (Appended::Taken, 0);
        }
        let appended = if messages == 0 { Appended::Taken } else { spool.append_fresh(&mut batch) };
        if appended == Appended::Refused {
            return (appended, messages);
        }
        if appended == Appended::Dropped {
            shared.lose(LossReason::SpoolFull, &batch, 0);
        }
        batch.clear();
        batch.shrink_to(SPARE_BYTES, SPARE_MESSAGES);
        self.settled.fetch_add(messages as u64, Ordering::Relaxed);
        self.full.store(false, Ordering::Relaxed);
        drop(batch);
        if was_full {
            self.space.notify_waiters();
        }
        (appended, messages)
    }

    /// How many messages will have left the batch when all that are in it now have.
    fn ticket(&self) -> u64 {
        let batch = lock(&self.batch);
        self.settled.load(Ordering::Relaxed) + batch.len() as u64
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

    /// Closes the slot: nobody waits for space in it any more. Returns the messages that were in it.
    pub(crate) fn close(&self, shared: &Shared) -> Batch {
        let mut batch = lock(&self.batch);
        shared.closed.store(true, Ordering::Relaxed);
        let left = std::mem::take(&mut *batch);
        self.full.store(false, Ordering::Relaxed);
        drop(batch);
        self.space.notify_waiters();
        left
    }
}
