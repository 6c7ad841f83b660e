//! How many bytes may wait, of one session and of all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::counters::MirrorCounters;

/// Bytes of all sessions of a mirror.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    limit: usize,
    counters: Arc<MirrorCounters>,
}

impl Budget {
    pub(super) fn new(limit: usize, counters: Arc<MirrorCounters>) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit, counters })
    }

    /// Whether at least half of it is free.
    pub(super) fn is_half_free(&self) -> bool {
        self.used.load(Ordering::Relaxed) <= self.limit / 2
    }

    /// Room for so many bytes, if there is room. What is larger than all of it has room when nothing else is there.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        take(&self.used, self.limit, bytes).then(|| {
            self.counters.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
            Room { budget: Arc::clone(self), share: None, bytes }
        })
    }
}

/// Bytes of one session.
#[derive(Debug)]
pub(super) struct Share {
    used: AtomicUsize,
    limit: usize,
    budget: Arc<Budget>,
}

impl Share {
    pub(super) fn new(limit: usize, budget: Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit, budget })
    }

    /// Room for so many bytes, in the session's share and in all sessions' budget.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        if !take(&self.used, self.limit, bytes) {
            return None;
        }
        match self.budget.take(bytes) {
            Some(mut room) => {
                room.share = Some(Arc::clone(self));
                Some(room)
            }
            None => {
                self.used.fetch_sub(bytes, Ordering::Relaxed);
                None
            }
        }
    }
}

fn take(used: &AtomicUsize, limit: usize, bytes: usize) -> bool {
    let before = used.fetch_add(bytes, Ordering::Relaxed);
    let fits = before == 0 || before.saturating_add(bytes) <= limit;
    if !fits {
        used.fetch_sub(bytes, Ordering::Relaxed);
    }
    fits
}

/// Room that is taken; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    budget: Arc<Budget>,
    share: Option<Arc<Share>>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.budget.counters.queued_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some(share) = &self.share {
            share.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_for_each_and_for_all_and_comes_back() {
        let counters = Arc::new(MirrorCounters::default());
        let budget = Budget::new(100, Arc::clone(&counters));
        let (one, other) = (Share::new(60, Arc::clone(&budget)), Share::new(60, Arc::clone(&budget)));
        let first = one.take(60).unwrap();
        assert!(one.take(1).is_none(), "its own share is used up");
        let second = other.take(40).unwrap();
        assert!(other.take(1).is_none(), "all is used up");
        assert_eq!(counters.queued_bytes.load(Ordering::Relaxed), 100);
        drop(first);
        let third = other.take(20).unwrap();
        assert!(other.take(1).is_none());
        drop((second, third));
        assert_eq!((budget.used.load(Ordering::Relaxed), counters.queued_bytes.load(Ordering::Relaxed)), (0, 0));
        assert_eq!((one.used.load(Ordering::Relaxed), other.used.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn what_is_larger_than_everything_has_room_when_it_is_alone() {
        let budget = Budget::new(10, Arc::default());
        let share = Share::new(5, Arc::clone(&budget));
        let huge = share.take(1_000).unwrap();
        assert!(share.take(1).is_none() && budget.take(1).is_none() && !budget.is_half_free());
        drop(huge);
        assert!(share.take(1).is_some());
    }
}
