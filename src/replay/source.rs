//! Where records come from.

use std::fmt;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::recording::disk::{Key, Recording};
use crate::recording::{Record, RecordingAbout, SessionId};

/// Gives a recording's records, in the order in which they began.
pub(crate) trait RecordSource: Send {
    /// What the recording says of itself.
    fn about(&self) -> &RecordingAbout;

    /// How long it is, in nanoseconds from its beginning to its last record, if that is known.
    fn length_ns(&self) -> Option<u64>;

    /// When the recording's first record is due, if that is not for this player alone to say. Waits until it is agreed.
    fn start(&self) -> Option<Start> {
        None
    }

    /// Who wants to know what becomes of sessions, and may have them given up.
    fn watch(&self) -> Option<Box<dyn SessionWatch>> {
        None
    }

    /// What there is to say of the source once all is played.
    fn notes(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Calls `take` with each record that started in a part of the recording, until that says that it wants no more. Sessions that are open
    /// at `from_ns` come first, as they are then. The error says what is wrong with the recording.
    fn read(&mut self, from_ns: u64, to_ns: u64, take: &mut dyn FnMut(Record) -> Flow) -> Result<(), String>;
}

/// When several players begin: what was recorded at the start of the recorded clock is due then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// In milliseconds since 1970.
    pub(crate) epoch_ms: u64,
}

/// Hears what becomes of sessions.
pub(crate) trait SessionWatch: fmt::Debug + Send + Sync {
    /// A session is opened on the target.
    fn began(&self, session: SessionId);

    /// What is cancelled when the session is to be given up at once: another player has it from then on.
    fn given_up(&self, session: SessionId) -> CancellationToken;

    /// The session is over, and its connection closed; `given_up` is what was given out for it.
    fn ended(&self, session: SessionId, given_up: &CancellationToken);
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// With the next record.
    On,
    /// No more.
    End,
}

/// A recording in a folder.
#[derive(Debug)]
pub(crate) struct FolderSource {
    recording: Recording,
    length_ns: Option<u64>,
}

impl FolderSource {
    /// Opens it.
    pub(crate) fn open(dir: PathBuf, key: Option<&Key>) -> Result<Self, String> {
        let recording = Recording::open(&dir, key).map_err(|error| error.to_string())?;
        let length_ns = recording.timeline(0, u64::MAX).map_err(|error| error.to_string())?.last_ns();
        Ok(Self { recording, length_ns: Some(length_ns) })
    }
}

impl RecordSource for FolderSource {
    fn about(&self) -> &RecordingAbout {
        self.recording.about()
    }

    fn length_ns(&self) -> Option<u64> {
        self.length_ns
    }

    fn read(&mut self, from_ns: u64, to_ns: u64, take: &mut dyn FnMut(Record) -> Flow) -> Result<(), String> {
        let timeline = self.recording.timeline(from_ns, to_ns).map_err(|error| error.to_string())?;
        for record in timeline {
            if take(record.map_err(|error| error.to_string())?) == Flow::End {
                break;
            }
        }
        Ok(())
    }
}
