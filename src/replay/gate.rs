//! How many sessions go on at once where recorded times do not say it.
//!
//! With `--speed max` a session begins when all those have ended that had ended before it began: there are never more of them at once than
//! there were, and what one session left to the next is there.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Counts sessions that ended, in the order in which they ended in the recording.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// All with a smaller number have ended.
    ended: u64,
    /// Others that have ended.
    early: BTreeSet<u64>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session that ended as the recording's `number`th (from 0) has ended again.
    pub(super) fn ended(&self, number: u64) {
        let mut state = self.lock();
        state.early.insert(number);
        while state.early.first() == Some(&state.ended) {
            state.early.pop_first();
            state.ended += 1;
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits until the first `sessions` that ended have ended again.
    pub(super) async fn wait_for(&self, sessions: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.lock().ended >= sessions {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
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
    }
}
