//! Records that wait to be written.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::counts::{Counters, add};
use crate::recording::sink::Admission;
use crate::recording::{Event, Record, SessionClose};

/// How long the writer sleeps when there is little to do. Waking it for each record would cost its sender more than the record does.
const NAP: Duration = Duration::from_millis(50);

/// The queue between the sessions and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    /// Bytes that may wait.
    limit: usize,
    /// Bytes of all records that are not written yet, those that the writer holds included.
    bytes: AtomicUsize,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    /// Nothing more is taken.
    is_closed: AtomicBool,
    /// The program stops: sessions that end now do not end by themselves.
    is_ending: AtomicBool,
    /// When this run of the recording began, in the clock of the sessions.
    started_ns: u64,
    /// The same in the recording's own clock.
    begins_at_ns: u64,
    /// The random number in its sessions' ids.
    pub(super) recorder: u32,
    sessions: AtomicU32,
    pub(super) counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Waiting {
    records: Vec<(Record, usize)>,
    /// The writer is to finish.
    is_over: bool,
}

/// What the writer gets.
pub(super) struct Batch {
    pub(super) records: Vec<(Record, usize)>,
    /// Nothing comes after it.
    pub(super) is_last: bool,
}

impl Queue {
    pub(super) fn new(
        limit: usize,
        (started_ns, begins_at_ns): (u64, u64),
        recorder: u32,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            limit,
            bytes: AtomicUsize::new(0),
            waiting: Mutex::default(),
            wake: Condvar::new(),
            is_closed: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            started_ns,
            begins_at_ns,
            recorder,
            sessions: AtomicU32::new(0),
            counters,
        }
    }

    /// The number of another session.
    pub(super) fn next_session(&self) -> u32 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that wait to be written.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether another record might be taken, or it is known for good that none is.
    pub(super) fn has_room(&self) -> bool {
        self.bytes() < self.limit || self.is_closed.load(Ordering::Relaxed)
    }

    pub(super) fn push(&self, mut record: Record) -> Admission {
        if self.is_closed.load(Ordering::Relaxed) {
            return Admission::Closed;
        }
        let size = record.bytes();
        let before = self.bytes.fetch_add(size, Ordering::Relaxed);
        if before.saturating_add(size) > self.limit {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            add(&self.counters.refused, 1);
            return Admission::Full;
        }
        let since_start = record.started.monotonic_ns.saturating_sub(self.started_ns);
        record.started.monotonic_ns = self.begins_at_ns.saturating_add(since_start);
        if record.event == Event::End(SessionClose::Closed) && self.is_ending.load(Ordering::Relaxed) {
            record.event = Event::End(SessionClose::RecordingEnded);
        }
        let mut waiting = self.waiting();
        if waiting.is_over {
            drop(waiting);
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            return Admission::Closed;
        }
        waiting.records.push((record, size));
        drop(waiting);
        // Only once on the way up: a burst is to be written before the queue is full.
        let worth_waking = self.limit / 4;
        if before < worth_waking && before + size >= worth_waking {
            self.wake.notify_one();
        }
        Admission::Taken
    }

    /// What has come, after a while. `spare`: what it is swapped with, empty.
    pub(super) fn next(&self, spare: Vec<(Record, usize)>) -> Batch {
        let mut waiting = self.waiting();
        if !waiting.is_over && waiting.records.is_empty() {
            waiting = self
                .wake
                .wait_timeout(waiting, NAP)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
        }
        let records = std::mem::replace(&mut waiting.records, spare);
        Batch { records, is_last: waiting.is_over }
    }

    /// So much has been written.
    pub(super) fn written(&self, size: usize) {
        self.bytes.fetch_sub(size, Ordering::Relaxed);
    }

    /// From now on sessions that end do so because the program stops.
    pub(super) fn ends_soon(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Nothing more is taken; what is there will be written.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.waiting().is_over = true;
        self.wake.notify_all();
    }

    /// Nothing more is taken, and nothing will be written. Returns how many records that concerns.
    pub(super) fn discard(&self) -> u64 {
        self.close();
        let left = std::mem::take(&mut self.waiting().records);
        self.bytes.fetch_sub(left.iter().map(|(_, size)| size).sum(), Ordering::Relaxed);
        left.len() as u64
    }
}
