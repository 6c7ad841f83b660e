//! The bounded queue in front of one sink.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::deliver::batch::Batch;

/// Locks `mutex`; what our mutexes protect is consistent at every point where a thread could panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bounds of a queue; whichever is reached first counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Batches on their way to one sink.
///
/// A message counts as queued until the sink has taken it, so the batch in the sink's hands is within the bounds too.
#[derive(Debug)]
pub(crate) struct SinkQueue {
    bounds: Bounds,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Arc<Batch>>,
    messages: usize,
    bytes: usize,
    /// Who waits for room here.
    waits_for_room: Option<Thread>,
    /// The sink's thread sleeps on the condition variable.
    sink_sleeps: bool,
    /// Nothing more will come; what is here must be delivered by then.
    closed: Option<Instant>,
    /// The sink takes nothing any more.
    ended: bool,
}

/// What became of a batch that was offered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// This many of its first messages are in the queue.
    Accepted(usize),
    /// The sink has ended.
    Ended,
}

/// What the sink's thread finds in its queue.
#[derive(Debug)]
pub(crate) enum Popped {
    Batch(Arc<Batch>),
    /// Nothing came in the given time.
    Nothing,
    /// The queue is empty and will stay so; the sink has until the instant to finish.
    Closed(Instant),
}

impl SinkQueue {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Takes as many of the batch's first messages as there is room for. Call [`Self::announce`] afterwards.
    pub(crate) fn offer(&self, batch: &Arc<Batch>) -> Offered {
        let mut state = lock(&self.state);
        if state.ended {
            return Offered::Ended;
        }
        let room_for_messages = self.bounds.messages.saturating_sub(state.messages);
        let room_for_bytes = self.bounds.bytes.saturating_sub(state.bytes);
        let mut fitting = batch.messages_within(0, room_for_bytes).min(room_for_messages);
        if fitting == 0 && state.messages == 0 {
            fitting = 1.min(batch.len());
        }
        if fitting == batch.len() {
            state.push(Arc::clone(batch));
        } else if fitting > 0 {
            // A copy, so that the queue's bytes are those it counts.
            state.push(Arc::new(batch.prefix(fitting)));
        }
        Offered::Accepted(fitting)
    }

    /// Takes the whole batch if there is room for it or nothing else in the queue; where there is not, the calling thread is unparked as
    /// soon as there may be. Call [`Self::announce`] afterwards.
    pub(crate) fn offer_whole(&self, batch: &Arc<Batch>) -> Option<Offered> {
        let mut state = lock(&self.state);
        if state.ended {
            return Some(Offered::Ended);
        }
        let fits = state.messages.saturating_add(batch.len()) <= self.bounds.messages
            && state.bytes.saturating_add(batch.byte_len()) <= self.bounds.bytes;
        if fits || state.messages == 0 {
            state.push(Arc::clone(batch));
            return Some(Offered::Accepted(batch.len()));
        }
        state.waits_for_room = Some(thread::current());
        None
    }

    /// Whether so many messages would fill half of the queue at most, or nothing at all is in it. Where not, the calling thread is unparked
    /// as soon as that may change.
    pub(crate) fn has_room_for(&self, messages: usize, bytes: usize) -> bool {
        let mut state = lock(&self.state);
        let fits = state.messages.saturating_add(messages) <= self.bounds.messages / 2
            && state.bytes.saturating_add(bytes) <= self.bounds.bytes / 2;
        if state.ended || state.messages == 0 || fits {
            return true;
        }
        state.waits_for_room = Some(thread::current());
        false
    }

    /// Wakes the sink's thread if it sleeps and there is something for it.
    pub(crate) fn announce(&self) {
        let mut state = lock(&self.state);
        if state.sink_sleeps && !state.batches.is_empty() {
            state.sink_sleeps = false;
            drop(state);
            self.changed.notify_one();
        }
    }

