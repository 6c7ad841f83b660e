//! Threads that play sessions: each has an event loop of its own, and a session's connection belongs to one of them.
//!
//! A runtime that moves tasks between threads wakes one of these for nearly every answer; that costs more than to play a statement.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::alarm::Alarm;

/// The threads. They end when this is dropped.
pub(super) struct Workers {
    first: Worker,
    others: Vec<Worker>,
    threads: Vec<JoinHandle<()>>,
    ends: Option<DropGuard>,
}

struct Worker {
    event_loop: Handle,
    alarm: Alarm,
    /// Sessions that it has now.
    sessions: Arc<AtomicUsize>,
}

/// Counts a session down when it ends, however it ends.
struct Load(Arc<AtomicUsize>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// One for each core.
    pub(super) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (end, mut threads) = (CancellationToken::new(), Vec::new());
        let ends = Some(end.clone().drop_guard());
        let mut worker = |index: usize| -> io::Result<Worker> {
            let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
            let event_loop = runtime.handle().clone();
            let (alarm, end) = (Alarm::start(&event_loop)?, end.clone());
            let thread = thread::Builder::new().name(format!("player-{index}"));
            threads.push(thread.spawn(move || runtime.block_on(end.cancelled()))?);
            Ok(Worker { event_loop, alarm, sessions: Arc::default() })
        };
        let first = worker(0)?;
        let others = (1..cores).map(worker).collect::<io::Result<_>>()?;
        Ok(Self { first, others, threads, ends })
    }

    /// Where what has no connection runs.
    pub(super) fn event_loop(&self) -> &Handle {
        &self.first.event_loop
    }

    /// Gives the thread that has the fewest sessions another one, which has that thread's alarm.
    pub(super) fn play<S>(&self, tasks: &TaskTracker, session: impl FnOnce(Alarm) -> S)
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let all = std::iter::once(&self.first).chain(&self.others);
        let worker = all.min_by_key(|worker| worker.sessions.load(Ordering::Relaxed)).unwrap_or(&self.first);
        worker.sessions.fetch_add(1, Ordering::Relaxed);
        let load = Load(Arc::clone(&worker.sessions));
        let session = session(worker.alarm.clone());
        let session = async move {
            session.await;
            drop(load);
        };
        tasks.spawn_on(session, &worker.event_loop);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.ends = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use tokio::sync::Barrier;

    use super::*;

    #[test]
    fn sessions_are_shared_out_evenly_and_the_threads_end() {
        let workers = Workers::start().unwrap();
        let count = workers.threads.len();
        let (tasks, seen) = (TaskTracker::new(), Arc::new(Mutex::new(Vec::new())));
        let all_here = Arc::new(Barrier::new(3 * count));
        for _ in 0..3 * count {
            let (seen, all_here) = (Arc::clone(&seen), Arc::clone(&all_here));
            workers.play(&tasks, |_| async move {
                all_here.wait().await;
                seen.lock().unwrap().push(thread::current().name().map(str::to_owned));
            });
        }
        tasks.close();
        workers.event_loop().block_on(tasks.wait());
        let seen = seen.lock().unwrap();
        let mut counts = HashMap::new();
        seen.iter().for_each(|name| *counts.entry(name).or_insert(0) += 1);
        assert!(counts.values().all(|count| *count == 3), "{counts:?}");
        assert_eq!(seen.len(), 3 * count);
        drop(workers);
    }
}
