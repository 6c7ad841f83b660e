//! Records on their way to the disk.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::chunk::Chunk;
use super::shared::{Shared, Waiting, prefix};
use crate::mirror::line::Entrance;
use crate::recording::disk::{RecordingError, RecordingWriter, WriterOptions};
use crate::recording::{RecordingAbout, RecordingSource};

/// A recording is complete when it is this old, or has this many bytes of records.
const CHUNK_AGE: Duration = Duration::from_millis(200);
const CHUNK_BYTES: u64 = 8 << 20;
/// How often the thread looks whether it is.
const TICK: Duration = Duration::from_millis(50);

/// The number of the next one: of all mirrors of this process, which may use the same folder.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Writes recordings, one after the other.
pub(super) struct Writing {
    folder: PathBuf,
    records: Receiver<Waiting>,
    chunks: Sender<Chunk>,
    shared: Arc<Shared>,
    open: Option<Open>,
}

/// The recording that is written.
struct Open {
    writer: RecordingWriter,
    chunk: Chunk,
    since: Instant,
}

impl Writing {
    pub(super) fn new(folder: PathBuf, records: Receiver<Waiting>, chunks: Sender<Chunk>, shared: Arc<Shared>) -> Self {
        Self { folder, records, chunks, shared, open: None }
    }

    /// Until everything is given up, or nobody has anything more to write.
    pub(super) fn run(mut self) {
        loop {
            match self.records.recv_timeout(TICK) {
                Ok(waiting) => self.take(waiting),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.shared.cut.is_cancelled() {
                break;
            }
            let is_due = |open: &Open| open.chunk.bytes >= CHUNK_BYTES || open.since.elapsed() >= CHUNK_AGE;
            if self.open.as_ref().is_some_and(is_due) {
                self.complete();
            }
        }
        if let Some(Open { writer, chunk, .. }) = self.open.take() {
            drop(writer);
            chunk.remove(&self.shared);
        }
    }

    fn take(&mut self, waiting: Waiting) {
        let Waiting { mut record, line, bytes, room: _room } = waiting;
        // A session that was dropped and came back is two here.
        record.session = line.key();
        let written = self.opened().and_then(|open| {
            open.chunk.bytes += bytes;
            open.chunk.lines.insert(record.session, Arc::clone(&line));
            open.writer.write(&record)
        });
        if let Err(error) = written {
            if self.open.is_none() {
                self.shared.release(bytes);
            }
            self.fail(&error, &line);
        }
    }

    fn opened(&mut self) -> Result<&mut Open, RecordingError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.create()?,
        };
        Ok(self.open.insert(open))
    }

    fn create(&mut self) -> Result<Open, RecordingError> {
        let folder = self.folder.join(format!("{}{:08}", prefix(), NEXT.fetch_add(1, Ordering::Relaxed)));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let about = RecordingAbout::new(RecordingSource::Proxy, 0, started_ms);
        // It is one file, however large a single record is.
        let options = WriterOptions { rotate_bytes: u64::MAX, rotate_after: Duration::MAX, ..Default::default() };
        let writer = RecordingWriter::create(&folder, &about, options)?;
        let chunk = Chunk { folder, lines: HashMap::new(), bytes: 0 };
        Ok(Open { writer, chunk, since: Instant::now() })
    }

    /// The recording can be read.
    fn complete(&mut self) {
        let Some(Open { writer, chunk, .. }) = self.open.take() else { return };
        match writer.finish() {
            Ok(_) => {
                if let Err(unread) = self.chunks.send(chunk) {
                    unread.0.remove(&self.shared);
                }
            }
            Err(error) => {
                self.shared.broken(chunk.lines.values(), &error);
                chunk.remove(&self.shared);
            }
        }
    }

    fn fail(&mut self, error: &RecordingError, line: &Arc<Entrance>) {
        let open = self.open.take();
        let others = open.iter().flat_map(|open| open.chunk.lines.values());
        self.shared.broken(others.chain([line]), error);
        if let Some(Open { writer, chunk, .. }) = open {
            drop(writer);
            chunk.remove(&self.shared);
        }
    }
}