    /// The next batch, waiting for at most `patience`.
    pub(crate) fn pop(&self, patience: Duration) -> Popped {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.state);
        loop {
            if let Some(batch) = state.batches.pop_front() {
                return Popped::Batch(batch);
            }
            if let Some(until) = state.closed {
                return Popped::Closed(until);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Popped::Nothing;
            }
            state = self.sleep(state, left);
        }
    }

    /// Lets the sink's thread sleep for `patience`, less if the queue is closed meanwhile.
    pub(crate) fn back_off(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.state);
        while state.closed.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            // Not marked as asleep: arriving batches are no reason to wake up.
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        // Closed: hurry, but leave the destination time to breathe.
        let breath = patience.min(Duration::from_millis(50));
        drop(state);
        thread::sleep(breath);
    }

    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>, patience: Duration) -> MutexGuard<'a, State> {
        state.sink_sleeps = true;
        let mut state = self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        state.sink_sleeps = false;
        state
    }

    /// Messages and bytes that are in it now.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.messages, state.bytes)
    }

    /// Gives back the room of messages that the sink took.
    pub(crate) fn release(&self, messages: usize, bytes: usize) {
        let mut state = lock(&self.state);
        state.messages = state.messages.saturating_sub(messages);
        state.bytes = state.bytes.saturating_sub(bytes);
        let waiting = state.waits_for_room.take();
        drop(state);
        waiting.iter().for_each(Thread::unpark);
    }

    /// Says that nothing more will come, and until when to deliver what is here.
    pub(crate) fn close(&self, until: Instant) {
        lock(&self.state).closed = Some(until);
        self.changed.notify_one();
    }

    /// Until when the sink has to finish, once the queue is closed.
    pub(crate) fn closed(&self) -> Option<Instant> {
        lock(&self.state).closed
    }

    /// Whether the sink takes nothing any more.
    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.state).ended
    }

    /// Refuses everything from now on; returns how many messages were still here.
    pub(crate) fn end(&self) -> usize {
        let mut state = lock(&self.state);
        state.ended = true;
        state.batches.clear();
        state.bytes = 0;
        let left = std::mem::take(&mut state.messages);
        let waiting = state.waits_for_room.take();
        drop(state);
        waiting.iter().for_each(Thread::unpark);
        left
    }
}

impl State {
    fn push(&mut self, batch: Arc<Batch>) {
        self.messages += batch.len();
        self.bytes += batch.byte_len();
        self.batches.push_back(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::batch::batch_of;

    fn queue(messages: usize, bytes: usize) -> SinkQueue {
        SinkQueue::new(Bounds { messages, bytes })
    }

    fn abc() -> Arc<Batch> {
        Arc::new(batch_of(&[(1, "aaa"), (2, "bbb"), (3, "ccc")]))
    }

    #[test]
    fn messages_beyond_the_bound_are_refused_exactly() {
        let queue = queue(4, 1000);
        assert_eq!(queue.offer(&abc()), Offered::Accepted(3));
        assert_eq!(queue.offer(&abc()), Offered::Accepted(1));
        assert_eq!(queue.offer(&abc()), Offered::Accepted(0));
        queue.release(3, 12);
        assert_eq!(queue.offer(&abc()), Offered::Accepted(3));
    }

    #[test]
    fn bytes_beyond_the_bound_are_refused_exactly() {
        let queue = queue(100, 9);
        assert_eq!(queue.offer(&abc()), Offered::Accepted(2));
        assert_eq!(queue.offer(&abc()), Offered::Accepted(0));
    }

    #[test]
    fn one_message_above_the_byte_bound_is_accepted_when_the_queue_is_empty() {
        let queue = queue(100, 2);
        assert_eq!(queue.offer(&abc()), Offered::Accepted(1));
        assert_eq!(queue.offer(&abc()), Offered::Accepted(0));
    }

    #[test]
    fn whole_batches_wait_for_room() {
        let queue = queue(4, 1000);
        assert_eq!(queue.offer_whole(&abc()), Some(Offered::Accepted(3)));
        assert_eq!(queue.offer_whole(&abc()), None);
        queue.release(3, 12);
        assert_eq!(queue.offer_whole(&abc()), Some(Offered::Accepted(3)));
    }

    #[test]
    fn an_ended_queue_says_what_was_left() {
        let queue = queue(10, 1000);
        assert_eq!(queue.offer(&abc()), Offered::Accepted(3));
        let Popped::Batch(_) = queue.pop(Duration::ZERO) else { panic!("nothing there") };
        queue.release(1, 4);
        assert_eq!(queue.end(), 2);
        assert_eq!(queue.offer(&abc()), Offered::Ended);
        assert_eq!(queue.offer_whole(&abc()), Some(Offered::Ended));
    }

    #[test]
    fn a_closed_queue_is_emptied_first() {
        let queue = queue(10, 1000);
        queue.offer(&abc());
        queue.close(Instant::now());
        assert!(matches!(queue.pop(Duration::ZERO), Popped::Batch(_)));
        assert!(matches!(queue.pop(Duration::ZERO), Popped::Closed(_)));
    }
}
