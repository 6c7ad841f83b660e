//! What a sink has got of the spool, and gets next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deliver::batch::Batch;
use crate::deliver::counters::LossReason;
use crate::deliver::outlet::Outlet;
use crate::deliver::queue::{Bounds, Offered};
use crate::deliver::rate_limit::RateLimit;
use crate::deliver::spool::{Found, Spool, SpoolMode, SpoolReader};

/// A sink that is behind gets at most so much at once, and so often in a round.
const CHUNK_BYTES: usize = 512 << 10;
const CHUNKS_A_ROUND: usize = 8;
/// How long the dispatcher sleeps while sinks are behind, or it is not written down how far they are.
const UNSETTLED: Duration = Duration::from_millis(100);
/// How often the log speaks of a spool that cannot be read.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The spool as the dispatcher has it.
#[derive(Debug)]
pub(crate) struct Spooling {
    pub(crate) spool: Arc<Spool>,
    /// In the order of the outlets.
    pub(crate) feeds: Vec<Feed>,
    /// What the spool had no room for, in order.
    pub(crate) stuck: VecDeque<Arc<Batch>>,
    /// Everything is delivered, and that is written down.
    pub(crate) is_settled: bool,
}

/// How far a sink's queue has got.
#[derive(Debug)]
pub(crate) struct Feed {
    /// The position of the next message that it is to get.
    pub(crate) next: u64,
    reader: Option<SpoolReader>,
    /// What was read, and waits for room in the queue.
    pub(crate) pending: Option<Arc<Batch>>,
    has_ended: bool,
    log: RateLimit,
}

impl Spooling {
    pub(crate) fn new(spool: Arc<Spool>) -> Self {
        let feeds = spool.delivered_at_start().iter().map(|delivered| Feed::new(delivered.saturating_add(1))).collect();
        Self { spool, feeds, stuck: VecDeque::new(), is_settled: false }
    }

    /// How long the dispatcher may sleep; `None`: until somebody appends.
    pub(crate) fn patience(&self) -> Option<Duration> {
        (!self.is_settled).then_some(UNSETTLED)
    }

    pub(crate) fn is_reply(&self) -> bool {
        self.spool.mode() == SpoolMode::Reply
    }

    /// Whether some sink takes what comes as fast as it comes, or nearly so.
    pub(crate) fn is_followed(&self) -> bool {
        self.feeds.iter().any(|feed| feed.pending.is_none() && !feed.has_ended)
    }

    /// Whether some sink is to get more than it has got.
    pub(crate) fn is_behind(&self) -> bool {
        let last = self.spool.last();
        self.feeds.iter().any(|feed| feed.next <= last && !feed.has_ended)
    }
}

impl Feed {
    pub(crate) fn new(next: u64) -> Self {
        Self { next, reader: None, pending: None, has_ended: false, log: RateLimit::new(LOG_INTERVAL) }
    }

    /// Offers the next messages to the sink. False: its queue has no room for them.
    pub(crate) fn offer(&mut self, batch: &Arc<Batch>, outlet: &Outlet) -> bool {
        match outlet.queue.offer_whole(batch) {
            Some(Offered::Accepted(messages)) => {
                outlet.counter.queue(batch, messages);
                self.next = batch.position(messages);
                true
            }
            // What it has not delivered stays in the spool, for the next start.
            Some(Offered::Ended) => {
                self.has_ended = true;
                false
            }
            None => false,
        }
    }

    /// Offers what is in the spool through this position and what the sink has not got yet.
    pub(crate) fn catch_up(&mut self, spool: &Spool, outlet: &Outlet, bounds: Bounds, through: u64) {
        for _ in 0..CHUNKS_A_ROUND {
            if self.has_ended || (self.pending.is_none() && self.next > through) {
                // Its file may be removed by now.
                self.reader = None;
                return;
            }
            let Some(batch) = self.pending.take().or_else(|| self.read(spool, outlet, bounds, through)) else { return };
            if !self.offer(&batch, outlet) {
                self.pending = Some(batch);
                return;
            }
        }
    }

    fn read(&mut self, spool: &Spool, outlet: &Outlet, bounds: Bounds, through: u64) -> Option<Arc<Batch>> {
        let reader = self.reader.take().filter(|reader| reader.next_position() == self.next);
        let reader = self.reader.insert(reader.unwrap_or_else(|| spool.reader(self.next)));
        let mut batch = Batch::new();
        // Not beyond `through`, where a record ends: what comes after it comes from memory.
        let wanted = usize::try_from(through.saturating_sub(self.next).saturating_add(1)).unwrap_or(usize::MAX);
        let (messages, bytes) = ((bounds.messages / 4).clamp(1, wanted), (bounds.bytes / 4).clamp(1, CHUNK_BYTES));
        match reader.read(&mut batch, messages, bytes) {
            Ok(Found::Messages) => return Some(Arc::new(batch)),
            Ok(Found::Nothing) => {}
            Ok(Found::Missing { messages, bytes }) => {
                outlet.counter.lose(LossReason::Unreadable, messages);
                let sink = outlet.counter.name();
                tracing::error!(
                    sink,
                    messages,
                    bytes,
                    "messages in the spool cannot be read, and are lost: the machine went down before they were on the disk (--spool-fsync), or the disk has lost them"
                );
                self.next = reader.next_position();
            }
            Err(error) => {
                self.reader = None;
                if self.log.add(1, Instant::now()).is_some() {
                    tracing::error!(sink = outlet.counter.name(), %error, "the spool cannot be read; trying again until it can");
                }
            }
        }
        None
    }
}
