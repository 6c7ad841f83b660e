//! The thread that carries messages from the workers to the sinks' queues.

mod lanes;
mod spooling;

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::deliver::batch::Batch;
use crate::deliver::counters::LossReason;
use crate::deliver::feed::Spooling;
use crate::deliver::ingest::{Shared, Slot};
use crate::deliver::lane::Lane;
use crate::deliver::outlet::Outlet;
use crate::deliver::pool::Pool;
use crate::deliver::position::Positions;
use crate::deliver::queue::{Offered, lock};
use crate::deliver::rate_limit::RateLimit;

/// How long the dispatcher sleeps between two rounds while there is traffic.
///
/// Long enough that at a thousand statements a second and more they do not cost a wake-up each, short enough that nobody watching
/// a terminal notices.
const ROUND: Duration = Duration::from_millis(10);

/// How often dropped messages, and clients that are kept waiting, are worth a log line.
const DROP_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How long clients must have waited in total before it is worth a log line. Bursts cause short pauses, which are what `block` is for.
const HELD_UP_AT_LEAST: Duration = Duration::from_millis(500);

pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    slots: Arc<Mutex<Vec<Arc<Slot>>>>,
    outlets: Vec<Fed>,
    positions: Arc<Positions>,
    pool: Arc<Pool>,
    round: Duration,
    /// Those that have something, each in its turn.
    lanes: VecDeque<Arc<Lane>>,
    /// What was taken from one and waits for room.
    chunk: Option<Batch>,
    /// With a spool, between the workers and the queues.
    spooling: Option<Spooling>,
}

/// A sink, and what the log has yet to say about its queue.
struct Fed {
    outlet: Outlet,
    drops: RateLimit,
    /// Milliseconds for which there was no room.
    full: RateLimit,
    /// How many messages it had taken when it last did, or had room, and when that was.
    taken: u64,
    moved: Instant,
}

impl Fed {
    fn new(outlet: Outlet) -> Self {
        let (drops, full) = (RateLimit::new(DROP_LOG_INTERVAL), RateLimit::new(DROP_LOG_INTERVAL));
        Self { outlet, drops, full, taken: 0, moved: Instant::now() }
    }

    fn account(&mut self, batch: &Batch, offered: &Offered) {
        match offered {
            Offered::Ended => {
                self.outlet.counter.lose(LossReason::SinkEnded, batch.len() as u64);
                self.tell(LossReason::SinkEnded, batch, 0);
            }
            Offered::Accepted(messages) => {
                self.outlet.counter.queue(batch, *messages);
                let dropped = batch.len().saturating_sub(*messages) as u64;
                if dropped > 0 {
                    self.outlet.counter.lose(LossReason::QueueFull, dropped);
                    self.tell(LossReason::QueueFull, batch, *messages);
                    let dropped = self.drops.add(dropped, Instant::now());
                    self.log_drops(dropped);
                }
            }
        }
    }

    /// The marker stream is to say which messages the sink does not get.
    fn tell(&self, reason: LossReason, batch: &Batch, from: usize) {
        if let Some(ledger) = &self.outlet.ledger {
            ledger.lost(reason, batch, from);
        }
    }

