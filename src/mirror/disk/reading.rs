//! Records on their way back to their sessions.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::chunk::Chunk;
use super::shared::Shared;
use crate::mirror::line::{Entrance, Pushed};
use crate::recording::Record;
use crate::recording::disk::{Recording, RecordingError};

/// How often the thread looks whether everything is given up.
const TICK: Duration = Duration::from_millis(50);
/// How long it waits for room in a session's queue before it looks again.
const PAUSE: Duration = Duration::from_millis(1);

/// Reads recordings, one after the other.
pub(super) struct Reading {
    chunks: Receiver<Chunk>,
    shared: Arc<Shared>,
}

impl Reading {
    pub(super) fn new(chunks: Receiver<Chunk>, shared: Arc<Shared>) -> Self {
        Self { chunks, shared }
    }

    /// Until everything is given up, or nobody writes any more.
    pub(super) fn run(self) {
        loop {
            match self.chunks.recv_timeout(TICK) {
                Ok(chunk) => self.take(chunk),
                Err(RecvTimeoutError::Timeout) if !self.shared.cut.is_cancelled() => {}
                Err(_) => break,
            }
        }
        while let Ok(chunk) = self.chunks.try_recv() {
            chunk.remove(&self.shared);
        }
    }

    fn take(&self, chunk: Chunk) {
        if let Err(error) = self.read(&chunk) {
            self.shared.broken(chunk.lines.values(), &error);
        }
        chunk.remove(&self.shared);
    }

    fn read(&self, chunk: &Chunk) -> Result<(), RecordingError> {
        for record in Recording::open(&chunk.folder, None)?.records() {
            let record = record?;
            if let Some(line) = chunk.lines.get(&record.session) {
                self.deliver(Record { session: line.session(), ..record }, line);
            }
            if self.shared.cut.is_cancelled() {
                break;
            }
        }
        Ok(())
    }

    /// Waits until the session's queue has room.
    fn deliver(&self, mut record: Record, line: &Entrance) {
        while let Pushed::Full(back) = line.push(record) {
            if self.shared.cut.is_cancelled() {
                return;
            }
            record = back;
            std::thread::sleep(PAUSE);
        }
        line.came_from_disk();
    }
}
