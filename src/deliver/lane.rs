//! A connection's own way to the sinks, beside its worker's batch: for what is too large for that.
//!
//! The dispatcher reads a lane from its front, as fast as the sinks take it. As long as there is something in it, whatever else comes from
//! the connection waits behind, for the order; other connections go on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use super::batch::Batch;
use super::held::{Held, HoldError, Holding, Rewrite, Run, Unreadable};
use super::label::Label;
use super::queue::{Bounds, lock};
use super::seq::Seq;

/// Of one connection; shared by its session, the dispatcher, and whoever decides about what the connection has left behind.
#[derive(Debug)]
pub(crate) struct Lane {
    state: Mutex<State>,
    /// As in the state, for who does not wait for the lock.
    busy: AtomicBool,
    emptied: Notify,
}

#[derive(Debug)]
pub(crate) struct State {
    seq: Seq,
    runs: VecDeque<Run>,
    /// What came after the last run.
    behind: Held,
    /// The dispatcher has something to read here, or has read it and not sent it yet.
    busy: bool,
}

/// What the dispatcher finds in a lane.
#[derive(Debug)]
pub(crate) enum Next {
    /// These many messages are in its batch now.
    Taken,
    /// Some are lost.
    Lost(Unreadable),
    /// There is nothing: the lane is not busy any more.
    Nothing,
}

impl Lane {
    /// An empty one, for a connection that has had so many messages.
    pub(crate) fn new(seq: Seq, holding: Arc<Holding>) -> Self {
        let state = State { seq, runs: VecDeque::new(), behind: Held::new(holding), busy: false };
        Self { state: Mutex::new(state), busy: AtomicBool::new(false), emptied: Notify::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The connection's counter when all that waits here has its numbers.
    pub(crate) fn last(&self) -> Seq {
        let state = self.lock();
        let waiting = state.runs.iter().map(|run| run.left() + run.lost_behind()).sum::<u64>() + state.behind.len();
        let mut seq = state.seq;
        seq.skip(waiting);
        seq
    }

    /// Whether something waits here.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Returns when nothing waits here.
    pub(crate) async fn wait_until_empty(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            // Registered before the look at the flag, so that a change in between is not missed.
            emptied.as_mut().enable();
            if !self.is_busy() {
                return;
            }
            emptied.await;
        }
    }

    /// Something waits here from now on: the dispatcher is to be told if it was not so before, which is returned.
    pub(crate) fn make_busy(&self, state: &mut State) -> bool {
        self.busy.store(true, Ordering::Relaxed);
        !std::mem::replace(&mut state.busy, true)
    }

    /// Moves the next messages, as many as are at hand within `most`, to an empty batch.
    pub(crate) fn next(&self, most: Bounds, into: &mut Batch) -> Next {
        let mut state = self.lock();
        let State { seq, runs, behind, busy } = &mut *state;
        loop {
            match runs.front_mut() {
                Some(run) if run.left() == 0 => {
                    seq.skip(run.lost_behind());
                    runs.pop_front();
                }
                Some(run) => return run.take(most, into, seq).map_or_else(Next::Lost, |()| Next::Taken),
                None if !behind.is_empty() => runs.push_back(behind.release(Rewrite::NONE)),
                None => {
                    *busy = false;
                    self.busy.store(false, Ordering::Relaxed);
                    drop(state);
                    self.emptied.notify_waiters();
                    return Next::Nothing;
                }
            }
        }
    }

    /// Forgets what waits here; returns how many messages that were. Nothing waits here any more.
    pub(crate) fn abandon(&self) -> u64 {
        let mut state = self.lock();
        let left = state.runs.iter().map(Run::left).sum::<u64>() + state.behind.len();
        state.runs.clear();
        state.behind.clear();
        state.busy = false;
        self.busy.store(false, Ordering::Relaxed);
        drop(state);
        self.emptied.notify_waiters();
        left
    }
}

impl State {
    /// The connection's counter, unless something waits here.
    pub(crate) fn if_idle(&mut self) -> Option<&mut Seq> {
        (!self.busy).then_some(&mut self.seq)
    }

    /// One more message waits behind the others. An error of the disk says that it does not fit: it waits all the same.
    pub(crate) fn push<E>(
        &mut self,
        key: u64,
        label: Label,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), HoldError<E>> {
        self.behind.push(key, label, write)
    }

    /// The message that was pushed last is lost: it had a number.
    pub(crate) fn lose_last(&mut self) {
        let _ = self.behind.truncate(self.behind.len().saturating_sub(1));
        let mut run = self.behind.release(Rewrite::NONE);
        run.lose_behind();
        self.runs.push_back(run);
    }

    /// These wait behind the others.
    pub(crate) fn push_run(&mut self, held: &mut Held, rewrite: Rewrite) {
        if !self.behind.is_empty() {
            self.runs.push_back(self.behind.release(Rewrite::NONE));
        }
        self.runs.push_back(held.release(rewrite));
    }
}
