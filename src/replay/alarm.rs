//! Wakes tasks at their time, more precisely than the runtime's own timers, which know milliseconds.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

/// A thread that wakes tasks. It ends with the last clone.
#[derive(Debug, Clone)]
pub(super) struct Alarm {
    shared: Arc<Shared>,
    _ends: Arc<Ends>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    sleepers: BinaryHeap<Sleeper>,
    is_over: bool,
}

#[derive(Debug)]
struct Sleeper {
    at: Instant,
    waker: Waker,
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Sleeper {}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleeper {
    /// The heap's greatest is the one that is due first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

#[derive(Debug)]
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        let mut due = Vec::new();
        while !state.is_over {
            let now = Instant::now();
            while state.sleepers.peek().is_some_and(|sleeper| sleeper.at <= now) {
                due.extend(state.sleepers.pop().map(|sleeper| sleeper.waker));
            }
            if !due.is_empty() {
                drop(state);
                due.drain(..).for_each(Waker::wake);
                state = self.lock();
                continue;
            }
            state = match state.sleepers.peek().map(|sleeper| sleeper.at.saturating_duration_since(now)) {
                Some(pause) => self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Alarm {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ends = Arc::new(Ends(Arc::clone(&shared)));
        let thread = Arc::clone(&shared);
        thread::Builder::new().name("alarm".to_owned()).spawn(move || thread.run())?;
        Ok(Self { shared, _ends: ends })
    }

    /// Waits until then; not at all if it is over.
    pub(super) fn sleep_until(&self, at: Instant) -> Sleep<'_> {
        Sleep { alarm: self, at, is_set: false }
    }
}

/// Ends at its time.
#[derive(Debug)]
pub(super) struct Sleep<'a> {
    alarm: &'a Alarm,
    at: Instant,
    is_set: bool,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        // A task keeps its waker while it waits in one place, which is all that is done here.
        if !std::mem::replace(&mut self.is_set, true) {
            let sleeper = Sleeper { at: self.at, waker: context.waker().clone() };
            let shared = &self.alarm.shared;
            let mut state = shared.lock();
            let is_first = state.sleepers.peek().is_none_or(|first| self.at < first.at);
            state.sleepers.push(sleeper);
            drop(state);
            if is_first {
                shared.changed.notify_one();
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sleepers_wake_in_the_order_of_their_times_and_never_early() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let alarm = Alarm::start().unwrap();
        let begin = Instant::now();
        runtime.block_on(async {
            let mut tasks = Vec::new();
            for number in 0..200_u32 {
                let alarm = alarm.clone();
                let at = begin + Duration::from_micros(u64::from(number * 7919 % 200) * 100);
                tasks.push(tokio::spawn(async move {
                    alarm.sleep_until(at).await;
                    assert!(Instant::now() >= at);
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            alarm.sleep_until(begin).await;
        });
    }

    #[test]
    fn the_thread_ends_with_its_last_user() {
        let alarm = Alarm::start().unwrap();
        let shared = Arc::downgrade(&alarm.shared);
        drop(alarm.clone());
        assert!(shared.upgrade().is_some());
        drop(alarm);
        while shared.upgrade().is_some() {
            thread::yield_now();
        }
    }
}
