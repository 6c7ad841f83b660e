//! Batches to reuse, so that the steady state allocates nothing.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use crate::deliver::batch::Batch;
use crate::deliver::queue::lock;

/// More spare batches than this are not kept.
const SPARES: usize = 16;
/// A spare batch keeps at most this much memory; a batch of an ordinary round is smaller.
const SPARE_BYTES: usize = 256 * 1024;
const SPARE_MESSAGES: usize = 4096;

#[derive(Debug)]
pub(crate) struct Pool {
    spares: Mutex<Vec<Arc<Batch>>>,
    bytes: AtomicUsize,
    messages: AtomicUsize,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            spares: Mutex::default(),
            bytes: AtomicUsize::new(SPARE_BYTES),
            messages: AtomicUsize::new(SPARE_MESSAGES),
        }
    }
}

impl Pool {
    /// From now on spare batches keep at most this much memory each.
    pub(crate) fn keep(&self, bytes: usize, messages: usize) {
        self.bytes.store(bytes, Relaxed);
        self.messages.store(messages, Relaxed);
    }

    /// An empty batch that nobody else holds.
    pub(crate) fn take(&self) -> Arc<Batch> {
        lock(&self.spares).pop().unwrap_or_default()
    }

    /// Takes back a batch if the caller is the last to hold it; otherwise a later caller will bring it.
    pub(crate) fn give(&self, mut batch: Arc<Batch>) {
        // Of two sinks that give the same batch back at the same time, neither may be the last one here; then it is freed.
        let Some(inner) = Arc::get_mut(&mut batch) else {
            return;
        };
        inner.clear();
        inner.shrink_to(self.bytes.load(Relaxed), self.messages.load(Relaxed));
        let mut spares = lock(&self.spares);
        if spares.len() < SPARES {
            spares.push(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::batch::batch_of;

    #[test]
    fn only_the_last_holder_recycles() {
        let pool = Pool::default();
        let batch = Arc::new(batch_of(&[(1, "a")]));
        pool.give(Arc::clone(&batch));
        assert_eq!(lock(&pool.spares).len(), 0);
        pool.give(batch);
        assert_eq!(lock(&pool.spares).len(), 1);
        assert!(pool.take().is_empty());
        assert_eq!(lock(&pool.spares).len(), 0);
    }
}
