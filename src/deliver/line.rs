//! A connection's way into delivery: it numbers the messages and keeps their order.

use std::sync::Arc;

use super::batch::Batch;
use super::held::{Held, HoldError, Rewrite};
use super::ingest::Ingest;
use super::label::Label;
use super::lane::{Lane, State};
use super::seq::Seq;

/// Of one session.
#[derive(Debug)]
pub struct Line {
    ingest: Ingest,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Through the worker's batch.
    Direct(Seq),
    /// The connection has, or had, more than fits there, or messages that others decide about.
    Lane(Arc<Lane>),
}

/// A session's line as others have it, who may outlive the session.
#[derive(Debug, Clone)]
pub struct SharedLine {
    ingest: Ingest,
    lane: Arc<Lane>,
}

/// Where a session waits that is to send nothing more for now.
#[derive(Debug, Clone)]
pub struct Gate {
    ingest: Ingest,
    lane: Option<Arc<Lane>>,
}

impl Line {
    /// For one session of the worker with this way in.
    pub const fn new(ingest: Ingest) -> Self {
        Self { ingest, way: Way::Direct(Seq::new()) }
    }

    /// The worker's way in.
    pub const fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    /// Sends one message of connection `key`, which `write` appends to the bytes.
    pub fn publish<E>(
        &mut self,
        key: u64,
        label: Label,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.way {
            Way::Direct(seq) => self.ingest.append(|batch| batch.push_numbered(key, seq, label, write)),
            Way::Lane(lane) => publish_behind(&self.ingest, &mut lane.lock(), key, label, write),
        }
    }

    /// Sends what was held back; nothing is held afterwards.
    pub fn release(&mut self, held: &mut Held, rewrite: Rewrite) {
        if held.is_empty() {
            return;
        }
        if let Way::Direct(seq) = &mut self.way
            && held.is_within(self.ingest.at_once())
        {
            return self.ingest.append_held(held, seq, rewrite);
        }
        self.share(held).release(held, rewrite);
    }

    /// The line for somebody else, who decides about what is held.
    pub fn share(&mut self, held: &Held) -> SharedLine {
        let lane = match &self.way {
            Way::Lane(lane) => Arc::clone(lane),
            Way::Direct(seq) => {
                let lane = Arc::new(Lane::new(*seq, Arc::clone(held.holding())));
                self.way = Way::Lane(Arc::clone(&lane));
                lane
            }
        };
        SharedLine { ingest: self.ingest.clone(), lane }
    }

    /// Whether the session should read nothing more from its client for now. Only ever true with `backpressure=block`.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.ingest.is_full()
            || match &self.way {
                Way::Direct(_) => false,
                Way::Lane(lane) => self.ingest.blocks() && lane.is_busy(),
            }
    }

    /// Where to wait while [`Self::is_full`].
    pub fn gate(&self) -> Gate {
        let lane = match &self.way {
            Way::Direct(_) => None,
            Way::Lane(lane) => Some(Arc::clone(lane)),
        };
        Gate { ingest: self.ingest.clone(), lane }
    }
}

impl SharedLine {
    /// Sends what was held back of the connection; nothing is held afterwards.
    pub fn release(&self, held: &mut Held, rewrite: Rewrite) {
        let mut state = self.lane.lock();
        if held.is_within(self.ingest.at_once())
            && let Some(seq) = state.if_idle()
        {
            return self.ingest.append_held(held, seq, rewrite);
        }
        state.push_run(held, rewrite);
        if self.lane.make_busy(&mut state) && !self.ingest.announce_lane(&self.lane) {
            drop(state);
            self.ingest.abandon(&self.lane);
        }
    }
}

impl Gate {
    /// Returns when there is room.
    pub async fn wait(self) {
        self.ingest.wait_for_space().await;
        if let Some(lane) = self.lane
            && self.ingest.blocks()
        {
            let _held_up = self.ingest.hold_up();
            lane.wait_until_empty().await;
        }
    }
}

/// Sends a message of a connection that has a lane.
fn publish_behind<E>(
    ingest: &Ingest,
    state: &mut State,
    key: u64,
    label: Label,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(seq) = state.if_idle() {
        return ingest.append(|batch: &mut Batch| batch.push_numbered(key, seq, label, write));
    }
    match state.push(key, label, write) {
        Ok(()) => Ok(()),
        Err(HoldError::Message(error)) => Err(error),
        Err(HoldError::Disk(error)) => {
            // With `block` the client waits already, and this is one of the last.
            if !ingest.blocks() {
                state.lose_last();
                ingest.lose_for_want_of_disk(&error);
            }
            Ok(())
        }
    }
}
