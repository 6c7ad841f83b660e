//! A record as JSON, and back.
//!
//! Bytes that are UTF-8 are strings, others `{"base64": ".."}`. What is absent is left out.

use serde::{Deserialize, Serialize};

use super::wire_begin::WireBegin;
use super::wire_command::WireCommand;
use crate::recording::{Event, Record, RecordingAbout, SessionClose, SessionId};
use crate::session::Now;

/// The version of the fields. Messages of a greater one are refused.
const VERSION: u32 = 1;

/// Why a message is no record.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// It is something else.
    #[error("no record of a recording: {0}")]
    Foreign(String),
    /// It is of a later program.
    #[error(
        "the record's version is {0}, and this program knows versions up to {VERSION}: use a newer mysql-interceptor"
    )]
    Version(u32),
}

/// Appends a record; `about` goes with each beginning.
pub fn encode(record: &Record, about: &RecordingAbout, out: &mut Vec<u8>) -> Result<(), WireError> {
    let wire = WireRecord {
        v: VERSION,
        session: record.session.to_string(),
        number: record.number,
        started_ns: record.started.monotonic_ns,
        epoch_ms: record.started.epoch_ms,
        recording: matches!(record.event, Event::Begin(_)).then(|| about.clone()),
        event: WireEvent::of(&record.event),
    };
    serde_json::to_writer(out, &wire).map_err(|error| WireError::Foreign(error.to_string()))
}

/// A record, and what a beginning says of the recording.
pub fn decode(message: &[u8]) -> Result<(Record, Option<RecordingAbout>), WireError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let foreign = |error: serde_json::Error| WireError::Foreign(error.to_string());
    let Version { v } = serde_json::from_slice(message).map_err(foreign)?;
    if v > VERSION {
        return Err(WireError::Version(v));
    }
    let wire: WireRecord = serde_json::from_slice(message).map_err(foreign)?;
    let session = u64::from_str_radix(&wire.session, 16).map_err(|error| WireError::Foreign(error.to_string()))?;
    let record = Record {
        session: SessionId(session),
        number: wire.number,
        started: Now { monotonic_ns: wire.started_ns, epoch_ms: wire.epoch_ms },
        event: wire.event.into_event(),
    };
    Ok((record, wire.recording))
}

#[derive(Serialize, Deserialize)]
struct WireRecord {
    v: u32,
    session: String,
    number: u64,
    started_ns: u64,
    epoch_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recording: Option<RecordingAbout>,
    event: WireEvent,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireEvent {
    Begin(Box<WireBegin>),
    Command(Box<WireCommand>),
    Lost(String),
    End(WireClose),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireClose {
    Quit,
    Closed,
    RecordingEnded,
}

impl WireEvent {
    fn of(event: &Event) -> Self {
        match event {
            Event::Begin(begin) => Self::Begin(Box::new(WireBegin::of(begin))),
            Event::Command(command) => Self::Command(Box::new(WireCommand::of(command))),
            Event::Lost(reason) => Self::Lost(reason.clone()),
            Event::End(SessionClose::Quit) => Self::End(WireClose::Quit),
            Event::End(SessionClose::Closed) => Self::End(WireClose::Closed),
            Event::End(SessionClose::RecordingEnded) => Self::End(WireClose::RecordingEnded),
        }
    }

    fn into_event(self) -> Event {
        match self {
            Self::Begin(begin) => Event::Begin(Box::new(begin.into_begin())),
            Self::Command(command) => Event::Command(Box::new(command.into_command())),
            Self::Lost(reason) => Event::Lost(reason),
            Self::End(WireClose::Quit) => Event::End(SessionClose::Quit),
            Self::End(WireClose::Closed) => Event::End(SessionClose::Closed),
            Self::End(WireClose::RecordingEnded) => Event::End(SessionClose::RecordingEnded),
        }
    }
}
