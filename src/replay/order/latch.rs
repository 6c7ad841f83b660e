//! Something that others wait for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::recording::SessionId;

/// An event of the recording: others wait until it is done, or given up.
#[derive(Debug)]
pub(in crate::replay) struct Latch {
    session: SessionId,
    number: u64,
    /// When the target began with it, in nanoseconds of the replay's clock; see `WAITING` and `DONE`.
    state: AtomicU64,
    changed: Notify,
    /// What it waits for itself; not known before the recording is read up to its answer.
    before: Mutex<Option<Vec<Arc<Self>>>>,
}

/// It has not begun.
const WAITING: u64 = u64::MAX;
const DONE: u64 = u64::MAX - 1;

impl Latch {
    pub(super) fn new(session: SessionId, number: u64) -> Arc<Self> {
        Arc::new(Self {
            session,
            number,
            state: AtomicU64::new(WAITING),
            changed: Notify::new(),
            before: Mutex::new(None),
        })
    }

    /// Whose it is.
    pub(in crate::replay) fn session(&self) -> SessionId {
        self.session
    }

    /// The command's number in its session.
    pub(in crate::replay) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn is_done(&self) -> bool {
        self.state.load(Ordering::Acquire) == DONE
    }

    /// Since when the target is at it.
    pub(in crate::replay) fn began(&self) -> Option<u64> {
        Some(self.state.load(Ordering::Acquire)).filter(|state| *state < DONE)
    }

    fn set(&self, state: u64) {
        self.state.store(state, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// What it waits for is known.
    pub(super) fn wait_for(&self, before: Vec<Arc<Self>>) {
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        self.changed.notify_waiters();
    }

    fn before(&self) -> Option<Vec<Arc<Self>>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Of a chain of what waits for each other, the one that waits for nothing; as far as it is followed.
    fn head(self: &Arc<Self>) -> Arc<Self> {
        const LONGEST: usize = 10_000;
        let mut at = Arc::clone(self);
        for _ in 0..LONGEST {
            let next = at.before().into_iter().flatten().find(|before| !before.is_done());
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }
}

/// What a command waits for, and who waits for it. Dropped, it is done: nobody waits for what was passed over.
#[derive(Debug, Default)]
pub(in crate::replay) struct Turn {
    /// Of an event.
    own: Option<Arc<Latch>>,
    /// Of anything else.
    after: Vec<Arc<Latch>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            own.set(DONE);
            // A chain of all that ever waited would be as long as the recording.
            own.wait_for(Vec::new());
        }
    }
}

impl Turn {
    pub(super) fn of_event(own: Arc<Latch>) -> Self {
        Self { own: Some(own), after: Vec::new() }
    }

    pub(super) fn after(after: Vec<Arc<Latch>>) -> Self {
        Self { own: None, after }
    }

    /// The target begins with it.
    pub(in crate::replay) fn begin(&self, now: u64) {
        if let Some(own) = &self.own {
            own.set(now.min(DONE - 1));
        }
    }

    /// What it waits for now: another event, or `Err` if that is not known yet.
    pub(in crate::replay) fn awaited(&self) -> Result<Option<Arc<Latch>>, NotKnown> {
        let before = match &self.own {
            Some(own) => own.before().ok_or(NotKnown)?,
            None => self.after.clone(),
        };
        Ok(before.into_iter().find(|before| !before.is_done()))
    }

    /// Waits for that, or until something about it changed.
    pub(in crate::replay) async fn wait(&self) {
        let changed = match (self.awaited(), &self.own) {
            (Ok(None), _) | (Err(NotKnown), None) => return,
            (Ok(Some(before)), _) => before,
            (Err(NotKnown), Some(own)) => Arc::clone(own),
        };
        let notified = changed.changed.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        let is_still = match self.awaited() {
            Ok(Some(before)) => Arc::ptr_eq(&before, &changed),
            Ok(None) => false,
            Err(NotKnown) => true,
        };
        if is_still {
            notified.await;
        }
    }

    /// What all that it waits for waits for itself.
    pub(in crate::replay) fn head(&self) -> Option<Arc<Latch>> {
        self.awaited().ok().flatten().map(|before| before.head())
    }

    /// Waits for nothing any more.
    pub(in crate::replay) fn release(&mut self) {
        self.after.clear();
        if let Some(own) = &self.own {
            own.wait_for(Vec::new());
        }
    }
}

/// What an event waits for is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::replay) struct NotKnown;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn latch(number: u64) -> Arc<Latch> {
        Latch::new(SessionId(number), 1)
    }

    #[tokio::test]
    async fn an_event_waits_for_those_before_it() {
        let (first, second) = (latch(1), latch(2));
        let turn = Turn::of_event(Arc::clone(&second));
        assert_eq!(turn.awaited().unwrap_err(), NotKnown);
        let blocked = timeout(Duration::from_millis(20), turn.wait()).await;
        assert!(blocked.is_err(), "nothing is known");
        second.wait_for(vec![Arc::clone(&first)]);
        turn.wait_ends_when(|| drop(Turn::of_event(Arc::clone(&first)))).await;
        assert!(turn.awaited().unwrap().is_none());
    }

    impl Turn {
        async fn wait_ends_when(&self, change: impl FnOnce()) {
            let wait = self.wait();
            tokio::pin!(wait);
            assert!(timeout(Duration::from_millis(20), &mut wait).await.is_err());
            change();
            timeout(Duration::from_secs(10), wait).await.unwrap();
        }
    }

    #[tokio::test]
    async fn the_head_of_a_chain_is_the_one_that_can_go_on() {
        let [first, second, third] = [latch(1), latch(2), latch(3)];
        first.wait_for(Vec::new());
        second.wait_for(vec![Arc::clone(&first)]);
        third.wait_for(vec![Arc::clone(&second)]);
        let mut turn = Turn::of_event(third);
        assert_eq!(turn.head().unwrap().session(), SessionId(1));
        let first_turn = Turn::of_event(first);
        first_turn.begin(5);
        assert_eq!(turn.head().unwrap().began(), Some(5));
        drop(first_turn);
        assert_eq!(turn.head().unwrap().session(), SessionId(2));
        turn.release();
        assert!(turn.head().is_none());
        turn.wait().await;
    }

    #[test]
    fn what_is_done_holds_on_to_nothing() {
        let [first, second] = [latch(1), latch(2)];
        second.wait_for(vec![Arc::clone(&first)]);
        drop(Turn::of_event(Arc::clone(&second)));
        assert_eq!(Arc::strong_count(&first), 1);
        drop(second);
    }
}
