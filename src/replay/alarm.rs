//! Wakes tasks at their time, more precisely than the runtime's own timers, which know milliseconds.
//!
//! A timer of the kernel is one of the things that an event loop waits for: no other thread has to be woken first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

/// Wakes the tasks of one event loop.
#[derive(Debug, Clone)]
pub(super) struct Alarm {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    timer: AsyncFd<OwnedFd>,
    sleepers: Mutex<BinaryHeap<Sleeper>>,
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

impl Shared {
    fn sleepers(&self) -> MutexGuard<'_, BinaryHeap<Sleeper>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self) {
        // It fails when the event loop ends, and then nobody sleeps any more.
        while let Ok(mut ready) = self.timer.readable().await {
            // Before the next time is set: whatever comes after that counts.
            ready.clear_ready();
            let mut due = Vec::new();
            let mut sleepers = self.sleepers();
            let now = Instant::now();
            while sleepers.peek().is_some_and(|sleeper| sleeper.at <= now) {
                due.extend(sleepers.pop().map(|sleeper| sleeper.waker));
            }
            self.ring_for_first(&sleepers, now);
            drop(sleepers);
            due.into_iter().for_each(Waker::wake);
        }
    }

    /// Sets the timer to the first that is due. The sleepers are locked meanwhile: the last setting is that of all.
    fn ring_for_first(&self, sleepers: &BinaryHeap<Sleeper>, now: Instant) {
        let Some(first) = sleepers.peek() else { return };
        // Nothing at all would switch it off.
        let pause = first.at.saturating_duration_since(now).max(Duration::from_nanos(1));
        let it_value = Timespec {
            tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: pause.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        // A timer that is open and a time that is valid are all that it asks for.
        let set = timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once);
        debug_assert!(set.is_ok());
    }
}

impl Alarm {
    /// For the tasks of this event loop; it ends with that.
    pub(super) fn start(event_loop: &Handle) -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let entered = event_loop.enter();
        let shared = Arc::new(Shared { timer: watched(timer)?, sleepers: Mutex::default() });
        drop(entered);
        let ring = Arc::clone(&shared);
        event_loop.spawn(async move { ring.run().await });
        Ok(Self { shared })
    }

    /// Waits until then; not at all if it is over.
    pub(super) fn sleep_until(&self, at: Instant) -> Sleep<'_> {
        Sleep { alarm: self, at, is_set: false }
    }
}

/// The timer, as one of the things that the event loop waits for.
#[allow(unsafe_code)]
fn watched(timer: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is one descriptor, open and nobody else's until it is dropped, which is after it is not watched any more.
    let watched = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
    Ok(watched?)
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
        let now = Instant::now();
        if now >= self.at {
            return Poll::Ready(());
        }
        // A task keeps its waker while it waits in one place, which is all that is done here.
        if !std::mem::replace(&mut self.is_set, true) {
            let sleeper = Sleeper { at: self.at, waker: context.waker().clone() };
            let shared = &self.alarm.shared;
            let mut sleepers = shared.sleepers();
            let is_first = sleepers.peek().is_none_or(|first| self.at < first.at);
            sleepers.push(sleeper);
            if is_first {
                shared.ring_for_first(&sleepers, now);
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleepers_wake_in_the_order_of_their_times_and_never_early() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let alarm = Alarm::start(runtime.handle()).unwrap();
        let begin = Instant::now();
        let woken = Arc::new(Mutex::new(Vec::new()));
        runtime.block_on(async {
            let mut tasks = Vec::new();
            for number in 0..200_u32 {
                let (alarm, woken) = (alarm.clone(), Arc::clone(&woken));
                let at = begin + Duration::from_millis(5) + Duration::from_micros(u64::from(number * 7919 % 200) * 100);
                tasks.push(tokio::spawn(async move {
                    alarm.sleep_until(at).await;
                    assert!(Instant::now() >= at);
                    woken.lock().unwrap().push(at);
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            alarm.sleep_until(begin).await;
        });
        assert!(woken.lock().unwrap().is_sorted());
    }

    #[test]
    fn it_rings_again_after_a_time_without_sleepers() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let alarm = Alarm::start(runtime.handle()).unwrap();
        for _ in 0..20 {
            runtime.block_on(alarm.sleep_until(Instant::now() + Duration::from_micros(300)));
        }
        // One that gives up leaves nothing that keeps others from waking.
        let far = Instant::now() + Duration::from_secs(3600);
        runtime.block_on(async {
            tokio::select! {
                () = alarm.sleep_until(far) => {}
                () = alarm.sleep_until(Instant::now() + Duration::from_millis(1)) => {}
            }
        });
        runtime.block_on(alarm.sleep_until(Instant::now() + Duration::from_millis(1)));
    }

    #[test]
    fn it_ends_with_its_event_loop() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let alarm = Alarm::start(runtime.handle()).unwrap();
        runtime.block_on(alarm.sleep_until(Instant::now() + Duration::from_millis(1)));
        let shared = Arc::downgrade(&alarm.shared);
        drop((runtime, alarm));
        assert!(shared.upgrade().is_none());
    }
}
