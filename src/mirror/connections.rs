//! How many connections to the target there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::counters::MirrorCounters;

/// Those of a mirror, open or about to be.
#[derive(Debug)]
pub(super) struct Connections {
    used: AtomicUsize,
    limit: usize,
    counters: Arc<MirrorCounters>,
}

impl Connections {
    pub(super) fn new(limit: usize, counters: Arc<MirrorCounters>) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit, counters })
    }

    /// `None` if all are in use.
    pub(super) fn claim(self: &Arc<Self>) -> Option<Connection> {
        let before = self.used.fetch_add(1, Ordering::Relaxed);
        self.counters.open.fetch_add(1, Ordering::Relaxed);
        // From here on it is given back when it is dropped.
        let connection = Connection(Arc::clone(self));
        (before < self.limit).then_some(connection)
    }
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Connection(Arc<Connections>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
        self.0.counters.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_than_allowed() {
        let connections = Connections::new(2, Arc::default());
        let (first, second) = (connections.claim().unwrap(), connections.claim().unwrap());
        assert!(connections.claim().is_none());
        drop(first);
        let third = connections.claim().unwrap();
        assert!(connections.claim().is_none());
        drop((second, third));
        assert_eq!(connections.counters.open.load(Ordering::Relaxed), 0);
    }
}
