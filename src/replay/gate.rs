//! How many sessions go on at once where recorded times do not say it.
//!
//! With `--speed max` a session begins when all those have ended that had ended before it began: there are never more of them at once than
//! there were, and what one session left to the next is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Counts sessions that ended, in the order in which they ended in the recording.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// All with a smaller number have ended.
    ended: u64,
    /// Others that have ended.
    early: BTreeSet<u64>,
    /// Who waits, by how many sessions are to have ended: an end wakes those whose turn it is, of thousands that may wait.
    waiting: BTreeMap<u64, Vec<oneshot::Sender<()>>>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recording is played once more from its beginning; none of its sessions is open.
    pub(super) fn begin(&self) {
        *self.lock() = State::default();
    }

    /// The session that ended as the recording's `number`th (from 0) has ended again.
    pub(super) fn ended(&self, number: u64) {
        let mut state = self.lock();
        state.early.insert(number);
        while state.early.first() == Some(&state.ended) {
            state.early.pop_first();
            state.ended += 1;
        }
        let later = match state.ended.checked_add(1) {
            Some(next) => state.waiting.split_off(&next),
            None => BTreeMap::new(),
        };
        let due = std::mem::replace(&mut state.waiting, later);
        drop(state);
        // Who has given up waiting does not hear it.
        for waiting in due.into_values().flatten() {
            let _ = waiting.send(());
        }
    }

    /// Waits until the first `sessions` that ended have ended again.
    pub(super) async fn wait_for(&self, sessions: u64) {
        let its_turn = {
            let mut state = self.lock();
            if state.ended >= sessions {
                return;
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.entry(sessions).or_default().push(sender);
            receiver
        };
        let _ = its_turn.await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_session_waits_for_all_that_ended_before_it() {
        let gate = Gate::default();
        gate.wait_for(0).await;
        gate.ended(1);
        let wait = gate.wait_for(2);
        tokio::pin!(wait);
        assert!(timeout(Duration::from_millis(20), &mut wait).await.is_err());
        gate.ended(0);
        timeout(Duration::from_secs(10), wait).await.unwrap();
        gate.ended(2);
        gate.wait_for(3).await;
        gate.begin();
        assert!(timeout(Duration::from_millis(20), gate.wait_for(1)).await.is_err());
        gate.ended(0);
        gate.wait_for(1).await;
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_end_wakes_only_those_whose_turn_it_is() {
        let (gate, woken) = (Gate::default(), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut waits: Vec<_> = (1..=100).map(|sessions| Box::pin(gate.wait_for(sessions))).collect();
        assert!(waits.iter_mut().all(|wait| wait.as_mut().poll(&mut context).is_pending()));
        gate.ended(0);
        gate.ended(2);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        gate.ended(1);
        assert_eq!(woken.0.load(Ordering::Relaxed), 3);
        // One that does not wait any more is in nobody's way.
        drop(waits);
        (3..100).for_each(|number| gate.ended(number));
        assert!(pin!(gate.wait_for(100)).poll(&mut context).is_ready());
    }
}