    /// There was no room for this long, while this many clients waited.
    fn note_full(&mut self, waited: Duration, clients: usize, now: Instant) {
        if clients == 0 {
            return;
        }
        self.full.hold_back(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        if Duration::from_millis(self.full.held_back()) < HELD_UP_AT_LEAST {
            return;
        }
        if let Some(milliseconds) = self.full.due(now) {
            tracing::warn!(
                sink = self.outlet.counter.name(),
                clients,
                milliseconds,
                "the sink's queue is full, and clients are kept waiting until it takes messages (--backpressure=block)"
            );
        }
    }

    fn log_drops(&self, dropped: Option<u64>) {
        if let Some(dropped) = dropped {
            tracing::warn!(
                sink = self.outlet.counter.name(),
                dropped,
                total = self.outlet.counter.lost(LossReason::QueueFull),
                "the sink is too slow: messages dropped because its queue was full"
            );
        }
    }
}

impl Dispatcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        slots: Arc<Mutex<Vec<Arc<Slot>>>>,
        outlets: Vec<Outlet>,
        positions: Arc<Positions>,
        pool: Arc<Pool>,
        flush_interval: Duration,
    ) -> Self {
        let round = flush_interval.clamp(Duration::from_micros(100), ROUND);
        let outlets = outlets.into_iter().map(Fed::new).collect();
        let spooling = shared.spool.as_ref().map(|spool| Spooling::new(Arc::clone(spool)));
        Self { shared, slots, outlets, positions, pool, round, lanes: VecDeque::new(), chunk: None, spooling }
    }

    pub(crate) fn run(mut self) {
        let mut slots = Vec::new();
        while self.shared.closing.get().is_none() {
            slots.clone_from(&lock(&self.slots));
            if self.carry(&slots) {
                thread::park_timeout(self.round);
            } else {
                self.idle(&slots);
            }
        }
        slots.clone_from(&lock(&self.slots));
        self.finish(&slots);
    }

    /// One round: every worker's messages into every sink's queue. Returns whether there were any.
    fn carry(&mut self, slots: &[Arc<Slot>]) -> bool {
        if let Some(mut spooling) = self.spooling.take() {
            let found = self.carry_spooled(&mut spooling, slots);
            self.spooling = Some(spooling);
            return found;
        }
        let mut found = false;
        // Before the workers' batches, which may have what comes first of the same connections.
        let lanes = self.shared.take_lanes();
        for slot in slots {
            let mut batch = self.pool.take();
            let Some(spare) = Arc::get_mut(&mut batch) else {
                continue;
            };
            if slot.swap_out(spare) {
                found = true;
                self.positions.assign(0, spare);
                self.fan_out(&batch, slots);
            }
            self.pool.give(batch);
        }
        self.lanes.extend(lanes);
        found |= self.has_lanes() && self.carry_lanes();
        for fed in &mut self.outlets {
            if found {
                fed.outlet.queue.announce();
            }
            if fed.drops.has_held_back() {
                let dropped = fed.drops.due(Instant::now());
                fed.log_drops(dropped);
            }
        }
        found
    }

    fn fan_out(&mut self, batch: &Arc<Batch>, slots: &[Arc<Slot>]) {
        if !self.shared.blocks {
            for fed in &mut self.outlets {
                let offered = fed.outlet.queue.offer(batch);
                fed.account(batch, &offered);
            }
            return;
        }
        // Every sink that has room gets it before we wait for another.
        let mut waiting: Vec<usize> = Vec::new();
        for (index, fed) in self.outlets.iter_mut().enumerate() {
            match fed.outlet.queue.offer_whole(batch) {
                Some(offered) => fed.account(batch, &offered),
                None => waiting.push(index),
            }
        }
        for index in waiting {
            self.wait_for_room(index, batch, slots);
        }
    }

    #[cold]
    fn wait_for_room(&mut self, index: usize, batch: &Arc<Batch>, slots: &[Arc<Slot>]) {
        for fed in &self.outlets {
            fed.outlet.queue.announce();
        }
        let Some(fed) = self.outlets.get_mut(index) else {
            return;
        };
        let mut since = Instant::now();
        loop {
            if let Some(offered) = fed.outlet.queue.offer_whole(batch) {
                fed.account(batch, &offered);
                return;
            }
            let mut patience = HELD_UP_AT_LEAST;
            if let Some(deadline) = self.shared.closing.get() {
                patience = patience.min(deadline.saturating_duration_since(Instant::now()));
                if patience.is_zero() {
                    fed.outlet.counter.lose(LossReason::Shutdown, batch.len() as u64);
                    fed.tell(LossReason::Shutdown, batch, 0);
                    return;
                }
            }
            for slot in slots {
                slot.mark_full();
            }
            thread::park_timeout(patience);
            let now = Instant::now();
            let waited = now.saturating_duration_since(since);
            if waited >= Duration::from_millis(1) {
                fed.note_full(waited, self.shared.held_up.load(Ordering::Relaxed), now);
                since = now;
            }
        }
    }

    /// Sleeps until somebody appends.
    fn idle(&self, slots: &[Arc<Slot>]) {
        self.shared.idle.store(true, Ordering::Relaxed);
        if slots.iter().all(|slot| slot.is_empty())
            && !self.shared.has_new_lanes()
            // After the slots, from which it comes.
            && !self.shared.spool.as_ref().is_some_and(|spool| spool.has_fresh())
            && self.shared.closing.get().is_none()
        {
            if let Some(patience) = self.spooling.as_ref().and_then(Spooling::patience) {
                thread::park_timeout(patience);
            } else if self.outlets.iter().any(|fed| fed.drops.has_held_back()) {
                thread::park_timeout(DROP_LOG_INTERVAL);
            } else {
                thread::park();
            }
        }
        self.shared.idle.store(false, Ordering::Relaxed);
    }

    /// The last round, after which the workers' messages are lost and the sinks have until the deadline.
    fn finish(&mut self, slots: &[Arc<Slot>]) {
        self.carry(slots);
        let deadline = self.shared.closing.get().copied().unwrap_or_else(Instant::now);
        let late: Vec<_> = slots.iter().map(|slot| slot.close(&self.shared)).filter(|late| !late.is_empty()).collect();
        if let Some(spooling) = self.spooling.take() {
            self.finish_spooled(spooling, late, deadline);
        } else {
            late.iter().for_each(|batch| self.shared.lose(LossReason::Shutdown, batch, 0));
            self.finish_lanes(deadline);
        }
        for fed in &self.outlets {
            fed.outlet.queue.close(deadline);
        }
    }
}
