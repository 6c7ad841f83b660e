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
    /// Something was sent since the last [`Self::settle`].
    has_sent: bool,
    /// Lines of other sessions to which this one has sent since then.
    others: Vec<SharedLine>,
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
    pub fn new(ingest: Ingest) -> Self {
        let session = ingest.next_session();
        Self { ingest, way: Way::Direct(Seq::of(session)), has_sent: false, others: Vec::new() }
    }

    /// The number of the last message, those included that wait in front of the sinks and get theirs later.
    pub fn last(&self) -> Seq {
        match &self.way {
            Way::Direct(seq) => *seq,
            Way::Lane(lane) => lane.last(),
        }
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
        self.has_sent = true;
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
        self.has_sent = true;
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

    /// What this session's statement has sent went by the line of another.
    pub fn has_sent_by(&mut self, other: SharedLine) {
        if self.ingest.settles() {
            self.has_sent = true;
            self.others.push(other);
        }
    }

    /// With a spool of mode `reply`, everything that was sent goes to it now. What is returned is ready when the client may be told; `None`: it may
    /// be told already.
    #[inline]
    pub fn settle(&mut self) -> Option<Settling> {
        if !std::mem::take(&mut self.has_sent) || !self.ingest.settles() {
            return None;
        }
        let lane = match &self.way {
            Way::Direct(_) => None,
            Way::Lane(lane) => Some(Arc::clone(lane)),
        };
        let mut settling = Settling { waits: Vec::new() };
        settling.add(self.ingest.clone(), lane);
        for SharedLine { ingest, lane } in self.others.drain(..) {
            settling.add(ingest, Some(lane));
        }
        (!settling.waits.is_empty()).then_some(settling)
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

/// What is on its way to the spool.
#[derive(Debug)]
pub struct Settling {
    waits: Vec<(Ingest, Option<Arc<Lane>>)>,
}

impl Settling {
    fn add(&mut self, ingest: Ingest, lane: Option<Arc<Lane>>) {
        let lane = lane.filter(|lane| lane.is_busy());
        if ingest.settle().is_some() || lane.is_some() {
            self.waits.push((ingest, lane));
        }
    }

    /// Returns when all of it is there, or counted as lost.
    pub async fn settled(self) {
        for (ingest, lane) in self.waits {
            if let Some(lane) = lane {
                lane.wait_until_empty().await;
            }
            if let Some(unsettled) = ingest.settle() {
                unsettled.settled().await;
            }
        }
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
