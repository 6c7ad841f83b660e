//! What sessions did, kept so that it can be done again: each command with its parameters, its time and its outcome.
//!
//! A [`Record`] is one of these facts. They are made by a [`Recorder`], which listens to an observer; they lie in files
//! (`docs/recordings.md` has the format) or in a Kafka topic; and whoever replays, mirrors or compares takes them from there.

mod about;
pub mod disk;
mod hearing;
pub mod import;
mod json;
pub mod kafka;
mod memory;
mod model;
mod reading;
mod recorder;
#[cfg(test)]
mod recorder_tests;
mod redact;
mod sink;
mod spool;
mod start;
mod state;
mod survey;

pub use about::{Lack, RecordingAbout, RecordingSource};
pub use model::{
    Event, Param, ParamValue, PreparedBefore, QueryAttribute, Record, RecordedAnswer, RecordedCommand, RecordedError,
    RecordedResult, SessionBegin, SessionClose, SessionId, SessionSettings, UserChange,
};
pub use recorder::{Recorder, RecorderOptions};
pub use redact::Redaction;
pub use sink::{Admission, RecordSink};
pub use spool::{ActiveRecording, RecordStore, RecordingCounts, RecordingSwitch, SpoolOptions, SpoolSink, StoreError};
pub use start::{RecordingConfig, StartError};
pub use state::SessionState;
pub use survey::{NotReplayed, Survey};
