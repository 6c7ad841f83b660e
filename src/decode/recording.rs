//! The recording of a capture's sessions.

use std::cell::RefCell;
use std::rc::Rc;

use crate::recording::{
    Admission, Record, RecordSink, RecordStore, Recorder, RecordingConfig, RecordingSource, SessionId, StoreError,
};
use crate::session::Now;

use super::tcp::Opening;

/// Writes records as they come. Nobody's bytes wait meanwhile, so that there is no queue, and no record that has no room.
#[derive(Clone)]
pub(super) struct Recording(Rc<RefCell<State>>);

struct State {
    config: RecordingConfig,
    /// From the first session on: its recording begins when the capture does.
    writer: Option<Box<dyn RecordStore>>,
    recorder: u32,
    sessions: u32,
    failed: Option<StoreError>,
}

impl Recording {
    pub(super) fn new(config: RecordingConfig) -> Self {
        Self(Rc::new(RefCell::new(State { config, writer: None, recorder: 0, sessions: 0, failed: None })))
    }

    /// Records another session.
    pub(super) fn recorder(&self, opening: &Opening) -> Option<Box<Recorder<RecordingSink>>> {
        let mut state = self.0.borrow_mut();
        if state.writer.is_none() {
            state.begin(opening);
        }
        if state.failed.is_some() {
            return None;
        }
        state.sessions += 1;
        let id = SessionId(u64::from(state.recorder) << 32 | u64::from(state.sessions));
        let sink = RecordingSink(Rc::clone(&self.0));
        let options = state.config.spool.recorder.clone();
        Some(Box::new(Recorder::new(id, Some(opening.client.to_string()), sink).with_options(options)))
    }

    /// Writes out what has waited long enough.
    pub(super) fn flush_due(&self, now: Now) {
        let mut state = self.0.borrow_mut();
        if let Some(Err(error)) = state.writer.as_mut().map(|writer| writer.flush_due(now)) {
            state.fail(error);
        }
    }

    /// Why there is no recording any more. Told once.
    pub(super) fn take_error(&self) -> Option<StoreError> {
        self.0.borrow_mut().failed.take()
    }

    /// Writes out the rest. `None`: there was no session.
    pub(super) fn finish(&self) -> Option<Result<String, StoreError>> {
        self.0.borrow_mut().writer.take().map(RecordStore::finish)
    }
}

impl State {
    fn begin(&mut self, opening: &Opening) {
        // Records count from the capture's first packet.
        let started_ms = opening.now.epoch_ms.saturating_sub(opening.now.monotonic_ns / 1_000_000);
        let about = self.config.about(RecordingSource::Packets, Some(opening.server.to_string()), started_ms);
        self.recorder = about.recorder;
        match self.config.create(&about) {
            Ok(writer) => self.writer = Some(writer),
            Err(error) => self.fail(error.into()),
        }
    }

    fn fail(&mut self, error: StoreError) {
        self.writer = None;
        self.failed.get_or_insert(error);
    }
}

/// One session's way into the recording.
pub(super) struct RecordingSink(Rc<RefCell<State>>);

impl RecordSink for RecordingSink {
    fn record(&mut self, record: Record) -> Admission {
        let mut state = self.0.borrow_mut();
        match state.writer.as_mut().map(|writer| writer.write(&record)) {
            Some(Ok(())) => Admission::Taken,
            Some(Err(error)) => {
                state.fail(error);
                Admission::Closed
            }
            None => Admission::Closed,
        }
    }
}
