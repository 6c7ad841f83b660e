//! The thread that writes a recording.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::counts::add;
use super::queue::Queue;
use super::store::{RecordStore, StoreError};
use crate::recording::{Event, Record, SessionClose, SessionId};
use crate::session::Now;

/// Writes what comes until there is nothing more, or until it cannot be written.
pub(super) struct Writing {
    pub(super) queue: Arc<Queue>,
    pub(super) store: Box<dyn RecordStore>,
    /// When this run of the recording began, in the clocks of the process, of the wall, and of the recording.
    pub(super) started: Instant,
    pub(super) started_ms: u64,
    pub(super) begins_at_ns: u64,
    /// Sessions that have not ended, and the number of the next record of each.
    pub(super) open: BTreeMap<SessionId, u64>,
}

impl Writing {
    /// Returns what there is to say of the recording, or why it ended early.
    pub(super) fn run(mut self) -> Result<String, StoreError> {
        let result = self.write_all();
        match result.and_then(|()| self.store.finish()) {
            Ok(summary) => Ok(summary),
            Err(error) => {
                let unwritten = self.queue.discard();
                add(&self.queue.counters.unwritten, unwritten);
                add(&self.queue.counters.stopped, 1);
                tracing::error!(%error, unwritten, "the recording stops here: it cannot be written any further (`record`). Sessions go on unrecorded");
                Err(error)
            }
        }
    }

    fn write_all(&mut self) -> Result<(), StoreError> {
        let mut spare = Vec::new();
        loop {
            let mut batch = self.queue.next(spare);
            let mut result = Ok(());
            for (record, size) in batch.records.drain(..) {
                if result.is_ok() {
                    result = self.write(&record);
                }
                // After an error they are only counted.
                add(&self.queue.counters.unwritten, u64::from(result.is_err()));
                self.queue.written(size);
            }
            result?;
            self.store.flush_due(self.now())?;
            if batch.is_last {
                return self.end_open_sessions();
            }
            spare = batch.records;
        }
    }

    fn write(&mut self, record: &Record) -> Result<(), StoreError> {
        self.store.write(record)?;
        let counters = &self.queue.counters;
        match &record.event {
            Event::Begin(_) => add(&counters.recorded_sessions, u64::from(record.number == 0)),
            Event::Command(_) => add(&counters.recorded_commands, 1),
            Event::Lost(_) => {}
            Event::End(_) => {
                self.open.remove(&record.session);
                return Ok(());
            }
        }
        self.open.insert(record.session, record.number + 1);
        Ok(())
    }

    /// Those that go on unrecorded have an end in the recording.
    fn end_open_sessions(&mut self) -> Result<(), StoreError> {
        let started = self.now();
        for (session, number) in std::mem::take(&mut self.open) {
            let event = Event::End(SessionClose::RecordingEnded);
            self.store.write(&Record { session, number, started, event })?;
        }
        Ok(())
    }

    /// The time in the recording's clock.
    fn now(&self) -> Now {
        let elapsed = self.started.elapsed();
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        Now {
            monotonic_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).saturating_add(self.begins_at_ns),
            epoch_ms: self.started_ms.saturating_add(millis),
        }
    }
}
