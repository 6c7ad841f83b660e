//! A counter in stripes: each thread adds to its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A counter that several threads add to all the time, each to a stripe of its own: no cache line travels between them.
#[derive(Debug, Default)]
pub(crate) struct Striped(Mutex<Vec<Stripe>>);

/// A thread's part of a counter. Clones are the same part, and belong to the same thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stripe(Arc<Line>);

/// A cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line(AtomicU64);

impl Striped {
    /// A part for one more thread.
    pub(crate) fn stripe(&self) -> Stripe {
        let stripe = Stripe::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stripe.clone());
        stripe
    }

    /// What all threads have added.
    pub(crate) fn total(&self) -> u64 {
        let stripes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stripes.iter().map(Stripe::get).sum()
    }
}

impl Stripe {
    /// Adds to it. A load and a store, not an atomic addition: only one thread may do this.
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        let Line(value) = &*self.0;
        value.store(value.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_together() {
        let striped = Striped::default();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let stripe = striped.stripe();
                scope.spawn(move || (0..1000).for_each(|_| stripe.add(2)));
            }
        });
        assert_eq!(striped.total(), 6000);
    }
}
