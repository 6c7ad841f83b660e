//! Where sessions wait that fall behind: with `--mirror-lag=queue`.
//!
//! What finds no room in its session's queue is written into a recording, and so is everything of the session that comes after it until the
//! last of it was read again: so a session stays in its order. Recordings are short, a fraction of a second each; one thread writes them, another
//! reads those that are complete, waits until each record has room in its session's queue, and removes them.
//!
//! A session that does not get on holds up the others that wait here, until its target's lock wait timeout ends it or the folder is full.

mod chunk;
mod reading;
mod shared;
mod writing;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::counters::{MirrorCounters, add};
use super::drops::Drops;
use super::line::Entrance;
use crate::recording::Record;
use reading::Reading;
use shared::{PREFIX, Shared, Waiting, prefix};
use writing::Writing;

/// The folder, from the side of those who forward.
#[derive(Debug)]
pub(super) struct Disk {
    records: Sender<Waiting>,
    /// Bytes on the way to the disk.
    memory: Arc<Budget>,
    shared: Arc<Shared>,
    limit: u64,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It waits.
    Taken,
    /// The disk is too slow.
    Behind,
    /// There is no room on it, or it cannot be used.
    Full,
}

impl Disk {
    /// Starts both threads. They end after `cut` is cancelled, and leave nothing in the folder.
    pub(super) fn start(
        folder: &Path,
        limit: u64,
        memory: Arc<Budget>,
        drops: Arc<Drops>,
        counters: Arc<MirrorCounters>,
        cut: CancellationToken,
    ) -> io::Result<(Self, [JoinHandle<()>; 2])> {
        clear(folder)?;
        let shared = Arc::new(Shared::new(counters, drops, cut));
        let ((records, to_write), (chunks, to_read)) = (channel(), channel());
        let writing = Writing::new(folder.to_owned(), to_write, chunks, Arc::clone(&shared));
        let reading = Reading::new(to_read, Arc::clone(&shared));
        let start =
            |name: &str, run: Box<dyn FnOnce() + Send>| std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let threads = [
            start("mirror-writes", Box::new(move || writing.run()))?,
            start("mirror-reads", Box::new(move || reading.run()))?,
        ];
        Ok((Self { records, memory, shared, limit }, threads))
    }

    /// Takes a record of this session. Does not wait.
    pub(super) fn put(&self, record: Record, line: &Arc<Entrance>) -> Put {
        let size = record.bytes();
        let bytes = size as u64;
        let used = self.shared.used.load(Ordering::Relaxed);
        if self.shared.is_broken.load(Ordering::Relaxed) || used.saturating_add(bytes) > self.limit {
            return Put::Full;
        }
        let Some(room) = self.memory.take(size) else { return Put::Behind };
        line.goes_to_disk();
        self.shared.used.fetch_add(bytes, Ordering::Relaxed);
        add(&self.shared.counters.disk_bytes, bytes);
        add(&self.shared.counters.spooled, 1);
        match self.records.send(Waiting { record, line: Arc::clone(line), bytes, room }) {
            Ok(()) => Put::Taken,
            Err(_) => Put::Full,
        }
    }
}

/// Removes what a run before has left.
fn clear(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut left = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Another mirror of this process may be ending.
        if name.starts_with(PREFIX) && !name.starts_with(&prefix()) && entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
            left += 1;
        }
    }
    if left > 0 {
        let folder = folder.display();
        tracing::warn!(left, "sessions that waited in {folder} when the program ended before are not mirrored");
    }
    Ok(())
}
