//! What the dispatcher does for lanes.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{Dispatcher, Fed};
use crate::deliver::batch::Batch;
use crate::deliver::counters::LossReason;
use crate::deliver::lane::Next;
use crate::deliver::queue::Bounds;

/// At most this much of a lane at once.
const CHUNK_BYTES: usize = 512 << 10;
/// After so many chunks it is the workers' turn again.
pub(super) const CHUNKS_A_ROUND: usize = 8;
/// With `drop`, a sink that has taken nothing for so long is not waited for any more.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// Sends what the sinks have room for. What lanes hold never fills more than half a queue: the other half is for what comes from the
    /// workers. Returns whether there is, or was, something in a lane.
    pub(super) fn carry_lanes(&mut self) -> bool {
        let had_something = self.has_lanes();
        for _ in 0..CHUNKS_A_ROUND {
            let Some(chunk) = self.chunk.take().or_else(|| self.next_chunk()) else { break };
            if !self.have_room(&chunk) {
                self.chunk = Some(chunk);
                break;
            }
            let mut chunk = Arc::new(chunk);
            if let Some(chunk) = Arc::get_mut(&mut chunk) {
                self.positions.assign(0, chunk);
            }
            for fed in &mut self.outlets {
                let offered = fed.outlet.queue.offer(&chunk);
                fed.account(&chunk, &offered);
                fed.outlet.queue.announce();
            }
            self.pool.give(chunk);
        }
        had_something
    }

    /// Whether lanes have something for the sinks.
    pub(super) fn has_lanes(&self) -> bool {
        self.chunk.is_some() || !self.lanes.is_empty()
    }

    /// The next messages, of each lane in turn.
    pub(super) fn next_chunk(&mut self) -> Option<Batch> {
        let bounds = self.shared.bounds;
        let most = Bounds { messages: (bounds.messages / 4).max(1), bytes: (bounds.bytes / 4).min(CHUNK_BYTES) };
        let mut chunk = Batch::new();
        while let Some(lane) = self.lanes.pop_front() {
            match lane.next(most, &mut chunk) {
                Next::Nothing => continue,
                Next::Lost(lost) => self.shared.note_unreadable(&lost),
                Next::Taken => {}
            }
            self.lanes.push_back(lane);
            if !chunk.is_empty() {
                return Some(chunk);
            }
        }
        None
    }

    /// Whether every sink is to get this now.
    fn have_room(&mut self, chunk: &Batch) -> bool {
        let (blocks, now) = (self.shared.blocks, Instant::now());
        // Each is asked, so that each one's thread knows that somebody waits.
        let without = self.outlets.iter_mut().filter_map(|fed| (!fed.has_room(chunk, blocks, now)).then_some(()));
        without.count() == 0
    }

    /// The last round is over: what is in lanes has until the deadline.
    pub(super) fn finish_lanes(&mut self, deadline: Instant) {
        self.lanes.extend(self.shared.take_lanes());
        while self.has_lanes() && Instant::now() < deadline {
            self.carry_lanes();
            if self.chunk.is_some() {
                thread::park_timeout(self.round);
            }
        }
        self.abandon_lanes();
    }

    /// What is in lanes is lost.
    pub(super) fn abandon_lanes(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.shared.lose(LossReason::Shutdown, &chunk, 0);
        }
        self.lanes.extend(self.shared.take_lanes());
        self.shared.abandon(self.lanes.iter().map(Arc::as_ref));
        self.lanes.clear();
    }
}

impl Fed {
    fn has_room(&mut self, chunk: &Batch, blocks: bool, now: Instant) -> bool {
        let taken = self.outlet.counter.taken();
        if self.outlet.queue.has_room_for(chunk.len(), chunk.byte_len()) || taken != self.taken {
            self.taken = taken;
            self.moved = now;
        }
        self.outlet.queue.has_room_for(chunk.len(), chunk.byte_len())
            || (!blocks && now.saturating_duration_since(self.moved) >= PATIENCE)
    }
}
