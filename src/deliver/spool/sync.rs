//! When what is in the spool is on the disk: a thread that syncs its files, so that nobody else waits for the disk.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::Notify;

use super::error::SpoolError;
use crate::deliver::fsync::Fsync;
use crate::deliver::queue::lock;
use crate::files;

/// With [`Fsync::Interval`].
const INTERVAL: Duration = Duration::from_secs(1);

/// How far the spool is on the disk.
#[derive(Debug)]
pub(super) struct Syncer {
    fsync: Fsync,
    folder: PathBuf,
    state: Mutex<State>,
    wanted: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The position through which everything is written, to files that were told of before.
    written: AtomicU64,
    /// The position through which everything is on the disk.
    synced: AtomicU64,
    failed: AtomicBool,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    /// Those that may have something that is not on the disk; the last one grows.
    files: Vec<Arc<File>>,
    /// The names of some may not be on the disk.
    has_begun: bool,
    closed: bool,
}

impl Syncer {
    /// Starts the thread, if there is something to do for it. `changed` is notified whenever more is on the disk.
    pub(super) fn start(
        fsync: Fsync,
        folder: &Path,
        written: u64,
        changed: Arc<Notify>,
    ) -> Result<Arc<Self>, SpoolError> {
        let state = Mutex::default();
        let (written, synced, failed) = (AtomicU64::new(written), AtomicU64::new(written), AtomicBool::new(false));
        let (folder, wanted, thread) = (folder.to_owned(), Condvar::new(), Mutex::default());
        let syncer = Arc::new(Self { fsync, folder, state, wanted, thread, written, synced, failed, changed });
        if fsync != Fsync::Never {
            let (runs, name) = (Arc::clone(&syncer), "spool-sync");
            let started = thread::Builder::new().name(name.to_owned()).spawn(move || runs.run());
            *lock(&syncer.thread) = Some(started.map_err(|source| SpoolError::Thread { name, source })?);
        }
        Ok(syncer)
    }

    /// What is appended from now on goes to this file.
    pub(super) fn begun(&self, file: File) {
        if self.fsync != Fsync::Never {
            let mut state = lock(&self.state);
            state.files.push(Arc::new(file));
            state.has_begun = true;
        }
    }

    /// Everything through this position is written.
    pub(super) fn wrote(&self, position: u64) {
        if self.fsync == Fsync::Never {
            return;
        }
        self.written.store(position, Release);
        if self.fsync == Fsync::Always {
            // It has looked before, and waits, or looks after this.
            drop(lock(&self.state));
            self.wanted.notify_one();
        }
    }

    /// Whether a reply may tell of what has this position.
    pub(super) fn covers(&self, position: u64) -> bool {
        self.fsync != Fsync::Always || self.synced.load(Relaxed) >= position
    }

    /// What was written may not be on the disk, and the system may not say so again.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Nothing more is written: the thread syncs what is left, and ends.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.wanted.notify_one();
    }

    /// As [`Self::close`], and returns when all of it is on the disk.
    pub(super) fn finish(&self) {
        self.close();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic there was reported already.
            let _ = thread.join();
        }
    }

    fn run(&self) {
        loop {
            let mut state = lock(&self.state);
            while !state.closed
                && (self.fsync == Fsync::Interval || self.written.load(Acquire) == self.synced.load(Relaxed))
            {
                let waited = self.wanted.wait_timeout(state, INTERVAL).unwrap_or_else(PoisonError::into_inner);
                state = waited.0;
                if waited.1.timed_out() {
                    break;
                }
            }
            let written = self.written.load(Acquire);
            let (files, closed) = (state.files.clone(), state.closed);
            if written == self.synced.load(Relaxed) {
                if closed {
                    return;
                }
                continue;
            }
            let has_begun = std::mem::take(&mut state.has_begun);
            drop(state);
            self.sync(&files, has_begun, written);
            // One that failed is not tried again.
            if closed || self.has_failed() {
                return;
            }
        }
    }

    fn sync(&self, files: &[Arc<File>], has_begun: bool, written: u64) {
        let named = if has_begun { files::sync_folder(&self.folder) } else { Ok(()) };
        let synced = named.and_then(|()| files.iter().try_for_each(|file| files::sync(file)));
        if let Err(error) = synced {
            self.failed.store(true, Relaxed);
            tracing::error!(%error, "what is in the spool may not be on the disk, and the spool takes no further statements until the proxy is started again (--spool-fsync)");
            self.changed.notify_waiters();
            return;
        }
        let mut state = lock(&self.state);
        // Complete ones; the last may grow.
        let complete = files.len().saturating_sub(1);
        state.files.drain(..complete);
        drop(state);
        self.synced.store(written, Relaxed);
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn after_a_sync_that_failed_the_thread_is_over() {
        let folder = tempfile::tempdir().unwrap();
        // It is not there: nothing of it can be synced.
        let syncer = Syncer::start(Fsync::Always, &folder.path().join("gone"), 0, Arc::default()).unwrap();
        syncer.begun(tempfile::tempfile().unwrap());
        syncer.wrote(1);
        let deadline = Instant::now() + Duration::from_secs(30);
        while lock(&syncer.thread).as_ref().is_some_and(|thread| !thread.is_finished()) {
            assert!(Instant::now() < deadline, "it goes on, and finds the same each time");
            thread::sleep(Duration::from_millis(5));
        }
        assert!(syncer.has_failed() && !syncer.covers(1));
        syncer.wrote(2);
        syncer.finish();
    }
}
