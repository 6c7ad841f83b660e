//! What the dispatcher does where there is a spool: into the spool first, and from there to the sinks.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::Dispatcher;
use super::lanes::{CHUNKS_A_ROUND, PATIENCE};
use crate::deliver::batch::Batch;
use crate::deliver::counters::LossReason;
use crate::deliver::feed::Spooling;
use crate::deliver::ingest::Slot;
use crate::deliver::queue::lock;
use crate::deliver::spool::{Appended, Spool};

impl Dispatcher {
    /// A round. Returns whether there was something.
    pub(super) fn carry_spooled(&mut self, spooling: &mut Spooling, slots: &[Arc<Slot>]) -> bool {
        // Before the workers' batches, which may have what comes first of the same connections.
        let lanes = self.shared.take_lanes();
        let mut found = self.carry_slots(spooling, slots);
        self.lanes.extend(lanes);
        found |= self.carry_lanes_spooled(spooling);
        let mut through = spooling.spool.last();
        if spooling.is_reply() {
            let (fresh, last) = self.carry_fresh(spooling);
            found |= fresh;
            through = last;
        }
        for (feed, fed) in spooling.feeds.iter_mut().zip(&self.outlets) {
            feed.catch_up(&spooling.spool, &fed.outlet, self.shared.bounds, through);
            fed.outlet.queue.announce();
        }
        if found && spooling.is_reply() {
            spooling.spool.changed().notify_waiters();
        }
        self.note_delivered(spooling);
        found
    }

    fn carry_slots(&mut self, spooling: &mut Spooling, slots: &[Arc<Slot>]) -> bool {
        let mut found = false;
        while let Some(batch) = spooling.stuck.pop_front() {
            found = true;
            if !self.put(spooling, batch) {
                break;
            }
        }
        for slot in slots {
            if spooling.is_reply() {
                let (appended, messages) = slot.append_to(&spooling.spool, &self.shared);
                found |= messages > 0 && appended != Appended::Refused;
                continue;
            }
            if !spooling.stuck.is_empty() {
                break;
            }
            let mut batch = self.pool.take();
            if Arc::get_mut(&mut batch).is_some_and(|spare| slot.swap_out(spare)) {
                found = true;
                self.put(spooling, batch);
            } else {
                self.pool.give(batch);
            }
        }
        found
    }

    /// Appends to the spool, and offers to sinks that keep up. False: there is no room, and the batch is stuck.
    fn put(&self, spooling: &mut Spooling, mut batch: Arc<Batch>) -> bool {
        let Some(messages) = Arc::get_mut(&mut batch) else { return true };
        match spooling.spool.append(messages) {
            Appended::Taken => {
                self.feed(spooling, &batch);
                self.pool.give(batch);
            }
            Appended::Dropped => {
                self.shared.lose(LossReason::SpoolFull, &batch, 0);
                self.pool.give(batch);
            }
            Appended::Refused => {
                spooling.stuck.push_front(batch);
                return false;
            }
        }
        true
    }

    /// What workers have appended. Returns whether there was something, and the position of the last message then.
    fn carry_fresh(&self, spooling: &mut Spooling) -> (bool, u64) {
        let mut batch = self.pool.take();
        let most = if spooling.is_followed() { self.shared.bounds.bytes } else { 0 };
        let last = Arc::get_mut(&mut batch).map(|spare| spooling.spool.take_fresh(spare, most));
        let found = !batch.is_empty();
        if found {
            self.feed(spooling, &batch);
        }
        self.pool.give(batch);
        (found, last.unwrap_or_default())
    }

    fn feed(&self, spooling: &mut Spooling, batch: &Arc<Batch>) {
        for (feed, fed) in spooling.feeds.iter_mut().zip(&self.outlets) {
            if feed.next == batch.position(0) && feed.pending.is_none() {
                feed.offer(batch, &fed.outlet);
            }
        }
    }

    /// What is in lanes goes to the spool as fast as that takes it: no queue fills by that.
    fn carry_lanes_spooled(&mut self, spooling: &mut Spooling) -> bool {
        let had_something = self.has_lanes();
        for _ in 0..CHUNKS_A_ROUND {
            if !spooling.stuck.is_empty() {
                break;
            }
            let Some(mut chunk) = self.chunk.take().or_else(|| self.next_chunk()) else { break };
            let is_reply = spooling.is_reply();
            let appended = match is_reply {
                true => spooling.spool.append_fresh(&mut chunk),
                false => spooling.spool.append(&mut chunk),
            };
            match appended {
                Appended::Taken if is_reply => {}
                Appended::Taken => self.feed(spooling, &Arc::new(chunk)),
                Appended::Dropped => self.shared.lose(LossReason::SpoolFull, &chunk, 0),
                Appended::Refused => {
                    self.chunk = Some(chunk);
                    break;
                }
            }
        }
        had_something
    }

    fn note_delivered(&self, spooling: &mut Spooling) {
        let delivered: Vec<_> = self.outlets.iter().map(|fed| fed.outlet.counter.delivered_through()).collect();
        let is_saved = spooling.spool.delivered(&delivered);
        self.tell_fullness(&spooling.spool, false);
        let last = spooling.spool.last();
        lock(&self.shared.timeline).mark(last, Instant::now());
        spooling.is_settled = is_saved
            && delivered.iter().all(|delivered| *delivered >= last)
            && spooling.stuck.is_empty()
            && !spooling.spool.is_full();
    }

    /// The last round is over. What is not in the spool has until the deadline to get there; sinks get what they take until then, and the
    /// rest at the next start.
    pub(super) fn finish_spooled(&mut self, mut spooling: Spooling, late: Vec<Batch>, deadline: Instant) {
        let late: Vec<_> = late.into_iter().map(Arc::new).collect();
        for batch in late {
            match spooling.stuck.is_empty() {
                true => drop(self.put(&mut spooling, batch)),
                false => spooling.stuck.push_back(batch),
            }
        }
        let (mut taken, mut moved) = (self.taken(), Instant::now());
        loop {
            self.carry_spooled(&mut spooling, &[]);
            let now = Instant::now();
            let is_spooled = spooling.stuck.is_empty() && !self.has_lanes();
            if now >= deadline || (is_spooled && (!spooling.is_behind() || now - moved >= PATIENCE)) {
                break;
            }
            if self.taken() != taken {
                (taken, moved) = (self.taken(), now);
            }
            thread::park_timeout(self.round);
        }
        for batch in &spooling.stuck {
            spooling.spool.count_dropped(batch.len());
            self.shared.lose(LossReason::SpoolFull, batch, 0);
        }
        self.tell_fullness(&spooling.spool, true);
        self.abandon_lanes();
    }

    fn tell_fullness(&self, spool: &Spool, is_end: bool) {
        for (time, event) in spool.take_events(is_end) {
            self.shared.witness.tell(time, &event);
        }
    }

    /// How many messages sinks have taken.
    fn taken(&self) -> u64 {
        self.outlets.iter().map(|fed| fed.outlet.counter.taken()).sum()
    }
}
