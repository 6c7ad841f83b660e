//! Switches a recording on and off while sessions go on.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::counts::{Counters, RecordingCounts};
use super::queue::Queue;
use super::sink::SpoolSink;
use super::store::{RecordStore, StoreError};
use super::writing::Writing;
use crate::clocks;
use crate::recording::{Recorder, RecorderOptions, RecordingAbout, SessionId};

/// How records get from sessions to where they are written.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    /// Bytes of records that may wait to be written. What is too much is refused.
    pub queue_bytes: usize,
    /// What of a session is recorded.
    pub recorder: RecorderOptions,
}

impl Default for SpoolOptions {
    /// 64 MiB.
    fn default() -> Self {
        Self { queue_bytes: 64 << 20, recorder: RecorderOptions::default() }
    }
}

/// The recording of a program's sessions, if there is one now. Clones are the same switch.
#[derive(Debug, Clone)]
pub struct RecordingSwitch(Arc<Switch>);

#[derive(Debug)]
struct Switch {
    /// What the monotonic clock of all sessions counts from.
    epoch: Instant,
    /// Goes up with each change.
    position: AtomicU64,
    running: Mutex<Option<Running>>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Running {
    active: ActiveRecording,
    thread: JoinHandle<Result<String, StoreError>>,
}

/// A recording that is being made.
#[derive(Debug, Clone)]
pub struct ActiveRecording {
    pub(super) queue: Arc<Queue>,
    options: RecorderOptions,
}

impl ActiveRecording {
    /// Records another session, of the client with this address. It may have begun long before.
    pub fn recorder(&self, client: Option<String>) -> Recorder<SpoolSink> {
        let id = SessionId(u64::from(self.queue.recorder) << 32 | u64::from(self.queue.next_session()));
        Recorder::new(id, client, SpoolSink(Arc::clone(&self.queue))).with_options(self.options.clone())
    }
}

impl Default for RecordingSwitch {
    /// Off.
    fn default() -> Self {
        Self(Arc::new(Switch {
            epoch: Instant::now(),
            position: AtomicU64::new(0),
            running: Mutex::default(),
            counters: Arc::default(),
        }))
    }
}

impl RecordingSwitch {
    /// What the monotonic clock of sessions that are recorded here has to count from.
    pub fn epoch(&self) -> Instant {
        self.0.epoch
    }

    /// Another number after each change: cheap to ask with every read of a session's bytes.
    pub fn position(&self) -> u64 {
        self.0.position.load(Ordering::Relaxed)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recording that is being made now.
    pub fn active(&self) -> Option<ActiveRecording> {
        self.running().as_ref().map(|running| running.active.clone())
    }

    /// Begins a recording. Sessions that are open join it with their next command.
    ///
    /// One that is being made already ends first. An error if the system has no thread for it.
    pub fn turn_on(
        &self,
        store: Box<dyn RecordStore>,
        about: &RecordingAbout,
        options: SpoolOptions,
    ) -> io::Result<()> {
        self.turn_off();
        let started_ms = about.resumed_ms.unwrap_or(about.started_ms);
        // Both clocks count from the same time: files were made since the wall clock was read.
        let (now, since_1970) = clocks::both();
        let since_start = since_1970.saturating_sub(Duration::from_millis(started_ms));
        let now = now.checked_sub(since_start).filter(|start| *start >= self.0.epoch).unwrap_or(now);
        let started_ns = u64::try_from(now.duration_since(self.0.epoch).as_nanos()).unwrap_or(u64::MAX);
        let counters = Arc::clone(&self.0.counters);
        let begins_at_ns = store.begins_at_ns();
        let starts = (started_ns, begins_at_ns);
        let queue = Arc::new(Queue::new(options.queue_bytes, starts, about.recorder, counters));
        let writing =
            Writing { queue: Arc::clone(&queue), store, started: now, started_ms, begins_at_ns, open: BTreeMap::new() };
        let thread = std::thread::Builder::new().name("recording".to_owned()).spawn(move || writing.run())?;
        *self.running() = Some(Running { active: ActiveRecording { queue, options: options.recorder }, thread });
        self.0.position.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The program stops: sessions that end from now on end with the recording.
    pub fn ends_soon(&self) {
        if let Some(running) = &*self.running() {
            running.active.queue.ends_soon();
        }
    }

    /// Ends the recording: what has come so far is written. Returns what there is to say of it, or why it ended early; `None` where there is none.
    pub fn turn_off(&self) -> Option<Result<String, StoreError>> {
        let Running { active, thread } = self.running().take()?;
        self.0.position.fetch_add(1, Ordering::Relaxed);
        active.queue.close();
        Some(thread.join().unwrap_or_else(|_| Err("the recording's thread panicked, which is a bug".into())))
    }

    /// Whether there is one that could not be written any further.
    pub fn has_stopped(&self) -> bool {
        self.running().as_ref().is_some_and(|running| running.thread.is_finished())
    }

    /// What was counted, by all recordings.
    pub fn counts(&self) -> RecordingCounts {
        let queued = self.running().as_ref().map_or(0, |running| running.active.queue.bytes());
        self.0.counters.counts(queued)
    }
}
